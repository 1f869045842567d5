"""`keras-seal explain`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared


@click.command("explain")
@click.argument("run", type=click.Path(path_type=Path))
@shared.measured_data(
    "Whose poses to ask about.",
    "Ask about the data of another recipe, a file or a built-in name: does it transfer?",
)
@click.option(
    "--poses",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Samples to ask about, spread evenly over the split.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where it is written; by default RUN/explanation/SPLIT.",
)
@backends.option
def command(
    run: Path,
    split: str,
    on: str | None,
    overrides: tuple[str, ...],
    poses: int,
    out: Path | None,
    backend: str | None,
) -> None:
    """Ask a finished run's loss-net what it knows of plausible poses, and where it pulls.

    RUN is the run folder; it may have been trained on another backend. Into RUN/explanation/SPLIT
    go explanation.html (a page with pictures, all in one file), explanation.md and
    explanation.json.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.runs.folder import RunFolder

    backends.select(backend, RunFolder.open(run).recipe.backend)

    from keras_seal import runs
    from keras_seal.analysis.page import headline

    found = runs.explain(
        run, split, on=on, overrides=overrides, poses=poses, out=out, note=click.echo
    )
    table = Table()
    for heading in ("question", "answer", "interval", "healthy"):
        table.add_column(heading)
    for row in headline(found):
        table.add_row(*row)
    Console().print(table)
