"""Which joints of a motion capture rig make the joints of `human36m_17`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from keras_seal.data.virtual import virtual_skeleton
from keras_seal.errors import UserError, nearest

_SHIFTS = ("forward", "up")


@dataclass(frozen=True)
class JointRule:
    """Where one joint lies.

    Args:
        at: Joints of the rig; the middle between them is meant.
        forward: Metres to go forward from there, on a person 1.7 m tall.
        up: Metres to go up from there. Both directions turn with the first joint of `at`.
    """

    at: tuple[str, ...]
    forward: float = 0.0
    up: float = 0.0


@dataclass(frozen=True)
class JointMap:
    """Rules for all joints of `human36m_17`.

    Args:
        name: What the map is called.
        rules: One rule per joint, in the skeleton's order.
    """

    name: str
    rules: tuple[JointRule, ...]

    def missing(self, joints: Iterable[str]) -> list[str]:
        """List the joints that a rig would need to have.

        Args:
            joints: The joints it has.

        Returns:
            Names that the rules use and the rig lacks.
        """
        present = _by_key(joints)
        used = dict.fromkeys(joint for rule in self.rules for joint in rule.at)
        return [joint for joint in used if _key(joint) not in present]

    def indices(self, joints: Iterable[str]) -> list[np.ndarray]:
        """Find the rig's joints of every rule.

        Args:
            joints: The rig's joints; none may be `missing`.

        Returns:
            For every rule the indices of its joints.
        """
        present = _by_key(joints)
        return [np.array([present[_key(joint)] for joint in rule.at]) for rule in self.rules]

    def to_dict(self) -> dict[str, Any]:
        """Describe the map in types that JSON holds.

        Returns:
            The rules by joint.
        """
        joints = virtual_skeleton().joints
        return {
            joint: {"at": list(rule.at), "forward": rule.forward, "up": rule.up}
            for joint, rule in zip(joints, self.rules, strict=True)
        }


def names() -> list[str]:
    """List the built-in joint maps.

    Returns:
        Their names, sorted.

    Examples:
        >>> names()
        ['bandai_namco', 'cmu', 'mixamo', 'poser']
    """
    files = resources.files(__package__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def get(identifier: str | Mapping[str, Any]) -> JointMap:
    """Find a joint map.

    Args:
        identifier: The name of a built-in map, the path of a YAML file, or a dictionary: for every
            joint of `human36m_17` a joint of the rig, a list of them (their middle is meant), or
            a dictionary with `at` and `forward` or `up`.

    Returns:
        The map.

    Raises:
        UserError: There is no such map, or it lacks a joint or says something that makes no sense.

    Examples:
        >>> get("mixamo").rules[2].at
        ('RightLeg',)
    """
    if isinstance(identifier, Mapping):
        return _parse("given", identifier)
    if identifier in names():
        return _builtin(identifier)
    if not identifier.endswith((".yaml", ".yml")):
        raise UserError(
            f"There is no joint map '{identifier}'.{nearest(identifier, names())} A file of your "
            "own must end in .yaml or .yml."
        )
    try:
        content = yaml.safe_load(Path(identifier).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no joint map file '{identifier}'.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"The joint map '{identifier}' is no YAML file: {error}") from error
    return _parse(identifier, content)


def recognize(joints: Iterable[str]) -> JointMap:
    """Find the built-in map that fits a rig.

    Args:
        joints: The rig's joints.

    Returns:
        The first map of which the rig lacks no joint.

    Raises:
        UserError: None fits; the message tells which is nearest and what it lacks.

    Examples:
        >>> recognize(["Hips", "Spine"])
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: no built-in joint map fits its joints; the nearest, ...
    """
    joints = list(joints)
    # Maps with more joints of their own first: one rig's names may be a part of another's.
    maps = sorted((get(name) for name in names()), key=lambda found: -len(set(_used(found))))
    lacking = {found.name: found.missing(joints) for found in maps}
    for found in maps:
        if not lacking[found.name]:
            return found
    best = min(lacking, key=lambda name: len(lacking[name]))
    listed = ", ".join(f"'{joint}'" for joint in lacking[best][:4])
    more = f" and {len(lacking[best]) - 4} more" if len(lacking[best]) > 4 else ""
    raise UserError(
        f"no built-in joint map fits its joints; the nearest, '{best}', misses {listed}{more}. "
        "Give a joint_map of your own"
    )


def _used(joint_map: JointMap) -> list[str]:
    return [joint for rule in joint_map.rules for joint in rule.at]


@cache
def _builtin(name: str) -> JointMap:
    file = resources.files(__package__).joinpath(f"{name}.yaml")
    return _parse(name, yaml.safe_load(file.read_text(encoding="utf-8")))


def _parse(name: str, content: Any) -> JointMap:
    where = f"Joint map '{name}':"
    if not isinstance(content, Mapping):
        raise UserError(f"{where} expected joints of human36m_17 and what they are made of.")
    joints = virtual_skeleton().joints
    for joint in content:
        if joint not in joints:
            raise UserError(f"{where} human36m_17 has no joint '{joint}'.{nearest(joint, joints)}")
    lacking = [joint for joint in joints if joint not in content]
    if lacking:
        raise UserError(
            f"{where} there is no rule for {', '.join(lacking)}; every joint needs one."
        )
    return JointMap(name, tuple(_parse_rule(where, joint, content[joint]) for joint in joints))


def _parse_rule(where: str, joint: str, value: Any) -> JointRule:
    shifts: dict[str, float] = {}
    at = value
    if isinstance(value, Mapping):
        at = value.get("at")
        for key, metres in value.items():
            if key == "at":
                continue
            if key not in _SHIFTS:
                raise UserError(
                    f"{where} the rule for {joint} has a key '{key}'; expected at, forward or up."
                )
            if isinstance(metres, bool) or not isinstance(metres, int | float):
                raise UserError(f"{where} {key} of {joint} must be metres, got {metres!r}.")
            shifts[key] = float(metres)
    at = [at] if isinstance(at, str) else at
    if not isinstance(at, list | tuple) or not at or not all(isinstance(one, str) for one in at):
        raise UserError(
            f"{where} {joint} must be made of a joint of the rig or a list of them, got {value!r}."
        )
    return JointRule(tuple(at), **shifts)


def _key(joint: str) -> str:
    """What is left of a joint's name without namespace, prefix, case and punctuation."""
    bare = joint.rsplit(":", 1)[-1]
    bare = re.sub(r"^mixamorig\d*", "", bare, flags=re.IGNORECASE)
    return re.sub(r"[\s_.-]", "", bare).casefold()


def _by_key(joints: Iterable[str]) -> dict[str, int]:
    present: dict[str, int] = {}
    for index, joint in enumerate(joints):
        present.setdefault(_key(joint), index)
    return present
