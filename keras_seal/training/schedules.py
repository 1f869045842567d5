"""Schedules for the energy weight."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

SHAPES = ("linear", "cosine")


@keras.saving.register_keras_serializable(package="keras_seal")
class Ramp(keras.optimizers.schedules.LearningRateSchedule):
    """A value that waits, moves from `start` to `end`, and stays there.

    Keras' own schedules are made to fall from a first value; an energy weight rather rises from
    zero, once the loss-net has learnt something.

    Args:
        start: Value at first.
        end: Value at last.
        ramp_steps: Steps that the way from `start` to `end` takes.
        wait_steps: Steps before the way begins.
        shape: `"linear"`, or `"cosine"` for half a wave.

    Raises:
        ValueError: If a number or the shape makes no sense.

    Examples:
        >>> ramp = Ramp(0.0, 1.0, ramp_steps=10, wait_steps=5)
        >>> [round(float(ramp(step)), 3) for step in (0, 5, 10, 15, 99)]
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        start: float,
        end: float,
        ramp_steps: float,
        wait_steps: float = 0.0,
        shape: str = "linear",
    ) -> None:
        super().__init__()
        if not ramp_steps > 0 or wait_steps < 0:
            raise ValueError(
                f"ramp_steps is {ramp_steps} and wait_steps {wait_steps}: expected more than 0,"
                " and at least 0."
            )
        if shape not in SHAPES:
            raise ValueError(f"shape is {shape!r}: expected one of {', '.join(SHAPES)}.")
        self.start = float(start)
        self.end = float(end)
        self.ramp_steps = float(ramp_steps)
        self.wait_steps = float(wait_steps)
        self.shape = shape

    def __call__(self, step: Any) -> Any:
        """Give the value at a step."""
        step = ops.cast(step, "float32")
        way = ops.clip((step - self.wait_steps) / self.ramp_steps, 0.0, 1.0)
        if self.shape == "cosine":
            way = 0.5 * (1.0 - ops.cos(math.pi * way))
        return self.start + (self.end - self.start) * way

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the schedule."""
        return {
            "start": self.start,
            "end": self.end,
            "ramp_steps": self.ramp_steps,
            "wait_steps": self.wait_steps,
            "shape": self.shape,
        }
