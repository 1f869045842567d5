"""Which format a keypoint file has, by its content."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from keras_seal.data.keypoint_files import alphapose, mediapipe, openpose, table
from keras_seal.data.keypoint_files.json_entries import entries
from keras_seal.errors import UserError

# How far a file is read until an entry must have told the format.
_LOOKED_AT = 2000
_ARRAY_STARTS = (b"PK", b"\x93NUMPY")


def holds_arrays(path: Path) -> bool:
    """Tell whether a file is `.npz` or `.npy`.

    Args:
        path: The file.

    Returns:
        Whether it begins as those do.

    Raises:
        UserError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_ARRAY_STARTS)
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def format_of_arrays(path: Path, arrays: Mapping[str, Any]) -> str:
    """Recognise the format of a file of arrays.

    Args:
        path: The file, for errors.
        arrays: Its arrays.

    Returns:
        The format's name.

    Raises:
        UserError: It is none that is known.
    """
    if {"offsets", "poses"} <= set(arrays):
        raise UserError(
            f"'{path}' holds poses to train on, written by keras-seal, not a detector's output."
        )
    if "positions_2d" in arrays:
        return "videopose3d"
    if {"boxes", "keypoints"} <= set(arrays) and "segments" in arrays:
        return "detectron"
    if "keypoints" in arrays or set(arrays) == {"arr_0"}:
        return "arrays"
    found = ", ".join(f"'{name}'" for name in list(arrays)[:5]) or "nothing"
    raise UserError(
        f"'{path}' holds {found}; an array file of keypoints has 'keypoints' (see the format "
        "'arrays'), or is one that VideoPose3D wrote."
    )


def format_of_text(path: Path) -> str:
    """Recognise the format of a folder, a JSON file or a table.

    Args:
        path: The file or folder.

    Returns:
        The format's name.

    Raises:
        UserError: It is none that is known.
    """
    if path.is_dir():
        if openpose.json_files(path):
            return "openpose"
        raise UserError(
            f"The folder '{path}' holds no JSON files; a folder of keypoints is OpenPose's, with "
            "one JSON file a frame."
        )
    start = _first_line(path)
    if start.startswith(("[", "{")):
        return _format_of_json(path)
    if table.is_header(start):
        return "table"
    shown = start[:40].strip() or "nothing"
    raise UserError(
        f"'{path}' is no keypoint file that is known: it begins with {shown!r}. Known are JSON of "
        "detectors, .npz, .npy, tables with a header, and OpenPose's folders."
    )


def _first_line(path: Path) -> str:
    """The first line that is neither empty nor a comment."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for _ in range(100):
                line = file.readline(65_536)
                if not line:
                    break
                if line.strip() and not line.startswith("#"):
                    return line.strip()
    except (OSError, UnicodeDecodeError):
        raise UserError(
            f"'{path}' is no keypoint file that is known: it is neither text nor arrays."
        ) from None
    return ""


def _format_of_json(path: Path) -> str:
    inside = ("instance_info", "images", "annotations", "frames")
    for key, value in islice(entries(path, inside), _LOOKED_AT):
        found = _format_of_item(value) if key is None else _format_of_member(key, value)
        if found:
            return found
    raise UserError(
        f"'{path}' is JSON, but holds nobody, or in no layout that is known: COCO, AlphaPose, "
        "OpenPose, MMPose and MediaPipe are. Name the `format` to be told what is wrong with it."
    )


def _format_of_member(key: str, value: Any) -> str | None:
    """The format of an outermost object, by one of its members."""
    by_key = {
        "instance_info": "mmpose",
        "meta_info": "mmpose",
        "people": "openpose",
        "images": "coco",
        "annotations": "coco",
        "frames": "mediapipe",
        **dict.fromkeys(mediapipe.LANDMARK_KEYS, "mediapipe"),
    }
    if key in by_key:
        return by_key[key]
    if isinstance(value, Mapping) and set(value) & {"bodies", "people"}:
        return "alphapose"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "alphapose" if set(value[0]) & set(alphapose.JOINT_KEYS) else None
    return None


def _format_of_item(value: Any) -> str | None:
    """The format of an outermost list, by one of its items."""
    if isinstance(value, Mapping):
        keys = set(value)
        if "image_id" in keys:
            named = isinstance(value["image_id"], str)
            return "alphapose" if named or keys & {"idx", "box"} else "coco"
        if "instances" in keys or {"keypoints", "keypoint_scores"} <= keys:
            return "mmpose"
        return "mediapipe" if keys & {*mediapipe.LANDMARK_KEYS, "x"} else None
    return "mediapipe" if isinstance(value, list) and value else None
