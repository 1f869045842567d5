"""The JSON files of H3WB's tasks, read sample by sample: whole, they would fill the memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from keras_seal.data.sources.h3wb.samples import NUM_JOINTS, Samples, parse_image_path
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError

# The published files have 80,000 samples of some 20,000 characters.
MAX_SAMPLES = 200_000
MAX_CHARACTERS = 1_000_000
_CHUNK = 4_000_000
_JOINTS = [str(joint) for joint in range(NUM_JOINTS)]
# The documentation misspells these keys, so files of other people may, too.
_KEYS = {
    "2D": ("keypoints_2d", "keypont_2d"),
    "3D": ("keypoints_3d", "keypont_3d"),
}
_NUMBERS = frozenset({float, int})
_AXES = {"2D": ("x", "y"), "3D": ("x", "y", "z")}


def read_samples(path: Path, *, with_2d: bool, with_3d: bool, incomplete: bool) -> Samples:
    """Read the samples of a file.

    Args:
        path: The file: `{"0": {"image_path", "keypoints_2d": {"0": {"x", "y"}, ...},
            "keypoints_3d": {...}}, ...}`; pixels and millimetres.
        with_2d: Whether samples must have keypoints.
        with_3d: Whether samples must have poses.
        incomplete: Whether keypoints may be missing: left out, null, NaN, or zero.

    Returns:
        The samples, ordered by their ids.

    Raises:
        UserError: The file is something else, or something in it is wrong.
        DamagedFileError: It is no JSON, or cut short.
    """
    parts: dict[str, list] = {name: [] for name in ("ids", "pixels", "seen", "poses", "images")}
    for number, sample in _samples(path, incomplete):
        where = f"'{path}', sample '{number}'"
        parts["ids"].append(number)
        parts["images"].append(_image(sample, where))
        if with_2d:
            pixels, seen = _numbers(sample, "2D", where, incomplete)
            parts["pixels"].append(pixels)
            parts["seen"].append(seen)
        if with_3d:
            parts["poses"].append(_numbers(sample, "3D", where, False)[0] / np.float32(1000.0))
    ids = np.array(parts["ids"], np.int64)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (np.diff(ids) == 0).any():
        raise UserError(f"'{path}' has the sample '{ids[:-1][np.diff(ids) == 0][0]}' twice.")
    count = len(ids)
    pixels, seen = np.zeros((count, NUM_JOINTS, 2), np.float32), np.zeros((count, NUM_JOINTS), bool)
    if with_2d:
        pixels, seen = np.array(parts["pixels"])[order], np.array(parts["seen"])[order]
    subjects, actions, cameras, frames = zip(*parts["images"], strict=True)
    return Samples(
        path=path,
        pixels=pixels,
        seen=seen,
        poses=np.array(parts["poses"])[order] if with_3d else None,
        ids=ids,
        subjects=np.array(subjects)[order],
        actions=np.array(actions)[order],
        cameras=np.array(cameras)[order],
        frames=np.array(frames, np.int64)[order],
        known={},
    )


def read_images(path: Path) -> dict[int, tuple[str, str, str, int]]:
    """Read what the paths of the images of a file tell.

    Args:
        path: The file.

    Returns:
        Subject, video, camera and frame by the sample's id.

    Raises:
        UserError: The file is something else.
        DamagedFileError: It is no JSON, or cut short.
    """
    return {
        number: _image(sample, f"'{path}', sample '{number}'")
        for number, sample in _samples(path, incomplete=False)
    }


def _image(sample: dict[str, Any], where: str) -> tuple[str, str, str, int]:
    text = sample.get("image_path")
    if text is None:
        return "", "", "", -1
    parsed = parse_image_path(text) if isinstance(text, str) else None
    if parsed is None:
        raise UserError(
            f"{where} has the image path {str(text)[:120]!r}, expected one like "
            "'S1/Images/Directions 1.54138969/frame_0001.jpg'."
        )
    return parsed


def _numbers(
    sample: dict[str, Any], kind: str, where: str, incomplete: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Read a sample's coordinates, and which joints have some."""
    key = next((key for key in _KEYS[kind] if key in sample), None)
    if key is None:
        raise UserError(
            f"{where} has no {kind} ('{_KEYS[kind][0]}'), only {', '.join(sample) or 'nothing'}."
        )
    joints, axes = sample[key], _AXES[kind]
    if not isinstance(joints, dict):
        raise UserError(f"{where}: {key} is no dictionary of joints.")
    unknown = joints.keys() - set(_JOINTS)
    if unknown or (len(joints) != NUM_JOINTS and not incomplete):
        raise UserError(
            f"{where}: {key} has {len(joints)} joints ({', '.join(sorted(joints)[:3])}, ...), "
            f"expected '0' to '{NUM_JOINTS - 1}'."
        )
    try:
        # The usual case, at the speed that millions of joints need.
        values = [joint[axis] for joint in map(joints.__getitem__, _JOINTS) for axis in axes]
    except (KeyError, TypeError):
        values = [None]
    if not _NUMBERS.issuperset(map(type, values)):
        values = [
            coordinate
            for joint in _JOINTS
            for coordinate in _coordinates(joints.get(joint), axes, incomplete, where, key)
        ]
    try:
        numbers = np.array(values, np.float64).reshape(NUM_JOINTS, len(axes))
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: {key} holds something else than numbers.") from error
    seen = np.asarray(~np.isnan(numbers).any(axis=1))
    if incomplete:
        # What is masked is written as zeros; nobody is seen in the very corner of the image.
        seen &= (numbers != 0).any(axis=1)
        numbers[~seen] = 0.0
        if not seen.any():
            raise UserError(f"{where}: {key} has no keypoint at all.")
    if not (np.abs(numbers) < np.finfo(np.float32).max).all():
        raise UserError(
            f"{where}: {key} holds numbers that are not finite. Use the published file."
        )
    return numbers.astype(np.float32), seen


