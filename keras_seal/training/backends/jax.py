"""Gradients and steps under JAX.

Keras' JAX trainer hands the state in and takes it back as lists of arrays. A step runs inside one
`StatelessScope`; what is differentiated runs in an inner scope, which must be given every
variable's value again, because scopes do not inherit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import keras
import numpy as np


class Steps:
    """Steps in the form that Keras' JAX trainer calls."""

    def train_step(self, state: Any, data: Any) -> tuple[dict[str, Any], tuple]:
        """One update of both networks."""
        groups = [
            self.trainable_variables,  # type: ignore[attr-defined]
            self.non_trainable_variables,  # type: ignore[attr-defined]
            self.optimizer.variables,  # type: ignore[attr-defined]
            self.metrics_variables,  # type: ignore[attr-defined]
        ]
        return _run(self.seal_train_step, groups, state, data)  # type: ignore[attr-defined]

    def test_step(self, state: Any, data: Any) -> tuple[dict[str, Any], tuple]:
        """One evaluated batch."""
        groups = [
            self.trainable_variables,  # type: ignore[attr-defined]
            self.non_trainable_variables,  # type: ignore[attr-defined]
            self.metrics_variables,  # type: ignore[attr-defined]
        ]
        return _run(self.seal_test_step, groups, state, data)  # type: ignore[attr-defined]


def _run(step: Callable, groups: list, state: Any, data: Any) -> tuple[dict[str, Any], tuple]:
    mapping = [
        pair
        for group, values in zip(groups, state, strict=True)
        for pair in zip(group, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = step(data)
    return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def record(
    model: Any, function: Callable[..., tuple], variables: Sequence[Any], inputs: Sequence[Any] = ()
) -> tuple[tuple, Callable[..., tuple[list, list]]]:
    """Run `function(*inputs)` and keep what its gradients need.

    State that `function` updates on the way (seeds, batch statistics) is updated in the
    surrounding scope, or in the variables themselves outside one.

    Args:
        model: The model whose state `function` may read.
        function: Returns a tuple of tensors.
        variables: Keras variables to differentiate by.
        inputs: Tensors to differentiate by.

    Returns:
        The outputs, and `pull_back(*cotangents) -> (of the variables, of the inputs)`.
    """
    own = {id(v) for v in variables}
    side = [v for v in model.variables if id(v) not in own]
    before = [v.value for v in side]

    def pure(values: list, tensors: list) -> tuple[tuple, list]:
        mapping = [*zip(side, before, strict=True), *zip(variables, values, strict=True)]
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = function(*tensors)
            after = [scope.get_current_value(v) for v in side]
        return outputs, after

    outputs, vjp, after = jax.vjp(pure, [v.value for v in variables], list(inputs), has_aux=True)
    for variable, old, new in zip(side, before, after, strict=True):
        if new is not old:
            variable.assign(new)

    def pull_back(*cotangents: Any) -> tuple[list, list]:
        return vjp(tuple(cotangents))

    return outputs, pull_back


def input_gradient(function: Callable[[Any], Any], tensor: Any) -> Any:
    """Gradient of the sum of `function(tensor)`, inside a function that is differentiated itself.

    Args:
        function: Returns a tensor.
        tensor: To differentiate by.

    Returns:
        The shape of `tensor`; a surrounding `record` sees what it depends on.
    """
    return jax.grad(lambda value: function(value).sum())(tensor)


def apply(optimizer: Any, gradients: list, variables: Sequence[Any]) -> None:
    """Let the optimizer update the variables, in the surrounding scope.

    `stateless_apply` rather than `apply`: the latter leaks tracers from a
    `LossScaleOptimizer`.
    """
    if not variables:
        return
    values, state = optimizer.stateless_apply(
        [v.value for v in optimizer.variables], gradients, [v.value for v in variables]
    )
    for variable, value in zip([*variables, *optimizer.variables], [*values, *state], strict=True):
        variable.assign(value)


def replicas() -> int:
    """One: a loss is not divided over replicas here."""
    return 1


def check_compile(steps_per_execution: int, accumulates: bool) -> None:
    """JAX's trainer does all that `SEALPose` offers."""


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
