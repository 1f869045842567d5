"""`keras-seal export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keras_seal.cli import backend as backends
from keras_seal.exporting.formats import FORMATS


@click.command("export")
@click.argument("lifter", type=click.Path(path_type=Path))
@click.option("--format", "format_", required=True, type=click.Choice(list(FORMATS)))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The .onnx, .tflite or .xml file; for a SavedModel a folder.",
)
@click.option(
    "--with-processing",
    is_flag=True,
    help="Put the joint map and the normalisation inside: pixels and image size go in.",
)
@click.option("--layout", help="Order of the joints that go in then; by default the lifter's.")
@click.option("--joint-map", metavar="NAME", help="From those joints to the lifter's; a name or a "
              "YAML file.")  # fmt: skip
@click.option("--skeleton", help="The lifter's joints, where it does not tell.")
def command(
    lifter: Path,
    format_: str,
    out: Path,
    with_processing: bool,
    layout: str | None,
    joint_map: str | None,
    skeleton: str | None,
) -> None:
    """Write LIFTER, a .keras file or a run folder, as a file that runs without Keras.

    The file is run by its own runtime beside Keras: poses must agree within 0.1 mm, and the time of
    both is measured. What goes in and comes out is said in a card, PATH.card.json.
    """
    from keras_seal import exporting

    exporting.check(format_, out)
    # A .keras file is the same on every backend, and every converter starts from TensorFlow.
    backends.select("tensorflow")
    done = exporting.export(
        lifter,
        out,
        format_,
        with_processing=with_processing,
        layout=layout,
        joint_map=joint_map,
        skeleton=skeleton,
    )
    card = done.card
    for each in (*card["inputs"], *card["outputs"]):
        shape = ", ".join(map(str, each["shape"]))
        click.echo(f"{each['name']} ({shape}): {each['unit']}")
    parity = card["parity"]
    click.echo(
        f"Largest difference from Keras: {1e3 * parity['largest_difference']:.2g} mm "
        f"({parity['windows']} random windows)"
    )
    _print_latency(card)
    click.echo(f"Written: {done.path}, {done.card_path}")


def _print_latency(card: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", title="milliseconds a frame (median)")
    rows = card["latency"]["medians"]
    names = list(rows[0]["milliseconds_a_frame"])
    for column in ("windows at a time", *names, f"{names[1]} ÷ {names[0]}"):
        table.add_column(column, justify="right")
    for row in rows:
        times = list(row["milliseconds_a_frame"].values())
        cells = [f"{time:.3g}" for time in times]
        table.add_row(str(row["windows"]), *cells, f"{times[1] / times[0]:.2f}")
    Console().print(table)
