"""Is one model really better than another? Paired bootstrap over sequences and seeds."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_seal.errors import UserError
from keras_seal.evaluation.figures import FIGURES

#: What is compared where nobody says otherwise.
METRICS = ("mpjpe", "p_mpjpe", "mpjve", "lse", "bsle", "lle", "jae")
#: Structural figures, for the gain at equal P-MPJPE.
STRUCTURAL = ("lse", "bsle", "lle", "jae")
_MORE_IS_BETTER = ("pck", "auc")
_EQUAL = "p_mpjpe"
_FACTS = ("name", "subject", "action", "frames")
# Numbers of one block of resampled weights.
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run scored in each sequence of a test set.

    Args:
        label: What is compared: runs of one label are repetitions with other seeds.
        seed: The run's seed.
        sequences: What identifies each sequence `(S,)`.
        frames: Frames `(S,)` of each.
        values: Means `(S,)` of each metric, NaN where a sequence has none.
    """

    label: str
    seed: int
    sequences: tuple[str, ...]
    frames: np.ndarray
    values: Mapping[str, np.ndarray]

    def mean(self, metric: str) -> float:
        """Take the mean of a metric over the frames of all sequences that have a value.

        Args:
            metric: Its name.

        Returns:
            The mean; NaN where no sequence has a value.
        """
        known = np.isfinite(self.values[metric])
        weights = self.frames * known
        total = float(weights.sum())
        return (
            float(weights @ np.where(known, self.values[metric], 0.0)) / total if total else np.nan
        )


@dataclass(frozen=True)
class Estimate:
    """A figure with its confidence interval.

    Args:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """One label against another, in one metric.

    Args:
        metric: The metric.
        baseline: The label compared with.
        other: The label compared.
        baseline_value: The metric of the baseline, the mean over its seeds.
        difference: Other less baseline.
        winner: The better label, `None` where the interval holds zero.
        at_equal_p_mpjpe: The difference that remains when the metric is corrected for the
            difference in P-MPJPE, for structural metrics; else `None`.
    """

    metric: str
    baseline: str
    other: str
    baseline_value: float
    difference: Estimate
    winner: str | None
    at_equal_p_mpjpe: Estimate | None


def read_outcome(path: str | Path, label: str, seed: int) -> Outcome:
    """Read a run's `sequences.csv`.

    Args:
        path: The file, as `keras-seal evaluate` writes it.
        label: What the run is a repetition of.
        seed: Its seed.

    Returns:
        The outcome.

    Raises:
        UserError: There is no such file, or it is no such table.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no '{path}': measure the run by keras-seal evaluate first.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    metrics = [name for name in (rows[0] if rows else ()) if name in FIGURES]
    if not rows or not metrics or any(fact not in rows[0] for fact in _FACTS):
        raise UserError(f"'{path}' is no table of sequences: measure the run again.")
    try:
        frames = np.array([float(row["frames"]) for row in rows])
        values = {
            name: np.array([float(row[name]) if row[name] else np.nan for row in rows])
            for name in metrics
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"'{path}' is damaged ({error}): measure the run again.") from error
    sequences = tuple(f"{row['subject']}|{row['action']}|{row['name']}" for row in rows)
    return Outcome(label, seed, sequences, frames, values)


