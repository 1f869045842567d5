"""Human3.6M in mmpose's files: poses in camera space, one row per image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.sources.human36m.recording import (
    CAMERAS,
    FPS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Recording,
    canonical_action,
    canonical_take,
    is_dropped,
    is_shifted,
    numbers,
    texts,
)
from keras_seal.data.unpickling import load_npz
from keras_seal.errors import UserError

TRAIN, TEST = "h36m_train.npz", "h36m_test.npz"
_SPLITS = {"train": (TRAIN, TRAIN_SUBJECTS), "test": (TEST, TEST_SUBJECTS)}
# Detections lie beside the annotations or in a folder of their own beside those of all rates.
_DETECTION_FOLDERS = (".", "joint_2d_det_files", "..", "../joint_2d_det_files", "../..",
                      "../../joint_2d_det_files")  # fmt: skip
_IMAGE = re.compile(r"(?:.*/)?(S\d+)_([A-Za-z]+(?:_\d)?)\.(\d+)_(\d{1,9})\.jpg")


def files(folder: Path, keypoints: str) -> dict[str, Path]:
    """Find the files.

    Args:
        folder: Where `h36m_train.npz` and `h36m_test.npz` lie.
        keypoints: `"gt"`, or the beginning of the names of two files of detections:
            `{keypoints}_train.npy` and `{keypoints}_test.npy`.

    Returns:
        The files.

    Raises:
        UserError: One of them is missing.
    """
    found = {}
    for split, (name, _) in _SPLITS.items():
        found[split] = folder / name
        if not found[split].is_file():
            raise UserError(f"The folder '{folder}' has no {name}.")
        if keypoints == "gt":
            continue
        places = [folder / place / f"{keypoints}_{split}.npy" for place in _DETECTION_FOLDERS]
        existing = [place for place in places if place.is_file()]
        if not existing:
            raise UserError(
                f"There is no {keypoints}_{split}.npy with keypoints '{keypoints}' in '{folder}', "
                "the two folders above it, or folders joint_2d_det_files in these. Use 'gt', or "
                "put it there."
            )
        found[f"{split} keypoints"] = existing[0]
    return found


def read(folder: Path, keypoints: str) -> Iterator[Recording]:
    """Read the recordings, one by one.

    Args:
        folder: Where the files lie.
        keypoints: Which keypoints.

    Yields:
        The recordings.

    Raises:
        UserError: Something is missing or wrong.
    """
    paths = files(folder, keypoints)
    for split, (_, subjects) in _SPLITS.items():
        path = paths[split]
        content = load_npz(path)
        missing = [key for key in ("imgname", "part", "S") if key not in content]
        if missing:
            raise UserError(
                f"'{path}' has no {', '.join(missing)}, only: "
                f"{', '.join(sorted(content)) or 'nothing'}. Use mmpose's preprocessed file."
            )
        poses = _with_optional_column(content["S"], f"'{path}', 'S'", 3)[..., :3]
        pixels = _with_optional_column(content["part"], f"'{path}', 'part'", 2, len(poses))[..., :2]
        names = texts(content["imgname"], f"'{path}', 'imgname'", len(poses))
        confidence: np.ndarray | None = np.ones((1, 17))
        file = f"'{path}'"
        if keypoints != "gt":
            file = f"'{paths[f'{split} keypoints']}'"
            (array,) = load_npz(paths[f"{split} keypoints"]).values()
            detected = _with_optional_column(array, file, 2, len(poses))
            pixels = detected[..., :2]
            confidence = detected[..., 2] if detected.shape[-1] == 3 else None
        if confidence is not None:
            confidence = np.broadcast_to(confidence, pixels.shape[:2])
        yield from _recordings(names, subjects, poses, pixels, confidence, f"'{path}'", file)


def _with_optional_column(
    value: Any, where: str, columns: int, count: int | None = None
) -> np.ndarray:
    given = value.shape[-1] if isinstance(value, np.ndarray) and value.ndim else columns
    wanted = columns + 1 if given == columns + 1 else columns
    return numbers(value, where, (count, 17, wanted))


def _recordings(
    names: list[str],
    subjects: tuple[str, ...],
    poses: np.ndarray,
    pixels: np.ndarray,
    confidence: np.ndarray | None,
    where: str,
    keypoints_file: str,
) -> Iterator[Recording]:
    """Gather the rows of every video, in the order of their frames."""
    rows: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for row, name in enumerate(names):
        match = _IMAGE.fullmatch(name)
        if not match or match[3] not in CAMERAS:
            raise UserError(
                f"{where}: the image of row {row} is called '{name[:80]}', expected a name like "
                "'S1_Directions_1.54138969_000001.jpg'."
            )
        if match[1] not in subjects:
            raise UserError(
                f"{where}: the image '{name[:80]}' of row {row} is of {match[1]}, but here belong "
                f"{', '.join(subjects)} only."
            )
        rows.setdefault((match[1], match[2], match[3]), []).append((int(match[4]), row))
    missing = [subject for subject in subjects if subject not in {video[0] for video in rows}]
    if missing:
        raise UserError(f"{where} has no images of {', '.join(missing)}.")
    videos = {video: np.array(sorted(found)) for video, found in rows.items()}
    step = _step([numbered[:, 0] for numbered in videos.values()], where)
    for (subject, raw, camera), numbered in videos.items():
        name = raw.replace("_", " ")
        take = canonical_take(name, where)
        if is_dropped(subject, take):
            continue
        frames, order = numbered.T
        gaps = np.flatnonzero(np.diff(frames) != step) + 1
        for start, end in zip([0, *gaps], [*gaps, len(frames)], strict=True):
            # Where frames are missing, what follows is a sequence of its own.
            suffix = f"/{frames[start]}" if start else ""
            own = order[start:end]
            yield Recording(
                subject=subject,
                action=canonical_action(name, where),
                camera=camera,
                name=f"{subject}/{name}/{camera}{suffix}",
                pixels=pixels[own],
                confidence=None if confidence is None else confidence[own],
                poses=poses[own].astype(np.float64),
                poses_file=where,
                keypoints_file=keypoints_file,
                shifted=is_shifted(subject, take),
                fps=FPS / step,
            )


def _step(videos: list[np.ndarray], where: str) -> int:
    """Find how many frames of the video lie between two rows."""
    steps = np.concatenate([np.diff(frames) for frames in videos])
    if not len(steps):
        return 1
    if steps.min() < 1:
        raise UserError(f"{where} has two rows of the same image.")
    return int(np.median(steps))
