"""`keras-seal compare`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--evaluation",
    "evaluations",
    default=("test",),
    show_default="test",
    metavar="NAME",
    multiple=True,
    help="Which evaluation of each run: a folder of RUN/evaluation. Repeatable: those named after "
    "the first are compared like runs of another name.",
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
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write comparison.html, comparison.md and comparison.json there.",
)
def command(
    runs: tuple[Path, ...],
    evaluations: tuple[str, ...],
    metrics: tuple[str, ...],
    resamples: int,
    confidence: float,
    out: Path | None,
) -> None:
    """Compare evaluated runs: differences with intervals, winners only where they are clear.

    RUNS are run folders that keras-seal train or evaluate has measured. Runs of one recipe name
    count as one thing trained with several seeds; the first name is what the others are compared
    with.
    """
    from keras_seal.cli.tables import show_comparisons, show_labels
    from keras_seal.evaluation.comparing import comparable, compare, read_outcome
    from keras_seal.evaluation.comparison_page import write_comparison
    from keras_seal.runs.folder import RunFolder

    outcomes = []
    for evaluation in dict.fromkeys(evaluations):
        for run in runs:
            folder = RunFolder.open(run)
            recipe = folder.recipe
            label = recipe.name if evaluation == evaluations[0] else f"{recipe.name}, {evaluation}"
            outcomes.append(read_outcome(folder.sequences(evaluation), label, recipe.seed))
    results = compare(
        outcomes, metrics=list(metrics) or None, resamples=resamples, confidence=confidence
    )
    told = comparable(outcomes, metrics)
    label = outcomes[0].label
    show_labels(outcomes, told)
    show_comparisons(results, label, confidence)
    if out is not None:
        facts = {
            "each less": label,
            "intervals": f"{confidence:.0%}, paired bootstrap over sequences and seeds, "
            f"{resamples:,} draws",
            "runs": ", ".join(map(str, runs)),
        }
        for path in write_comparison(out, "Comparison of runs", outcomes, results, facts, told):
            click.echo(f"Written: {path}")
