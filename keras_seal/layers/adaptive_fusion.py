"""Two streams joined by weights that each token gives them."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_seal")
class AdaptiveFusion(keras.layers.Layer):
    """Weighted sum of two streams; the weights of each token follow from what both say of it.

    It is `w[0] first + w[1] second` with `w = softmax(concatenate([first, second]) kernel + bias)`.
    At the start both weights are one half. They are computed in float32 whatever the dtype policy.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are a list of two tensors `(..., channels)` of the same shape; outputs have it too.

    Raises:
        ValueError: If inputs are not two tensors of the same shape.

    Examples:
        >>> tokens = ops.ones((2, 27, 17, 32))
        >>> float(ops.max(AdaptiveFusion()([tokens, 3 * tokens])))
        2.0

    Reference:
        Zhu et al., "MotionBERT: A unified perspective on learning human motion representations",
        ICCV 2023, equations 4 and 5.
    """

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2 or tuple(input_shape[0]) != tuple(input_shape[1]):
            raise ValueError(
                f"{self.name} takes a list of two tensors of the same shape, got shapes "
                f"{input_shape}."
            )
        channels = input_shape[0][-1]
        self.kernel = self.add_weight(name="kernel", shape=(2 * channels, 2), initializer="zeros")
        self.bias = self.add_weight(
            name="bias", shape=(2,), initializer=keras.initializers.Constant(0.5)
        )

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        channels = first.shape[-1]
        # The softmax of two numbers is the sigmoid of their difference.
        column = ops.expand_dims(self.kernel[:, 0] - self.kernel[:, 1], -1)
        difference = (
            ops.matmul(ops.reshape(first, (-1, channels)), column[:channels])
            + ops.matmul(ops.reshape(second, (-1, channels)), column[channels:])
            + (self.bias[0] - self.bias[1])
        )
        weight = ops.cast(ops.sigmoid(ops.cast(difference, "float32")), first.dtype)
        weight = ops.reshape(weight, (*ops.shape(first)[:-1], 1))
        return second + weight * (first - second)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])
