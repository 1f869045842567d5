"""Calling constructors with options that a user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from keras_seal.errors import UserError, nearest


def construct(
    target: Callable[..., Any],
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    key: str,
    *,
    make: Callable[..., Any] | None = None,
    elsewhere: Iterable[str] = (),
) -> Any:
    """Call with a recipe's options; say which is unknown, set elsewhere, missing or refused.

    Args:
        target: Whose signature tells the options.
        options: The recipe's.
        given: What other keys of the recipe decide.
        key: Dotted key of the options.
        make: What to call; by default `target`.
        elsewhere: Further names that options must not have.

    Returns:
        What the call returns.

    Raises:
        UserError: If the options do not fit.

    Examples:
        >>> from datetime import timedelta
        >>> def wait(hours=0, minutes=0):
        ...     return timedelta(hours=hours, minutes=minutes)
        >>> str(construct(wait, {"minutes": 5}, {"hours": 2}, "options"))
        '2:05:00'
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    decided = {*given, *elsewhere}
    free = [name for name in parameters if name not in decided]
    title = target.__name__
    for name in options:
        if name in decided:
            raise UserError(f"{key}.{name}: another key of the recipe decides this; leave it out.")
        if name not in free:
            raise UserError(f"{key}.{name}: {title} has no such option.{nearest(name, free)}")
    for name in free:
        if parameters[name].default is inspect.Parameter.empty and name not in options:
            raise UserError(f"{key}.{name}: {title} needs it, but the recipe does not give it.")
    try:
        return (make or target)(**given, **options)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {title} refuses them: {first_line(error)}") from error


@contextmanager
def telling(key: str) -> Iterator[None]:
    """Say which key of the recipe an error is about.

    Args:
        key: The dotted key.

    Raises:
        UserError: In place of what a user's mistake raises inside.
    """
    try:
        yield
    except (FileNotFoundError, TypeError, ValueError) as error:
        text = str(error) if isinstance(error, UserError) else first_line(error)
        raise UserError(f"{key}: {text}") from error


def first_line(error: Exception) -> str:
    """Take the first line of an error's message.

    Args:
        error: The error.

    Returns:
        The line; its type where there is no message.
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
