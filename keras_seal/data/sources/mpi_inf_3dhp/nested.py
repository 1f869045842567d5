"""P-STMO's files and D3DP's: dictionaries in an `.npz` file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.sources.mpi_inf_3dhp.raw import flags
from keras_seal.data.sources.mpi_inf_3dhp.recording import (
    PAPER_CAMERAS,
    TEST_FPS,
    TEST_SUBJECTS,
    TRAIN_SIZE,
    USABLE_FRAMES,
    Recording,
    image_size,
    setting_of,
)
from keras_seal.data.unpickling import load_npz
from keras_seal.errors import UserError

_FRAME_RATES = (25.0, 50.0)


def read_train(path: Path, subjects: Sequence[str], cameras: Sequence[int]) -> Iterator[Recording]:
    """Read a training file.

    Args:
        path: The file: `{"S1 Seq1": [{"0": {"data_2d", "data_3d"}, ...}, fps], ...}`.
        subjects: Whose recordings to read.
        cameras: Which cameras to read.

    Yields:
        One recording per sequence and camera.

    Raises:
        UserError: The file is something else, or something in it is wrong.
    """
    for name, content in _content(path, "training").items():
        if name not in USABLE_FRAMES:
            raise UserError(
                f"'{path}' holds a sequence '{name}', expected names from 'S1 Seq1' to 'S8 Seq2'; "
                "is it a training file?"
            )
        subject, sequence = name.split()
        if subject not in subjects:
            continue
        if not isinstance(content, list | tuple) or len(content) != 2:
            raise UserError(
                f"'{path}': '{name}' holds no pair of cameras and frame rate. Use the published "
                "file."
            )
        views, fps = content
        # An array would be compared number by number.
        if not isinstance(views, dict) or not isinstance(fps, Real) or fps not in _FRAME_RATES:
            raise UserError(
                f"'{path}': '{name}' has no dictionary of cameras, or a frame rate other than 25 "
                "and 50. Use the published file."
            )
        for camera in cameras:
            view = views.get(str(camera), views.get(camera))
            if view is None:
                known = ", ".join(map(str, views))
                hint = "" if camera in PAPER_CAMERAS else " Set cameras to 8."
                raise UserError(
                    f"'{path}': '{name}' has no camera {camera}, only {known[:100]}.{hint}"
                )
            yield _recording(
                path,
                f"{name} camera {camera}",
                view,
                subject=subject,
                action=sequence,
                size=TRAIN_SIZE,
                fps=float(fps),
            )


def read_test(path: Path, subjects: Sequence[str]) -> Iterator[Recording]:
    """Read a test file.

    Args:
        path: The file: `{"TS1": {"data_2d", "data_3d", "valid"}, ...}`.
        subjects: Whose recordings to read.

    Yields:
        One recording per sequence.

    Raises:
        UserError: The file is something else, or something in it is wrong.
    """
    for name, view in _content(path, "test").items():
        if name not in TEST_SUBJECTS:
            raise UserError(
                f"'{path}' holds a sequence '{name}', expected TS1 to TS6; is it a test file?"
            )
        if name not in subjects:
            continue
        recording = _recording(
            path,
            name,
            view,
            subject=name,
            action=setting_of(name),
            size=image_size(name),
            fps=TEST_FPS,
        )
        if not isinstance(view.get("valid"), np.ndarray):
            raise UserError(f"'{path}': '{name}' has no flags of valid frames ('valid').")
        valid = flags(path, view["valid"], f"'valid' of '{name}'", 1)
        if len(valid) != len(recording.poses):
            raise UserError(
                f"'{path}': '{name}' has {len(recording.poses)} frames, but {len(valid)} flags of "
                "valid ones."
            )
        recording.valid = valid == 1
        yield recording


def _content(path: Path, part: str) -> dict[str, Any]:
    content = load_npz(path).get("data")
    if not isinstance(content, dict) or not content:
        raise UserError(
            f"'{path}' holds no dictionary 'data'; it is no {part} file in the layout of P-STMO "
            "or D3DP."
        )
    if not all(isinstance(name, str) for name in content):
        raise UserError(f"'{path}' has sequences without a name.")
    return content


def _recording(path: Path, name: str, view: Any, **others: Any) -> Recording:
    arrays = []
    for key in ("data_2d", "data_3d"):
        array = view.get(key) if isinstance(view, dict) else None
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
            raise UserError(f"'{path}', {name} holds no numbers '{key}'. Use the published file.")
        if array.ndim != 3:
            raise UserError(
                f"'{path}', {name}: {key} has the shape {array.shape}, expected (frames, 17, "
                f"{key[-2]})."
            )
        arrays.append(array)
    count = len(arrays[1])
    return Recording(
        path=path,
        name=name,
        pixels=arrays[0],
        poses=arrays[1] / 1000.0,
        frames=np.arange(count),
        unit="millimetres",
        valid=np.ones(count, bool),
        activity=np.zeros(count, np.int8),
        **others,
    )
