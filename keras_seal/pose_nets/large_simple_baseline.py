"""LargeSimpleBaseline: H3WB's residual multilayer perceptron, without any normalisation."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import RootRelative, linear_initializers
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class LargeSimpleBaseline(PoseNet):
    """Lift each frame by a residual multilayer perceptron, as H3WB's larger baseline does.

    A dense layer, then `num_stages` times: two dense layers with leaky ReLUs and a skip around
    both, and a leaky ReLU after the sum; then one dense layer for the coordinates. Unlike in
    `SimpleBaseline`, there is neither normalisation nor dropout.

    The published figures are of standardised outputs, whose scaling is not public. Like all nets
    here this one gives metres, from which the skeleton's origin is subtracted. With several
    frames, each is lifted on its own.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        units: Width of the hidden layers.
        num_stages: Number of residual stages, two dense layers each.
        negative_slope: Of the leaky ReLUs.
        input_channels: 2, or 3 with the detector's confidence.
        num_frames: Frames of a window; as many come out.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = LargeSimpleBaseline("h3wb_133", units=16)
        >>> tuple(net(np.zeros((4, 1, 133, 2), "float32")).shape)
        (4, 1, 133, 3)

    Reference:
        Zhu et al., "H3WB: Human3.6M 3D WholeBody dataset and benchmark", ICCV 2023, section 5.
    """

    source = "Zhu et al., ICCV 2023 (arXiv 2211.15692)"
    presets = {  # noqa: RUF012
        "large_simple_baseline_h3wb": {
            "description": "H3WB's larger baseline: 1024 units, 3 stages.",
            "published": "112.3 mm over the 133 joints of H3WB, 2D to 3D, outputs rescaled",
            "skeleton": "h3wb_133",
            "config": {"units": 1024, "num_stages": 3},
        },
    }

    def __init__(
        self,
        skeleton: Any,
        units: int = 1024,
        num_stages: int = 3,
        negative_slope: float = 0.01,
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

        def linear(x: Any, units: int, name: str, dtype: Any = dtype) -> Any:
            start = linear_initializers(x.shape[-1])
            return layers.Dense(units, dtype=dtype, name=name, **start)(x)

        def leak(x: Any) -> Any:
            return ops.leaky_relu(x, negative_slope)

        # Frames are folded into the batch: Keras' dense layers are fastest on two axes.
        x = ops.reshape(inputs, (-1, joints * input_channels))
        x = linear(x, units, "stem")
        for stage in range(num_stages):
            h = leak(linear(x, units, f"stage_{stage}_a"))
            x = leak(x + leak(linear(h, units, f"stage_{stage}_b")))
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = linear(x, joints * 3, "coordinates", "float32")
        x = ops.reshape(x, (-1, num_frames, joints, 3))
        super().__init__(
            inputs,
            RootRelative(skeleton, dtype="float32", name="pose")(x),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.units = units
        self.num_stages = num_stages
        self.negative_slope = negative_slope
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_stages": self.num_stages,
            "negative_slope": self.negative_slope,
            "input_channels": self.input_channels,
        }
