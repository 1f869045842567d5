"""Following people from frame to frame where a keypoint file does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from keras_seal.data.keypoint_files import Detections, Track
from keras_seal.errors import UserError

# How far off a joint may be, as a share of the person's size, before it counts as another one: the
# spread of COCO's object keypoint similarity, for all joints that of its hips.
_SPREAD = 0.107
# The similarity from which on two poses may be one person's.
_LEAST_SIMILARITY = 0.2
# What a new frame says about the speed; the rest is what was known before.
_SPEED_GAIN = 0.35
# Each frame without the person makes their whereabouts less certain, up to this many times.
_DOUBT_PER_FRAME, _GREATEST_DOUBT = 0.15, 2.5


def track(detections: Detections, max_gap: int = 12) -> tuple[Track, ...]:
    """Join single detections to tracks, one for every person.

    Every track foresees its joints by their own and the body's speed. In each frame people and
    tracks are matched so that the sum of their similarities (OKS: how near the joints are,
    measured by the person's size) is greatest. So people who walk past each other keep their
    identity, also where one of them is hidden for some frames.

    Args:
        detections: People in single images.
        max_gap: Frames without a person after which their track ends.

    Returns:
        The tracks, numbered from 0 in the order in which people appear.

    Raises:
        UserError: `max_gap` is negative.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data.keypoint_files import Detections
        >>> rng = np.random.default_rng(0)
        >>> shape = np.concatenate([100 * rng.random((17, 2)), np.ones((17, 1))], axis=1)
        >>> step = np.array([10.0, 0, 0])
        >>> people = [shape + t * step if one else shape + 200 * step - t * step
        ...           for t in range(5) for one in (t % 2, 1 - t % 2)]  # in changing order
        >>> tracks = track(Detections(np.repeat(np.arange(5), 2), np.array(people)))
        >>> [len(each) for each in tracks]
        [5, 5]
    """
    from scipy.optimize import linear_sum_assignment

    if max_gap < 0:
        raise UserError(f"The longest gap must be 0 frames or more, got {max_gap}.")
    alive: list[_Followed] = []
    done: list[_Followed] = []
    frames, starts = np.unique(detections.frames, return_index=True)
    bounds = [*starts.tolist(), len(detections)]
    for frame, (start, stop) in zip(frames.tolist(), pairwise(bounds), strict=True):
        gone = [each for each in alive if frame - each.frame - 1 > max_gap]
        done += gone
        alive = [each for each in alive if frame - each.frame - 1 <= max_gap]
        found = detections.keypoints[start:stop]
        likeness = np.array([each.similarity(frame, found) for each in alive])
        likeness = likeness.reshape(len(alive), len(found))
        taken = set()
        for old, new in zip(*linear_sum_assignment(-likeness), strict=True):
            if likeness[old, new] >= _LEAST_SIMILARITY:
                alive[old].add(frame, start + int(new), found[new])
                taken.add(int(new))
        for new in range(len(found)):
            if new not in taken:
                alive.append(_Followed(frame, start + new, found[new]))
    everybody = sorted(done + alive, key=lambda each: each.rows[0])
    return tuple(
        _as_track(detections, np.array(each.rows), number) for number, each in enumerate(everybody)
    )


def _as_track(detections: Detections, rows: np.ndarray, number: int) -> Track:
    boxes, scores = detections.boxes, detections.scores
    return Track(
        frames=detections.frames[rows],
        keypoints=detections.keypoints[rows],
        boxes=None if boxes is None else boxes[rows],
        scores=None if scores is None else scores[rows],
        id=number,
    )


@dataclass
class _Followed:
    """A person on the way through the frames."""

    frame: int
    row: int
    keypoints: np.ndarray
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows.append(self.row)
        self.places = self.keypoints[:, :2].copy()
        self.speeds = np.zeros_like(self.places)
        self.size = _size(self.places)
        self.steps = 0

    def foreseen(self, frame: int) -> np.ndarray:
        return self.places + (frame - self.frame) * self.speeds

    def similarity(self, frame: int, found: np.ndarray) -> np.ndarray:
        """How alike the foreseen person is to each one found, in [0, 1]."""
        distances = found[..., :2] - self.foreseen(frame)
        squared = (distances**2).sum(axis=-1)
        both = np.isfinite(squared)
        missed = frame - self.frame - 1
        doubt = min(1.0 + _DOUBT_PER_FRAME * missed, _GREATEST_DOUBT)
        if not self.steps:
            # Nothing is known of the speed yet.
            doubt *= 2.0
        spread = 2.0 * (2.0 * _SPREAD * self.size * doubt) ** 2
        likeness = np.where(both, np.exp(-np.where(both, squared, 0.0) / spread), 0.0)
        count = both.sum(axis=-1)
        # One joint in common says little.
        return likeness.sum(axis=-1) / np.maximum(count, 3)

    def add(self, frame: int, row: int, keypoints: np.ndarray) -> None:
        self.rows.append(row)
        elapsed = frame - self.frame
        new, old = keypoints[:, :2], self.places
        seen = np.isfinite(new[:, 0])
        shared = seen & np.isfinite(old[:, 0])
        foreseen = self.foreseen(frame)
        if shared.any():
            steps = (new[shared] - old[shared]) / elapsed
            whole = np.median(steps, axis=0)
            gain = _SPEED_GAIN if self.steps else 1.0
            if not self.steps:
                self.speeds[:] = whole
            self.speeds[shared] += gain * (steps - self.speeds[shared])
            # Hands swing, bodies glide: half of each joint's speed is the body's.
            self.speeds += 0.5 * (whole - self.speeds)
            self.steps += 1
        self.places = np.where(seen[:, None], new, foreseen)
        size = _size(new)
        self.size = max(0.9 * self.size + 0.1 * size, size)
        self.frame = frame


def _size(places: np.ndarray) -> float:
    """Root of the area of the box around the joints, which is never thought very narrow."""
    sides = np.nanmax(places, axis=0) - np.nanmin(places, axis=0)
    return float(max(np.sqrt(sides[0] * sides[1]), 0.5 * sides.max(), 1.0))
