"""SimpleBaseline: a residual multilayer perceptron."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import RootRelative
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class SimpleBaseline(PoseNet):
    """Lift each frame by a residual multilayer perceptron.

    A first block (dense, batch normalisation, ReLU, dropout), then `num_stages` pairs of such
    blocks with a skip around each pair, then one dense layer for the coordinates.

    Unlike the original, which standardises every coordinate with statistics of its training set
    and leaves the root out, this net takes keypoints in [-1, 1] and predicts all joints in
    metres, from which the skeleton's origin is subtracted: no statistics to keep, any skeleton.
    With several frames, each is lifted on its own. H3WB's baseline of the same name has a plain
    dense layer in the first block's place: `linear_stem`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        units: Width of the hidden layers.
        num_stages: Number of residual stages, two blocks each.
        dropout: Dropout rate after every hidden block.
        linear_stem: Whether the first block is its dense layer alone.
        input_channels: 2, or 3 with the detector's confidence.
        num_frames: Frames of a window; as many come out.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = SimpleBaseline("human36m_17", units=64)
        >>> tuple(net(np.zeros((4, 1, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Martinez et al., "A simple yet effective baseline for 3D human pose estimation",
        ICCV 2017, figure 1; Zhu et al., "H3WB: Human3.6M 3D WholeBody dataset and benchmark",
        ICCV 2023, for `linear_stem`.
    """

    source = "Martinez et al., ICCV 2017 (arXiv 1705.03098)"
    presets = {  # noqa: RUF012
        "simple_baseline": {
            "description": "The published net: 1024 units, 2 stages.",
            "published": "45.5 mm MPJPE on Human3.6M with true keypoints",
            "config": {"units": 1024, "num_stages": 2, "dropout": 0.5},
        },
        "simple_baseline_large": {
            "description": "2048 units, 3 stages.",
            "config": {"units": 2048, "num_stages": 3, "dropout": 0.5},
        },
        "simple_baseline_h3wb": {
            "description": "H3WB's baseline: whole body, no normalisation in the first block.",
            "published": "125.4 mm pelvis-aligned on H3WB (its dropout stays on when it predicts)",
            "skeleton": "h3wb_133",
            "config": {
                "units": 1024,
                "num_stages": 2,
                "dropout": 0.5,
                "linear_stem": True,
            },
        },
    }

    def __init__(
        self,
        skeleton: Any,
        units: int = 1024,
        num_stages: int = 2,
        dropout: float = 0.5,
        linear_stem: bool = False,
        input_channels: int = 2,
        num_frames: int = 1,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        units = check_integer("units", units)
        num_stages = check_integer("num_stages", num_stages, minimum=0)
        inputs = keypoints_input(skeleton, num_frames, input_channels)

        def dense(x: Any, name: str) -> Any:
            return layers.Dense(
                units, kernel_initializer="he_normal", dtype=dtype, name=f"{name}_dense"
            )(x)

        def block(x: Any, name: str) -> Any:
            x = dense(x, name)
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm"
            )(x)
            x = layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)
            return layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)

        # Frames are folded into the batch: Keras' dense layers are fastest on two axes.
        x = keras.ops.reshape(inputs, (-1, joints * input_channels))
        x = dense(x, "stem") if linear_stem else block(x, "stem")
        for stage in range(num_stages):
            residual = block(x, f"stage_{stage}_a")
            residual = block(residual, f"stage_{stage}_b")
            x = layers.Add(dtype=dtype, name=f"stage_{stage}_add")([x, residual])
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        # They start spread as joints are, about 0.2 m: with He's rule, right for the original's
        # standardised coordinates, they would start metres away.
        start = keras.initializers.VarianceScaling(0.02)
        x = layers.Dense(joints * 3, kernel_initializer=start, dtype="float32", name="coordinates")(
            x
        )
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
        self.units = units
        self.num_stages = num_stages
        self.dropout = dropout
        self.linear_stem = linear_stem
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_stages": self.num_stages,
            "dropout": self.dropout,
            "linear_stem": self.linear_stem,
            "input_channels": self.input_channels,
        }
