"""The data set as it is published: a folder per subject, MATLAB files in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_seal.data.sources.mpi_inf_3dhp.calibration import read_calibration
from keras_seal.data.sources.mpi_inf_3dhp.hdf5 import load_hdf5
from keras_seal.data.sources.mpi_inf_3dhp.matlab import load_mat
from keras_seal.data.sources.mpi_inf_3dhp.recording import (
    CAMERAS,
    NUM_JOINTS,
    OF_28,
    TEST_FPS,
    TRAIN_SIZE,
    USABLE_FRAMES,
    Annotation,
    Recording,
    fps_of,
    image_size,
    setting_of,
)
from keras_seal.errors import UserError

_SEQUENCES = ("Seq1", "Seq2")
_TRAIN_FOLDERS = ("", "train")
_TEST_FOLDERS = ("", "test", "mpi_inf_3dhp_test_set", "test/mpi_inf_3dhp_test_set")
_ALL_JOINTS = 28


def find(folder: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Find the files of the published folders.

    Args:
        folder: The data set's folder; subjects may lie in `train` and `test` (or
            `mpi_inf_3dhp_test_set`) below it.

    Returns:
        The files `annot.mat` of the training subjects and `annot_data.mat` of the test subjects,
        by subject.
    """
    train: dict[str, list[Path]] = {}
    for name in _TRAIN_FOLDERS:
        for path in sorted((folder / name).glob("S*/Seq*/annot.mat")):
            if path.parent.name in _SEQUENCES:
                train.setdefault(path.parent.parent.name, []).append(path)
    test: dict[str, list[Path]] = {}
    for name in _TEST_FOLDERS:
        for path in sorted((folder / name).glob("TS*/annot_data.mat")):
            test.setdefault(path.parent.name, []).append(path)
    return train, test


def calibration_of(path: Path) -> Path:
    """Name the file of a sequence's cameras.

    Args:
        path: The sequence's `annot.mat`.

    Returns:
        Where `camera.calibration` lies, if it is there.
    """
    return path.with_name("camera.calibration")


def read_train(path: Path, annotation: Annotation, cameras: Sequence[int]) -> Iterator[Recording]:
    """Read a training sequence.

    Args:
        path: An `annot.mat`.
        annotation: Which 3D to read.
        cameras: Which cameras to read.

    Yields:
        One recording per camera.

    Raises:
        UserError: The file is none of MPI-INF-3DHP's, or something in it is wrong.
    """
    subject, sequence = path.parent.parent.name, path.parent.name
    name = f"{subject} {sequence}"
    variables = load_mat(path, ["annot2", annotation, "cameras"])
    pixels = _cells(path, variables, "annot2", 2 * _ALL_JOINTS)
    poses = _cells(path, variables, annotation, 3 * _ALL_JOINTS)
    if "cameras" in variables:
        numbers = variables["cameras"].reshape(-1).tolist()
        if numbers != list(CAMERAS):
            raise UserError(
                f"'{path}' lists the cameras {numbers}, expected 0 to 13 in order. Use the "
                "published file."
            )
    calibration = calibration_of(path)
    known = read_calibration(calibration, name) if calibration.is_file() else {}
    for camera in cameras:
        frames = min(len(poses[camera]), USABLE_FRAMES.get(name, len(poses[camera])))
        if len(pixels[camera]) != len(poses[camera]):
            raise UserError(
                f"'{path}', camera {camera}: annot2 has {len(pixels[camera])} frames, but "
                f"{annotation} has {len(poses[camera])}. Use the published file."
            )
        chosen = list(OF_28)
        yield Recording(
            path=path,
            name=f"{name} camera {camera}",
            subject=subject,
            action=sequence,
            pixels=pixels[camera][:frames].reshape(frames, _ALL_JOINTS, 2)[:, chosen],
            poses=poses[camera][:frames].reshape(frames, _ALL_JOINTS, 3)[:, chosen] / 1000.0,
            frames=np.arange(frames),
            size=TRAIN_SIZE,
            fps=fps_of(name),
            unit="millimetres",
            valid=np.ones(frames, bool),
            activity=np.zeros(frames, np.int8),
            camera=known.get(camera),
        )


def read_test(path: Path, annotation: Annotation) -> Recording:
    """Read a test sequence.

    Args:
        path: An `annot_data.mat`.
        annotation: Which 3D to read.

    Returns:
        The recording.

    Raises:
        UserError: The file is none of MPI-INF-3DHP's, or something in it is wrong.
    """
    subject = path.parent.name
    names = ["annot2", annotation, "valid_frame", "activity_annotation"]
    arrays = load_hdf5(path, names)
    missing = [name for name in names if name not in arrays]
    if missing:
        raise UserError(
            f"'{path}' has no variable {', '.join(missing)}; is it an annot_data.mat of the test "
            "set of MPI-INF-3DHP?"
        )
    for name, channels in (("annot2", 2), (annotation, 3)):
        shape = arrays[name].shape
        if len(shape) != 4 or shape[1:] != (1, NUM_JOINTS, channels):
            raise UserError(
                f"'{path}': {name} has the shape {shape}, expected (frames, 1, {NUM_JOINTS}, "
                f"{channels})."
            )
    return Recording(
        path=path,
        name=subject,
        subject=subject,
        action=setting_of(subject),
        pixels=arrays["annot2"][:, 0].astype(np.float64),
        poses=arrays[annotation][:, 0] / 1000.0,
        frames=np.arange(len(arrays["annot2"])),
        size=image_size(subject),
        fps=TEST_FPS,
        unit="millimetres",
        valid=flags(path, arrays["valid_frame"], "valid_frame", 1) == 1,
        activity=flags(path, arrays["activity_annotation"], "activity_annotation", 7),
    )


def flags(path: Path, values: np.ndarray, name: str, most: int) -> np.ndarray:
    """Check whole numbers that are stored as floating ones.

    Args:
        path: The file.
        values: As many values as frames, in any shape.
        name: What they are called.
        most: The greatest one.

    Returns:
        `(frames,)` int8.

    Raises:
        UserError: A value is not among 0 to `most`.
    """
    values = np.asarray(values).reshape(-1)
    if values.dtype.kind not in "biuf" or not np.isin(values, np.arange(most + 1)).all():
        raise UserError(
            f"'{path}': {name} holds other values than 0 to {most}. Use the published file."
        )
    return values.astype(np.int8)


def _cells(path: Path, variables: dict[str, np.ndarray], name: str, columns: int) -> list:
    if name not in variables:
        raise UserError(
            f"'{path}' has no variable {name}; is it an annot.mat of MPI-INF-3DHP's training set?"
        )
    cells = variables[name]
    if cells.dtype != object or cells.size != len(CAMERAS):
        raise UserError(
            f"'{path}': {name} has the shape {cells.shape}, expected a cell for each of the "
            f"{len(CAMERAS)} cameras."
        )
    read = []
    for camera, cell in enumerate(cells.reshape(-1)):
        if cell.dtype == object or cell.ndim != 2 or cell.shape[1] != columns:
            raise UserError(
                f"'{path}', camera {camera}: {name} has the shape {cell.shape}, expected (frames, "
                f"{columns}) numbers for {_ALL_JOINTS} joints."
            )
        read.append(cell)
    return read
