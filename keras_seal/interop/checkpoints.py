"""PyTorch checkpoints as plain arrays, read without running what is in them and without torch.

A checkpoint is a pickle beside the raw numbers of its tensors. Python's own reader would call
whatever the pickle names; the one here knows tensors and containers, and puts an inert stand-in
wherever anything else is named (a random generator, a whole module), so nothing has to be trusted.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError, nearest

# Where training programs of this field keep the weights, in the order they are looked for.
USUAL_KEYS = ("model_pos", "state_dict", "model", "model_state_dict", "net", "params")

_ZIP = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_BFLOAT16 = "bfloat16"
_STORAGES: dict[str, Any] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_MALFORMED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,  # of zipfile, for other compressions
    RecursionError,
    RuntimeError,  # of zipfile, for encrypted files
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Args:
        tensors: The weights, by name, with their original names.
        key: Under which key of the file they lay; empty where the file is nothing but weights.
        facts: Plain numbers and texts beside them, such as the epoch.
        stand_ins: Names of what was not read because reading it would mean running it.
    """

    tensors: dict[str, np.ndarray]
    key: str
    facts: dict[str, Any]
    stand_ins: tuple[str, ...]


def read_checkpoint(path: str | Path, key: str | None = None) -> Checkpoint:
    """Read the weights in a file that `torch.save` wrote (`.pth`, `.bin`, `.pth.tar`, `.pth.tr`).

    Args:
        path: The file.
        key: Under which key the weights lie; by default the usual ones are looked for.

    Returns:
        The weights and what goes with them.

    Raises:
        UserError: There is no such file, or no weights are found in it.
        DamagedFileError: It is cut short, altered, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint '{path}'.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            content, stand_ins = _read_zip(path) if start == _ZIP else _read_legacy(file, path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except _MALFORMED as error:
        raise DamagedFileError(
            f"'{path}' cannot be read as a PyTorch checkpoint"
            f" ({type(error).__name__}: {str(error)[:200]}); it is cut short, altered or something"
            " else. Download it again."
        ) from error
    key, tensors = _weights(content, key, path)
    facts = {
        str(name): value
        for name, value in (content.items() if key else ())
        if isinstance(value, (bool, int, float, str))
    }
    return Checkpoint(tensors, key, facts, tuple(sorted(stand_ins)))


def _weights(content: Any, key: str | None, path: Path) -> tuple[str, dict[str, np.ndarray]]:
    if not isinstance(content, Mapping):
        raise UserError(
            f"'{path}' holds a {_name(content)}, expected a dictionary of weights. A whole pickled"
            " model cannot be read without running it: save its state_dict."
        )
    if key is not None:
        if key not in content:
            raise UserError(f"'{path}' has no key '{key}'.{nearest(key, map(str, content))}")
        candidates = [key]
    else:
        if _is_state_dict(content):
            return "", dict(content)
        candidates = [each for each in USUAL_KEYS if each in content]
    for each in candidates:
        if _is_state_dict(content[each]):
            return each, dict(content[each])
    found = ", ".join(sorted(map(str, content))[:20]) or "nothing"
    raise UserError(
        f"No weights are found in '{path}'; it holds: {found}. Name the key of the weights by"
        " --key."
    )


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(each, np.ndarray) for each in value.values())
    )


def _name(value: Any) -> str:
    return value.name if isinstance(value, _StandIn) else type(value).__name__


class _StandIn:
    """Takes the place of anything that is not a tensor; swallows what is done to it."""

    name = "object"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take any arguments."""

    def __setstate__(self, state: Any) -> None:
        """Take any state."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take any item."""

    def append(self, value: Any) -> None:
        """Take any element."""

    def extend(self, values: Any) -> None:
        """Take any elements."""

    def add(self, value: Any) -> None:
        """Take any element."""

    def __call__(self, *args: Any, **kwargs: Any) -> _StandIn:
        """Give something as inert."""
        return self

    __hash__ = object.__hash__


@dataclass(frozen=True)
class _StorageType:
    dtype: Any


@dataclass
class _Storage:
    """The numbers of one or several tensors; read when the first of them is made."""

    dtype: Any
    size: int
    load: Any
    numbers: np.ndarray | None = None

    def array(self) -> np.ndarray:
        if self.numbers is None:
            content = self.load()
            raw = np.dtype("<u2") if self.dtype == _BFLOAT16 else self.dtype
            if len(content) < self.size * raw.itemsize:
                raise ValueError(f"a storage of {self.size} numbers has {len(content)} bytes")
            numbers = np.frombuffer(content, raw, count=self.size)
            if self.dtype == _BFLOAT16:
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            self.numbers = numbers
        return self.numbers


