"""Samples of H3WB, whichever file they come from: checked, and made to sequences of one frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_seal import skeletons
from keras_seal.data.sequences import PoseSequences
from keras_seal.data.sources.anatomy import Build, check_people, sampled
from keras_seal.data.sources.projection import check_fit, fit_camera
from keras_seal.errors import UserError
from keras_seal.geometry import Camera, normalize_screen

SKELETON = "h3wb_133"
NUM_JOINTS = 133
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
# Images of the first and the last camera are two pixels higher than wide.
_HEIGHTS = {"54138969": 1002, "60457274": 1002}
_WIDTH = _HEIGHT = 1000
# Videos run at this rate; the samples are single frames of them.
_FPS = 50.0
_LEFT_HIP = 11
# People fill a fair part of the image; what measures less than this is not in pixels.
_LEAST_EXTENT = 10.0
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}
_IMAGE = re.compile(
    r"(?:.*[/\\])?(S\d{1,2})[/\\](?:.*[/\\])?([^/\\]+)\.(\d{8})[/\\]frame_(\d{1,9})\.\w+"
)

_BUILD = Build.of(
    joints=skeletons.get(SKELETON).joints,
    body=tuple(range(17)),
    order="COCO-WholeBody's (body, feet, face, left hand, right hand)",
    lengths={
        "thigh": ("SIDE_hip", "SIDE_knee", 0.28, 0.62),
        "shin": ("SIDE_knee", "SIDE_ankle", 0.26, 0.62),
        "upper arm": ("SIDE_shoulder", "SIDE_elbow", 0.16, 0.45),
        "forearm": ("SIDE_elbow", "SIDE_wrist", 0.13, 0.40),
        "trunk": ("SIDE_shoulder", "SIDE_hip", 0.25, 0.75),
        "width of the shoulders": ("left_shoulder", "right_shoulder", 0.15, 0.60),
        "width of the hips": ("left_hip", "right_hip", 0.05, 0.45),
        "width of the jaw": ("face_0", "face_16", 0.05, 0.30),
        "way from nose to chin": ("nose", "face_8", 0.02, 0.20),
        "way from ankle to heel": ("SIDE_ankle", "SIDE_heel", 0.01, 0.25),
        "foot": ("SIDE_heel", "SIDE_big_toe", 0.08, 0.40),
        "way from wrist to hand": ("SIDE_wrist", "SIDE_hand_root", 0.0, 0.15),
        "middle finger with its palm": ("SIDE_hand_root", "SIDE_middle_4", 0.05, 0.30),
        "way across the face": ("face_36", "face_45", 0.03, 0.20),
    },
)


@dataclass
class Samples:
    """Single frames.

    Args:
        path: The file they were read from.
        pixels: `(samples, 133, 2)`; anything where a keypoint is not seen.
        seen: `(samples, 133)` whether each keypoint is given.
        poses: `(samples, 133, 3)`, metres in camera space; `None` where the file has no 3D.
        ids: `(samples,)` what the data set calls them, ascending; -1 where it does not.
        subjects: `(samples,)` who is seen, "" where the file does not tell.
        actions: `(samples,)` name of the video, as in "Directions 1".
        cameras: `(samples,)` name of the camera, "" where the file does not tell.
        frames: `(samples,)` number in the video, -1 where the file does not tell.
        known: The cameras by subject and name, as far as they are known.
    """

    path: Path
    pixels: np.ndarray
    seen: np.ndarray
    poses: np.ndarray | None
    ids: np.ndarray
    subjects: np.ndarray
    actions: np.ndarray
    cameras: np.ndarray
    frames: np.ndarray
    known: Mapping[tuple[str, str], Camera]

    def __len__(self) -> int:
        return len(self.pixels)

    def select(self, mask: np.ndarray) -> Samples:
        """Take some of the samples.

        Args:
            mask: `(samples,)` booleans.

        Returns:
            Those samples.
        """
        return Samples(
            self.path,
            self.pixels[mask],
            self.seen[mask],
            None if self.poses is None else self.poses[mask],
            self.ids[mask],
            self.subjects[mask],
            self.actions[mask],
            self.cameras[mask],
            self.frames[mask],
            self.known,
        )

    def check(self) -> None:
        """Check that people are seen, and seen where they are.

        Raises:
            UserError: They are not.
        """
        for what, array in (("2D", self.pixels), ("3D", self.poses)):
            if array is None:
                continue
            bad = ~np.isfinite(array).all(axis=(1, 2))
            if bad.any():
                index = int(bad.argmax())
                raise UserError(
                    f"'{self.path}': the {what} of {int(bad.sum())} samples holds values that are "
                    f"not finite; the first is sample {self.ids[index]} (place {index}). Use the "
                    "published file."
                )
        self._check_people()
        self._check_pixels()

    def _check_people(self) -> None:
        if self.poses is None:
            return
        mirror = np.array(skeletons.get(SKELETON).mirror_permutation)
        for subject in np.unique(self.subjects).tolist():
            rows = self.subjects == subject
            where = f"'{self.path}', {subject or 'all samples'}"
            check_people(self.poses[rows], _BUILD, where, "millimetres")
            whole = rows & self.seen.all(axis=1)
            if whole.any():
                found = fit_camera(self.pixels[whole], self.poses[whole], _LEFT_HIP, mirror)
                check_fit(found, where, _WIDTH)

    def _check_pixels(self) -> None:
        """Tell pixels from fractions of the image and from millimetres."""
        chosen = sampled(len(self))
        pixels = np.where(self.seen[chosen, :, None], self.pixels[chosen], np.nan)
        extent = float(np.nanmedian(np.nanmax(pixels, axis=1) - np.nanmin(pixels, axis=1)))
        if not _LEAST_EXTENT <= extent <= _WIDTH:
            raise UserError(
                f"'{self.path}': people measure {extent:.3g} across in the 2D, which is not in "
                f"pixels of images {_WIDTH} wide."
            )


def image_size(camera: str) -> tuple[int, int]:
    """Look up the size of a camera's images.

    Args:
        camera: The camera's name; that of the smaller images counts for unknown ones.

    Returns:
        Width and height, pixels.

    Examples:
        >>> image_size("54138969"), image_size("55011271")
        ((1000, 1002), (1000, 1000))
    """
    return _WIDTH, _HEIGHTS.get(camera, _HEIGHT)


def parse_image_path(text: str) -> tuple[str, str, str, int] | None:
    """Read what the path of an image tells.

    Args:
        text: As in "S1/Images/Directions 1.54138969/frame_0001.jpg".

    Returns:
        Subject, video, camera and frame; `None` where it is another path.

    Examples:
        >>> parse_image_path("S1/Images/Directions 1.54138969/frame_0001.jpg")
        ('S1', 'Directions 1', '54138969', 1)
    """
    match = _IMAGE.fullmatch(text)
    if match is None or match[3] not in CAMERAS:
        return None
    return match[1], match[2], match[3], int(match[4])


def join(
    samples: Sequence[Samples], *, confidence: bool, seen: np.ndarray | None = None
) -> PoseSequences:
    """Make a sequence of one frame of every sample.

    Args:
        samples: The samples; those without 3D get poses of zeros that are not valid.
        confidence: Whether a third channel of the keypoints tells which are seen.
        seen: `(all samples, 133)` keypoints to leave, where further ones are taken away.

    Returns:
        The sequences, checked.
    """
    pixels = np.concatenate([part.pixels for part in samples])
    given = np.concatenate([part.seen for part in samples])
    subjects, actions, cameras, frames, ids = (
        np.concatenate([getattr(part, name) for part in samples])
        for name in ("subjects", "actions", "cameras", "frames", "ids")
    )
    heights = np.array([image_size(camera)[1] for camera in cameras.tolist()])
    keypoints = normalize_screen(pixels.astype(np.float64), _WIDTH, heights[:, None])
    if confidence:
        visible = given if seen is None else given & seen
        keypoints = np.concatenate(
            [np.where(visible[..., None], keypoints, 0.0), visible[..., None]], axis=-1
        )
    poses = np.concatenate(
        [
            np.zeros((len(part), NUM_JOINTS, 3), np.float32) if part.poses is None else part.poses
            for part in samples
        ]
    )
    valid = np.repeat([part.poses is not None for part in samples], [len(part) for part in samples])
    used = set(zip(subjects.tolist(), cameras.tolist(), strict=True))
    known = {key: camera for part in samples for key, camera in part.known.items() if key in used}
    places = {key: index for index, key in enumerate(known)}
    names = [
        f"{subject} {action} {camera} frame {frame}" if subject else f"sample {number}"
        for subject, action, camera, frame, number in zip(
            subjects, actions, cameras, frames, ids, strict=True
        )
    ]
    kinds = [name.split(" ")[0] for name in actions.tolist()]
    return PoseSequences(
        skeletons.get(SKELETON),
        keypoints.astype(np.float32),
        poses,
        offsets=np.arange(len(pixels) + 1),
        subjects=subjects,
        actions=np.array([_RENAMED.get(kind, kind) for kind in kinds]),
        views=np.array([places.get(key, -1) for key in zip(subjects, cameras, strict=True)]),
        fps=np.array(_FPS),
        image_sizes=np.stack([np.full(len(heights), _WIDTH), heights], axis=1),
        cameras=tuple(known.values()),
        names=np.array(names),
        valid=valid,
        labels={"sample_id": ids.astype(np.int32), "frame_id": frames.astype(np.int32)},
    ).validate()
