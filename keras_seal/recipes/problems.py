"""What is wrong with a recipe, said in one line a problem."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a group of keys",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "a group of keys",
    "string_type": "text",
    "tuple_type": "a list",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """List every dotted key of a schema.

    Args:
        model: The schema's outermost section.
        prefix: What stands before each key.

    Returns:
        Dotted keys, groups included, in the schema's order.
    """
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for inner in _sections(field.annotation):
            keys += known_keys(inner, f"{prefix}{name}.")
    return list(dict.fromkeys(keys))


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Turn what the schema found into sentences for the person who wrote the recipe.

    Args:
        error: What validation raised.
        model: The schema's outermost section.

    Returns:
        One sentence a problem: the dotted key, what was got, what was expected.
    """
    return list(
        dict.fromkeys(_sentence(problem, model) for problem in error.errors(include_url=False))
    )


def written_keys(location: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    """Tell where a problem is, in keys as they stand in the file.

    Args:
        location: Its location as pydantic tells it, with kinds of groups among the keys.
        model: The schema's outermost section.

    Returns:
        The keys, from the outside in.
    """
    return [str(key) for key in _follow(location, model)[0]]


def describe(value: Any) -> str:
    """Say what a YAML value is.

    Examples:
        >>> describe("ten"), describe(True), describe(None), describe([1])
        ("'ten' (text)", 'true', 'null', 'a list')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}' (text)"
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, (list, tuple)):
        return "a list"
    return str(value)


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    keys, sections = _follow(problem["loc"], model)
    key, kind, context = _dotted(keys), problem["type"], problem.get("ctx", {})
    got = describe(problem["input"])
    if kind == "extra_forbidden":
        siblings = [name for section in sections for name in section.model_fields]
        return f"Unknown key '{key}'.{_suggestion(keys, siblings, model)}"
    if kind == "missing":
        return f"Missing key '{key}'."
    if kind == "value_error":
        text = str(context["error"])
        text = text if text.endswith(("?", ".")) else f"{text}."
        return f"{key}: {text}" if key else text
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        chooser, tags = _choice(problem["loc"], model, problem["input"])
        if not isinstance(problem["input"], dict):
            return f"{key}: got {got}, expected a group of keys with '{chooser}'."
        return f"{key}.{chooser}: " + _not_among(problem["input"].get(chooser), tags)
    if kind == "literal_error":
        annotation = sections[0].model_fields[str(keys[-1])].annotation
        return f"{key}: " + _not_among(problem["input"], list(_literals(annotation)))
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{key}: got {got}, expected a number of {words} {context[name]}."
    if kind == "string_pattern_mismatch":
        return f"{key}: got {got}, expected letters, digits, '_', '.' and '-' only."
    if kind in _EXPECTED:
        return f"{key}: got {got}, expected {_EXPECTED[kind]}."
    return f"{key}: got {got}; {problem['msg'][0].lower()}{problem['msg'][1:]}."


def _not_among(value: Any, choices: Sequence[Any]) -> str:
    got = "nothing" if value is None else describe(value)
    texts = [describe(choice).removesuffix(" (text)").strip("'") for choice in choices]
    wrong = value.lower() if isinstance(value, str) else ""
    close = difflib.get_close_matches(wrong, texts, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"got {got}, expected one of {', '.join(texts)}.{hint}"


def _suggestion(keys: Sequence[str | int], siblings: list[str], model: type[BaseModel]) -> str:
    """Look for the key that was meant: among its siblings first, then in the whole recipe."""
    wrong, group = str(keys[-1]), keys[:-1]
    close = difflib.get_close_matches(wrong.lower(), siblings, n=1)
    if close:
        return f" Did you mean '{_dotted([*group, close[0]])}'?"
    known = known_keys(model)
    elsewhere = [key for key in known if key.rpartition(".")[2] == wrong]
    if elsewhere and _dotted(keys) not in known:
        return f" Did you mean '{min(elsewhere, key=lambda key: key.count('.'))}'?"
    return f" Known there: {', '.join(siblings)}."


def _dotted(keys: Sequence[str | int]) -> str:
    return ".".join(str(key) for key in keys)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _literals(annotation: Any) -> Iterator[Any]:
    """Find the values that a field of fixed choices may have."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for argument in get_args(annotation):
            yield from _literals(argument)


def _tagged(annotation: Any) -> dict[str, Any]:
    """Find the members of a union that are told apart by a name or schedule."""
    members = {}
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated:
            for extra in argument.__metadata__:
                if isinstance(extra, Tag):
                    members[extra.tag] = argument.__origin__
        members |= _tagged(argument)
    return members


def _follow(
    location: Sequence[str | int], model: type[BaseModel]
) -> tuple[list[str | int], list[type[BaseModel]]]:
    """Walk to a problem: its keys as the user wrote them, and the sections it stands in."""
    keys: list[str | int] = []
    sections: list[type[BaseModel]] = [model]
    inner: list[type[BaseModel]] = [model]
    tags: dict[str, Any] = {}
    free = False
    for part in location:
        if free:
            # A key that users choose; what stands there has the group's own sections.
            keys.append(part)
            free = False
            continue
        if isinstance(part, int):
            # The place in a list is no key: what stands there has the list's own sections.
            keys.append(part)
            continue
        if part in tags:
            # Which member of a union was tried is no key of the recipe.
            inner, tags = list(_sections(tags[str(part)])), {}
            continue
        keys.append(part)
        sections, tags = inner, {}
        fields = [section.model_fields.get(str(part)) for section in sections]
        annotations = [field.annotation for field in fields if field is not None]
        inner = [section for annotation in annotations for section in _sections(annotation)]
        free = any(_is_dictionary(annotation) for annotation in annotations)
        for annotation in annotations:
            tags.update(_tagged(annotation))
    return keys, sections


def _is_dictionary(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return origin is dict or (origin is Annotated and _is_dictionary(get_args(annotation)[0]))


def _choice(
    location: Sequence[str | int], model: type[BaseModel], given: Any
) -> tuple[str, list[str]]:
    """Find the key that tells a union's members apart, and its values.

    Where there are several such keys, the one that was given counts, else the first.
    """
    keys, sections = _follow(location, model)
    members = _tagged(sections[0].model_fields[str(keys[-1])].annotation)
    values: dict[str, list[str]] = {}
    for tag, member in members.items():
        for section in list(_sections(member))[:1]:
            values.setdefault(next(iter(section.model_fields)), []).append(tag)
    present = [name for name in values if isinstance(given, dict) and name in given]
    chooser = (present or list(values))[0]
    return chooser, values[chooser]
