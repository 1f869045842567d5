"""From the arrays of a PyTorch state dict to the variables of a Keras net, name by name.

Each converter is a module with `NAME` (of the pose-net's class), `LICENCE` and `NORMALISATION` (of
published weights, for people to read), `infer_config(shapes)` (the net's constructor arguments,
read off names and shapes), `targets(net)` (where each name goes) and `IGNORED` (names that are left
out, with the reason). Where published weights come in several files, `join(parts)` makes one state
dict of theirs; where coordinates are standardised, `with_statistics(state_dict, arrays)` folds in
the arrays that `STATISTICS` names; where `IMAGE_SPACE` is true, the weights say positions in the
image, and the net is put into an `ImageSpaceAdapter`; where several repositories published weights
of the net, `origin(shapes)` tells the licence and the units of those at hand. The functions here
are the words it uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_seal.errors import UserError

# What any checkpoint may hold beside weights.
ALWAYS_IGNORED: dict[str, str] = {
    r"(.*\.)?num_batches_tracked": "a counter of PyTorch's batch normalisation, not a weight",
}

Transform = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Target:
    """Where one entry of a state dict goes.

    Args:
        variable: The Keras variable.
        transform: Lays the array out as the variable, or as its part, has it.
        part: The slice of the variable that this entry fills, as `np.s_[...]` makes it; by
            default all of it. Several entries may fill one variable.

    Examples:
        >>> import keras
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 3))
        >>> target = Target(layer.kernel, np.transpose)
        >>> target.transform(np.zeros((4, 3))).shape
        (3, 4)
    """

    variable: Any
    transform: Transform = field(default=np.asarray)
    part: Any = ...


@dataclass(frozen=True)
class Report:
    """What became of each name.

    Args:
        used: Names of the state dict whose arrays are now in the net.
        skipped: Reason by name, for those that were left out on purpose.
        missing: Names that the net has and the state dict lacks; always empty unless asked for.
    """

    used: tuple[str, ...]
    skipped: dict[str, str]
    missing: tuple[str, ...]


def strip_prefix(state_dict: Mapping[str, Any], prefix: str = "module.") -> dict[str, Any]:
    """Return a state dict without the prefix of PyTorch's data parallelism.

    Args:
        state_dict: Arrays (or shapes) by name.
        prefix: What to take off the start of the names that have it.

    Returns:
        The same values by the shorter names.

    Raises:
        UserError: If two names become one.

    Examples:
        >>> strip_prefix({"module.head.weight": 1})
        {'head.weight': 1}
    """
    stripped = {name.removeprefix(prefix): value for name, value in state_dict.items()}
    if len(stripped) != len(state_dict):
        raise UserError(f"The state dict has names both with and without '{prefix}'.")
    return stripped


def as_is(variable: Any, part: Any = ...) -> Target:
    """An entry laid out as the variable is, apart from axes of size 1.

    Args:
        variable: The Keras variable.
        part: The slice of it that the entry fills.

    Returns:
        The target.

    Examples:
        >>> import keras
        >>> variable = keras.Variable(np.zeros((17, 8)))
        >>> as_is(variable).transform(np.zeros((1, 17, 8))).shape
        (17, 8)
    """
    shape = np.empty(tuple(variable.shape))[part].shape if part is not ... else variable.shape
    shape = tuple(shape)

    def transform(array: np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        if [n for n in array.shape if n != 1] == [n for n in shape if n != 1]:
            return array.reshape(shape)
        return array

    return Target(variable, transform, part)


def dense(layer: Any, name: str) -> dict[str, Target]:
    """A linear layer, or a convolution over single positions, as a Keras `Dense`.

    Args:
        layer: The Keras layer: `kernel` (in, out), `bias` or None.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.

    Examples:
        >>> import keras
        >>> layer = keras.layers.Dense(4)
        >>> layer.build((None, 3))
        >>> sorted(dense(layer, "head"))
        ['head.bias', 'head.weight']
    """
    return matrix(layer.kernel, getattr(layer, "bias", None), name)


def matrix(kernel: Any, bias: Any, name: str) -> dict[str, Target]:
    """A linear layer as two variables: the matrix transposed, the bias as it is.

    Args:
        kernel: Variable (in, out).
        bias: Variable (out,), or None.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """

    def transform(array: np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        if array.ndim > 2 and set(array.shape[2:]) == {1}:
            array = array.reshape(array.shape[:2])
        return array.T if array.ndim == 2 else array

    targets = {f"{name}.weight": Target(kernel, transform)}
    if bias is not None:
        targets[f"{name}.bias"] = as_is(bias)
    return targets


def conv1d(layer: Any, name: str) -> dict[str, Target]:
    """A convolution along one axis: (out, in, size) to (size, in, out).

    Args:
        layer: The Keras `Conv1D`.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """

    def transform(array: np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        return array.transpose(2, 1, 0) if array.ndim == 3 else array

    targets = {f"{name}.weight": Target(layer.kernel, transform)}
    if layer.bias is not None:
        targets[f"{name}.bias"] = as_is(layer.bias)
    return targets


def layer_norm(layer: Any, name: str) -> dict[str, Target]:
    """A layer normalisation.

    Args:
        layer: The Keras layer: `gamma`, `beta`.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """
    return {f"{name}.weight": as_is(layer.gamma), f"{name}.bias": as_is(layer.beta)}


def batch_norm(layer: Any, name: str) -> dict[str, Target]:
    """A batch normalisation with its statistics.

    Args:
        layer: The Keras layer.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """
    return {
        **layer_norm(layer, name),
        f"{name}.running_mean": as_is(layer.moving_mean),
        f"{name}.running_var": as_is(layer.moving_variance),
    }


def transformer_block(
    block: Any, name: str, attention: str = "attn", feed_forward: str = "mlp"
) -> dict[str, Target]:
    """A `TransformerBlock` with the names that vision transformers in PyTorch give its parts.

    Args:
        block: The Keras layer.
        name: Of the PyTorch module, without the last dot.
        attention: What its attention is called.
        feed_forward: What its feed-forward is called.

    Returns:
        Target by name.
    """
    return {
        **layer_norm(block.attention_norm, f"{name}.norm1"),
        **self_attention(block.attention, f"{name}.{attention}"),
        **layer_norm(block.feed_forward_norm, f"{name}.norm2"),
        **mlp(block.feed_forward, f"{name}.{feed_forward}"),
    }


def self_attention(layer: Any, name: str) -> dict[str, Target]:
    """A `SelfAttention` with its fused projection.

    Args:
        layer: The Keras layer.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """
    return {**dense(layer.qkv, f"{name}.qkv"), **dense(layer.projection, f"{name}.proj")}


def mlp(layer: Any, name: str) -> dict[str, Target]:
    """A `FeedForward`.

    Args:
        layer: The Keras layer.
        name: Of the PyTorch module, without the last dot.

    Returns:
        Target by name.
    """
    return {**dense(layer.expand, f"{name}.fc1"), **dense(layer.contract, f"{name}.fc2")}


def load_state_dict(
    net: Any,
    state_dict: Mapping[str, np.ndarray],
    targets: Mapping[str, Target],
    ignored: Mapping[str, str] | None = None,
    allow_missing: bool = False,
) -> Report:
    """Put the arrays of a state dict into a net: all of them, or none if anything does not fit.

    Args:
        net: The Keras net; each of its weights must be filled, seeds of dropout aside.
        state_dict: Arrays by name; `module.` in front is taken off.
        targets: Target by name.
        ignored: Reason by regular expression of the whole name, for entries to leave out.
        allow_missing: Whether weights of the net may stay as they are.

    Returns:
        What became of each name.

    Raises:
        UserError: If a name is unknown, is missing, or its array does not fit.

    Examples:
        >>> import keras
        >>> net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        >>> arrays = {"fc.weight": np.ones((4, 3)), "fc.bias": np.zeros(4)}
        >>> load_state_dict(net, arrays, dense(net.layers[0], "fc")).used
        ('fc.bias', 'fc.weight')
    """
    state_dict = strip_prefix(state_dict)
    patterns = {**ALWAYS_IGNORED, **(ignored or {})}
    skipped, unknown = {}, []
    for name in state_dict:
        if name in targets:
            continue
        reason = next((why for how, why in patterns.items() if re.fullmatch(how, name)), None)
        if reason is None:
            unknown.append(name)
        else:
            skipped[name] = reason
    missing = sorted(set(targets) - set(state_dict))
    problems = []
    if unknown:
        problems.append(f"it has nothing for {_listed(unknown)}")
    if missing and not allow_missing:
        problems.append(f"the state dict lacks {_listed(missing)}")
    values: dict[int, np.ndarray] = {}
    filled: dict[int, np.ndarray] = {}
    variables: dict[int, Any] = {}
    for name in sorted(set(targets) & set(state_dict)):
        target, array = targets[name], np.asarray(state_dict[name])
        key = id(target.variable)
        if key not in values:
            variables[key] = target.variable
            values[key] = np.array(_to_numpy(target.variable))
            filled[key] = np.zeros(values[key].shape, bool)
        part = values[key][target.part]
        laid_out = np.asarray(target.transform(array))
        if laid_out.shape != part.shape:
            problems.append(
                f"'{name}' has shape {array.shape}, which becomes {laid_out.shape}, where"
                f" {part.shape} is expected"
            )
            continue
        if not np.isfinite(laid_out).all():
            problems.append(f"'{name}' holds numbers that are not finite")
        values[key][target.part] = laid_out
        filled[key][target.part] = True
    if problems:
        raise UserError(f"The state dict does not fit {net.name}: {'; '.join(problems)}.")
    known = {id(target.variable) for target in targets.values()}
    untouched = [
        variable.path
        for variable in net.weights
        if not _is_seed(variable) and id(variable) not in known
    ]
    partly = [variables[key].path for key, mask in filled.items() if not mask.all()]
    if (untouched or partly) and not allow_missing:
        raise UserError(
            f"No entry of the state dict fills {_listed(untouched + partly)} of {net.name}."
        )
    for key, value in values.items():
        variables[key].assign(value)
    used = tuple(sorted(set(targets) & set(state_dict)))
    return Report(used, skipped, tuple(missing))


def _is_seed(variable: Any) -> bool:
    return "seed_generator" in variable.path


def _to_numpy(variable: Any) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(variable)


def _listed(names: list[str], limit: int = 8) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
