"""Which keypoints the incomplete 2D of H3WB's second task leaves out."""

from __future__ import annotations

import numpy as np

from keras_seal import skeletons

# With these chances: some keypoints, the whole face, the left hand, the right hand.
_CHANCES = (0.4, 0.2, 0.2, 0.2)
_SINGLE_CHANCE = 0.25
_PARTS = ("face", "left_hand", "right_hand")


def draw_seen(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw what is seen of people in training, by the published rule.

    With a chance of 0.4 every keypoint is left out with a chance of 0.25; with a chance of 0.2 each
    it is the whole face, the left hand, or the right hand.

    Args:
        samples: How many people.
        rng: Source of randomness.

    Returns:
        `(samples, 133)` booleans, true where a keypoint is seen.

    Examples:
        >>> seen = draw_seen(1000, np.random.default_rng(0))
        >>> seen.shape, bool(seen[:, 23:91].all(axis=1).mean() > 0.35)
        ((1000, 133), True)

    Reference:
        Zhu et al., H3WB: Human3.6M 3D WholeBody Dataset and Benchmark, ICCV 2023.
    """
    skeleton = skeletons.get("h3wb_133")
    kinds = rng.choice(len(_CHANCES), size=samples, p=_CHANCES)
    # Drawn for all, so that a sample's numbers do not depend on the kinds of others.
    single = rng.random((samples, skeleton.num_joints)) >= _SINGLE_CHANCE
    seen = np.where((kinds == 0)[:, None], single, True)
    for kind, part in enumerate(_PARTS, start=1):
        seen[np.ix_(kinds == kind, skeleton.groups[part])] = False
    return seen
