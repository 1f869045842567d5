"""MMPose's files: one row per image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.sources.mpi_inf_3dhp.calibration import camera_of
from keras_seal.data.sources.mpi_inf_3dhp.recording import (
    CAMERAS,
    NUM_JOINTS,
    TEST_FPS,
    TEST_SUBJECTS,
    TRAIN_SIZE,
    USABLE_FRAMES,
    Recording,
    fps_of,
    image_size,
    setting_of,
)
from keras_seal.data.unpickling import load_npz, load_pickle
from keras_seal.errors import UserError
from keras_seal.geometry import Camera

_KEYS = ("imgname", "part", "S")
# Numbers have six digits; more than nine would overflow them.
_IMAGE = re.compile(r"(?:.*[/\\])?(?:(S\d)_(Seq\d)_Cam(\d{1,2})|(TS\d))_(\d{1,9})\.\w+")


def read_train(
    path: Path, cameras_path: Path | None, subjects: Sequence[str], cameras: Sequence[int]
) -> Iterator[Recording]:
    """Read a training file.

    Args:
        path: The file; rows named as in "S1_Seq1_Cam0_000001.jpg".
        cameras_path: `cameras_train.pkl`, where it is there.
        subjects: Whose recordings to read.
        cameras: Which cameras to read.

    Yields:
        One recording per sequence and camera.

    Raises:
        UserError: The file is something else, or something in it is wrong.
    """
    known = _cameras(cameras_path)
    wanted = set(cameras)
    groups, arrays = _rows(path)
    there: dict[str, set[int]] = {}
    for prefix, (rows, frames) in groups.items():
        if prefix.startswith("TS"):
            raise UserError(f"'{path}' holds rows of the test set; is it a training file?")
        subject, sequence, camera = prefix.split("_")
        name, number = f"{subject} {sequence}", int(camera)
        if name not in USABLE_FRAMES or number not in CAMERAS:
            raise UserError(f"'{path}' holds images '{prefix}_...', which the data set has not.")
        there.setdefault(name, set()).add(number)
        if subject not in subjects or number not in wanted:
            continue
        called = f"{name} camera {number}"
        yield _recording(
            path,
            arrays,
            rows,
            frames,
            name=called,
            subject=subject,
            action=sequence,
            size=TRAIN_SIZE,
            fps=fps_of(name),
            camera=_camera(
                cameras_path, known, f"{subject}_{sequence}_Cam{number}", called, TRAIN_SIZE
            ),
        )
    for name, found in there.items():
        missing = sorted(wanted - found)
        if missing and name.split()[0] in subjects:
            raise UserError(
                f"'{path}': '{name}' has no camera {', '.join(map(str, missing))}, only "
                f"{', '.join(map(str, sorted(found)))}. Set the option `cameras` to 8, or make the "
                "file with all of them."
            )


def read_test(
    path: Path, cameras_path: Path | None, subjects: Sequence[str]
) -> Iterator[Recording]:
    """Read a test file, of all frames or of the valid ones alone.

    Args:
        path: The file; rows named as in "TS1_000001.jpg".
        cameras_path: `cameras_test.pkl`, where it is there.
        subjects: Whose recordings to read.

    Yields:
        One recording per sequence.

    Raises:
        UserError: The file is something else, or something in it is wrong.
    """
    known = _cameras(cameras_path)
    groups, arrays = _rows(path)
    for name, (rows, frames) in groups.items():
        if name not in TEST_SUBJECTS:
            raise UserError(f"'{path}' holds images '{name}_...'; is it a test file?")
        if name not in subjects:
            continue
        yield _recording(
            path,
            arrays,
            rows,
            frames,
            name=name,
            subject=name,
            action=setting_of(name),
            size=image_size(name),
            fps=TEST_FPS,
            camera=_camera(cameras_path, known, name, name, image_size(name)),
        )


def _rows(path: Path) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, np.ndarray]]:
    """Read the arrays, and group their rows by recording, ordered by frame."""
    content = load_npz(path)
    missing = [key for key in _KEYS if not isinstance(content.get(key), np.ndarray)]
    if missing:
        raise UserError(
            f"'{path}' has no array {', '.join(missing)}; it is no file in MMPose's layout, which "
            "has imgname, part and S."
        )
    arrays = {key: content[key] for key in _KEYS}
    count = len(arrays["imgname"]) if arrays["imgname"].ndim == 1 else 0
    for key, channels in (("part", (2, 3)), ("S", (3, 4))):
        array = arrays[key]
        if (
            array.dtype.kind not in "iuf"
            or array.ndim != 3
            or array.shape[:2] != (count, NUM_JOINTS)
            or array.shape[2] not in channels
        ):
            raise UserError(
                f"'{path}': {key} has the shape {array.shape}, expected ({count}, {NUM_JOINTS}, "
                f"{channels[-1]}) for {count} images."
            )
    groups: dict[str, list[tuple[int, int]]] = {}
    for row, image in enumerate(arrays["imgname"].tolist()):
        match = _IMAGE.fullmatch(str(image))
        if match is None:
            raise UserError(
                f"'{path}': image {row} is called {str(image)[:80]!r}, expected names like "
                "'S1_Seq1_Cam0_000001.jpg' or 'TS1_000001.jpg'."
            )
        subject, sequence, camera, test, frame = match.groups()
        # Images are counted from 1.
        key = test or f"{subject}_{sequence}_{int(camera)}"
        groups.setdefault(key, []).append((int(frame) - 1, row))
    ordered = {}
    for key, pairs in groups.items():
        frames, rows = np.array(sorted(pairs), np.int64).T
        if (np.diff(frames) == 0).any() or frames[0] < 0:
            raise UserError(
                f"'{path}' has an image twice, or one numbered 0, among '{key}_...'. Make the file "
                "again."
            )
        ordered[key] = (rows, frames)
    return ordered, arrays


def _recording(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    rows: np.ndarray,
    frames: np.ndarray,
    **others: Any,
) -> Recording:
    return Recording(
        path=path,
        pixels=arrays["part"][rows, :, :2],
        poses=arrays["S"][rows, :, :3],
        frames=frames,
        unit="metres",
        valid=np.ones(len(rows), bool),
        activity=np.zeros(len(rows), np.int8),
        **others,
    )


def _cameras(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise UserError(f"'{path}' holds no dictionary of cameras.")
    return content


def _camera(
    path: Path | None, known: Mapping[str, Any], key: str, name: str, size: tuple[int, int]
) -> Camera | None:
    if path is None:
        return None
    values = known.get(key)
    try:
        if not isinstance(values, dict):
            raise ValueError("it is missing")
        # The heights in the published file are cut off by a digit, so sizes are not taken from it.
        # Test cameras have no place in the world: camera space is their world.
        return camera_of(
            rotation=_numbers(values.get("R", np.eye(3)), (3, 3)),
            translation=_numbers(values.get("T", np.zeros(3)), (3,)),
            focal=_numbers(values.get("f"), (2,)),
            center=_numbers(values.get("c"), (2,)),
            size=size,
            name=name,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"'{path}': the camera '{key}' cannot be used: {error}.") from error


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size != np.prod(shape):
        raise ValueError(f"expected numbers of shape {shape}, got {array.shape} {array.dtype}")
    return array.astype(np.float64).reshape(shape)
