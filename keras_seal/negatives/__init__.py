"""Makers of implausible poses, which teach a loss-net what to score high."""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.negatives.base import NegativeMaker, Scene, SkeletonMaker
from keras_seal.negatives.bones import RotatedBones, ScaledBones
from keras_seal.negatives.combined import GradientAscent, Mix, check_makers
from keras_seal.negatives.joints import GaussianJoints, SwappedSides
from keras_seal.negatives.others import OtherSamples, Prediction, Replay

__all__ = [
    "GaussianJoints",
    "GradientAscent",
    "Mix",
    "NegativeMaker",
    "OtherSamples",
    "Prediction",
    "Replay",
    "RotatedBones",
    "ScaledBones",
    "Scene",
    "SkeletonMaker",
    "SwappedSides",
    "check_makers",
    "get",
    "get_class",
    "names",
]

_MAKERS: dict[str, type[NegativeMaker]] = {
    "gaussian_joints": GaussianJoints,
    "gradient_ascent": GradientAscent,
    "mix": Mix,
    "other_samples": OtherSamples,
    "prediction": Prediction,
    "replay": Replay,
    "rotated_bones": RotatedBones,
    "scaled_bones": ScaledBones,
    "swapped_sides": SwappedSides,
}


def names() -> list[str]:
    """List the makers.

    Returns:
        Their names in recipes, sorted.

    Examples:
        >>> "rotated_bones" in names()
        True
    """
    return sorted(_MAKERS)


def get_class(name: str) -> type[NegativeMaker]:
    """Look a maker's class up by its name.

    Args:
        name: One of `names()`.

    Returns:
        The class.

    Raises:
        UserError: If nothing has that name.
    """
    if name not in _MAKERS:
        raise UserError(f"No maker of negatives is called '{name}'.{nearest(name, _MAKERS)}")
    return _MAKERS[name]


def get(name: str, skeleton: Any = None, **options: Any) -> NegativeMaker:
    """Make a maker of negatives from its name.

    Args:
        name: One of `names()`.
        skeleton: The skeleton, for the makers that need one.
        **options: Further arguments of its constructor.

    Returns:
        The maker.

    Raises:
        UserError: If nothing has that name.

    Examples:
        >>> get("rotated_bones", "human36m_17", high=10.0, seed=0).high
        10.0
    """
    target = get_class(name)
    if issubclass(target, SkeletonMaker):
        options["skeleton"] = skeleton
    return target(**options)
