"""Poses relative to the skeleton's origin."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons


@keras.saving.register_keras_serializable(package="keras_seal")
class RootRelative(keras.layers.Layer):
    """Put the origin of the skeleton (the mean of its origin joints) at zero.

    A pose-net that ends with this predicts poses relative to the root whatever its other layers
    say; on the origin joint itself the output is zero.

    Args:
        skeleton: A `Skeleton`, its name, a YAML path or a dict.
        mode: `"subtract"` moves all joints by the origin. `"zero"` moves the origin joints alone
            (a single one then lies at zero) and takes the other joints to be relative to the
            origin already: what nets say that were trained with the root's target at zero.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., joints, 3)`.

    Raises:
        ValueError: If inputs have another number of joints than the skeleton, or there is no such
            mode.

    Examples:
        >>> layer = RootRelative("human36m_17")
        >>> poses = layer(np.full((2, 1, 17, 3), 5.0, "float32"))
        >>> float(keras.ops.max(poses))
        0.0
    """

    def __init__(self, skeleton: Any, mode: str = "subtract", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in ("subtract", "zero"):
            raise ValueError(f"`mode` is 'subtract' or 'zero', got {mode!r}.")
        self.mode = mode
        self.skeleton = skeletons.get(skeleton)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2 or input_shape[-2] != self.skeleton.num_joints:
            raise ValueError(
                f"{self.name} takes poses (..., {self.skeleton.num_joints}, 3) of the skeleton "
                f"'{self.skeleton.name}', got shape {tuple(input_shape)}."
            )

    def call(self, inputs: Any) -> Any:
        origin = np.asarray(self.skeleton.origin, dtype="int32")
        if len(origin) == 1:
            center = inputs[..., int(origin[0]) : int(origin[0]) + 1, :]
        else:
            center = ops.mean(ops.take(inputs, origin, axis=-2), axis=-2, keepdims=True)
        if self.mode == "subtract":
            return inputs - center
        moved = np.zeros((self.skeleton.num_joints, 1), dtype="float32")
        moved[origin] = 1.0
        return inputs - center * ops.convert_to_tensor(moved, dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "skeleton": self.skeleton.to_dict(), "mode": self.mode}
