"""The energy around true poses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_seal.analysis.corruptions import grades
from keras_seal.skeletons import Skeleton

_TOWARDS = (-0.5, 1.5)
_SCALED = 10.0


@dataclass(frozen=True, eq=False)
class Landscape:
    """Mean energy above that of true poses, on a plane through each of them.

    Args:
        towards: Places `(n,)` along the way from the truth (0) to the prediction (1).
        scaled: Places `(m,)` along a change of the bones' lengths: by how many percent each is
            longer or shorter.
        excess: Energies `(m, n)`.
    """

    towards: np.ndarray
    scaled: np.ndarray
    excess: np.ndarray


def landscape(
    energy: Callable[[np.ndarray, np.ndarray], np.ndarray],
    truth: np.ndarray,
    prediction: np.ndarray,
    skeleton: Skeleton,
    *,
    points: int = 9,
    seed: int = 0,
) -> Landscape:
    """Ask for energies on a plane: towards the prediction, and along other bone lengths.

    Args:
        energy: Takes numbers of samples `(n,)` and a pose `(frames, joints, 3)` for each, and
            returns energies `(n, frames)`.
        truth: True poses `(samples, frames, joints, 3)`, metres.
        prediction: Predictions, likewise.
        skeleton: Their skeleton.
        points: Points along each side; what it costs is their square.
        seed: Decides which bones grow and which shrink.

    Returns:
        The landscape.

    Examples:
        >>> from keras_seal import skeletons
        >>> truth = np.random.default_rng(0).normal(size=(4, 1, 17, 3))
        >>> found = landscape(lambda rows, poses: np.square(poses - truth[rows]).sum((-2, -1)),
        ...                   truth, truth + 0.1, skeletons.get("human36m_17"), points=5)
        >>> row, column = np.unravel_index(found.excess.argmin(), (5, 5))
        >>> float(found.scaled[row]), float(found.towards[column])
        (0.0, 0.0)
    """
    longer = grades(skeleton, seed)["scaled_bones"].at(_SCALED).spoil(truth) - truth
    towards, scaled = np.linspace(*_TOWARDS, points), np.linspace(-1.0, 1.0, points)
    ways = np.stack(np.meshgrid(towards, scaled), axis=-1).reshape(-1, 2, 1, 1, 1, 1)
    poses = truth + ways[:, 0] * (prediction - truth) + ways[:, 1] * longer
    # All at once, for a loss-net is quicker about many poses than about a few at a time.
    rows = np.tile(np.arange(len(truth)), 1 + len(ways))
    energies = energy(rows, np.concatenate([truth[None], poses]).reshape(-1, *truth.shape[1:]))
    means = energies.reshape(1 + len(ways), -1).mean(axis=1, dtype="float64")
    return Landscape(towards, _SCALED * scaled, (means[1:] - means[0]).reshape(points, points))
