"""Errors that are the user's to mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used; the message says what, and what to do.

    The command line prints the message alone and exits with status 2; in Python it is an
    ordinary `ValueError`.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Phrase a suggestion for a misspelt name.

    Args:
        name: What the user wrote.
        known: The names that exist.

    Returns:
        `" Did you mean 'x'?"` when something is close, else the list of known names as a sentence.

    Examples:
        >>> nearest("semgnc", ["SemGCN", "SimpleBaseline"])
        " Did you mean 'SemGCN'?"
    """
    known = list(known)
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{folded[close[0]]}'?"
    return f" Known: {', '.join(sorted(known))}."
