"""What the 2D and the 3D of a recording tell about each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_seal.data.sources.anatomy import sampled

Annotation = Literal["annot3", "univ_annot3"]

_FRAMES = 150
# `univ_annot3` scales a person about the root by a few percent; these factors undo it.
_SCALES = np.linspace(0.85, 1.15, 61)
# Nearer to one than this, a scale does not tell the annotations apart.
_SAME_SCALE = 0.0051
# A fit is better than another one when it leaves less than this share of the error.
_CLEARLY = 0.5


@dataclass(frozen=True)
class Fit:
    """How well a pinhole camera explains the 2D by the 3D.

    Args:
        error: Median distance of the projected joints from the 2D, pixels.
        mirrored_error: The same with left and right of the 2D exchanged.
        annotation: Which annotation the 3D is, `None` where that cannot be told.
    """

    error: float
    mirrored_error: float
    annotation: Annotation | None


def fit(pixels: np.ndarray, poses: np.ndarray, root: int, mirror: np.ndarray) -> Fit:
    """Explain the 2D by the 3D.

    `annot3` is where the person stood, so that it projects onto the 2D. `univ_annot3` is the same
    pose scaled about the root, so that it projects onto the 2D once the scale is undone.

    Args:
        pixels: `(frames, joints, 2)`.
        poses: `(frames, joints, 3)` in front of the camera, any unit.
        root: The joint that the scale leaves where it is.
        mirror: For every joint the one on the other side.

    Returns:
        What was found.
    """
    chosen = sampled(len(poses), _FRAMES)
    pixels, poses = pixels[chosen].astype(np.float64), poses[chosen].astype(np.float64)
    origin = poses[:, [root]]
    errors = np.array([_error(pixels, origin + (poses - origin) * scale) for scale in _SCALES])
    plain = _error(pixels, poses)
    best = int(errors.argmin())
    annotation: Annotation | None = None
    if abs(_SCALES[best] - 1.0) > _SAME_SCALE:
        if errors[best] < _CLEARLY * plain:
            annotation = "univ_annot3"
    elif plain < _CLEARLY * min(errors[0], errors[-1]):
        annotation = "annot3"
    return Fit(float(min(plain, errors[best])), _error(pixels[:, mirror], poses), annotation)


def _error(pixels: np.ndarray, poses: np.ndarray) -> float:
    """Fit focal length and centre of each axis, and measure what they leave."""
    depth = poses[..., 2]
    if (depth <= 0).any():
        return np.inf
    squared = np.zeros(depth.shape)
    for axis in range(2):
        slope = (poses[..., axis] / depth).reshape(-1)
        columns = np.stack([slope, np.ones_like(slope)], axis=1)
        solution = np.linalg.lstsq(columns, pixels[..., axis].reshape(-1), rcond=None)[0]
        squared += ((columns @ solution).reshape(depth.shape) - pixels[..., axis]) ** 2
    return float(np.median(np.sqrt(squared)))
