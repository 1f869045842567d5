"""`keras-seal recipes`."""

from __future__ import annotations

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


@click.group("recipes")
def command() -> None:
    """List, show and check recipes."""


@command.command("list")
def list_recipes() -> None:
    """List the built-in recipes, and the variants of all of them."""
    from keras_seal import recipes

    for name in recipes.names():
        first_line = recipes.load(name).description.strip().partition("\n")[0]
        click.echo(f"{name:28} {first_line}")
    click.echo("\nRECIPE+VARIANT lays one of these over any of them:")
    for name, text in recipes.variants().items():
        click.echo(f"{'+' + name:28} {text}")


@command.command("show")
@click.argument("recipe")
@click.option("--full", is_flag=True, help="Every key with its value, defaults included.")
@shared.recipe_overrides()
def show(recipe: str, full: bool, overrides: tuple[str, ...]) -> None:
    """Show a recipe: the name of a built-in one, or a file."""
    from keras_seal import recipes

    if overrides and not full:
        raise UserError("--set shows in the full recipe only: add --full.")
    if "+" in recipe and not full:
        raise UserError(f"{recipe} is several files laid over one another: add --full.")
    if full:
        click.echo(recipes.to_yaml(recipes.load(recipe, overrides)), nl=False)
    else:
        click.echo(recipes.find(recipe).read_text(encoding="utf-8"), nl=False)


@command.command("validate")
@click.argument("files", nargs=-1, required=True)
@backends.option
def validate(files: tuple[str, ...], backend: str | None) -> None:
    """Check recipes: keys and values, and that the networks can be made.

    The data is not read, so what only `train` can find, such as a missing folder, stays unsaid.
    """
    from keras_seal import recipes

    loaded, failed = [], False
    for name in files:
        try:
            loaded.append((name, recipes.load(name)))
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
    if loaded:
        backends.select(backend)

        from keras_seal.recipes import building

        for name, recipe in loaded:
            try:
                missing = building.check(recipe)
            except UserError as error:
                click.echo(f"Error: {name}: {error}", err=True)
                failed = True
            else:
                still = f", still to be set: {', '.join(missing)}" if missing else ""
                click.echo(f"{name}: valid{still}")
    if failed:
        raise SystemExit(2)
