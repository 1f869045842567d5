"""`keras-seal train`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.cli.tables import show_scores
from keras_seal.errors import UserError

if TYPE_CHECKING:
    from keras_seal.runs import RunFolder


@click.command("train")
@click.argument("recipe", required=False)
@shared.recipe_overrides()
@backends.option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder, new or empty; by default runs/NAME-YYYYMMDD-HHMMSS.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with an interrupted run; it ends as if it had not been interrupted.",
)
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    backend: str | None,
    out: Path | None,
    resume: Path | None,
) -> None:
    """Train as RECIPE says: a YAML file, or the name of a built-in recipe."""
    if (recipe is None) == (resume is None):
        raise UserError("Give a RECIPE to train, or --resume RUN to go on with a run.")
    if resume is not None:
        for name, given in (("--set", overrides), ("--out", out)):
            if given:
                raise UserError(
                    f"{name} cannot go with --resume: a resumed run keeps its recipe and folder."
                )
        _resume(resume, backend)
    else:
        _start(str(recipe), overrides, backend, out)


def _start(recipe: str, overrides: tuple[str, ...], backend: str | None, out: Path | None) -> None:
    from keras_seal import recipes
    from keras_seal.runs.folder import RunFolder

    loaded = recipes.load(recipe, overrides)
    # What costs nothing is checked before Keras is imported.
    path = RunFolder.unused(out or RunFolder.default_path(loaded.name))
    backends.select(backend, loaded.backend)

    from keras_seal import runs

    if backend is not None:
        loaded = loaded.model_copy(update={"backend": backend})
    with _interruptible(path):
        folder = runs.start(loaded, path, note=click.echo)
    _show_result(folder)


def _resume(path: Path, backend: str | None) -> None:
    from keras_seal.runs.folder import RunFolder

    begun_on = RunFolder.open(path).recipe.backend
    if backend not in (None, begun_on):
        raise UserError(f"The run {path} is on {begun_on} and cannot go on with {backend}.")
    backends.select(begun_on)

    from keras_seal import runs

    with _interruptible(path):
        folder = runs.resume(path, note=click.echo)
    _show_result(folder)


def _show_result(folder: RunFolder) -> None:
    result = json.loads(folder.metrics.read_text(encoding="utf-8"))
    split = "test" if "test" in result else "validation"
    show_scores(
        f"{split.capitalize()} split, {result[split]['frames']} frames, weights of epoch"
        f" {result['selected_epoch']}",
        result[split],
    )


@contextmanager
def _interruptible(path: Path) -> Iterator[None]:
    """Say how to go on after Ctrl-C; what is on the disk is whole at any moment."""
    try:
        yield
    except KeyboardInterrupt:
        if (path / "recipe.yaml").is_file():
            again = shlex.join(["keras-seal", "train", "--resume", str(path)])
            click.echo(f"\nInterrupted. Go on by: {again}", err=True)
        else:
            click.echo("\nInterrupted before anything was written.", err=True)
        raise SystemExit(130) from None
