"""A non-local block with softmax attention: every joint looks at every other."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_seal")
class GaussianNonLocalBlock(keras.layers.Layer):
    """Non-local block of the embedded Gaussian kind: one attention head, not scaled.

    With theta, phi and g linear maps to half the channels:

        outputs_i = inputs_i + norm(sum over j of softmax_j(theta_i . phi_j) g_j, mapped back)

    The normalisation's scale starts at 0, so that the block starts as the identity.

    Args:
        joint_axis: -2 for inputs `(batch, joints, channels)`, 0 for `(joints, batch, channels)`.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs have the same shape.

    Raises:
        ValueError: If inputs have other axes or an odd number of channels.

    Examples:
        >>> tuple(GaussianNonLocalBlock()(ops.zeros((4, 17, 32))).shape)
        (4, 17, 32)

    Reference:
        Wang et al., "Non-local neural networks", CVPR 2018, equation 3, as in Zou and Tang,
        ICCV 2021.
    """

    def __init__(self, joint_axis: int = -2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if joint_axis not in (-2, 0):
            raise ValueError(f"`joint_axis` is -2 or 0, got {joint_axis!r}.")
        self.joint_axis = joint_axis

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        joints = input_shape[self.joint_axis] if len(input_shape) == 3 else None
        if joints is None:
            layout = "(batch, joints, channels)" if self.joint_axis else "(joints, batch, channels)"
            raise ValueError(
                f"{self.name} takes {layout} with a fixed number of joints, got "
                f"{tuple(input_shape)}."
            )
        channels = input_shape[-1]
        if channels is None or channels % 2:
            raise ValueError(f"{self.name} halves the channels: {channels} is not even.")
        half = channels // 2
        # theta, phi and g side by side: one product makes all three. The scale gives each the
        # range that Xavier's rule gives it alone.
        self.maps_kernel = self.add_weight(
            name="maps_kernel",
            shape=(channels, 3 * half),
            initializer=keras.initializers.VarianceScaling(
                (channels + 3 * half) / (channels + half), "fan_avg", "uniform"
            ),
        )
        self.maps_bias = self.add_weight(name="maps_bias", shape=(3 * half,), initializer="zeros")
        self.output_kernel = self.add_weight(
            name="output_kernel", shape=(half, channels), initializer="glorot_uniform"
        )
        self.output_bias = self.add_weight(
            name="output_bias", shape=(channels,), initializer="zeros"
        )
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer="zeros",
            dtype=self.dtype_policy,
            name="norm",
        )
        self.norm.build((None, channels))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        channels = inputs.shape[-1]
        half = channels // 2
        maps = ops.matmul(ops.reshape(inputs, (-1, channels)), self.maps_kernel) + self.maps_bias
        maps = ops.reshape(maps, (*ops.shape(inputs)[:2], 3 * half))
        if self.joint_axis == 0:
            maps = ops.transpose(maps, (1, 0, 2))
        theta, phi, g = (maps[..., k * half : (k + 1) * half] for k in range(3))
        logits = ops.cast(ops.matmul(theta, ops.transpose(phi, (0, 2, 1))), "float32")
        affinity = ops.cast(ops.softmax(logits, axis=-1), self.compute_dtype)
        mixed = ops.matmul(affinity, g)
        if self.joint_axis == 0:
            mixed = ops.transpose(mixed, (1, 0, 2))
        mixed = ops.matmul(ops.reshape(mixed, (-1, half)), self.output_kernel) + self.output_bias
        mixed = self.norm(mixed, training=training)
        return inputs + ops.reshape(mixed, ops.shape(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "joint_axis": self.joint_axis}
