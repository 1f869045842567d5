"""What a run writes down every epoch."""

from __future__ import annotations

import csv
import io
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_seal.runs.folder import write_text


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
        write_text(
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

    Written without TensorFlow, whose own writer would cost other backends seconds of importing.

    Args:
        folder: TensorBoard's log folder; `train` and `validation` are made in it.
        first_epoch: Finished epochs that earlier logs keep; what they hold beyond is hidden.
    """

    def __init__(self, folder: Path, first_epoch: int = 0) -> None:
        from tensorboard.compat.proto import event_pb2

        self._files = {}
        for part in ("train", "validation"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
            self._files[part] = (folder / part / name).open("xb")
            self._write(part, event_pb2.Event(file_version="brain.Event:2"))
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._write(part, event_pb2.Event(session_log=start, step=first_epoch + 1))

    def write(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add an epoch's logs.

        Args:
            epoch: Number of finished epochs.
            row: Its logs; names that begin with `val_` belong to validation.
        """
        from tensorboard.compat.proto import event_pb2, summary_pb2

        for part, prefix in (("train", ""), ("validation", "val_")):
            values = [
                summary_pb2.Summary.Value(tag=name.removeprefix("val_"), simple_value=value)
                for name, value in row.items()
                if name.startswith("val_") == bool(prefix)
            ]
            self._write(
                part, event_pb2.Event(step=epoch, summary=summary_pb2.Summary(value=values))
            )
            self._files[part].flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _write(self, part: str, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        event.wall_time = time.time()
        RecordWriter(self._files[part]).write(event.SerializeToString())


def _line(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
