"""PoseFormerV2: a few centre frames and a few low frequencies of a long window."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.layers import (
    DiscreteCosine,
    DropPath,
    FeedForward,
    PositionEmbedding,
    RootRelative,
    SelfAttention,
    TransformerBlock,
    WeightedMean,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class PoseFormerV2(PoseNet):
    """Lift the centre frame from the frames around it and the window's low frequencies.

    The `frames_kept` frames in the middle pass transformer blocks over their joints, as in
    `PoseFormer`. The whole window is transformed to frequencies (discrete cosine transform of each
    coordinate), of which the `coefficients_kept` lowest become tokens too. Blocks over all tokens
    follow, coefficients in front, whose feed-forward works on the first half of the tokens as they
    are and on the frequencies of the second half. Two learned weighted means, of coefficients and
    of frames, go through a linear layer to the coordinates.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; the centre one comes out. There is no default: weights do
            not depend on it, but what they mean does.
        frames_kept: Frames in the middle that are seen as they are.
        coefficients_kept: Low frequencies of the window that are seen.
        joint_channels: Channels of a joint's token; a frame has as many for each of its joints.
        num_blocks: Transformer blocks over the joints, and again over frames and frequencies.
        num_heads: Heads of all attentions; divides `joint_channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        drop_path: Probability that a branch of the last block is dropped; rises from 0.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense, `num_frames` is not given, or there are fewer frames
            than are kept.

    Examples:
        >>> net = PoseFormerV2("human36m_17", num_frames=9, joint_channels=8, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Zhao et al., "PoseFormerV2: Exploring frequency domain for efficient and robust 3D human
        pose estimation", CVPR 2023, section 3.
    """

    source = "Zhao et al., CVPR 2023 (arXiv 2303.17472)"
    presets = {  # noqa: RUF012
        f"pose_former_v2_{frames}_{kept}_{coefficients}": {
            "description": f"The published net for {frames} frames, seeing {kept} of them and "
            f"{coefficients} frequencies.",
            "published": f"{error} mm MPJPE on Human3.6M with CPN keypoints",
            "config": {
                "num_frames": frames,
                "frames_kept": kept,
                "coefficients_kept": coefficients,
            },
        }
        for frames, kept, coefficients, error in (
            (27, 1, 3, 48.7),
            (27, 3, 3, 47.9),
            (81, 1, 3, 47.6),
            (81, 3, 3, 47.1),
            (81, 9, 9, 46.0),
            (243, 27, 27, 45.2),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int | None = None,
        frames_kept: int = 3,
        coefficients_kept: int = 3,
        joint_channels: int = 32,
        num_blocks: int = 4,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if num_frames is None:
            raise UserError(
                "PoseFormerV2 needs `num_frames`, the frames of its window: published are 27, 81 "
                "and 243."
            )
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        joint_channels = check_integer("joint_channels", joint_channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        for name, kept in (("frames_kept", frames_kept), ("coefficients_kept", coefficients_kept)):
            if check_integer(name, kept) > num_frames:
                raise ValueError(f"`{name}` is {kept}, more than the {num_frames} frames.")
        channels = joints * joint_channels
        rates = np.linspace(0, drop_path, num_blocks).tolist()
        options: dict[str, Any] = {"num_heads": num_heads, "mlp_ratio": mlp_ratio, "dtype": dtype}

        def dense(x: Any, units: int, name: str, dtype: Any = dtype) -> Any:
            return layers.Dense(units, dtype=dtype, name=name, **linear_initializers(x.shape[-1]))(
                x
            )

        start = (num_frames - 1) // 2 - frames_kept // 2
        x = dense(inputs[:, start : start + frames_kept], joint_channels, "joint_stem")
        x = PositionEmbedding(dtype=dtype, name="joint_embedding")(x)
        for index, rate in enumerate(rates):
            x = TransformerBlock(drop_path=rate, name=f"joint_block_{index}", **options)(x)
        x = layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="joint_norm")(x)
        x = ops.reshape(x, (-1, frames_kept, channels))
        frames = PositionEmbedding(dtype=dtype, name="frame_embedding")(x)

        # In half precision sums over hundreds of frames would lose what the net is to see.
        x = ops.reshape(inputs, (-1, num_frames, joints * input_channels))
        x = DiscreteCosine(coefficients_kept, dtype="float32", name="frequencies")(x)
        x = dense(x, channels, "frequency_stem")
        frequencies = PositionEmbedding(dtype=dtype, name="frequency_embedding")(x)

        x = ops.concatenate([frequencies, frames], axis=1)
        for index, rate in enumerate(rates):
            x = FrequencyBlock(drop_path=rate, name=f"mixed_block_{index}", **options)(x)
        x = layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="mixed_norm")(x)
        means = [
            WeightedMean(dtype=dtype, name="frequency_mean")(x[:, :coefficients_kept]),
            WeightedMean(dtype=dtype, name="frame_mean")(x[:, coefficients_kept:]),
        ]
        x = ops.concatenate(means, axis=-1)
        x = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="head_norm")(x)
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = dense(x, joints * 3, "coordinates", "float32")
        x = ops.reshape(x, (-1, 1, joints, 3))
        outputs = RootRelative(skeleton, mode="zero", dtype="float32", name="pose")(x)
        super().__init__(
            inputs,
            outputs,
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=1,
            dtype=dtype,
            **kwargs,
        )
        self.frames_kept = frames_kept
        self.coefficients_kept = coefficients_kept
        self.joint_channels = joint_channels
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "frames_kept": self.frames_kept,
            "coefficients_kept": self.coefficients_kept,
            "joint_channels": self.joint_channels,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
            "input_channels": self.input_channels,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class FrequencyBlock(layers.Layer):
    """Transformer block whose feed-forward sees half of the tokens as frequencies.

    After the attention, the first half of the tokens (rounded down) passes a feed-forward as it
    is; the others are transformed along the tokens to frequencies, pass another, and are
    transformed back. Which tokens these are is decided by their number alone, also where
    frequencies and frames are not as many.

    Args:
        num_heads: Number of attention heads.
        mlp_ratio: Width of both feed-forwards as a multiple of the channels.
        drop_path: Probability that a branch is dropped in training.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(batch, tokens, channels)`, at least 2 tokens.

    Examples:
        >>> tuple(FrequencyBlock(2)(np.zeros((4, 5, 8), "float32")).shape)
        (4, 5, 8)
    """

    def __init__(
        self, num_heads: int, mlp_ratio: float = 2.0, drop_path: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention = SelfAttention(num_heads, dtype=policy, name="attention")
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.drop_path_layer = DropPath(drop_path, dtype=policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        policy, channels, tokens = self.dtype_policy, input_shape[-1], input_shape[-2]
        if channels is None or tokens is None or tokens < 2:
            raise ValueError(
                f"{self.name} takes (batch, tokens, channels), at least 2 tokens, got "
                f"{tuple(input_shape)}."
            )
        for name in ("attention_norm", "feed_forward_norm", "frequency_norm"):
            norm = layers.LayerNormalization(epsilon=1e-6, dtype=policy, name=name)
            norm.build(input_shape)
            setattr(self, name, norm)
        for name in ("feed_forward", "frequency_feed_forward"):
            width = max(1, round(self.mlp_ratio * channels))
            feed_forward = FeedForward(width, dtype=policy, name=name)
            feed_forward.build(input_shape)
            setattr(self, name, feed_forward)
        self.attention.build(input_shape)
        half = (None, tokens - tokens // 2, channels)
        self.to_frequencies = DiscreteCosine(dtype=policy, name="to_frequencies")
        self.to_frames = DiscreteCosine(inverse=True, dtype=policy, name="to_frames")
        self.to_frequencies.build(half)
        self.to_frames.build(half)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        def drop(x: Any) -> Any:
            return self.drop_path_layer(x, training=training)

        x = inputs + drop(self.attention(self.attention_norm(inputs), training=training))
        half = inputs.shape[-2] // 2
        first, second = x[:, :half], x[:, half:]
        first = first + drop(self.feed_forward(self.feed_forward_norm(first)))
        frequencies = self.to_frequencies(self.frequency_norm(second))
        second = second + drop(self.to_frames(self.frequency_feed_forward(frequencies)))
        return ops.concatenate([first, second], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.attention.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
        }
