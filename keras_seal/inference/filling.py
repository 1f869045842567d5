"""Tracks with gaps, as motion without: what is missing is bridged, and marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_seal.data.keypoint_files import Track
from keras_seal.skeletons import Skeleton
from keras_seal.skeletons.joint_maps import JointMap

# What is known of a joint in a frame.
DETECTED, BRIDGED, GUESSED = 0, 1, 2
# Frames filled at a time, which bounds the memory.
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a track in which the person is never away for long.

    Args:
        track: The track.
        joint_map: From the track's joints to the lifter's.
        start: First row of the track that belongs to the piece.
        stop: The row behind the last one.
        detected: `(stop - start, joints)` which joints of the lifter were found, by row.
        max_gap: Frames that are bridged at most.
    """

    track: Track
    joint_map: JointMap
    start: int
    stop: int
    detected: np.ndarray
    max_gap: int

    @property
    def first_frame(self) -> int:
        """Number of the first frame."""
        return int(self.track.frames[self.start])

    def __len__(self) -> int:
        """Number of frames, those without a detection included."""
        return int(self.track.frames[self.stop - 1]) - self.first_frame + 1

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Fill the piece from its beginning to its end.

        Straight lines lead from the last detection of a joint to the next; at the ends of the
        piece a joint stays where it was seen. A joint that is never seen lies at the nearest one
        along the skeleton that is. Confidences go along the lines too, but are 0 where guessed.

        Yields:
            Keypoints `(frames, joints, 3)`, and what is known of each joint `(frames, joints)`:
            `DETECTED`, `BRIDGED` or `GUESSED`, where a gap is longer than `max_gap`.
        """
        frames = self.track.frames[self.start : self.stop] - self.first_frame
        joints = self.detected.shape[1]
        seen = [np.flatnonzero(self.detected[:, joint]) for joint in range(joints)]
        stand_ins = _stand_ins(self.joint_map.target, [len(rows) > 0 for rows in seen])
        for begin in range(0, len(self), CHUNK):
            moments = np.arange(begin, min(begin + CHUNK, len(self)))
            low = max(int(np.searchsorted(frames, moments[0], side="right")) - 1, 0)
            high = min(int(np.searchsorted(frames, moments[-1])) + 1, len(frames))
            near = self._mapped(np.arange(low, high))
            successive = (
                high - low == len(moments)
                and frames[low] == moments[0]
                and frames[high - 1] == moments[-1]
            )
            if successive and self.detected[low:high].all():
                # Every joint is there in every frame: nothing is between two detections.
                yield near, np.full((len(moments), joints), DETECTED, np.uint8)
                continue
            keypoints = np.empty((len(moments), joints, 3))
            states = np.full((len(moments), joints), GUESSED, np.uint8)
            for joint, rows in enumerate(seen):
                if not len(rows):
                    continue
                times = frames[rows]
                first = max(int(np.searchsorted(times, moments[0], side="right")) - 1, 0)
                last = min(int(np.searchsorted(times, moments[-1])) + 1, len(times))
                used = rows[first:last]
                values = np.empty((len(used), 3))
                inside = (used >= low) & (used < high)
                values[inside] = near[used[inside] - low, joint]
                for place in np.flatnonzero(~inside):
                    values[place] = self._mapped(used[place : place + 1])[0, joint]
                around = times[first:last]
                for channel in range(3):
                    keypoints[:, joint, channel] = np.interp(moments, around, values[:, channel])
                states[:, joint] = self._states(moments, around)
            for joint, stand_in in stand_ins.items():
                keypoints[:, joint] = keypoints[:, stand_in]
            keypoints[..., 2][states == GUESSED] = 0.0
            yield keypoints, states

    def _mapped(self, rows: np.ndarray) -> np.ndarray:
        return self.joint_map.apply(self.track.keypoints[self.start + rows])

    def _states(self, moments: np.ndarray, times: np.ndarray) -> np.ndarray:
        after = np.searchsorted(times, moments)
        following = times[np.minimum(after, len(times) - 1)]
        before = times[np.maximum(np.searchsorted(times, moments, side="right") - 1, 0)]
        gap = np.where(
            (moments < times[0]) | (moments > times[-1]),
            # Nothing leads on at the ends: what counts is how far the detection is.
            np.maximum(times[0] - moments, moments - times[-1]),
            following - before - 1,
        )
        states = np.where(gap <= self.max_gap, BRIDGED, GUESSED)
        return np.where(following == moments, DETECTED, states)


def pieces(
    track: Track, joint_map: JointMap, max_gap: int, min_confidence: float = 0.0
) -> list[Piece]:
    """Cut a track where the person is away for long.

    Args:
        track: The track.
        joint_map: From its joints to the lifter's.
        max_gap: Frames without the person that do not cut.
        min_confidence: Joints of less confidence count as not detected.

    Returns:
        The pieces in order; none if no joint of the lifter can be made of the track's.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data.keypoint_files import Track
        >>> from keras_seal.skeletons import joint_maps
        >>> person = Track(frames=[0, 1, 4, 30], keypoints=np.full((4, 17, 3), 100.0))
        >>> same = joint_maps.find("coco_17", "coco_17")
        >>> [(piece.first_frame, len(piece)) for piece in pieces(person, same, max_gap=5)]
        [(0, 5), (30, 1)]
    """
    if min_confidence > 0:
        keypoints = track.keypoints.copy()
        keypoints[~(keypoints[..., 2] >= min_confidence)] = (np.nan, np.nan, 0.0)
        track = Track(track.frames, keypoints, track.boxes, track.scores, id=track.id)
    detected = np.empty((len(track), joint_map.target.num_joints), bool)
    no_doubt = bool((joint_map.confidence >= 0).all())
    for begin in range(0, len(track), CHUNK):
        part = track.keypoints[begin : begin + CHUNK]
        if no_doubt and (part[..., 2] > 0).all() and np.isfinite(part).all():
            detected[begin : begin + CHUNK] = True
        else:
            detected[begin : begin + CHUNK] = joint_map.apply(part)[..., 2] > 0
    there = np.flatnonzero(detected.any(axis=1))
    if not len(there):
        return []
    cuts = np.flatnonzero(np.diff(track.frames[there]) - 1 > max_gap)
    result = []
    for part in np.split(there, cuts + 1):
        start, stop = int(part[0]), int(part[-1]) + 1
        result.append(Piece(track, joint_map, start, stop, detected[start:stop], max_gap))
    return result


def _stand_ins(skeleton: Skeleton, seen: list[bool]) -> dict[int, int]:
    """For each joint that is never seen, the nearest one along the skeleton that is."""
    distances = skeleton.hop_distances
    known = np.flatnonzero(seen)
    return {
        joint: int(known[np.argmin(distances[joint, known])])
        for joint in np.flatnonzero(~np.asarray(seen)).tolist()
    }
