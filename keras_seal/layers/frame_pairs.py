"""Each frame beside an earlier one."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer


@keras.saving.register_keras_serializable(package="keras_seal")
class FramePairs(keras.layers.Layer):
    """Join each frame's features with how they changed since an earlier frame.

    Args:
        gap: How many frames earlier. Frames that have none so early are paired with the first one.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(batch, frames, joints, channels)`, outputs `(batch, frames, joints, 2 * channels)`.

    Raises:
        ValueError: If `gap` makes no sense.

    Examples:
        >>> motion = ops.reshape(ops.arange(3.0), (1, 3, 1, 1))
        >>> ops.convert_to_numpy(FramePairs(1)(motion)).reshape(3, 2).tolist()
        [[0.0, 0.0], [1.0, 1.0], [2.0, 1.0]]
    """

    def __init__(self, gap: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gap = check_integer("gap", gap)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                f"{self.name} takes (batch, frames, joints, channels), got {tuple(input_shape)}."
            )

    def call(self, inputs: Any) -> Any:
        frames = ops.arange(ops.shape(inputs)[1], dtype="int32")
        earlier = ops.take(inputs, ops.maximum(frames - self.gap, 0), axis=1)
        return ops.concatenate([inputs, inputs - earlier], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        channels = input_shape[-1]
        return (*input_shape[:-1], None if channels is None else 2 * channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gap": self.gap}
