"""Controllers that find the energy's weight while training, instead of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_seal.errors import nearest

_Schedule = keras.optimizers.schedules.LearningRateSchedule
_TINY = 1e-12


@dataclass(frozen=True)
class Observation:
    """What a controller sees of a training step, all scalar tensors.

    Attributes:
        step: Training steps so far.
        energy_norm: Norm over the batch of the mean energy's gradient by the prediction.
        pose_norm: Norm over the batch of the pose loss's gradient by the prediction.
        alignment: Mean cosine between the way down the energy and the way to the truth.
    """

    step: Any
    energy_norm: Any
    pose_norm: Any
    alignment: Any


class EnergyWeightController:
    """Base of the controllers of the energy's weight.

    A controller acts inside the compiled step. What it remembers are scalars that the model keeps
    as variables, so checkpoints and files hold them.
    """

    @property
    def memory(self) -> dict[str, float]:
        """Names of the scalars it remembers, and their values at first."""
        return {}

    def update(self, memory: dict[str, Any], seen: Observation) -> tuple[Any, dict[str, Any]]:
        """Give the weight for the present step.

        Args:
            memory: Values of the scalars.
            seen: What the step shows.

        Returns:
            The weight, and new values of the scalars.
        """
        raise TypeError(f"{type(self).__name__} must define update().")

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the controller."""
        raise TypeError(f"{type(self).__name__} must define get_config().")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EnergyWeightController:
        """Rebuild the controller from `get_config`."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )


@keras.saving.register_keras_serializable(package="keras_seal")
class ForceRatio(EnergyWeightController):
    """Hold the energy's pull at a fixed share of the pose loss's.

    The weight is `target * ||dL/dy|| / ||dE/dy||`, both norms over the batch at the predictions, so
    the logged `force_ratio` stays near `target` whatever the scale of the energy, the pose-net or
    the pose loss. The quotient is smoothed over steps, in its logarithm.

    Args:
        target: The share: a number, or a Keras schedule of the training step, such as `Ramp` to
            let the loss-net learn before it is listened to.
        smoothing: Share of the remembered quotient in the new one, from 0 to below 1.
        maximum: Largest weight. A loss-net that is flat around the predictions would get any.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> controller = ForceRatio(target=0.2, smoothing=0.0, maximum=1.0)
        >>> seen = Observation(step=0, energy_norm=8.0, pose_norm=1.0, alignment=0.0)
        >>> round(float(controller.update(controller.memory, seen)[0]), 4)
        0.025
    """

    def __init__(self, target: Any = 0.2, smoothing: float = 0.98, maximum: float = 1.0) -> None:
        _check_weight("target", target)
        _check_smoothing(smoothing)
        if not maximum > 0:
            raise ValueError(f"maximum is {maximum}: expected more than 0.")
        self.target = target
        self.smoothing = float(smoothing)
        self.maximum = float(maximum)

    @property
    def memory(self) -> dict[str, float]:
        """The smoothed logarithm of the quotient of norms, and whether there is one yet."""
        return {"log_quotient": 0.0, "quotient_known": 0.0}

    def update(self, memory: dict[str, Any], seen: Observation) -> tuple[Any, dict[str, Any]]:
        """See `EnergyWeightController.update`."""
        pose, energy = (
            ops.log(ops.maximum(ops.cast(norm, "float32"), _TINY))
            for norm in (seen.pose_norm, seen.energy_norm)
        )
        kept = self.smoothing * ops.cast(memory["quotient_known"], "float32")
        quotient = kept * memory["log_quotient"] + (1.0 - kept) * (pose - energy)
        weight = ops.minimum(_at(self.target, seen.step) * ops.exp(quotient), self.maximum)
        known = ops.ones_like(quotient)
        return weight, {"log_quotient": quotient, "quotient_known": known}

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the controller."""
        return {
            "target": _serialized(self.target),
            "smoothing": self.smoothing,
            "maximum": self.maximum,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class AlignmentGuard(EnergyWeightController):
    """Turn the energy down when it no longer pulls towards the truth.

    The weight that `weight` gives is multiplied by `clip(a / full, 0, 1)`, a being the alignment
    smoothed over steps, less two standard errors of that mean: at chance and below the energy has
    no say, at `full` and above it has all of it. As a is 0 at first, the energy comes in only when
    the loss-net has shown where it pulls.

    Args:
        weight: What is turned down: a number, a Keras schedule of the training step, or another
            controller such as `ForceRatio`.
        full: Alignment from which on the weight is left as it is.
        smoothing: Share of the remembered alignment in the new one, from 0 to below 1.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> guard = AlignmentGuard(weight=0.1, full=0.05, smoothing=0.0)
        >>> seen = Observation(step=0, energy_norm=1.0, pose_norm=1.0, alignment=-0.01)
        >>> round(float(guard.update(guard.memory, seen)[0]), 4)
        0.0
    """

    def __init__(self, weight: Any = 1e-3, full: float = 0.05, smoothing: float = 0.98) -> None:
        if not isinstance(weight, EnergyWeightController):
            _check_weight("weight", weight)
        if not 0 < full <= 1:
            raise ValueError(f"full is {full}: expected more than 0 and at most 1.")
        _check_smoothing(smoothing)
        self.weight = weight
        self.full = float(full)
        self.smoothing = float(smoothing)

    @property
    def memory(self) -> dict[str, float]:
        """The smoothed alignment, its variance over steps, and what the guarded one remembers."""
        inner = self.weight.memory if isinstance(self.weight, EnergyWeightController) else {}
        return {"mean_alignment": 0.0, "alignment_variance": 0.0, **inner}

    def update(self, memory: dict[str, Any], seen: Observation) -> tuple[Any, dict[str, Any]]:
        """See `EnergyWeightController.update`."""
        changed = dict(memory)
        if isinstance(self.weight, EnergyWeightController):
            weight, inner = self.weight.update(memory, seen)
            changed.update(inner)
        else:
            weight = _at(self.weight, seen.step)
        off = ops.cast(seen.alignment, "float32") - memory["mean_alignment"]
        mean = memory["mean_alignment"] + (1.0 - self.smoothing) * off
        variance = self.smoothing * (
            memory["alignment_variance"] + (1.0 - self.smoothing) * ops.square(off)
        )
        # The variance of an exponential mean of independent values, as a share of theirs.
        error = ops.sqrt(variance * (1.0 - self.smoothing) / (1.0 + self.smoothing))
        trust = ops.clip((mean - 2.0 * error) / self.full, 0.0, 1.0)
        changed.update(mean_alignment=mean, alignment_variance=variance)
        return weight * trust, changed

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the controller."""
        return {
            "weight": _serialized(self.weight),
            "full": self.full,
            "smoothing": self.smoothing,
        }


_CONTROLLERS: dict[str, type[EnergyWeightController]] = {
    "force_ratio": ForceRatio,
    "alignment": AlignmentGuard,
}


def get_controller(name: str, **options: Any) -> EnergyWeightController:
    """Make a controller from its name.

    Args:
        name: `"force_ratio"` or `"alignment"`.
        **options: Its arguments.

    Returns:
        The controller.

    Raises:
        ValueError: If there is none of that name.

    Examples:
        >>> get_controller("force_ratio", target=0.1).target
        0.1
    """
    if name not in _CONTROLLERS:
        raise ValueError(f"There is no controller {name!r}.{nearest(name, _CONTROLLERS)}")
    return _CONTROLLERS[name](**options)


def _at(value: Any, step: Any) -> Any:
    return ops.cast(value(step), "float32") if isinstance(value, _Schedule) else float(value)


def _serialized(value: Any) -> Any:
    if isinstance(value, (_Schedule, EnergyWeightController)):
        return keras.saving.serialize_keras_object(value)
    return value


def _check_weight(name: str, value: Any) -> None:
    if not isinstance(value, _Schedule) and not (isinstance(value, (int, float)) and value >= 0):
        raise ValueError(f"{name} is {value!r}: give a number of at least 0, or a Keras schedule.")


def _check_smoothing(smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is {smoothing}: expected at least 0 and below 1.")
