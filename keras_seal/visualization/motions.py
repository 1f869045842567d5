"""Pictures of motions: a viewer, a film, a sheet of moments."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal.errors import UserError
from keras_seal.visualization import films
from keras_seal.visualization.viewer import write_viewer

if TYPE_CHECKING:
    from keras_seal.inference.motion import Motion
    from keras_seal.inference.video import Video

_WRITERS: dict[str, Callable[..., Path]] = {
    ".html": write_viewer,
    ".mp4": films.write_mp4,
    ".gif": films.write_gif,
    ".png": films.write_png,
}


def check(path: str | Path) -> None:
    """Make sure that a picture of this kind can be made.

    Args:
        path: The file to be.

    Raises:
        UserError: Its ending is unknown, or what it needs is not installed.

    Examples:
        >>> check("motion.html")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise UserError(
            f"A motion is drawn as {', '.join(_WRITERS)}; '{Path(path).name}' ends otherwise."
        )
    if suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise UserError(
            'Films in .mp4 need imageio-ffmpeg: pip install "keras-seal[video]". A .gif and a '
            ".html need nothing."
        )


def render(
    motion: Motion,
    path: str | Path,
    truth: np.ndarray | None = None,
    *,
    video: Video | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Draw a motion: the 2D keypoints beside the 3D poses of everybody.

    Args:
        motion: The motion.
        path: `.html` for the interactive viewer, `.mp4` or `.gif` for a film, `.png` for six
            moments on a sheet. An older file is replaced.
        truth: True poses `(N, joints, 3)`, rows as the motion's, metres, root-relative; NaN where
            there is none.
        video: The video that the motion was seen in, to lie under the keypoints of films and
            sheets; the viewer, which is one file, leaves it out.
        progress: Told how many frames or rows are done, and how many there are.

    Returns:
        The path.

    Raises:
        UserError: The ending is unknown, what it needs is not installed, or the video has
            another size than the motion's images.
    """
    check(path)
    path = Path(path)
    others: dict[str, Any] = {}
    if video is not None:
        if video.image_size != motion.image_size:
            raise UserError(
                "The images of '{}' are {} x {}, those of the keypoints {} x {}: this is another "
                "video.".format(video.path, *video.image_size, *motion.image_size)
            )
        if path.suffix.lower() != ".html":
            others["video"] = video
    return _WRITERS[path.suffix.lower()](motion, path, truth, progress=progress, **others)


def read_truth(path: str | Path, motion: Motion) -> np.ndarray:
    """Read true poses that belong to a motion.

    Args:
        path: `.npz` with `poses` `(frames, joints, 3)` for one person or `(people, frames, joints,
            3)`, people in the order of their numbers; metres, the motion's joints and frames. They
            need not be root-relative.
        motion: The motion.

    Returns:
        `(N, joints, 3)`, a row for each of the motion's, root-relative; NaN where the file ends
        before the motion.

    Raises:
        UserError: The file holds something else.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            poses = np.asarray(stored["poses"], np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"'{path}' holds no true poses: expected an .npz file with an array 'poses' ({error})."
        ) from error
    poses = poses[None] if poses.ndim == 3 else poses
    skeleton = motion.skeleton
    if poses.ndim != 4 or poses.shape[2:] != (skeleton.num_joints, 3):
        raise UserError(
            f"'{path}': true poses have the shape (frames, {skeleton.num_joints}, 3) or (people, "
            f"frames, {skeleton.num_joints}, 3) for '{skeleton.name}', got {poses.shape}."
        )
    extent = np.nanmax(np.ptp(poses, axis=2)) if poses.size else 0.0
    if extent > 50:
        raise UserError(
            f"The true poses in '{path}' are {extent:.0f} metres tall; they seem to be in "
            "millimetres. Divide them by 1000."
        )
    result = np.full((len(motion), skeleton.num_joints, 3), np.nan)
    for index, person in enumerate(motion.people[: len(poses)]):
        rows = np.flatnonzero(motion.ids == person)
        rows = rows[motion.frames[rows] < poses.shape[1]]
        result[rows] = poses[index, motion.frames[rows]]
    origin = result[:, list(skeleton.origin)].mean(axis=1, keepdims=True)
    return result - origin
