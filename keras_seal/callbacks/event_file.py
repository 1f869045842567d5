"""Pictures for TensorBoard, on any backend."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path


class ImageEvents:
    """An event file of images.

    Written by the `tensorboard` package alone: importing TensorFlow for its writer would cost
    runs on other backends seconds and memory.

    Args:
        folder: Where the file goes; TensorBoard shows the folder as a run.
        first_step: Images of this and later steps in older files of the folder, left by an
            interrupted training, are hidden.

    Examples:
        >>> import tempfile
        >>> from keras_seal.visualization import figure_to_png
        >>> from matplotlib.figure import Figure
        >>> events = ImageEvents(tempfile.mkdtemp(), first_step=1)
        >>> events.write("poses", figure_to_png(Figure()), step=1)
        >>> events.close()
    """

    def __init__(self, folder: str | os.PathLike[str], first_step: int) -> None:
        from tensorboard.compat.proto import event_pb2

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("xb")
        self._write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(event_pb2.Event(wall_time=time.time(), step=first_step, session_log=start))

    def write(self, tag: str, png: bytes, step: int) -> None:
        """Add an image.

        Args:
            tag: Its name; images of one name form a series.
            png: A PNG file.
            step: Its place in the series.
        """
        from tensorboard.compat.proto import event_pb2, summary_pb2

        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        image = summary_pb2.Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, image=image)])
        self._write(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: object) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._file).write(event.SerializeToString())  # type: ignore[attr-defined]
        self._file.flush()
