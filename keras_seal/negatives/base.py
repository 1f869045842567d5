"""What all makers of implausible poses share."""

# ruff: noqa: D102 (get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_seal import geometry, skeletons

Schedule = keras.optimizers.schedules.LearningRateSchedule


@dataclass(frozen=True)
class Scene:
    """What a training step has, to make negatives from.

    Attributes:
        keypoints: What the loss-net sees of the keypoints, `(batch, frames, joints, channels)`.
        truth: True poses, metres, `(batch, frames, joints, 3)`.
        prediction: The pose-net's poses for the same keypoints, cut off from its gradient; `None`
            where there is no pose-net.
        step: Training steps so far, an integer tensor; schedules are called with it.
        energy_gradient: Takes keypoints and poses, gives the gradient of each frame's energy by
            its pose.
    """

    keypoints: Any
    truth: Any
    prediction: Any
    step: Any
    energy_gradient: Callable[[Any, Any], Any]

    def rows(self, start: Any, stop: Any) -> Scene:
        """The same for some samples of the batch alone."""
        return replace(
            self,
            keypoints=self.keypoints[start:stop],
            truth=self.truth[start:stop],
            prediction=None if self.prediction is None else self.prediction[start:stop],
        )


class NegativeMaker(keras.layers.Layer):
    """Base of what makes implausible poses: one for each true pose of a batch.

    It works on whole batches inside the compiled step. Its random numbers come from a generator
    of its own whose state is a variable, so they depend on nothing else, and a model's file
    and checkpoints hold it. It is a Keras layer for the sake of such variables alone: it is not
    called on tensors, but `make` is on a `Scene`.

    A subclass gives `make`. Numbers that say how difficult its negatives are may be Keras
    schedules of the training step.

    Args:
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    # Whether `make` reads the prediction.
    uses_prediction = False

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{"trainable": False, "dtype": "float32", **kwargs})
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed) if self.is_random else None

    # Whether `make` draws random numbers.
    is_random = True

    def build(self, pose_shape: tuple[int | None, ...]) -> None:
        """Make the variables.

        Args:
            pose_shape: `(None, frames, joints, 3)` of the poses to come.
        """
        self.built = True

    def make(self, scene: Scene) -> Any:
        """Make a negative for each true pose.

        Args:
            scene: What there is.

        Returns:
            Poses, metres, root-relative, the shape of `scene.truth`.
        """
        raise TypeError(f"{type(self).__name__} must define make().")

    def uniform(self, shape: tuple[Any, ...], low: Any = 0.0, high: Any = 1.0) -> Any:
        """Draw uniform numbers; the bounds may be tensors."""
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.random)
        return low + (high - low) * drawn

    def normal(self, shape: tuple[Any, ...]) -> Any:
        """Draw standard normal numbers."""
        return keras.random.normal(shape, dtype="float32", seed=self.random)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> NegativeMaker:
        def read(value: Any) -> Any:
            if isinstance(value, dict) and "class_name" in value:
                return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
            return [read(part) for part in value] if isinstance(value, list) else value

        return cls(**{name: read(value) for name, value in config.items()})


class SkeletonMaker(NegativeMaker):
    """Base of the makers that need to know the skeleton.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        seed: As for `NegativeMaker`.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(self, skeleton: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.skeleton = skeletons.get(skeleton)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "skeleton": self.skeleton.to_dict()}


class GradedMaker(SkeletonMaker):
    """Base of the makers whose difficulty is a range of sizes.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        low: Smallest size: a number, or a Keras schedule of the training step.
        high: Largest size, likewise. The size of each change is drawn evenly between both.
        seed: As for `NegativeMaker`.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number is negative, or `high` below `low`.
    """

    def __init__(
        self, skeleton: Any, low: Any, high: Any, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(skeleton, seed=seed, **kwargs)
        for name, value in (("low", low), ("high", high)):
            if not isinstance(value, Schedule) and not (
                isinstance(value, (int, float)) and value >= 0
            ):
                raise ValueError(
                    f"{name} is {value!r}: give a number of at least 0, or a Keras schedule."
                )
        if not isinstance(low, Schedule) and not isinstance(high, Schedule) and high < low:
            raise ValueError(f"low is {low} and high {high}: high must be at least low.")
        self.low = low
        self.high = high

    def sizes(self, shape: tuple[Any, ...], step: Any) -> Any:
        """Draw sizes between `low` and `high` as they are at a step."""
        low, high = (
            ops.cast(value(step), "float32") if isinstance(value, Schedule) else float(value)
            for value in (self.low, self.high)
        )
        return self.uniform(shape, low, high)

    def relative(self, poses: Any) -> Any:
        """Put the skeleton's origin at zero."""
        return geometry.root_relative(poses, self.skeleton)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "low": serialize(self.low) if isinstance(self.low, Schedule) else self.low,
            "high": serialize(self.high) if isinstance(self.high, Schedule) else self.high,
        }
