"""SemGCN: residual semantic graph convolutions."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import NonLocalBlock, RootRelative, SemanticGraphConv
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class SemGCN(PoseNet):
    """Lift each frame by graph convolutions that learn how much each edge counts.

    An input block (`SemanticGraphConv`, batch normalisation, ReLU), `num_blocks` residual pairs
    of such blocks, and a last graph convolution for the coordinates. The origin of the skeleton
    is predicted like any joint and subtracted. With several frames, each is lifted on its own.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        filters: Channels of the hidden layers.
        num_blocks: Number of residual blocks, two graph convolutions each.
        non_local: Whether to put a `NonLocalBlock` after the input block and each residual block.
        dropout: Dropout rate after every hidden ReLU.
        input_channels: 2, or 3 with the detector's confidence.
        num_frames: Frames of a window; as many come out.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = SemGCN("human36m_17", filters=16, num_blocks=2)
        >>> tuple(net(np.zeros((4, 1, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Zhao et al., "Semantic graph convolutional networks for 3D human pose regression",
        CVPR 2019, figure 2.
    """

    source = "Zhao et al., CVPR 2019 (arXiv 1904.03345)"
    presets = {  # noqa: RUF012
        "sem_gcn": {
            "description": "The published net without non-local blocks: 128 channels, 4 blocks.",
            "published": "42.14 mm MPJPE on Human3.6M with true keypoints",
            "config": {"filters": 128, "num_blocks": 4, "non_local": False},
        },
        "sem_gcn_non_local": {
            "description": "The published net with non-local blocks: 128 channels, 4 blocks.",
            "published": "40.78 mm MPJPE on Human3.6M with true keypoints",
            "config": {"filters": 128, "num_blocks": 4, "non_local": True},
        },
    }

    def __init__(
        self,
        skeleton: Any,
        filters: int = 128,
        num_blocks: int = 4,
        non_local: bool = False,
        dropout: float = 0.0,
        input_channels: int = 2,
        num_frames: int = 1,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        filters = check_integer("filters", filters)
        num_blocks = check_integer("num_blocks", num_blocks, minimum=0)
        inputs = keypoints_input(skeleton, num_frames, input_channels)

        def block(x: Any, name: str) -> Any:
            x = SemanticGraphConv(
                filters, skeleton, joint_axis=0, dtype=dtype, name=f"{name}_conv"
            )(x)
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm"
            )(x)
            x = layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)
            if dropout:
                x = layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)
            return x

        def look_around(x: Any, name: str) -> Any:
            if not non_local:
                return x
            return NonLocalBlock(skeleton, joint_axis=0, dtype=dtype, name=f"{name}_non_local")(x)

        x = keras.ops.reshape(inputs, (-1, joints, input_channels))
        x = keras.ops.transpose(x, (1, 0, 2))
        x = look_around(block(x, "stem"), "stem")
        for index in range(num_blocks):
            residual = block(x, f"block_{index}_a")
            residual = block(residual, f"block_{index}_b")
            x = layers.Add(dtype=dtype, name=f"block_{index}_add")([x, residual])
            x = look_around(x, f"block_{index}")
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = SemanticGraphConv(3, skeleton, joint_axis=0, dtype="float32", name="coordinates")(x)
        x = keras.ops.transpose(x, (1, 0, 2))
        x = keras.ops.reshape(x, (-1, num_frames, joints, 3))
        outputs = RootRelative(skeleton, dtype="float32", name="pose")(x)
        super().__init__(
            inputs,
            outputs,
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.filters = filters
        self.num_blocks = num_blocks
        self.non_local = non_local
        self.dropout = dropout
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "non_local": self.non_local,
            "dropout": self.dropout,
            "input_channels": self.input_channels,
        }
