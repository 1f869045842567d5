"""Joint maps: from the joints that a detector or a data set has to those that a model needs.

Detectors do not find the joints of motion capture, and those who train lifters make up what is
missing in different ways. The published ones are here by name; the definitions differ by
centimetres, so a model does best with the map that its training keypoints were made with. Lifters
that were trained on a detector's own joints (as VideoPose3D's in-the-wild model on COCO's) need
none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from keras_seal import skeletons
from keras_seal.errors import UserError, nearest
from keras_seal.skeletons.description import parse_yaml
from keras_seal.skeletons.joint_maps.joint_map import JointMap
from keras_seal.skeletons.skeleton import Skeleton

__all__ = ["JointMap", "find", "get", "names"]

# What has no map of its own is mapped to this skeleton first.
_HUB = "human36m_17"
_REQUIRED_KEYS = ("source", "target")
_KEYS = ("name", "about", *_REQUIRED_KEYS, "default", "rules")


def names(source: str | None = None, target: str | None = None) -> list[str]:
    """List the built-in joint maps.

    Args:
        source: Only maps from this skeleton.
        target: Only maps to this skeleton.

    Returns:
        Their names, sorted.

    Raises:
        UserError: There is no such skeleton.

    Examples:
        >>> from keras_seal.skeletons import joint_maps
        >>> for name in joint_maps.names(source="coco_17"):
        ...     print(name)
        coco_17_to_human36m_17_gast
        coco_17_to_human36m_17_gast_hrnet
        coco_17_to_human36m_17_plain
    """
    wanted = [None if each is None else skeletons.get(each).name for each in (source, target)]
    return [
        name
        for name in _builtin_names()
        if wanted[0] in (None, _builtin(name).source.name)
        and wanted[1] in (None, _builtin(name).target.name)
    ]


def get(identifier: JointMap | str | PathLike[str] | Mapping[str, Any]) -> JointMap:
    """Turn any way of naming a joint map into the map.

    Args:
        identifier: A `JointMap`, the name of a built-in one, the path of a YAML file, or a
            dictionary. Files and dictionaries have the keys `source` and `target` (skeletons),
            `rules` (see `JointMap.from_rules`) and perhaps `name` and `about`.

    Returns:
        The map.

    Raises:
        UserError: There is no such map, or its description is wrong.

    Examples:
        >>> from keras_seal.skeletons import joint_maps
        >>> joint_maps.get({
        ...     "source": "coco_17",
        ...     "target": "human36m_17",
        ...     "rules": {
        ...         "pelvis": ["left_hip", "right_hip"],
        ...         "spine": {"left_hip": "1/4", "right_hip": "1/4",
        ...                   "left_shoulder": "1/4", "right_shoulder": "1/4"},
        ...         "thorax": ["left_shoulder", "right_shoulder"],
        ...         "head": ["left_ear", "right_ear"],
        ...     },
        ... })
        JointMap('given': coco_17 -> human36m_17)
    """
    if isinstance(identifier, JointMap):
        return identifier
    if isinstance(identifier, Mapping):
        return _parse(str(identifier.get("name", "given")), identifier)
    if not isinstance(identifier, str | PathLike):
        raise TypeError(
            "A joint map must be a JointMap, a built-in name, the path of a YAML file or a "
            f"dictionary; got {type(identifier).__name__}."
        )
    name = str(identifier)
    if name in _builtin_names():
        return _builtin(name)
    if not name.endswith((".yaml", ".yml")):
        raise UserError(
            f"There is no joint map '{name}'.{nearest(name, _builtin_names())} A file of your own "
            "must end in .yaml or .yml."
        )
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"There is no joint map file '{name}'.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The joint map '{name}' cannot be read as text ({error}).") from error
    return _parse(name, parse_yaml(text, f"The joint map '{name}'"))


def find(source: Skeleton | str, target: Skeleton | str) -> JointMap:
    """Find the usual map between two skeletons.

    Args:
        source: The skeleton, or a detector's joint order, to map from.
        target: The skeleton to map to.

    Returns:
        The default map of the two, which tells its name; else the one by way of `human36m_17`;
        for one and the same skeleton the map that changes nothing.

    Raises:
        UserError: There is no map between them.

    Examples:
        >>> from keras_seal.skeletons import joint_maps
        >>> joint_maps.find("halpe_26", "human36m_17").name
        'halpe_26_to_human36m_17'
        >>> joint_maps.find("halpe_26", "human36m_16").name
        'halpe_26_to_human36m_17, human36m_17_to_human36m_16'
    """
    source, target = skeletons.get(source), skeletons.get(target)
    if source.joints == target.joints:
        return JointMap.identity(target)
    hub = skeletons.get(_HUB)
    direct = _default(source, target)
    if direct is not None:
        return direct
    first, second = _default(source, hub), _default(hub, target)
    if first is not None and second is not None:
        return first.then(second)
    known = [name for name in _builtin_names() if _builtin(name).target.joints == target.joints]
    sources = sorted({_builtin(name).source.name for name in known})
    raise UserError(
        f"There is no joint map from '{source.name}' to '{target.name}'; there are maps to it "
        f"from {', '.join(sources) if sources else 'no other skeleton'}. Give a joint map of your "
        "own."
    )


def _default(source: Skeleton, target: Skeleton) -> JointMap | None:
    for name in _builtin_names():
        found = _builtin(name)
        if (
            found.source.joints == source.joints
            and found.target.joints == target.joints
            and _description(name).get("default", True)
        ):
            return found
    return None


@cache
def _builtin_names() -> tuple[str, ...]:
    folder = resources.files(__package__).joinpath("data")
    files = [entry.name for entry in folder.iterdir()]
    return tuple(sorted(file.removesuffix(".yaml") for file in files if file.endswith(".yaml")))


@cache
def _description(name: str) -> dict[str, Any]:
    file = resources.files(__package__).joinpath("data", f"{name}.yaml")
    return parse_yaml(file.read_text(encoding="utf-8"), f"Built-in {name}.yaml")


@cache
def _builtin(name: str) -> JointMap:
    return _parse(name, _description(name))


def _parse(name: str, content: Any) -> JointMap:
    title = f"Joint map '{name}'"
    if not isinstance(content, Mapping):
        raise UserError(f"{title}: expected a mapping with the keys {', '.join(_KEYS)}.")
    for key in content:
        if key not in _KEYS:
            raise UserError(f"{title}: unknown key '{key}'.{nearest(str(key), _KEYS)}")
    for key in _REQUIRED_KEYS:
        if key not in content:
            raise UserError(f"{title}: missing `{key}`, the skeleton's name.")
    source, target = (_end(title, key, content[key]) for key in _REQUIRED_KEYS)
    rules, about = content.get("rules") or {}, str(content.get("about", ""))
    return JointMap.from_rules(name, source, target, rules, about)


def _end(title: str, key: str, identifier: Any) -> Skeleton:
    try:
        return skeletons.get(identifier)
    except (TypeError, FileNotFoundError, UserError) as error:
        raise UserError(f"{title}, `{key}`: {error}") from error