def compare(
    outcomes: Sequence[Outcome],
    *,
    metrics: Sequence[str] | None = None,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Compare every label with the first one.

    Frames of one sequence are much alike, so that sequences are drawn, not frames; and a label is
    only as good as its seeds allow, so that seeds are drawn too. Both labels get the same
    sequences in each draw, and the same seeds where they were trained with the same. A metric is
    the mean over frames, then over seeds; intervals are percentiles of the draws.

    The difference at equal P-MPJPE takes away what the difference in P-MPJPE explains: the metric's
    slope over P-MPJPE across the sequences, fitted in each draw.

    Args:
        outcomes: Runs on one test set; several of a label are repetitions.
        metrics: What to compare; the usual ones that all runs have by default.
        resamples: Number of draws.
        confidence: Share of the draws that an interval holds.
        seed: Seed of the draws.

    Returns:
        One comparison for each label but the first and each metric.

    Raises:
        UserError: There is nothing to compare, runs were measured on different sequences, or a
            metric is missing.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> names, frames = tuple(map(str, range(40))), np.full(40, 100.0)
        >>> plain = rng.normal(50, 5, size=40)
        >>> runs = [Outcome("plain", 0, names, frames, {"mpjpe": plain}),
        ...         Outcome("better", 0, names, frames, {"mpjpe": plain - rng.normal(2, 1, 40)})]
        >>> compare(runs, resamples=500)[0].winner
        'better'

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    labels = list(dict.fromkeys(outcome.label for outcome in outcomes))
    if len(labels) < 2:
        raise UserError(
            "A comparison needs runs of two labels at least, got "
            f"{', '.join(labels) if labels else 'none'}."
        )
    if resamples < 100 or not 0 < confidence < 1:
        raise UserError(
            f"`resamples` must be at least 100 and `confidence` between 0 and 1, got {resamples} "
            f"and {confidence}."
        )
    first = outcomes[0]
    for outcome in outcomes[1:]:
        same = outcome.sequences == first.sequences
        if not same or not np.array_equal(outcome.frames, first.frames):
            raise UserError(
                f"'{outcome.label}' (seed {outcome.seed}) was measured on other sequences than "
                f"'{first.label}': compare runs on one split, by one protocol."
            )
    chosen = comparable(outcomes, metrics)
    rng = np.random.default_rng(seed)
    draws = _SequenceDraws(outcomes, labels[0], chosen, resamples, rng)
    results = []
    for other in labels[1:]:
        seeds = _SeedDraws(outcomes, (labels[0], other), resamples, rng)
        results += [_compare(name, draws, seeds, confidence) for name in chosen]
    return results


def comparable(outcomes: Sequence[Outcome], metrics: Sequence[str] | None = None) -> list[str]:
    """Tell in which metrics runs can be compared.

    Args:
        outcomes: The runs.
        metrics: What is asked for; the usual ones that all runs have by default.

    Returns:
        Names of metrics.

    Raises:
        UserError: A run lacks one that is asked for.
    """
    first = outcomes[0]
    shared = [name for name in first.values if all(name in each.values for each in outcomes)]
    chosen = list(metrics) if metrics else [name for name in METRICS if name in shared]
    for name in chosen:
        if name not in shared:
            raise UserError(f"Not all runs have the metric '{name}'; all have {', '.join(shared)}.")
    return chosen


class _SequenceDraws:
    """Every run's means in draws of the sequences, the same draws for all runs and metrics."""

    def __init__(
        self,
        outcomes: Sequence[Outcome],
        baseline: str,
        metrics: Sequence[str],
        resamples: int,
        rng: np.random.Generator,
    ) -> None:
        frames = outcomes[0].frames
        names = list(metrics)
        if _EQUAL not in names and all(_EQUAL in each.values for each in outcomes):
            names.append(_EQUAL)
        tables = {
            name: np.stack([each.values[name] for each in outcomes], axis=1) for name in names
        }
        known = {name: np.isfinite(table) for name, table in tables.items()}
        filled = {name: np.where(known[name], table, 0.0) for name, table in tables.items()}
        own = [place for place, each in enumerate(outcomes) if each.label == baseline]
        self.structural = [name for name in metrics if name in STRUCTURAL and _EQUAL in names]
        # Columns that are summed with each draw's weights: values and counts of every metric, then
        # what the slopes of the structural ones over P-MPJPE take.
        columns = [array for name in names for array in (filled[name], known[name])]
        for name in self.structural:
            both = known[name][:, own] & known[_EQUAL][:, own]
            x, y = (np.where(both, filled[each][:, own], 0.0) for each in (_EQUAL, name))
            columns.append(
                np.stack([each.sum(axis=1) for each in (both, x, y, x * x, x * y)], axis=1)
            )
        table = np.concatenate(columns, axis=1, dtype="float64")
        sums = np.empty((resamples + 1, table.shape[1]))
        sums[0] = frames @ table
        step = max(1, _BLOCK_NUMBERS // len(frames))
        for begin in range(0, resamples, step):
            count = min(step, resamples - begin)
            weights = _draws(rng, len(frames), count) * frames
            sums[begin + 1 : begin + 1 + count] = weights @ table
        runs = len(outcomes)
        self._means = {
            name: sums[:, 2 * runs * place : 2 * runs * place + runs]
            / np.maximum(sums[:, 2 * runs * place + runs : 2 * runs * (place + 1)], 1e-300)
            for place, name in enumerate(names)
        }
        rest = sums[:, 2 * runs * len(names) :]
        self.slopes = {
            name: _slopes(*rest[:, 5 * place : 5 * place + 5].T)
            for place, name in enumerate(self.structural)
        }

    def means(self, name: str, runs: Sequence[int]) -> np.ndarray:
        """Means `(1 + draws, runs)` over the frames of sequences that have a value."""
        return self._means[name][:, runs]


class _SeedDraws:
    """Two labels' runs, and how often each is drawn."""

    def __init__(
        self,
        outcomes: Sequence[Outcome],
        labels: tuple[str, str],
        resamples: int,
        rng: np.random.Generator,
    ) -> None:
        self.labels = labels
        self.sides = [
            [place for place, each in enumerate(outcomes) if each.label == label]
            for label in labels
        ]
        seeds = [[outcomes[place].seed for place in side] for side in self.sides]
        paired = len(set(seeds[0])) == len(seeds[0]) and sorted(seeds[0]) == sorted(seeds[1])
        if paired:
            self.sides = [sorted(side, key=lambda each: outcomes[each].seed) for side in self.sides]
        drawn = [_draws(rng, len(side), resamples) for side in self.sides]
        self.weights = [drawn[0], drawn[0]] if paired else drawn

    def difference(self, draws: _SequenceDraws, name: str) -> tuple[float, np.ndarray]:
        """The other label's mean less the baseline's: as observed, and in each draw."""
        means = [draws.means(name, side) for side in self.sides]
        observed = float(means[1][0].mean() - means[0][0].mean())
        drawn = [
            (weights * each[1:]).sum(axis=1) / weights.sum(axis=1)
            for weights, each in zip(self.weights, means, strict=True)
        ]
        return observed, drawn[1] - drawn[0]


def _compare(name: str, draws: _SequenceDraws, seeds: _SeedDraws, confidence: float) -> Comparison:
    observed, drawn = seeds.difference(draws, name)
    difference = _estimate(observed, drawn, confidence)
    equal = None
    if name in draws.structural:
        slopes = draws.slopes[name]
        by_observed, by_drawn = seeds.difference(draws, _EQUAL)
        equal = _estimate(
            observed - float(slopes[0]) * by_observed, drawn - slopes[1:] * by_drawn, confidence
        )
    baseline, other = seeds.labels
    winner = None
    if difference.clear:
        other_wins = (difference.value > 0) == (name in _MORE_IS_BETTER)
        winner = other if other_wins else baseline
    value = float(draws.means(name, seeds.sides[0])[0].mean())
    return Comparison(name, baseline, other, value, difference, winner, equal)


def _slopes(
    n: np.ndarray, sx: np.ndarray, sy: np.ndarray, sxx: np.ndarray, sxy: np.ndarray
) -> np.ndarray:
    """Slope of y over x in each draw, from weighted sums; 0 where it is open."""
    n = np.maximum(n, 1e-300)
    variance, covariance = sxx - sx * sx / n, sxy - sx * sy / n
    steep = variance > 1e-9 * np.maximum(sxx, 1e-300)
    return np.where(steep, covariance / np.where(steep, variance, 1.0), 0.0)


def _draws(rng: np.random.Generator, count: int, resamples: int) -> np.ndarray:
    """How often each of `count` things is drawn, `(resamples, count)`."""
    return rng.multinomial(count, np.full(count, 1.0 / count), size=resamples).astype(float)


def _estimate(value: float, draws: np.ndarray, confidence: float) -> Estimate:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(value), float(low), float(high))
