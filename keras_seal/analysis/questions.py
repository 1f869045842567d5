"""What a loss-net is asked, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from keras_seal.analysis.corruptions import corruptions, grades
from keras_seal.analysis.probe import Probe
from keras_seal.evaluation.comparing import Estimate
from keras_seal.metrics import functional
from keras_seal.skeletons import Skeleton

# Descent: noise that it starts from (metres a coordinate), steps, and length of the first one
# (metres, root mean square over the joints); the length falls to zero.
_NOISE, _STEPS, _FIRST_STEP = 0.03, 60, 0.0015
# Errors of nearly perfect predictions tell nothing about structure: poses are spoilt by so much.
_LEAST_ERROR = 0.01
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Curve:
    """Energy against the size of a corruption.

    Args:
        title: What the corruption is called.
        unit: Unit of the sizes.
        sizes: `(1 + sizes,)`, 0 for the true poses themselves among them.
        energy: Mean energy at each.
        excess: Energy above the truth's at each: its 25 %, 50 % and 75 % quantiles, `(3, ...)`.
        above: Share of the poses whose energy is above their own truth's, at each size but 0.
    """

    title: str
    unit: str
    sizes: np.ndarray
    energy: np.ndarray
    excess: np.ndarray
    above: np.ndarray

    @property
    def rises(self) -> bool:
        """Whether the mean energy rises with every size."""
        return all(low < high for low, high in pairwise(self.energy.tolist()))


def energy_curves(probe: Probe) -> dict[str, Curve]:
    """Ask for the energy of true poses that are spoilt more and more.

    Args:
        probe: The loss-net and the samples.

    Returns:
        Curves for `joint_noise`, `scaled_bones` and `rotated_bones`.
    """
    true, curves = probe.true_energy, {}
    for name, grade in grades(probe.skeleton, probe.seed).items():
        energies = [probe.energy(probe.spoilt(grade.at(size))) for size in grade.sizes]
        excess = [np.quantile(each - true, [0.25, 0.5, 0.75]) for each in (true, *energies)]
        curves[name] = Curve(
            grade.title,
            grade.unit,
            np.array([0.0, *grade.sizes]),
            np.array([each.mean(dtype="float64") for each in (true, *energies)]),
            np.stack(excess, axis=-1),
            np.array([_share_above(each, true) for each in energies]),
        )
    return curves


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well the energy tells true poses from spoilt ones.

    Args:
        title: What the corruption is called.
        auroc: Share of pairs of a true and a spoilt pose, of any two people, in which the true one
            has the lower energy; ties count half.
        above: Share of spoilt poses whose energy is above their own truth's.
    """

    title: str
    auroc: Estimate
    above: float


def ranking(probe: Probe) -> dict[str, Ranking]:
    """Ask whether true poses have lower energies than spoilt ones and than predictions.

    Args:
        probe: The loss-net and the samples.

    Returns:
        By corruption, see `keras_seal.analysis.corruptions`, and `prediction`.
    """
    poses = {
        name: (each.title, probe.energy(probe.spoilt(each)))
        for name, each in corruptions(probe.skeleton, probe.seed).items()
    }
    poses["prediction"] = "the pose-net's predictions", probe.predicted_energy
    true = probe.true_energy
    return {
        name: Ranking(
            title, probe.bootstrap.auroc(true.ravel(), energy.ravel()), _share_above(energy, true)
        )
        for name, (title, energy) in poses.items()
    }


@dataclass(frozen=True, eq=False)
class Descent:
    """How far following the energy downhill takes noise off.

    Args:
        distances: Mean distance of a joint from its true place before each step and after the
            last, millimetres.
        energy: Mean energy likewise.
        true_energy: Mean energy of the true poses.
        nearer: By which share the distance has become smaller.
        improved: Share of the poses that came nearer.
    """

    distances: np.ndarray
    energy: np.ndarray
    true_energy: float
    nearer: Estimate
    improved: float


def descend(probe: Probe) -> Descent:
    """Move noised true poses down the energy.

    The noise is Gaussian, 30 mm a coordinate. 60 steps go along each pose's own gradient, made as
    long as the step, whose length falls from 1.5 mm to zero: the same for all loss-nets, however
    steep they are.

    Args:
        probe: The loss-net and the samples.

    Returns:
        How it went.
    """
    truth = probe.truth
    noise = np.random.default_rng(probe.seed).standard_normal(truth.shape).astype("float32")
    noise[..., list(probe.skeleton.origin), :] = 0.0
    poses = start = truth + _NOISE * noise
    distances, energies = [], []
    for step in range(_STEPS + 1):
        distances.append(functional.mpjpe(truth, poses))
        energies.append(probe.energy(poses).mean(dtype="float64"))
        if step < _STEPS:
            slope = probe.gradient(poses)
            length = np.sqrt((slope**2).sum((-2, -1), keepdims=True) / truth.shape[-2])
            poses = poses - _FIRST_STEP * (1 - step / _STEPS) * slope / (length + _TINY)
    before, after = functional.mpjpe(truth, start).ravel(), functional.mpjpe(truth, poses).ravel()
    return Descent(
        1000 * np.array([each.mean(dtype="float64") for each in distances]),
        np.array(energies),
        float(probe.true_energy.mean(dtype="float64")),
        probe.bootstrap.estimate(lambda b, a: 1 - a / b, before, after),
        float((after < before).mean()),
    )


