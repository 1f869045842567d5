"""The `.npz` that VideoPose3D's `infer_video.py` and `infer_video_d2.py` write with Detectron."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import entry, number, numbers, short
from keras_seal.data.storage import DamagedFileError

# Rows of a person's keypoints.
_X, _Y, _PROBABILITY = 0, 1, 3


def read(path: Path, collector: Collector, arrays: Mapping[str, Any]) -> KeypointFile:
    """Read a file of Detectron's people.

    All people of each frame are kept; VideoPose3D itself takes the one with the highest score.

    Args:
        path: The file, for errors.
        collector: Collects what is found.
        arrays: What `load_npz` gave.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    where = f"'{path}'"
    metadata = arrays.get("metadata")
    if isinstance(metadata, Mapping) and "w" in metadata and "h" in metadata:
        collector.set_image_size(*(number(metadata[side], where) for side in ("w", "h")))
    frames, boxes = (
        _frames(entry(arrays, key, where), key, where) for key in ("keypoints", "boxes")
    )
    if len(frames) != len(boxes):
        raise DamagedFileError(
            f"{where} holds keypoints of {len(frames)} frames, but boxes of {len(boxes)}."
        )
    for frame, (found, found_boxes) in enumerate(zip(frames, boxes, strict=True)):
        here = f"{where}, frame {frame}"
        keypoints = _people(found, f"{here}, 'keypoints'")
        corners = _people(found_boxes, f"{here}, 'boxes'")
        if not keypoints.size or not corners.size:
            continue
        if keypoints.ndim != 3 or keypoints.shape[1] != 4:
            raise DamagedFileError(
                f"{here}: expected keypoints of the shape (people, 4, joints), got "
                f"{keypoints.shape}."
            )
        if corners.shape != (len(keypoints), 5):
            raise DamagedFileError(
                f"{here}: expected boxes of the shape ({len(keypoints)}, 5), got {corners.shape}."
            )
        for person, corner in zip(keypoints, corners, strict=True):
            collector.add(
                frame,
                person[[_X, _Y, _PROBABILITY]].T,
                here,
                box=corner[:4],
                score=float(corner[4]),
            )
    collector.num_frames = len(frames)
    return collector.finish()


def _frames(value: Any, key: str, where: str) -> Any:
    if not isinstance(value, np.ndarray | list) or not np.ndim(value):
        raise DamagedFileError(f"{where}: '{key}' must hold one entry a frame, got {short(value)}.")
    return value


def _people(value: Any, where: str) -> np.ndarray:
    """What Detectron calls the second class, after the background: people."""
    if not isinstance(value, np.ndarray | list | tuple) or len(value) != 2:
        raise DamagedFileError(
            f"{where}: expected the background and the people, got {short(value)}."
        )
    return numbers(value[1], where)
