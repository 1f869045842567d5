"""Checks of poses and keypoints: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from keras_seal.errors import UserError

if TYPE_CHECKING:
    from keras_seal.data.sequences import PoseSequences

# A bone longer than this is no length in metres: the units are wrong.
LONGEST_BONE = 10.0
# Normalised keypoints average below 1; ones that lie this far out on average are pixels.
LARGEST_MEAN_KEYPOINT = 5.0
# Frames checked at a time, so that the checks need little memory next to the data.
_CHUNK = 65_536


def check_finite(sequences: PoseSequences) -> None:
    """Refuse keypoints or poses that hold NaN or infinity.

    Args:
        sequences: What to check.

    Raises:
        UserError: Some value is not finite; the message says how many there are and where the
            first one is.
    """
    for what in ("keypoints", "poses"):
        array: np.ndarray = getattr(sequences, what)
        count, first = 0, -1
        for start, chunk in _chunks(array):
            bad = ~np.isfinite(chunk)
            if bad.any():
                frames = np.flatnonzero(bad.any(axis=(1, 2)))
                if first < 0:
                    first = start + int(frames[0])
                count += int(bad.sum())
        if count:
            values = array[first]
            joint = int(np.flatnonzero(~np.isfinite(values).all(axis=-1))[0])
            found = "1 value that is" if count == 1 else f"{count} values that are"
            raise UserError(
                f"The {what} hold {found} not finite; the first is in "
                f"{_where(sequences, first)}, joint '{sequences.skeleton.joints[joint]}' "
                f"({np.array2string(values[joint])}). Fill or leave out such frames."
            )


def check_metres(sequences: PoseSequences) -> None:
    """Refuse poses whose bones are too long to be in metres.

    Args:
        sequences: What to check.

    Raises:
        UserError: In some sequence the median bone is longer than ten metres.
    """
    children = np.array([child for _, child in sequences.skeleton.bones])
    parents = np.array([parent for parent, _ in sequences.skeleton.bones])
    # One frame in the middle tells the unit of a whole sequence.
    middle = (sequences.offsets[:-1] + sequences.offsets[1:]) // 2
    poses = sequences.poses[middle].astype(np.float64)
    lengths = np.median(np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1), axis=1)
    bad = np.flatnonzero(lengths > LONGEST_BONE)
    if bad.size:
        index = int(bad[0])
        raise UserError(
            f"Poses must be in metres, but the median bone of {_sequence(sequences, index)} is "
            f"{lengths[index]:.4g} long, as in millimetres or centimetres. Divide by 1000 (or 100)."
        )


def check_normalized(sequences: PoseSequences) -> None:
    """Refuse keypoints that are still pixels.

    Args:
        sequences: What to check.

    Raises:
        UserError: In some sequence the keypoints lie far outside of [-1, 1] on average.
    """
    middle = (sequences.offsets[:-1] + sequences.offsets[1:]) // 2
    mean = np.abs(sequences.keypoints[middle, :, :2]).mean(axis=(1, 2))
    bad = np.flatnonzero(mean > LARGEST_MEAN_KEYPOINT)
    if bad.size:
        index = int(bad[0])
        raise UserError(
            f"Keypoints must be normalised to x in [-1, 1], but those of "
            f"{_sequence(sequences, index)} average {mean[index]:.4g}, as pixels do. Use "
            "keras_seal.geometry.normalize_screen(pixels, width, height)."
        )


def check_disjoint(**splits: PoseSequences) -> None:
    """Refuse splits that share a subject.

    Args:
        **splits: The sequences of each split by the split's name.

    Raises:
        UserError: A subject appears in two splits.
    """
    owner: dict[str, str] = {}
    for split, sequences in splits.items():
        for subject in np.unique(sequences.subjects).tolist():
            if owner.setdefault(subject, split) != split:
                raise UserError(
                    f"Subject '{subject}' is in the {owner[subject]} and in the {split} split; a "
                    "person may be in one only, else scores are of people already seen."
                )


def _chunks(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(array), _CHUNK):
        yield start, array[start : start + _CHUNK]


def _sequence(sequences: PoseSequences, index: int) -> str:
    subject, action = sequences.subjects[index], sequences.actions[index]
    return f"sequence {index} ('{subject}', '{action}', view {sequences.views[index]})"


def _where(sequences: PoseSequences, frame: int) -> str:
    index = int(np.searchsorted(sequences.offsets, frame, side="right")) - 1
    return f"{_sequence(sequences, index)}, frame {frame - int(sequences.offsets[index])}"
