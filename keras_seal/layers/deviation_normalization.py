"""Layer normalisation by the unbiased standard deviation."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_seal")
class DeviationNormalization(keras.layers.Layer):
    """Normalise the channels by their unbiased standard deviation, epsilon outside of the root.

        outputs = gamma (x - mean) / (deviation + epsilon) + beta

    with the deviation's sum of squares divided by channels - 1: what the transformers built on
    "The annotated transformer" use in place of the usual layer normalisation.

    Args:
        epsilon: Added to the deviation.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., channels)`.

    Raises:
        ValueError: If there are fewer than 2 channels.

    Examples:
        >>> outputs = DeviationNormalization()(ops.array([[1.0, 2.0, 3.0]]))
        >>> [round(float(each), 4) for each in outputs[0]]
        [-1.0, 0.0, 1.0]

    Reference:
        Rush, "The annotated transformer", NLP-OSS 2018.
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        if channels is None or channels < 2:
            raise ValueError(f"{self.name} takes at least 2 channels, got {tuple(input_shape)}.")
        self.gamma = self.add_weight(
            name="gamma", shape=(channels,), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(channels,), initializer="zeros", autocast=False
        )

    def call(self, inputs: Any) -> Any:
        # Squares of half-precision numbers overflow.
        x = ops.cast(inputs, "float32")
        x = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.sum(ops.square(x), axis=-1, keepdims=True) / (inputs.shape[-1] - 1)
        # The gradient of the root at zero would be infinite.
        deviation = ops.sqrt(ops.maximum(variance, 1e-30))
        outputs = self.gamma * x / (deviation + self.epsilon) + self.beta
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
