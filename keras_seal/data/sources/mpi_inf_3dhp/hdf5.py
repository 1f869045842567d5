"""MATLAB's files of version 7.3, which are HDF5: arrays of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.storage import DamagedFileError
from keras_seal.data.unpickling import ALLOWANCE, EXPANSION
from keras_seal.errors import UserError

_DEFLATE, _SHUFFLE = 1, 2
# MATLAB's chunks hold many rows; only a damaged file has very many of them.
_MAX_CHUNKS = 100_000


def load_hdf5(path: str | Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read arrays of numbers.

    Args:
        path: The file.
        names: The arrays to read.

    Returns:
        Those of the arrays that are there, with their axes as HDF5 has them, which is the
        reverse of MATLAB's order.

    Raises:
        UserError: There is no such file.
        DamagedFileError: It is cut short, altered, no HDF5, or claims more than it can hold.

    Examples:
        >>> load_hdf5("nowhere.mat", ["annot2"])
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no file 'nowhere.mat'.
    """
    import h5py  # takes a while, and only these files need it

    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    try:
        with h5py.File(path, "r") as file:
            return {name: _read(file[name], path, name) for name in names if name in file}
    except UserError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        zlib.error,
    ) as error:
        raise DamagedFileError(
            f"'{path}' cannot be read as HDF5 ({error}); it is cut short, altered or something "
            "else. Download it again."
        ) from error


def _read(dataset: Any, path: Path, name: str) -> np.ndarray:
    import h5py

    def damaged(reason: str) -> DamagedFileError:
        return DamagedFileError(f"'{path}': '{name}' {reason}. Download it again.")

    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "biuf":
        raise damaged("is no array of numbers")
    if dataset.shape is None or dataset.is_virtual or dataset.external:
        raise damaged("has its numbers in another file, or none")
    size, file_size = dataset.size * dataset.dtype.itemsize, path.stat().st_size
    if size > EXPANSION * file_size + ALLOWANCE:
        raise damaged(
            f"claims the shape {dataset.shape}, {size} bytes, in a file of {file_size} bytes"
        )
    if dataset.chunks is None:
        if dataset.id.get_storage_size() != size:
            raise damaged(f"claims the shape {dataset.shape}, but does not have its numbers")
    else:
        _check_chunks(dataset, file_size, damaged)
    return dataset[()]


def _check_chunks(dataset: Any, file_size: int, damaged: Any) -> None:
    """Inflate every chunk to the size it must have and no further: the library would go on."""
    chunk_size = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
    expected = int(
        np.prod(
            [-(-size // step) for size, step in zip(dataset.shape, dataset.chunks, strict=True)],
            dtype=object,
        )
    )
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if not set(filters) <= {_DEFLATE, _SHUFFLE}:
        raise damaged("is compressed in a way that MATLAB does not use")
    if chunk_size > EXPANSION * file_size + ALLOWANCE or expected > _MAX_CHUNKS:
        raise damaged(f"claims {expected} chunks of {chunk_size} bytes")
    if dataset.id.get_num_chunks() != expected:
        raise damaged(f"has {dataset.id.get_num_chunks()} of {expected} chunks")
    for index in range(expected):
        chunk = dataset.id.get_chunk_info(index)
        if chunk.size > file_size:
            raise damaged(f"claims a chunk of {chunk.size} bytes")
        mask, content = dataset.id.read_direct_chunk(chunk.chunk_offset)
        if mask:
            raise damaged("has a chunk that is stored in another way than the rest")
        if _DEFLATE in filters:
            content = zlib.decompressobj().decompress(content, chunk_size + 1)
        if len(content) != chunk_size:
            raise damaged(f"has a chunk of {len(content)} bytes, expected {chunk_size}")
