"""Published PyTorch checkpoints into pose-nets: one converter a net, found by the net's name."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from keras_seal.errors import UserError, nearest
from keras_seal.interop.base import Report, Target, load_state_dict, strip_prefix
from keras_seal.interop.checkpoints import Checkpoint, read_checkpoint

__all__ = [
    "Checkpoint",
    "Report",
    "Target",
    "get",
    "load_state_dict",
    "names",
    "read_checkpoint",
    "strip_prefix",
]


def _converters() -> dict[str, ModuleType]:
    modules = (
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
    )
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}


def names() -> list[str]:
    """List the pose-nets whose published weights can be converted.

    Returns:
        Class names of `keras_seal.pose_nets`, sorted.

    Examples:
        >>> isinstance(names(), list)
        True
    """
    return sorted(_converters())


def get(name: str) -> ModuleType:
    """Find the converter of a pose-net.

    Args:
        name: Class name of the pose-net.

    Returns:
        A module with `NAME`, `LICENCE`, `NORMALISATION`, `infer_config`, `targets` and `IGNORED`,
        as `keras_seal.interop.base` describes them.

    Raises:
        UserError: If there is none.
    """
    converters = _converters()
    if name not in converters:
        raise UserError(
            f"No converter of checkpoints is known for '{name}'.{nearest(name, converters)}"
        )
    return converters[name]
