"""Bones: the vectors between joints, their lengths and the angles between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.geometry._namespace import (
    as_floats,
    check_poses,
    constant,
    coordinates,
    namespace,
    safe_norm,
)


def bone_vectors(poses: Any, skeleton: Any) -> Any:
    """Compute the vector of every bone, from parent to child joint.

    Args:
        poses: Joint positions `(..., joints, 3)`, array or tensor, any unit.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Vectors `(..., bones, 3)` in the unit of `poses`, bones in the order of `skeleton.bones`.

    Raises:
        ValueError: `poses` has another number of joints than the skeleton.

    Examples:
        >>> import numpy as np
        >>> bone_vectors(np.zeros((5, 17, 3)), "human36m_17").shape
        (5, 16, 3)
    """
    skeleton = skeletons.get(skeleton)
    xp, poses = as_floats(poses)
    check_poses(poses, skeleton)
    parents, children = np.array(skeleton.bones, dtype=np.int32).T
    return xp.take(poses, children, axis=-2) - xp.take(poses, parents, axis=-2)


def bone_lengths(poses: Any, skeleton: Any) -> Any:
    """Compute the length of every bone.

    The gradient of the length of a bone of length zero is zero.

    Args:
        poses: Joint positions `(..., joints, 3)`, array or tensor, any unit.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Lengths `(..., bones)` in the unit of `poses`.

    Raises:
        ValueError: `poses` has another number of joints than the skeleton.

    Examples:
        >>> import numpy as np
        >>> pose = np.zeros((21, 3))
        >>> pose[4] = [0.0, 0.03, 0.04]
        >>> round(float(bone_lengths(pose, "hand_21")[3]), 3)
        0.05
    """
    return safe_norm(namespace(poses), bone_vectors(poses, skeleton))


def limb_lengths(poses: Any, skeleton: Any) -> Any:
    """Compute the length of every limb: the sum of the lengths of its bones.

    Args:
        poses: Joint positions `(..., joints, 3)`, array or tensor, any unit.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Lengths `(..., limbs)` in the unit of `poses`, limbs in the order of `skeleton.limbs`.

    Raises:
        ValueError: The skeleton names no limbs, or `poses` has another number of joints.

    Examples:
        >>> import numpy as np
        >>> limb_lengths(np.zeros((5, 17, 3)), "human36m_17").shape
        (5, 5)
    """
    skeleton = skeletons.get(skeleton)
    if not skeleton.limbs:
        raise ValueError(
            f"Skeleton '{skeleton.name}' names no limbs; add `limbs` to it to measure them."
        )
    xp, lengths = namespace(poses), bone_lengths(poses, skeleton)
    chains = [[skeleton.bone_index(child) for child in limb] for limb in skeleton.limbs.values()]
    longest = max(len(chain) for chain in chains)
    bones = np.array([chain + [0] * (longest - len(chain)) for chain in chains], dtype=np.int32)
    belongs = [[float(place < len(chain)) for place in range(longest)] for chain in chains]
    return xp.sum(xp.take(lengths, bones, axis=-1) * constant(xp, belongs, lengths), axis=-1)


def joint_angles(poses: Any, skeleton: Any) -> Any:
    """Compute the angle between every two bones that share a joint.

    The angle is that between the bones' directions from parent to child: 0 for a straight limb.
    It is taken from the sine and the cosine, so it is exact near 0 and pi too; where a bone has
    no length it is 0.

    Args:
        poses: Joint positions `(..., joints, 3)`, array or tensor, any unit.
        skeleton: A `Skeleton`, or what `skeletons.get` takes.

    Returns:
        Angles `(..., angles)` in radians in [0, pi], in the order of `skeleton.adjacent_bones`.

    Raises:
        ValueError: `poses` has another number of joints than the skeleton.

    Examples:
        >>> import numpy as np
        >>> joint_angles(np.zeros((5, 17, 3)), "human36m_17").shape
        (5, 19)
    """
    skeleton = skeletons.get(skeleton)
    xp, vectors = namespace(poses), bone_vectors(poses, skeleton)
    first, second = np.array(skeleton.adjacent_bones, dtype=np.int32).reshape(-1, 2).T
    ax, ay, az = coordinates(xp.take(vectors, first, axis=-2))
    bx, by, bz = coordinates(xp.take(vectors, second, axis=-2))
    cosine = ax * bx + ay * by + az * bz
    sine = safe_norm(
        xp, xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
    )
    # The gradient of arctan2 at (0, 0) is NaN.
    undefined = (cosine == 0) & (sine == 0)
    return xp.arctan2(sine, xp.where(undefined, xp.ones_like(cosine), cosine))
