"""Makers made of other makers."""

# ruff: noqa: D102 (get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.negatives.base import NegativeMaker, Scene

_TINY = 1e-12


@keras.saving.register_keras_serializable(package="keras_seal")
class GradientAscent(NegativeMaker):
    """Hard negatives: moved to where the loss-net sees less wrong with them than there is.

    From another maker's negatives, a few steps down the energy, which is up the loss-net's loss.
    Each step moves every frame's pose by a mean of `step_size` a joint. How far the result is from
    the truth is measured afterwards, so a step that happens to lead to the truth does no harm.

    Args:
        start: The maker of the poses to start from.
        steps: Steps; each costs a pass of the loss-net and one back to its input.
        step_size: Root mean square way of a joint in a step, metres.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> from keras_seal.negatives import GaussianJoints
        >>> GradientAscent(GaussianJoints("human36m_17", seed=0), steps=2).steps
        2
    """

    is_random = False

    def __init__(
        self, start: NegativeMaker, steps: int = 1, step_size: float = 0.01, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(start, NegativeMaker):
            raise TypeError(f"start is {start!r}: give a maker of keras_seal.negatives.")
        self.start = start
        self.steps = check_integer("steps", steps)
        if not step_size > 0:
            raise ValueError(f"step_size is {step_size}: expected more than 0 (metres).")
        self.step_size = float(step_size)

    @property
    def uses_prediction(self) -> bool:  # type: ignore[override]
        return self.start.uses_prediction

    def build(self, pose_shape: tuple[int | None, ...]) -> None:
        self.start.build(pose_shape)
        self.built = True

    def make(self, scene: Scene) -> Any:
        poses = self.start.make(scene)
        for _ in range(self.steps):
            gradient = scene.energy_gradient(scene.keypoints, poses)
            joints = gradient.shape[-2]
            squares = ops.sum(ops.square(gradient), axis=(-2, -1), keepdims=True) / joints
            poses = poses - self.step_size * gradient / ops.sqrt(ops.maximum(squares, _TINY))
        return poses

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "start": keras.saving.serialize_keras_object(self.start),
            "steps": self.steps,
            "step_size": self.step_size,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class Mix(NegativeMaker):
    """Several makers, each for its share of the batch.

    The loss-net then scores one negative a sample, whatever the number of makers. Rows of a batch
    are in random order, so which sample meets which maker changes from epoch to epoch.

    Args:
        makers: The makers.
        shares: Their shares of the batch, any positive numbers; equal ones by default.
        **kwargs: Passed on to `keras.layers.Layer`.

    Raises:
        ValueError: If there is no maker, or the shares do not fit.

    Examples:
        >>> from keras_seal.negatives import OtherSamples, Prediction
        >>> Mix([Prediction(), OtherSamples(seed=0)], shares=[3, 1]).shares
        (0.75, 0.25)
    """

    is_random = False

    def __init__(
        self,
        makers: Sequence[NegativeMaker],
        shares: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.makers = list(makers)
        check_makers(self.makers)
        given = [1.0] * len(self.makers) if shares is None else [float(share) for share in shares]
        if len(given) != len(self.makers) or not all(share > 0 for share in given):
            raise ValueError(
                f"shares is {shares!r}: give one number above 0 for each of the "
                f"{len(self.makers)} makers."
            )
        self.shares = tuple(share / sum(given) for share in given)

    @property
    def uses_prediction(self) -> bool:  # type: ignore[override]
        return any(maker.uses_prediction for maker in self.makers)

    def build(self, pose_shape: tuple[int | None, ...]) -> None:
        for maker in self.makers:
            maker.build(pose_shape)
        self.built = True

    def make(self, scene: Scene) -> Any:
        count = ops.shape(scene.truth)[0]
        bounds, total = [0], 0.0
        for share in self.shares[:-1]:
            total += share
            # In thousandths, as whole numbers: XLA must know the sizes when it compiles.
            bounds.append(count * round(1000 * total) // 1000)
        bounds.append(count)
        made = [
            maker.make(scene.rows(start, stop))
            for maker, start, stop in zip(self.makers, bounds[:-1], bounds[1:], strict=True)
        ]
        return ops.concatenate(made, axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "makers": [keras.saving.serialize_keras_object(maker) for maker in self.makers],
            "shares": list(self.shares),
        }


def check_makers(makers: Sequence[Any]) -> None:
    """Raise an error unless `makers` holds makers, and at least one."""
    if not makers:
        raise ValueError("There is no maker of negatives: give at least one.")
    for maker in makers:
        if not isinstance(maker, NegativeMaker):
            raise TypeError(f"{maker!r} makes no negatives: give makers of keras_seal.negatives.")
