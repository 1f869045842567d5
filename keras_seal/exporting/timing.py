"""Timing by turns, so that a busy moment of the machine meets all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np


def medians(
    runs: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 30,
    least: int = 3,
    seconds: float = 3.0,
) -> dict[str, float]:
    """Time functions one after the other, several times.

    Args:
        runs: The functions by name.
        rounds: Times that each is run at most; once more before, uncounted.
        least: Times that each is run at least.
        seconds: When this much time has passed, no further round begins.

    Returns:
        The median of each in seconds.

    Examples:
        >>> sorted(medians({"a": lambda: 1 + 1, "b": lambda: 2 + 2}, rounds=3))
        ['a', 'b']
    """
    for run in runs.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    begin = time.perf_counter()
    for done in range(rounds):
        if done >= least and time.perf_counter() - begin > seconds:
            break
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(each)) for name, each in taken.items()}
