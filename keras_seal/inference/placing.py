"""Where people stand in front of the camera."""

from __future__ import annotations

import numpy as np

# Nobody is filmed from nearer than this, metres.
_NEAREST = 0.3


def place(
    poses: np.ndarray, keypoints: np.ndarray, image_size: tuple[int, int], focal: float
) -> np.ndarray:
    """Find the places at which poses would be seen where their keypoints are.

    A lifter tells a pose relative to its root. With a camera without distortion, the place that
    fits the keypoints best is a linear least-squares problem, solved for every frame. How far away
    people are depends on the focal length and on their size being right, so the distance is rough.

    Args:
        poses: `(frames, joints, 3)` metres, root-relative, camera space.
        keypoints: `(frames, joints, 3)` x and y in pixels and the weight of each.
        image_size: Width and height in pixels.
        focal: Focal length in pixels.

    Returns:
        `(frames, 3)` metres, camera space.

    Examples:
        >>> pose = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> seen = pose + [0.5, 0.1, 6.0]
        >>> pixels = 1000 * seen[..., :2] / seen[..., 2:] + [640, 360]
        >>> keypoints = np.concatenate([pixels, np.ones((1, 17, 1))], axis=-1)
        >>> place(pose, keypoints, (1280, 720), 1000.0).round(6).tolist()
        [[0.5, 0.1, 6.0]]
    """
    poses = np.asarray(poses, np.float64)
    centre = np.array(image_size, np.float64) / 2
    u, v = np.moveaxis((np.asarray(keypoints[..., :2], np.float64) - centre) / focal, -1, 0)
    weight = np.maximum(np.asarray(keypoints[..., 2], np.float64), 1e-6)
    weight = weight / weight.sum(axis=1, keepdims=True)

    def mean(values: np.ndarray) -> np.ndarray:
        return (weight * values).sum(axis=1)

    # For each joint, x + tx = u (z + tz) and the same of y; tx and ty go out by their means.
    right_x, right_y = u * poses[..., 2] - poses[..., 0], v * poses[..., 2] - poses[..., 1]
    du, dv = u - mean(u)[:, None], v - mean(v)[:, None]
    spread = mean(du**2 + dv**2)
    depth = -(mean(du * right_x) + mean(dv * right_y)) / np.maximum(spread, 1e-12)
    depth = np.maximum(depth, _NEAREST)
    return np.stack(
        [mean(right_x) + depth * mean(u), mean(right_y) + depth * mean(v), depth], axis=-1
    )


def usual_focal(image_size: tuple[int, int]) -> float:
    """Guess a focal length: that of a camera that sees 55 degrees along the longer side.

    Args:
        image_size: Width and height in pixels.

    Returns:
        Pixels.

    Examples:
        >>> round(usual_focal((1920, 1080)))
        1844
    """
    return max(image_size) / 2 / float(np.tan(np.radians(55) / 2))


def steady(roots: np.ndarray, fps: float) -> np.ndarray:
    """Take the trembling out of places; the distance from the camera trembles most.

    Args:
        roots: `(frames, 3)`.
        fps: Frames a second.

    Returns:
        `(frames, 3)`.
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = [
        gaussian_filter1d(roots[:, axis], seconds * fps, mode="nearest")
        for axis, seconds in enumerate((0.04, 0.04, 0.25))
    ]
    return np.stack(smooth, axis=-1)
