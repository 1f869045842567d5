"""Gradients and steps under TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf


class Steps:
    """Steps in the form that Keras' TensorFlow trainer calls."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """One update of both networks."""
        return self.seal_train_step(data)  # type: ignore[attr-defined]

    def test_step(self, data: Any) -> dict[str, Any]:
        """One evaluated batch."""
        return self.seal_test_step(data)  # type: ignore[attr-defined]


def record(
    model: Any, function: Callable[..., tuple], variables: Sequence[Any], inputs: Sequence[Any] = ()
) -> tuple[tuple, Callable[..., tuple[list, list]]]:
    """Run `function(*inputs)` and keep what its gradients need.

    Args:
        model: The model whose state `function` may read.
        function: Returns a tuple of tensors.
        variables: Keras variables to differentiate by.
        inputs: Tensors to differentiate by.

    Returns:
        The outputs, and `pull_back(*cotangents) -> (of the variables, of the inputs)`, which can
        be called once.
    """
    values = [v.value for v in variables]
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        tape.watch(inputs)
        outputs = function(*inputs)

    def pull_back(*cotangents: Any) -> tuple[list, list]:
        gradients = tape.gradient(list(outputs), values + inputs, output_gradients=list(cotangents))
        return gradients[: len(values)], gradients[len(values) :]

    return outputs, pull_back


def input_gradient(function: Callable[[Any], Any], tensor: Any) -> Any:
    """Gradient of the sum of `function(tensor)`, inside a function that is differentiated itself.

    Args:
        function: Returns a tensor.
        tensor: To differentiate by.

    Returns:
        The shape of `tensor`; a surrounding `record` sees what it depends on.
    """
    tensor = tf.convert_to_tensor(tensor)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensor)
        value = function(tensor)
    return tape.gradient(value, tensor)


def apply(optimizer: Any, gradients: list, variables: Sequence[Any]) -> None:
    """Let the optimizer update the variables.

    The optimizer sums gradients over the replicas of a `tf.distribute` strategy, while each
    replica's loss is a mean over its own share of the batch: hence the division.
    """
    if replicas() > 1:
        gradients = [g if g is None else g / replicas() for g in gradients]
    optimizer.apply(gradients, variables)


def replicas() -> int:
    """Number of replicas over which Keras divides a compiled loss and the optimizers sum."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def check_compile(steps_per_execution: int, accumulates: bool) -> None:
    """Refuse what fails inside Keras or TensorFlow with an obscure message.

    Args:
        steps_per_execution: As given to `compile`.
        accumulates: Whether an optimizer accumulates gradients.

    Raises:
        ValueError: For gradient accumulation or several steps an execution over replicas.
    """
    if replicas() == 1:
        return
    if accumulates:
        raise ValueError(
            "gradient_accumulation_steps does not work under tf.distribute with several "
            "replicas (Keras' optimizers fail there): use a smaller batch without accumulation."
        )
    if steps_per_execution != 1:
        raise ValueError(
            f"steps_per_execution is {steps_per_execution}: under tf.distribute with several "
            "replicas it must be 1 (Keras' trainer fails otherwise)."
        )


def loss_net_randomness(model: Any) -> AbstractContextManager[None]:
    """Nothing to keep apart: every random layer has a generator of its own here."""
    return nullcontext()


def random_state(model: Any) -> dict[str, np.ndarray]:
    """Nothing beside the seed variables, which the model saves itself."""
    return {}


def seed_random_state(seed: int) -> None:
    """Nothing to seed beside the seed variables."""


def set_random_state(model: Any, state: dict[str, np.ndarray]) -> None:
    """Nothing to set beside the seed variables."""
