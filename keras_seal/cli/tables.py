"""Tables on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def show_scores(title: str, scores: Mapping[str, Any]) -> None:
    """Print the figures of one split.

    Args:
        title: A line over them.
        scores: What `keras_seal.runs.evaluate_split` gave.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.runs import report

    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for column in ("prediction", "truth itself"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    for row in report.rows(scores):
        table.add_row(*row)
    Console().print(table)
