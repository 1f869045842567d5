"""What a run writes down every epoch."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_seal import files
from keras_seal.callbacks.event_file import ImageEvents


class CsvLog:
    """A table with one row an epoch.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewrite(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of these epochs, and no others.

        Args:
            history: Logs of each epoch.
        """
        if not history:
            self.path.unlink(missing_ok=True)
            return
        files.write_text(
            self.path,
            _line(["epoch", *history[0]])
            + "".join(_line([epoch, *row.values()]) for epoch, row in enumerate(history, start=1)),
        )

    def append(self, epoch: int, row: Mapping[str, Any]) -> None:
        """Add a row.

        Args:
            epoch: Number of finished epochs.
            row: Its logs, the same names every time.
        """
        new = not self.path.exists()
        with self.path.open("a", encoding="utf-8", newline="") as file:
            if new:
                file.write(_line(["epoch", *row]))
            file.write(_line([epoch, *row.values()]))


class TensorBoardLog:
    """Scalars for TensorBoard, training and validation as two curves in one chart.

    Args:
        folder: TensorBoard's log folder; `train` and `validation` are made in it.
        finished: Epochs that earlier logs keep; what they hold beyond is hidden.
    """

    def __init__(self, folder: Path, finished: int = 0) -> None:
        self._train = _ScalarEvents(folder / "train", first_step=finished + 1)
        self._validation = _ScalarEvents(folder / "validation", first_step=finished + 1)

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add an epoch's logs.

        Args:
            epoch: Number of finished epochs.
            row: Its logs; names that begin with `val_` belong to validation.
        """
        parts: tuple[dict[str, float], dict[str, float]] = ({}, {})
        for name, value in row.items():
            parts[name.startswith("val_")][name.removeprefix("val_")] = value
        self._train.write_scalars(parts[0], epoch)
        self._validation.write_scalars(parts[1], epoch)

    def close(self) -> None:
        """Close the files."""
        self._train.close()
        self._validation.close()


class _ScalarEvents(ImageEvents):
    def write_scalars(self, values: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2

        entries = [
            summary_pb2.Summary.Value(tag=name, simple_value=value)
            for name, value in values.items()
        ]
        summary = summary_pb2.Summary(value=entries)
        self._write(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))


def _line(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
