"""How far a motion can be trusted, frame by frame, without knowing the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal.geometry import bone_lengths, normalize_screen
from keras_seal.inference.motion import CHUNK, Motion

# Poses of which the median is taken, spread over the person's rows.
_SAMPLE = 20_000


def measure(motion: Motion, loss_net: Any = None) -> None:
    """Fill in bone lengths, their deviations, symmetry errors and energies.

    Args:
        motion: The motion; its quality is written into it.
        loss_net: A loss-net for the energies, if the motion has room for them.
    """
    skeleton = motion.skeleton
    lengths = {}
    for person in motion.people:
        own = np.flatnonzero(motion.ids == person)
        chosen = own[:: max(len(own) // _SAMPLE, 1)]
        sure = chosen[(motion.states[chosen] < 2).all(axis=1)]
        used = sure if len(sure) else chosen
        lengths[person] = np.median(bone_lengths(motion.poses[used], skeleton), axis=0)
    motion.bone_lengths = lengths
    pairs = np.array(skeleton.bone_mirror_pairs, np.int64).reshape(-1, 2)
    for span in motion.spans:
        for begin in range(span.start, span.stop, CHUNK):
            rows = slice(begin, min(begin + CHUNK, span.stop))
            found = bone_lengths(motion.poses[rows], skeleton)
            motion.bone_length_deviation[rows] = np.abs(found - lengths[span.id]).mean(axis=1)
            if len(pairs):
                difference = found[:, pairs[:, 0]] - found[:, pairs[:, 1]]
                motion.symmetry_error[rows] = np.abs(difference).mean(axis=1)
    if loss_net is not None and motion.energy is not None:
        for rows in motion.chunks():
            motion.energy[rows] = _energies(motion, rows, loss_net)


def on_screen(motion: Motion, rows: slice) -> np.ndarray:
    """Give keypoints as networks take them.

    Args:
        motion: The motion.
        rows: Some of its rows.

    Returns:
        `(rows, joints, 3)` float32: x in [-1, 1] across the image, y by the same scale, confidence.
    """
    seen = motion.keypoints[rows]
    screen = normalize_screen(seen[..., :2], *motion.image_size)
    return np.concatenate([screen, np.clip(seen[..., 2:], 0, 1)], axis=-1).astype(np.float32)


def _energies(motion: Motion, rows: slice, loss_net: Any) -> np.ndarray:
    keypoints = on_screen(motion, rows)[..., : loss_net.input_shape[0][-1]]
    count = len(keypoints)
    # Batches of one size are compiled once.
    filled = np.resize(np.arange(count), min(CHUNK, len(motion)))
    inputs = [keypoints[filled, None], motion.poses[rows][filled, None]]
    return np.asarray(loss_net.predict_on_batch(inputs))[:count, 0]
