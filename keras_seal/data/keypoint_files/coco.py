"""COCO's JSON: lists of results as its evaluation takes them, and annotation files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.json_entries import entries
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import (
    Images,
    box,
    entry,
    mapping,
    number,
    triplets,
    whole,
)
from keras_seal.errors import UserError

# COCO-WholeBody keeps its parts apart.
_PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a COCO file: frame numbers are the images' ids.

    Args:
        path: The file.
        collector: Collects what is found.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    images = Images()
    sizes: set[tuple[float, float]] = set()
    for index, (key, value) in enumerate(entries(path, inside=("images", "annotations"))):
        where = f"'{path}', entry {index}"
        if key == "images":
            image = mapping(value, where)
            if "width" in image and "height" in image:
                sizes.add((number(image["width"], where), number(image["height"], where)))
        elif key in (None, "annotations"):
            _add(mapping(value, where), images, collector, where, visibility=key is not None)
        if len(sizes) > 1:
            raise UserError(
                f"'{path}' holds images of several sizes; keypoints of one video have one size. "
                "Split the file."
            )
    for size in sizes:
        collector.set_image_size(*size)
    return collector.finish(images.frame_numbers())


def _add(
    person: Mapping[str, Any],
    images: Images,
    collector: Collector,
    where: str,
    *,
    visibility: bool,
) -> None:
    image = entry(person, "image_id", where)
    if not isinstance(image, str):
        image = str(whole(image, f"{where}, 'image_id'"))
    place = images.index(image)
    if visibility and not person.get("keypoints"):
        return
    parts = [triplets(entry(person, "keypoints", where), where)]
    if _PARTS[1] in person:
        parts += [triplets(entry(person, part, where), where) for part in _PARTS[1:]]
    keypoints = np.concatenate(parts)
    if visibility:
        # 0 not labelled, 1 hidden, 2 visible: no confidence, but whether there is a joint.
        keypoints[:, 2] = np.minimum(keypoints[:, 2], 1)
    track = person.get("track_id")
    collector.add(
        place,
        keypoints,
        where,
        box=box(person.get("bbox"), f"{where}, 'bbox'", sides=True),
        score=number(person.get("score"), f"{where}, 'score'"),
        id=None if track is None else whole(track, f"{where}, 'track_id'"),
    )
