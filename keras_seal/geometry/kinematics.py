"""Kinematics: rotations, and poses rebuilt from the vectors of their bones."""

from __future__ import annotations

from typing import Any

from keras_seal import skeletons
from keras_seal.geometry._namespace import (
    as_floats,
    check_last_axis,
    check_poses,
    coordinates,
    safe_divide,
    safe_norm,
)
from keras_seal.geometry.bones import bone_vectors


def rotate(vectors: Any, rotations: Any) -> Any:
    """Apply rotation matrices to vectors.

    Args:
        vectors: `(..., 3)`, array or tensor.
        rotations: Matrices `(..., 3, 3)` whose leading axes broadcast against those of `vectors`.

    Returns:
        Rotated vectors `(..., 3)`.

    Raises:
        ValueError: A last axis has another size.

    Examples:
        >>> import numpy as np
        >>> quarter_turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> rotate(np.array([1.0, 0.0, 0.0]), quarter_turn).tolist()
        [0.0, 1.0, 0.0]
    """
    _, vectors, rotations = as_floats(vectors, rotations)
    check_last_axis(vectors, 3, "vectors")
    check_last_axis(rotations, 3, "rotations")
    x, y, z = coordinates(vectors)
    columns_x, columns_y, columns_z = (rotations[..., axis] for axis in range(3))
    return columns_x * x[..., None] + columns_y * y[..., None] + columns_z * z[..., None]


def axis_angle_to_matrix(axis: Any, angle: Any) -> Any:
    """Turn axes and angles into rotation matrices (Rodrigues' formula).

    Args:
        axis: Axes of rotation `(..., 3)`, of any length; a zero axis gives the identity.
        angle: Angles `(...)` in radians, right-handed about the axis.

    Returns:
        Rotation matrices `(..., 3, 3)`.

    Raises:
        ValueError: The last axis of `axis` has not 3 entries.

    Examples:
        >>> import numpy as np
        >>> axis_angle_to_matrix([0.0, 0.0, 2.0], np.pi / 2).round(6).tolist()
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    xp, axis, angle = as_floats(axis, angle)
    check_last_axis(axis, 3, "axis")
    length = safe_norm(xp, axis)
    x, y, z = coordinates(safe_divide(xp, axis, length[..., None]))
    sine = xp.sin(angle)
    # 1 - cos(angle), without the cancellation at small angles.
    versine = 2.0 * xp.sin(0.5 * angle) ** 2
    return _matrix(
        xp,
        [
            [
                1.0 - versine * (y * y + z * z),
                versine * x * y - sine * z,
                versine * x * z + sine * y,
            ],
            [
                versine * x * y + sine * z,
                1.0 - versine * (x * x + z * z),
                versine * y * z - sine * x,
            ],
            [
                versine * x * z - sine * y,
                versine * y * z + sine * x,
                1.0 - versine * (x * x + y * y),
            ],
        ],
    )


def quaternion_to_matrix(quaternion: Any) -> Any:
    """Turn quaternions into rotation matrices.

    Args:
        quaternion: `(..., 4)` as (w, x, y, z), of any length but zero.

    Returns:
        Rotation matrices `(..., 3, 3)`.

    Raises:
        ValueError: The last axis has not 4 entries.

    Examples:
        >>> quaternion_to_matrix([2.0, 0.0, 0.0, 0.0]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    xp, quaternion = as_floats(quaternion)
    check_last_axis(quaternion, 4, "quaternion")
    length = safe_norm(xp, quaternion)
    w, x, y, z = coordinates(safe_divide(xp, quaternion, length[..., None]))
    return _matrix(
        xp,
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ],
    )


def _matrix(xp: Any, rows: list[list[Any]]) -> Any:
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def forward_kinematics(root: Any, vectors: Any, skeleton: Any) -> Any:
    """Rebuild poses from the position of the root joint and the vectors of the bones.

    The inverse of `bone_vectors`.

    Args:
        root: Position of the root joint `(..., 3)`.
        vectors: Bone vectors `(..., bones, 3)`, parent to child, in the order of `skeleton.bones`.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Poses `(..., joints, 3)`.

    Raises:
        ValueError: `vectors` does not hold one vector per bone.

    Examples:
        >>> import numpy as np
        >>> forward_kinematics(np.zeros((5, 3)), np.ones((5, 16, 3)), "human36m_17").shape
        (5, 17, 3)
    """
    skeleton = skeletons.get(skeleton)
    xp, root, vectors = as_floats(root, vectors)
    check_last_axis(root, 3, "root")
    shape = tuple(vectors.shape)
    if len(shape) < 2 or shape[-2:] != (skeleton.num_bones, 3):
        raise ValueError(
            f"vectors must have shape (..., {skeleton.num_bones}, 3) for the bones of skeleton "
            f"'{skeleton.name}', got {shape}."
        )
    joints: list[Any] = [None] * skeleton.num_joints
    joints[skeleton.root] = root + xp.zeros_like(vectors[..., 0, :])
    for joint in skeleton.topological_order[1:]:
        bone = vectors[..., skeleton.bone_index(joint), :]
        joints[joint] = joints[skeleton.parents[joint]] + bone
    return xp.stack(joints, axis=-2)


def rotate_bones(poses: Any, rotations: Any, skeleton: Any) -> Any:
    """Turn bones and rebuild the pose with the lengths it had.

    Each bone is turned alone: bones further out keep their direction and move along. To turn a
    whole limb rigidly, give its bones the same rotation.

    Args:
        poses: Joint positions `(..., joints, 3)`.
        rotations: One rotation matrix per bone, `(..., bones, 3, 3)`.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Poses `(..., joints, 3)` with the root joint where it was and every bone as long as it was.

    Raises:
        ValueError: A shape does not fit the skeleton.

    Examples:
        >>> import numpy as np
        >>> still = np.broadcast_to(np.eye(3), (16, 3, 3))
        >>> rotate_bones(np.zeros((5, 17, 3)), still, "human36m_17").shape
        (5, 17, 3)
    """
    skeleton = skeletons.get(skeleton)
    _, poses, rotations = as_floats(poses, rotations)
    check_poses(poses, skeleton)
    shape = tuple(rotations.shape)
    if len(shape) < 3 or shape[-3:] != (skeleton.num_bones, 3, 3):
        raise ValueError(
            f"rotations must have shape (..., {skeleton.num_bones}, 3, 3) for the bones of "
            f"skeleton '{skeleton.name}', got {shape}."
        )
    turned = rotate(bone_vectors(poses, skeleton), rotations)
    return forward_kinematics(poses[..., skeleton.root, :], turned, skeleton)
