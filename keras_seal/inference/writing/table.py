"""Motions as CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_seal import files
from keras_seal.inference.motion import Motion


def write_csv(motion: Motion, path: str | Path) -> Path:
    """Write a motion as a table, one row for each person in each frame.

    Columns: `frame` (from 0), `seconds`, `person`, `reliable` (1 or 0), `bone_length_deviation`,
    `symmetry_error` (metres), `energy` where there is one, `root_x` ... (metres), then `JOINT_x`,
    `JOINT_y`, `JOINT_z` of every joint (metres, camera space, root-relative).

    Args:
        motion: The motion.
        path: The file; an older one is replaced.

    Returns:
        The path.
    """
    path = Path(path)
    figures = ["bone_length_deviation", "symmetry_error"]
    if motion.energy is not None:
        figures.append("energy")
    places = [f"{name}_{axis}" for name in ("root", *motion.skeleton.joints) for axis in "xyz"]
    header = ["frame", "seconds", "person", "reliable", *figures, *places]
    line = ",".join(["%d", "%.4f", "%d", "%d", *["%.5f"] * (len(figures) + len(places))]) + "\n"
    with files.replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(",".join(header) + "\n")
        for rows in motion.chunks():
            frames = motion.frames[rows]
            columns = [
                frames,
                frames / motion.fps,
                motion.ids[rows],
                motion.reliable(rows),
                *(getattr(motion, name)[rows] for name in figures),
                motion.roots[rows],
                motion.poses[rows].reshape(len(frames), -1),
            ]
            table = np.column_stack([np.asarray(column, np.float64) for column in columns])
            file.writelines(line % tuple(row) for row in table.tolist())
    return path
