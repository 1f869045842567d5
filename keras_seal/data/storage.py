"""Arrays on disk: written whole or not at all, and checked when read."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files
from keras_seal.errors import UserError

_DESCRIPTION = "description"
_CHECKSUM = "checksum"


class DamagedFileError(UserError):
    """A file cannot be trusted: it is cut short, altered, or not what its name says."""


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Compute the SHA-256 of named arrays: names, types, shapes and contents.

    Args:
        arrays: Arrays by name, of any type but objects.

    Returns:
        The hexadecimal digest; it does not depend on the order of the names.

    Examples:
        >>> import numpy as np
        >>> one = {"a": np.zeros(2), "b": np.ones(3)}
        >>> checksum(one) == checksum({"b": np.ones(3), "a": np.zeros(2)})
        True
        >>> checksum(one) == checksum({"a": np.zeros(2), "b": np.ones((3, 1))})
        False
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_arrays(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    description: Mapping[str, Any],
    *,
    compress: bool = False,
) -> Path:
    """Write arrays and a JSON description to an `.npz` file, whole or not at all.

    The file appears under its name only once it is complete and on the disk, so that a reader, or
    a second writer, never meets half a file.

    Args:
        path: The file to write; its folder is made where it is missing.
        arrays: Arrays by name.
        description: What JSON can hold; read back by `read_arrays`.
        compress: Deflate the arrays: poses shrink by a tenth and take ten times as long to write.

    Returns:
        The path written.

    Raises:
        UserError: The folder cannot be written.

    Examples:
        >>> import numpy as np, pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> path = write_arrays(folder / "a.npz", {"x": np.arange(3)}, {"kind": "numbers"})
        >>> arrays, description = read_arrays(path)
        >>> arrays["x"].tolist(), description["kind"]
        ([0, 1, 2], 'numbers')
    """
    path = Path(path)
    text = json.dumps(dict(description), sort_keys=True)
    content = {**arrays, _DESCRIPTION: np.array(text)}
    content[_CHECKSUM] = np.array(checksum(content))
    save: Callable[..., None] = np.savez_compressed if compress else np.savez
    try:
        # Given a name, numpy would add a suffix of its own.
        with files.replacing(path) as unfinished, unfinished.open("xb") as file:
            save(file, **content)
    except OSError as error:
        raise UserError(f"Cannot write '{path}': {error.strerror or error}.") from error
    return path


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file that `write_arrays` wrote, and check that nothing in it has changed.

    Args:
        path: The `.npz` file.

    Returns:
        The arrays by name, and the description.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is cut short or altered, holds pickled objects, or was written
            by something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DamagedFileError(
            f"'{path}' cannot be read as an .npz file of plain arrays ({error}); it is damaged or "
            "something else. Make it again."
        ) from error
    if _DESCRIPTION not in arrays or _CHECKSUM not in arrays:
        raise DamagedFileError(
            f"'{path}' is an .npz file, but keras-seal did not write it: it has no description "
            "and checksum. Build a PoseSequences from its arrays and save that."
        )
    expected = str(arrays.pop(_CHECKSUM))
    if checksum(arrays) != expected:
        raise DamagedFileError(
            f"'{path}' is damaged: its arrays do not match their checksum. Make it again."
        )
    return arrays, json.loads(str(arrays.pop(_DESCRIPTION)))
