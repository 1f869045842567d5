"""Gradients of a scalar on whichever backend the tests run, eager or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def gradients(
    function: Callable[..., Any], inputs: Sequence[np.ndarray], variables: Sequence[Any] = ()
) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Evaluate a scalar function of tensors and Keras variables, and differentiate it.

    Args:
        function: Takes one tensor for each of `inputs`, returns a scalar tensor.
        inputs: Arrays.
        variables: Keras variables that `function` reads.

    Returns:
        The value; its gradients with respect to the inputs; and to the variables. What the value
        does not depend on has gradient zero.
    """
    backend = keras.backend.backend()
    tensors = [ops.convert_to_tensor(array) for array in inputs]
    if backend == "tensorflow":
        import tensorflow as tf

        values = [variable.value for variable in variables]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(
            value, [*tensors, *values], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    elif backend == "jax":
        import jax

        def stateless(tensors: Any, values: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*tensors)

        values = [variable.value for variable in variables]
        # Op by op, jax would spend most of the tests' time on compiling.
        function_and_gradients = jax.jit(jax.value_and_grad(stateless, argnums=(0, 1)))
        value, found = function_and_gradients(tensors, values)
        found = [*found[0], *found[1]]
    else:
        import torch

        tensors = [tensor.detach().requires_grad_() for tensor in tensors]
        values = [variable.value for variable in variables]
        value = function(*tensors)
        found = torch.autograd.grad(
            value, [*tensors, *values], allow_unused=True, materialize_grads=True
        )
    arrays = [np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(g))) for g in found]
    scalar = float(ops.convert_to_numpy(value))
    return scalar, arrays[: len(tensors)], arrays[len(tensors) :]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of tensors with XLA; on torch, which has none, trace it by `no_grad`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if backend == "jax":
        import jax

        return jax.jit(function)
    import torch

    return torch.no_grad()(function)
