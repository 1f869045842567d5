"""Skeletons: joints, bones, mirrored sides, limbs and groups, and the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.skeletons.skeleton import Skeleton

__all__ = ["Skeleton", "get", "names"]

# Other names under which a joint order is known.
_ALIASES = {"coco_18": "openpose_18", "coco_wholebody_133": "h3wb_133"}


def names() -> list[str]:
    """List the built-in skeletons: those of data sets and of 2D detectors.

    Returns:
        Their names, sorted.

    Examples:
        >>> from keras_seal import skeletons
        >>> "human36m_17" in skeletons.names()
        True
    """
    folder = resources.files(__package__).joinpath("data")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def get(identifier: Skeleton | str | PathLike[str] | Mapping[str, Any]) -> Skeleton:
    """Turn any way of naming a skeleton into the skeleton.

    Args:
        identifier: A `Skeleton`, the name of a built-in one, the path of a YAML file, or a
            dictionary as `Skeleton.to_dict` makes it.

    Returns:
        The skeleton.

    Raises:
        UserError: No built-in skeleton has that name, or the description is wrong.
        FileNotFoundError: A path to a YAML file that does not exist.
        TypeError: `identifier` is none of these.

    Examples:
        >>> from keras_seal import skeletons
        >>> skeletons.get("coco_17").num_joints
        17
        >>> skeletons.get("coco_wholebody_133").name
        'h3wb_133'
    """
    if isinstance(identifier, Skeleton):
        return identifier
    if isinstance(identifier, Mapping):
        return Skeleton.from_dict(identifier)
    if isinstance(identifier, PathLike):
        return Skeleton.from_yaml(Path(identifier))
    if not isinstance(identifier, str):
        raise TypeError(
            "A skeleton must be a Skeleton, a built-in name, the path of a YAML file or a "
            f"dictionary; got {type(identifier).__name__}."
        )
    identifier = _ALIASES.get(identifier, identifier)
    if identifier in names():
        return _builtin(identifier)
    if identifier.endswith((".yaml", ".yml")):
        return Skeleton.from_yaml(identifier)
    raise UserError(
        f"There is no built-in skeleton '{identifier}'.{nearest(identifier, names())} A file of "
        "your own must end in .yaml or .yml."
    )


@cache
def _builtin(name: str) -> Skeleton:
    file = resources.files(__package__).joinpath("data", f"{name}.yaml")
    return Skeleton._from_yaml_text(file.read_text(encoding="utf-8"), f"Built-in {name}.yaml")
