"""Motions as JSON, in the layout of MMPose's demos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files
from keras_seal.inference.motion import Motion


def write_json(motion: Motion, path: str | Path) -> Path:
    """Write a motion as MMPose's demos write theirs.

    `meta_info` tells the joints; `instance_info` holds every frame, numbered from 1, with its
    people: `keypoints` (3D, metres, camera space, root-relative), `keypoint_scores` (the detector's
    confidences, 0 where a joint was guessed), `track_id`, `root` (metres) and `keypoints_2d`
    (pixels).

    Args:
        motion: The motion.
        path: The file; an older one is replaced.

    Returns:
        The path.
    """
    path, skeleton = Path(path), motion.skeleton
    meta = {
        "dataset_name": skeleton.name,
        "num_keypoints": skeleton.num_joints,
        "keypoint_id2name": {str(index): name for index, name in enumerate(skeleton.joints)},
        "keypoint_name2id": {name: index for index, name in enumerate(skeleton.joints)},
        "skeleton_links": [list(bone) for bone in skeleton.bones],
        "fps": motion.fps,
        "image_size": list(motion.image_size),
        "units": "metres; camera space: x right, y down, z forward; relative to the root",
    }
    with files.replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(f'{{"meta_info": {json.dumps(meta)},\n"instance_info": [')
        for frame, rows in motion.by_frame():
            people = [_instance(motion, int(row)) for row in rows]
            entry = {"frame_id": frame + 1, "instances": people}
            file.write((",\n" if frame else "\n") + json.dumps(entry))
        file.write("\n]}\n")
    return path


def _instance(motion: Motion, row: int) -> dict[str, Any]:
    seen = motion.keypoints[row]
    return {
        "keypoints": _numbers(motion.poses[row], 5),
        "keypoint_scores": _numbers(seen[:, 2], 4),
        "track_id": int(motion.ids[row]),
        "root": _numbers(motion.roots[row], 4),
        "keypoints_2d": _numbers(seen[:, :2], 2),
    }


def _numbers(array: np.ndarray, digits: int) -> list:
    return np.asarray(array, np.float64).round(digits).tolist()
