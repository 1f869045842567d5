"""Negatives that come from elsewhere: the pose-net, other samples, the past."""

# ruff: noqa: D102 (get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.negatives.base import NegativeMaker, Scene


@keras.saving.register_keras_serializable(package="keras_seal")
class Prediction(NegativeMaker):
    """The pose-net's prediction: the published negative.

    Which pass makes it is `SEALPose`'s `negatives_pass`.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Examples:
        >>> Prediction().uses_prediction
        True
    """

    uses_prediction = True
    is_random = False

    def make(self, scene: Scene) -> Any:
        return scene.prediction


@keras.saving.register_keras_serializable(package="keras_seal")
class OtherSamples(NegativeMaker):
    """True poses of other samples of the batch: plausible ones that do not fit the keypoints.

    For a loss-net that is conditioned on keypoints; another one has nothing to tell them by.

    Args:
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Examples:
        >>> OtherSamples(seed=0).uses_prediction
        False
    """

    def make(self, scene: Scene) -> Any:
        count = ops.shape(scene.truth)[0]
        # Everybody takes the pose that lies as many rows further on.
        others = ops.maximum(ops.cast(count, "float32") - 1.0, 1.0)
        shift = 1 + ops.cast(ops.floor(self.uniform(()) * others), "int32")
        rows = ops.mod(ops.arange(count, dtype="int32") + shift, ops.maximum(count, 1))
        return ops.take(scene.truth, rows, axis=0)


@keras.saving.register_keras_serializable(package="keras_seal")
class Replay(NegativeMaker):
    """True poses with the errors of earlier predictions, from a buffer.

    An earlier prediction was for other keypoints; its error, put on a present true pose, is a
    negative for the present ones. So the loss-net does not forget what the pose-net used to do
    wrong. While the buffer is empty the present prediction takes its place.

    Args:
        capacity: Errors that the buffer holds.
        per_step: Errors that each step puts into it, in place of the oldest: it reaches back
            `capacity / per_step` steps.
        seed: Seed of the random numbers; by default one drawn from Python's generator.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> Replay(capacity=256, per_step=16, seed=0).capacity
        256

    Reference:
        Shrivastava et al., "Learning from simulated and unsupervised images through adversarial
        training", CVPR 2017, section 2.3 (a history of refined images).
    """

    uses_prediction = True

    def __init__(
        self,
        capacity: int = 4096,
        per_step: int = 32,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.capacity = check_integer("capacity", capacity)
        self.per_step = check_integer("per_step", per_step)
        if self.per_step > self.capacity:
            raise ValueError(f"per_step is {per_step}, more than the capacity of {capacity}.")

    def build(self, pose_shape: tuple[int | None, ...]) -> None:
        # Keras has built it already where it comes from a file.
        if self.built:
            return
        if None in pose_shape[1:]:
            raise ValueError(
                f"{self.name} keeps poses of one shape, got a pose-net whose output shape is "
                f"{pose_shape}: use a Functional model or a keras_seal pose-net."
            )

        def variable(name: str, shape: tuple[Any, ...], dtype: str) -> Any:
            return self.add_weight(
                shape=shape,
                initializer="zeros",
                dtype=dtype,
                trainable=False,
                aggregation="only_first_replica",
                name=name,
            )

        self.errors = variable("errors", (self.capacity, *pose_shape[1:]), "float32")
        # Errors ever put in.
        self.stored = variable("stored", (), "int32")
        self.built = True

    def make(self, scene: Scene) -> Any:
        present = scene.prediction - scene.truth
        count = ops.shape(scene.truth)[0]
        errors, stored = ops.convert_to_tensor(self.errors), ops.convert_to_tensor(self.stored)
        there = ops.cast(ops.minimum(stored, self.capacity), "float32")
        rows = ops.cast(ops.floor(self.uniform((count,)) * there), "int32")
        earlier = ops.take(errors, rows, axis=0)
        used = ops.where(stored > 0, earlier, present)

        # A batch smaller than `per_step` is put in more than once; a share of a batch may even be
        # empty, and then puts no error in.
        kept = ops.concatenate([present, ops.zeros_like(errors[:1])], axis=0)
        chosen = ops.mod(ops.arange(self.per_step, dtype="int32"), ops.maximum(count, 1))
        places = ops.mod(stored + ops.arange(self.per_step, dtype="int32"), self.capacity)
        self.errors.assign(
            ops.scatter_update(errors, places[:, None], ops.take(kept, chosen, axis=0))
        )
        # The count stays small and in step with the place to write to.
        more = stored + self.per_step
        wrapped = self.capacity + ops.mod(more, self.capacity)
        self.stored.assign(ops.where(more >= 2 * self.capacity, wrapped, more))
        return scene.truth + used

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity, "per_step": self.per_step}
