"""`keras-seal tune`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NoReturn

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


@click.command("tune")
@click.argument("recipe", required=False)
@click.option(
    "--tuner",
    type=click.Choice(["random", "bayesian", "hyperband"]),
    help="How the next trial is chosen; by default random.",
)
@click.option("--max-trials", type=int, metavar="N", help="Trials; by default 20.")
@click.option("--workers", default=1, show_default=True, metavar="K", help="Processes that train.")
@shared.recipe_overrides()
@backends.option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the search, new or empty; by default runs/NAME-tune-YYYYMMDD-HHMMSS.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Go on with an interrupted search; with --max-trials, add trials to it.",
)
def command(
    recipe: str | None,
    tuner: str | None,
    max_trials: int | None,
    workers: int,
    overrides: tuple[str, ...],
    backend: str | None,
    out: Path | None,
    resume: Path | None,
) -> None:
    """Search the keys that RECIPE names in its `tune` block, on people held out of training."""
    if (recipe is None) == (resume is None):
        raise UserError("Give a RECIPE to tune, or --resume FOLDER to go on with a search.")
    # This process computes next to nothing: what it must not do is take a whole graphics card.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if resume is not None:
        for name, given in (("--tuner", tuner), ("--set", overrides), ("--out", out)):
            if given:
                raise UserError(f"{name} cannot go with --resume: a search keeps what it began as.")
        path = _resume(resume, max_trials, workers, backend)
    else:
        path = _start(str(recipe), tuner, max_trials, workers, overrides, backend, out)
    _show(path)


def _start(
    recipe: str,
    tuner: str | None,
    max_trials: int | None,
    workers: int,
    overrides: tuple[str, ...],
    backend: str | None,
    out: Path | None,
) -> Path:
    from keras_seal import recipes
    from keras_seal.recipes.search_space import SearchSpace
    from keras_seal.runs.folder import RunFolder

    loaded = recipes.load(recipe, overrides)
    SearchSpace(loaded)
    # What costs nothing is checked before Keras is imported.
    path = RunFolder.unused(out or RunFolder.default_path(f"{loaded.name}-tune"))
    backends.select(backend, loaded.backend)

    from keras_seal import tuning

    if backend is not None:
        loaded = loaded.model_copy(update={"backend": backend})
    trials = 20 if max_trials is None else max_trials
    try:
        return tuning.search(
            loaded, tuner or "random", trials, path, workers=workers, note=click.echo
        )
    except KeyboardInterrupt:
        _tell_how_to_go_on(path)


def _resume(path: Path, max_trials: int | None, workers: int, backend: str | None) -> Path:
    from keras_seal.tuning.results import SearchFolder

    begun_on = SearchFolder.open(path).facts()["backend"]
    if backend not in (None, begun_on):
        raise UserError(f"The search {path} is on {begun_on} and cannot go on with {backend}.")
    backends.select(begun_on)

    from keras_seal import tuning

    try:
        return tuning.resume(path, max_trials=max_trials, workers=workers, note=click.echo)
    except KeyboardInterrupt:
        _tell_how_to_go_on(path)


def _tell_how_to_go_on(path: Path) -> NoReturn:
    if (path / "search.json").is_file():
        again = shlex.join(["keras-seal", "tune", "--resume", str(path)])
        click.echo(f"\nInterrupted. Go on by: {again}", err=True)
    else:
        click.echo("\nInterrupted before anything was written.", err=True)
    raise SystemExit(130)


def _show(path: Path) -> None:
    import csv

    from rich.console import Console
    from rich.table import Table

    from keras_seal.tuning.results import SearchFolder

    with SearchFolder(path).table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    shown = [index for index, name in enumerate(rows[0]) if name not in ("epoch", "error")]
    table = Table(title="The best trials", title_justify="left")
    for index in shown:
        table.add_column(rows[0][index], justify="right")
    for row in rows[1:11]:
        table.add_row(*(_short(row[index]) for index in shown))
    Console().print(table)


def _short(cell: str) -> str:
    return f"{float(cell):.4g}" if "." in cell and cell.replace(".", "").isdigit() else cell
