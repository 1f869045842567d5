"""Keypoint files: what 2D detectors write, read alike.

`read` recognises the format by content and gives a `KeypointFile`: people as tracks where the file
follows them, as single detections where it does not, in pixels, with confidences, undetected
joints marked. `KeypointFile.to_skeleton` gives them a model's joints.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import get_args

from keras_seal import skeletons
from keras_seal.data.keypoint_files import (
    alphapose,
    arrays,
    coco,
    detectron,
    mediapipe,
    mmpose,
    openpose,
    table,
    videopose3d,
)
from keras_seal.data.keypoint_files.collecting import (
    Collector,
    Coordinates,
    Request,
    checked_fps,
    checked_size,
)
from keras_seal.data.keypoint_files.people import Detections, KeypointFile, Track
from keras_seal.data.keypoint_files.recognizing import (
    format_of_arrays,
    format_of_text,
    holds_arrays,
)
from keras_seal.data.unpickling import load_npz
from keras_seal.errors import UserError, nearest
from keras_seal.skeletons import Skeleton

__all__ = ["Detections", "KeypointFile", "Track", "formats", "read"]

_TEXT_READERS: dict[str, Callable[[Path, Collector], KeypointFile]] = {
    "alphapose": alphapose.read,
    "coco": coco.read,
    "mediapipe": mediapipe.read,
    "mmpose": mmpose.read,
    "openpose": openpose.read,
    "table": table.read,
}
_ARRAY_READERS = {
    "arrays": arrays.read,
    "detectron": detectron.read,
    "videopose3d": videopose3d.read,
}


def formats() -> list[str]:
    """List the formats that can be read.

    Returns:
        Their names, sorted.

    Examples:
        >>> from keras_seal.data import keypoint_files
        >>> len(keypoint_files.formats())
        9
    """
    return sorted([*_TEXT_READERS, *_ARRAY_READERS])


def read(
    path: str | PathLike[str],
    format: str = "auto",
    image_size: tuple[int, int] | None = None,
    fps: float | None = None,
    layout: Skeleton | str | None = None,
    *,
    coordinates: str = "auto",
    video: str | None = None,
) -> KeypointFile:
    """Read the keypoints that a 2D detector found in a video.

    | format | what | joints |
    |---|---|---|
    | `alphapose` | AlphaPose's JSON: a list of people, or people by image | by their number |
    | `arrays` | `.npz` or `.npy` of plain arrays, see `arrays.read` | `layout` |
    | `coco` | COCO's results or annotations, with or without the whole body | by their number |
    | `detectron` | `.npz` of VideoPose3D's `infer_video` scripts | COCO |
    | `mediapipe` | MediaPipe Pose's landmarks as JSON; needs the image size | its 33 |
    | `mmpose` | JSON of MMPose's demo or inferencer | as it says, or by their number |
    | `openpose` | OpenPose's folder of JSON files, or one of them | BODY_25 or COCO-18 |
    | `table` | CSV, see `table.read` | by their names |
    | `videopose3d` | VideoPose3D's `data_2d_custom_NAME.npz` | as it says |

    Files with pickles inside are read without running them. Memory grows with the number of
    people found, not with the size of the text.

    Args:
        path: The file, or OpenPose's folder.
        format: One of `formats()`, or `"auto"` to recognise it by content.
        image_size: Width and height of the images in pixels, where the file does not tell.
        fps: Frames a second, where the file does not tell.
        layout: The order of the joints (a skeleton or its name), where the file and its number of
            joints do not tell.
        coordinates: What the numbers mean: `"pixels"`, `"unit"` (in [0, 1] of width and height),
            `"symmetric"` (in [-1, 1] of them), or `"auto"` for what the format says; OpenPose's
            three scales are told apart by their values.
        video: Which one to read from a file with several videos.

    Returns:
        People in pixels, checked.

    Raises:
        UserError: There is no such file, it has another format, or what it holds makes no sense;
            the message says what and what to do.
        DamagedFileError: The file is cut short or altered.

    Examples:
        >>> import pathlib, tempfile
        >>> from keras_seal.data import keypoint_files
        >>> path = pathlib.Path(tempfile.mkdtemp(), "people.csv")
        >>> _ = path.write_text('''# fps: 25
        ... frame,person,nose_x,nose_y,left_eye_x,left_eye_y
        ... 0,1,310,200,,
        ... 1,1,312,201,318,190
        ... ''')
        >>> file = keypoint_files.read(path, layout="coco_17")
        >>> file.format, file.fps, file.people[0].id
        ('table', 25.0, 1)
        >>> file.people[0].keypoints[:, :2].tolist()[1][0]
        [312.0, 201.0, 1.0]
    """
    path = Path(path)
    if format != "auto" and format not in formats():
        raise UserError(f"There is no keypoint format '{format}'.{nearest(format, formats())}")
    known = (*get_args(Coordinates), "auto")
    if coordinates not in known:
        raise UserError(f"`coordinates` cannot be '{coordinates}'.{nearest(coordinates, known)}")
    if not path.exists():
        raise UserError(f"There is no file or folder '{path}'.")
    request = Request(
        image_size=None if image_size is None else checked_size(image_size, "`image_size`"),
        fps=None if fps is None else checked_fps(fps, "`fps`"),
        layout=None if layout is None else skeletons.get(layout),
        coordinates=None if coordinates == "auto" else coordinates,  # type: ignore[arg-type]
        video=video,
    )
    if format in _ARRAY_READERS or (format == "auto" and path.is_file() and holds_arrays(path)):
        content = load_npz(path)
        name = format_of_arrays(path, content) if format == "auto" else format
        result = _ARRAY_READERS[name](path, Collector(str(path), name, request), content)
    else:
        name = format_of_text(path) if format == "auto" else format
        if name != "openpose" and path.is_dir():
            raise UserError(f"'{path}' is a folder; the format '{name}' is one file.")
        result = _TEXT_READERS[name](path, Collector(str(path), name, request))
    if video is not None and name != "videopose3d":
        raise UserError(
            f"'{path}' holds one video (format '{name}'), so there is no `video` to choose."
        )
    return result
