"""From a file, a name and overrides to a checked recipe, and back to YAML."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from keras_seal.errors import UserError, nearest
from keras_seal.recipes.problems import describe, sentences
from keras_seal.recipes.schema import Recipe

_SUFFIXES = (".yaml", ".yml")


class _Loader(yaml.SafeLoader):
    """YAML whose keys are unique and whose `1e-3` is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice in one group: the first would be lost unseen."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-3 as text, for want of a dot.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def builtin_folder() -> Path:
    """Find the recipes that come with the package.

    Returns:
        The folder of their YAML files: inside an installed package, or beside the package in a
        source checkout.
    """
    package = Path(str(importlib.resources.files("keras_seal")))
    installed = package / "recipes" / "builtin"
    return installed if installed.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """List the built-in recipes.

    Example:
        >>> "quickstart" in names()
        True
    """
    return sorted(path.stem for path in builtin_folder().glob("*.yaml"))


def find(path_or_name: str | Path) -> Path:
    """Find a recipe's file.

    Args:
        path_or_name: A YAML file, or the name of a built-in recipe.

    Returns:
        The file.

    Raises:
        UserError: If there is no such file or name.
    """
    text = str(path_or_name)
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.suffix not in _SUFFIXES and path.name == text:
        if text in names():
            return builtin_folder() / f"{text}.yaml"
        raise UserError(f"No built-in recipe is called '{text}'.{nearest(text, names())}")
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a recipe's YAML file.")
    hint = f" There is a built-in one: '{path.stem}'." if path.stem in names() else ""
    raise UserError(f"There is no recipe {path}.{hint}")


def load(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path_or_name: A YAML file, or the name of a built-in recipe.
        overrides: Changes as `"dotted.key=value"`, the value in YAML; later ones win.

    Returns:
        The recipe, every default filled in.

    Raises:
        UserError: If the file is missing or no YAML, or keys are unknown, missing or wrong; the
            message has one line a problem.

    Example:
        >>> recipe = load("quickstart", ["training.epochs=3", "seal.energy_weight=2e-3"])
        >>> recipe.training.epochs, recipe.seal.energy_weight
        (3, 0.002)
    """
    path = find(path_or_name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the recipe {path}: {error}.") from error
    return parse(text, overrides, origin=str(path))


def parse(text: str, overrides: Iterable[str] = (), *, origin: str = "the recipe") -> Recipe:
    """Check a recipe that is given as YAML text.

    Args:
        text: YAML.
        overrides: As for `load`.
        origin: What to call the text in messages.

    Returns:
        The recipe, every default filled in.

    Raises:
        UserError: As for `load`.
    """
    values = _read_yaml(text, origin)
    if not isinstance(values, dict):
        raise UserError(f"{origin}: got {describe(values)}, expected a recipe's keys.")
    for override in overrides:
        _override(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        problems = sentences(error, Recipe)
    if len(problems) == 1:
        raise UserError(f"{origin}: {problems[0]}")
    raise UserError("\n".join([f"{origin} has {len(problems)} problems:", *problems]))


def to_yaml(recipe: Recipe) -> str:
    """Write a recipe out in full.

    Args:
        recipe: The recipe.

    Returns:
        YAML with every key; `parse` makes an equal recipe of it.

    Example:
        >>> recipe = load("quickstart")
        >>> parse(to_yaml(recipe)) == recipe
        True
    """
    return yaml.safe_dump(
        recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
    )


def _read_yaml(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise UserError(f"{origin} is no valid YAML: {error.problem}{place}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{origin} is no valid YAML: {error}.") from error


def parse_override(override: str) -> tuple[list[str], Any]:
    """Read one `KEY=VALUE`.

    Args:
        override: A key, perhaps with dots, and a value as in YAML.

    Returns:
        The parts of the key, and the value.

    Raises:
        UserError: If it is no such thing.

    Example:
        >>> parse_override("training.epochs=5")
        (['training', 'epochs'], 5)
    """
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {override}: expected KEY=VALUE, as in --set training.epochs=5.")
    return parts, _read_yaml(text, f"--set {key}: '{text}'")


def _override(values: dict[str, Any], override: str) -> None:
    parts, value = parse_override(override)
    key = ".".join(parts)
    group: Any = values
    for depth, part in enumerate(parts[:-1], start=1):
        inner = group.get(part)
        if inner is None:
            inner = group[part] = {}
        if not isinstance(inner, Mapping):
            outer = ".".join(parts[:depth])
            raise UserError(
                f"--set {key}: '{outer}' is {describe(inner)} and has no keys; to give it some, set"
                f" it whole, as in --set '{outer}={{{parts[depth]}: ...}}'."
            )
        group = inner
    group[parts[-1]] = value
