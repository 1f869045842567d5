"""Numbers out of files that may hold anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_seal.data.storage import DamagedFileError

# Whole numbers beyond this cannot be told from their neighbours once they are floats.
GREATEST = 2**53

_SUFFIX = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp|json)$", re.IGNORECASE)
# How much of the end of an image's name is looked at, and how many digits there.
_TELLING, _DIGITS = 100, 15


def numbers(value: Any, where: str) -> np.ndarray:
    """Turn nested lists of numbers, or an array, into an array.

    Args:
        value: What the file holds; null counts as NaN.
        where: What to call it in errors.

    Returns:
        Floats of the same shape.

    Raises:
        DamagedFileError: It holds something else, or rows of different lengths.
    """
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = np.asarray(value, np.float64)
            # NumPy would read text as numbers, which lists with a null in them hide.
            if any(isinstance(item, str | bytes) for item in _leaves(value)):
                raise ValueError
        if array.dtype.kind not in "fiu":
            raise ValueError
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise DamagedFileError(f"{where}: expected numbers, got {short(value)}.") from None
    return array.astype(np.float64)


def _leaves(value: Any) -> list[Any]:
    leaves, pending = [], [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, np.ndarray) and item.dtype == object:
            pending.extend(item.reshape(-1).tolist())
        else:
            leaves.append(item)
    return leaves


def triplets(value: Any, where: str) -> np.ndarray:
    """Turn x, y, confidence, x, y, confidence, ... into rows.

    Args:
        value: A flat list of numbers.
        where: What to call it in errors.

    Returns:
        `(joints, 3)`.

    Raises:
        DamagedFileError: It is no such list.
    """
    flat = numbers(value, where)
    if flat.ndim != 1 or not flat.size or flat.size % 3:
        raise DamagedFileError(
            f"{where}: expected x, y and confidence of every joint in one list, got numbers of "
            f"shape {flat.shape}."
        )
    return flat.reshape(-1, 3)


def with_confidence(points: Any, confidence: Any, where: str) -> np.ndarray:
    """Join coordinates and confidences that come apart.

    Args:
        points: `(joints, 2)` numbers.
        confidence: `(joints,)` numbers, or None for full confidence.
        where: What to call them in errors.

    Returns:
        `(joints, 3)`.

    Raises:
        DamagedFileError: They do not fit each other.
    """
    coordinates = numbers(points, where)
    if coordinates.ndim != 2 or coordinates.shape[-1] != 2:
        reason = (
            " Is this a file of 3D poses?"
            if coordinates.ndim and coordinates.shape[-1] == 3
            else ""
        )
        raise DamagedFileError(
            f"{where}: expected x and y of every joint, got numbers of shape "
            f"{coordinates.shape}.{reason}"
        )
    count = len(coordinates)
    trust = np.ones(count) if confidence is None else numbers(confidence, where)
    if trust.shape not in ((count,), (count, 1)):
        raise DamagedFileError(
            f"{where}: there are {count} joints, but confidences of shape {trust.shape}."
        )
    return np.concatenate([coordinates, trust.reshape(-1, 1)], axis=1)


def number(value: Any, where: str) -> float:
    """Turn a number, perhaps alone in a list or array, into a float.

    Args:
        value: What the file holds; null counts as NaN.
        where: What to call it in errors.

    Returns:
        The number.

    Raises:
        DamagedFileError: It is no number.
    """
    array = numbers(value, where)
    if array.size != 1:
        raise DamagedFileError(f"{where}: expected a number, got {short(value)}.")
    return float(array.reshape(()))


def whole(value: Any, where: str, least: int = 0) -> int:
    """Turn a whole number, perhaps written as 3.0 or alone in a list, into an integer.

    Args:
        value: What the file holds.
        where: What to call it in errors.
        least: The least number allowed.

    Returns:
        The integer.

    Raises:
        DamagedFileError: It is no whole number, or too small or too large.
    """
    result = number(value, where)
    if not (result == np.floor(result) and least <= result <= GREATEST):
        raise DamagedFileError(
            f"{where}: expected a whole number from {least} on, got {short(value)}."
        )
    return int(result)


def box(value: Any, where: str, *, sides: bool) -> np.ndarray | None:
    """Turn a bounding box into its corners.

    Args:
        value: Four numbers, perhaps in a list too many, or None.
        where: What to call it in errors.
        sides: Whether the last two numbers are width and height, not the other corner.

    Returns:
        `(4,)` left, top, right, bottom; None for None.

    Raises:
        DamagedFileError: It is something else.
    """
    if value is None:
        return None
    corners = numbers(value, where).reshape(-1)
    if corners.size != 4:
        raise DamagedFileError(f"{where}: expected the four numbers of a box, got {short(value)}.")
    if sides:
        corners[2:] += corners[:2]
    return corners


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Insist on a dictionary.

    Args:
        value: What the file holds.
        where: What to call it in errors.

    Returns:
        The value.

    Raises:
        DamagedFileError: It is something else.
    """
    if not isinstance(value, Mapping):
        raise DamagedFileError(f"{where}: expected a JSON object, got {short(value)}.")
    return value


def entry(value: Mapping[str, Any], key: str, where: str) -> Any:
    """Take an entry that must be there.

    Args:
        value: The dictionary.
        key: Its key.
        where: What to call the dictionary in errors.

    Returns:
        The entry.

    Raises:
        DamagedFileError: There is no such key.
    """
    if key not in value:
        raise DamagedFileError(f"{where}: it has no '{key}'.")
    return value[key]


def items(value: Any, where: str) -> list[Any]:
    """Insist on a list.

    Args:
        value: What the file holds; null counts as an empty list.
        where: What to call it in errors.

    Returns:
        The list.

    Raises:
        DamagedFileError: It is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise DamagedFileError(f"{where}: expected a list, got {short(value)}.")
    return list(value)


def short(value: Any) -> str:
    """Describe a value briefly, however large it is.

    Args:
        value: Anything.

    Returns:
        Words for an error message.

    Examples:
        >>> short([1] * 1000)
        'a list of 1000'
    """
    if isinstance(value, Mapping):
        return f"an object with the keys {', '.join(map(repr, list(value)[:5]))}"[:120]
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


class Images:
    """Numbers the frames of files that name images.

    The numbers in the names ("000012.jpg") are the frame numbers if every name has one and they
    tell the images apart; otherwise images count in the order in which they appear.
    """

    def __init__(self) -> None:
        self._order: dict[str, int] = {}

    def index(self, name: str) -> int:
        """Tell the place of an image in the order of appearance.

        Args:
            name: The image's name.

        Returns:
            Its place, from 0.
        """
        return self._order.setdefault(name, len(self._order))

    def frame_numbers(self) -> np.ndarray:
        """Number the images that were named.

        Returns:
            `(images,)` frame number of each, by place.

        Examples:
            >>> images = Images()
            >>> [images.index(name) for name in ("a_0007.jpg", "a_0009.jpg", "a_0007.jpg")]
            [0, 1, 0]
            >>> images.frame_numbers().tolist()
            [7, 9]
        """
        found = [re.findall(r"\d+", _SUFFIX.sub("", name[-_TELLING:])) for name in self._order]
        values = [int(digits[-1][-_DIGITS:]) for digits in found if digits]
        if len(values) < len(found) or len(set(values)) < len(values):
            values = list(range(len(found)))
        return np.array(values, np.int64)
