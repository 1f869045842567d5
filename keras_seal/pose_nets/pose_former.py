"""PoseFormer: attention between joints, then between frames, for the centre frame's pose."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import (
    PositionEmbedding,
    RootRelative,
    TransformerBlock,
    WeightedMean,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class PoseFormer(PoseNet):
    """Lift the centre frame of a window with transformers over joints and over frames.

    Each frame's joints become tokens of `joint_channels` and pass `num_blocks` transformer blocks;
    joined, they make one token a frame for `num_blocks` more blocks over the frames. A learned
    weighted mean of the frames goes through a linear layer to the coordinates.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; the centre one comes out.
        joint_channels: Channels of a joint's token; a frame has as many for each of its joints.
        num_blocks: Transformer blocks over the joints, and again over the frames.
        num_heads: Heads of all attentions; divides `joint_channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        drop_path: Probability that a branch of the last block is dropped; rises from 0.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> net = PoseFormer("human36m_17", num_frames=9, joint_channels=8, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Zheng et al., "3D human pose estimation with spatial and temporal transformers", ICCV 2021,
        section 3.
    """

    source = "Zheng et al., ICCV 2021 (arXiv 2103.10455)"
    presets = {  # noqa: RUF012
        f"pose_former_{frames}": {
            "description": f"The published net for {frames} frames.",
            "published": published,
            "config": {"num_frames": frames},
        }
        for frames, published in (
            (9, ""),
            (27, "47.0 mm MPJPE on Human3.6M with CPN keypoints"),
            (81, "44.3 mm MPJPE on Human3.6M with CPN keypoints, 31.3 with true ones"),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 81,
        joint_channels: int = 32,
        num_blocks: int = 4,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        joint_channels = check_integer("joint_channels", joint_channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)

        def blocks(x: Any, kind: str) -> Any:
            x = PositionEmbedding(dtype=dtype, name=f"{kind}_embedding")(x)
            for index, rate in enumerate(np.linspace(0, drop_path, num_blocks).tolist()):
                x = TransformerBlock(
                    num_heads,
                    mlp_ratio=mlp_ratio,
                    drop_path=rate,
                    dtype=dtype,
                    name=f"{kind}_block_{index}",
                )(x)
            return layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name=f"{kind}_norm")(x)

        x = layers.Dense(
            joint_channels, dtype=dtype, name="stem", **linear_initializers(input_channels)
        )(inputs)
        x = blocks(x, "joint")
        x = keras.ops.reshape(x, (-1, num_frames, joints * joint_channels))
        x = blocks(x, "frame")
        x = WeightedMean(dtype=dtype, name="frame_mean")(x)
        x = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="head_norm")(x)
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = layers.Dense(
            joints * 3,
            dtype="float32",
            name="coordinates",
            **linear_initializers(joints * joint_channels),
        )(x)
        x = keras.ops.reshape(x, (-1, 1, joints, 3))
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
        self.joint_channels = joint_channels
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "joint_channels": self.joint_channels,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
            "input_channels": self.input_channels,
        }
