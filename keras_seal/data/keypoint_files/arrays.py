"""Plain arrays: `.npz` and `.npy`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.keypoint_files.collecting import DETECTOR_LAYOUTS, Collector
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import GREATEST, number, numbers, short
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError

# Human3.6M's and MPI-INF-3DHP's orders have 17 joints as COCO's has.
OPEN_LAYOUTS = {count: name for count, name in DETECTOR_LAYOUTS.items() if count != 17}


def read(path: Path, collector: Collector, arrays: Mapping[str, Any]) -> KeypointFile:
    """Read plain arrays.

    `keypoints` is `(frames, joints, 2 or 3)` for one person, `(people, frames, joints, 2 or 3)`
    for several who are followed, with x and y in pixels and perhaps the confidence; NaN where
    nothing was detected. With `frames` the rows are people in these frames, and with `ids` beside
    it they are followed. Further arrays, all of them optional: `confidence` (as `keypoints`
    without the last axis), `boxes` `(..., 4)` left, top, right, bottom, `scores`, `image_size`
    (width, height), `fps` and `layout` (the name of a joint order).

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
    collector.layouts = OPEN_LAYOUTS
    _read_facts(collector, arrays, where)
    keypoints = _keypoints(arrays, where)
    people = keypoints.shape[0] if keypoints.ndim == 4 else 1
    rows = keypoints.reshape(-1, *keypoints.shape[-2:])
    frames, ids = _identities(arrays, keypoints, where)
    boxes = _per_row(arrays, "boxes", (*keypoints.shape[:-2], 4), where)
    scores = _per_row(arrays, "scores", keypoints.shape[:-2], where)
    collector.add_rows(
        frames,
        rows,
        where,
        boxes=None if boxes is None else boxes.reshape(-1, 4),
        scores=None if scores is None else scores.reshape(-1),
        ids=ids,
    )
    if "frames" not in arrays:
        collector.num_frames = len(rows) // max(people, 1)
    return collector.finish()


def _read_facts(collector: Collector, arrays: Mapping[str, Any], where: str) -> None:
    if "image_size" in arrays:
        size = numbers(arrays["image_size"], f"{where}, 'image_size'").reshape(-1)
        if size.size != 2:
            raise DamagedFileError(f"{where}: 'image_size' must hold width and height.")
        collector.set_image_size(float(size[0]), float(size[1]))
    if "fps" in arrays:
        collector.set_fps(number(arrays["fps"], f"{where}, 'fps'"))
    if "layout" in arrays:
        name = arrays["layout"]
        name = name.item() if isinstance(name, np.ndarray) and name.size == 1 else name
        if not isinstance(name, str):
            raise DamagedFileError(f"{where}: 'layout' must be a name, got {short(name)}.")
        collector.set_layout(name)


def _keypoints(arrays: Mapping[str, Any], where: str) -> np.ndarray:
    found = arrays.get("keypoints", arrays.get("arr_0"))
    keypoints = numbers(found, f"{where}, 'keypoints'")
    if keypoints.ndim not in (3, 4) or keypoints.shape[-1] not in (2, 3) or not keypoints.shape[-2]:
        raise UserError(
            f"{where}: keypoints must have the shape (frames, joints, 2 or 3) or (people, frames, "
            f"joints, 2 or 3), got {keypoints.shape}."
        )
    full = np.ones((*keypoints.shape[:-1], 3))
    full[..., : keypoints.shape[-1]] = keypoints
    if "confidence" in arrays:
        full[..., 2] = _per_row(arrays, "confidence", keypoints.shape[:-1], where)
    return full


def _identities(
    arrays: Mapping[str, Any], keypoints: np.ndarray, where: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Frame number and person of every row."""
    count = keypoints.shape[-3]
    if keypoints.ndim == 4:
        people = np.repeat(np.arange(len(keypoints)), count)
        if "frames" not in arrays:
            return np.tile(np.arange(count), len(keypoints)), people
        return np.tile(_wholes(arrays, "frames", count, where), len(keypoints)), people
    if "frames" not in arrays:
        return np.arange(count), np.zeros(count, int)
    frames = _wholes(arrays, "frames", count, where)
    if "ids" in arrays:
        return frames, _wholes(arrays, "ids", count, where)
    # Nobody appears twice, so it may be one person; else nothing tells who is who.
    alone = len(np.unique(frames)) == count
    return frames, np.zeros(count, int) if alone else None


def _wholes(arrays: Mapping[str, Any], key: str, count: int, where: str) -> np.ndarray:
    values = numbers(arrays[key], f"{where}, '{key}'")
    wrong = ~((values == np.floor(values)) & (values >= 0) & (values <= GREATEST))
    if values.shape != (count,) or wrong.any():
        raise DamagedFileError(
            f"{where}: '{key}' must be {count} whole numbers from 0 on, got {short(values)}."
        )
    return values.astype(np.int64)


def _per_row(
    arrays: Mapping[str, Any], key: str, shape: tuple[int, ...], where: str
) -> np.ndarray | None:
    if key not in arrays:
        return None
    values = numbers(arrays[key], f"{where}, '{key}'")
    if values.shape != shape:
        raise DamagedFileError(f"{where}: '{key}' must have the shape {shape}, got {values.shape}.")
    return values
