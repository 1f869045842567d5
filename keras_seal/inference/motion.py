"""What a lifter makes of a keypoint file: the motion of people."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.skeletons import Skeleton

# Rows looked at together, which bounds the memory.
CHUNK = 4096


@dataclass(frozen=True)
class Span:
    """Successive frames of one person in a `Motion`.

    Args:
        id: The person's number.
        start: First row.
        stop: The row behind the last one.
        first_frame: Frame number of the first row.
    """

    id: int
    start: int
    stop: int
    first_frame: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(eq=False)
class Motion:
    """People's poses over time: one row for each person in each frame, person after person.

    Args:
        skeleton: The joints.
        fps: Frames a second.
        image_size: Width and height of the images in pixels.
        frames: `(N,)` frame numbers of the video, from 0.
        ids: `(N,)` numbers of the persons.
        poses: `(N, joints, 3)` float32: metres, camera space (x right, y down, z forward),
            relative to the skeleton's origin.
        roots: `(N, 3)` float32: where that origin is in front of the camera, metres; rough.
        keypoints: `(N, joints, 3)` float32: x, y in pixels and confidence of what was lifted.
        states: `(N, joints)` uint8: 0 detected, 1 bridged over a short gap, 2 guessed.
        bone_length_deviation: `(N,)` mean difference of the bones' lengths from the person's
            median lengths, metres.
        symmetry_error: `(N,)` mean difference between mirrored bones' lengths, metres; zero for
            skeletons without any.
        energy: `(N,)` how implausible a loss-net finds each pose; None without a loss-net.
        bone_lengths: Median lengths `(bones,)` of each person, metres, by number.
        about: How it was made, as JSON can hold it.
    """

    skeleton: Skeleton
    fps: float
    image_size: tuple[int, int]
    frames: np.ndarray
    ids: np.ndarray
    poses: np.ndarray
    roots: np.ndarray
    keypoints: np.ndarray
    states: np.ndarray
    bone_length_deviation: np.ndarray
    symmetry_error: np.ndarray
    energy: np.ndarray | None = None
    bone_lengths: Mapping[int, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def empty(
        cls,
        skeleton: Skeleton,
        fps: float,
        image_size: tuple[int, int],
        frames: np.ndarray,
        ids: np.ndarray,
        *,
        folder: Path | None = None,
        energy: bool = False,
    ) -> Motion:
        """Make room for a motion.

        Args:
            skeleton: The joints.
            fps: Frames a second.
            image_size: Width and height of the images in pixels.
            frames: `(N,)` frame numbers.
            ids: `(N,)` persons' numbers.
            folder: Where the arrays lie while they are worked on; None for the memory.
            energy: Whether there is an energy.

        Returns:
            A motion of zeros.
        """
        count, joints = len(frames), skeleton.num_joints

        def room(*shape: int, dtype: Any = np.float32) -> np.ndarray:
            if folder is None or not count:
                return np.zeros((count, *shape), dtype)
            # The file goes with its last user, or with the folder.
            file: Any = tempfile.NamedTemporaryFile(dir=folder, suffix=".rows")  # noqa: SIM115
            return np.memmap(file, dtype, "w+", shape=(count, *shape))

        return cls(
            skeleton,
            float(fps),
            image_size,
            frames,
            ids,
            poses=room(joints, 3),
            roots=room(3),
            keypoints=room(joints, 3),
            states=room(joints, dtype=np.uint8),
            bone_length_deviation=room(),
            symmetry_error=room(),
            energy=room() if energy else None,
        )

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        return (
            f"Motion('{self.skeleton.name}', {len(self.people)} people, {len(self)} poses, "
            f"{self.fps:g} fps)"
        )

    @property
    def people(self) -> list[int]:
        """Numbers of the persons, ascending."""
        return sorted({span.id for span in self.spans})

    @property
    def spans(self) -> list[Span]:
        """Where each person's successive frames lie."""
        if not len(self):
            return []
        cuts = np.flatnonzero((np.diff(self.ids) != 0) | (np.diff(self.frames) != 1)) + 1
        starts, stops = [0, *cuts.tolist()], [*cuts.tolist(), len(self)]
        return [
            Span(int(self.ids[start]), start, stop, int(self.frames[start]))
            for start, stop in zip(starts, stops, strict=True)
        ]

    def chunks(self) -> Iterator[slice]:
        """Go through all rows, some at a time.

        Yields:
            Slices of rows.
        """
        for begin in range(0, len(self), CHUNK):
            yield slice(begin, min(begin + CHUNK, len(self)))

    def reliable(self, rows: slice) -> np.ndarray:
        """Tell which rows hold no guessed joint.

        Args:
            rows: Which rows to look at.

        Returns:
            Booleans.
        """
        return np.asarray((self.states[rows] < 2).all(axis=1))

    def by_frame(self) -> Iterator[tuple[int, np.ndarray]]:
        """Go through the video: which rows belong to each frame.

        Yields:
            Frame number and rows, for every frame up to the last one with a person.
        """
        order = np.argsort(self.frames, kind="stable")
        count = int(self.frames.max(initial=-1)) + 1
        bounds = np.searchsorted(self.frames[order], np.arange(count + 1))
        for frame in range(count):
            yield frame, order[bounds[frame] : bounds[frame + 1]]
