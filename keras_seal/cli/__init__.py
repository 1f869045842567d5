"""The command line: `keras-seal`.

This module is light, so that `--help` answers at once: a command is imported when it is called, and
a backend when the command needs one.
"""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from keras_seal import __version__
from keras_seal.errors import UserError

# Module and one line of help by command. The line is repeated here so that listing commands
# imports none of them.
_COMMANDS = {
    "train": "Train as a recipe says, or go on with a run.",
    "pretrain-loss-net": "Train a recipe's loss-net alone, to be used by other recipes.",
    "tune": "Search a recipe's keys, on people held out of training.",
    "evaluate": "Measure a finished run's pose-net on a split.",
    "explain": "Ask a finished run's loss-net what it knows, and where it pulls.",
    "study": "Train variants of a recipe with several seeds, and compare them.",
    "compare": "Compare evaluated runs: differences, intervals, clear winners.",
    "predict": "Lift the people of a 2D keypoint file or a video: motion, BVH, pictures.",
    "export": "Write a lifter as SavedModel, ONNX, LiteRT or OpenVINO, checked and timed.",
    "datasets": "Prepare, describe and check data sets.",
    "convert": "Turn a published PyTorch checkpoint into a .keras file.",
    "recipes": "List, show and check recipes.",
    "pose-nets": "List the pose-nets: size, cost, published figures.",
    "doctor": "Show versions, devices and backends, and look for trouble.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        return importlib.import_module(f"keras_seal.cli.{name.replace('-', '_')}").command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            context.exit(getattr(error, "exit_status", 2))
        except OSError as error:
            # Click itself deals with a closed pipe.
            if error.errno == errno.EPIPE or error.strerror is None:
                raise
            click.echo(f"Error: {error.filename or 'writing'}: {error.strerror}.", err=True)
            context.exit(1)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", prog_name="keras-seal")
def main() -> None:
    """3D human pose lifting with a learned loss, on Keras 3."""
