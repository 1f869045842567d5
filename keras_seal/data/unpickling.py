"""Pickled files, read without running anything that is in them.

Many published data sets are pickles, or `.npz` files with pickles inside. A pickle is a program:
Python's own reader runs whatever it names. The reader here follows only the instructions that
build plain data. A file that asks for anything else is refused, and so is one that would take
far more memory than its size explains:

- compressed files may grow to `EXPANSION` times their size (plus `ALLOWANCE` bytes), no further;
- an array must have the size that its header claims;
- data that refers to its own parts over and over may stand for no more than as much again;
- whole numbers have 64 bits at most, and no container holds itself.
"""

from __future__ import annotations

import codecs
import io
import math
import mmap
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError

# Measured data shrinks to a half or a third; a file that shrank this much was made to fill memory.
EXPANSION = 100
ALLOWANCE = 64 * 2**20

_CHUNK = 2**20
_MAX_DEPTH = 64
_MAX_DIMENSIONS = 32
_NPY = b"\x93NUMPY"
_ZIP = b"PK"

_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    RuntimeError,  # of zipfile, for encrypted files
    SyntaxError,  # this and the next of the headers of arrays
    tokenize.TokenError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class UnsafeFileError(UserError):
    """A file would run code if it were read as its writer meant it to be."""


def load_npz(path: str | Path) -> dict[str, Any]:
    """Read the arrays of an `.npz` file, or the one array of a `.npy` file.

    Args:
        path: The file.

    Returns:
        Arrays by name; the array of a `.npy` file is named "arr_0". An object array without axes
        (in which numpy wraps dictionaries) comes back as what it holds. Arrays may be read-only.

    Raises:
        UserError: There is no such file.
        UnsafeFileError: The file asks to load something that is not plain data.
        DamagedFileError: The file is cut short, altered, too large for its size, or no such file.

    Examples:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "poses.npz")
        >>> np.savez(path, positions={"S1": np.zeros((2, 3))})
        >>> load_npz(path)["positions"]["S1"].shape
        (2, 3)
    """
    path = _existing(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(_NPY))
            if start == _NPY:
                file.seek(0)
                return {"arr_0": _read_npy(file.read(), f"'{path}'")}
        if not start.startswith(_ZIP):
            raise DamagedFileError(
                f"'{path}' is no .npz file (its first bytes are {start[:4]!r}); it is cut short or "
                "something else. Download or make it again."
            )
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, path)
    except UserError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except _ERRORS as error:
        raise _damaged(f"'{path}'", error) from error


def load_pickle(path: str | Path) -> Any:
    """Read a pickled file of plain data.

    Text that Python 2 wrote is taken as Latin-1, as numpy's arrays need.

    Args:
        path: The file.

    Returns:
        What the file holds: dictionaries, lists, tuples, sets, arrays, texts, bytes and numbers.
        `OrderedDict` and `defaultdict` come back as `dict`. Arrays may be read-only.

    Raises:
        UserError: There is no such file.
        UnsafeFileError: The file asks to load something that is not plain data.
        DamagedFileError: The file is cut short, altered, too large for its size, or no pickle.

    Examples:
        >>> import pathlib, pickle, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "a.pkl")
        >>> _ = path.write_bytes(pickle.dumps({"train": np.zeros((4, 17, 2))}))
        >>> load_pickle(path)["train"].shape
        (4, 17, 2)
        >>> import os
        >>> _ = path.write_bytes(pickle.dumps(os.getcwd))
        >>> load_pickle(path)
        Traceback (most recent call last):
        ...
        keras_seal.data.unpickling.UnsafeFileError: '...' is not plain data: it asks to load ...
    """
    path = _existing(path)
    try:
        if not path.stat().st_size:
            raise DamagedFileError(f"'{path}' is empty. Download or make it again.")
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _unpickle(content, 0, f"'{path}'")
    except UserError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    except _ERRORS as error:
        raise _damaged(f"'{path}'", error) from error


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    return path


def _unreadable(path: Path, error: OSError) -> DamagedFileError:
    return DamagedFileError(f"'{path}' cannot be read: {error.strerror or error}.")


