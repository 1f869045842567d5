"""Averaged weights, and the batch statistics that go with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from keras_seal.training import backends
from keras_seal.training.seal_pose import SEALPose


def averages_weights(model: SEALPose) -> bool:
    """Tell whether averaged weights are kept beside the trained ones.

    Args:
        model: A compiled model.

    Returns:
        Whether an optimizer keeps averages (`use_ema`).
    """
    return any(optimizer.use_ema for optimizer in model.optimizer.optimizers)


@contextmanager
def averaged_weights(model: SEALPose, keypoints: Iterable[np.ndarray] = ()) -> Iterator[None]:
    """Use the averaged weights for a while, where there are any.

    Afterwards everything is as before, to the bit. The moving statistics of batch normalisation
    belong to the trained weights, and with averaged ones a net that has any can be off by
    hundreds of millimetres while its weights still move fast; so they are measured anew.

    Args:
        model: A compiled model.
        keypoints: Batches to measure the pose-net's batch statistics on, each as in training.

    References:
        Averaging Weights Leads to Wider Optima and Better Generalization (arXiv 1803.05407).
    """
    if not averages_weights(model):
        yield
        return
    _swap(model)
    try:
        with _batch_statistics(model.pose_net, keypoints):
            yield
    finally:
        _swap(model)


class AveragedValidation(keras.callbacks.Callback):
    """Validate with averaged weights and train on with the others.

    Args:
        keypoints: As for `averaged_weights`; looked through at every validation.
    """

    def __init__(self, keypoints: Iterable[np.ndarray] = ()) -> None:
        super().__init__()
        self._keypoints = keypoints
        self._averaged = ExitStack()

    def on_test_begin(self, logs: Any = None) -> None:
        """Take the averages."""
        self._averaged.enter_context(averaged_weights(self.model, self._keypoints))

    def on_test_end(self, logs: Any = None) -> None:
        """Take the trained weights again."""
        self._averaged.close()


def _swap(model: SEALPose) -> None:
    """Exchange the trained weights and their averages; twice changes nothing, to the bit.

    Keras' own `SwapEMAWeights` exchanges them by additions under TensorFlow, which rounds.
    """
    for optimizer in model.optimizer.optimizers:
        if optimizer.use_ema:
            for variable, average in zip(
                optimizer._trainable_variables,
                optimizer._model_variables_moving_average,
                strict=True,
            ):
                trained = _copy(variable)
                variable.assign(average.value)
                average.assign(trained)


@contextmanager
def _batch_statistics(net: keras.Model, keypoints: Iterable[np.ndarray]) -> Iterator[None]:
    """Give batch normalisation the statistics of the present weights."""
    norms = [
        layer
        for layer in net._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # Passes in training mode also draw random numbers.
    variables = net.non_trainable_variables if norms else []
    before = [_copy(variable) for variable in variables]
    try:
        found = _measure(net, norms, keypoints) if norms else []
        for variable, values in zip(variables, before, strict=True):
            variable.assign(values)
        for variable, values in found:
            variable.assign(values)
        yield
    finally:
        for variable, values in zip(variables, before, strict=True):
            variable.assign(values)


def _measure(
    net: keras.Model, norms: list[Any], keypoints: Iterable[np.ndarray]
) -> list[tuple[Any, np.ndarray]]:
    """Mean statistics of batches; leaves the net's state changed."""
    totals: list[Any] = [0.0] * (2 * len(norms))
    variables = [v for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
    shares = np.repeat([1.0 - norm.momentum for norm in norms], 2)
    random, count = backends.random_state(net), 0
    # Dropout falls alike whenever this is done, so that the same weights get the same statistics.
    backends.seed_random_state(0)
    weights = {id(variable) for variable in net.weights}
    for variable in net.variables:
        if id(variable) not in weights:
            variable.assign(np.zeros(variable.shape))
    for batch in keypoints:
        # From zero, one pass leaves `1 - momentum` times the batch's own statistics.
        for variable in variables:
            variable.assign(np.zeros(variable.shape))
        net(batch, training=True)
        for index, (variable, share) in enumerate(zip(variables, shares, strict=True)):
            totals[index] += _copy(variable).astype("float64") / share
        count += 1
    backends.set_random_state(net, random)
    return [(v, total / count) for v, total in zip(variables, totals, strict=True)] if count else []


def _copy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable.value))
