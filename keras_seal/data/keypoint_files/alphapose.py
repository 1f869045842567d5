"""AlphaPose's JSON: a list of people, or people by image in one of three ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.json_entries import entries
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import (
    Images,
    box,
    entry,
    items,
    mapping,
    number,
    numbers,
    short,
    triplets,
    whole,
    with_confidence,
)
from keras_seal.data.storage import DamagedFileError

# Where the people of an image stand, and where their joints: its own list, `--format cmu`,
# `--format open`.
_PEOPLE_KEYS = ("bodies", "people")
JOINT_KEYS = ("keypoints", "joints", "pose_keypoints_2d")
_CONFIDENCE_KEYS = ("scores", "kp_score", "keypoint_scores")
_SCORE_KEYS = ("score", "proposal_score")


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a file of AlphaPose; frame numbers are those in the images' names.

    Args:
        path: The file.
        collector: Collects what is found.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    images = Images()
    for index, (key, value) in enumerate(entries(path)):
        if key is None:
            where = f"'{path}', entry {index}"
            person = mapping(value, where)
            name = entry(person, "image_id", where)
            if not isinstance(name, str):
                name = str(whole(name, f"{where}, 'image_id'"))
            _add(person, images.index(name), collector, where)
        elif key != "version":
            where = f"'{path}', image '{key[:60]}'"
            place = images.index(key)
            for person in _people(value, where):
                _add(mapping(person, where), place, collector, where)
    return collector.finish(images.frame_numbers())


def _people(value: Any, where: str) -> list[Any]:
    if isinstance(value, Mapping):
        for key in _PEOPLE_KEYS:
            if key in value:
                return items(value[key], where)
        raise DamagedFileError(f"{where}: expected 'bodies' or 'people', got {short(value)}.")
    return items(value, where)


def _first(person: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((person[key] for key in keys if key in person), None)


def _add(person: Mapping[str, Any], place: int, collector: Collector, where: str) -> None:
    joints = _first(person, JOINT_KEYS)
    if joints is None:
        raise DamagedFileError(f"{where}: it has no 'keypoints'.")
    if numbers(joints, where).ndim == 2:
        keypoints = with_confidence(joints, _first(person, _CONFIDENCE_KEYS), where)
    else:
        keypoints = triplets(joints, where)
    track = person.get("idx")
    collector.add(
        place,
        keypoints,
        where,
        box=box(person.get("box"), f"{where}, 'box'", sides=True),
        score=number(_first(person, _SCORE_KEYS), f"{where}, 'score'"),
        id=None if track is None else whole(track, f"{where}, 'idx'"),
    )
