"""MATLAB's files, version 5 (which MATLAB 7 writes too): numbers, and cells of numbers.

A reader of its own, since a general one believes whatever sizes a damaged file claims. Here every
size is checked against the bytes that are there before anything is made of it.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.storage import DamagedFileError
from keras_seal.data.unpickling import ALLOWANCE, EXPANSION
from keras_seal.errors import UserError

_HEADER = 128
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"
}  # fmt: skip
_CELL, _NUMERIC_CLASSES = 1, range(6, 16)
_COMPLEX = 0x0800
_MAX_DEPTH, _MAX_DIMENSIONS, _MAX_NAME = 8, 32, 63
# Flags, dimensions and a name of the greatest length fit into this.
_BEGINNING = 1024


def load_mat(path: str | Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read variables of a MATLAB file.

    Args:
        path: The file.
        names: The variables to read; others are passed over.

    Returns:
        Those of the variables that are there. Cells are object arrays of arrays, in MATLAB's
        shape; numbers keep the type that they are stored in.

    Raises:
        UserError: There is no such file, it is of MATLAB 7.3 (HDF5), or a variable is neither
            numbers nor a cell of numbers.
        DamagedFileError: It is cut short, altered or something else.

    Examples:
        >>> load_mat("nowhere.mat", ["annot2"])
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no file 'nowhere.mat'.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    try:
        if path.stat().st_size < _HEADER:
            raise DamagedFileError(f"'{path}' is too short for a MATLAB file. Download it again.")
        return _File(memoryview(path.read_bytes()), path).read(names)
    except OSError as error:
        raise DamagedFileError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except (ValueError, OverflowError, MemoryError, struct.error, zlib.error) as error:
        if isinstance(error, UserError):
            raise
        raise DamagedFileError(
            f"'{path}' cannot be read as a MATLAB file ({error}); it is cut short, altered or "
            "something else. Download it again."
        ) from error


class _File:
    """A MATLAB file in memory."""

    def __init__(self, content: memoryview, path: Path) -> None:
        self._path = path
        self._content = content
        header = bytes(content[:_HEADER])
        if header.startswith(_HDF5) or content[512 : 512 + len(_HDF5)] == _HDF5:
            raise UserError(
                f"'{path}' is a MATLAB 7.3 file (HDF5), expected version 5 or 7. Save it with "
                "MATLAB's -v7."
            )
        self._order = {b"IM": "<", b"MI": ">"}.get(header[126:128], "")
        if not self._order or struct.unpack(f"{self._order}H", header[124:126])[0] >> 8 != 1:
            raise DamagedFileError(
                f"'{path}' is no MATLAB file of version 5 or 7; it is damaged or something else. "
                "Download it again."
            )

    def read(self, names: Collection[str]) -> dict[str, np.ndarray]:
        """Read the named variables."""
        found: dict[str, np.ndarray] = {}
        start = _HEADER
        while start < len(self._content):
            kind, data, start = self._element(self._content, start, padded=False)
            if kind == _COMPRESSED:
                kind, data = self._inflated(data, names)
            if kind != _MATRIX:
                continue
            if not len(data):
                continue
            name = self._description(data)[2]
            if name in names:
                if name in found:
                    raise self._damaged(f"it has two variables '{name}'")
                found[name] = self._matrix(data, name)
        return found

    def _damaged(self, reason: str) -> DamagedFileError:
        return DamagedFileError(
            f"'{self._path}' is damaged: {reason}. Download it again, or use the published file."
        )

    def _element(
        self, content: memoryview, start: int, *, padded: bool = True
    ) -> tuple[int, memoryview, int]:
        """Find an element's type and data, and where the next one starts."""
        if start + 8 > len(content):
            raise self._damaged("it ends within an element")
        kind, size = struct.unpack_from(f"{self._order}II", content, start)
        if kind >> 16:
            size, kind = kind >> 16, kind & 0xFFFF
            if size > 4:
                raise self._damaged(f"a small element claims {size} bytes")
            return kind, content[start + 4 : start + 4 + size], start + 8
        stop = start + 8 + size
        if stop > len(content):
            raise self._damaged(
                f"an element claims {size} bytes, but {len(content) - start - 8} are left"
            )
        return kind, content[start + 8 : stop], stop + (-size % 8 if padded else 0)

    def _inflated(self, data: memoryview, names: Collection[str]) -> tuple[int, memoryview]:
        """Inflate an element if it is wanted: a first part tells."""
        beginning = zlib.decompressobj().decompress(data, _BEGINNING)
        if len(beginning) < 8:
            raise self._damaged("a compressed element is empty")
        kind, size = struct.unpack_from(f"{self._order}II", beginning)
        if kind != _MATRIX or self._description(memoryview(beginning)[8:])[2] not in names:
            return 0, memoryview(b"")
        limit = EXPANSION * len(data) + ALLOWANCE
        if size > limit:
            raise self._damaged(f"{len(data)} compressed bytes claim to hold {size}")
        content = zlib.decompressobj().decompress(data, size + 9)
        if len(content) < size + 8:
            raise self._damaged("a compressed element is cut short")
        return _MATRIX, memoryview(content)[8 : 8 + size]

    def _description(self, data: memoryview) -> tuple[int, tuple[int, ...], str, int]:
        """Read a matrix's flags, dimensions and name, and where its data starts."""
        kind, flags, start = self._element(data, 0)
        if _NUMBERS.get(kind) != "u4" or len(flags) != 8:
            raise self._damaged("a variable has no flags")
        bits = struct.unpack_from(f"{self._order}I", flags)[0]
        kind, raw, start = self._element(data, start)
        if bits & 0xFF == 17:
            return bits, (), raw.tobytes().decode("latin1"), start  # an object, which has no shape
        if _NUMBERS.get(kind) != "i4" or len(raw) % 4 or len(raw) > 4 * _MAX_DIMENSIONS:
            raise self._damaged("a variable has no dimensions")
        shape = struct.unpack(f"{self._order}{len(raw) // 4}i", raw)
        kind, raw, start = self._element(data, start)
        if kind not in (1, 2, 16) or len(raw) > _MAX_NAME:
            raise self._damaged("a variable has no name")
        return bits, shape, raw.tobytes().decode("latin1"), start

    def _matrix(self, data: memoryview, name: str, depth: int = 0) -> np.ndarray:
        if not len(data):
            return np.zeros((0, 0))
        bits, shape, _, start = self._description(data)
        kind = bits & 0xFF
        if kind not in (_CELL, *_NUMERIC_CLASSES) or bits & _COMPLEX:
            raise UserError(
                f"'{self._path}': the variable '{name}' is neither real numbers nor a cell of "
                "them. Use the published file."
            )
        if len(shape) < 2 or min(shape) < 0:
            raise self._damaged(f"'{name}' claims the shape {shape}")
        count = math.prod(shape)
        if kind == _CELL:
            # Every cell takes at least the 8 bytes that tell how long it is.
            if count > len(data) // 8 or depth >= _MAX_DEPTH:
                raise self._damaged(f"'{name}' claims {count} cells, more than fit into it")
            cells: Any = np.empty(count, object)
            for index in range(count):
                kind, part, start = self._element(data, start)
                if kind != _MATRIX:
                    raise self._damaged(f"'{name}' has a cell that is no array")
                cells[index] = self._matrix(part, name, depth + 1)
            return cells.reshape(shape, order="F")
        kind, raw, _ = self._element(data, start)
        dtype = np.dtype(_NUMBERS.get(kind, "V1")).newbyteorder(self._order)  # type: ignore[arg-type]
        if dtype.kind == "V" or len(raw) != count * dtype.itemsize:
            raise self._damaged(
                f"'{name}' claims {count} numbers in the shape {shape}, but has {len(raw)} bytes "
                "for them"
            )
        # A copy, so that the file's bytes need not stay in memory.
        numbers = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
        return numbers.reshape(shape, order="F")
