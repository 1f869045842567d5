"""How far poses are from projecting to keypoints, whatever the camera."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Of the keypoints' spread: how much the fit hesitates to explain what is left by perspective, which
# a person seen flat says nothing about.
_RIDGE = 1e-4
_TINY = 1e-8


@keras.saving.register_keras_serializable(package="keras_seal")
class ReprojectionResiduals(keras.layers.Layer):
    """Measure how far each joint of a pose is from projecting to its keypoint.

    A pinhole camera that looks along z shows joint j of a person at distance Z, whose pose is
    `(x_j, y_j, z_j)` relative to the origin, at `u_j = s x_j + t - q z_j u_j`: s is the focal
    length over Z, q is 1 / Z, t where the origin is seen, and the same for v with y. That is
    linear in s, t and q, which are fitted to each pose by least squares, so neither the camera nor
    where the person stands has to be known. What remains, divided by s, are metres at the
    person's distance. A joint's error along its ray leaves next to nothing: keypoints do not
    tell it.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are the list [keypoints `(..., joints, 2 or 3)`, poses `(..., joints, 3)`], the keypoints
    centred on the principal point (as keras-seal's are, about), a third channel being the
    detector's confidence, by which joints then count; outputs `(..., joints, 2)`, decimetres.
    Computed in float32 whatever the dtype policy.

    Raises:
        ValueError: If inputs have other shapes.

    Examples:
        >>> import numpy as np
        >>> poses = np.random.default_rng(0).normal(scale=0.3, size=(2, 17, 3))
        >>> keypoints = 2.0 * (poses[..., :2] + 0.4) / (poses[..., 2:] + 5.0)
        >>> residuals = ReprojectionResiduals()([keypoints, poses])
        >>> bool(abs(ops.convert_to_numpy(residuals)).max() < 1e-2)  # not a millimetre
        True

    Reference:
        The pinhole camera, e.g. Hartley and Zisserman, "Multiple view geometry in computer vision",
        chapter 6.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Half precision is too coarse for metres: inputs come as they are.
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        keypoints, poses = input_shape
        if keypoints[-1] not in (2, 3) or poses[-1] != 3 or keypoints[-2] != poses[-2]:
            raise ValueError(
                f"{self.name} takes keypoints (..., joints, 2 or 3) and poses (..., joints, 3), "
                f"got {tuple(keypoints)} and {tuple(poses)}."
            )

    def call(self, inputs: Any) -> Any:
        keypoints, poses = (ops.cast(each, "float32") for each in inputs)
        seen, places = keypoints[..., :2], poses[..., :2]
        deep = poses[..., 2:] * seen
        weights = keypoints[..., 2:] if keypoints.shape[-1] == 3 else ops.ones_like(poses[..., :1])
        weights = weights / (ops.sum(weights, axis=-2, keepdims=True) + _TINY)

        def centred(points: Any) -> Any:
            return points - ops.sum(weights * points, axis=-2, keepdims=True)

        def product(first: Any, second: Any) -> Any:
            return ops.sum(weights * first * second, axis=(-2, -1), keepdims=True)

        seen, places, deep = centred(seen), centred(places), centred(deep)
        # Normal equations of seen = s places - q deep.
        xx, xd, dd = product(places, places), product(places, deep), product(deep, deep)
        xu, du = product(places, seen), product(deep, seen)
        dd = dd + _RIDGE * product(seen, seen)
        scale = 1.0 / (xx * dd - xd * xd + _TINY**2)
        size = (xu * dd - du * xd) * scale
        nearness = (xu * xd - du * xx) * scale
        residuals = seen - size * places + nearness * deep
        metres = residuals * size / (size * size + _TINY)
        return ops.cast(10.0 * metres, self.compute_dtype)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        return (*input_shape[1][:-1], 2)
