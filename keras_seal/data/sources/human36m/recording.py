"""What every layout of Human3.6M's files is read into, and the names in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_seal.errors import UserError, nearest

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SUBJECTS = TRAIN_SUBJECTS + TEST_SUBJECTS
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
FPS = 50.0

# In the order of the numbers in file names: Directions is act 2.
ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting",
    "SittingDown", "Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether",
)  # fmt: skip
_OTHER_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
# Its video is corrupt, so nobody uses it.
_DROPPED = ("S11", "Directions")
_SHIFTED = {("S9", "Greeting"), ("S9", "SittingDown"), ("S9", "Waiting 1")}


@dataclass(frozen=True)
class Recording:
    """One take of a subject, seen by one camera.

    Args:
        subject: Who acts.
        action: One of `ACTIONS`.
        camera: Name of the camera.
        name: What the data set calls it.
        pixels: Keypoints `(frames, 16 or 17, 2)`.
        confidence: The detector's `(frames, 16 or 17)`; `None` where the file has none.
        poses: `(frames, 17, 3)` metres, camera space.
        poses_file: The file that the poses are from, for error messages.
        keypoints_file: The file that the keypoints are from.
        shifted: Whether the motion capture is known to be off.
        fps: Frames a second.
    """

    subject: str
    action: str
    camera: str
    name: str
    pixels: np.ndarray
    confidence: np.ndarray | None
    poses: np.ndarray
    poses_file: str
    keypoints_file: str
    shifted: bool
    fps: float = FPS


def canonical_action(take: str, where: str) -> str:
    """Find a take's action: "TakingPhoto 1" is a take of "Photo".

    Args:
        take: The take's name.
        where: The file, for the error message.

    Returns:
        One of `ACTIONS`.

    Raises:
        UserError: There is no such action.

    Examples:
        >>> canonical_action("WalkingDog 1", "a file"), canonical_action("Walking", "a file")
        ('WalkDog', 'Walking')
    """
    action = take.split(" ")[0]
    action = _OTHER_NAMES.get(action, action)
    if action not in ACTIONS:
        raise UserError(
            f"{where} has a take '{take[:80]}', but Human3.6M has no such action."
            f"{nearest(action[:80], ACTIONS)}"
        )
    return action


def canonical_take(take: str, where: str) -> str:
    """Bring the names that files give to one take into one form.

    Args:
        take: The take's name.
        where: The file, for the error message.

    Returns:
        The action and, where there is one, what follows it.

    Raises:
        UserError: There is no such action.

    Examples:
        >>> canonical_take("TakingPhoto 1", "a file")
        'Photo 1'
    """
    return " ".join([canonical_action(take, where), *take.split(" ")[1:]])


def is_dropped(subject: str, take: str) -> bool:
    """Whether nobody uses a take: the one whose video is corrupt.

    Args:
        subject: Who acts.
        take: The take's canonical name.
    """
    return (subject, take) == _DROPPED


def is_shifted(subject: str, take: str) -> bool:
    """Whether a take's motion capture is known to be off.

    Args:
        subject: Who acts.
        take: The take's canonical name.
    """
    return (subject, take) in _SHIFTED


def numbers(value: Any, where: str, shape: Sequence[int | None]) -> np.ndarray:
    """Check that a value is an array of finite numbers of some shape.

    Args:
        value: What a file holds.
        where: What to call it in messages.
        shape: Sizes of the axes, `None` for any but zero.

    Returns:
        The array.

    Raises:
        UserError: It is something else; the message says what, and where.
    """
    wanted = "(" + ", ".join("frames" if size is None else str(size) for size in shape) + ")"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value)
        raise UserError(f"{where} must be an array of numbers {wanted}, but is {kind}.")
    fits = value.ndim == len(shape) and all(
        size > 0 if expected is None else size == expected
        for size, expected in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise UserError(f"{where} must have the shape {wanted}, but has {value.shape}.")
    finite = np.isfinite(value)
    if not finite.all():
        row = int(np.flatnonzero(~finite.reshape(len(value), -1).all(axis=1))[0])
        raise UserError(
            f"{where} holds {int((~finite).sum())} values that are not finite, the first in row "
            f"{row}. Fill them in, or use the published file."
        )
    return value


def table(value: Any, where: str) -> dict[str, Any]:
    """Check that a value is a dictionary with texts as keys.

    Args:
        value: What a file holds.
        where: What to call it in messages.

    Returns:
        The dictionary.

    Raises:
        UserError: It is something else.
    """
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(
            f"{where} must be a dictionary by name, but is of type {type(value).__name__}."
        )
    return value


def texts(value: Any, where: str, count: int | None = None) -> list[str]:
    """Check that a value is a column of texts.

    Args:
        value: What a file holds: a list, or an array, of texts or whole numbers.
        where: What to call it in messages.
        count: How many there must be; any number by default.

    Returns:
        The texts.

    Raises:
        UserError: It is something else.
    """
    items = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    if not isinstance(items, list | tuple):
        raise UserError(f"{where} must be a list of texts, but is of type {type(value).__name__}.")
    if count is not None and len(items) != count:
        raise UserError(f"{where} must have {count} rows as the arrays do, but has {len(items)}.")
    made = [
        item.decode("latin1") if isinstance(item, bytes) else str(item)
        for item in items
        if isinstance(item, str | bytes | int | np.integer)
    ]
    if len(made) != len(items):
        raise UserError(f"{where} must hold texts only.")
    return made
