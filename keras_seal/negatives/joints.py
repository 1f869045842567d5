"""Negatives made by moving or renaming joints."""

# ruff: noqa: D102 (get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.negatives.base import GradedMaker, Scene, SkeletonMaker


@keras.saving.register_keras_serializable(package="keras_seal")
class GaussianJoints(GradedMaker):
    """True poses with Gaussian noise on every joint; the origin stays at zero.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        low: Smallest standard deviation of a coordinate, metres: a number, or a Keras schedule of
            the step. Each pose draws its own between `low` and `high`.
        high: Largest standard deviation, metres, likewise.
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> GaussianJoints("human36m_17", low=0.005, high=0.05, seed=0).high
        0.05
    """

    def __init__(
        self,
        skeleton: Any,
        low: Any = 0.018,
        high: Any = 0.018,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton, low, high, seed=seed, **kwargs)

    def make(self, scene: Scene) -> Any:
        shape = ops.shape(scene.truth)
        deviations = self.sizes((shape[0], shape[1], 1, 1), scene.step)
        noise = self.normal(shape)
        is_origin = np.zeros((self.skeleton.num_joints, 1), "float32")
        is_origin[list(self.skeleton.origin)] = 1.0
        origin = ops.convert_to_tensor(is_origin)
        # Only the joints that make the origin are moved back: to move all would make one joint's
        # noise everyone's.
        shift = ops.sum(noise * origin, axis=-2, keepdims=True) / len(self.skeleton.origin)
        return scene.truth + deviations * (noise - shift * origin)


@keras.saving.register_keras_serializable(package="keras_seal")
class SwappedSides(SkeletonMaker):
    """True poses whose left and right are confused: the whole body's, or some limbs'.

    Each pair of mirrored limbs, with the hips or shoulders that they hang on, is swapped with
    probability `share`; a pose that would come off unchanged is swapped as a whole. Mirrored joints
    of no limb take part in the latter alone.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        share: Probability with which a pair of limbs is swapped; 0 always swaps the whole body.
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If the skeleton has no mirrored joints, or the share makes no sense.

    Examples:
        >>> SwappedSides("human36m_17", seed=0).share
        0.5
    """

    def __init__(
        self, skeleton: Any, share: float = 0.5, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(skeleton, seed=seed, **kwargs)
        if not self.skeleton.mirror_pairs:
            raise ValueError(
                f"Skeleton '{self.skeleton.name}' has no mirrored joints, so its sides cannot be "
                "swapped."
            )
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}: expected at least 0 and at most 1.")
        self.share = float(share)
        pairs = self.skeleton.limb_mirror_pairs
        self._members = np.zeros((len(pairs), self.skeleton.num_joints), "float32")
        mirror = self.skeleton.mirror_permutation
        for row, names in zip(self._members, pairs, strict=True):
            for name in names:
                chain = self.skeleton.limbs[name]
                base = self.skeleton.parents[chain[0]]
                row[[joint for joint in (base, *chain) if mirror[joint] != joint]] = 1.0

    def make(self, scene: Scene) -> Any:
        swapped = ops.take(scene.truth, self.skeleton.mirror_permutation, axis=-2)
        pairs = len(self._members)
        if not pairs:
            return swapped
        count = ops.shape(scene.truth)[0]
        drawn = ops.cast(self.uniform((count, 1, pairs)) < self.share, "float32")
        members = ops.convert_to_tensor(self._members)
        joints = ops.sum(drawn[..., None] * members, axis=-2)
        nothing = ops.sum(drawn, axis=-1, keepdims=True) == 0
        chosen = ops.logical_or(joints > 0, nothing)
        return ops.where(chosen[..., None], swapped, scene.truth)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share}
