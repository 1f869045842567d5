"""A learned weighted mean over tokens."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable(package="keras_seal")
class WeightedMean(keras.layers.Layer):
    """Sum tokens with one learned weight each, and add a learned number.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(..., tokens, channels)`, outputs `(..., 1, channels)`. The weights are neither positive
    nor made to sum to 1; they start in plus or minus 1 / sqrt(tokens).

    Raises:
        ValueError: If the number of tokens is unknown.

    Examples:
        >>> tuple(WeightedMean()(ops.zeros((4, 27, 32))).shape)
        (4, 1, 32)

    Reference:
        Zheng et al., "3D human pose estimation with spatial and temporal transformers", ICCV 2021,
        section 3.3.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        tokens = input_shape[-2] if len(input_shape) > 1 else None
        if tokens is None:
            raise ValueError(
                f"{self.name} takes (..., tokens, channels) with a fixed number of tokens, got "
                f"{tuple(input_shape)}."
            )
        initializers = linear_initializers(tokens)
        self.kernel = self.add_weight(
            name="kernel", shape=(tokens, 1), initializer=initializers["kernel_initializer"]
        )
        self.bias = self.add_weight(
            name="bias", shape=(1,), initializer=initializers["bias_initializer"]
        )

    def call(self, inputs: Any) -> Any:
        return ops.sum(inputs * self.kernel, axis=-2, keepdims=True) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-2], 1, input_shape[-1])
