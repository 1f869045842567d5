"""Errors of poses, frame by frame, as plain functions of arrays or tensors.

Lengths are in metres (the unit of the poses), relative errors are fractions and angles radians; the
streaming metrics report millimetres, percent and degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from keras_seal.geometry._namespace import as_floats, check_poses, safe_norm
from keras_seal.skeletons import Skeleton

# Relative errors of a length below a millimetre would only measure noise, and divide by zero.
_SHORTEST_LENGTH = 1e-3
# 0, 5, ... 150 mm: those of MPI-INF-3DHP's tool.
AUC_THRESHOLDS = tuple(step / 200 for step in range(31))


def mpjpe(y_true: Any, y_pred: Any, *, average: bool = True) -> Any:
    """Mean per-joint position error of each frame.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.
        average: Whether to average over the joints; else every joint's error is given.

    Returns:
        Errors `(...)` or `(..., joints)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Examples:
        >>> import numpy as np
        >>> moved = np.zeros((5, 1, 17, 3))
        >>> moved[..., 3, 0] = 0.17
        >>> mpjpe(np.zeros((5, 1, 17, 3)), moved).round(4)[0].tolist()
        [0.01]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    return _averaged(xp, safe_norm(xp, y_pred - y_true), average)


def p_mpjpe(y_true: Any, y_pred: Any, *, average: bool = True) -> Any:
    """MPJPE after moving, turning and scaling each predicted pose to fit the truth (protocol 2).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        average: As for `mpjpe`.

    Returns:
        Errors `(...)` or `(..., joints)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(p_mpjpe(y_true, 2.0 * y_true + 1.0).max() < 1e-6)
        True
    """
    _, y_true, y_pred = _poses(y_true, y_pred)
    return mpjpe(y_true, procrustes(y_pred, y_true), average=average)


def n_mpjpe(y_true: Any, y_pred: Any, *, average: bool = True) -> Any:
    """MPJPE after scaling each predicted pose to fit the truth.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.
        average: As for `mpjpe`.

    Returns:
        Errors `(...)` or `(..., joints)` in metres.

    Raises:
        ValueError: The shapes differ or are no poses'.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(n_mpjpe(y_true, 2.0 * y_true).max() < 1e-6)
        True
    """
    _, y_true, y_pred = _poses(y_true, y_pred)
    return mpjpe(y_true, scale_align(y_pred, y_true), average=average)


def pck(
    y_true: Any, y_pred: Any, *, threshold: float = 0.15, joints: Sequence[int] | None = None
) -> Any:
    """Share of the joints of each frame that lie nearer to the truth than a threshold (3D PCK).

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.
        threshold: Metres; a joint that lies exactly so far away does not count.
        joints: The joints that are looked at; all by default.

    Returns:
        Shares `(...)` in [0, 1].

    Raises:
        ValueError: The shapes differ or are no poses', or no joint is looked at.

    Examples:
        >>> import numpy as np
        >>> moved = np.zeros((17, 3))
        >>> moved[3, 0] = 0.15
        >>> round(float(pck(np.zeros((17, 3)), moved)), 4)
        0.9412

    Reference:
        Mehta et al., Monocular 3D human pose estimation in the wild using improved CNN
        supervision, 3DV 2017.
    """
    xp, errors = _errors_of(y_true, y_pred, joints)
    return xp.mean(_as_numbers(xp, errors < threshold, errors), axis=-1)


def auc(
    y_true: Any,
    y_pred: Any,
    *,
    thresholds: Sequence[float] = AUC_THRESHOLDS,
    joints: Sequence[int] | None = None,
) -> Any:
    """Mean of `pck` over thresholds: the area under the curve of 3D PCK.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.
        thresholds: Metres; by default 0, 5, ... 150 mm. Nothing is nearer than 0, so that a perfect
            prediction gets 30/31, as in MPI-INF-3DHP's own tool.
        joints: The joints that are looked at; all by default.

    Returns:
        Areas `(...)` in [0, 1].

    Raises:
        ValueError: The shapes differ or are no poses', or no joint or threshold is looked at.

    Examples:
        >>> import numpy as np
        >>> round(float(auc(np.zeros((17, 3)), np.zeros((17, 3)))), 4) == round(30 / 31, 4)
        True

    Reference:
        Mehta et al., Monocular 3D human pose estimation in the wild using improved CNN
        supervision, 3DV 2017.
    """
    if not len(thresholds):
        raise ValueError("`thresholds` is empty, expected at least one.")
    xp, errors = _errors_of(y_true, y_pred, joints)
    reached = sum(_as_numbers(xp, errors < float(limit), errors) for limit in thresholds)
    return xp.mean(reached, axis=-1) / len(thresholds)


def part_errors(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    """Mean position error of each part of the body: each of the skeleton's groups of joints.

    Args:
        y_true: True poses `(..., joints, 3)`, metres, root-relative.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with groups, or what `skeletons.get` takes.

    Returns:
        Errors `(..., groups)` in metres, in the order of `skeleton.groups`.

    Raises:
        ValueError: The skeleton names no groups, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> moved = np.zeros((17, 3))
        >>> moved[10, 1] = 0.02  # the head, one of the two joints of the group "head"
        >>> part_errors(np.zeros((17, 3)), moved, "human36m_17").round(3).tolist()
        [0.0, 0.01, 0.0, 0.0, 0.0, 0.0]
    """
    skeleton = skeletons.get(skeleton)
    if not skeleton.groups:
        raise ValueError(
            f"The error of each part needs groups of joints, but skeleton '{skeleton.name}' names "
            "none; give it `groups`."
        )
    xp, y_true, y_pred = _poses(y_true, y_pred)
    check_poses(y_true, skeleton, "y_true and y_pred")
    errors = mpjpe(y_true, y_pred, average=False)
    parts = [np.array(group, dtype=np.int32) for group in skeleton.groups.values()]
    return xp.stack([xp.mean(xp.take(errors, part, axis=-1), axis=-1) for part in parts], axis=-1)


def mpjve(y_true: Any, y_pred: Any, *, average: bool = True) -> Any:
    """Mean per-joint velocity error between each frame and the one before.

    Args:
        y_true: True poses `(..., frames, joints, 3)`, metres, consecutive frames of one sequence.
        y_pred: Predicted poses of the same shape.
        average: As for `mpjpe`.

    Returns:
        Errors `(..., frames - 1)` or `(..., frames - 1, joints)` in metres per frame.

    Raises:
        ValueError: The shapes differ or are no poses', or there is only one frame.

    Examples:
        >>> import numpy as np
        >>> y_true = np.zeros((2, 9, 17, 3))
        >>> mpjve(y_true, y_true + 0.1).shape
        (2, 8)
    """
    _, y_true, y_pred = _sequences(y_true, y_pred, 2, "The velocity error")
    return mpjpe(_difference(y_true), _difference(y_pred), average=average)


def acceleration_error(y_true: Any, y_pred: Any, *, average: bool = True) -> Any:
    """Mean per-joint acceleration error over each frame and its two neighbours.

    Args:
        y_true: True poses `(..., frames, joints, 3)`, metres, consecutive frames of one sequence.
        y_pred: Predicted poses of the same shape.
        average: As for `mpjpe`.

    Returns:
        Errors `(..., frames - 2)` or `(..., frames - 2, joints)` in metres per frame squared.

    Raises:
        ValueError: The shapes differ or are no poses', or there are fewer than three frames.

    Examples:
        >>> import numpy as np
        >>> y_true = np.zeros((2, 9, 17, 3))
        >>> acceleration_error(y_true, y_true).shape
        (2, 7)
    """
    _, y_true, y_pred = _sequences(y_true, y_pred, 3, "The acceleration error")
    true, predicted = _difference(_difference(y_true)), _difference(_difference(y_pred))
    return mpjpe(true, predicted, average=average)


def limb_symmetry_error(
    y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False, average: bool = True
) -> Any:
    """Difference in length between the left and the right bones of the predicted poses (LSE).

    The truth is not looked at, but taken so that all errors are called alike; pass the truth as
    `y_pred` too to see how symmetric the people themselves are measured.

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.
        relative: Whether to divide each difference by the sum of both lengths.
        average: Whether to average over the pairs; else every pair's difference is given.

    Returns:
        Mean over the mirrored bones `(...)`, or `(..., pairs)` in the order of
        `skeleton.bone_mirror_pairs`; in metres or as a fraction.

    Raises:
        ValueError: The skeleton has no mirrored bones, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> pose = np.zeros((17, 3))
        >>> pose[[1, 2, 3], 0] = 0.06  # a right hip bone, and no left one
        >>> round(float(limb_symmetry_error(pose, pose, "human36m_17")), 3)
        0.01
    """
    skeleton = skeletons.get(skeleton)
    require_mirrored_bones(skeleton)
    xp, y_true, y_pred = _poses(y_true, y_pred)
    deviations = symmetry_deviations(bone_lengths(y_pred, skeleton), skeleton, relative=relative)
    return _averaged(xp, deviations, average)


def mpsse(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    """Mean per-segment symmetry error, ManiPose's name for `limb_symmetry_error` in metres.

    Args:
        y_true: True poses `(..., joints, 3)`, metres; not looked at.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.

    Returns:
        Mean over the mirrored bones `(...)`, metres.

    Raises:
        ValueError: The skeleton has no mirrored bones, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> float(mpsse(np.zeros((17, 3)), np.zeros((17, 3)), "human36m_17"))
        0.0

    Reference:
        Rommel et al., ManiPose: manifold-constrained multi-hypothesis 3D human pose estimation,
        NeurIPS 2024.
    """
    return limb_symmetry_error(y_true, y_pred, skeleton)


def mpsce(y_true: Any, y_pred: Any, skeleton: Any, *, average: bool = True) -> Any:
    """Mean per-segment consistency error: how much the predicted bone lengths vary over time.

    The truth is not looked at; pass it as `y_pred` too for its own figure, which is above zero
    where frames of several people are joined.

    Args:
        y_true: True poses `(..., frames, joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        average: Whether to average over the bones; else every bone's spread is given.

    Returns:
        Standard deviation over the frames (of a sample: divided by frames - 1), the mean over the
        bones `(...)` or each bone's `(..., bones)`; metres.

    Raises:
        ValueError: There is only one frame, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> pose = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> walking = pose + np.arange(8.0)[:, None, None]
        >>> bool(mpsce(walking, walking, "human36m_17") < 1e-9)
        True

    Reference:
        Rommel et al., ManiPose: manifold-constrained multi-hypothesis 3D human pose estimation,
        NeurIPS 2024.
    """
    xp, y_true, y_pred = _sequences(y_true, y_pred, 2, "The spread of bone lengths over time")
    lengths = bone_lengths(y_pred, skeleton)
    centred = lengths - xp.mean(lengths, axis=-2, keepdims=True)
    squares = xp.sum(centred * centred, axis=-2) / (lengths.shape[-2] - 1)
    # The gradient of the root at zero is infinite.
    zero = squares == 0
    spreads = xp.sqrt(xp.where(zero, xp.ones_like(squares), squares))
    return _averaged(xp, xp.where(zero, xp.zeros_like(spreads), spreads), average)


def body_segment_length_error(
    y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False, average: bool = True
) -> Any:
    """Error of the lengths of the predicted bones (BSLE).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        relative: Whether to divide each error by the true length (at least one millimetre).
        average: Whether to average over the bones; else every bone's error is given.

    Returns:
        Mean over the bones `(...)`, or `(..., bones)` in the skeleton's order; in metres or as a
        fraction.

    Raises:
        ValueError: The shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> error = body_segment_length_error(y_true, 1.1 * y_true, "human36m_17", relative=True)
        >>> error.round(6)[0].tolist()
        [0.1]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    lengths, true = bone_lengths(y_pred, skeleton), bone_lengths(y_true, skeleton)
    return _averaged(xp, length_deviations(lengths, true, relative=relative), average)


def limb_length_error(
    y_true: Any, y_pred: Any, skeleton: Any, *, relative: bool = False, average: bool = True
) -> Any:
    """Error of the lengths of the predicted limbs: chains of bones, such as a leg (LLE).

    Args:
        y_true: True poses `(..., joints, 3)`, metres.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton` with limbs, or what `skeletons.get` takes.
        relative: Whether to divide each error by the true length (at least one millimetre).
        average: Whether to average over the limbs; else every limb's error is given.

    Returns:
        Mean over the limbs `(...)`, or `(..., limbs)` in the skeleton's order; in metres or as a
        fraction.

    Raises:
        ValueError: The skeleton has no limbs, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> error = limb_length_error(y_true, 1.1 * y_true, "human36m_17", relative=True)
        >>> error.round(6)[0].tolist()
        [0.1]
    """
    xp, y_true, y_pred = _poses(y_true, y_pred)
    lengths, true = limb_lengths(y_pred, skeleton), limb_lengths(y_true, skeleton)
    return _averaged(xp, length_deviations(lengths, true, relative=relative), average)


def joint_angle_error(y_true: Any, y_pred: Any, skeleton: Any, *, average: bool = True) -> Any:
    """Error of the angles between adjacent bones (JAE).

    Args:
        y_true: True poses `(..., joints, 3)`, any unit.
        y_pred: Predicted poses of the same shape.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        average: Whether to average over the angles; else every angle's error is given.

    Returns:
        Mean over all pairs of bones that share a joint `(...)`, or `(..., angles)` in the order of
        `skeleton.adjacent_bones`; in radians.

    Raises:
        ValueError: The skeleton has no two bones that meet, or the shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(5, 1, 17, 3))
        >>> bool(joint_angle_error(y_true, 3.0 * y_true, "human36m_17").max() < 1e-6)
        True
    """
    skeleton = skeletons.get(skeleton)
    require_adjacent_bones(skeleton)
    xp, y_true, y_pred = _poses(y_true, y_pred)
    difference = joint_angles(y_pred, skeleton) - joint_angles(y_true, skeleton)
    return _averaged(xp, xp.abs(difference), average)


def symmetry_deviations(lengths: Any, skeleton: Any, *, relative: bool = False) -> Any:
    """Compare the lengths of left and right bones, as `limb_symmetry_error` does.

    Args:
        lengths: Bone lengths `(..., bones)`, metres.
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.
        relative: Whether to divide each difference by the sum of both lengths.

    Returns:
        Differences `(..., pairs)` in metres or as fractions.

    Examples:
        >>> import numpy as np
        >>> symmetry_deviations(np.ones((5, 16)), "human36m_17").shape
        (5, 6)
    """
    skeleton = skeletons.get(skeleton)
    require_mirrored_bones(skeleton)
    xp, lengths = as_floats(lengths)
    pairs = np.array(skeleton.bone_mirror_pairs, dtype=np.int32).T
    left, right = (xp.take(lengths, side, axis=-1) for side in pairs)
    return _deviations(xp, left, right, left + right, relative)


def length_deviations(lengths: Any, true: Any, *, relative: bool = False) -> Any:
    """Compare lengths with the true ones, as `body_segment_length_error` does.

    Args:
        lengths: Predicted lengths, any shape, metres.
        true: True lengths of the same shape.
        relative: Whether to divide by the true length (at least one millimetre).

    Returns:
        Absolute differences of the same shape, in metres or as fractions.

    Examples:
        >>> length_deviations([1.0, 3.0], [1.0, 2.0], relative=True).tolist()
        [0.0, 0.5]
    """
    xp, lengths, true = as_floats(lengths, true)
    return _deviations(xp, lengths, true, true, relative)


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


def _deviations(xp: Any, lengths: Any, reference: Any, norm: Any, relative: bool) -> Any:
    deviations = xp.abs(lengths - reference)
    if relative:
        deviations = deviations / xp.maximum(norm, xp.full_like(norm, _SHORTEST_LENGTH))
    return deviations


def _averaged(xp: Any, values: Any, average: bool) -> Any:
    return xp.mean(values, axis=-1) if average else values


def _errors_of(y_true: Any, y_pred: Any, joints: Sequence[int] | None) -> tuple[Any, Any]:
    xp, y_true, y_pred = _poses(y_true, y_pred)
    errors = mpjpe(y_true, y_pred, average=False)
    if joints is not None:
        if not len(joints):
            raise ValueError("`joints` is empty, expected at least one joint.")
        errors = xp.take(errors, np.array(joints, dtype=np.int32), axis=-1)
    return xp, errors


def _as_numbers(xp: Any, condition: Any, like: Any) -> Any:
    return xp.where(condition, xp.ones_like(like), xp.zeros_like(like))
