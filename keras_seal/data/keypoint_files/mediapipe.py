"""MediaPipe Pose's landmarks, dumped to JSON in the usual ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.json_entries import entries
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import items, number, numbers, short, whole
from keras_seal.data.storage import DamagedFileError

LANDMARK_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
_FRAME_KEYS = ("frame", "frame_id", "frame_index")
_SIZE_KEYS = (("width", "height"), ("image_width", "image_height"))
_JOINTS = 33


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a file with a list of frames, by itself or as `frames` beside `fps`, `width`, `height`.

    A frame is a list of 33 landmarks (objects with x, y and visibility, or lists x, y, z,
    visibility), a list of such lists, or an object with either as `pose_landmarks` or `landmarks`
    and perhaps its number as `frame`. x and y are fractions of the image's width and height, so
    the image size is needed. World landmarks are left aside.

    Args:
        path: The file.
        collector: Collects what is found.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    collector.coordinates = "unit"
    collector.layouts = {_JOINTS: "mediapipe_33"}
    facts: dict[str, Any] = {}
    frame = -1
    for key, value in entries(path, inside=("frames",)):
        if key not in (None, "frames", *LANDMARK_KEYS):
            assert key is not None
            facts[key] = value
            continue
        where = f"'{path}', frame {frame + 1}"
        frame += 1
        if key in LANDMARK_KEYS:
            value = {key: value}
        if isinstance(value, Mapping):
            given = next((value[name] for name in _FRAME_KEYS if name in value), frame)
            frame = whole(given, f"{where}, its number")
        for person in _people(value, where):
            collector.add(frame, person, where)
        collector.num_frames = max(collector.num_frames, frame + 1)
    for width, height in _SIZE_KEYS:
        if width in facts and height in facts:
            place = f"'{path}', image size"
            collector.set_image_size(number(facts[width], place), number(facts[height], place))
    if facts.get("fps") is not None:
        collector.set_fps(number(facts["fps"], f"'{path}', 'fps'"))
    return collector.finish()


def _people(value: Any, where: str) -> list[np.ndarray]:
    """All people of a frame, each `(33, 3)`."""
    landmarks = _unwrapped(value, where)
    if not landmarks:
        return []
    if _is_landmark(landmarks[0]):
        return [_person(landmarks, where)]
    each = (_unwrapped(person, where) for person in landmarks)
    return [_person(person, where) for person in each if person]


def _unwrapped(value: Any, where: str) -> list[Any]:
    """A list that may lie in objects: `{"pose_landmarks": {"landmark": [...]}}`."""
    for _ in range(2):
        if isinstance(value, Mapping):
            found = [value[key] for key in LANDMARK_KEYS if key in value]
            if not found:
                raise DamagedFileError(f"{where}: it has no landmarks, but is {short(value)}.")
            value = found[0]
    return items(value, where)


def _is_landmark(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "x" in value and "y" in value
    return isinstance(value, list) and len(value) in (2, 3, 4, 5) and not isinstance(value[0], list)


def _person(landmarks: list[Any], where: str) -> np.ndarray:
    if not all(_is_landmark(landmark) for landmark in landmarks):
        raise DamagedFileError(f"{where}: some landmarks have no x and y.")
    return numbers([_row(landmark) for landmark in landmarks], where)


def _row(landmark: Any) -> list[Any]:
    if isinstance(landmark, Mapping):
        return [landmark["x"], landmark["y"], landmark.get("visibility", 1.0)]
    # x, y, z and visibility; without the last the joint counts as seen.
    return [*landmark[:2], landmark[3] if len(landmark) > 3 else 1.0]
