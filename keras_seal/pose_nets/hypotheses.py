"""One pose out of several hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_seal.errors import nearest
from keras_seal.geometry.cameras import Camera, denormalize_screen, project


def mean(hypotheses: Any) -> np.ndarray:
    """Average the hypotheses (P-Agg).

    Args:
        hypotheses: Poses `(batch, hypotheses, frames, joints, 3)`.

    Returns:
        `(batch, frames, joints, 3)`.

    Examples:
        >>> mean(np.ones((4, 5, 9, 17, 3))).shape
        (4, 9, 17, 3)
    """
    return _checked(hypotheses).mean(axis=1)


def nearest_joints(
    hypotheses: Any, keypoints: Any, roots: Any, cameras: Camera | Sequence[Camera]
) -> np.ndarray:
    """Take each joint from the hypothesis that puts it nearest to its keypoint (J-Agg, JPMA).

    Args:
        hypotheses: Root-relative poses `(batch, hypotheses, frames, joints, 3)`, metres.
        keypoints: Normalised `(batch, frames, joints, 2 or 3)`; a confidence is not looked at.
        roots: Where the root is in camera space, `(batch, frames, 3)`, metres.
        cameras: The camera of each sample, or one for all.

    Returns:
        Root-relative poses `(batch, frames, joints, 3)`.

    Raises:
        ValueError: If shapes do not fit.

    Examples:
        >>> camera = Camera(np.eye(3), np.zeros(3), [1000, 1000], [500, 500])
        >>> hypotheses = np.stack([np.zeros((1, 1, 17, 3)), np.full((1, 1, 17, 3), 0.1)], axis=1)
        >>> keypoints, roots = np.zeros((1, 1, 17, 2)), np.array([[[0.0, 0.0, 5.0]]])
        >>> float(nearest_joints(hypotheses, keypoints, roots, camera).max())
        0.0

    Reference:
        Shan et al., "Diffusion-based 3D human pose estimation with multi-hypothesis aggregation",
        ICCV 2023, section 3.4.
    """
    hypotheses = _checked(hypotheses)
    batch, _, frames, joints, _ = hypotheses.shape
    keypoints, roots = _array(keypoints)[..., :2], _array(roots)
    cameras = [cameras] * batch if isinstance(cameras, Camera) else list(cameras)
    for name, shape, wanted in (
        ("keypoints", keypoints.shape, (batch, frames, joints, 2)),
        ("roots", roots.shape, (batch, frames, 3)),
        ("cameras", (len(cameras),), (batch,)),
    ):
        if shape != wanted:
            raise ValueError(f"`{name}` has shape {shape}, expected {wanted}.")
    errors = []
    for poses, points, root, camera in zip(hypotheses, keypoints, roots, cameras, strict=True):
        pixels = denormalize_screen(points, camera.width, camera.height)
        distance = np.linalg.norm(project(poses + root[:, None], camera) - pixels, axis=-1)
        # What would lie behind the camera is not near to anything.
        errors.append(np.where(np.isnan(distance), np.inf, distance))
    return _joints_of_least(hypotheses, np.stack(errors))


def best_pose(hypotheses: Any, poses: Any) -> np.ndarray:
    """Take each frame from the hypothesis nearest to the truth (P-Best): an oracle.

    Args:
        hypotheses: Poses `(batch, hypotheses, frames, joints, 3)`.
        poses: True poses `(batch, frames, joints, 3)`.

    Returns:
        `(batch, frames, joints, 3)`.

    Raises:
        ValueError: If shapes do not fit.
    """
    hypotheses, errors = _errors(hypotheses, poses)
    best = np.broadcast_to(errors.mean(axis=-1, keepdims=True), errors.shape)
    return _joints_of_least(hypotheses, best)


def best_window(hypotheses: Any, poses: Any) -> np.ndarray:
    """Take each window whole from the hypothesis nearest to the truth: an oracle.

    Args:
        hypotheses: Poses `(batch, hypotheses, frames, joints, 3)`.
        poses: True poses `(batch, frames, joints, 3)`.

    Returns:
        `(batch, frames, joints, 3)`.

    Raises:
        ValueError: If shapes do not fit.
    """
    hypotheses, errors = _errors(hypotheses, poses)
    best = np.broadcast_to(errors.mean(axis=(-2, -1), keepdims=True), errors.shape)
    return _joints_of_least(hypotheses, best)


def best_joints(hypotheses: Any, poses: Any) -> np.ndarray:
    """Take each joint from the hypothesis nearest to the truth (J-Best): an oracle.

    Args:
        hypotheses: Poses `(batch, hypotheses, frames, joints, 3)`.
        poses: True poses `(batch, frames, joints, 3)`.

    Returns:
        `(batch, frames, joints, 3)`.

    Raises:
        ValueError: If shapes do not fit.
    """
    return _joints_of_least(*_errors(hypotheses, poses))


AGGREGATIONS: dict[str, Callable[..., np.ndarray]] = {
    "mean": mean,
    "nearest_joints": nearest_joints,
    "best_pose": best_pose,
    "best_window": best_window,
    "best_joints": best_joints,
}


def aggregate(hypotheses: Any, how: str = "mean", **needed: Any) -> np.ndarray:
    """Make one pose of several hypotheses, in a way that is named.

    Args:
        hypotheses: Poses `(batch, hypotheses, frames, joints, 3)`, as `D3DP.hypotheses` gives them.
        how: `"mean"`; `"nearest_joints"`, which needs `keypoints`, `roots` and `cameras`; or one of
            the oracles `"best_pose"`, `"best_window"` and `"best_joints"`, which need the true
            `poses` and serve to report what the best choice would give.
        **needed: What that way needs.

    Returns:
        Poses `(batch, frames, joints, 3)`.

    Raises:
        ValueError: If there is no such way, or shapes do not fit.

    Examples:
        >>> poses = np.zeros((4, 9, 17, 3))
        >>> aggregate(np.stack([poses, poses + 1], axis=1), "best_joints", poses=poses).shape
        (4, 9, 17, 3)
    """
    if how not in AGGREGATIONS:
        raise ValueError(f"There is no aggregation {how!r}.{nearest(str(how), AGGREGATIONS)}")
    return AGGREGATIONS[how](hypotheses, **needed)


def _array(values: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(values))


def _checked(hypotheses: Any) -> np.ndarray:
    hypotheses = _array(hypotheses)
    if hypotheses.ndim != 5 or hypotheses.shape[-1] != 3:
        raise ValueError(
            f"Hypotheses have shape {hypotheses.shape}, expected (batch, hypotheses, frames, "
            "joints, 3)."
        )
    return hypotheses


def _errors(hypotheses: Any, poses: Any) -> tuple[np.ndarray, np.ndarray]:
    hypotheses, poses = _checked(hypotheses), _array(poses)
    wanted = hypotheses.shape[:1] + hypotheses.shape[2:]
    if poses.shape != wanted:
        raise ValueError(f"`poses` has shape {poses.shape}, expected {wanted}.")
    return hypotheses, np.linalg.norm(hypotheses - poses[:, None], axis=-1)


def _joints_of_least(hypotheses: np.ndarray, errors: np.ndarray) -> np.ndarray:
    best = errors.argmin(axis=1)[:, None, ..., None]
    return np.take_along_axis(hypotheses, best, axis=1)[:, 0]
