"""People in an image sequence: detections, tracks, and the file they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.skeletons import Skeleton, joint_maps
from keras_seal.skeletons.joint_maps import JointMap

AnyDetections = TypeVar("AnyDetections", bound="Detections")


@dataclass(eq=False)
class Detections:
    """People found in single images; nothing says who is who from one image to the next.

    Args:
        frames: `(N,)` frame number of each detection, never falling; a frame in which several
            people were found appears several times, one without people not at all.
        keypoints: `(N, joints, 3)` x and y in pixels and the detector's confidence. An undetected
            joint has x and y NaN and confidence 0; every detection has a detected joint.
        boxes: `(N, 4)` left, top, right and bottom of each person in pixels, NaN where the file
            gives none; None where it gives no boxes at all.
        scores: `(N,)` how sure the detector is of each person, NaN where the file does not say;
            None where it never does.

    Raises:
        UserError: The arrays do not fit each other, or frames do not come in order.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data.keypoint_files import Detections
        >>> found = Detections(frames=[4, 4, 7], keypoints=np.ones((3, 17, 3)))
        >>> len(found), found.most_in_a_frame
        (3, 2)
    """

    frames: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray | None = None
    scores: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.frames = np.asarray(self.frames, np.int64)
        self.keypoints = np.asarray(self.keypoints, np.float64)
        count = len(self.frames)
        if self.keypoints.ndim != 3 or self.keypoints.shape[::2] != (count, 3):
            raise UserError(
                f"`keypoints` must have the shape ({count}, joints, 3), got {self.keypoints.shape}."
            )
        for name, shape in (("boxes", (count, 4)), ("scores", (count,))):
            values = getattr(self, name)
            if values is not None:
                values = np.asarray(values, np.float64)
                if values.shape != shape:
                    raise UserError(f"`{name}` must have the shape {shape}, got {values.shape}.")
                setattr(self, name, values)
        if (np.diff(self.frames) < 0).any():
            raise UserError("`frames` must not fall; sort the detections by frame.")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def most_in_a_frame(self) -> int:
        """The greatest number of people in one frame."""
        if not len(self):
            return 0
        return int(np.unique(self.frames, return_counts=True)[1].max())

    def _mapped(self: AnyDetections, joint_map: JointMap) -> AnyDetections:
        return replace(self, keypoints=joint_map.apply(self.keypoints))


@dataclass(eq=False)
class Track(Detections):
    """One person, followed from frame to frame; frames in which they were not found are left out.

    Args:
        frames: `(N,)` frame numbers, growing.
        keypoints: As in `Detections`.
        boxes: As in `Detections`.
        scores: As in `Detections`.
        id: The file's number of this person.

    Raises:
        UserError: The arrays do not fit each other, or a frame appears twice.
    """

    id: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        twice = np.flatnonzero(np.diff(self.frames) == 0)
        if twice.size:
            raise UserError(
                f"Person {self.id} appears twice in frame {self.frames[twice[0]]}; a track holds "
                "one person once a frame."
            )


@dataclass(eq=False)
class KeypointFile:
    """What a detector found in one video, as read by `keypoint_files.read`.

    People whom the file follows from frame to frame are `people`, each a `Track`. Where it has no
    identities, the detections stay single, in `untracked`; there is nobody in `people` then.

    Args:
        path: Where it was read.
        format: The file's format, one of `keypoint_files.formats()`.
        layout: The order of the joints, a skeleton.
        people: The tracks, by ascending `id`.
        untracked: Detections without identity; perhaps none.
        num_frames: Number of frames that the file covers, as far as it tells: frames are numbered
            from 0 and those at the end without people may be unknown.
        image_size: Width and height in pixels; None where nobody said.
        fps: Frames a second; None where nobody said.
        joint_map: Name of the joint map that made the joints; None where they are the detector's.

    Examples:
        >>> import json, pathlib, tempfile
        >>> from keras_seal.data import keypoint_files
        >>> person = {"image_id": "3.jpg", "category_id": 1, "score": 2.9, "idx": 1,
        ...           "keypoints": [100.0, 200.0, 0.9] * 26}
        >>> path = pathlib.Path(tempfile.mkdtemp(), "alphapose-results.json")
        >>> _ = path.write_text(json.dumps([person]))
        >>> file = keypoint_files.read(path, image_size=(1280, 720))
        >>> file.format, file.layout.name, file.people[0].frames.tolist()
        ('alphapose', 'halpe_26', [3])
        >>> mapped = file.to_skeleton("human36m_17")
        >>> mapped.people[0].keypoints.shape, mapped.joint_map
        ((1, 17, 3), 'halpe_26_to_human36m_17')
    """

    path: str
    format: str
    layout: Skeleton
    people: tuple[Track, ...]
    untracked: Detections
    num_frames: int
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    joint_map: str | None = None

    def __repr__(self) -> str:
        size = "x".join(map(str, self.image_size)) if self.image_size else "unknown"
        return (
            f"KeypointFile({self.format}, '{self.layout.name}', {len(self.people)} people, "
            f"{len(self.untracked)} untracked detections, {self.num_frames} frames, images of "
            f"{size} size, {self.fps or 'unknown'} fps)"
        )

    def to_skeleton(
        self,
        skeleton: Skeleton | str,
        joint_map: JointMap | str | Mapping[str, Any] | None = None,
    ) -> KeypointFile:
        """Give the joints of a skeleton instead of the detector's.

        Args:
            skeleton: The skeleton, as a model needs it.
            joint_map: The joint map, its name, a file or a dictionary; by default the usual one
                (`joint_maps.find`).

        Returns:
            The same people with mapped joints; `joint_map` tells by which map. A joint made of an
            undetected one is undetected; a person of whom no joint is left in a frame is not in
            that frame.

        Raises:
            UserError: There is no map from the file's layout to the skeleton, or the map given
                is one between others.
        """
        skeleton = skeletons.get(skeleton)
        if joint_map is None:
            chosen = joint_maps.find(self.layout, skeleton)
        else:
            chosen = joint_maps.get(joint_map)
            ends = (("source", self.layout), ("target", skeleton))
            for end, expected in ends:
                found = getattr(chosen, end)
                if found.joints != expected.joints:
                    raise UserError(
                        f"The joint map '{chosen.name}' leads from '{chosen.source.name}' to "
                        f"'{chosen.target.name}', but '{self.layout.name}' must become "
                        f"'{skeleton.name}'. Choose another, or none for the usual one."
                    )
        people = [_without_nobody(track._mapped(chosen)) for track in self.people]
        return replace(
            self,
            layout=skeleton,
            people=tuple(track for track in people if len(track)),
            untracked=_without_nobody(self.untracked._mapped(chosen)),
            joint_map=chosen.name,
        )


def _without_nobody(detections: AnyDetections) -> AnyDetections:
    """Leave detections without any detected joint out."""
    keep = (detections.keypoints[..., 2] > 0).any(axis=1)
    if keep.all():
        return detections
    return replace(
        detections,
        frames=detections.frames[keep],
        keypoints=detections.keypoints[keep],
        boxes=None if detections.boxes is None else detections.boxes[keep],
        scores=None if detections.scores is None else detections.scores[keep],
    )
