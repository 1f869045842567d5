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
    energy: Callable[[np.ndarray], np.ndarray],
    truth: np.ndarray,
    prediction: np.ndarray,
    skeleton: Skeleton,
    *,
    points: int = 9,
    seed: int = 0,
) -> Landscape:
    """Ask for energies on a plane: towards the prediction, and along other bone lengths.

    Args:
        energy: Takes poses like `truth` and returns energies `(samples, frames)`.
        truth: True poses `(samples, frames, joints, 3)`, metres.
        prediction: Predictions, likewise.
        skeleton: Their skeleton.
        points: Points along each side; what it costs is their square.
        seed: Decides which bones grow and which shrink.

    Returns:
        The landscape.

    Example:
        >>> from keras_seal import skeletons
        >>> truth = np.random.default_rng(0).normal(size=(4, 1, 17, 3))
        >>> found = landscape(lambda poses: np.square(poses - truth).sum((-2, -1)), truth,
        ...                   truth + 0.1, skeletons.get("human36m_17"), points=5)
        >>> np.unravel_index(found.excess.argmin(), (5, 5)) == (2, 1)  # 0 % and 0.0
        array([ True,  True])
    """
    longer = grades(skeleton, seed)["scaled_bones"].at(_SCALED).spoil(truth) - truth
    towards, scaled = np.linspace(*_TOWARDS, points), np.linspace(-1.0, 1.0, points)
    true = energy(truth)
    excess = [
        [(energy(truth + a * (prediction - truth) + b * longer) - true).mean() for a in towards]
        for b in scaled
    ]
    return Landscape(towards, _SCALED * scaled, np.array(excess, "float64"))
