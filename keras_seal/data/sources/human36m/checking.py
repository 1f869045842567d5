"""Do poses and keypoints belong together, and are they people? Looked at while a file is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_seal import skeletons
from keras_seal.data.sources.anatomy import Build, check_people, sampled
from keras_seal.data.sources.human36m.calibration import cameras
from keras_seal.data.sources.human36m.recording import Recording
from keras_seal.errors import UserError
from keras_seal.geometry import project

_SKELETON = skeletons.get("human36m_17")
_SMALL_SKELETON = skeletons.get("human36m_16")
NOSE = _SKELETON.joint_index("nose")

_FRAMES = 16
# Detectors are off by 5 to 15 pixels, another order of the joints by a hundred.
_GREATEST_MISFIT = 50.0
# The sides are exchanged when exchanging them leaves less than this share of the error.
_CLEARLY = 0.5

_BUILD = Build.of(
    joints=_SKELETON.joints,
    body=tuple(range(_SKELETON.num_joints)),
    order="Human3.6M's (pelvis, right leg, left leg, spine, thorax, nose, head, left arm, right "
    "arm)",
    lengths={
        "thigh": ("SIDE_hip", "SIDE_knee", 0.30, 0.60),
        "shin": ("SIDE_knee", "SIDE_ankle", 0.28, 0.60),
        "upper arm": ("SIDE_shoulder", "SIDE_elbow", 0.18, 0.40),
        "forearm": ("SIDE_elbow", "SIDE_wrist", 0.15, 0.36),
        "way from pelvis to hip": ("pelvis", "SIDE_hip", 0.06, 0.25),
        "way from thorax to shoulder": ("thorax", "SIDE_shoulder", 0.08, 0.28),
        "lower trunk": ("pelvis", "spine", 0.12, 0.40),
        "upper trunk": ("spine", "thorax", 0.15, 0.40),
        "way from thorax to nose": ("thorax", "nose", 0.04, 0.22),
        "way from nose to the top of the head": ("nose", "head", 0.05, 0.22),
    },
)


class Checker:
    """Looks at a few frames of every recording, and judges them all at the end.

    A single recording proves little: people turn and hide their joints, and the motion capture of
    three takes is known to be off.
    """

    def __init__(self) -> None:
        self._poses: dict[tuple[str, str], list[np.ndarray]] = {}
        self._misfits: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def look_at(self, recording: Recording) -> None:
        """Take samples of a recording.

        Args:
            recording: The recording.
        """
        chosen = sampled(len(recording.poses), _FRAMES)
        poses, pixels = recording.poses[chosen], recording.pixels[chosen].astype(np.float64)
        self._poses.setdefault((recording.poses_file, recording.subject), []).append(poses)
        small = pixels.shape[1] < poses.shape[1]
        if small:
            poses = np.delete(poses, NOSE, axis=1)
        skeleton = _SMALL_SKELETON if small else _SKELETON
        expected = project(poses, cameras(recording.subject)[recording.camera])
        # Behind the camera nothing is seen, which no keypoints can fit.
        expected = np.where(np.isfinite(expected), expected, np.inf)
        distances = (
            _distance(pixels, expected),
            _distance(pixels[:, skeleton.mirror_permutation], expected),
        )
        self._misfits.setdefault(recording.keypoints_file, []).append(distances)

    def judge(self) -> None:
        """Check the samples of everything that was looked at.

        Raises:
            UserError: The poses are no people in metres, or the keypoints are not theirs.
        """
        for (file, subject), poses in self._poses.items():
            check_people(np.concatenate(poses), _BUILD, f"{file}, {subject}", "metres")
        for file, distances in self._misfits.items():
            straight, mirrored = (_typical(each) for each in zip(*distances, strict=True))
            if mirrored < _CLEARLY * straight and straight > 5:
                raise UserError(
                    f"{file}: left and right of the keypoints are exchanged: the poses project "
                    f"{straight:.3g} pixels off, but {mirrored:.3g} with the sides exchanged."
                )
            if not straight < _GREATEST_MISFIT:
                raise UserError(
                    f"{file}: the keypoints are not those of the poses, which project "
                    f"{straight:.4g} pixels away from them. Are the joints in Human3.6M's order, "
                    "the numbers pixels, the cameras in their usual order, and the poses "
                    "those of the same files?"
                )


def _distance(pixels: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.linalg.norm(pixels - expected, axis=-1)


def _typical(distances: Sequence[np.ndarray]) -> float:
    """The mean over the joints of the median over the frames."""
    return float(np.median(np.concatenate(distances), axis=0).mean())
