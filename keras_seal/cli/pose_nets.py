"""`keras-seal pose-nets`."""

from __future__ import annotations

import json

import click


@click.command("pose-nets")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(as_json: bool) -> None:
    """List the pose-nets' published configurations.

    The receptive field is in frames, as is what comes out. Operations are those of matrix products
    and convolutions for each frame that comes out, a multiplication and an addition as two.
    """
    from keras_seal import pose_nets

    rows = pose_nets.catalogue()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for column in ("preset", "frames", "weights", "FLOPs a frame", "published", "source"):
        right = column in ("frames", "weights", "FLOPs a frame")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(
            row["preset"],
            f"{row['num_frames']} → {row['out_frames']}",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['flops_per_frame'] / 1e6:,.1f} M",
            row["published"] or "not known",
            row["source"],
        )
    Console().print(table)
