"""Motions as BVH, for Blender and its like."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from keras_seal import files
from keras_seal.errors import UserError
from keras_seal.inference.motion import Motion
from keras_seal.inference.writing.rigid import Rig

# How far a hand or a head reaches beyond its last joint, metres: programs draw no bone without.
_TIP = 0.08


def write_bvh(motion: Motion, path: str | Path, person: int | None = None) -> Path:
    """Write one person's motion as BVH.

    Bones have the person's mean lengths and are fitted to the poses by least squares; every frame
    holds the joints' rotations and the root's place. The unit is the metre, y is up. The file
    begins with the person's first frame; while the person is away the last pose stays.

    Args:
        motion: The motion.
        path: The file; an older one is replaced.
        person: The person's number; may be left out where there is one.

    Returns:
        The path.

    Raises:
        UserError: There is no such person.
    """
    path = Path(path)
    if person is None and len(motion.people) == 1:
        person = motion.people[0]
    if person is None or person not in motion.people:
        raise UserError(
            f"A BVH file holds one person; choose one of {', '.join(map(str, motion.people))}."
        )
    rig = Rig.of(motion, person)
    spans = [span for span in motion.spans if span.id == person]
    count = spans[-1].first_frame + len(spans[-1]) - spans[0].first_frame
    with files.replacing(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        file.write("HIERARCHY\n")
        _write_node(file, rig, 0, 0)
        file.write(f"MOTION\nFrames: {count}\nFrame Time: {1 / motion.fps:.8f}\n")
        line = " ".join(["%.6f"] * (3 + 3 * len(rig.nodes))) + "\n"
        for values in _values(motion, rig, person):
            file.writelines(line % tuple(row) for row in values.tolist())
    return path


def _write_node(file: IO[str], rig: Rig, index: int, depth: int) -> None:
    node = rig.nodes[index]
    indent = "\t" * depth
    kind = "ROOT" if node.parent < 0 else "JOINT"
    file.write(f"{indent}{kind} {node.name.replace(' ', '_')}\n{indent}{{\n")
    file.write(f"{indent}\tOFFSET {_numbers(node.offset)}\n")
    turns = "Zrotation Xrotation Yrotation"
    if node.parent < 0:
        file.write(f"{indent}\tCHANNELS 6 Xposition Yposition Zposition {turns}\n")
    else:
        file.write(f"{indent}\tCHANNELS 3 {turns}\n")
    children = [child for child, each in enumerate(rig.nodes) if each.parent == index]
    for child in children:
        _write_node(file, rig, child, depth + 1)
    if not children:
        tip = _TIP * rig.rest[rig.skeleton.bone_index(node.joint)]
        file.write(
            f"{indent}\tEnd Site\n{indent}\t{{\n{indent}\t\tOFFSET {_numbers(tip)}\n{indent}\t}}\n"
        )
    file.write(f"{indent}}}\n")


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _values(motion: Motion, rig: Rig, person: int) -> Iterator[np.ndarray]:
    """Lines of the MOTION part, in chunks."""
    from scipy.spatial.transform import Rotation

    last: np.ndarray | None = None
    frame = 0
    for first_frame, roots, turns in rig.turns(motion, person):
        if last is not None and first_frame > frame:
            yield np.repeat(last, first_frame - frame, axis=0)
        with warnings.catch_warnings():
            # At a gimbal lock one of many right answers is given.
            warnings.simplefilter("ignore", UserWarning)
            angles = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_euler("ZXY", degrees=True)
        angles = angles.reshape(len(turns), -1)
        if last is not None:
            angles = np.concatenate([last[:, 3:], angles])
        # Without jumps by a full turn, so that programs may go between the frames.
        angles = np.unwrap(angles, axis=0, period=360)[-len(turns) :]
        values = np.concatenate([roots, angles], axis=1)
        yield values
        last, frame = values[-1:], first_frame + len(values)
