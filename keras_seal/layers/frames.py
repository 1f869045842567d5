"""Frames folded into the batch, and back."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_seal")
class FoldFrames(keras.layers.Layer):
    """Fold the frame axis into the batch: `(batch, frames, ...)` to `(batch * frames, ...)`.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Examples:
        >>> tuple(FoldFrames()(keras.ops.zeros((2, 5, 17, 3))).shape)
        (10, 17, 3)
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2:
            raise ValueError(f"{self.name} takes (batch, frames, ...), got {tuple(input_shape)}.")

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, frames = input_shape[:2]
        folded = None if batch is None or frames is None else batch * frames
        return (folded, *input_shape[2:])


@keras.saving.register_keras_serializable(package="keras_seal")
class UnfoldFrames(keras.layers.Layer):
    """Undo `FoldFrames`, whatever the number of frames was.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are a list: the tensor `(batch * frames, ...)` and any tensor `(batch, frames, ...)`
    to take the two sizes from. Outputs `(batch, frames, ...)`.

    Examples:
        >>> poses = keras.ops.zeros((2, 5, 17, 3))
        >>> tuple(UnfoldFrames()([keras.ops.zeros((10, 4)), poses]).shape)
        (2, 5, 4)
    """

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2:
            raise ValueError(
                f"{self.name} takes a list of two tensors, the folded one and one with the sizes "
                f"to restore, got {len(input_shape)}."
            )

    def call(self, inputs: Any) -> Any:
        folded, reference = inputs
        return ops.reshape(folded, (*ops.shape(reference)[:2], *folded.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        folded, reference = input_shape
        return (*reference[:2], *folded[1:])
