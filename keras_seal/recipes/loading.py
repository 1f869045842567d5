"""From a file, a name and overrides to a checked recipe, and back to YAML."""

from __future__ import annotations

import copy
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
# Keys that say what kind of thing a group describes.
_KINDS = ("name", "path", "schedule", "controller", "mode", "source")
# Groups that are of some kind where they do not say of which.
_UNSAID = {"seal": {"mode": "dynamic"}}


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
    """List the built-in recipes, but for the parts (`_NAME.yaml`) that they extend.

    Examples:
        >>> "quickstart" in names()
        True
    """
    paths = builtin_folder().glob("*.yaml")
    # Parts that others extend are no recipes themselves.
    return sorted(path.stem for path in paths if not path.name.startswith("_"))


def variants() -> dict[str, str]:
    """List what `RECIPE+VARIANT` may add to a recipe.

    Returns:
        By name, what each adds.

    Examples:
        >>> variants()["seal"]
        'With a learned loss (SEAL).'
    """
    paths = sorted(_variant_folder().glob("*.yaml"))
    return {path.stem: str(_read(path)["description"]) for path in paths}


def _variant_folder() -> Path:
    return builtin_folder() / "variants"


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
        path_or_name: A YAML file, or the name of a built-in recipe. `RECIPE+VARIANT` lays one of
            `variants()`, or a YAML file, over it: `h36m_mix_ste+seal` is `h36m_mix_ste` with what
            `variants/seal.yaml` says, and is called `h36m_mix_ste_seal`. More may follow.
        overrides: Changes as `"dotted.key=value"`, the value in YAML; later ones win.

    Returns:
        The recipe, every default filled in.

    Raises:
        UserError: If the file is missing or no YAML, or keys are unknown, missing or wrong; the
            message has one line a problem.

    Examples:
        >>> recipe = load("quickstart", ["training.epochs=3", "seal.energy_weight=2e-3"])
        >>> recipe.training.epochs, recipe.seal.energy_weight
        (3, 0.002)
        >>> load("quickstart+baseline+symmetry").training.constraints.symmetry
        0.05
    """
    whole = str(path_or_name)
    first, *parts = [whole] if Path(whole).is_file() else whole.split("+")
    path = find(first)
    values = _resolved(path, _read(path), ())
    for part in parts:
        layer = find_variant(part)
        below, above = values, _resolved(layer, _read(layer), (path,))
        values = _laid_over(below, above)
        values["name"] = f"{below.get('name')}_{layer.stem}"
        said = [
            str(each["description"]).strip() for each in (below, above) if "description" in each
        ]
        values["description"] = " ".join(said)
    return _checked(values, overrides, str(path_or_name if parts else path))


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
    values = _group(_read_yaml(text, origin), origin)
    if "extends" in values:
        raise UserError(f"{origin}: 'extends' works in files only.")
    return _checked(values, overrides, origin)


def find_variant(name: str) -> Path:
    """Find what `RECIPE+VARIANT` lays over a recipe.

    Args:
        name: One of `variants()`, or a YAML file.

    Returns:
        The file.

    Raises:
        UserError: If there is none.
    """
    if Path(name).suffix in _SUFFIXES:
        if Path(name).is_file():
            return Path(name)
        raise UserError(f"There is no file {name} to lay over a recipe.")
    path = _variant_folder() / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        raise UserError(f"There is no variant '{name}' of recipes.{nearest(name, variants())}")
    return path


def find_part(name: str, extending: Path) -> Path:
    """Find what a recipe extends.

    Args:
        name: A YAML file beside the recipe, the name of a built-in recipe, that of a part (a
            built-in `_NAME.yaml`, with or without the line in front), or that of a variant.
        extending: The recipe that extends it.

    Returns:
        The file.

    Raises:
        UserError: If there is none.
    """
    beside = extending.parent / name
    if beside.suffix in _SUFFIXES and beside.is_file():
        return beside
    for stem in (name, f"_{name}", f"variants/{name}"):
        path = builtin_folder() / f"{stem}.yaml"
        if path.is_file() and Path(name).name == name:
            return path
    known = {path.stem.removeprefix("_") for path in builtin_folder().glob("**/*.yaml")}
    raise UserError(f"{extending} extends '{name}', which is not there.{nearest(name, known)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the recipe {path}: {error}.") from error
    return _group(_read_yaml(text, str(path)), str(path))


def _group(values: Any, origin: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise UserError(f"{origin}: got {describe(values)}, expected a recipe's keys.")
    return values


def _resolved(path: Path, values: dict[str, Any], extending: tuple[Path, ...]) -> dict[str, Any]:
    """Lay a recipe over those that it extends, the later ones over the earlier ones."""
    if path in extending:
        raise UserError(f"{path} extends itself.")
    values = dict(values)
    bases = values.pop("extends", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: extends: got {describe(bases)}, expected a name or a list.")
    below: dict[str, Any] = {}
    for base in bases:
        file = find_part(base, path)
        below = _laid_over(below, _resolved(file, _read(file), (*extending, path)))
    return _laid_over(below, values)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge groups key by key; one of another kind takes the place of the other whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and _alike(key, old, value):
            value = _laid_over(old, value)
        merged[key] = value
    return merged


def _alike(name: str, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """Whether two groups may be merged: options of one network mean nothing to another."""
    below = {**_UNSAID.get(name, {}), **below}
    kinds = [{key: group[key] for key in _KINDS if key in group} for group in (below, above)]
    return not all(kinds) or kinds[0] == kinds[1]


def _checked(values: dict[str, Any], overrides: Iterable[str], origin: str) -> Recipe:
    values = copy.deepcopy(values)
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

    Examples:
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

    Examples:
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
