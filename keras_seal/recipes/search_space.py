"""The search space that a recipe's `tune` block declares."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from keras_seal.errors import UserError, nearest
from keras_seal.recipes import problems
from keras_seal.recipes.schema import Choices, Range, Recipe, Tune, choice_name

# Keys that say what kind of thing a group describes; the rest of the group may not go with another.
_KINDS = ("name", "path", "schedule", "controller", "mode")
_REFUSED = {
    "backend": "all trials run on one backend",
    "data.options": "trials on other data cannot be compared",
    "data.source": "trials on other data cannot be compared",
    "description": "it changes nothing",
    "evaluation": "trials measured otherwise cannot be compared",
    "name": "it changes nothing",
    "pretraining": "training pays no heed to it",
    "skeleton": "trials on other data cannot be compared",
    "tune": "a search does not search itself",
}
# Figures of a number that is drawn: enough, and the same however it travels between processes.
_FIGURES = 6


class SearchSpace:
    """What a search tries, and the recipe of each trial.

    Values go by what a tuner knows: numbers for ranges, names for choices.

    Args:
        recipe: A recipe with a `tune` block.

    Raises:
        UserError: If it has none.

    Examples:
        >>> from keras_seal import recipes
        >>> recipe = recipes.load(
        ...     "quickstart", ["tune={parameters: {seal.energy_weight: [0.0, 1e-3]}}"])
        >>> space = SearchSpace(recipe)
        >>> space.trial({"seal.energy_weight": "0.0"}).seal.energy_weight
        0.0
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.tune is None:
            raise UserError(
                f"The recipe '{recipe.name}' has no key 'tune', which says what to search; for"
                " instance tune: {parameters: {seal.energy_weight: {low: 1.0e-4, high: 1.0e-1,"
                " scale: log}}}."
            )
        self.recipe = recipe
        self.tune: Tune = recipe.tune
        self.parameters = dict(
            sorted(self.tune.parameters.items(), key=lambda item: len(self._ancestors(item[0])))
        )
        self._base = recipe.model_dump(mode="json", exclude={"tune"})

    def check(self) -> None:
        """Try every choice and bound against the recipe's schema, one key at a time.

        Raises:
            ValueError: If a key does not exist, or the schema refuses a value.
        """
        for key in self.parameters:
            for refused, reason in _REFUSED.items():
                if key == refused or key.startswith(f"{refused}."):
                    raise ValueError(f"tune.parameters: '{key}' cannot be searched: {reason}")
        for key in self.parameters:
            self._check_condition(key)
            for values in self.candidates(key):
                try:
                    self._filled(values)
                except ValidationError as error:
                    told = problems.sentences(error, Recipe)
                    if any(text.startswith("Unknown key") for text in told):
                        raise ValueError(f"tune.parameters: {' '.join(told)}") from error
                    value = self.shown(key, values[key])
                    raise ValueError(f"tune.parameters.{key}: {value}: {' '.join(told)}") from error

    def candidates(self, key: str) -> list[dict[str, Any]]:
        """List choices, or bounds, of one key.

        Args:
            key: The key.

        Returns:
            Values of this key, and of those on which it depends.
        """
        section = self.parameters[key]
        if isinstance(section, Choices):
            tried: list[Any] = list(section.by_name)
        else:
            whole = self.is_whole(key)
            tried = [section.low, section.high] if whole else [float(section.low), section.high]
        base = {parent: names[0] for parent, names in self.conditions(key)}
        return [{**base, key: value} for value in tried]

    def is_whole(self, key: str) -> bool:
        """Whether a range is one of whole numbers.

        Bounds without a dot are whole, but for keys that the schema knows to be any number.

        Args:
            key: The key of a range.

        Returns:
            Whether it is.
        """
        section = self.parameters[key]
        assert isinstance(section, Range)
        numbers = [section.low, section.high, *([section.step] if section.step else [])]
        if not all(isinstance(number, int) for number in numbers):
            return False
        # What takes any value at all, such as an option of a network, goes by how it is written.
        return self._takes(key, "text") or not self._takes(key, section.low + 0.5)

    def _takes(self, key: str, value: Any) -> bool:
        base = {parent: names[0] for parent, names in self.conditions(key)}
        values = self._with_choices(base)
        try:
            _put(values, key, value)
            Recipe.model_validate(values)
        except (ValidationError, ValueError):
            return False
        return True

    def conditions(self, key: str) -> list[tuple[str, list[str]]]:
        """List the keys on which a key depends, those further up first.

        Args:
            key: The key.

        Returns:
            Each of those keys and the names of the choices with which this one is searched.
        """
        found: dict[str, list[str]] = {}
        for parent in self._ancestors(key):
            for child in (*self._ancestors(key), key):
                if parent in self.tune.parameters[child].when:
                    found[parent] = self._names(child, parent)
        return list(found.items())

    def trial(self, values: Mapping[str, Any]) -> Recipe:
        """Make a trial's recipe.

        Args:
            values: A number or a choice's name by key; keys that are not searched here are left
                out.

        Returns:
            The recipe, without `tune`.

        Raises:
            UserError: If these values do not go together.
        """
        try:
            return self._filled(values)
        except ValidationError as error:
            told = " ".join(problems.sentences(error, Recipe))
            raise UserError(f"These values do not go together: {told}") from error

    def value(self, key: str, tried: Any) -> Any:
        """Translate what a tuner drew into what stands in the recipe.

        Args:
            key: The key.
            tried: A number or the name of a choice.

        Returns:
            The value.
        """
        section = self.parameters[key]
        if isinstance(section, Choices):
            return section.by_name[str(tried)]
        if self.is_whole(key):
            return round(tried)
        rounded = float(f"{tried:.{_FIGURES}g}")
        return min(max(rounded, float(section.low)), float(section.high))

    def shown(self, key: str, tried: Any) -> str:
        """Write a value in few letters.

        Args:
            key: The key.
            tried: A number or the name of a choice.

        Returns:
            Text.
        """
        value = self.value(key, tried)
        return f"{value:.4g}" if isinstance(value, float) else str(tried)

    def _filled(self, values: Mapping[str, Any]) -> Recipe:
        return Recipe.model_validate(self._with_choices(values))

    def _with_choices(self, values: Mapping[str, Any]) -> dict[str, Any]:
        filled = copy.deepcopy(self._base)
        # Whole groups first, then what kind of thing they are, then their other keys.
        ordered = sorted(values, key=lambda key: (key.count("."), _last(key) not in _KINDS))
        for key in ordered:
            changed = _put(filled, key, self.value(key, values[key]))
            if changed and _last(key) in _KINDS:
                _drop_strangers(filled, key)
        return filled

    def _check_condition(self, key: str) -> None:
        for parent in self.parameters[key].when:
            other = self.tune.parameters.get(parent)
            if not isinstance(other, Choices):
                raise ValueError(
                    f"tune.parameters.{key}.when: '{parent}' is not searched among choices"
                )
            for name in self._names(key, parent):
                if name not in other.by_name:
                    raise ValueError(
                        f"tune.parameters.{key}.when: '{parent}' has no choice '{name}'."
                        f"{nearest(name, other.by_name)}"
                    )

    def _ancestors(self, key: str, below: tuple[str, ...] = ()) -> list[str]:
        if key in below:
            raise ValueError(f"tune.parameters.{key}.when: it depends on itself")
        section = self.tune.parameters.get(key)
        found: list[str] = []
        for parent in section.when if section is not None else ():
            found += [*self._ancestors(parent, (*below, key)), parent]
        return list(dict.fromkeys(found))

    def _names(self, key: str, parent: str) -> list[str]:
        wanted = self.tune.parameters[key].when[parent]
        wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
        return [choice_name(value) for value in wanted]


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _put(values: dict[str, Any], key: str, value: Any) -> bool:
    """Set a dotted key; whether that changed anything."""
    *outer, last = key.split(".")
    group: Any = values
    for depth, part in enumerate(outer, start=1):
        place = _place(group, part)
        inner = group[place] if isinstance(group, list) else group.get(place)
        if inner is None:
            inner = group[place] = {}
        if not isinstance(inner, dict | list):
            raise ValueError(
                f"tune.parameters: '{key}' cannot be set: '{'.'.join(outer[:depth])}' is"
                f" {problems.describe(inner)} and has no keys"
            )
        group = inner
    place = _place(group, last)
    before = group[place] if isinstance(group, list) else group.get(place)
    group[place] = copy.deepcopy(value)
    return bool(before != value)


def _place(group: Any, part: str) -> Any:
    if not isinstance(group, list):
        return part
    if not part.isdigit() or int(part) >= len(group):
        raise ValueError(
            f"tune.parameters: '{part}' is no place in a list of {len(group)}; count from 0"
        )
    return int(part)


def _drop_strangers(values: dict[str, Any], key: str) -> None:
    """Drop what the old kind of a group had and the new kind does not know."""
    outer = key.split(".")[:-1]
    group: Any = values
    for part in outer:
        group = group[_place(group, part)]
    # Options of one class mean nothing to another.
    if group.get("options"):
        group["options"] = {}
    try:
        Recipe.model_validate(values)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if problem["type"] == "extra_forbidden":
                *place, stranger = problems.written_keys(problem["loc"], Recipe)
                if place == outer:
                    group.pop(stranger, None)
