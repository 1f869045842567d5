"""Is this a person? Checks of published poses: their unit, the order of their joints, their build.

Files name neither the unit nor the joints of their arrays. Both show in the lengths of a person's
limbs, which differ little between people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_seal.errors import UserError

# From the joints of a body to their mean, root mean square, metres: standing, sitting or lying.
_USUAL_SPREAD, _LEAST_SPREAD, _GREATEST_SPREAD = 0.45, 0.2, 0.9
# How much longer one side of a person's median limb may measure than the other.
_GREATEST_ASYMMETRY = 1.35
# Frames looked at: lengths are medians over these.
_FRAMES = 200
# Most of the lengths must fit before a unit is named.
_FITTING_SHARE = 0.8

UNITS = {"metres": 1.0, "millimetres": 0.001, "centimetres": 0.01, "inches": 0.0254}


@dataclass(frozen=True)
class Length:
    """A length of the body that a pose must have.

    Args:
        joints: The two joints that it lies between.
        low: Least length that a person may have, metres.
        high: Greatest length, metres.
        name: What it is called.
    """

    joints: tuple[int, int]
    low: float
    high: float
    name: str


@dataclass(frozen=True)
class Build:
    """How people measure, by the joints of one data set.

    Args:
        body: Joints whose spread tells the unit.
        lengths: Lengths to check.
        pairs: Indices of `lengths` that are the left and the right of the same limb.
        order: The order of the joints in words, for error messages.
    """

    body: tuple[int, ...]
    lengths: tuple[Length, ...]
    pairs: tuple[tuple[int, int], ...]
    order: str

    @classmethod
    def of(
        cls,
        joints: tuple[str, ...],
        body: tuple[int, ...],
        order: str,
        lengths: Mapping[str, tuple[str, str, float, float]],
    ) -> Build:
        """Name the lengths by joints; `SIDE` in their names stands for left and right.

        Args:
            joints: Names of the data set's joints.
            body: Joints whose spread tells the unit.
            order: The order of the joints in words.
            lengths: Two joints, least and greatest length in metres, by the limb's name.

        Returns:
            The build.
        """
        made: list[Length] = []
        pairs: list[tuple[int, int]] = []
        for name, (one, other, low, high) in lengths.items():
            sided = "SIDE" in one + other
            for side in ("left", "right") if sided else ("",):
                ends = [joints.index(end.replace("SIDE", side)) for end in (one, other)]
                called = f"{side} {name}".strip()
                made.append(Length((ends[0], ends[1]), low, high, called))
            if sided:
                pairs.append((len(made) - 2, len(made) - 1))
        return cls(body, tuple(made), tuple(pairs), order)


def sampled(count: int, most: int = _FRAMES) -> np.ndarray:
    """Choose frames that stand for all of them.

    Args:
        count: How many frames there are.
        most: How many to choose at most.

    Returns:
        Indices, evenly spread.

    Examples:
        >>> sampled(5, 3).tolist()
        [0, 2, 4]
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def check_people(poses: np.ndarray, build: Build, where: str, unit: str) -> None:
    """Refuse poses that are in another unit or joint order than they should be, or no people.

    Args:
        poses: `(frames, joints, 3)`, finite, metres as the file's unit says.
        build: How people measure.
        where: What to name in the message: the file and the place in it.
        unit: The unit that the file should have.

    Raises:
        UserError: The poses are no people; the message says which length is wrong.

    Examples:
        >>> import numpy as np
        >>> build = Build.of(("hip", "knee"), (0, 1), "hip, knee",
        ...                  {"thigh": ("hip", "knee", 0.3, 0.6)})
        >>> check_people(np.array([[[0.0, 0, 0], [0, 1.2, 0]]]), build, "'poses.npz'", "metres")
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: 'poses.npz': the thigh measures 1200 mm, but people's measure
        300 to 600 mm; ...
    """
    chosen = poses[sampled(len(poses))].astype(np.float64)
    body = chosen[:, list(build.body)]
    spread = _spread(body)
    lengths = _lengths(chosen, build)
    if not _LEAST_SPREAD <= spread <= _GREATEST_SPREAD:
        # Judged at the size of a person: a wrong unit leaves the proportions as they are.
        fitting = [
            length.low / 1.5 <= value * _USUAL_SPREAD / max(spread, 1e-12) <= length.high * 1.5
            for length, value in zip(build.lengths, lengths, strict=True)
        ]
        if np.mean(fitting) < _FITTING_SHARE:
            raise UserError(
                f"{where} holds no people: the joints lie {1000 * spread:.4g} mm from their middle "
                "on average and have no person's proportions, like random numbers or another "
                "order of joints."
            )
        found = _nearest_unit(spread, unit)
        raise UserError(
            f"{where} must be in {unit}, but its people would be {spread / _USUAL_SPREAD:.2g} "
            f"times as large as people are{f'; it is likely in {found}' if found else ''}. "
            "Convert the file, or use the published one."
        )
    for length, value in zip(build.lengths, lengths, strict=True):
        if not length.low <= value <= length.high:
            raise UserError(
                f"{where}: the {length.name} measures {1000 * value:.4g} mm, but people's measure "
                f"{1000 * length.low:.4g} to {1000 * length.high:.4g} mm; the joints are in "
                f"another order than {build.order}, or these are no people."
            )
    for left, right in build.pairs:
        ratio = lengths[left] / max(lengths[right], 1e-12)
        if not 1 / _GREATEST_ASYMMETRY <= ratio <= _GREATEST_ASYMMETRY:
            raise UserError(
                f"{where}: the {build.lengths[left].name} measures {1000 * lengths[left]:.4g} mm "
                f"and the right one {1000 * lengths[right]:.4g} mm, but people are alike on both "
                f"sides; the joints are in another order than {build.order}."
            )


def _spread(body: np.ndarray) -> float:
    offsets = body - body.mean(axis=1, keepdims=True)
    return float(np.median(np.sqrt((offsets**2).sum(axis=-1).mean(axis=1))))


def _lengths(poses: np.ndarray, build: Build) -> np.ndarray:
    ends = np.array([length.joints for length in build.lengths])
    between = poses[:, ends[:, 0]] - poses[:, ends[:, 1]]
    return np.median(np.linalg.norm(between, axis=-1), axis=0)


def _nearest_unit(spread: float, unit: str) -> str:
    for name, metres in UNITS.items():
        if _LEAST_SPREAD <= spread / UNITS[unit] * metres <= _GREATEST_SPREAD:
            return name
    return ""
