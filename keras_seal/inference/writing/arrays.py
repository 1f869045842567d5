"""Motions as `.npz`."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError
from keras_seal.inference.motion import CHUNK, Motion
from keras_seal.skeletons import Skeleton

FORMAT = "keras-seal motion"
_ROWS = (
    "frames",
    "ids",
    "poses",
    "roots",
    "keypoints",
    "states",
    "bone_length_deviation",
    "symmetry_error",
)


def write_npz(motion: Motion, path: str | Path) -> Path:
    """Write a motion to an `.npz` file, without ever holding it in memory.

    Every array has a row for each person in each frame, person after person: `frames`, `ids`,
    `poses`, `roots`, `keypoints`, `states`, `bone_length_deviation`, `symmetry_error` and, where
    there is one, `energy`, as `Motion` explains them. Beside them: `reliable` (whether a row
    holds no guessed joint), `people` (the ids), `bone_lengths` `(people, bones)` in metres, `fps`,
    `image_size`, and `description`, JSON of the skeleton and of how the motion was made.

    Args:
        motion: The motion.
        path: The file; an older one is replaced.

    Returns:
        The path.

    Examples:
        >>> import pathlib, tempfile
        >>> import keras_seal as ks
        >>> from keras_seal.inference import writing
        >>> lifter = ks.inference.Lifter(ks.pose_nets.SimpleBaseline("human36m_17", units=16))
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> np.savez(folder / "in.npz", keypoints=300 + 9 * np.random.rand(4, 17, 2), fps=25,
        ...          layout="coco_17", image_size=[640, 480])
        >>> motion = ks.inference.predict(lifter, folder / "in.npz")
        >>> with np.load(write_npz(motion, folder / "out.npz")) as arrays:
        ...     arrays["poses"].shape, bool(arrays["reliable"].all())
        ((4, 17, 3), True)
    """
    path = Path(path)
    names = [*_ROWS, *(["energy"] if motion.energy is not None else [])]
    description = {
        "format": FORMAT,
        "units": "metres; camera space: x right, y down, z forward",
        "skeleton": motion.skeleton.to_dict(),
        "about": dict(motion.about),
    }
    small: dict[str, Any] = {
        "reliable": np.concatenate(
            [np.zeros(0, bool), *(motion.reliable(rows) for rows in motion.chunks())]
        ),
        "people": np.array(motion.people, np.int64),
        "bone_lengths": np.array([motion.bone_lengths[person] for person in motion.people]),
        "fps": np.array(motion.fps),
        "image_size": np.array(motion.image_size),
        "description": np.array(json.dumps(description)),
    }
    with files.replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                rows = getattr(motion, name)
                header = np.lib.format.header_data_from_array_1_0(rows)
                np.lib.format.write_array_header_1_0(entry, header)
                for begin in range(0, len(rows), CHUNK):
                    entry.write(np.ascontiguousarray(rows[begin : begin + CHUNK]).tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return path


def load_npz(path: str | Path) -> Motion:
    """Read a motion that `write_npz` wrote.

    Args:
        path: The file.

    Returns:
        The motion, in memory.

    Raises:
        UserError: There is no such file, or it is something else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file '{path}'.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        description = json.loads(str(arrays["description"]))
        if description["format"] != FORMAT:
            raise ValueError(f"it is '{description['format']}'")
        lengths = zip(arrays["people"].tolist(), arrays["bone_lengths"], strict=True)
        width, height = arrays["image_size"].tolist()
        return Motion(
            Skeleton.from_dict(description["skeleton"]),
            float(arrays["fps"]),
            (width, height),
            **{name: arrays[name] for name in _ROWS},
            energy=arrays.get("energy"),
            bone_lengths=dict(lengths),
            about=description["about"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(
            f"'{path}' is no motion that keras-seal wrote, or damaged ({error})."
        ) from error
