"""What a comparison of runs found: for programs, for terminals, and as a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_seal import files, pages
from keras_seal.evaluation.comparing import Comparison, Estimate, Outcome
from keras_seal.evaluation.figures import FIGURES, shown

# Width of the drawn intervals.
_WIDTH = 140


class _Row(NamedTuple):
    """One label in one metric."""

    label: str
    seeds: int
    value: str
    comparison: Comparison | None


def describe(
    outcomes: Sequence[Outcome], results: Sequence[Comparison], metrics: Iterable[str]
) -> dict[str, Any]:
    """Put what was found into a form that JSON can hold.

    Args:
        outcomes: The runs that were compared.
        results: What `compare` gave.
        metrics: Which metrics to tell of every label.

    Returns:
        `sequences`, `frames`, `labels` (for each its seeds, and each metric's mean over the seeds,
        their standard deviation and their own values) and `comparisons`.
    """
    labels: dict[str, Any] = {}
    for label in dict.fromkeys(outcome.label for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.label == label]
        figures = {}
        for name in metrics:
            values = [run.mean(name) for run in runs]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            figures[name] = {"mean": float(np.mean(values)), "deviation": spread, "runs": values}
        labels[label] = {"seeds": [run.seed for run in runs], "metrics": figures}
    return {
        "sequences": len(outcomes[0].sequences),
        "frames": int(outcomes[0].frames.sum()),
        "labels": labels,
        "comparisons": [dataclasses.asdict(result) for result in results],
    }


def write_comparison(
    folder: str | Path,
    title: str,
    outcomes: Sequence[Outcome],
    results: Sequence[Comparison],
    facts: Mapping[str, Any],
    metrics: Sequence[str],
) -> list[Path]:
    """Write `comparison.json`, `comparison.md` and `comparison.html`.

    Args:
        folder: Where to; it is made where it is missing, and older files are replaced.
        title: The title.
        outcomes: The runs that were compared.
        results: What `compare` gave; may be empty where there is one label alone.
        facts: What else to state, by name.
        metrics: Which metrics to tell, in this order.

    Returns:
        The files.

    Raises:
        OSError: A file cannot be written.
    """
    content = describe(outcomes, results, metrics)
    tables = [(name, _rows(name, content, results)) for name in metrics]
    statement = (
        f"{content['frames']:,} frames in {content['sequences']:,} sequences. "
        "Means over frames, then over seeds, ± the standard deviation over seeds."
    )
    texts = {
        "comparison.json": files.to_json({"title": title, **facts, **content}),
        "comparison.md": _markdown(title, statement, facts, tables),
        "comparison.html": _html(title, statement, facts, tables),
    }
    for name, text in texts.items():
        files.write_text(Path(folder) / name, text)
    return [Path(folder) / name for name in texts]


def estimate(value: Estimate | None) -> str:
    """Write a difference with its interval for people.

    Args:
        value: The difference.

    Returns:
        The text; nothing where there is none.

    Examples:
        >>> estimate(Estimate(-1.234, -2.0, -0.5))
        '-1.23 (-2.00 to -0.50)'
    """
    return "" if value is None else f"{value.value:+.2f} ({value.low:+.2f} to {value.high:+.2f})"


def _rows(name: str, content: Mapping[str, Any], results: Sequence[Comparison]) -> list[_Row]:
    found = {result.other: result for result in results if result.metric == name}
    rows = []
    for label, told in content["labels"].items():
        figure = told["metrics"][name]
        spread = "" if figure["deviation"] is None else f" ± {shown(name, figure['deviation'])}"
        value = f"{shown(name, figure['mean'])}{spread}"
        rows.append(_Row(label, len(told["seeds"]), value, found.get(label)))
    return rows


def _cells(row: _Row) -> list[str]:
    result = row.comparison
    told = ["", "", ""]
    if result is not None:
        told = [
            estimate(result.difference),
            estimate(result.at_equal_p_mpjpe),
            result.winner or "",
        ]
    return [row.label, str(row.seeds), row.value, *told]


_HEADINGS = ("", "seeds", "value", "difference (interval)", "at equal P-MPJPE", "clear winner")


def _markdown(
    title: str, statement: str, facts: Mapping[str, Any], tables: list[tuple[str, list[_Row]]]
) -> str:
    lines = [f"# {title}", "", statement, ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for name, rows in tables:
        lines += ["", f"## {FIGURES[name].title}, {FIGURES[name].unit}", ""]
        lines += [f"| {' | '.join(_HEADINGS)} |", "| --- | ---: | ---: | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join([*lines, ""])


def _html(
    title: str, statement: str, facts: Mapping[str, Any], tables: list[tuple[str, list[_Row]]]
) -> str:
    return pages.render(
        "keras_seal.evaluation",
        "comparison.html",
        title,
        statement=statement,
        facts=facts,
        headings=_HEADINGS,
        width=_WIDTH,
        tables=[
            (FIGURES[name], [(row, _cells(row), mark) for row, mark in _drawn(rows)])
            for name, rows in tables
        ],
    )


def _drawn(rows: list[_Row]) -> list[tuple[_Row, dict[str, float] | None]]:
    """Place each interval on an axis that all rows of a table share, with zero in the middle."""
    found = [row.comparison.difference for row in rows if row.comparison is not None]
    reach = max((max(abs(each.low), abs(each.high)) for each in found), default=0.0) or 1.0

    def place(value: float) -> float:
        return round(_WIDTH / 2 * (1 + 0.95 * value / reach), 1)

    marks: list[dict[str, float] | None] = []
    for row in rows:
        if row.comparison is None:
            marks.append(None)
            continue
        each = row.comparison.difference
        marks.append({"low": place(each.low), "value": place(each.value), "high": place(each.high)})
    return list(zip(rows, marks, strict=True))