def _damaged(what: str, error: Exception) -> DamagedFileError:
    reason = str(error) or type(error).__name__
    return DamagedFileError(
        f"{what} cannot be read ({reason}); it is cut short, altered or something else. Download "
        "or make it again."
    )


def _read_members(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    members = archive.infolist()
    size, limit = path.stat().st_size, path.stat().st_size * EXPANSION + ALLOWANCE
    total = sum(member.file_size for member in members)
    if total > limit:
        raise DamagedFileError(
            f"'{path}' has {size} bytes, but claims to hold {total} bytes of arrays; measured data "
            "never shrinks that much, so the file is damaged or malicious."
        )
    arrays: dict[str, Any] = {}
    for member in members:
        where = f"'{path}', array '{member.filename}'"
        if not member.filename.endswith(".npy"):
            raise DamagedFileError(
                f"'{path}' holds '{member.filename}', which is no array; an .npz file holds .npy "
                "files only."
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedFileError(f"{where} is compressed in a way that numpy does not use.")
        with archive.open(member) as stream:
            # Asked for everything at once, zipfile unpacks all that is there before it counts.
            content = b"".join(iter(partial(stream.read, _CHUNK), b""))
        if len(content) != member.file_size:
            raise DamagedFileError(f"{where} is cut short. Download or make it again.")
        arrays[member.filename.removesuffix(".npy")] = _read_npy(content, where)
    return arrays


def _read_npy(content: bytes, where: str) -> Any:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise DamagedFileError(f"{where} has version {version} of the .npy format; 1 and 2 exist.")
    shape, fortran, dtype = readers[version](stream)
    start = stream.tell()
    if dtype.kind not in "biufcSUO":
        raise DamagedFileError(f"{where} has the type {dtype}; only plain numbers and texts do.")
    if not dtype.hasobject:
        data = memoryview(content)[start:]
        return _array(shape, dtype, data, "F" if fortran else "C", len(content), where)
    value = _unpickle(content, start, where)
    if not isinstance(value, np.ndarray) or value.dtype != object or value.shape != shape:
        raise DamagedFileError(f"{where} does not hold the objects that its header announces.")
    return value.item() if value.ndim == 0 else value


def _array(
    shape: Any, dtype: np.dtype[Any], data: Any, order: Any, file_size: int, where: str
) -> np.ndarray:
    """Make an array of bytes, if they are as many as its shape and type need."""
    count = _count(shape, file_size, where)
    if count * dtype.itemsize != len(data):
        raise DamagedFileError(
            f"{where} claims an array of shape {shape} and type {dtype}, {count * dtype.itemsize} "
            f"bytes, but has {len(data)} bytes for it. Download or make it again."
        )
    if not len(data):
        return np.zeros(shape, dtype)
    return np.ndarray(shape, dtype, buffer=data, order=order)


def _count(shape: Any, file_size: int, where: str) -> int:
    if (
        type(shape) is not tuple
        or len(shape) > _MAX_DIMENSIONS
        or any(type(size) is not int or size < 0 for size in shape)
    ):
        raise DamagedFileError(f"{where} claims an array of shape {_short(shape)}.")
    count = math.prod(shape)
    # An axis of a size without elements takes no bytes, but whoever runs along it takes for ever.
    if count > file_size or max(shape, default=0) > file_size:
        raise DamagedFileError(
            f"{where} claims an array of shape {shape}, more than its {file_size} bytes can hold."
        )
    return count


def _short(value: Any) -> str:
    return f"of type {type(value).__name__}" if type(value) is not tuple else str(value)[:80]


# ------------------------------------------------------------------------------------- pickles


class _Name:
    """Something that a pickle asked for by name and that stands for plain data."""

    __slots__ = ("make",)

    def __init__(self, make: str) -> None:
        self.make = make


class _Arguments(tuple):
    """A tuple that holds what is no data, so it can be nothing but arguments."""

    __slots__ = ()


class _Unfinished:
    """An array or a type that is made, but whose state has not been given yet."""

    __slots__ = ("code", "keys")

    def __init__(self, code: str | None = None) -> None:
        self.code = code  # None of an array
        self.keys: list[int] = []


_INTERNAL = frozenset({_Name, _Arguments, _Unfinished})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset, np.ndarray})
_KEYS = frozenset({str, bytes, int, float, bool, type(None), np.str_, np.bytes_, np.bool_}) | {
    np.dtype(code).type for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
}
_FACTORIES = ("dict", "float", "int", "list", "set", "str", "tuple")

