"""The data source `human36m`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from keras_seal.data.sequences import PoseSequences, PoseSplits
from keras_seal.data.sources.base import Source
from keras_seal.data.sources.human36m import mmpose, motionbert, videopose3d
from keras_seal.data.sources.human36m.calibration import cameras
from keras_seal.data.sources.human36m.checking import NOSE, Checker
from keras_seal.data.sources.human36m.recording import (
    SUBJECTS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Recording,
)
from keras_seal.errors import UserError
from keras_seal.geometry import Camera, normalize_screen


class _Layout(NamedTuple):
    mark: str  # a file that only this layout has
    files: Callable[[Path, str], dict[str, Path]]
    read: Callable[[Path, str], Iterator[Recording]]


_LAYOUTS = {
    "videopose3d": _Layout(videopose3d.POSES, videopose3d.files, videopose3d.read),
    "motionbert": _Layout(motionbert.PATTERN, motionbert.files, motionbert.read),
    "mmpose": _Layout(mmpose.TRAIN, mmpose.files, mmpose.read),
}


class Human36MSource(Source):
    """Human3.6M in the usual protocol: one model for all actions and cameras, tested on S9 and S11.

    Training subjects are S1, S5, S6, S7 and S8, one of which is held out for validation. The
    corrupt take S11 "Directions" is left out where takes have names. `actions` are the fifteen
    canonical ones, `names` are the takes as the files call them ("S1/TakingPhoto 1/54138969").

    Three layouts are read, none of which is downloaded:

    - VideoPose3D: a folder with `data_3d_h36m.npz` and `data_2d_h36m_{keypoints}.npz`. Poses are
      brought from the world to the cameras. `keypoints` is what the second file is called by:
      `gt`, `cpn_ft_h36m_dbb`, `detectron_ft_h36m`, `sh_ft_h36m`, ... Files of 16 joints in MPII's
      order need `joints=16` (in `sh_pt_mpii`, whose detector never saw Human3.6M, MPII's thorax
      and upper neck stand for spine and thorax); files in COCO's order are refused, since COCO
      lacks four of the joints.
    - MotionBERT (and others that use its file): a folder with
      `h36m_{keypoints}_cam_source*.pkl`, where `keypoints` is `sh_conf` or `cpn`; with `gt`, poses
      projected without distortion of the lens. The file holds poses in pixels; metres are computed
      from them, for the test rows by the factors in the file, for the training rows by the rigid
      bones (see `motionbert.py`); on files made in the published way both are right to 0.001 mm.
      Scores are of the world's millimetres, while MotionBERT's are of pixels times the factor.
    - mmpose: a folder with `h36m_train.npz` and `h36m_test.npz`, of 50 or 10 frames a second.
      `keypoints` is `gt`, or the name of two files of detections as in `cpn_ft_h36m_dbb` for
      `cpn_ft_h36m_dbb_train.npy` and `..._test.npy`.

    Args:
        folder: The folder with the files.
        layout: `"videopose3d"`, `"motionbert"`, `"mmpose"`, or `"auto"` for the one whose files are
            there.
        keypoints: Whose keypoints.
        joints: 17, or 16 for the skeleton without the nose.
        confidence: Whether the detector's confidence is a third channel of the keypoints; it is 1
            with ground truth.
        frame_stride: Keep every so many frames: 2 makes 25 frames a second of 50.
        validation_subjects: Training subjects to validate on instead.
        skip_shifted: Leave out the three takes of S9 whose motion capture is known to be off
            (Greeting, SittingDown, Waiting 1). Papers that leave them out cannot be compared with
            papers that do not.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("human36m")(folder="nowhere").load()
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no folder 'nowhere' to read Human3.6M from.

    Reference:
        Ionescu et al., Human3.6M, TPAMI 2014; Pavllo et al., 3D human pose estimation in video
        with temporal convolutions and semi-supervised training, CVPR 2019.
    """

    name: ClassVar[str] = "human36m"
    described_by_inputs: ClassVar[frozenset[str]] = frozenset({"folder"})

    folder: Path
    layout: Literal["auto", "videopose3d", "motionbert", "mmpose"] = "auto"
    keypoints: str = Field("gt", pattern=r"^[A-Za-z0-9_.-]+$")
    joints: Literal[16, 17] = 17
    confidence: bool = False
    frame_stride: int = Field(1, ge=1, le=1000)
    validation_subjects: tuple[str, ...] = ("S8",)
    skip_shifted: bool = False

    @field_validator("validation_subjects")
    @classmethod
    def _are_held_out(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for subject in value:
            if subject in TEST_SUBJECTS:
                raise ValueError(
                    f"{subject} is a test subject, which may not choose models; expected some of "
                    f"{', '.join(TRAIN_SUBJECTS)}"
                )
            if subject not in TRAIN_SUBJECTS:
                raise ValueError(
                    f"Human3.6M has no training subject '{subject}', expected some of "
                    f"{', '.join(TRAIN_SUBJECTS)}"
                )
        if not 0 < len(set(value)) < len(TRAIN_SUBJECTS) or len(set(value)) < len(value):
            raise ValueError(
                f"expected one or more, but not all, of {', '.join(TRAIN_SUBJECTS)}, each once"
            )
        return value

    def input_files(self) -> list[Path]:
        """List the files that are read.

        Returns:
            The files.

        Raises:
            UserError: One of them is missing.
        """
        return list(self._files().values())

    def inputs(self) -> dict[str, Any]:
        """Describe the files that are read.

        Returns:
            Their names, sizes and times of change.

        Raises:
            UserError: One of them is missing.
        """
        described: dict[str, Any] = {"layout": self._found_layout()}
        for role, file in self._files().items():
            facts = file.stat()
            described[role] = [file.name, facts.st_size, facts.st_mtime_ns]
        return described

    def prepare(self) -> PoseSplits:
        """Read the files.

        Returns:
            The data, checked.

        Raises:
            UserError: A file is missing, damaged, or not what the layout says.
        """
        checker = Checker()
        reels: dict[str, _Reel] = {subject: _Reel() for subject in SUBJECTS}
        for recording in _LAYOUTS[self._found_layout()].read(self.folder, self.keypoints):
            if recording.shifted and self.skip_shifted:
                continue
            checker.look_at(recording)
            reels[recording.subject].add(self._keypoints(recording), self._poses(recording))
            reels[recording.subject].describe(recording, recording.fps / self.frame_stride)
        checker.judge()
        skeleton = f"human36m_{self.joints}"
        train = [name for name in TRAIN_SUBJECTS if name not in self.validation_subjects]
        return PoseSplits(
            train=_join(skeleton, [reels[subject] for subject in train]),
            validation=_join(skeleton, [reels[subject] for subject in self.validation_subjects]),
            test=_join(skeleton, [reels[subject] for subject in TEST_SUBJECTS]),
        ).validate()

    def _files(self) -> dict[str, Path]:
        return _LAYOUTS[self._found_layout()].files(self.folder, self.keypoints)

    def _found_layout(self) -> str:
        folder = self.folder
        if folder.is_file():
            raise UserError(f"'{folder}' is a file; give the folder that holds it.")
        if not folder.is_dir():
            raise UserError(f"There is no folder '{folder}' to read Human3.6M from.")
        if self.layout != "auto":
            return self.layout
        found = [name for name, layout in _LAYOUTS.items() if any(folder.glob(layout.mark))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"The folder '{folder}' holds Human3.6M in more than one layout; set `layout` to "
                f"{' or '.join(found)}."
            )
        marks = [layout.mark for layout in _LAYOUTS.values()]
        below = [
            file.parent
            for mark in marks
            for depth in ("*/", "*/*/")
            for file in folder.glob(depth + mark)
        ]
        hint = f" There is one in '{below[0]}'." if below else ""
        raise UserError(
            f"The folder '{folder}' has none of Human3.6M's files: neither {', nor '.join(marks)}."
            f"{hint}"
        )

    def _keypoints(self, recording: Recording) -> np.ndarray:
        pixels, confidence = recording.pixels, recording.confidence
        if self.joints == 17 and pixels.shape[1] == 16:
            raise UserError(
                f"{recording.keypoints_file} has 16 joints, without the nose; set `joints` to 16."
            )
        if self.confidence and confidence is None:
            raise UserError(
                f"{recording.keypoints_file} has no confidence; set `confidence` to false, or use "
                "keypoints that have one."
            )
        camera = cameras(recording.subject)[recording.camera]
        screen = normalize_screen(
            pixels[:: self.frame_stride].astype(np.float64), camera.width, camera.height
        )
        if self.confidence and confidence is not None:
            screen = np.concatenate([screen, confidence[:: self.frame_stride, :, None]], axis=-1)
        return self._chosen_joints(screen)

    def _poses(self, recording: Recording) -> np.ndarray:
        return self._chosen_joints(recording.poses[:: self.frame_stride])

    def _chosen_joints(self, values: np.ndarray) -> np.ndarray:
        if self.joints < values.shape[1]:
            values = np.delete(values, NOSE, axis=1)
        return values.astype(np.float32)


class _Reel:
    """Collects the recordings of one subject."""

    def __init__(self) -> None:
        self.keypoints: list[np.ndarray] = []
        self.poses: list[np.ndarray] = []
        self.facts: list[tuple[str, str, str, float, Camera]] = []

    def add(self, keypoints: np.ndarray, poses: np.ndarray) -> None:
        self.keypoints.append(keypoints)
        self.poses.append(poses)

    def describe(self, recording: Recording, fps: float) -> None:
        camera = cameras(recording.subject)[recording.camera]
        self.facts.append((recording.subject, recording.action, recording.name, fps, camera))


def _join(skeleton: str, reels: list[_Reel]) -> PoseSequences:
    facts = [fact for reel in reels for fact in reel.facts]
    subjects, actions, names, fps, seen_by = zip(*facts, strict=True)
    used = list(dict.fromkeys(seen_by))
    index = {camera: number for number, camera in enumerate(used)}
    return PoseSequences.from_list(
        skeleton,
        [array for reel in reels for array in reel.keypoints],
        [array for reel in reels for array in reel.poses],
        subjects=list(subjects),
        actions=list(actions),
        names=list(names),
        views=[index[camera] for camera in seen_by],
        fps=list(fps),
        image_sizes=[(camera.width, camera.height) for camera in seen_by],
        cameras=tuple(used),
    )
