"""OpenPose's JSON: a folder with one file for every frame."""

from __future__ import annotations

import re
from pathlib import Path

from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.json_entries import whole_object
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import Images, entry, items, mapping, triplets, whole
from keras_seal.errors import UserError

_ENDING = "_keypoints.json"
_JOINT_KEYS = ("pose_keypoints_2d", "pose_keypoints")


def json_files(path: Path) -> list[Path]:
    """List the files of a folder that may be frames, or the one file itself.

    Args:
        path: A folder or a file.

    Returns:
        The files by name; those that end in `_keypoints.json` if there are any.
    """
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix == ".json" and each.is_file())
    return [each for each in found if each.name.endswith(_ENDING)] or found


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a folder of OpenPose, or one frame; frame numbers are those in the files' names.

    Values in [0, 1] or [-1, 1] (`--keypoint_scale` 3 and 4) need the image size. Scales 1 and 2
    are pixels of the net's output and of the output image; nothing in the files tells them from
    pixels of the input.

    Args:
        path: The folder or the file.
        collector: Collects what is found.

    Returns:
        What the files hold.

    Raises:
        UserError: A file is damaged or of no use, or the folder holds several videos.
    """
    collector.coordinates = "open"
    files = json_files(path)
    if not files:
        raise UserError(f"The folder '{path}' holds no JSON files.")
    names = [file.name.removesuffix(_ENDING).removesuffix(".json") for file in files]
    videos = sorted({re.sub(r"_?\d+$", "", name[-200:]) for name in names})
    if len(videos) > 1 and all(re.search(r"\d$", name) for name in names):
        raise UserError(
            f"The folder '{path}' holds frames of {len(videos)} videos ('{videos[0]}', "
            f"'{videos[1]}'...); give each video a folder of its own."
        )
    images = Images()
    for file, name in zip(files, names, strict=True):
        place = images.index(name)
        content = whole_object(file)
        for index, value in enumerate(items(entry(content, "people", f"'{file}'"), f"'{file}'")):
            where = f"'{file}', person {index}"
            person = mapping(value, where)
            key = next((key for key in _JOINT_KEYS if key in person), _JOINT_KEYS[0])
            joints = entry(person, key, where)
            if joints == []:
                continue  # Only hands or a face were looked for.
            number = whole(person.get("person_id", -1), f"{where}, 'person_id'", least=-1)
            collector.add(place, triplets(joints, where), where, id=None if number < 0 else number)
    numbers = images.frame_numbers()
    collector.num_frames = int(numbers.max()) + 1
    return collector.finish(numbers)
