"""People out of the frames of a video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from keras_seal import skeletons
from keras_seal.data.keypoint_files import KeypointFile
from keras_seal.data.keypoint_files.collecting import Collector, Request, checked_fps
from keras_seal.errors import UserError
from keras_seal.inference.video.frames import Video


class Detector(Protocol):
    """What finds people's joints in a picture.

    Frames of a video come in order. People need not come in the same order from frame to frame:
    they are followed later.

    Attributes:
        layout: The order of the joints: a skeleton or its name.
    """

    layout: Any

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Find the people in a picture.

        Args:
            image: `(height, width, 3)` uint8: red, green, blue.

        Returns:
            `(people, joints, 3)`: x and y in pixels and the confidence of each joint, which is 0
            where it was not found; no rows where nobody is.
        """
        ...


def detect(
    video: str | Path | Video,
    detector: Detector,
    *,
    fps: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> KeypointFile:
    """Find the people in a video.

    Args:
        video: The file.
        detector: What finds them.
        fps: Frames a second, where the file does not tell.
        progress: Told how many frames are done, and about how many there are.

    Returns:
        What a keypoint file of this video would hold, for `predict`.

    Raises:
        UserError: The video cannot be read, nobody is in it, or the detector gives something else.

    Examples:
        >>> class Nobody:
        ...     layout = "coco_17"
        ...     def __call__(self, image):
        ...         return np.zeros((0, 17, 3))
        >>> detect("missing.mp4", Nobody())
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no video 'missing.mp4'.
    """
    video = video if isinstance(video, Video) else Video(video)
    layout = skeletons.get(detector.layout)
    rate = video.fps if fps is None else checked_fps(fps, "`fps`")
    request = Request(image_size=video.image_size, fps=rate, layout=layout)
    collector = Collector(str(video.path), "video", request)
    for number, image in enumerate(video):
        people = np.asarray(detector(image), np.float64)
        if people.ndim != 3 or people.shape[1:] != (layout.num_joints, 3):
            raise UserError(
                f"A detector of '{layout.name}' gives (people, {layout.num_joints}, 3); "
                f"{type(detector).__name__} gave {people.shape}."
            )
        for person in people:
            collector.add(number, person, f"Somebody in frame {number} of '{video.path}'")
        collector.num_frames = number + 1
        if progress is not None:
            progress(number + 1, max(video.num_frames, number + 1))
    return collector.finish()
