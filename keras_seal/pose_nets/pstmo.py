"""P-STMO: frames encoded one by one, transformed together, and gathered into the centre one."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import (
    DeviationNormalization,
    FeedForward,
    PositionEmbedding,
    RootRelative,
    SelfAttention,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input

# Two of the published windows are gathered in other steps than their prime factors.
_PUBLISHED_STRIDES = {9: (1, 3, 3), 351: (3, 9, 13)}


def default_strides(num_frames: int) -> tuple[int, ...]:
    """Say in which steps a window is gathered into one frame.

    Args:
        num_frames: Frames of the window.

    Returns:
        The published strides where there are, the prime factors otherwise.

    Examples:
        >>> default_strides(243)
        (3, 3, 3, 3, 3)
    """
    if num_frames in _PUBLISHED_STRIDES:
        return _PUBLISHED_STRIDES[num_frames]
    strides, rest, factor = [], num_frames, 2
    while rest > 1:
        while rest % factor == 0:
            strides.append(factor)
            rest //= factor
        factor += 1
    return tuple(strides) or (1,)


@keras.saving.register_keras_serializable(package="keras_seal")
class PSTMO(PoseNet):
    """Lift the centre frame of a window, or all of them, as P-STMO does.

    Each frame is encoded by a residual multilayer perceptron. A transformer over the frames
    follows; a linear layer reads a pose for each frame off it. Transformer layers that end with a
    strided convolution gather the frames into the one in the centre, whose pose is read off by a
    linear layer of its own.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window.
        out_frames: 1 for the centre frame's pose alone; `num_frames` for the poses of all frames,
            the gathered one in the centre and those of the transformer elsewhere. Published weights
            hold both; the published loss sums the error of all frames and that of the centre.
        channels: Channels of a frame's token.
        hidden: Channels between the two layers of a feed-forward.
        num_blocks: Layers of the transformer over the frames.
        strides: Strides of the gathering layers; None for `default_strides`.
        num_heads: Heads of all attentions; divides `channels`.
        dropout: Dropout rate everywhere.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense, or the strides leave more than one frame.

    Examples:
        >>> import numpy as np
        >>> net = PSTMO("human36m_17", num_frames=9, channels=16, hidden=32, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Shan et al., "P-STMO: Pre-trained spatial temporal many-to-one model for 3D human pose
        estimation", ECCV 2022, section 3.2.
    """

    source = "Shan et al., ECCV 2022 (arXiv 2203.07628)"
    presets = {  # noqa: RUF012
        "pstmo_243": {
            "description": "The published net for 243 frames: 4 layers over the frames.",
            "published": "42.8 mm MPJPE on Human3.6M with CPN keypoints, pre-trained",
            "config": {"num_frames": 243, "num_blocks": 4},
        },
        "pstmo_s_243": {
            "description": "The published small net for 243 frames: 3 layers over the frames.",
            "published": "43.0 mm MPJPE on Human3.6M with CPN keypoints, 29.3 with true ones, "
            "pre-trained",
            "config": {"num_frames": 243, "num_blocks": 3},
        },
        "pstmo_81": {
            "description": "The published net for MPI-INF-3DHP: 81 frames, 4 layers.",
            "config": {"num_frames": 81, "num_blocks": 4},
        },
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        out_frames: int = 1,
        channels: int = 256,
        hidden: int = 512,
        num_blocks: int = 4,
        strides: Sequence[int] | None = None,
        num_heads: int = 8,
        dropout: float = 0.1,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        channels = check_integer("channels", channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        if out_frames not in (1, num_frames):
            raise ValueError(f"`out_frames` is 1 or {num_frames}, got {out_frames!r}.")
        strides = tuple(strides or default_strides(num_frames))
        left = num_frames
        for stride in strides:
            left = (left - 1) // check_integer("strides", stride) + 1
        if left != 1:
            raise ValueError(f"The strides {strides} leave {left} of {num_frames} frames, not 1.")
        options: dict[str, Any] = {"dtype": dtype}

        def drop(x: Any) -> Any:
            return layers.Dropout(dropout, **options)(x) if dropout else x

        def attend(x: Any, name: str) -> Any:
            h = DeviationNormalization(name=f"{name}_attention_norm", **options)(x)
            attention = SelfAttention(
                num_heads, dropout=dropout, name=f"{name}_attention", **options
            )
            return x + drop(attention(h))

        def poses(x: Any, name: str) -> Any:
            frames = x.shape[1]
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"{name}_norm", **options
            )(ops.reshape(x, (-1, channels)))
            # Metres in half precision would be a few millimetres off: these are float32.
            x = layers.Dense(
                joints * 3, dtype="float32", name=name, **linear_initializers(channels)
            )(x)
            return ops.reshape(x, (-1, frames, joints, 3))

        x = encode_frames(inputs, channels, dropout, dtype)
        normal = keras.initializers.RandomNormal(stddev=1.0)
        x = PositionEmbedding(initializer=normal, name="frame_embedding", **options)(x)
        for index in range(num_blocks):
            x = attend(x, f"frame_{index}")
            h = DeviationNormalization(name=f"frame_{index}_feed_forward_norm", **options)(x)
            feed_forward = FeedForward(
                hidden,
                activation="relu",
                dropout=dropout,
                name=f"frame_{index}_feed_forward",
                **options,
            )
            x = x + drop(feed_forward(h))
        sequence = poses(x, "sequence_coordinates") if out_frames > 1 else None

        for index, stride in enumerate(strides):
            # Published: later layers get no embedding.
            if index < 3:
                x = PositionEmbedding(
                    length=num_frames,
                    initializer=keras.initializers.RandomNormal(stddev=1.0),
                    name=f"gather_{index}_embedding",
                    **options,
                )(x)
            x = attend(x, f"gather_{index}")
            h = DeviationNormalization(name=f"gather_{index}_feed_forward_norm", **options)(x)
            h = layers.Dense(
                hidden,
                activation="relu",
                name=f"gather_{index}_expand",
                **options,
                **linear_initializers(channels),
            )(h)
            h = layers.ZeroPadding1D(1, **options)(drop(h))
            h = layers.Conv1D(
                channels,
                3,
                strides=stride,
                name=f"gather_{index}_contract",
                **options,
                **linear_initializers(3 * hidden),
            )(h)
            x = x[:, ::stride] + drop(h)
        x = poses(x, "coordinates")
        if sequence is not None:
            center = (num_frames - 1) // 2
            x = ops.concatenate([sequence[:, :center], x, sequence[:, center + 1 :]], axis=1)
        outputs = RootRelative(skeleton, mode="zero", dtype="float32", name="pose")(x)
        super().__init__(
            inputs,
            outputs,
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=out_frames,
            dtype=dtype,
            **kwargs,
        )
        self.channels = channels
        self.hidden = hidden
        self.num_blocks = num_blocks
        self.strides = strides
        self.num_heads = num_heads
        self.dropout = dropout
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "out_frames": self.out_frames,
            "channels": self.channels,
            "hidden": self.hidden,
            "num_blocks": self.num_blocks,
            "strides": list(self.strides),
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "input_channels": self.input_channels,
        }


def encode_frames(inputs: Any, channels: int, dropout: float, dtype: Any) -> Any:
    """Encode each frame's keypoints by a residual multilayer perceptron.

    Args:
        inputs: Keypoints `(batch, frames, joints, input_channels)`, symbolic.
        channels: Channels of the codes; inside there are twice as many.
        dropout: Dropout rate.
        dtype: Dtype policy of the layers.

    Returns:
        Codes `(batch, frames, channels)`.
    """
    _, frames, joints, input_channels = inputs.shape

    def dense(x: Any, units: int, name: str) -> Any:
        initializers = linear_initializers(x.shape[-1])
        return layers.Dense(units, dtype=dtype, name=f"{name}_dense", **initializers)(x)

    def block(x: Any, name: str) -> Any:
        x = dense(x, 2 * channels, name)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm")(
            x
        )
        x = layers.LeakyReLU(negative_slope=0.2, dtype=dtype, name=f"{name}_relu")(x)
        return layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x) if dropout else x

    x = ops.reshape(inputs, (-1, joints * input_channels))
    x = block(x, "encoder")
    x = x + block(block(x, "encoder_a"), "encoder_b")
    return ops.reshape(dense(x, channels, "encoder_code"), (-1, frames, channels))
