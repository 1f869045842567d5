"""Small hand-made sequences whose values tell which frame they are."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal.data import PoseSequences


@pytest.fixture
def make_sequences():
    def make(lengths=(4, 1, 6), channels=2, subjects=None, **others) -> PoseSequences:
        total = sum(lengths)
        # x and y are small, distinct numbers per frame and joint; the pose's root is not at 0.
        frame = np.arange(total, dtype=np.float32)[:, None]
        joint = np.arange(17, dtype=np.float32)
        keypoints = np.stack([frame / 100 + joint / 1000, frame / 50 - joint / 1000], axis=-1)
        if channels == 3:
            keypoints = np.concatenate([keypoints, np.full((total, 17, 1), 0.5)], axis=-1)
        depth = 4 + joint / 10 + 0 * frame
        poses = np.stack([frame / 10 + joint / 100, frame / 20 - joint / 50, depth], axis=-1)
        count = len(lengths)
        defaults = {
            "subjects": [f"S{index}" for index in range(count)] if subjects is None else subjects,
            "actions": [f"action {index}" for index in range(count)],
        }
        return PoseSequences(
            "human36m_17", keypoints, poses, np.cumsum([0, *lengths]), **{**defaults, **others}
        )

    return make
