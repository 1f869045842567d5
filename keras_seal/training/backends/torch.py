"""Gradients and steps under PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


class Steps:
    """Steps in the form that Keras' torch trainer calls."""

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
        The outputs (detached), and `pull_back(*cotangents) -> (of the variables, of the inputs)`,
        which can be called once. Other variables' `.grad` stay untouched.
    """
    # Keras evaluates under no_grad; a gradient by the prediction is wanted there as well.
    with torch.enable_grad():
        values = [v.value for v in variables]
        leaves = [x.detach().requires_grad_(True) for x in inputs]
        outputs = function(*leaves)

    def pull_back(*cotangents: Any) -> tuple[list, list]:
        used = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
        if not used:
            return [None] * len(values), [None] * len(leaves)
        gradients = torch.autograd.grad(
            [o for o, _ in used],
            values + leaves,
            grad_outputs=[torch.as_tensor(c, dtype=o.dtype, device=o.device) for o, c in used],
            allow_unused=True,
        )
        return list(gradients[: len(values)]), list(gradients[len(values) :])

    return tuple(o.detach() for o in outputs), pull_back


def input_gradient(function: Callable[[Any], Any], tensor: Any) -> Any:
    """Gradient of the sum of `function(tensor)`, inside a function that is differentiated itself.

    Args:
        function: Returns a tensor.
        tensor: To differentiate by.

    Returns:
        The shape of `tensor`; a surrounding `record` sees what it depends on.
    """
    with torch.enable_grad():
        leaf = tensor.detach().requires_grad_(True)
        return torch.autograd.grad(function(leaf).sum(), leaf, create_graph=True)[0]


def apply(optimizer: Any, gradients: list, variables: Sequence[Any]) -> None:
    """Let the optimizer update the variables."""
    with torch.no_grad():
        optimizer.apply(gradients, variables)


def replicas() -> int:
    """One: a loss is not divided over replicas here."""
    return 1


def check_compile(steps_per_execution: int, accumulates: bool) -> None:
    """Refuse what Keras' torch trainer cannot do.

    Args:
        steps_per_execution: As given to `compile`.
        accumulates: Whether an optimizer accumulates gradients.

    Raises:
        ValueError: For several steps an execution.
    """
    if steps_per_execution != 1:
        raise ValueError(
            f"steps_per_execution is {steps_per_execution}: on the torch backend it must be 1."
        )


# Keras' dropout draws from torch's one global generator unless it was given a seed. Were the
# loss-net to draw from it too, the pose-net's dropout would depend on whether there is one.
@contextmanager
def loss_net_randomness(model: Any) -> Iterator[None]:
    """Let the loss-net draw from a stream of its own.

    Args:
        model: The model that keeps the stream between steps.
    """
    shared = _generator_states()
    stream = getattr(model, "_loss_net_stream", None)
    if stream is None:
        torch.manual_seed(torch.initial_seed() + 1)
    else:
        _set_generator_states(stream)
    try:
        yield
    finally:
        model._loss_net_stream = _generator_states()
        _set_generator_states(shared)


def random_state(model: Any) -> dict[str, np.ndarray]:
    """What an exact resume needs beside the model's own variables.

    Args:
        model: A `SEALPose`.

    Returns:
        The states of torch's global generators and of the loss-net's stream.
    """
    streams = {"shared": _generator_states()}
    own = getattr(model, "_loss_net_stream", None)
    if own is not None:
        streams["loss_net"] = own
    return {
        f"{name}_{index}": state.numpy().copy()
        for name, states in streams.items()
        for index, state in enumerate(states)
    }


def seed_random_state(seed: int) -> None:
    """Let the global generators begin anew.

    Args:
        seed: Where they begin.
    """
    torch.manual_seed(seed)


def set_random_state(model: Any, state: dict[str, np.ndarray]) -> None:
    """Set what `random_state` returned.

    Args:
        model: A `SEALPose`.
        state: From `random_state`.
    """

    def states(name: str) -> list[torch.Tensor]:
        keys = sorted(key for key in state if key.rsplit("_", 1)[0] == name)
        return [torch.from_numpy(np.asarray(state[key], "uint8").copy()) for key in keys]

    _set_generator_states(states("shared"))
    model._loss_net_stream = states("loss_net") or None


def _generator_states() -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states.append(torch.cuda.get_rng_state())
    return states


def _set_generator_states(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1])
