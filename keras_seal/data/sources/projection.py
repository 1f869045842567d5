"""Do the 2D and the 3D of a file belong together? Cameras tell, even unknown ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_seal.data.sources.anatomy import sampled
from keras_seal.errors import UserError

_FRAMES = 150
# Of people whose size was changed by a few percent; these factors undo it.
_SCALES = np.linspace(0.85, 1.15, 61)
# Nearer to one than this, a scale is none.
_SAME_SCALE = 0.0051
# A fit is better than another one when it leaves less than this share of the error.
_CLEARLY = 0.5
# A larger error of the 2D, as a share of the image's width, is no detector's.
_GREATEST_MISFIT = 0.04
# Of any lens, from the widest to a telescope; in widths of the image.
_FOCAL_LENGTHS = (0.1, 20.0)


@dataclass(frozen=True)
class Fit:
    """How well a pinhole camera explains the 2D by the 3D.

    Args:
        focal: Its focal lengths, pixels.
        error: Median distance of the projected joints from the 2D, pixels.
        mirrored_error: The same with left and right of the 2D exchanged.
        true_size: Whether the 3D projects as it is; false where it must first be scaled about the
            root, `None` where that cannot be told.
    """

    focal: tuple[float, float]
    error: float
    mirrored_error: float
    true_size: bool | None


def fit_camera(pixels: np.ndarray, poses: np.ndarray, root: int, mirror: np.ndarray) -> Fit:
    """Find the pinhole camera that explains the 2D by the 3D best.

    Args:
        pixels: `(frames, joints, 2)`.
        poses: `(frames, joints, 3)` in camera space, any unit.
        root: The joint that stays where it is when people are scaled.
        mirror: For every joint the one on the other side.

    Returns:
        How well it does.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> poses = rng.normal(size=(5, 17, 3)) + [0, 0, 8]
        >>> pixels = 1000 * poses[..., :2] / poses[..., 2:] + 500
        >>> fit_camera(pixels, poses, 0, np.arange(17)).true_size
        True
    """
    chosen = sampled(len(poses), _FRAMES)
    pixels, poses = pixels[chosen].astype(np.float64), poses[chosen].astype(np.float64)
    origin = poses[:, [root]]
    errors = np.array([_fit(pixels, origin + (poses - origin) * scale)[0] for scale in _SCALES])
    plain, focal = _fit(pixels, poses)
    best = int(errors.argmin())
    true_size = None
    if abs(_SCALES[best] - 1.0) > _SAME_SCALE:
        if errors[best] < _CLEARLY * plain:
            true_size = False
    elif plain < _CLEARLY * min(errors[0], errors[-1]):
        true_size = True
    mirrored, _ = _fit(pixels[:, mirror], poses)
    return Fit(focal, float(min(plain, errors[best])), mirrored, true_size)


def check_fit(found: Fit, where: str, width: int) -> None:
    """Refuse 2D that is not of the 3D.

    Args:
        found: How well a camera explains it.
        where: What to name in the message.
        width: Width of the image, pixels.

    Raises:
        UserError: The error is larger than any detector's, or left and right are exchanged.
    """
    if found.mirrored_error < _CLEARLY * found.error:
        raise UserError(
            f"{where}: left and right are exchanged between the 2D and the 3D; the 3D projects "
            f"{found.error:.3g} pixels off, but {found.mirrored_error:.3g} with the sides "
            "exchanged. Swap them in one of the two."
        )
    if found.error > _GREATEST_MISFIT * width:
        raise UserError(
            f"{where}: the 2D and the 3D do not belong together; seen by the camera that fits "
            f"best, the 3D lies {found.error:.3g} pixels off the 2D. Is one of them in another "
            "order of joints, of another camera, or not in pixels?"
        )
    least, greatest = _FOCAL_LENGTHS
    if not least * width <= min(found.focal) <= max(found.focal) <= greatest * width:
        raise UserError(
            f"{where}: the 2D fits the 3D for focal lengths of {found.focal[0]:.3g} and "
            f"{found.focal[1]:.3g} pixels alone, which no camera has whose images are {width} "
            "pixels wide; is the 2D in pixels, and not mirrored?"
        )


def _fit(pixels: np.ndarray, poses: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Fit a straight line for each axis: pixel = focal length x slope + centre."""
    depth = poses[..., 2]
    if (depth <= 0).any():
        return np.inf, (np.nan, np.nan)
    slopes = poses[..., :2] / depth[..., None]
    slopes = slopes - slopes.mean(axis=(0, 1))
    pixels = pixels - pixels.mean(axis=(0, 1))
    spread = np.maximum((slopes**2).sum(axis=(0, 1)), 1e-30)
    focal = (slopes * pixels).sum(axis=(0, 1)) / spread
    squared = ((focal * slopes - pixels) ** 2).sum(axis=-1)
    return float(np.median(np.sqrt(squared))), (float(focal[0]), float(focal[1]))
