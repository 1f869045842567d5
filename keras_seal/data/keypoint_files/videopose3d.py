"""VideoPose3D's custom data sets: `data_2d_custom_NAME.npz`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import entry, mapping, number, numbers, short
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError, nearest

_LAYOUTS = {"coco": "coco_17", "h36m": "human36m_17", "mpii": "mpii_16"}


def read(path: Path, collector: Collector, arrays: Mapping[str, Any]) -> KeypointFile:
    """Read one video of a custom data set: one person, present in every frame.

    VideoPose3D filled the gaps and dropped the confidences when it wrote the file.

    Args:
        path: The file, for errors.
        collector: Collects what is found.
        arrays: What `load_npz` gave.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use, or holds several videos of which none was
            chosen.
    """
    where = f"'{path}'"
    positions = mapping(entry(arrays, "positions_2d", where), f"{where}, 'positions_2d'")
    video = _chosen(list(positions), collector.request.video, where)
    where = f"{where}, video '{video}'"
    actions = mapping(positions[video], where)
    if list(actions) != ["custom"]:
        raise UserError(
            f"{where} is no custom data set: it holds the actions "
            f"{', '.join(repr(action) for action in list(actions)[:3])}. Data sets to train on "
            "are read by the data source 'human36m'."
        )
    cameras = actions["custom"]
    if not isinstance(cameras, list | tuple | np.ndarray) or len(cameras) != 1:
        raise DamagedFileError(f"{where}: expected one array in 'custom', got {short(cameras)}.")
    keypoints = numbers(cameras[0], where)
    if keypoints.ndim != 3 or keypoints.shape[-1] not in (2, 3):
        raise DamagedFileError(
            f"{where}: expected keypoints of the shape (frames, joints, 2), got {keypoints.shape}."
        )
    metadata = arrays.get("metadata")
    if isinstance(metadata, Mapping):
        name = metadata.get("layout_name")
        if isinstance(name, str) and name in _LAYOUTS:
            collector.layout = skeletons.get(_LAYOUTS[name])
        videos = metadata.get("video_metadata")
        size = videos.get(video) if isinstance(videos, Mapping) else None
        if isinstance(size, Mapping) and "w" in size and "h" in size:
            collector.set_image_size(*(number(size[side], where) for side in ("w", "h")))
    full = np.ones((*keypoints.shape[:2], 3))
    full[..., : keypoints.shape[-1]] = keypoints
    for frame, person in enumerate(full):
        collector.add(frame, person, where, id=0)
    collector.num_frames = len(full)
    return collector.finish()


def _chosen(videos: list[Any], wanted: str | None, where: str) -> Any:
    names = [str(video) for video in videos]
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"{where} holds no video '{wanted}'.{nearest(wanted, names[:50])}")
        return videos[names.index(wanted)]
    if not videos:
        raise UserError(f"{where} holds no video.")
    if len(videos) > 1:
        listed = ", ".join(f"'{name}'" for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise UserError(
            f"{where} holds {len(names)} videos: {listed}{more}. Choose one as `video`."
        )
    return videos[0]