def _coordinates(
    joint: Any, axes: tuple[str, ...], incomplete: bool, where: str, key: str
) -> list[float]:
    if incomplete and joint is None:
        return [np.nan] * len(axes)
    if (
        not isinstance(joint, dict)
        or len(joint) != len(axes)
        or any(axis not in joint for axis in axes)
    ):
        raise UserError(f"{where}: {key} has a joint without {', '.join(axes)}.")
    values = [joint[axis] for axis in axes]
    for value in values:
        if type(value) not in _NUMBERS:
            if incomplete and value is None:
                return [np.nan] * len(axes)
            raise UserError(f"{where}: {key} holds {str(value)[:40]!r}, expected a number.")
    return values


# ------------------------------------------------------------------------------------- streaming


def _samples(path: Path, incomplete: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read one sample after the other, in bounded memory."""
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    try:
        with path.open(encoding="utf-8") as file:
            count = 0
            for key, sample in _Stream(file, with_nan=incomplete).items():
                count += 1
                if count > MAX_SAMPLES:
                    raise UserError(
                        f"'{path}' has more than {MAX_SAMPLES} samples, the most that is read; the "
                        "published files have 80000. Split it."
                    )
                if not (key.isascii() and key.isdigit() and len(key) <= 9):
                    raise UserError(
                        f"'{path}' has a sample {key[:40]!r}, expected numbers for names, as in "
                        "H3WB's files."
                    )
                if not isinstance(sample, dict):
                    raise UserError(f"'{path}': the sample '{key}' is no dictionary.")
                yield int(key), sample
    except UserError:
        raise
    except OSError as error:
        raise DamagedFileError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except (RecursionError, ValueError) as error:
        raise DamagedFileError(
            f"'{path}' cannot be read as JSON of H3WB ({error}); it is cut short, altered or "
            "something else. Download it again."
        ) from error
    if not count:
        raise UserError(f"'{path}' has no sample.")


class _Stream:
    """The pairs of a JSON object, one at a time."""

    def __init__(self, file: TextIO, *, with_nan: bool) -> None:
        self._file = file
        self._text = ""
        self._position = 0
        self._ended = False
        self._decoder = json.JSONDecoder(parse_constant=_nan if with_nan else _refuse)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Read all pairs."""
        self._expect("{")
        if self._peek() == "}":
            self._position += 1
        else:
            while True:
                key = self._value()
                if not isinstance(key, str):
                    raise ValueError("a key is no text")
                self._expect(":")
                yield key, self._value()
                if self._expect(",}") == "}":
                    break
        if self._peek():
            raise ValueError("it goes on after its end")

    def _peek(self) -> str:
        """Pass over spaces, and look at the next character; nothing at the end."""
        while True:
            self._fill()
            spaces = _SPACES.match(self._text, self._position)
            assert spaces is not None
            self._position = spaces.end()
            if self._position < len(self._text) or self._ended:
                return self._text[self._position : self._position + 1]

    def _expect(self, characters: str) -> str:
        found = self._peek()
        if not found or found not in characters:
            what = f"'{found}' stands" if found else "it ends"
            raise ValueError(f"{what} where one of '{characters}' must be")
        self._position += 1
        return found

    def _value(self) -> Any:
        self._peek()
        self._fill()
        value, stop = self._decoder.raw_decode(self._text, self._position)
        if stop - self._position > MAX_CHARACTERS:
            raise ValueError(f"a sample has more than {MAX_CHARACTERS} characters")
        self._position = stop
        return value

    def _fill(self) -> None:
        """Have as many characters at hand as the longest sample may have, and some."""
        while not self._ended and len(self._text) - self._position <= MAX_CHARACTERS:
            more = self._file.read(_CHUNK)
            self._ended = not more
            self._text = self._text[self._position :] + more
            self._position = 0


_SPACES = re.compile(r"[ \t\n\r]*")


def _nan(constant: str) -> float:
    return np.nan if constant == "NaN" else _refuse(constant)


def _refuse(constant: str) -> float:
    raise ValueError(f"it holds {constant}, which is no number")
