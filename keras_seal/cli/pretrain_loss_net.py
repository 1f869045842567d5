"""`keras-seal pretrain-loss-net`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


@click.command("pretrain-loss-net")
@click.argument("recipe")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The loss-net's .keras file."
)
@shared.recipe_overrides("pretraining.epochs=5")
@backends.option
def command(recipe: str, out: Path, overrides: tuple[str, ...], backend: str | None) -> None:
    """Train the loss-net of RECIPE on true poses alone, as its key `pretraining` says.

    Use the file as `loss_net.path` of any recipe with the same joints: with `seal.mode: static` it
    stays as it is, with `dynamic` it is where training begins.
    """
    from keras_seal import recipes

    if out.suffix != ".keras":
        raise UserError(f"Nets are written as .keras files, but the path given is '{out}'.")
    if out.exists():
        raise UserError(f"{out} is there already, and nothing is written over.")
    loaded = recipes.load(recipe, overrides)
    backends.select(backend, loaded.backend)

    from keras_seal.runs import pretraining

    pretraining.pretrain(loaded, out, note=click.echo)
