"""`keras-seal compare`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--evaluation",
    default="test",
    show_default=True,
    metavar="NAME",
    help="Which evaluation of each run: a folder of RUN/evaluation.",
)
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="A metric to compare, for instance p_mpjpe. Repeatable; the usual ones by default.",
)
@click.option("--resamples", default=10_000, show_default=True, help="Draws of the bootstrap.")
@click.option("--confidence", default=0.95, show_default=True, help="Of the intervals.")
def command(
    runs: tuple[Path, ...],
    evaluation: str,
    metrics: tuple[str, ...],
    resamples: int,
    confidence: float,
) -> None:
    """Compare evaluated runs: differences with intervals, winners only where they are clear.

    RUNS are run folders that keras-seal evaluate has measured. Runs of one recipe name count as one
    thing trained with several seeds; the first name is what the others are compared with.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.evaluation.comparing import compare, read_outcome
    from keras_seal.evaluation.figures import FIGURES
    from keras_seal.runs.folder import RunFolder

    outcomes = []
    for run in runs:
        recipe = RunFolder.open(run).recipe
        path = run / "evaluation" / evaluation / "sequences.csv"
        outcomes.append(read_outcome(path, recipe.name, recipe.seed))
    results = compare(
        outcomes, metrics=list(metrics) or None, resamples=resamples, confidence=confidence
    )
    seeds = {each.label: sum(o.label == each.label for o in outcomes) for each in outcomes}
    first = outcomes[0]
    console = Console()
    console.print(
        f"{len(first.sequences)} sequences, {first.frames.sum():.0f} frames; seeds: "
        + ", ".join(f"{label} {count}" for label, count in seeds.items())
    )
    for other in dict.fromkeys(result.other for result in results):
        table = Table(title=f"{other}, less {first.label}", title_justify="left")
        table.add_column("figure")
        for heading in (
            first.label,
            "difference",
            f"{confidence:.0%} interval",
            "at equal P-MPJPE",
        ):
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
