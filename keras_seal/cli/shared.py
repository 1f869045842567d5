"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

_RECIPE_KEYS = "Change a key of the recipe, as in --set {example}; may be given again."


def overrides(help_text: str) -> Callable[[Any], Any]:
    """Make `--set KEY=VALUE`, which may be given again; the command gets `overrides`.

    Args:
        help_text: What it changes.

    Returns:
        The decorator.
    """
    return click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=help_text)


def recipe_overrides(example: str = "training.epochs=5") -> Callable[[Any], Any]:
    """Make `--set KEY=VALUE` for a command that takes a recipe.

    Args:
        example: What its help shows.

    Returns:
        The decorator.
    """
    return overrides(_RECIPE_KEYS.format(example=example))


def measured_data(split_help: str, on_help: str) -> Callable[[Any], Any]:
    """Make `--split`, `--on` and `--set`, for commands that look at a run with some data.

    Args:
        split_help: Help of `--split`.
        on_help: Help of `--on`, which names another recipe's data.

    Returns:
        The decorator.
    """
    made = (
        click.option(
            "--split",
            type=click.Choice(["test", "validation", "train"]),
            default="test",
            show_default=True,
            help=split_help,
        ),
        click.option("--on", metavar="RECIPE", help=on_help),
        overrides("Change a key of the recipe that names the data; may be given again."),
    )

    return _all(made)


def refining(refine_help: str, default_help: str) -> Callable[[Any], Any]:
    """Make `--refine` and `--loss-net`, for commands that move poses down an energy.

    Args:
        refine_help: Help of `--refine`.
        default_help: Which loss-net it is by default, for the help of `--loss-net`.

    Returns:
        The decorator.
    """
    return _all(
        (
            click.option("--refine", default=0, metavar="STEPS", help=refine_help),
            click.option(
                "--loss-net",
                type=click.Path(path_type=Path),
                metavar="LOSS_NET",
                help=f"The loss-net for --refine: a .keras file or a run folder; {default_help}.",
            ),
        )
    )


def _all(made: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(made):
            command = option(command)
        return command

    return decorate
