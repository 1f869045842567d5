"""MMPose's JSON: what its demo and its inferencer write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.json_entries import entries
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import (
    box,
    entry,
    items,
    mapping,
    number,
    whole,
    with_confidence,
)
from keras_seal.data.storage import DamagedFileError

# Names of data sets in `meta_info` whose joint order has a layout here. Of other names the number
# of joints must tell.
_LAYOUTS = {
    "aic": "aic_14",
    "coco": "coco_17",
    "coco_wholebody": "h3wb_133",
    "crowdpose": "crowdpose_14",
    "h36m": "human36m_17",
    "halpe": "halpe_136",
    "halpe26": "halpe_26",
    "mpi_inf_3dhp": "mpi_inf_3dhp_17",
    "mpii": "mpii_16",
}


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a file of MMPose; frames are numbered from 0.

    The demo's files have `meta_info`, which tells the joint order, and number frames from 1; the
    inferencer's are a list and number them from 0. Of single images they hold the people alone.

    Args:
        path: The file.
        collector: Collects what is found.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    first = 0
    frame = -1
    for key, value in entries(path, inside=("instance_info",)):
        if key == "meta_info":
            name = mapping(value, f"'{path}', 'meta_info'").get("dataset_name")
            if isinstance(name, str) and name in _LAYOUTS:
                collector.layout = skeletons.get(_LAYOUTS[name])
        elif key in (None, "instance_info"):
            where = f"'{path}', frame {frame + 1}"
            content = mapping(value, where)
            if "instances" not in content:
                frame = 0
                _add(content, 0, collector, f"'{path}'")
                continue
            number_in_file = whole(entry(content, "frame_id", where), f"{where}, 'frame_id'")
            if frame < 0 and key is not None:
                first = min(number_in_file, 1)
            frame = number_in_file - first
            if frame < 0:
                raise DamagedFileError(f"{where}: frame 0 comes after frame 1.")
            for index, person in enumerate(items(content["instances"], where)):
                at = f"'{path}', frame_id {number_in_file}, person {index}"
                _add(mapping(person, at), frame, collector, at)
            collector.num_frames = max(collector.num_frames, frame + 1)
    return collector.finish()


def _add(person: Any, frame: int, collector: Collector, where: str) -> None:
    track = person.get("track_id")
    score = person.get("bbox_score")
    collector.add(
        frame,
        with_confidence(entry(person, "keypoints", where), person.get("keypoint_scores"), where),
        where,
        box=box(person.get("bbox"), f"{where}, 'bbox'", sides=False),
        score=np.nan if score is None else number(score, f"{where}, 'bbox_score'"),
        id=None if track is None else whole(track, f"{where}, 'track_id'", least=0),
    )