def _rebuild_tensor(
    storage: _Storage, offset: int, size: tuple, stride: tuple, *others: Any
) -> np.ndarray:
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    if offset < 0 or len(size) != len(stride) or min((*size, *stride), default=0) < 0:
        raise ValueError(f"a tensor of shape {size} with strides {stride} at {offset}")
    numbers = storage.array()
    if math.prod(size) == 0:
        return np.zeros(size, numbers.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # A tensor may repeat numbers by a stride of 0, but not stand for more than its storage.
    if last >= len(numbers) or math.prod(size) > len(numbers):
        raise ValueError(f"a tensor of shape {size} in a storage of {len(numbers)} numbers")
    view = np.lib.stride_tricks.as_strided(
        numbers[offset:], size, [step * numbers.itemsize for step in stride], writeable=False
    )
    return np.array(view)


def _rebuild_parameter(data: Any, *others: Any) -> Any:
    return data


class _Reader(pickle.Unpickler):
    """Knows tensors and containers; everything else becomes a stand-in."""

    def __init__(self, file: BinaryIO, storages: Any) -> None:
        # Python 2 wrote text that torch's own names and ours keep to ASCII.
        super().__init__(file, encoding="latin1")
        self._storages = storages
        self.stand_ins: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.cuda", "torch.storage") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            ("torch", "Size"): tuple,
        }
        if (module, name) in known:
            return known[module, name]
        full = f"{module}.{name}"
        self.stand_ins.add(full)
        return type("StandIn", (_StandIn,), {"name": full})

    def persistent_load(self, identifier: Any) -> Any:
        kind, storage_type, key, _, size = identifier[:5]
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"an unknown reference {identifier!r:.100}")
        return self._storages(str(key), storage_type.dtype, int(size))


def _read_zip(path: Path) -> tuple[Any, set[str]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        programs = [name for name in names if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(programs) != 1:
            raise ValueError("no data.pkl in the archive")
        root = programs[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() != b"little":
            raise ValueError("its numbers are big-endian")
        known: dict[str, _Storage] = {}

        def storage(key: str, dtype: Any, size: int) -> _Storage:
            if key not in known:
                known[key] = _Storage(dtype, size, lambda: archive.read(f"{root}data/{key}"))
            return known[key]

        reader = _Reader(io.BytesIO(archive.read(programs[0])), storage)
        return reader.load(), reader.stand_ins


def _read_legacy(file: BinaryIO, path: Path) -> tuple[Any, set[str]]:
    """The form before PyTorch 1.6: four pickles, then the storages one after the other."""

    def plain() -> Any:
        return _Reader(file, None).load()

    if plain() != _LEGACY_MAGIC:
        raise ValueError("it does not begin as torch.save begins")
    if plain() != _LEGACY_PROTOCOL:
        raise ValueError("an unknown version of torch.save")
    plain()  # sizes of C's types on the writer's machine
    # Tensors are made before their numbers come: first collect which storages there are.
    position = file.tell()
    listed: dict[str, tuple[Any, int]] = {}

    def note(key: str, dtype: Any, size: int) -> _Storage:
        listed[key] = (dtype, size)
        raw = 2 if dtype == _BFLOAT16 else dtype.itemsize
        # Zeros cost no memory until they are touched, but a claim must not be absurd.
        if size < 0 or size * raw > path.stat().st_size:
            raise ValueError(f"a storage of {size} numbers in a file of that size")
        return _Storage(dtype, size, lambda: bytes(size * raw))

    _Reader(file, note).load()
    keys = plain()
    contents = {}
    for key in keys:
        dtype, size = listed[str(key)]
        (count,) = struct.unpack("<q", file.read(8))
        if count != size:
            raise ValueError(f"a storage of {size} numbers holds {count}")
        raw = 2 if dtype == _BFLOAT16 else dtype.itemsize
        content = file.read(size * raw)
        contents[str(key)] = content
    file.seek(position)

    def filled(key: str, dtype: Any, size: int) -> _Storage:
        return _Storage(dtype, size, lambda: contents[key])

    reader = _Reader(file, filled)
    return reader.load(), reader.stand_ins