_ALLOWED: dict[tuple[str, str], str] = {
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "ordered",
    ("collections", "defaultdict"): "default",
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[(f"{_core}.multiarray", "_reconstruct")] = "reconstruct"
    _ALLOWED[(f"{_core}.multiarray", "scalar")] = "scalar"
    _ALLOWED[(f"{_core}.numeric", "_frombuffer")] = "frombuffer"
for _builtins in ("builtins", "__builtin__"):
    _ALLOWED |= {(_builtins, name): "factory" for name in _FACTORIES}
    _ALLOWED |= {(_builtins, name): name for name in ("bytes", "complex", "set", "frozenset")}

_TYPE_CODE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|O[48]?|[SUa][0-9]{1,9}")


def _unpickle(content: Any, start: int, where: str) -> Any:
    """Read a pickle.

    Args:
        content: Bytes, or a file mapped to memory.
        start: Where the pickle starts.
        where: What the file is called in error messages.

    Returns:
        The data.
    """
    try:
        value = _Machine(content, start, where).run()
        _check_extent(value, len(content), where)
    except UserError:
        raise
    except _ERRORS as error:
        raise _damaged(where, error) from error
    return value


def _check_extent(value: Any, file_size: int, where: str) -> None:
    """Refuse data that holds itself, is nested deeply, or stands for much more than its bytes."""
    limit = EXPANSION * file_size + ALLOWANCE
    extents: dict[int, int] = {}
    open_now: set[int] = set()
    pending: list[tuple[Any, Sequence[Any] | None]] = [(value, None)]
    while pending:
        item, children = pending.pop()
        key = id(item)
        if children is not None:
            extent = item.nbytes if type(item) is np.ndarray else 8 * len(item)
            extents[key] = 16 + extent + sum(extents[id(child)] for child in children)
            open_now.discard(key)
            if extents[key] > limit:
                raise DamagedFileError(
                    f"{where} refers to its own parts so often that its {file_size} bytes would "
                    f"fill more than {limit}; it is damaged or malicious."
                )
        elif key in open_now:
            raise DamagedFileError(f"{where} has a part that holds itself; it is no plain data.")
        elif type(item) in _CONTAINERS and key not in extents:
            if len(open_now) >= _MAX_DEPTH:
                raise DamagedFileError(
                    f"{where} has parts nested more than {_MAX_DEPTH} deep; it is no plain data."
                )
            open_now.add(key)
            children = _containers_in(item)
            pending.append((item, children))
            pending.extend((child, None) for child in children)


def _containers_in(item: Any) -> list[Any]:
    parts: Iterable[Any]
    if type(item) is np.ndarray:
        parts = item.reshape(-1).tolist() if item.dtype == object else ()
    else:
        # Keys are texts and numbers, or tuples of those, which is checked where they are made.
        parts = item.values() if type(item) is dict else item
    if _CONTAINERS.isdisjoint(map(type, parts)):
        return []
    return [part for part in parts if type(part) in _CONTAINERS]


class _Machine:
    """The part of Python's pickle machine that makes plain data.

    Names are looked up in a table of what they stand for, never imported, and what they stand
    for is made here: neither numpy's functions nor any `__setstate__` are called, since those
    trust what they are given.
    """

    def __init__(self, content: Any, start: int, where: str) -> None:
        self._content = content
        self._position = start
        self._where = where
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._unfinished = 0
        # Copies of parts that can be referred to again; each part needs to be copied only once.
        self._copies_left = 4 * len(content) + 1000

    def run(self) -> Any:
        """Follow the instructions to the end."""
        content, steps = self._content, _STEPS
        while True:
            code = content[self._position]
            self._position += 1
            if code == _STOP:
                break
            step = steps.get(code)
            if step is None:
                raise self._unknown(code)
            step(self)
        if len(self._stack) != 1 or self._marks or self._unfinished:
            raise DamagedFileError(f"{self._where} ends in the middle of its data.")
        value = self._stack.pop()
        if type(value) in _INTERNAL:
            raise self._unsafe("hands out a function")
        return value

    # -- errors

    def _unsafe(self, does: str) -> UnsafeFileError:
        return UnsafeFileError(
            f"{self._where} is not plain data: it {does}, but only arrays, dictionaries, lists, "
            "texts and numbers are read. Nothing of it was run. If you trust its origin, save its "
            "arrays with numpy.savez and read that."
        )

    def _unknown(self, code: int) -> UserError:
        if code in _REFUSED:
            return self._unsafe(_REFUSED[code])
        return DamagedFileError(
            f"{self._where} is no pickle of plain data, or damaged: byte {self._position - 1} is "
            f"{bytes([code])!r}."
        )

    # -- reading

    def _take(self, size: int) -> bytes:
        start, end = self._position, self._position + size
        if end > len(self._content):
            raise EOFError(f"{size} bytes are missing at byte {start}")
        self._position = end
        return self._content[start:end]

    def _number(self, layout: struct.Struct) -> Any:
        (value,) = layout.unpack_from(self._content, self._position)
        self._position += layout.size
        return value

    def _line(self) -> bytes:
        end = self._content.find(b"\n", self._position)
        if end < 0:
            raise EOFError("a line has no end")
        line = self._content[self._position : end]
        self._position = end + 1
        return line

    # -- the stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def _pop_mark(self) -> None:
        self._since_mark()

    def _pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _data(self, items: Sequence[Any]) -> Sequence[Any]:
        """Check that items may lie in a container of the result."""
        if not _INTERNAL.isdisjoint(map(type, items)):
            raise self._unsafe("keeps a function, or an array that is not finished")
        return items

    # -- memory of earlier parts

    def _remember(self, key: int) -> None:
        value = self._stack[-1]
        if type(value) is _Unfinished:
            value.keys.append(key)
        self._memo[key] = value

    def _recall(self, key: int) -> None:
        value = self._memo[key]
        if type(value) is _Unfinished:
            raise DamagedFileError(f"{self._where} has an array that holds itself.")
        self._stack.append(value)

    def _memoize(self) -> None:
        self._remember(len(self._memo))

    # -- numbers and texts

    def _digits(self) -> bytes:
        line = self._line()
        if len(line) > 32:
            raise ValueError(f"a number has {len(line)} digits")
        return line

    def _int(self) -> None:
        text = self._digits()
        if text in (b"00", b"01"):
            self._push(text == b"01")
        else:
            self._long(int(text.rstrip(b"L")))

    def _long(self, value: int) -> None:
        if not -(2**63) <= value < 2**64:
            raise ValueError("a whole number has more than 64 bits")
        self._push(value)

    def _long_bytes(self, size: int) -> None:
        if not 0 <= size <= 9:
            raise ValueError("a whole number has more than 64 bits")
        self._long(int.from_bytes(self._take(size), "little", signed=True))

    def _quoted(self) -> None:
        line = self._line()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise ValueError("a text has no quotes")
        self._push(codecs.escape_decode(line[1:-1])[0].decode("latin1"))

    # -- containers

    def _tuple_of(self, items: list[Any]) -> None:
        internal = not _INTERNAL.isdisjoint(map(type, items))
        self._push(_Arguments(items) if internal else tuple(items))

    def _last(self, count: int) -> None:
        if len(self._stack) < count:
            raise IndexError("the stack is too short")
        items = self._stack[-count:]
        del self._stack[-count:]
        self._tuple_of(items)

    def _target(self, kind: type) -> Any:
        target = self._stack[-1]
        if type(target) is not kind:
            raise self._unsafe(f"fills a {type(target).__name__.lstrip('_').lower()}")
        return target

    def _append(self) -> None:
        item = self._stack.pop()
        self._target(list).extend(self._data([item]))

    def _appends(self) -> None:
        items = self._since_mark()
        self._target(list).extend(self._data(items))

    def _fill(self, target: dict[Any, Any], items: Sequence[Any]) -> None:
        if len(items) % 2:
            raise ValueError("a key has no value")
        keys, values = items[::2], self._data(items[1::2])
        target.update(zip(self._hashable(keys), values, strict=True))

    def _hashable(self, keys: Sequence[Any]) -> Sequence[Any]:
        # Tuples are hashed without a limit of depth, so they may not be nested.
        for key in keys:
            if type(key) not in _KEYS and not (
                type(key) is tuple and _KEYS.issuperset(map(type, key))
            ):
                raise TypeError(f"a key is of type {type(key).__name__}")
        return keys

    def _set_item(self) -> None:
        pair = self._stack[-2:]
        del self._stack[-2:]
        self._fill(self._target(dict), pair)

    def _set_items(self) -> None:
        items = self._since_mark()
        self._fill(self._target(dict), items)

    def _dict(self) -> None:
        made: dict[Any, Any] = {}
        self._fill(made, self._since_mark())
        self._push(made)

    def _list(self) -> None:
        self._push(list(self._data(self._since_mark())))

    def _add_items(self) -> None:
        items = self._since_mark()
        self._target(set).update(self._hashable(items))

    def _frozenset(self) -> None:
        self._push(frozenset(self._hashable(self._since_mark())))

    # -- names and calls

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name is no text")
        if (module, name) not in _ALLOWED:
            raise self._unsafe(f"asks to load {f'{module}.{name}'[:200]!r}")
        self._push(_Name(_ALLOWED[module, name]))

    def _global(self) -> None:
        module = self._line().decode("utf-8")
        self._name(module, self._line().decode("utf-8"))

    def _stack_global(self) -> None:
        name = self._stack.pop()
        self._name(self._stack.pop(), name)

    def _instance(self) -> None:
        module = self._line().decode("utf-8", "replace")
        name = self._line().decode("utf-8", "replace")
        raise self._unsafe(f"asks to make a {f'{module}.{name}'[:200]!r}")

    def _reduce(self) -> None:
        arguments = self._stack.pop()
        called = self._stack.pop()
        if type(called) is not _Name or not isinstance(arguments, tuple):
            raise self._unsafe(f"calls a {type(called).__name__.lstrip('_').lower()}")
        make = _MAKERS.get(called.make)
        if make is None:
            raise self._unsafe(f"calls '{called.make}'")
        self._push(make(self, *arguments))

    def _copying(self, amount: int) -> None:
        self._copies_left -= amount
        if self._copies_left < 0:
            raise DamagedFileError(
                f"{self._where} copies its own parts over and over; it is damaged or malicious."
            )

    def _make_encoded(self, text: Any, encoding: Any) -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("bytes are given in an encoding other than latin1")
        self._copying(len(text))
        return text.encode("latin1")

    def _make_ordered(self, pairs: Any = ()) -> dict[Any, Any]:
        if not isinstance(pairs, list | tuple) or any(
            not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs
        ):
            raise ValueError("a dictionary is made of something other than pairs")
        self._copying(2 * len(pairs))
        made: dict[Any, Any] = {}
        self._fill(made, [part for pair in pairs for part in pair])
        return made

    def _make_default(self, factory: Any = None, pairs: Any = ()) -> dict[Any, Any]:
        if factory is not None and not (
            type(factory) is _Name and factory.make in ("factory", "set")
        ):
            raise self._unsafe("makes a dictionary that calls a function")
        return self._make_ordered(pairs)

    def _make_set(self, items: Any = ()) -> set[Any]:
        if type(items) not in (list, tuple):
            raise ValueError("a set is made of something other than a list")
        self._copying(len(items))
        return set(self._hashable(items))

    def _make_frozenset(self, items: Any = ()) -> frozenset[Any]:
        return frozenset(self._make_set(items))

    def _make_bytes(self) -> bytes:
        return b""

    def _make_complex(self, real: Any, imaginary: Any) -> complex:
        if type(real) is not float or type(imaginary) is not float:
            raise ValueError("a complex number is made of something other than two numbers")
        return complex(real, imaginary)

    def _make_dtype(self, code: Any, *flags: Any) -> _Unfinished:
        if type(code) is not str or not _TYPE_CODE.fullmatch(code):
            raise DamagedFileError(
                f"{self._where} has an array of type {str(code)[:80]!r}; only plain numbers, texts "
                "and objects are read."
            )
        self._unfinished += 1
        return _Unfinished("O" if code[0] == "O" else code.replace("a", "S"))

    def _make_array(self, kind: Any, shape: Any, code: Any) -> _Unfinished:
        if type(kind) is not _Name or kind.make != "ndarray":
            raise self._unsafe("makes something other than an array with numpy's function for it")
        self._unfinished += 1
        return _Unfinished()

    def _make_scalar(self, dtype: Any, data: Any) -> Any:
        if not isinstance(dtype, np.dtype) or dtype.hasobject:
            raise ValueError("a number has no plain type")
        return _array((), dtype, self._raw(data), "C", len(self._content), self._where)[()]

    def _make_from_buffer(
        self, data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
    ) -> np.ndarray:
        if not isinstance(dtype, np.dtype) or dtype.hasobject or type(data) is not bytes:
            raise ValueError("an array is made of something other than bytes")
        if order not in ("C", "F", "K"):
            raise ValueError("an array has an unknown order")
        layout = "C" if order == "K" else order
        array = _array(shape, dtype, data, layout, len(self._content), self._where)
        return array if axes is None else array.transpose(axes)

    def _raw(self, data: Any) -> bytes:
        if type(data) is str:
            # Python 2 had one type for bytes and texts.
            self._copying(len(data))
            return data.encode("latin1")
        if type(data) is not bytes:
            raise ValueError("an array has something other than bytes")
        return data

    def _build(self) -> None:
        state = self._stack.pop()
        unfinished = self._stack.pop()
        if type(unfinished) is not _Unfinished or not isinstance(state, tuple):
            raise self._unsafe(
                f"sets the state of a {type(unfinished).__name__.lstrip('_').lower()}"
            )
        if type(state) is _Arguments:
            raise self._unsafe("gives an array a function")
        value = (
            self._array_of(state)
            if unfinished.code is None
            else self._dtype_of(unfinished.code, state)
        )
        self._unfinished -= 1
        for key in unfinished.keys:
            if self._memo[key] is unfinished:
                self._memo[key] = value
        self._push(value)

    def _dtype_of(self, code: str, state: tuple[Any, ...]) -> np.dtype[Any]:
        dtype = np.dtype(code)
        if (
            len(state) not in (8, 9)
            or type(state[1]) is not str
            or state[1] not in ("<", ">", "|", "=")
            or any(part is not None for part in (*state[2:5], *state[8:]))
            or type(state[5]) is not int
            or state[5] not in (-1, dtype.itemsize)
        ):
            raise DamagedFileError(
                f"{self._where} has an array of several fields or of an unknown type; only plain "
                "numbers, texts and objects are read."
            )
        return dtype if state[1] in "|=" else dtype.newbyteorder(state[1])  # type: ignore[arg-type]

    def _array_of(self, state: tuple[Any, ...]) -> np.ndarray:
        if len(state) == 5:
            state = state[1:]
        shape, dtype, fortran, data = state
        if not isinstance(dtype, np.dtype):
            raise ValueError("an array has no type")
        order = "F" if fortran in (True, 1) else "C"
        if not dtype.hasobject:
            return _array(shape, dtype, self._raw(data), order, len(self._content), self._where)
        count = _count(shape, len(self._content), self._where)
        if type(data) is not list or len(data) != count:
            raise ValueError(f"an array of shape {shape} has not {count} objects")
        self._copying(count)
        objects = np.fromiter(data, dtype=object, count=count)
        return objects.reshape(shape, order=order)  # type: ignore[call-overload]


_MAKERS: dict[str, Callable[..., Any]] = {
    "bytes": _Machine._make_bytes,
    "complex": _Machine._make_complex,
    "default": _Machine._make_default,
    "dtype": _Machine._make_dtype,
    "encode": _Machine._make_encoded,
    "frombuffer": _Machine._make_from_buffer,
    "frozenset": _Machine._make_frozenset,
    "ordered": _Machine._make_ordered,
    "reconstruct": _Machine._make_array,
    "scalar": _Machine._make_scalar,
    "set": _Machine._make_set,
}

_U1, _U2, _I4, _U4 = (struct.Struct(code) for code in ("<B", "<H", "<i", "<I"))
_U8, _F8 = struct.Struct("<Q"), struct.Struct(">d")
_STOP = ord(".")

_Step = Callable[[_Machine], None]


def _constant(value: Any) -> _Step:
    return lambda machine: machine._push(value)


def _new(kind: type) -> _Step:
    return lambda machine: machine._push(kind())


def _numeric(layout: struct.Struct) -> _Step:
    return lambda machine: machine._push(machine._number(layout))


def _bytes(layout: struct.Struct) -> _Step:
    return lambda machine: machine._push(machine._take(machine._number(layout)))


def _text(layout: struct.Struct, encoding: str, errors: str = "strict") -> _Step:
    return lambda machine: machine._push(
        machine._take(machine._number(layout)).decode(encoding, errors)
    )


# The instructions by their byte; pickletools documents them.
_STEPS: dict[int, _Step] = {
    ord(code): step
    for code, step in {
        "\x80": lambda machine: machine._take(1),  # protocol
        "\x95": lambda machine: machine._take(8),  # length of a frame
        "(": _Machine._mark,
        "0": _Machine._pop,
        "1": _Machine._pop_mark,
        "N": _constant(None),
        "\x88": _constant(True),
        "\x89": _constant(False),
        "I": _Machine._int,
        "L": _Machine._int,
        "J": _numeric(_I4),
        "K": _numeric(_U1),
        "M": _numeric(_U2),
        "\x8a": lambda machine: machine._long_bytes(machine._number(_U1)),
        "\x8b": lambda machine: machine._long_bytes(machine._number(_I4)),
        "F": lambda machine: machine._push(float(machine._digits())),
        "G": _numeric(_F8),
        "S": _Machine._quoted,
        "T": _text(_U4, "latin1"),
        "U": _text(_U1, "latin1"),
        "V": lambda machine: machine._push(machine._line().decode("raw-unicode-escape")),
        "\x8c": _text(_U1, "utf-8", "surrogatepass"),
        "X": _text(_U4, "utf-8", "surrogatepass"),
        "\x8d": _text(_U8, "utf-8", "surrogatepass"),
        "C": _bytes(_U1),
        "B": _bytes(_U4),
        "\x8e": _bytes(_U8),
        "\x96": _bytes(_U8),  # bytes that may be altered
        "]": _new(list),
        "}": _new(dict),
        "\x8f": _new(set),
        ")": _constant(()),
        "a": _Machine._append,
        "e": _Machine._appends,
        "l": _Machine._list,
        "s": _Machine._set_item,
        "u": _Machine._set_items,
        "d": _Machine._dict,
        "\x90": _Machine._add_items,
        "\x91": _Machine._frozenset,
        "t": lambda machine: machine._tuple_of(machine._since_mark()),
        "\x85": lambda machine: machine._last(1),
        "\x86": lambda machine: machine._last(2),
        "\x87": lambda machine: machine._last(3),
        "g": lambda machine: machine._recall(int(machine._digits())),
        "h": lambda machine: machine._recall(machine._number(_U1)),
        "j": lambda machine: machine._recall(machine._number(_U4)),
        "p": lambda machine: machine._remember(int(machine._digits())),
        "q": lambda machine: machine._remember(machine._number(_U1)),
        "r": lambda machine: machine._remember(machine._number(_U4)),
        "\x94": _Machine._memoize,
        "c": _Machine._global,
        "\x93": _Machine._stack_global,
        "R": _Machine._reduce,
        "b": _Machine._build,
        "i": _Machine._instance,
    }.items()
}

_REFUSED = {
    ord(code): does
    for code, does in {
        "o": "asks to make an object",
        "\x81": "asks to make an object",
        "\x92": "asks to make an object",
        "P": "asks for an object outside of the file",
        "Q": "asks for an object outside of the file",
        "\x82": "asks for an object by a number",
        "\x83": "asks for an object by a number",
        "\x84": "asks for an object by a number",
        "\x97": "asks for memory outside of the file",
        "\x98": "asks for memory outside of the file",
    }.items()
}
