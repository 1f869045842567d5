"""A skeleton in words: descriptions with joint names, and the YAML files that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_seal.errors import UserError, nearest

_REQUIRED_KEYS = ("name", "joints", "parents")
_KEYS = (*_REQUIRED_KEYS, "mirror_pairs", "limbs", "groups", "origin")


def to_indices(description: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a description with joint names into the arguments of `Skeleton`.

    Args:
        description: As for `Skeleton.from_dict`.

    Returns:
        Arguments of `Skeleton`, with joint indices for names.

    Raises:
        UserError: A key is missing or unknown, a value has the wrong type or a name is no joint's.

    Examples:
        >>> description = {"name": "stick", "joints": ["base", "tip"], "parents": {"tip": "base"}}
        >>> to_indices(description)["parents"]
        (-1, 0)
    """
    if not isinstance(description, Mapping):
        raise UserError(
            f"A skeleton must be described by a mapping with the keys {', '.join(_KEYS)}; "
            f"got {type(description).__name__}."
        )
    title = f"Skeleton '{description.get('name', '(unnamed)')}'"
    for key in description:
        if key not in _KEYS:
            raise UserError(f"{title}: unknown key '{key}'.{nearest(str(key), _KEYS)}")
    missing = [key for key in _REQUIRED_KEYS if key not in description]
    if missing:
        raise UserError(
            f"{title}: missing {', '.join(f'`{key}`' for key in missing)}; `name`, `joints` "
            "and `parents` are required."
        )
    joints = description["joints"]
    if not isinstance(joints, list | tuple) or not all(isinstance(joint, str) for joint in joints):
        raise UserError(f"{title}: `joints` must be a list of names, got {joints!r}.")
    refuse_repeated_joints(joints, title)
    indices = {joint: index for index, joint in enumerate(joints)}

    def index_of(joint: object, where: str) -> int:
        if not isinstance(joint, str):
            raise UserError(f"{title}: {where} must be a joint's name, got {joint!r}.")
        if joint not in indices:
            raise UserError(
                f"{title}: {where} names '{joint}', which is no joint.{nearest(joint, joints)}"
            )
        return indices[joint]

    def items_of(key: str) -> list[Any]:
        value = description.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise UserError(f"{title}: `{key}` must be a list, got {value!r}.")
        return list(value)

    def mapping_of(key: str) -> dict[Any, Any]:
        value = description.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise UserError(f"{title}: `{key}` must be a mapping, got {value!r}.")
        return dict(value)

    def indices_of(value: object, where: str) -> tuple[int, ...]:
        if not isinstance(value, list | tuple):
            raise UserError(f"{title}: {where} must be a list of joint names, got {value!r}.")
        return tuple(index_of(joint, f"an entry of {where}") for joint in value)

    parents = [-1] * len(joints)
    for child, parent in mapping_of("parents").items():
        child_index = index_of(child, "a key of `parents`")
        if parent is not None:
            parents[child_index] = index_of(parent, f"the parent of '{child}'")
    return {
        "name": description["name"],
        "joints": tuple(joints),
        "parents": tuple(parents),
        "mirror_pairs": tuple(
            indices_of(pair, "`mirror_pairs`") for pair in items_of("mirror_pairs")
        ),
        "limbs": {
            limb: indices_of(chain, f"limb '{limb}'") for limb, chain in mapping_of("limbs").items()
        },
        "groups": {
            group: indices_of(members, f"group '{group}'")
            for group, members in mapping_of("groups").items()
        },
        "origin": indices_of(items_of("origin"), "`origin`"),
    }


def refuse_repeated_joints(joints: Sequence[str], title: str) -> None:
    """Raise `UserError` if two joints have one name.

    Args:
        joints: Joint names.
        title: What to call the skeleton in the error.

    Raises:
        UserError: A name is listed twice.
    """
    for joint in joints:
        if joints.count(joint) > 1:
            raise UserError(f"{title}: joint '{joint}' is listed twice; names must be unique.")


def write_yaml(description: Mapping[str, Any], path: str | Path) -> None:
    """Write a description to a YAML file.

    Args:
        description: As `Skeleton.to_dict` makes it.
        path: The file to write.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "skeleton.yaml"
        >>> write_yaml({"name": "stick", "joints": ["base", "tip"]}, path)
        >>> print(path.read_text().strip())
        name: stick
        joints: [base, tip]
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes a list of names on one line, everything else as a block."""

    def represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
        names = all(isinstance(item, str) for item in items)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=names)

    Dumper.add_representer(list, represent_list)
    text = yaml.dump(
        dict(description),
        Dumper=Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    Path(path).write_text(text, encoding="utf-8")


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML, refusing a key that is given twice.

    Args:
        text: The YAML.
        source: What to call the text in an error, such as its path.

    Returns:
        The parsed value.

    Raises:
        UserError: The text is no YAML, or a key appears twice in one mapping.

    Examples:
        >>> parse_yaml("name: stick", "stick.yaml")
        {'name': 'stick'}
    """
    import yaml

    try:
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader), source)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not valid YAML: {error}") from error


def _refuse_repeated_keys(node: Any, source: str) -> None:
    # YAML keeps the last of two equal keys silently: a joint's first parent would vanish.
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise UserError(f"{source}, line {line}: key '{key.value}' is given twice.")
                seen.add(key.value)
            _refuse_repeated_keys(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated_keys(value, source)
