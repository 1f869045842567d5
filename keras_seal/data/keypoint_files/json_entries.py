"""Large JSON files, one entry at a time.

Detectors write an hour of video as one list of hundreds of megabytes. Parsed at once it fills many
times its size; read entry by entry it needs no more than the arrays made of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError

# Characters read at a time, and the most that one entry may have: no frame comes near it.
_CHUNK = 2**18
_LARGEST_ENTRY = 2**24
# Values that are over where they seem to be. A number may go on behind what was read so far, and
# "1.", "1e" and "1e+" are no numbers yet.
_WHOLE = (str, list, dict, bool, type(None))
_EXPONENT = 3
_SPACE = re.compile(r"[ \t\n\r]*")


def entries(path: Path, inside: Collection[str] = ()) -> Iterator[tuple[str | None, Any]]:
    """Go through a JSON file without holding all of it.

    Args:
        path: The file.
        inside: Keys of the outermost object whose lists are entered.

    Yields:
        `(None, item)` for the items of an outermost list; `(key, value)` for an outermost object,
        with one pair for every item where the key is one of `inside` and the value a list.

    Raises:
        UserError: There is no such file.
        DamagedFileError: The file is no JSON, or cut short.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "a.json")
        >>> _ = path.write_text('{"fps": 30, "frames": [1, 2]}')
        >>> list(entries(path, inside=("frames",)))
        [('fps', 30), ('frames', 1), ('frames', 2)]
    """
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _Reader(file).entries(inside)
    except UserError:
        raise
    except OSError as error:
        raise DamagedFileError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"'{path}' is no JSON: it is no text in UTF-8.") from error
    except _NoJsonError as error:
        raise DamagedFileError(
            f"'{path}' is no complete JSON ({error}); it is cut short or something else."
        ) from error


def whole_object(path: Path) -> dict[str, Any]:
    """Read a small JSON file that holds an object.

    Args:
        path: The file.

    Returns:
        The object.

    Raises:
        UserError: There is no such file.
        DamagedFileError: The file is no JSON, or holds no object.
    """
    content = dict(entries(path))
    if None in content:
        raise DamagedFileError(f"'{path}' holds a list; expected a JSON object.")
    return content  # type: ignore[return-value]


class _NoJsonError(Exception):
    """The text is no JSON."""


class _Reader:
    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._read = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def entries(self, inside: Collection[str]) -> Iterator[tuple[str | None, Any]]:
        first = self._peek()
        if first == "[":
            yield from ((None, item) for item in self._items())
        elif first == "{":
            yield from self._members(inside)
        elif not first:
            raise _NoJsonError("it is empty")
        else:
            raise _NoJsonError(f"it begins with {first!r}, not with a list or an object")
        if self._peek():
            raise _NoJsonError(f"something follows its end at character {self._place()}")

    def _members(self, inside: Collection[str]) -> Iterator[tuple[str | None, Any]]:
        for _ in self._parts("{", "}"):
            key = self._value()
            if not isinstance(key, str):
                raise _NoJsonError(f"a key is missing at character {self._place()}")
            self._expect(":")
            if key in inside and self._peek() == "[":
                yield from ((key, item) for item in self._items())
            else:
                yield key, self._value()

    def _items(self) -> Iterator[Any]:
        for _ in self._parts("[", "]"):
            yield self._value()

    def _parts(self, start: str, end: str) -> Iterator[None]:
        self._expect(start)
        if self._peek() == end:
            self._at += 1
            return
        while True:
            yield
            if self._peek() == end:
                self._at += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise _NoJsonError(f"expected '{character}' at character {self._place()}")
        self._at += 1

    def _place(self) -> int:
        return self._read - len(self._text) + self._at + 1

    def _peek(self) -> str:
        """The next character that is no space; nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(_CHUNK):
                return ""

    def _fill(self, count: int) -> bool:
        chunk = self._file.read(count)
        self._read += len(chunk)
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _value(self) -> Any:
        if not self._peek():
            raise _NoJsonError(f"it ends at character {self._place()}")
        while True:
            problem = ""
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                place = self._read - len(self._text) + error.pos + 1
                problem = f"{error.msg} at character {place}"
            except (ValueError, RecursionError) as error:
                raise _NoJsonError(f"{error} at character {self._place()}") from error
            if not problem and (isinstance(value, _WHOLE) or end + _EXPONENT <= len(self._text)):
                self._at = end
                return value
            held = len(self._text) - self._at
            if held > _LARGEST_ENTRY:
                raise _NoJsonError(f"an entry has more than {_LARGEST_ENTRY} characters")
            start = self._at
            if not self._fill(max(_CHUNK, held)):
                if problem:
                    raise _NoJsonError(problem)
                self._at = end - start  # Filling moved what is held to the front.
                return value
