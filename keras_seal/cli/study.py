"""`keras-seal study`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


@click.command("study")
@click.argument("recipe")
@click.option(
    "--variants",
    default="baseline,seal,constraint",
    show_default=True,
    metavar="NAMES",
    help="What to compare, with commas: 'baseline' (no loss-net), 'recipe' (as it is written),"
    " any of keras-seal recipes list, or YAML files; joined by + they lie over one another.",
)
@click.option(
    "--seeds",
    default="3",
    show_default=True,
    metavar="N",
    help="Seeds 0 to N - 1 for each variant; or the seeds themselves, with commas.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the study. The same command goes on with what is there.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="At a time.")
@shared.overrides(
    "Change a key of all recipes, or of one variant's as --set seal:KEY=VALUE; may be given again."
)
@click.option("--resamples", default=10_000, show_default=True, help="Draws of the bootstrap.")
@click.option("--confidence", default=0.95, show_default=True, help="Of the intervals.")
@backends.option
def command(
    recipe: str,
    variants: str,
    seeds: str,
    out: Path,
    jobs: int,
    overrides: tuple[str, ...],
    resamples: int,
    confidence: float,
    backend: str | None,
) -> None:
    """Train variants of RECIPE with several seeds, measure and compare them.

    RECIPE is a YAML file or a built-in name. Each run is a process of its own; what is finished is
    not run again, what was interrupted goes on, a run that fails does not stop the others. Into DIR
    go the run folders, their logs, and comparison.html, .md and .json: each variant against the
    baseline, on the test split.
    """
    from keras_seal.cli.tables import show_comparisons, show_labels
    from keras_seal.evaluation.comparing import comparable
    from keras_seal.runs.study import Study, plan

    names = [name.strip() for name in variants.split(",") if name.strip()]
    if not names:
        raise UserError("--variants: give one at least, as in --variants baseline,seal.")
    planned = plan(recipe, names, overrides, backend)
    study = Study(out, planned, _seeds(seeds), f"Study of {recipe}")
    try:
        failed = study.run(jobs, click.echo)
    except KeyboardInterrupt:
        click.echo("\nInterrupted. The same command goes on.", err=True)
        raise SystemExit(130) from None
    if any(job.finished for job in study.jobs):
        outcomes, results = study.compare(resamples, confidence)
        show_labels(outcomes, comparable(outcomes))
        show_comparisons(results, study.baseline, confidence)
        click.echo(f"Comparison: {study.folder / 'comparison.html'}")
    for title, lines in failed.items():
        click.echo(f"\nFailed: {title}. The end of its log:", err=True)
        for line in lines:
            click.echo(f"  {line}", err=True)
    if failed:
        raise SystemExit(1)


def _seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise UserError(f"--seeds {text}: expected a number, or seeds with commas as in 0,1,2.")
    found = [int(part) for part in parts]
    if "," not in text:
        found = list(range(found[0]))
    if not found or len(set(found)) < len(found) or max(found) >= 2**32:
        raise UserError(f"--seeds {text}: expected one seed at least, each once and below 2**32.")
    return found
