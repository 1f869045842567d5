"""ModulatedGCN: residual graph convolutions, modulated by joint, over learned edges."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import GaussianNonLocalBlock, ModulatedGraphConv, RootRelative
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input

_XAVIER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.414**2, "mode": "fan_avg", "distribution": "uniform"},
}


@keras.saving.register_keras_serializable(package="keras_seal")
class ModulatedGCN(PoseNet):
    """Lift each frame by graph convolutions that modulate their weights by joint.

    An input block (`ModulatedGraphConv`, batch normalisation, ReLU), `num_blocks` residual pairs
    of such blocks, optionally one `GaussianNonLocalBlock`, and a last graph convolution for the
    coordinates. The origin of the skeleton is predicted like any joint and subtracted. With
    several frames, each is lifted on its own.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        filters: Channels of the hidden layers.
        num_blocks: Number of residual blocks, two graph convolutions each.
        non_local: Whether to put a non-local block before the last graph convolution.
        dropout: Dropout rate after every hidden ReLU.
        modulation_initializer: Of the modulations by joint, as Keras takes initialisers.
        input_channels: 2, or 3 with the detector's confidence.
        num_frames: Frames of a window; as many come out.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = ModulatedGCN("human36m_17", filters=16, num_blocks=2)
        >>> tuple(net(np.zeros((4, 1, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Zou and Tang, "Modulated graph convolutional network for 3D human pose estimation",
        ICCV 2021, figure 3.
    """

    source = "Zou and Tang, ICCV 2021"
    presets = {  # noqa: RUF012
        "modulated_gcn": {
            "description": "The published net for true keypoints: 128 channels, 4 blocks.",
            "published": "38.25 mm MPJPE on Human3.6M with true keypoints",
            "config": {"filters": 128, "num_blocks": 4},
        },
        "modulated_gcn_cpn": {
            "description": "The published net for detected keypoints: 384 channels, 4 blocks and "
            "a non-local one.",
            "published": "49.4 mm MPJPE on Human3.6M with CPN keypoints",
            "config": {
                "filters": 384,
                "num_blocks": 4,
                "non_local": True,
                "dropout": 0.2,
                "modulation_initializer": _XAVIER,
            },
        },
    }

    def __init__(
        self,
        skeleton: Any,
        filters: int = 128,
        num_blocks: int = 4,
        non_local: bool = False,
        dropout: float = 0.0,
        modulation_initializer: Any = "ones",
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

        def conv(x: Any, units: int, name: str, dtype: Any = dtype) -> Any:
            return ModulatedGraphConv(
                units,
                skeleton,
                # A fresh one each: an initialiser that is used twice draws the same numbers.
                modulation_initializer=_fresh(modulation_initializer),
                joint_axis=0,
                dtype=dtype,
                name=name,
            )(x)

        def block(x: Any, name: str) -> Any:
            x = conv(x, filters, f"{name}_conv")
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm"
            )(x)
            x = layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)
            if dropout:
                x = layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)
            return x

        x = keras.ops.reshape(inputs, (-1, joints, input_channels))
        x = keras.ops.transpose(x, (1, 0, 2))
        x = block(x, "stem")
        for index in range(num_blocks):
            residual = block(x, f"block_{index}_a")
            residual = block(residual, f"block_{index}_b")
            x = layers.Add(dtype=dtype, name=f"block_{index}_add")([x, residual])
        if non_local:
            x = GaussianNonLocalBlock(joint_axis=0, dtype=dtype, name="non_local")(x)
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = conv(x, 3, "coordinates", dtype="float32")
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
        self.modulation_initializer = modulation_initializer
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "non_local": self.non_local,
            "dropout": self.dropout,
            "modulation_initializer": _described(self.modulation_initializer),
            "input_channels": self.input_channels,
        }


def _described(initializer: Any) -> Any:
    if isinstance(initializer, keras.initializers.Initializer):
        return keras.initializers.serialize(initializer)
    return initializer


def _fresh(initializer: Any) -> Any:
    return keras.initializers.get(_described(initializer))
