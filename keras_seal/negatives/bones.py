"""Negatives made by turning or stretching bones."""

# ruff: noqa: D102 (get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import geometry
from keras_seal.negatives.base import GradedMaker, Scene


class _BoneMaker(GradedMaker):
    """A maker that changes each bone with some probability."""

    def __init__(
        self,
        skeleton: Any,
        low: Any,
        high: Any,
        share: float,
        per_frame: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton, low, high, seed=seed, **kwargs)
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}: expected more than 0 and at most 1.")
        self.share = float(share)
        self.per_frame = bool(per_frame)

    def draws(self, scene: Scene) -> tuple[Any, ...]:
        """Shape of one number a bone: one for all frames, or one for each."""
        batch, frames = ops.shape(scene.truth)[:2]
        return (batch, frames if self.per_frame else 1, self.skeleton.num_bones)

    def chosen(self, shape: tuple[Any, ...]) -> Any:
        """Which bones are changed, 0 or 1."""
        return ops.cast(self.uniform(shape) < self.share, "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share, "per_frame": self.per_frame}


@keras.saving.register_keras_serializable(package="keras_seal")
class RotatedBones(_BoneMaker):
    """True poses with some bones turned, and every bone as long as it was.

    Each bone is turned with probability `share`, by an angle between `low` and `high` about an axis
    drawn evenly from all directions; bones further out keep their direction and move along.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        low: Smallest angle, degrees: a number, or a Keras schedule of the training step.
        high: Largest angle, degrees, likewise.
        share: Probability with which a bone is turned.
        per_frame: Whether each frame of a sample is changed in its own way, instead of all alike.
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> RotatedBones("human36m_17", high=20.0, seed=0).share
        0.3
    """

    def __init__(
        self,
        skeleton: Any,
        low: Any = 3.0,
        high: Any = 15.0,
        share: float = 0.3,
        per_frame: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton, low, high, share, per_frame, seed, **kwargs)

    def make(self, scene: Scene) -> Any:
        shape = self.draws(scene)
        angles = self.chosen(shape) * self.sizes(shape, scene.step) * (math.pi / 180.0)
        rotations = geometry.axis_angle_to_matrix(self.normal((*shape, 3)), angles)
        return self.relative(geometry.rotate_bones(scene.truth, rotations, self.skeleton))


@keras.saving.register_keras_serializable(package="keras_seal")
class ScaledBones(_BoneMaker):
    """True poses with some bones longer or shorter, and every bone's direction as it was.

    Each bone is changed with probability `share`: its length is multiplied by 1 plus or minus a
    size between `low` and `high`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        low: Smallest change, as a share of the length: a number, or a Keras schedule of the step.
        high: Largest change, likewise; below 1.
        symmetric: Whether mirrored bones are changed alike, so that both sides stay equal.
        share: Probability with which a bone is changed.
        per_frame: Whether each frame of a sample is changed in its own way, instead of all alike.
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> ScaledBones("human36m_17", symmetric=True, seed=0).high
        0.2
    """

    def __init__(
        self,
        skeleton: Any,
        low: Any = 0.0,
        high: Any = 0.2,
        symmetric: bool = False,
        share: float = 1.0,
        per_frame: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton, low, high, share, per_frame, seed, **kwargs)
        if isinstance(high, (int, float)) and high >= 1:
            raise ValueError(f"high is {high}: a bone cannot lose its whole length; give below 1.")
        self.symmetric = bool(symmetric)
        # Whose draw a bone takes.
        source = np.arange(self.skeleton.num_bones, dtype="int32")
        if self.symmetric:
            for left, right in self.skeleton.bone_mirror_pairs:
                source[right] = left
        self._source = source

    def make(self, scene: Scene) -> Any:
        shape = self.draws(scene)
        signs = ops.sign(self.uniform(shape) - 0.5)
        changes = self.chosen(shape) * signs * self.sizes(shape, scene.step)
        factors = 1.0 + ops.take(changes, self._source, axis=-1)
        vectors = geometry.bone_vectors(scene.truth, self.skeleton) * factors[..., None]
        root = scene.truth[..., self.skeleton.root, :]
        return self.relative(geometry.forward_kinematics(root, vectors, self.skeleton))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "symmetric": self.symmetric}
