"""Writing figures to files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_seal import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_to_png(figure: Figure, *, dpi: int = 120) -> bytes:
    """Turn a figure into a PNG.

    Args:
        figure: A matplotlib figure.
        dpi: Dots per inch.

    Returns:
        The bytes of the file.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure_to_png(Figure())[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 120) -> Path:
    """Write a figure as a PNG; a reader sees the whole file or none.

    Args:
        figure: A matplotlib figure.
        path: A file ending in `.png`; its folder is made where it is missing, and an older file
            is replaced.
        dpi: Dots per inch.

    Returns:
        The path.

    Raises:
        ValueError: If the path ends otherwise.
        OSError: If the file cannot be written; nothing is left behind.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> save_figure(Figure(), tempfile.mkdtemp() + "/empty.png").name
        'empty.png'
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Pictures are written as PNG: '{path.name}' must end in .png.")
    files.write_bytes(path, figure_to_png(figure, dpi=dpi))
    return path
