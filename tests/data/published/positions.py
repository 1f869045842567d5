"""Folders of joint positions, as people compute them from AMASS and keep them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons

# Someone who stands with the arms down: metres, x to the person's left, y backwards, z up.
_SMPL = {
    "pelvis": (0.0, 0.0, 0.97),
    "hip": (0.08, 0.0, 0.88),
    "spine_1": (0.0, 0.03, 1.08),
    "knee": (0.1, 0.0, 0.49),
    "spine_2": (0.0, 0.02, 1.21),
    "ankle": (0.09, 0.03, 0.08),
    "spine_3": (0.0, 0.0, 1.27),
    "foot": (0.11, -0.1, 0.03),
    "neck": (0.0, 0.03, 1.48),
    "collar": (0.08, 0.02, 1.4),
    "head": (0.0, -0.02, 1.57),
    "shoulder": (0.17, 0.03, 1.42),
    "elbow": (0.2, 0.05, 1.16),
    "wrist": (0.22, 0.03, 0.91),
    "hand": (0.22, 0.02, 0.83),
}


def smpl(frames: int = 12, person: int = 0, joints: int = 22) -> np.ndarray:
    """Positions `(frames, joints, 3)` of someone who walks along x and bows."""
    names = [*skeletons.get("smpl_24").joints]
    names += [f"finger_{index}" for index in range(max(0, joints - len(names)))]
    poses = np.zeros((frames, joints, 3))
    size = 1.0 + 0.03 * person
    for index, name in enumerate(names[:joints]):
        side = -1.0 if name.startswith("right_") else 1.0
        part = name.removeprefix("left_").removeprefix("right_")
        place = np.array(_SMPL.get(part, (0.22, 0.0, 0.8))) * [side, 1, 1]
        poses[:, index] = size * place
    time = np.arange(frames)
    above = np.maximum(poses[..., 2] - 0.97 * size, 0)
    poses[..., 1] -= above * np.sin(0.05 * time)[:, None]
    poses[..., 0] += 0.04 * time[:, None]
    return poses


def y_up(poses: np.ndarray) -> np.ndarray:
    return np.stack([poses[..., 0], poses[..., 2], -poses[..., 1]], axis=-1)


def write(path: Path, poses: np.ndarray, **facts: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, positions=poses.astype(np.float32), **facts)
    return path


def amass_like(folder: Path, people: int = 4, clips: int = 2, **facts: Any) -> Path:
    """One folder a person, as AMASS has it."""
    for person in range(people):
        for clip in range(clips):
            name = f"CMU/{person:02d}/{person:02d}_{clip:02d}_poses.npz"
            write(folder / name, smpl(12 + clip, person), mocap_framerate=120.0, **facts)
    return folder
