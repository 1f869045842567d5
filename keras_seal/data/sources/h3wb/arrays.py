"""H3WB's `h3wb_train.npz`: arrays by subject, video and camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.sources.h3wb.samples import CAMERAS, NUM_JOINTS, Samples, image_size
from keras_seal.data.unpickling import load_npz
from keras_seal.errors import UserError
from keras_seal.geometry import Camera


def read_arrays(path: Path) -> Samples:
    """Read the file.

    Args:
        path: The file: `train_data` is `{subject: {video: {"frame_id", camera: {"camera_3d",
            "pose_2d", "sample_id"}}}}` in millimetres and pixels; `metadata` holds the cameras.

    Returns:
        The samples, ordered by subject, video, camera and frame.

    Raises:
        UserError: The file is something else, or something in it is wrong.
    """
    content = load_npz(path)
    data, metadata = (_dictionary(content.get(name), path, name) for name in _KEYS)
    parts: dict[str, list[Any]] = {name: [] for name in ("pixels", "poses", "ids", "frames")}
    texts: dict[str, list[str]] = {name: [] for name in ("subjects", "actions", "cameras")}
    known: dict[tuple[str, str], Camera] = {}
    for subject, action, camera, frames, view in _views(path, data):
        where = f"'{path}', {subject} {action} {camera}"
        count = len(frames)
        parts["frames"].append(frames)
        parts["pixels"].append(_array(view, "pose_2d", 2, count, where))
        parts["poses"].append(_array(view, "camera_3d", 3, count, where) / np.float32(1000.0))
        parts["ids"].append(_ids(view, count, where))
        texts["subjects"] += [subject] * count
        texts["actions"] += [action] * count
        texts["cameras"] += [camera] * count
        if (subject, camera) not in known:
            known[subject, camera] = _camera(metadata, subject, camera, path)
    if not parts["frames"]:
        raise UserError(f"'{path}' has no sample.")
    arrays = {name: np.concatenate(values) for name, values in parts.items()}
    return Samples(
        path=path,
        **arrays,
        seen=np.ones(arrays["pixels"].shape[:2], bool),
        **{name: np.array(values) for name, values in texts.items()},
        known=known,
    )


_KEYS = ("train_data", "metadata")
_CAMERA = {"K": (3, 3), "R": (3, 3), "T": (3,), "Distortion": (5,)}


def _dictionary(value: Any, path: Path, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(
            f"'{path}' has no dictionary '{name}', expected one from names to what they hold, as "
            "in h3wb_train.npz."
        )
    return value


def _views(
    path: Path, data: dict[str, Any]
) -> Iterator[tuple[str, str, str, np.ndarray, dict[str, Any]]]:
    for subject, videos in data.items():
        for action, video in _dictionary(videos, path, subject).items():
            name = f"{subject} {action}"
            video = _dictionary(video, path, name)
            frames = _plain(video.get("frame_id", []))
            if frames.dtype.kind not in "iu" or frames.ndim != 1 or not len(frames):
                raise UserError(f"'{path}', {name} has no numbers of frames ('frame_id').")
            if frames.min() < 0 or frames.max() > np.iinfo(np.int32).max:
                raise UserError(f"'{path}', {name} has frames of impossible numbers.")
            cameras = [camera for camera in CAMERAS if camera in video]
            if not cameras:
                raise UserError(
                    f"'{path}', {name} has none of the cameras {', '.join(CAMERAS)}, only "
                    f"{', '.join(video)[:100]}."
                )
            for camera in cameras:
                view = _dictionary(video[camera], path, f"{name} {camera}")
                yield subject, action, camera, frames.astype(np.int64), view


def _plain(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # Lists of unequal lengths.
        return np.array(None)


def _array(view: dict[str, Any], key: str, channels: int, count: int, where: str) -> np.ndarray:
    array = view.get(key)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise UserError(f"{where} has no numbers '{key}'.")
    # Some versions have one more axis, for the one person.
    shapes = ((count, NUM_JOINTS, channels), (count, 1, NUM_JOINTS, channels))
    if array.shape not in shapes:
        raise UserError(
            f"{where}: {key} has the shape {array.shape}, expected {shapes[0]} for {count} frames."
        )
    with np.errstate(over="ignore"):
        return array.reshape(shapes[0]).astype(np.float32)


def _ids(view: dict[str, Any], count: int, where: str) -> np.ndarray:
    if "sample_id" not in view:
        return np.full(count, -1, np.int64)
    ids = _plain(view["sample_id"])
    if ids.dtype.kind not in "iu" or ids.size != count or np.abs(ids).max() > 10**9:
        raise UserError(f"{where} has {ids.size} ids of samples ('sample_id') for {count} frames.")
    return ids.reshape(-1).astype(np.int64)


def _camera(metadata: dict[str, Any], subject: str, name: str, path: Path) -> Camera:
    try:
        values = metadata[subject][name]
        if not isinstance(values, dict):
            raise TypeError("it is no dictionary")
        matrix, rotation, translation, distortion = (
            _numbers(values[key], size) for key, size in _CAMERA.items()
        )
        # Kilopixels; x_camera = R X + T; OpenCV's order k1 k2 p1 p2 k3, whose p2 goes with x.
        width, height = image_size(name)
        return Camera(
            rotation=rotation,
            position=-rotation.T @ translation,
            focal=1000.0 * matrix[[0, 1], [0, 1]],
            center=1000.0 * matrix[:2, 2],
            radial=distortion[[0, 1, 4]],
            tangential=distortion[[3, 2]],
            width=width,
            height=height,
            name=name,
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"'{path}': the camera {name} of {subject} cannot be used ({reason})."
        ) from error


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size != np.prod(shape):
        raise ValueError(f"expected numbers of shape {shape}, got {array.shape} {array.dtype}")
    return array.astype(np.float64).reshape(shape)
