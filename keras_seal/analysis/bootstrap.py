"""How sure a figure is: intervals by drawing whole sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_seal.evaluation.comparing import Estimate

# Numbers of one block of weights.
_BLOCK_NUMBERS = 1_000_000


class Bootstrap:
    """Draws of whole groups with replacement, the same ones for every figure.

    Poses of one sequence are much alike, so that sequences are drawn, not poses. Intervals hold
    the middle `confidence` of the draws. Where there is only one group nothing can be said about
    others, and both ends are NaN.

    Args:
        groups: The group `(rows,)` of each row.
        draws: Number of draws.
        confidence: Share of the draws that an interval holds.
        seed: Seed of the draws.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> values = rng.normal(1.0, 0.5, 400)
        >>> found = Bootstrap(np.arange(400)).estimate(lambda mean: mean, values)
        >>> found.clear, bool(found.low < values.mean() < found.high)
        (True, True)

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """

    def __init__(
        self, groups: Any, draws: int = 1000, confidence: float = 0.95, seed: int = 0
    ) -> None:
        _, self._owners = np.unique(np.asarray(groups), return_inverse=True)
        self._size = int(self._owners.max()) + 1
        self.draws = draws
        self.confidence = confidence
        self.seed = seed

    def estimate(self, statistic: Callable[..., Any], *values: np.ndarray) -> Estimate:
        """Estimate what follows from means over rows.

        Args:
            statistic: Takes the mean of each of `values`, as numbers or as arrays of one a draw,
                and returns the figure.
            *values: Values `(rows,)`.

        Returns:
            The figure and its interval; NaN where it is not defined.
        """
        sums = np.stack(
            [np.bincount(self._owners, np.asarray(v, "float64"), self._size) for v in values]
        )
        counts = np.bincount(self._owners, minlength=self._size).astype("float64")
        drawn = np.concatenate(
            [
                (weights @ sums.T) / (weights @ counts)[:, None]
                for weights in self._weights(self._size)
            ]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(statistic(*(sums.sum(axis=1) / counts.sum())))
            return self._interval(value, np.asarray(statistic(*drawn.T)))

    def auroc(self, low: np.ndarray, high: np.ndarray) -> Estimate:
        """Estimate the share of pairs in which the second kind's value is the higher.

        Args:
            low: Values `(rows,)` that should be the lower ones.
            high: Values `(rows,)` that should be the higher ones, of the same rows' groups.

        Returns:
            The area under the ROC curve, ties counting half, and its interval.
        """
        values = np.concatenate([low, high]).astype("float64")
        order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
        is_high = order >= len(low)
        owners = np.concatenate([self._owners, self._owners])[order]

        def area(weights: np.ndarray) -> np.ndarray:
            rows = weights[:, owners]
            highs = np.add.reduceat(rows * is_high, starts, axis=1)
            lows = np.add.reduceat(rows * ~is_high, starts, axis=1)
            below = np.cumsum(lows, axis=1) - 0.5 * lows
            return (highs * below).sum(axis=1) / (highs.sum(axis=1) * lows.sum(axis=1))

        value = float(area(np.ones((1, self._size)))[0])
        return self._interval(
            value, np.concatenate([area(weights) for weights in self._weights(len(values))])
        )

    def _weights(self, numbers: int) -> Iterator[np.ndarray]:
        """How often each group is drawn, some draws at a time; the same for every figure."""
        rng = np.random.default_rng(self.seed)
        step = max(1, _BLOCK_NUMBERS // numbers)
        chances = np.full(self._size, 1.0 / self._size)
        for begin in range(0, self.draws, step):
            count = min(step, self.draws - begin)
            yield rng.multinomial(self._size, chances, size=count).astype("float64")

    def _interval(self, value: float, drawn: np.ndarray) -> Estimate:
        drawn = drawn[np.isfinite(drawn)]
        if self._size < 2 or not len(drawn) or not np.isfinite(value):
            return Estimate(value, float("nan"), float("nan"))
        ends = (1 - self.confidence) / 2, (1 + self.confidence) / 2
        low, high = np.quantile(drawn, ends)
        return Estimate(value, float(low), float(high))
