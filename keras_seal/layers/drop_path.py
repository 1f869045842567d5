"""Stochastic depth."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_seal")
class DropPath(keras.layers.Layer):
    """Drop a whole residual branch at random, sequence by sequence, in training.

    What is kept is divided by the probability of being kept, so that the expected output is the
    input. There is one draw for each sequence of tokens: with inputs `(batch, frames, joints,
    channels)` and tokens on the joint axis, one for each frame of each sample.

    Args:
        rate: Probability of being dropped, in [0, 1).
        axis: Where the tokens lie; negative.
        seed: Integer, for the draws.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., channels)`.

    Raises:
        ValueError: If the rate is outside [0, 1).

    Examples:
        >>> float(ops.max(DropPath(0.5)(ops.ones((4, 17, 8)), training=False)))
        1.0

    Reference:
        Huang et al., "Deep networks with stochastic depth", ECCV 2016, section 3.
    """

    def __init__(self, rate: float, axis: int = -2, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` is at least 0 and less than 1, got {rate!r}.")
        if axis >= -1:
            raise ValueError(f"`axis` counts from the end, -2 or less, got {axis!r}.")
        self.rate = rate
        self.axis = axis
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if rate else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not training or not self.rate:
            return inputs
        rank = len(inputs.shape)
        shape = list(ops.shape(inputs))
        for axis in (rank + self.axis, rank - 1):
            shape[axis] = 1
        kept = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) >= self.rate
        return inputs * ops.cast(kept, inputs.dtype) * (1.0 / (1.0 - self.rate))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "axis": self.axis, "seed": self.seed}
