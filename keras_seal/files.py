"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MARK = ".writing"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name; it takes its own name once it is complete.

    A reader, a second writer, or whoever comes after a crash never meets half a file. What the
    block wrote has reached the disk before the name changes.

    Args:
        path: The file; its folder is made where it is missing, and an older file is replaced.

    Yields:
        The path to write to, in the same folder and with the same suffix.

    Raises:
        OSError: If it cannot be written; an older file stays as it was, and nothing else is left.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "letter.txt")
        >>> with replacing(path) as unfinished:
        ...     _ = unfinished.write_text("Dear reader")
        ...     path.exists()
        False
        >>> path.read_text()
        'Dear reader'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{_MARK}{path.suffix}")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    _flush_folder(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Args:
        path: The file; an older one is replaced.
        content: What to write.

    Raises:
        OSError: If it cannot be written; an older file stays as it was.
    """
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Args:
        path: The file; an older one is replaced.
        text: What to write.

    Raises:
        OSError: If it cannot be written; an older file stays as it was.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, whole or not at all.

    Args:
        path: The file; an older one is replaced.
        content: What JSON can hold.

    Raises:
        OSError: If it cannot be written; an older file stays as it was.
    """
    write_text(path, to_json(content))


def to_json(content: Any) -> str:
    """Lay out JSON for people.

    Args:
        content: What JSON can hold.

    Returns:
        Indented lines.
    """
    return json.dumps(content, indent=2) + "\n"


def sha256(path: str | Path) -> str:
    """Compute a file's SHA-256.

    Args:
        path: The file.

    Returns:
        Hexadecimal digits.

    Raises:
        OSError: If it cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_unfinished(folder: str | Path) -> None:
    """Remove what writers that were killed have left in a folder and the folders in it.

    Only for a folder in which nobody else writes at this moment.

    Args:
        folder: The folder.
    """
    for entry in Path(folder).rglob(f".*{_MARK}*"):
        entry.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename outlast a power cut, where folders can be flushed."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