@dataclass(frozen=True, eq=False)
class Alignment:
    """Whether the way down the energy leads from the predictions to the truth.

    Args:
        cosines: Cosine of both ways `(frames,)`, each pose taken as one vector; 0 where one of
            them has no length.
        mean: Their mean; chance is 0.
        mpjpe: MPJPE of the predictions, millimetres.
        gap: Mean energy of the predictions less that of the truth.
    """

    cosines: np.ndarray
    mean: Estimate
    mpjpe: float
    gap: float


def align(probe: Probe) -> Alignment:
    """Compare the way down the energy at the predictions with the way to the truth.

    Args:
        probe: The loss-net and the samples.

    Returns:
        The alignment.
    """
    cosines = pose_cosines(-probe.predicted_gradient, probe.truth - probe.predictions).ravel()
    errors = functional.mpjpe(probe.truth, probe.predictions)
    return Alignment(
        cosines,
        probe.bootstrap.estimate(lambda mean: mean, cosines),
        1000 * float(errors.mean(dtype="float64")),
        float((probe.predicted_energy - probe.true_energy).mean(dtype="float64")),
    )


def pose_cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the cosine between poses taken as vectors.

    Args:
        first: `(..., joints, 3)`.
        second: The same shape.

    Returns:
        `(...)`; 0 where one has no length.

    Examples:
        >>> pose_cosines(np.ones((2, 17, 3)), -np.ones((2, 17, 3))).round(6).tolist()
        [-1.0, -1.0]
    """
    first, second = first.astype("float64"), second.astype("float64")
    dot = (first * second).sum(axis=(-2, -1))
    squares = np.square(first).sum(axis=(-2, -1)) * np.square(second).sum(axis=(-2, -1))
    return dot / np.sqrt(np.maximum(squares, _TINY**2))


@dataclass(frozen=True, eq=False)
class Correlation:
    """How the energy goes with one metric; NaN where energy or metric is the same everywhere.

    Args:
        plain: Spearman's correlation over the predictions.
        at_equal_error: The same with the part that both share with MPJPE taken out: partial rank
            correlation over the predictions.
        made: Spearman's correlation over poses spoilt so that all have exactly one MPJPE; NaN for
            MPJPE itself.
    """

    plain: Estimate
    at_equal_error: Estimate
    made: Estimate


@dataclass(frozen=True, eq=False)
class Correlations:
    """How the energy goes with the metrics.

    Args:
        metrics: By name of `keras_seal.evaluation.figures.FIGURES`.
        equal_mpjpe: MPJPE of the poses that were made to have all the same, millimetres.
    """

    metrics: Mapping[str, Correlation]
    equal_mpjpe: float


def correlate(probe: Probe) -> Correlations:
    """Ask which structural errors the energy sees, beside the size of the error.

    What is correlated is the energy above that of the true pose, for poses differ in energy
    without any error. Two answers at equal joint error complement each other. The partial
    correlation is about the errors that the pose-net makes, but takes MPJPE out only as far as the
    ranks go along a line. For the other, true poses are spoilt by joint noise, scaled and turned
    bones in random proportions, the displacement being scaled so that the MPJPE of every pose is
    exactly the predictions' mean (10 mm at least): nothing is left of the error's size, but these
    errors are made up.

    Intervals draw whole sequences; ranks are those of the whole sample.

    Args:
        probe: The loss-net and the samples.

    Returns:
        The correlations with LSE, BSLE, LLE and JAE, as far as the skeleton has them, P-MPJPE and
        MPJPE.
    """
    truth = probe.truth
    mpjpe = functional.mpjpe(truth, probe.predictions)
    target = max(float(mpjpe.mean(dtype="float64")), _LEAST_ERROR)
    made = equally_wrong(probe, target)
    excess = (probe.predicted_energy - probe.true_energy).ravel()
    made_excess = (probe.energy(made) - probe.true_energy).ravel()
    of_made = structural_errors(truth, made, probe.skeleton)
    found = {}
    for name, values in structural_errors(truth, probe.predictions, probe.skeleton).items():
        found[name] = Correlation(
            _rank_correlation(probe, excess, values),
            _partial_rank_correlation(probe, excess, values, mpjpe.ravel()),
            _rank_correlation(probe, made_excess, of_made[name]),
        )
    nothing = Estimate(*3 * (float("nan"),))
    found["mpjpe"] = Correlation(_rank_correlation(probe, excess, mpjpe.ravel()), nothing, nothing)
    return Correlations(found, 1000 * target)


def structural_errors(
    truth: np.ndarray, poses: np.ndarray, skeleton: Skeleton
) -> dict[str, np.ndarray]:
    """Measure each pose's structural errors.

    Args:
        truth: True poses `(..., joints, 3)`, metres.
        poses: Others, likewise.
        skeleton: Their skeleton.

    Returns:
        By name, `(poses,)`, in the functions' units; those that the skeleton does not define are
        left out.

    Examples:
        >>> from keras_seal import skeletons
        >>> pose = np.random.default_rng(0).normal(size=(2, 17, 3))
        >>> list(structural_errors(pose, pose, skeletons.get("human36m_17")))
        ['lse', 'bsle', 'lle', 'jae', 'p_mpjpe']
    """
    truth, poses = (each.astype("float64") for each in (truth, poses))
    found = {}
    if skeleton.bone_mirror_pairs:
        found["lse"] = functional.limb_symmetry_error(truth, poses, skeleton)
    found["bsle"] = functional.body_segment_length_error(truth, poses, skeleton)
    if skeleton.limbs:
        found["lle"] = functional.limb_length_error(truth, poses, skeleton)
    if skeleton.adjacent_bones:
        found["jae"] = functional.joint_angle_error(truth, poses, skeleton)
    found["p_mpjpe"] = functional.p_mpjpe(truth, poses)
    return {name: np.ravel(values) for name, values in found.items()}


def equally_wrong(probe: Probe, mpjpe: float) -> np.ndarray:
    """Spoil the true poses so that all have one MPJPE exactly, by errors of different kinds.

    Args:
        probe: The samples.
        mpjpe: Metres.

    Returns:
        Poses like the truth.
    """
    sizes = {"joint_noise": 20.0, "scaled_bones": 20.0, "rotated_bones": 25.0}
    kinds = grades(probe.skeleton, probe.seed)
    truth = probe.truth.astype("float64")
    ways = np.stack([probe.spoilt(kinds[k].at(size)) - truth for k, size in sizes.items()])
    # Each kind as large as the others, so that the proportions are what they say.
    ways /= np.maximum(_joint_distance(ways), _TINY)[..., None, None]
    rng = np.random.default_rng(probe.seed)
    proportions = rng.dirichlet(np.full(len(ways), 0.5), size=truth.shape[:2])
    way = np.einsum("tfk,ktfjd->tfjd", proportions, ways)
    return truth + mpjpe * way / np.maximum(_joint_distance(way), _TINY)[..., None, None]


def _joint_distance(displacements: np.ndarray) -> np.ndarray:
    return np.linalg.norm(displacements, axis=-1).mean(axis=-1)


def _share_above(energy: np.ndarray, true: np.ndarray) -> float:
    """Share of energies above their truth's, ties counting half."""
    return float((energy > true).mean() + 0.5 * (energy == true).mean())


