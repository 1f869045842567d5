"""Alignment: poses relative to their root, and the best fit of one pose to another."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.geometry._namespace import (
    as_floats,
    check_last_axis,
    check_poses,
    constant,
    coordinates,
    is_double,
    safe_divide,
    safe_norm,
)
from keras_seal.geometry.kinematics import quaternion_to_matrix, rotate

# An eigenvalue smaller than the largest by a share g is gone after k squarings once g 2^k >> 1:
# with these what remains of it lies below the rounding of the type.
_SQUARINGS = 24
_SQUARINGS_IN_DOUBLE = 48
# The trace, 1 at first, shrinks to 1/4 by a squaring at most: four need no rescaling between.
_SQUARINGS_BETWEEN_RESCALING = 4


def root_relative(poses: Any, skeleton: Any) -> Any:
    """Put the origin of poses at the skeleton's origin (the root, or the middle of the hips).

    Args:
        poses: Joint positions `(..., joints, 3)`, array or tensor, any unit.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Poses `(..., joints, 3)`; the mean of the joints of `skeleton.origin` is zero.

    Raises:
        ValueError: `poses` has another number of joints than the skeleton.

    Examples:
        >>> import numpy as np
        >>> float(root_relative(np.ones((17, 3)), "human36m_17").max())
        0.0
    """
    skeleton = skeletons.get(skeleton)
    xp, poses = as_floats(poses)
    check_poses(poses, skeleton)
    if len(skeleton.origin) == 1:
        joint = skeleton.origin[0]
        return poses - poses[..., joint : joint + 1, :]
    origin = xp.take(poses, np.array(skeleton.origin, dtype=np.int32), axis=-2)
    return poses - xp.mean(origin, axis=-2, keepdims=True)


def procrustes(predicted: Any, target: Any, *, scale: bool = True) -> Any:
    """Move, turn and scale each predicted pose to fit its target best (least squares).

    The rotation is always proper (no mirroring), also for points on a line; where the best
    rotation is not unique, one of the best is taken. A prediction whose points coincide is moved
    onto the target's centre. The rotation is the leading eigenvector of Horn's quaternion matrix,
    found by squaring the matrix until one eigenvalue is left: plain arithmetic on small matrices,
    which every backend compiles and which keeps float32 accurate.

    Args:
        predicted: Points `(..., points, 3)`, array or tensor, any unit.
        target: Points of the same shape and unit.
        scale: Whether to fit the scale too; if not, the prediction keeps its size.

    Returns:
        The aligned prediction `(..., points, 3)`.

    Raises:
        ValueError: The last axis has not 3 entries.

    Examples:
        >>> import numpy as np
        >>> target = np.random.default_rng(0).normal(size=(17, 3))
        >>> turned = 2.0 * target @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) + 5.0
        >>> bool(np.allclose(procrustes(turned, target), target))
        True

    Reference:
        Horn, Closed-form solution of absolute orientation using unit quaternions, JOSA A 4, 1987.
    """
    xp, predicted, target = as_floats(predicted, target)
    check_last_axis(predicted, 3, "predicted")
    check_last_axis(target, 3, "target")
    centre = xp.mean(target, axis=-2, keepdims=True)
    source = predicted - xp.mean(predicted, axis=-2, keepdims=True)
    target = target - centre
    size = safe_norm(xp, source, axis=(-2, -1))[..., None, None]
    unit = safe_divide(xp, source, size)
    rotation = _best_rotation(xp, unit, target)
    unit = rotate(unit, rotation[..., None, :, :])
    if scale:
        # For the unit-size prediction the best scale is tr(S') of the singular value form.
        size = xp.sum(unit * target, axis=(-2, -1), keepdims=True)
    return unit * size + centre


def _best_rotation(xp: Any, unit: Any, target: Any) -> Any:
    unit_target = safe_divide(xp, target, safe_norm(xp, target, axis=(-2, -1))[..., None, None])
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (
        [xp.sum(p * t, axis=-1) for t in coordinates(unit_target)] for p in coordinates(unit)
    )
    rows = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
    matrix = xp.stack([xp.stack(row, axis=0) for row in rows], axis=0)
    # The eigenvalues lie in [-1, 1]; adding 1 makes the largest the one of largest magnitude.
    eye = np.eye(4).reshape((4, 4) + (1,) * (len(matrix.shape) - 2))
    matrix = 0.25 * (matrix + constant(xp, eye, like=matrix))
    squarings = _SQUARINGS_IN_DOUBLE if is_double(xp, matrix) else _SQUARINGS
    for _ in range(squarings // _SQUARINGS_BETWEEN_RESCALING):
        for _ in range(_SQUARINGS_BETWEEN_RESCALING):
            matrix = xp.sum(matrix[:, :, None] * matrix[None], axis=1)
        matrix = matrix / (matrix[0, 0] + matrix[1, 1] + matrix[2, 2] + matrix[3, 3])
    # What is left is the projection on the eigenvector: any column, but the largest is exact.
    column, largest = matrix[:, 0], matrix[0, 0]
    for k in range(1, 4):
        larger = matrix[k, k] > largest
        column = xp.where(larger, matrix[:, k], column)
        largest = xp.where(larger, matrix[k, k], largest)
    return quaternion_to_matrix(xp.moveaxis(column, 0, -1))


def scale_align(predicted: Any, target: Any) -> Any:
    """Scale each predicted pose to fit its target best, about the origin (for N-MPJPE).

    Args:
        predicted: Root-relative poses `(..., joints, 3)`, array or tensor, any unit.
        target: Poses of the same shape and unit.

    Returns:
        `s * predicted` with s = <predicted, target> / <predicted, predicted> for each pose; a
        prediction of size zero stays as it is.

    Raises:
        ValueError: The last axis has not 3 entries.

    Examples:
        >>> import numpy as np
        >>> target = np.arange(6.0).reshape(2, 3)
        >>> bool(np.allclose(scale_align(0.5 * target, target), target))
        True

    Reference:
        Rhodin et al., Unsupervised geometry-aware representation for 3D human pose estimation,
        ECCV 2018.
    """
    xp, predicted, target = as_floats(predicted, target)
    check_last_axis(predicted, 3, "predicted")
    check_last_axis(target, 3, "target")
    size = safe_norm(xp, predicted, axis=(-2, -1))[..., None, None]
    unit = safe_divide(xp, predicted, size)
    return xp.sum(unit * target, axis=(-2, -1), keepdims=True) * unit
