"""Tables on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_seal.evaluation.comparing import Comparison, Outcome


def show_scores(title: str, scores: Mapping[str, Any]) -> None:
    """Print the figures of one split.

    Args:
        title: A line over them.
        scores: What `keras_seal.runs.evaluate_split` gave.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.runs import report

    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for column in ("prediction", "truth itself"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    for row in report.rows(scores):
        table.add_row(*row)
    Console().print(table)


def show_labels(outcomes: Sequence[Outcome], metrics: Sequence[str]) -> None:
    """Print what each label scored: means over its seeds.

    Args:
        outcomes: The runs.
        metrics: Names of metrics.
    """
    from statistics import mean, stdev

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from keras_seal.evaluation.figures import FIGURES

    first = outcomes[0]
    table = Table(
        title=f"{len(first.sequences)} sequences, {first.frames.sum():.0f} frames",
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    table.add_column("seeds", justify="right")
    for name in metrics:
        short = FIGURES[name].title.partition(",")[0]
        table.add_column(f"{short} {FIGURES[name].unit}", justify="right", overflow="fold")
    for label in dict.fromkeys(outcome.label for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.label == label]
        cells = []
        for name in metrics:
            values = [run.mean(name) for run in runs]
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.2f}{spread}")
        table.add_row(label, str(len(runs)), *cells)
    Console().print(table)


def show_comparisons(results: Sequence[Comparison], baseline: str, confidence: float) -> None:
    """Print a table for each label that was compared.

    Args:
        results: What `compare` gave.
        baseline: The label compared with.
        confidence: That of the intervals.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.evaluation.figures import FIGURES

    console = Console()
    for other in dict.fromkeys(result.other for result in results):
        table = Table(title=f"{other}, less {baseline}", title_justify="left")
        table.add_column("figure")
        for heading in (baseline, "difference", f"{confidence:.0%} interval", "at equal P-MPJPE"):
            table.add_column(heading, justify="right", overflow="fold")
        table.add_column("winner", overflow="fold")
        for result in results:
            if result.other != other:
                continue
            figure, difference, equal = (
                FIGURES[result.metric],
                result.difference,
                result.at_equal_p_mpjpe,
            )
            table.add_row(
                f"{figure.title}, {figure.unit}",
                f"{result.baseline_value:.2f}",
                f"{difference.value:+.2f}",
                f"{difference.low:+.2f} to {difference.high:+.2f}",
                ""
                if equal is None
                else f"{equal.value:+.2f} ({equal.low:+.2f} to {equal.high:+.2f})",
                result.winner or "",
            )
        console.print(table)