def _rank_correlation(probe: Probe, first: np.ndarray, second: np.ndarray) -> Estimate:
    x, y = _centred_ranks(first), _centred_ranks(second)
    return probe.bootstrap.estimate(_pearson, x, y, x * x, y * y, x * y)


def _partial_rank_correlation(
    probe: Probe, first: np.ndarray, second: np.ndarray, given: np.ndarray
) -> Estimate:
    x, y, z = (_centred_ranks(each) for each in (first, second, given))

    def partial(*means: Any) -> Any:
        mx, my, mz, xx, yy, zz, xy, xz, yz = means
        of_xy = _pearson(mx, my, xx, yy, xy)
        of_xz = _pearson(mx, mz, xx, zz, xz)
        of_yz = _pearson(my, mz, yy, zz, yz)
        rest = np.maximum((1 - of_xz**2) * (1 - of_yz**2), 0.0)
        return _quotient(of_xy - of_xz * of_yz, np.sqrt(rest))

    return probe.bootstrap.estimate(partial, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)


def _pearson(mx: Any, my: Any, xx: Any, yy: Any, xy: Any) -> Any:
    spread = np.maximum((xx - mx * mx) * (yy - my * my), 0.0)
    return _quotient(xy - mx * my, np.sqrt(spread))


def _quotient(above: Any, below: Any) -> Any:
    """NaN where there is nothing to divide by."""
    return np.where(below > 1e-9, above / np.where(below > 1e-9, below, 1.0), np.nan)


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from -1 to 1, ties sharing theirs."""
    ranks = stats.rankdata(values)
    return (2 * ranks - len(ranks) - 1) / max(len(ranks) - 1, 1)
