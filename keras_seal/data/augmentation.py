"""Augmentation that keeps a 2D-3D pair a true pair."""

from __future__ import annotations

import numpy as np

from keras_seal import skeletons
from keras_seal.skeletons import Skeleton


def flip(coordinates: np.ndarray, skeleton: Skeleton | str) -> np.ndarray:
    """Mirror keypoints or poses left to right, as if the scene were seen in a mirror.

    The sign of x changes and left joints change places with right ones, so that a left hand stays
    called left. Normalised keypoints and camera-space poses mirror alike, so a mirrored pair is a
    pair again (exactly so where the camera's centre is the image's and its lens is round).

    Args:
        coordinates: `(..., joints, 2 or more)` with x first; other channels (y, depth,
            confidence) only change places.
        skeleton: The skeleton, for its mirror pairs.

    Returns:
        A mirrored copy.

    Examples:
        >>> import numpy as np
        >>> pose = np.zeros((17, 3))
        >>> pose[16] = 0.4, -0.1, 0.2                        # the right wrist
        >>> flip(pose, "human36m_17")[13].tolist()           # the left one
        [-0.4, -0.1, 0.2]
    """
    mirrored = np.asarray(coordinates)[..., skeletons.get(skeleton).mirror_permutation, :]
    mirrored[..., 0] *= -1
    return mirrored
