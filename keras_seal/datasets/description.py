"""What a data set holds: people, actions, frames, cameras, bones, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seal.data import PoseSequences, PoseSplits
from keras_seal.geometry import bone_lengths, denormalize_screen, project

# Frames looked at together, which bounds the memory.
_CHUNK = 65_536
# A joint that moves faster than a sprinter's hand has been lost by who tracked it.
FASTEST = 20.0
# Half a screen beyond the edge no detector sees a joint, and no person in view has one.
FARTHEST = 2.0
# Pixels by which a pose and its keypoints may differ where both are true.
REPROJECTION_LIMIT = 10.0


def describe(splits: PoseSplits) -> dict[str, Any]:
    """Measure what a data set holds.

    Args:
        splits: The data.

    Returns:
        What JSON can hold: the skeleton's name, and for each split the figures of
        `describe_sequences`.
    """
    return {
        "skeleton": splits.skeleton.name,
        "units": "poses in metres, camera space; keypoints normalised to the image's width",
        "splits": {name: describe_sequences(part) for name, part in splits.parts.items()},
    }


def describe_sequences(sequences: PoseSequences) -> dict[str, Any]:
    """Measure what sequences hold.

    Args:
        sequences: The sequences.

    Returns:
        What JSON can hold. Lengths are in millimetres, distances in metres, reprojection errors
        in pixels; `reprojection` is `None` where no camera is known, `symmetry_mm` where the
        skeleton has no mirrored bones.
    """
    skeleton = sequences.skeleton
    subjects = {}
    for subject in np.unique(sequences.subjects).tolist():
        subjects[subject] = _subject(sequences.select(subjects=[subject]))
    return {
        "sequences": sequences.num_sequences,
        "frames": sequences.num_frames,
        "valid_frames": int(sequences.valid.sum()),
        "shortest": int(sequences.lengths.min()),
        "longest": int(sequences.lengths.max()),
        "fps": _counts(sequences.fps),
        "image_sizes": _counts([f"{width} x {height}" for width, height in sequences.image_sizes]),
        "channels": sequences.num_channels,
        "cameras": len({_lens(sequences, view) for view in sequences.views if view >= 0}),
        "subjects": subjects,
        "actions": {
            action: int(sequences.lengths[sequences.actions == action].sum())
            for action in np.unique(sequences.actions).tolist()
        },
        "bones": [skeleton.joints[child] for _, child in skeleton.bones],
        "symmetry_mm": _symmetry(sequences),
        "reprojection": _reprojection(sequences),
        "outliers": _outliers(sequences),
        "labels": sorted(sequences.labels),
    }


def reprojection_errors(sequences: PoseSequences) -> np.ndarray:
    """Distance between keypoints and projected poses, where cameras are known.

    Poses that do not lie before the camera, such as root-relative ones, are left out.

    Args:
        sequences: The sequences.

    Returns:
        `(n, joints)`, pixels.
    """
    found = [np.zeros((0, sequences.skeleton.num_joints))]
    for index in np.flatnonzero(sequences.views >= 0):
        frames = slice(*sequences.offsets[index : index + 2])
        poses = sequences.poses[frames].astype(np.float64)
        before = (poses[..., 2] > 0.1).all(axis=1)
        if not before.any():
            continue
        camera = sequences.cameras[sequences.views[index]]
        seen = denormalize_screen(
            sequences.keypoints[frames][before, :, :2].astype(np.float64),
            *(int(size) for size in sequences.image_sizes[index]),
        )
        found.append(np.linalg.norm(project(poses[before], camera) - seen, axis=-1))
    return np.concatenate(found)


def _subject(sequences: PoseSequences) -> dict[str, Any]:
    count = 0
    total = squares = np.zeros(sequences.skeleton.num_bones)
    for poses in _chunks(sequences.poses):
        lengths = 1e3 * bone_lengths(poses.astype(np.float64), sequences.skeleton)
        total, squares = total + lengths.sum(axis=0), squares + (lengths**2).sum(axis=0)
        count += len(lengths)
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return {
        "sequences": sequences.num_sequences,
        "frames": sequences.num_frames,
        "actions": len(np.unique(sequences.actions)),
        "bone_lengths_mm": mean.round(2).tolist(),
        "bone_spreads_mm": spread.round(2).tolist(),
    }


def _symmetry(sequences: PoseSequences) -> float | None:
    """Mean difference between mirrored bones, as the metric LSE has it."""
    if not sequences.skeleton.bone_mirror_pairs:
        return None
    left, right = np.array(sequences.skeleton.bone_mirror_pairs).T
    total = 0.0
    for poses in _chunks(sequences.poses):
        lengths = bone_lengths(poses.astype(np.float64), sequences.skeleton)
        total += float(np.abs(lengths[:, left] - lengths[:, right]).mean(axis=1).sum())
    return 1e3 * total / sequences.num_frames


def _reprojection(sequences: PoseSequences) -> dict[str, float] | None:
    errors = reprojection_errors(sequences)
    if not errors.size:
        return None
    return {
        "mean": float(errors.mean()),
        "median": float(np.median(errors)),
        "p99": float(np.percentile(errors, 99)),
        "max": float(errors.max()),
        "frames": len(errors),
        "frames_over_limit": int((errors > REPROJECTION_LIMIT).any(axis=1).sum()),
    }


def _outliers(sequences: PoseSequences) -> dict[str, Any]:
    outside = far = 0
    for keypoints in _chunks(sequences.keypoints):
        largest = np.abs(keypoints[..., :2]).max(axis=(1, 2))
        outside += int((largest > 1.0).sum())
        far += int((largest > FARTHEST).sum())
    inside = np.ones(sequences.num_frames, bool)
    inside[sequences.offsets[:-1]] = False
    rate = np.repeat(sequences.fps, sequences.lengths)
    jumps = 0
    for begin in range(1, sequences.num_frames, _CHUNK):
        rows = slice(begin, min(begin + _CHUNK, sequences.num_frames))
        before = sequences.poses[begin - 1 : rows.stop - 1]
        step = np.linalg.norm(sequences.poses[rows] - before, axis=-1).max(axis=1)
        jumps += int((inside[rows] & (step * rate[rows] > FASTEST)).sum())
    return {
        "frames_beyond_image": outside,
        "frames_far_beyond_image": far,
        "frames_too_fast": jumps,
    }


def _chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    for begin in range(0, len(array), _CHUNK):
        yield array[begin : begin + _CHUNK]


def _counts(values: Any) -> dict[str, int]:
    names, counts = np.unique(np.asarray(values).astype(np.str_), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _lens(sequences: PoseSequences, view: int) -> tuple:
    camera = sequences.cameras[view]
    return (camera.name, *camera.rotation.ravel(), *camera.position)
