"""Prepared data kept on disk, so that it is prepared once."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from keras_seal.data.sequences import FORMAT_VERSION, PoseSplits
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError

ENVIRONMENT_VARIABLE = "KERAS_SEAL_CACHE"


def default_folder() -> Path:
    """Find the folder where prepared data is kept.

    Returns:
        The folder that the environment variable `KERAS_SEAL_CACHE` names, else the user's cache
        folder.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("keras-seal"))


def fetch(
    name: str,
    key: Mapping[str, Any],
    prepare: Callable[[], PoseSplits],
    folder: str | Path | None = None,
) -> PoseSplits:
    """Read prepared data from the cache, or prepare and keep it.

    A file in the cache is written whole before it gets its name, so two processes that prepare
    the same data do no harm: the later one replaces the file by an equal one.

    Args:
        name: Beginning of the file's name.
        key: Everything the data depends on, as JSON can hold it.
        prepare: Makes the data.
        folder: The cache's folder; by default `default_folder()`.

    Returns:
        The data.

    Warns:
        UserWarning: The file in the cache was damaged and is made again.

    Raises:
        UserError: The folder cannot be written, or `prepare` fails.
    """
    folder = default_folder() if folder is None else Path(folder)
    path = folder / f"{name}-{digest({'format': FORMAT_VERSION, **key})}.npz"
    try:
        return PoseSplits.load(path)
    except FileNotFoundError:
        pass
    except DamagedFileError as error:
        warnings.warn(f"Prepared data is made again: {error}", UserWarning, stacklevel=2)
    splits = prepare()
    try:
        splits.save(path)
    except UserError as error:
        raise UserError(
            f"{error} Set {ENVIRONMENT_VARIABLE} to a folder that can be written, with room for "
            "the prepared data."
        ) from error
    return splits


def digest(key: Mapping[str, Any]) -> str:
    """Shorten a key to the letters that name its file.

    Args:
        key: What JSON can hold.

    Returns:
        20 hexadecimal digits.

    Examples:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]
