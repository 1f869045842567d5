"""Frames out of a video file, one after the other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.errors import UserError
from keras_seal.recipes.constructing import first_line


class Video:
    """A video file; needs the optional library imageio-ffmpeg, which brings ffmpeg.

    Iterating gives `(height, width, 3)` uint8 arrays (red, green, blue), upright, at a constant
    frame rate; every iteration starts from the beginning and holds one frame.

    Args:
        path: The file.

    Raises:
        UserError: There is no such file, it is no video, or the library is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"There is no video '{path}'.")
        if importlib.util.find_spec("imageio_ffmpeg") is None:
            raise UserError('Videos need imageio-ffmpeg: pip install "keras-seal[video]".')
        frames, about = self._open()
        frames.close()
        self.image_size: tuple[int, int] = (int(about["size"][0]), int(about["size"][1]))
        # What the file does not tell is 0.
        self.fps: float | None = float(about["fps"]) or None
        self.num_frames = round(about["duration"] * (self.fps or 0))

    def __repr__(self) -> str:
        width, height = self.image_size
        return f"Video('{self.path}', {width} x {height}, about {self.num_frames} frames)"

    def __iter__(self) -> Iterator[np.ndarray]:
        frames, _ = self._open()
        width, height = self.image_size
        try:
            for content in frames:
                yield np.frombuffer(content, np.uint8).reshape(height, width, 3)
        finally:
            frames.close()

    def _open(self) -> tuple[Any, dict[str, Any]]:
        import imageio_ffmpeg

        frames = imageio_ffmpeg.read_frames(str(self.path))
        try:
            about = next(frames)
        except (OSError, RuntimeError, ValueError, KeyError, IndexError, StopIteration) as error:
            raise UserError(
                f"'{self.path}' cannot be read as a video: {first_line(error)}"
            ) from error
        if not about.get("size"):
            frames.close()
            raise UserError(f"'{self.path}' cannot be read as a video: it holds no pictures.")
        return frames, about
