"""`keras-seal evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.cli.tables import show_scores


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="What to measure on.",
)
@backends.option
def command(run: Path, split: str, backend: str | None) -> None:
    """Measure the pose-net of the run folder RUN, and write RUN/evaluation/SPLIT.json and .md.

    The run may have been trained on another backend.
    """
    from keras_seal.runs.folder import RunFolder

    backends.select(backend, RunFolder.open(run).recipe.backend)

    from keras_seal import runs

    scores = runs.evaluate(run, split, note=click.echo)
    show_scores(f"{split} split, {scores['frames']} frames", scores)
