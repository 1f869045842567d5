"""Checks of constructor arguments that layers and networks share."""

from __future__ import annotations

import numbers
from typing import Any


def check_integer(name: str, value: Any, minimum: int = 1) -> int:
    """Return `value` as an `int`, or say that it is none or too small.

    Args:
        name: Of the argument, for the message.
        value: What was given.
        minimum: Smallest value that makes sense.

    Returns:
        The integer.

    Raises:
        ValueError: If it is not an integer of at least `minimum`.

    Examples:
        >>> check_integer("units", 64)
        64
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"`{name}` is an integer of at least {minimum}, got {value!r}.")
    return int(value)
