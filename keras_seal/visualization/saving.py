"""Writing figures to files."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from keras_seal import files
from keras_seal.visualization import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that a page may change in the dark, by the CSS variable that says to what.
_VARIABLES = {
    style.INK: "--ink",
    style.FAINT_INK: "--faint",
    style.GRID: "--line",
    style.PANEL: "--panel",
    style.MIDDLE: "--middle",
    style.TRUTH: "--truth",
    "#ffffff": "--paper",
    "white": "--paper",
}


def figure_to_png(figure: Figure, *, dpi: int = 120) -> bytes:
    """Turn a figure into a PNG.

    Args:
        figure: A matplotlib figure.
        dpi: Dots per inch.

    Returns:
        The bytes of the file.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> figure_to_png(Figure())[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def figure_to_svg(figure: Figure, description: str) -> str:
    """Turn a figure into an SVG element for an HTML page, whose colours follow the page's.

    Ink, grid and paper become the CSS variables `--ink`, `--faint`, `--line`, `--panel`,
    `--middle`, `--truth` and `--paper`; text stays text.

    Args:
        figure: A matplotlib figure.
        description: What the figure shows, for those who do not see it.

    Returns:
        The element, the same for the same figure.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> figure_to_svg(Figure(), "Nothing").startswith('<svg role="img"')
        True
    """
    import html

    from matplotlib import rc_context

    buffer = io.StringIO()
    # Element names must not depend on chance.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": description}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=160)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    # Figures on one page must not share names; nobody refers to those of groups.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = re.sub(
            rf"(fill|stroke|stop-color): {re.escape(colour)}(?![0-9a-zA-Z])",
            rf"\1: var({variable}, {colour.lower()})",
            text,
            flags=re.IGNORECASE,
        )
    label = html.escape(description, quote=True)
    width = re.search(r'width="([\d.]+)pt"', text)
    size = f' style="width: {width[1]}pt"' if width else ""
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"{size}', 1)


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

    Examples:
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
