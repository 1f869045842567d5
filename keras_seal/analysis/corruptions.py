"""Controlled ways to spoil true poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_seal import negatives
from keras_seal.data.augmentation import flip
from keras_seal.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Corruption:
    """A way to spoil poses.

    Args:
        title: What people call it.
        spoil: Takes poses `(n, frames, joints, 3)`, metres, and returns spoilt ones.
    """

    title: str
    spoil: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Grade:
    """A corruption of which there can be more or less.

    Args:
        title: What people call it.
        unit: Unit of the sizes.
        sizes: The sizes to ask about, rising.
        at: Gives the corruption of a size.
    """

    title: str
    unit: str
    sizes: tuple[float, ...]
    at: Callable[[float], Corruption]


def corruptions(skeleton: Skeleton, seed: int = 0) -> dict[str, Corruption]:
    """Make the corruptions whose ranking is asked about.

    Args:
        skeleton: The skeleton; one without mirrored joints has no sides to confuse.
        seed: Seed of their random numbers.

    Returns:
        `scaled_bones` (each bone's length times 0.8 to 1.2), `joint_noise` (18 mm a coordinate),
        `rotated_bones` (3 to 15 degrees, 30 % of the bones), `swapped_sides` (left and right
        confused: arms, legs or the whole body), each of these apart, `mirrored_body` (the
        person as in a mirror: as plausible as before, but another one than the keypoints show) and
        `reversed_depth` (front and back exchanged, which the keypoints hardly show).

    Examples:
        >>> from keras_seal import skeletons
        >>> list(corruptions(skeletons.get("human36m_17")))
        ['scaled_bones', 'joint_noise', 'rotated_bones', 'swapped_sides', 'swapped_legs',
        'swapped_arms', 'swapped_body', 'mirrored_body', 'reversed_depth']
        >>> list(corruptions(skeletons.get("hand_21")))
        ['scaled_bones', 'joint_noise', 'rotated_bones', 'reversed_depth']
    """
    found = {
        "scaled_bones": Corruption(
            "bones scaled by up to 20 %",
            _made(negatives.ScaledBones(skeleton, 0.0, 0.2, seed=seed)),
        ),
        "joint_noise": Corruption(
            "joint noise of 18 mm", _made(negatives.GaussianJoints(skeleton, seed=seed))
        ),
        "rotated_bones": Corruption(
            "bones turned by 3 to 15 degrees", _made(negatives.RotatedBones(skeleton, seed=seed))
        ),
    }
    if skeleton.mirror_pairs:
        found["swapped_sides"] = Corruption(
            "sides swapped, some limbs or all",
            _made(negatives.SwappedSides(skeleton, seed=seed)),
        )
        for left, right in skeleton.limb_mirror_pairs:
            name = left.replace("left", "").strip("_")
            found[f"swapped_{name}s"] = Corruption(
                f"{name.replace('_', ' ')}s swapped", _swapped(skeleton, left, right)
            )
        permutation = skeleton.mirror_permutation
        found["swapped_body"] = Corruption(
            "all joints swapped", lambda poses: poses[..., permutation, :]
        )
        found["mirrored_body"] = Corruption(
            "the person as in a mirror", lambda poses: flip(poses, skeleton)
        )
    found["reversed_depth"] = Corruption(
        "front and back exchanged", lambda poses: poses * np.array([1, 1, -1], "float32")
    )
    return found


def grades(skeleton: Skeleton, seed: int = 0) -> dict[str, Grade]:
    """Make the corruptions of which the energy is asked at several sizes.

    Args:
        skeleton: The skeleton.
        seed: Seed of their random numbers; all sizes of one use the same ones.

    Returns:
        `joint_noise`, `scaled_bones` and `rotated_bones`.

    Examples:
        >>> from keras_seal import skeletons
        >>> grades(skeletons.get("human36m_17"))["joint_noise"].sizes
        (5.0, 10.0, 20.0, 40.0, 80.0)
    """

    def noise(size: float) -> Corruption:
        maker = negatives.GaussianJoints(skeleton, size / 1000, size / 1000, seed=seed)
        return Corruption(f"joint noise of {size:g} mm", _made(maker))

    def scaled(size: float) -> Corruption:
        maker = negatives.ScaledBones(skeleton, size / 100, size / 100, seed=seed)
        return Corruption(f"bones scaled by {size:g} %", _made(maker))

    def rotated(size: float) -> Corruption:
        maker = negatives.RotatedBones(skeleton, size, size, seed=seed)
        return Corruption(f"bones turned by {size:g} degrees", _made(maker))

    return {
        "joint_noise": Grade(
            "Joint noise", "mm a coordinate", (5.0, 10.0, 20.0, 40.0, 80.0), noise
        ),
        "scaled_bones": Grade(
            "Scaled bones", "% longer or shorter", (2.5, 5.0, 10.0, 20.0, 40.0), scaled
        ),
        "rotated_bones": Grade(
            "Turned bones", "degrees, 30 % of the bones", (3.0, 6.0, 12.0, 25.0, 50.0), rotated
        ),
    }


def _made(maker: negatives.NegativeMaker) -> Callable[[np.ndarray], np.ndarray]:
    def spoil(poses: np.ndarray) -> np.ndarray:
        truth = keras.ops.convert_to_tensor(poses, "float32")
        scene = negatives.Scene(None, truth, None, 0, _no_energy)
        return keras.ops.convert_to_numpy(maker.make(scene))

    return spoil


def _no_energy(keypoints: Any, poses: Any) -> Any:
    raise TypeError("A corruption of true poses does not ask for energies.")


def _swapped(skeleton: Skeleton, *limbs: str) -> Callable[[np.ndarray], np.ndarray]:
    """Swap two mirrored limbs, with the hips or shoulders that they hang on."""
    permutation = skeleton.mirror_permutation
    chains = [skeleton.limbs[limb] for limb in limbs]
    joints = [joint for chain in chains for joint in (skeleton.parents[chain[0]], *chain)]
    joints = [joint for joint in joints if permutation[joint] != joint]

    def spoil(poses: np.ndarray) -> np.ndarray:
        swapped = poses.copy()
        swapped[..., joints, :] = poses[..., permutation[joints], :]
        return swapped

    return spoil
