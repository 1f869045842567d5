"""Recordings of MPI-INF-3DHP, whichever file they come from: checked, and joined to sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from keras_seal import skeletons
from keras_seal.data.sequences import PoseSequences
from keras_seal.data.sources.anatomy import Build, check_people
from keras_seal.data.sources.projection import Fit, check_fit, fit_camera
from keras_seal.errors import UserError
from keras_seal.geometry import Camera, normalize_screen

Annotation = Literal["annot3", "univ_annot3"]

SKELETON = "mpi_inf_3dhp_17"
NUM_JOINTS = 17
# Where the 17 joints lie among the 28 of the training files.
OF_28 = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
ROOT = 14
HEAD_TOP, HEAD = 0, 16

CAMERAS = tuple(range(14))
PAPER_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
TRAIN_SUBJECTS = tuple(f"S{number}" for number in range(1, 9))
TEST_SUBJECTS = tuple(f"TS{number}" for number in range(1, 7))
TRAIN_SIZE = (2048, 2048)
_OUTDOOR_SIZE = (1920, 1080)
_SETTINGS = ("studio with green screen", "studio", "outdoor")
_FAST = frozenset({"S1 Seq2", "S3 Seq1", "S3 Seq2", "S5 Seq1", "S5 Seq2"})
# The test files do not tell their rate; 25 is that of most recordings.
TEST_FPS = 25.0
# Frames with images, as the official tool knows them: the files have more.
USABLE_FRAMES = {
    "S1 Seq1": 6416, "S1 Seq2": 12430, "S2 Seq1": 6502, "S2 Seq2": 6081,
    "S3 Seq1": 12488, "S3 Seq2": 12283, "S4 Seq1": 6171, "S4 Seq2": 6675,
    "S5 Seq1": 12820, "S5 Seq2": 12312, "S6 Seq1": 6188, "S6 Seq2": 6145,
    "S7 Seq1": 6239, "S7 Seq2": 6320, "S8 Seq1": 6468, "S8 Seq2": 6054,
}  # fmt: skip

# A keypoint further out than this many images from the image has diverged.
_FAR_OUT = 1.0
# A bone longer than this, metres, ties together what does not belong to one body.
_TORN = 1.2
# Somebody may be as tall as the universal person, but not so many.
_ENOUGH_PEOPLE = 3

_BUILD = Build.of(
    joints=skeletons.get(SKELETON).joints,
    body=tuple(range(NUM_JOINTS)),
    order="MPI-INF-3DHP's (head top, neck, right arm, left arm, right leg, left leg, pelvis, "
    "spine, head)",
    lengths={
        "thigh": ("SIDE_hip", "SIDE_knee", 0.30, 0.60),
        "shin": ("SIDE_knee", "SIDE_ankle", 0.28, 0.60),
        "upper arm": ("SIDE_shoulder", "SIDE_elbow", 0.18, 0.43),
        "forearm": ("SIDE_elbow", "SIDE_wrist", 0.15, 0.38),
        "way from neck to shoulder": ("neck", "SIDE_shoulder", 0.06, 0.30),
        "way from pelvis to hip": ("pelvis", "SIDE_hip", 0.04, 0.25),
        "lower trunk": ("pelvis", "spine", 0.05, 0.45),
        "upper trunk": ("spine", "neck", 0.10, 0.50),
        "way from neck to head": ("neck", "head", 0.02, 0.25),
        "way from head to its top": ("head", "head_top", 0.02, 0.30),
        "way from neck to the top of the head": ("neck", "head_top", 0.12, 0.42),
    },
)


@dataclass
class Recording:
    """One camera's recording of one sequence.

    Args:
        path: The file it was read from.
        name: What it is called, as in "S1 Seq1 camera 0".
        subject: Who is seen.
        action: "Seq1" or "Seq2", or where a test sequence was recorded.
        pixels: `(frames, 17, 2)`.
        poses: `(frames, 17, 3)`, metres in camera space.
        frames: `(frames,)` number of each frame in the original sequence, from 0; ascending.
        size: Width and height of the image, pixels.
        fps: Frames a second.
        unit: The unit that the file should have.
        valid: `(frames,)` whether frames count.
        activity: `(frames,)` the test set's activities 1 to 7, 0 where they are unknown.
        camera: The camera, where the files tell.
    """

    path: Path
    name: str
    subject: str
    action: str
    pixels: np.ndarray
    poses: np.ndarray
    frames: np.ndarray
    size: tuple[int, int]
    fps: float
    unit: str
    valid: np.ndarray
    activity: np.ndarray
    camera: Camera | None = None
    usable: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        # Half the memory; a number too large for it becomes infinite and is found.
        with np.errstate(over="ignore"):
            self.pixels = self.pixels.astype(np.float32)
            self.poses = self.poses.astype(np.float32)
        self._check_shapes()
        self._check_finite()
        self.usable = np.ones(len(self.poses), bool)

    def __str__(self) -> str:
        return f"'{self.path}', {self.name}"

    def _check_shapes(self) -> None:
        for what, array, channels in (("2D", self.pixels, 2), ("3D", self.poses, 3)):
            if array.ndim != 3 or array.shape[1:] != (NUM_JOINTS, channels):
                raise UserError(
                    f"{self}: the {what} has the shape {array.shape}, expected (frames, "
                    f"{NUM_JOINTS}, {channels})."
                )
        counts = {
            "2D": len(self.pixels),
            "3D": len(self.poses),
            "the flags of valid frames": len(self.valid),
            "the activities": len(self.activity),
            "the numbers of frames": len(self.frames),
        }
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{what} {count}" for what, count in counts.items())
            raise UserError(f"{self}: the parts differ in their number of frames ({listed}).")
        if not len(self.poses):
            raise UserError(f"{self} has no frame.")

    def _check_finite(self) -> None:
        for what, array in (("2D", self.pixels), ("3D", self.poses)):
            bad = ~np.isfinite(array).all(axis=(1, 2))
            if bad.any():
                raise UserError(
                    f"{self}: the {what} of {_frames(int(bad.sum()))} holds values that are not "
                    f"finite; the first is frame {self.frames[int(bad.argmax())]}. Use the "
                    "published file."
                )

    @property
    def relative(self) -> bool:
        """Whether the poses are root-relative, so that nobody knows where the person stood."""
        return bool(np.abs(self.poses[:, ROOT]).max() < 1e-6)

    def diverged(self) -> np.ndarray:
        """Find the frames whose 2D cannot be what a camera saw."""
        size = np.array(self.size, np.float64)
        outside = (self.pixels < -_FAR_OUT * size) | (self.pixels > (1 + _FAR_OUT) * size)
        found = np.asarray(outside.any(axis=(1, 2)))
        if not self.relative:
            found |= (self.poses[..., 2] <= 0).any(axis=1)
        return found

    def torn(self) -> tuple[np.ndarray, np.ndarray]:
        """Find the frames whose joints are no one body.

        Returns:
            Frames whose slot 0 is far from the head though the others hang together, as where it
            holds the camera's trajectory; and the other frames with joints far apart.
        """
        skeleton = skeletons.get(SKELETON)
        ends = np.array(skeleton.bones)
        far = np.linalg.norm(self.poses[:, ends[:, 1]] - self.poses[:, ends[:, 0]], axis=-1) > _TORN
        # Whether bones are much too long in a wrong unit is another question.
        far &= (far.mean(axis=1) < 0.5)[:, None]
        at_head_top = ends[:, 1] == HEAD_TOP
        trajectory = far[:, at_head_top].any(axis=1) & ~far[:, ~at_head_top].any(axis=1)
        if trajectory.mean() > 0.5:
            # A camera that passes close by is a camera all the same.
            trajectory[:] = True
        return trajectory, far.any(axis=1) & ~trajectory


def fps_of(name: str) -> float:
    """Look up the frame rate of a training sequence.

    Args:
        name: As in "S1 Seq1".

    Returns:
        Frames a second.

    Examples:
        >>> fps_of("S1 Seq1"), fps_of("S1 Seq2")
        (25.0, 50.0)
    """
    return 50.0 if name in _FAST else 25.0


def image_size(subject: str) -> tuple[int, int]:
    """Look up the size of a test sequence's images.

    Args:
        subject: "TS1" to "TS6".

    Returns:
        Width and height, pixels.

    Examples:
        >>> image_size("TS4"), image_size("TS5")
        ((2048, 2048), (1920, 1080))
    """
    return _OUTDOOR_SIZE if subject in ("TS5", "TS6") else TRAIN_SIZE


def setting_of(subject: str) -> str:
    """Look up where a test sequence was recorded; papers report the three places apart.

    Args:
        subject: "TS1" to "TS6".

    Returns:
        "studio with green screen", "studio" or "outdoor".

    Examples:
        >>> setting_of("TS3")
        'studio'
    """
    return _SETTINGS[(TEST_SUBJECTS.index(subject)) // 2]


def prepare(
    recordings: Sequence[Recording], annotation: Annotation, named: Annotation | None, *, test: bool
) -> PoseSequences:
    """Check recordings, leave out what cannot be used, and join them.

    Args:
        recordings: All of one part of the data set.
        annotation: The annotation that is wanted.
        named: The annotation that the file's name or variable tells.
        test: Whether this is the test set, of which nothing may be left out.

    Returns:
        One sequence per recording, or several where frames in the middle are left out.

    Raises:
        UserError: Something is wrong with a recording.
    """
    for recording in recordings:
        _find_unusable(recording, test)
    kept = [recording for recording in recordings if recording.usable.any()]
    _tell_unusable(recordings)
    if not kept:
        raise UserError(f"'{recordings[0].path}': no frame can be used. {_advice(recordings)}")
    true_size: dict[bool, set[str]] = {True: set(), False: set()}
    for recording in kept:
        check_people(recording.poses[recording.usable], _BUILD, str(recording), recording.unit)
        if not recording.relative:
            found = _checked_fit(recording).true_size
            if found is not None:
                true_size[found].add(recording.subject)
    _check_annotation(kept[0].path, true_size, annotation, named)
    return _join(kept, annotation)


def _find_unusable(recording: Recording, test: bool) -> None:
    trajectory, torn = recording.torn()
    diverged = recording.diverged()
    if not test:
        recording.usable = ~(trajectory | torn | diverged)
        return
    bad = (trajectory | torn) & recording.valid
    if bad.any():
        what = "slot 0 holds no head top" if trajectory.any() else "joints lie apart"
        raise UserError(
            f"{recording}: in {_frames(int(bad.sum()))} of the test set {what} (the first is "
            f"frame {recording.frames[int(bad.argmax())]}), so that nothing can be measured by "
            "them. Use the published file."
        )
    # Frames that do not count are context only, and no camera saw such a context.
    recording.usable = recording.valid | ~(trajectory | torn | diverged)


def _tell_unusable(recordings: Iterable[Recording]) -> None:
    """Warn once for every file."""
    files: dict[Path, list[Recording]] = {}
    for recording in recordings:
        if not recording.usable.all():
            files.setdefault(recording.path, []).append(recording)
    for path, damaged in files.items():
        counts = {"trajectory": 0, "torn": 0, "diverged": 0}
        for recording in damaged:
            trajectory, torn = recording.torn()
            left_out = ~recording.usable
            counts["trajectory"] += int((trajectory & left_out).sum())
            counts["torn"] += int((torn & left_out).sum())
            counts["diverged"] += int((recording.diverged() & left_out & ~trajectory & ~torn).sum())
        reasons = {
            "trajectory": "slot 0 holds a camera trajectory instead of the head top",
            "torn": "joints lie more than a body apart",
            "diverged": "the 2D lies far outside of the image or behind the camera",
        }
        listed = "; ".join(f"{counts[key]}: {reasons[key]}" for key in reasons if counts[key])
        total = sum(int((~recording.usable).sum()) for recording in damaged)
        names = ", ".join(recording.name for recording in damaged[:3])
        more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
        warnings.warn(
            f"'{path}': {_frames(total)} of {names}{more} left out ({listed}).",
            UserWarning,
            stacklevel=4,
        )


def _advice(recordings: Iterable[Recording]) -> str:
    moved = [
        recording
        for recording in recordings
        if np.linalg.norm(recording.poses[:, ROOT], axis=-1).min() > 1.0
        and np.abs(recording.poses[:, ROOT - 1]).max() < _TORN
    ]
    if moved:
        return (
            "Its pelvis is where the person stood, but the other joints are relative to it, as "
            "loaders that subtract in place leave them; add the pelvis to the others."
        )
    return "Use the published file."


def _checked_fit(recording: Recording) -> Fit:
    # Of the test set all frames are kept, but a few wild ones must not hide how the others fit.
    chosen = recording.usable & ~recording.diverged()
    if not chosen.any():
        chosen = recording.usable
    found = fit_camera(
        recording.pixels[chosen],
        recording.poses[chosen],
        ROOT,
        skeletons.get(SKELETON).mirror_permutation,
    )
    check_fit(found, str(recording), recording.size[0])
    return found


def _check_annotation(
    path: Path,
    true_size: Mapping[bool, set[str]],
    annotation: Annotation,
    named: Annotation | None,
) -> None:
    content: Annotation | None = None
    if true_size[False]:
        content = "univ_annot3"
    elif len(true_size[True]) >= (_ENOUGH_PEOPLE if named else 1):
        content = "annot3"
    actual = content or named
    if actual is not None and actual != annotation:
        why = (
            "as its 3D does not project onto its 2D"
            if content == "univ_annot3"
            else "as its 3D projects onto its 2D"
            if content
            else "as its name says"
        )
        raise UserError(
            f"'{path}' holds {actual} ({why}), but the option `annotation` asks for {annotation}. "
            f"Set annotation to {actual}, or give the file of the other one; errors measured on "
            "the two cannot be compared."
        )


def _join(recordings: Sequence[Recording], annotation: Annotation) -> PoseSequences:
    cameras = list(dict.fromkeys(each.camera for each in recordings if each.camera is not None))
    index = {camera: place for place, camera in enumerate(cameras)}
    columns: dict[str, list] = {
        name: []
        for name in (
            "keypoints", "poses", "subjects", "actions", "names", "views", "fps", "image_sizes"
        )
    }  # fmt: skip
    per_frame: dict[str, list[np.ndarray]] = {"valid": [], "activity": [], "frame_id": []}
    for recording in recordings:
        runs = _runs(recording)
        for start, stop in runs:
            part = slice(start, stop)
            whole = len(runs) == 1 and stop - start == len(recording.poses)
            first, last = recording.frames[start], recording.frames[stop - 1]
            screen = normalize_screen(recording.pixels[part].astype(np.float64), *recording.size)
            columns["keypoints"].append(screen.astype(np.float32))
            columns["poses"].append(recording.poses[part].astype(np.float32))
            columns["subjects"].append(recording.subject)
            columns["actions"].append(recording.action)
            columns["names"].append(
                recording.name if whole else f"{recording.name} frames {first}-{last}"
            )
            columns["views"].append(-1 if recording.camera is None else index[recording.camera])
            columns["fps"].append(recording.fps)
            columns["image_sizes"].append(recording.size)
            per_frame["valid"].append(recording.valid[part].astype(bool))
            per_frame["activity"].append(recording.activity[part].astype(np.int8))
            per_frame["frame_id"].append(recording.frames[part].astype(np.int32))
    joined = {name: np.concatenate(arrays) for name, arrays in per_frame.items()}
    keypoints, poses = columns.pop("keypoints"), columns.pop("poses")
    universal = np.full(len(joined["valid"]), annotation == "univ_annot3", np.int8)
    return PoseSequences.from_list(
        SKELETON,
        keypoints,
        poses,
        cameras=tuple(cameras),
        valid=joined.pop("valid"),
        labels={**joined, "universal": universal},
        **columns,
    ).validate()


def _runs(recording: Recording) -> list[tuple[int, int]]:
    """Find where usable frames follow each other without a gap."""
    usable = np.flatnonzero(recording.usable)
    gaps = np.flatnonzero((np.diff(usable) > 1) | (np.diff(recording.frames[usable]) > 1)) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(usable, gaps)]


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
