"""From a recipe to optimizers and schedules; epochs become steps."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_seal.recipes import schema
from keras_seal.recipes.constructing import construct
from keras_seal.training import AlignmentGuard, EnergyWeightController, ForceRatio, Ramp

# Set by keys of the recipe also where those are null.
_ELSEWHERE = ("ema_momentum", "ema_overwrite_frequency", "name", "weight_decay")


def build_optimizer(
    optimizer: schema.Optimizer,
    training: schema.Training,
    steps_per_epoch: int,
    key: str,
    ema_decay: float | None = None,
) -> keras.optimizers.Optimizer:
    """Make an optimizer.

    Args:
        optimizer: Its section of the recipe.
        training: The section around it.
        steps_per_epoch: Batches an epoch.
        key: What messages call it.
        ema_decay: Decay of averaged weights, where they are wanted.

    Returns:
        The optimizer.

    Raises:
        UserError: If its options are wrong.
    """
    target = type(keras.optimizers.get(optimizer.name))
    accumulated = training.gradient_accumulation
    given: dict[str, Any] = {
        "learning_rate": build_learning_rate(
            optimizer.learning_rate, training.epochs, steps_per_epoch / accumulated
        ),
        "global_clipnorm": optimizer.clip_norm,
        "gradient_accumulation_steps": accumulated if accumulated > 1 else None,
        "use_ema": ema_decay is not None,
    }
    if ema_decay is not None:
        given["ema_momentum"] = ema_decay
    if optimizer.weight_decay is not None:
        given["weight_decay"] = optimizer.weight_decay
    return construct(
        target,
        optimizer.options,
        given,
        f"{key}.options",
        elsewhere=_ELSEWHERE,
    )


def build_learning_rate(
    rate: Any, epochs: int, steps_per_epoch: float
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Make a learning rate.

    Args:
        rate: A number, or a schedule's section of the recipe.
        epochs: Epochs of the training.
        steps_per_epoch: Updates an epoch.

    Returns:
        The number, or a Keras schedule.
    """
    schedules = keras.optimizers.schedules
    if isinstance(rate, schema.ExponentialDecay):
        return schedules.ExponentialDecay(
            rate.initial, _steps(rate.epochs, steps_per_epoch), rate.rate, rate.staircase
        )
    if isinstance(rate, schema.EpochFactors):
        turns = [rate.factors[epoch % len(rate.factors)] for epoch in range(epochs - 1)]
        if not turns:
            return rate.initial
        values = [rate.initial * factor for factor in np.cumprod([1.0, *turns]).tolist()]
        ends = [_steps(epoch + 1, steps_per_epoch) for epoch in range(len(turns))]
        # Keras' boundaries are the last steps of what they end; steps count from 0.
        return schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)
    if isinstance(rate, schema.LinearDecay):
        steps = _steps(rate.epochs or epochs, steps_per_epoch)
        return schedules.PolynomialDecay(rate.initial, steps, rate.final)
    if isinstance(rate, schema.CosineDecay):
        steps = _steps(rate.epochs or epochs, steps_per_epoch)
        share = rate.final / rate.initial
        if not rate.warmup_epochs:
            return schedules.CosineDecay(rate.initial, steps, share)
        warmup = _steps(rate.warmup_epochs, steps_per_epoch)
        return schedules.CosineDecay(
            0.0, max(1, steps - warmup), share, warmup_target=rate.initial, warmup_steps=warmup
        )
    return rate


def build_energy_weight(
    weight: Any, epochs: int, steps_per_epoch: int
) -> float | Ramp | EnergyWeightController:
    """Make an energy weight.

    Args:
        weight: A number, or a schedule's or controller's section of the recipe.
        epochs: Epochs of the training.
        steps_per_epoch: Batches an epoch.

    Returns:
        The number, a schedule over steps, or a controller.
    """
    if isinstance(weight, schema.AlignmentWeight):
        inner = build_energy_weight(weight.weight, epochs, steps_per_epoch)
        return AlignmentGuard(inner, weight.full, weight.smoothing)
    if isinstance(weight, schema.ForceRatioWeight):
        target = build_energy_weight(weight.target, epochs, steps_per_epoch)
        return ForceRatio(target, weight.smoothing, weight.maximum)
    if isinstance(weight, schema.Warmup):
        return Ramp(
            0.0,
            weight.value,
            ramp_steps=weight.rise_epochs * steps_per_epoch,
            wait_steps=weight.wait_epochs * steps_per_epoch,
        )
    if isinstance(weight, schema.LinearRamp | schema.CosineRamp):
        steps = (weight.epochs or epochs) * steps_per_epoch
        return Ramp(weight.start, weight.end, ramp_steps=steps, shape=weight.schedule)
    return weight


def _steps(epochs: float, steps_per_epoch: float) -> int:
    return max(1, round(epochs * steps_per_epoch))
