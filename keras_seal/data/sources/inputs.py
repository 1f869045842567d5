"""Descriptions of the files that a source reads, by which prepared data is known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def describe_files(paths: Iterable[Path], folder: Path) -> dict[str, list[int]]:
    """Describe large files by their size and the time of their last change.

    Args:
        paths: The files.
        folder: What they are named relative to.

    Returns:
        Size in bytes and time in nanoseconds, by name.

    Examples:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "poses.npz").write_bytes(b"12345")
        >>> describe_files([folder / "poses.npz"], folder)["poses.npz"][0]
        5
    """
    described = {}
    for path in paths:
        facts = path.stat()
        described[path.relative_to(folder).as_posix()] = [facts.st_size, facts.st_mtime_ns]
    return described
