"""The state of a model in training, as named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_seal.errors import UserError
from keras_seal.training import SEALPose, random_state, set_random_state

_RANDOM = "random/"


def capture(model: SEALPose) -> dict[str, np.ndarray]:
    """Copy all that training changes: weights, optimizers, coefficients, random generators.

    Args:
        model: A compiled model.

    Returns:
        Arrays by name; `restore` takes them back exactly.
    """
    arrays = {}
    for name, variable in _variables(model).items():
        array = np.asarray(keras.ops.convert_to_numpy(variable.value))
        # NumPy's files have no bfloat16; float32 holds its values exactly.
        arrays[name] = array.astype("float32") if array.dtype.name == "bfloat16" else array
    for name, array in random_state(model).items():
        arrays[_RANDOM + name] = array
    return arrays


def restore(model: SEALPose, arrays: Mapping[str, np.ndarray]) -> None:
    """Put a captured state back.

    Args:
        model: A model built and compiled as the captured one was.
        arrays: What `capture` gave.

    Raises:
        UserError: If the state is that of another model.
    """
    variables = _variables(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    random = {name: a for name, a in arrays.items() if name.startswith(_RANDOM)}
    found = {name: a.shape for name, a in arrays.items() if name not in random}
    if shapes != found:
        differing = sorted(
            name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name)
        )
        raise UserError(
            f"The checkpoint is of another model: {len(differing)} of its variables do not fit,"
            f" the first is '{differing[0]}'. Was the run's recipe.yaml edited, or keras-seal"
            " updated?"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    set_random_state(model, {name.removeprefix(_RANDOM): a for name, a in random.items()})


def non_finite_network(model: SEALPose, arrays: Mapping[str, np.ndarray]) -> str | None:
    """Find a network whose captured weights are no longer finite numbers.

    Args:
        model: The model.
        arrays: What `capture` gave.

    Returns:
        `"pose_net"`, `"loss_net"` or `None`.
    """
    loss_net = {id(v) for v in model.loss_net.variables} if model.loss_net else set()
    for name, variable in _variables(model).items():
        if variable.trainable and not np.isfinite(arrays[name]).all():
            return "loss_net" if id(variable) in loss_net else "pose_net"
    return None


def _variables(model: SEALPose) -> dict[str, Any]:
    """Name variables by their order: Keras numbers layers through a whole process."""
    variables = [*model.variables, *model.optimizer.variables]
    return {f"{index:05d} {variable.name}": variable for index, variable in enumerate(variables)}
