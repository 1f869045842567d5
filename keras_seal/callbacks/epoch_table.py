"""Tables in CSV files that survive interruption."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from keras_seal import files


class EpochTable:
    """A CSV file whose first column is the epoch, counted from 1.

    It is written anew for each epoch, whole or not at all. Rows of an epoch replace those that
    an earlier, interrupted training left for this and later epochs.

    Args:
        path: The file; its folder is made where it is missing.
        columns: Names of the columns after `epoch`.

    Examples:
        >>> import tempfile
        >>> table = EpochTable(tempfile.mkdtemp() + "/table.csv", ["error"])
        >>> table.write(1, [[90.0]])
        >>> table.write(2, [[80.0]])
        >>> table.write(2, [[70.0]])
        >>> table.path.read_text().split()
        ['epoch,error', '1,90', '2,70']
    """

    def __init__(self, path: str | os.PathLike[str], columns: Sequence[str]) -> None:
        self.path = Path(path)
        self.columns = ["epoch", *columns]

    def write(self, epoch: int, rows: Sequence[Sequence[str | float]]) -> None:
        """Put rows at the end.

        Args:
            epoch: Their epoch; rows of this and later ones are dropped first.
            rows: Texts and numbers in the order of the columns; NaN leaves a cell empty.

        Raises:
            ValueError: If the file holds earlier epochs of another table.
            OSError: If the file cannot be written; it stays as it was.
        """
        kept = self._before(epoch)
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(kept)
        writer.writerows([epoch, *map(_cell, row)] for row in rows)
        files.write_bytes(self.path, buffer.getvalue().encode())

    def _before(self, epoch: int) -> list[list[str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            columns, *rows = list(csv.reader(file)) or [[]]
        kept = [row for row in rows if row and row[0].isdecimal() and int(row[0]) < epoch]
        if kept and columns != self.columns:
            raise ValueError(
                f"'{self.path}' holds the columns {', '.join(columns)} of another table: give "
                "another path, or remove it."
            )
        return kept


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if value != value else f"{value:.7g}"
