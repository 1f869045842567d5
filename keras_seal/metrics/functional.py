"""Errors of poses, frame by frame, as plain functions of arrays or tensors.

Lengths are in metres (the unit of the poses), relative errors are fractions and angles radians; the
streaming metrics report millimetres, percent and degrees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.geometry import (
    bone_lengths,
    joint_angles,
    limb_lengths,
    procrustes,
    scale_align,
)
from keras_seal.geometry._namespace import as_floats, safe_norm
from keras_seal.skeletons import Skeleton

# Relative errors of a length below a millimetre would only measure noise, and divide by zero.
_SHORTEST_LENGTH = 1e-3


def mpjpe(y_true: Any, y_pred: Any) -> Any:
    """Mean per-joint position error of each frame.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.

    Returns:
        Errors `(...)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Example:
        >>> import numpy as np
        >>> moved = np.zeros((5, 1, 17, 3))
        >>> moved[..., 3, 0] = 0.17
        >>> mpjpe(np.zeros((5, 1, 17, 3)), moved).round(4)[0].tolist()
        [0.01]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    return xp.mean(safe_norm(xp, y_pred - y_true), axis=-1)


def p_mpjpe(y_true: Any, y_pred: Any) -> Any:
    """MPJPE after moving, turning and scaling each predicted pose to fit the truth (protocol 2).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.

    Returns:
        Errors `(...)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Example:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(p_mpjpe(y_true, 2.0 * y_true + 1.0).max() < 1e-6)
        True
    """
    _, y_true, y_pred = _poses(y_true, y_pred)
    return mpjpe(y_true, procrustes(y_pred, y_true))


def n_mpjpe(y_true: Any, y_pred: Any) -> Any:
    """MPJPE after scaling each predicted pose to fit the truth.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.

    Returns:
        Errors `(...)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Example:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(n_mpjpe(y_true, 2.0 * y_true).max() < 1e-6)
        True
    """
    _, y_true, y_pred = _poses(y_true, y_pred)
    return mpjpe(y_true, scale_align(y_pred, y_true))


def mpjve(y_true: Any, y_pred: Any) -> Any:
    """Mean per-joint velocity error between each frame and the one before.

    Args:
        y_true: True poses `(..., frames, joints, 3)`, metres, consecutive frames of one sequence.
        y_pred: Predicted poses of the same shape.

    Returns:
        Errors `(..., frames - 1)` in metres per frame.

    Raises:
        ValueError: The shapes differ or are no poses', or there is only one frame.

    Example:
        >>> import numpy as np
        >>> y_true = np.zeros((2, 9, 17, 3))
        >>> mpjve(y_true, y_true + 0.1).shape
        (2, 8)
    """
    _, y_true, y_pred = _sequences(y_true, y_pred, 2, "The velocity error")
    return mpjpe(_difference(y_true), _difference(y_pred))


def acceleration_error(y_true: Any, y_pred: Any) -> Any:
    """Mean per-joint acceleration error over each frame and its two neighbours.

    Args:
        y_true: True poses `(..., frames, joints, 3)`, metres, consecutive frames of one sequence.
        y_pred: Predicted poses of the same shape.

    Returns:
        Errors `(..., frames - 2)` in metres per frame squared.

    Raises:
        ValueError: The shapes differ or are no poses', or there are fewer than three frames.

    Example:
        >>> import numpy as np
        >>> y_true = np.zeros((2, 9, 17, 3))
        >>> acceleration_error(y_true, y_true).shape
        (2, 7)
    """
    _, y_true, y_pred = _sequences(y_true, y_pred, 3, "The acceleration error")
    return mpjpe(_difference(_difference(y_true)), _difference(_difference(y_pred)))


def limb_symmetry_error(y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False) -> Any:
    """Difference in length between the left and the right bones of the predicted poses (LSE).

    The truth is not looked at, but taken so that all errors are called alike; pass the truth as
    `y_pred` too to see how symmetric the people themselves are measured.

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.
        relative: Whether to divide each difference by the sum of both lengths.

    Returns:
        Mean over the mirrored bones `(...)`, in metres or as a fraction.

    Raises:
        ValueError: The skeleton has no mirrored bones, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> pose = np.zeros((17, 3))
        >>> pose[[1, 2, 3], 0] = 0.06  # a right hip bone, and no left one
        >>> round(float(limb_symmetry_error(pose, pose, "human36m_17")), 3)
        0.01
    """
    skeleton = skeletons.get(skeleton)
    require_mirrored_bones(skeleton)
    xp, y_true, y_pred = _poses(y_true, y_pred)
    lengths = bone_lengths(y_pred, skeleton)
    left, right = np.array(skeleton.bone_mirror_pairs, dtype=np.int32).T
    left, right = xp.take(lengths, left, axis=-1), xp.take(lengths, right, axis=-1)
    return _mean_deviation(xp, left, right, left + right, relative)


def body_segment_length_error(
    y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False
) -> Any:
    """Error of the lengths of the predicted bones (BSLE).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        relative: Whether to divide each error by the true length (at least one millimetre).

    Returns:
        Mean over the bones `(...)`, in metres or as a fraction.

    Raises:
        ValueError: The shapes do not fit.

    Example:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> error = body_segment_length_error(y_true, 1.1 * y_true, "human36m_17", relative=True)
        >>> error.round(6)[0].tolist()
        [0.1]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    true = bone_lengths(y_true, skeleton)
    return _mean_deviation(xp, bone_lengths(y_pred, skeleton), true, true, relative)


def limb_length_error(y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False) -> Any:
    """Error of the lengths of the predicted limbs: chains of bones, such as a leg (LLE).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with limbs, or what `skeletons.get` takes.
        relative: Whether to divide each error by the true length (at least one millimetre).

    Returns:
        Mean over the limbs `(...)`, in metres or as a fraction.

    Raises:
        ValueError: The skeleton has no limbs, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> error = limb_length_error(y_true, 1.1 * y_true, "human36m_17", relative=True)
        >>> error.round(6)[0].tolist()
        [0.1]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    true = limb_lengths(y_true, skeleton)
    return _mean_deviation(xp, limb_lengths(y_pred, skeleton), true, true, relative)


def joint_angle_error(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    """Error of the angles between adjacent bones (JAE).

    Args:
        y_true: True poses `(..., joints, 3)`, any unit.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Mean over all pairs of bones that share a joint `(...)`, in radians.

    Raises:
        ValueError: The skeleton has no two bones that meet, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(joint_angle_error(y_true, 3.0 * y_true, "human36m_17").max() < 1e-6)
        True
    """
    skeleton = skeletons.get(skeleton)
    require_adjacent_bones(skeleton)
    xp, y_true, y_pred = _poses(y_true, y_pred)
    difference = joint_angles(y_pred, skeleton) - joint_angles(y_true, skeleton)
    return xp.mean(xp.abs(difference), axis=-1)


def require_mirrored_bones(skeleton: Skeleton) -> None:
    """Raise `ValueError` unless the skeleton has mirrored bones."""
    if not skeleton.bone_mirror_pairs:
        raise ValueError(
            f"The limb symmetry error compares mirrored bones, but skeleton '{skeleton.name}' has "
            "none; give it `mirror_pairs`, or leave this metric out."
        )


def require_limbs(skeleton: Skeleton) -> None:
    """Raise `ValueError` unless the skeleton has limbs."""
    if not skeleton.limbs:
        raise ValueError(
            f"The limb length error measures limbs, but skeleton '{skeleton.name}' names none; "
            "give it `limbs`, or leave this metric out."
        )


def require_adjacent_bones(skeleton: Skeleton) -> None:
    """Raise `ValueError` unless two bones of the skeleton meet."""
    if not skeleton.adjacent_bones:
        raise ValueError(
            f"The joint angle error needs two bones that meet, but skeleton '{skeleton.name}' has "
            "a single bone; leave this metric out."
        )


def _poses(y_true: Any, y_pred: Any) -> tuple[Any, Any, Any]:
    xp, y_true, y_pred = as_floats(y_true, y_pred)
    shape_true, shape_pred = tuple(y_true.shape), tuple(y_pred.shape)
    fits = len(shape_true) == len(shape_pred) >= 2 and all(
        a is None or b is None or a == b for a, b in zip(shape_true, shape_pred, strict=True)
    )
    if not fits or shape_true[-1] != 3:
        raise ValueError(
            "True and predicted poses must have the same shape (..., joints, 3), got "
            f"{shape_true} and {shape_pred}."
        )
    return xp, y_true, y_pred


def _sequences(y_true: Any, y_pred: Any, frames: int, what: str) -> tuple[Any, Any, Any]:
    xp, y_true, y_pred = _poses(y_true, y_pred)
    shape = tuple(y_true.shape)
    if len(shape) < 3 or (shape[-3] is not None and shape[-3] < frames):
        raise ValueError(
            f"{what} needs poses of at least {frames} consecutive frames, (..., frames, joints, "
            f"3); got shape {shape}. Use a network that predicts every frame of its window."
        )
    return xp, y_true, y_pred


def _difference(poses: Any) -> Any:
    return poses[..., 1:, :, :] - poses[..., :-1, :, :]


def _mean_deviation(xp: Any, lengths: Any, reference: Any, norm: Any, relative: bool) -> Any:
    deviations = xp.abs(lengths - reference)
    if relative:
        deviations = deviations / xp.maximum(norm, xp.full_like(norm, _SHORTEST_LENGTH))
    return xp.mean(deviations, axis=-1)
