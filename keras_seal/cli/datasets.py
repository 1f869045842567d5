"""`keras-seal datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_seal.cli import shared
from keras_seal.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keras_seal.data import PoseSplits

_MOST_PEOPLE = 8

_CONFIG = click.option("--config", metavar="NAME", help="Variant; by default the first one.")
_OPTIONS = shared.overrides("Change an option of the data source; may be given again.")
_DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where prepared sets lie; by default 'datasets' in the cache folder.",
)


@click.group("datasets")
def command() -> None:
    """Prepare, describe and check data sets."""


@command.command("list")
@_DATA_DIR
def list_datasets(data_dir: Path | None) -> None:
    """List the data sets, their variants, and which of them are prepared."""
    from rich.console import Console
    from rich.table import Table

    from keras_seal import datasets
    from keras_seal.datasets import library

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("variant", "what it is", "prepared as"):
        table.add_column(column, overflow="fold")
    for name in datasets.names():
        builder = datasets.get(name)
        there = library.prepared_variants(builder, data_dir)
        table.add_row(f"[bold]{name}[/]", f"[italic]Licence: {builder.LICENCE}[/]", "")
        for config in builder.BUILDER_CONFIGS:
            forms = there.pop(config.name, [])
            table.add_row(f"  {config.name}", config.description, ", ".join(forms) or "-")
        for variant, forms in there.items():
            table.add_row(f"  {variant}", "Prepared with changed options.", ", ".join(forms))
    Console().print(table)


@command.command("prepare")
@click.argument("name")
@_CONFIG
@_OPTIONS
@click.option(
    "--manual-dir",
    type=click.Path(path_type=Path),
    help="Folder of the files that you have fetched.",
)
@_DATA_DIR
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help="array_record (random access) or tfrecord (tf.data); by default both.",
)
def prepare(
    name: str,
    config: str | None,
    overrides: tuple[str, ...],
    manual_dir: Path | None,
    data_dir: Path | None,
    formats: tuple[str, ...],
) -> None:
    """Prepare a data set: read your files, check them, and write TensorFlow Datasets."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from keras_seal import datasets

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(file_format: str, done: int, total: int) -> None:
            if file_format not in tasks:
                tasks[file_format] = bars.add_task(f"{file_format}, sequences", total=total)
            bars.update(tasks[file_format], completed=done)

        datasets.prepare(
            name,
            config=config,
            options=_parsed(overrides),
            manual_dir=manual_dir,
            data_dir=data_dir,
            formats=formats or None,
            progress=show,
            note=click.echo,
        )


@command.command("describe")
@click.argument("name")
@_CONFIG
@_OPTIONS
@_DATA_DIR
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with pictures.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write JSON.")
def describe(
    name: str,
    config: str | None,
    overrides: tuple[str, ...],
    data_dir: Path | None,
    html: Path | None,
    json_file: Path | None,
) -> None:
    """Tell what a prepared set holds, or a file of splits: people, frames, bones, outliers."""
    from rich.console import Console
    from rich.table import Table

    from keras_seal import files
    from keras_seal.datasets import page
    from keras_seal.datasets.description import describe as measure

    splits = _read(name, config, overrides, data_dir)
    description = measure(splits)
    table = Table(title=f"{name}, skeleton {description['skeleton']}", title_justify="left")
    table.add_column("")
    for split in description["splits"]:
        table.add_column(split, justify="right")
    for row in page.rows(description):
        table.add_row(*row)
    Console().print(table)
    _show_bones(description)
    if json_file is not None:
        files.write_json(json_file, description)
        click.echo(f"Written: {json_file}")
    if html is not None:
        page.write_page(html, name, description, splits)
        click.echo(f"Written: {html}")


@command.command("verify")
@click.argument("name")
@_CONFIG
@_OPTIONS
@click.option(
    "--manual-dir",
    type=click.Path(path_type=Path),
    help="Folder of the files it was made from, if it has moved.",
)
@_DATA_DIR
def verify(
    name: str,
    config: str | None,
    overrides: tuple[str, ...],
    manual_dir: Path | None,
    data_dir: Path | None,
) -> None:
    """Compare a prepared set with its checksums, its builder's version and its source files."""
    from keras_seal import datasets
    from keras_seal.data import DamagedFileError
    from keras_seal.datasets import library
    from keras_seal.datasets.preparing import check

    if manual_dir is not None and not manual_dir.is_dir():
        raise UserError(f"There is no folder '{manual_dir}'.")
    builder = datasets.get(name)
    chosen = library.config_of(builder, config, _parsed(overrides))
    places = [library.prepared_folder(builder, chosen, each, data_dir) for each in datasets.FORMATS]
    places = [place for place in places if place.is_dir()]
    if not places:
        raise UserError(library.not_prepared(builder, chosen, data_dir))
    failed = False
    for place in places:
        try:
            manifest = check(builder, chosen, place, manual_dir)
        except DamagedFileError as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
            continue
        count = len(manifest.inputs)
        click.echo(f"{place}: as it was written, from {count} files, version {manifest.version}.")
    if failed:
        raise SystemExit(1)


def _show_bones(description: Mapping[str, Any]) -> None:
    """A row a bone, a column a person: screens are narrow."""
    from rich.console import Console
    from rich.table import Table

    people = {
        (subject, split): facts["bone_lengths_mm"]
        for split, part in description["splits"].items()
        for subject, facts in part["subjects"].items()
    }
    shown = list(people)[:_MOST_PEOPLE]
    left_out = len(people) - len(shown)
    title = "Mean bone lengths, mm; a bone is named by its far joint"
    if left_out:
        title += f" ({left_out} more people: see --json)"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for subject, split in shown:
        table.add_column(f"{subject} ({split})", justify="right", overflow="fold")
    bones = next(iter(description["splits"].values()))["bones"]
    for index, bone in enumerate(bones):
        lengths = (f"{people[person][index]:.0f}" for person in shown)
        table.add_row(bone.replace("_", " "), *lengths)
    Console().print(table)


def _read(
    name: str, config: str | None, overrides: tuple[str, ...], data_dir: Path | None
) -> PoseSplits:
    from keras_seal import datasets
    from keras_seal.data import PoseSplits
    from keras_seal.quiet import without_tensorflow_chatter

    if name.endswith(".npz"):
        if not Path(name).is_file():
            raise UserError(f"There is no file '{name}'.")
        return PoseSplits.load(name)
    with without_tensorflow_chatter():
        return datasets.load(name, config=config, options=_parsed(overrides), data_dir=data_dir)


def _parsed(overrides: tuple[str, ...]) -> dict[str, Any]:
    from keras_seal.recipes import parse_override

    parsed = map(parse_override, overrides)
    return {".".join(parts): value for parts, value in parsed}
