"""The discrete cosine transform along the frames, as one matrix product."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.layers.arguments import check_integer


def cosine_matrix(length: int) -> np.ndarray:
    """Return the matrix of the unnormalised DCT-II.

    Args:
        length: Number of values.

    Returns:
        Array `(length, length)` float64; row k is `2 cos(pi (2 t + 1) k / (2 length))`.

    Examples:
        >>> cosine_matrix(4)[0].tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    t = np.arange(length)
    return 2.0 * np.cos(np.pi * (2 * t[None] + 1) * t[:, None] / (2 * length))


@keras.saving.register_keras_serializable(package="keras_seal")
class DiscreteCosine(keras.layers.Layer):
    """Transform each channel's course over the frames to frequencies, or back.

    The transform is the unnormalised DCT-II, `X_k = 2 sum_t x_t cos(pi (2 t + 1) k / (2 T))`.

    Args:
        coefficients: How many of the lowest frequencies come out; None for all.
        inverse: Whether to go back, from all frequencies to frames.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(..., frames, channels)`, outputs `(..., coefficients, channels)`.

    Raises:
        ValueError: If there are fewer frames than coefficients, or both arguments are given.

    Examples:
        >>> tuple(DiscreteCosine(3)(ops.zeros((2, 27, 34))).shape)
        (2, 3, 34)

    Reference:
        Ahmed et al., "Discrete cosine transform", IEEE Transactions on Computers, 1974.
    """

    def __init__(
        self, coefficients: int | None = None, inverse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if inverse and coefficients is not None:
            raise ValueError("The inverse takes all frequencies: leave `coefficients` out.")
        self.coefficients = (
            None if coefficients is None else check_integer("coefficients", coefficients)
        )
        self.inverse = inverse

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        frames = input_shape[-2] if len(input_shape) > 1 else None
        if frames is None or (self.coefficients or 1) > frames:
            raise ValueError(
                f"{self.name} takes (..., frames, channels) with at least "
                f"{self.coefficients or 1} frames, got {tuple(input_shape)}."
            )
        matrix = cosine_matrix(frames)
        matrix = np.linalg.inv(matrix) if self.inverse else matrix[: self.coefficients]
        self._matrix = matrix.astype("float32")

    def call(self, inputs: Any) -> Any:
        frames, channels = inputs.shape[-2:]
        x = ops.reshape(inputs, (-1, frames, channels))
        matrix = ops.convert_to_tensor(self._matrix, dtype=inputs.dtype)
        # Repeating the matrix costs less than the backends' own broadcasting.
        matrix = ops.broadcast_to(matrix, (ops.shape(x)[0], *matrix.shape))
        outputs = ops.matmul(matrix, x)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-2], *outputs.shape[1:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        kept = input_shape[-2] if self.coefficients is None else self.coefficients
        return (*input_shape[:-2], kept, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "coefficients": self.coefficients,
            "inverse": self.inverse,
        }
