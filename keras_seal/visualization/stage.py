"""Where a motion plays: the part of space that pictures of it show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_seal.visualization import drawing

if TYPE_CHECKING:
    from keras_seal.inference.motion import Motion

# Poses by which the scene is measured, spread over the motion.
_SAMPLE = 2000


@dataclass(frozen=True, eq=False)
class Scene:
    """A piece of space, in upright axes: x right, y away from the camera, z up; metres.

    Args:
        centre: `(3,)` its middle.
        radius: How far it reaches from there.
        floor: Height of the floor.
        greatest: Twice the greatest coordinate of any joint relative to its root.
        greatest_pixel: Greatest coordinate of any keypoint.
    """

    centre: np.ndarray
    radius: float
    floor: float
    greatest: float
    greatest_pixel: float

    @classmethod
    def of(cls, motion: Motion) -> Scene:
        """Measure where a motion plays.

        Args:
            motion: The motion.

        Returns:
            The scene: around almost all joints.
        """
        chosen = slice(0, len(motion), max(len(motion) // _SAMPLE, 1))
        places = cls.places(motion, chosen).reshape(-1, 3)
        low, high = np.quantile(places, 0.005, axis=0), np.quantile(places, 0.995, axis=0)
        centre = (low + high) / 2
        radius = 1.15 * float(max((high - low).max() / 2, 0.5))
        greatest = max(float(np.abs(motion.poses[rows]).max(initial=0)) for rows in motion.chunks())
        pixel = max(
            float(np.abs(motion.keypoints[rows][..., :2]).max(initial=0))
            for rows in motion.chunks()
        )
        # Twice, so that true poses find room as well.
        return cls(centre, radius, float(low[2]), 2 * greatest, pixel)

    @staticmethod
    def upright(places: np.ndarray) -> np.ndarray:
        """Turn camera space upright.

        Args:
            places: `(..., 3)`.

        Returns:
            `(..., 3)`.
        """
        return drawing.upright(np.asarray(places, np.float64))

    @classmethod
    def places(cls, motion: Motion, rows: slice | np.ndarray) -> np.ndarray:
        """Tell where joints are.

        Args:
            motion: The motion.
            rows: Which rows.

        Returns:
            `(rows, joints, 3)`, upright.
        """
        return cls.upright(motion.poses[rows] + motion.roots[rows][:, None])
