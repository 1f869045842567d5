"""Every metric of every frame, in one pass over the poses."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.geometry import bone_lengths, root_relative
from keras_seal.metrics import functional
from keras_seal.skeletons import Skeleton

_MM, _PERCENT, _DEGREES = 1000.0, 100.0, 180.0 / math.pi
# Numbers of an intermediate array: what fits into a core's cache is fastest.
_CHUNK_NUMBERS = 80_000
_SMALLEST_CHUNK, _LARGEST_CHUNK = 256, 8192
_MOST_THREADS = 8
# Above which a pose counts as implausible: percent, percent, degrees.
_SHARES = {
    "lse": ("lse_percent", 1.0),
    "bsle": ("bsle_percent", 10.0),
    "jae": ("jae", 0.1 * _DEGREES),
}


@dataclass(frozen=True, eq=False)
class Series:
    """One metric's value of each frame that has one.

    Args:
        rows: Places `(n,)` of these frames among all measured ones.
        values: `(n,)`, in the unit that people read.
    """

    rows: np.ndarray
    values: np.ndarray

    def mean(self, chosen: np.ndarray | None = None) -> float | None:
        """Average over frames.

        Args:
            chosen: Booleans, one a measured frame; all by default.

        Returns:
            The mean, `None` where no frame has a value.
        """
        values = self.values if chosen is None else self.values[chosen[self.rows]]
        return float(values.mean(dtype="float64")) if len(values) else None


@dataclass(frozen=True, eq=False)
class Measurements:
    """All that was measured of predicted poses, frame by frame.

    Args:
        skeleton: The skeleton of the poses.
        frames: Which frames `(n,)` of the sequences were measured: the valid ones.
        owners: The sequence `(n,)` of each.
        joints: The joints that position errors count.
        series: Metrics by name (`keras_seal.evaluation.figures.FIGURES`).
        truth: What the true poses themselves have of them.
        bone_lengths: Predicted lengths `(n, bones)`, millimetres.
        true_bone_lengths: True lengths, likewise; `None` where there is no truth.
        joint_errors: Position errors `(n, joints)`, millimetres; `None` likewise.
        aligned_joint_errors: The same after Procrustes alignment.
    """

    skeleton: Skeleton
    frames: np.ndarray
    owners: np.ndarray
    joints: tuple[int, ...]
    series: dict[str, Series]
    bone_lengths: np.ndarray
    truth: dict[str, Series] = field(default_factory=dict)
    true_bone_lengths: np.ndarray | None = None
    joint_errors: np.ndarray | None = None
    aligned_joint_errors: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def figures(self, chosen: np.ndarray | None = None) -> dict[str, float]:
        """Summarise the prediction.

        Args:
            chosen: Booleans, one a measured frame; all by default.

        Returns:
            Figures by name; those that nothing defines (the velocity of single frames) are left
            out.
        """
        return self._summary(self.series, self.bone_lengths, chosen)

    def truth_figures(self, chosen: np.ndarray | None = None) -> dict[str, float]:
        """Summarise what the true poses have of the structural figures themselves.

        Args:
            chosen: As for `figures`.

        Returns:
            Figures by name; none where there is no truth.
        """
        if self.true_bone_lengths is None:
            return {}
        return self._summary(self.truth, self.true_bone_lengths, chosen)

    def _summary(
        self, series: dict[str, Series], lengths: np.ndarray, chosen: np.ndarray | None
    ) -> dict[str, float]:
        figures = {name: each.mean(chosen) for name, each in series.items()}
        for name, (of, limit) in _SHARES.items():
            if of in series:
                above = Series(series[of].rows, _PERCENT * (series[of].values > limit))
                figures[f"{name}_share"] = above.mean(chosen)
        if "lse" in figures:
            figures["mpsse"] = figures["lse"]
        owners = self.owners
        if chosen is not None:
            lengths, owners = lengths[chosen], owners[chosen]
        figures["mpsce"] = _mean(spread(lengths))
        within = spread_within(lengths, owners)
        figures["length_spread"] = _mean(within)
        if within is not None:
            means = lengths.mean(axis=0, dtype="float64")
            figures["length_spread_percent"] = _mean(
                _PERCENT * within / np.maximum(means, 1e-3 * _MM)
            )
        return {name: value for name, value in figures.items() if value is not None}

    def by_sequence(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Add up one metric in each sequence.

        Args:
            name: The metric.

        Returns:
            Sums and numbers of frames, `(sequences with a measured frame + gaps,)` each: entry `s`
            belongs to sequence `s`.
        """
        series = self.series[name]
        owners = self.owners[series.rows]
        size = int(self.owners[-1]) + 1
        return (
            np.bincount(owners, weights=series.values, minlength=size),
            np.bincount(owners, minlength=size),
        )


def measure(
    predictions: np.ndarray,
    sequences: PoseSequences,
    *,
    joints: Sequence[int] | None = None,
    pck_joints: Sequence[int] | None = None,
    threads: int | None = None,
) -> Measurements:
    """Measure predicted poses against the true ones, in every metric, in double precision.

    Both are put at the skeleton's origin first. Velocities and accelerations are those of frames
    that follow each other in one sequence and are all valid.

    Args:
        predictions: Poses `(N, joints, 3)`, metres, one a frame of the sequences; those of frames
            that are not valid do not matter.
        sequences: The truth.
        joints: The joints that position errors average over; all by default. Procrustes alignment
            always fits all.
        pck_joints: The joints that PCK and AUC look at; `joints` by default.
        threads: Threads to compute in; as many as there are cores by default. They do not change
            the result.

    Returns:
        The measurements.

    Raises:
        UserError: The predictions have another shape or hold a valid frame that is not finite, or
            no frame is valid.

    Examples:
        >>> import numpy as np
        >>> from keras_seal import evaluation
        >>> from keras_seal.data import PoseSequences
        >>> truth = np.random.default_rng(0).normal(size=(9, 17, 3))
        >>> sequences = PoseSequences("human36m_17", np.zeros((9, 17, 2)), truth, [0, 4, 9],
        ...                           ["S9", "S11"], ["Walking", "Eating"])
        >>> moved = truth.copy()
        >>> moved[:, 16, 0] += 0.17
        >>> measured = evaluation.measure(moved, sequences)
        >>> round(measured.figures()["mpjpe"], 3)
        10.0
    """
    skeleton = sequences.skeleton
    frames = valid_frames(predictions, sequences)
    owners = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)[frames]
    counted = tuple(range(skeleton.num_joints) if joints is None else joints)
    pass_ = _Pass(predictions, sequences, frames, counted, tuple(pck_joints or counted))
    pass_.run(_threads(threads))
    everywhere = np.arange(len(frames))
    follows = (np.diff(frames) == 1) & (np.diff(owners) == 0)
    series = {name: Series(everywhere, values) for name, values in pass_.values.items()}
    for name, steps, defined in (
        ("mpjve", 1, follows),
        ("acceleration", 2, follows[1:] & follows[:-1]),
    ):
        rows = np.flatnonzero(defined) + steps
        if len(rows):
            series[name] = Series(rows, pass_.steps[name][rows])
    return Measurements(
        skeleton=skeleton,
        frames=frames,
        owners=owners,
        joints=counted,
        series=series,
        truth={name: Series(everywhere, values) for name, values in pass_.truth.items()},
        bone_lengths=pass_.lengths,
        true_bone_lengths=pass_.true_lengths,
        joint_errors=pass_.joint_errors,
        aligned_joint_errors=pass_.aligned_joint_errors,
    )


def valid_frames(
    predictions: np.ndarray, sequences: PoseSequences, *, with_truth: bool = True
) -> np.ndarray:
    """Check predictions, and tell which frames there are to measure.

    Args:
        predictions: Poses `(N, joints, 3)`, metres.
        sequences: The sequences they belong to.
        with_truth: Whether only frames count that have a truth; else all.

    Returns:
        Numbers of the frames.

    Raises:
        UserError: The shape is wrong, a prediction that counts is not finite, or nothing counts.
    """
    predictions = np.asarray(predictions)
    expected = (sequences.num_frames, sequences.skeleton.num_joints, 3)
    if predictions.shape != expected:
        raise UserError(
            f"The predictions have the shape {predictions.shape}, expected {expected}: one pose of "
            f"the skeleton '{sequences.skeleton.name}' for each frame."
        )
    valid = sequences.valid if with_truth else np.ones(sequences.num_frames, bool)
    if not valid.any():
        raise UserError("There is nothing to measure: no frame of the sequences is valid.")
    for what, poses in (("prediction", predictions), ("true pose", sequences.poses)):
        if what == "true pose" and not with_truth:
            continue
        lost = valid & ~np.isfinite(poses).all(axis=(1, 2))
        if lost.any():
            first = int(np.flatnonzero(lost)[0])
            owner = int(np.searchsorted(sequences.offsets, first, side="right")) - 1
            raise UserError(
                f"The {what} of {int(lost.sum())} frames holds NaN or infinite values; the first "
                f"is frame {first - int(sequences.offsets[owner])} of '{sequences.names[owner]}'. "
                "Give every frame a pose, or mark frames that shall not count as not valid."
            )
    return np.flatnonzero(valid)


class _Pass:
    """One pass over the frames, chunk by chunk; every chunk fills its own rows."""

    def __init__(
        self,
        predictions: np.ndarray,
        sequences: PoseSequences,
        frames: np.ndarray,
        joints: tuple[int, ...],
        pck_joints: tuple[int, ...],
    ) -> None:
        self.predictions, self.poses = np.asarray(predictions), sequences.poses
        self.frames, self.skeleton = frames, sequences.skeleton
        self.joints, self.pck_joints = list(joints), pck_joints
        count, skeleton = len(frames), self.skeleton
        names = ["mpjpe", "p_mpjpe", "n_mpjpe", "pck", "auc", "bsle", "bsle_percent"]
        mirrored = ["lse", "lse_percent"] if skeleton.bone_mirror_pairs else []
        names += mirrored
        names += ["lle", "lle_percent"] if skeleton.limbs else []
        names += ["jae"] if skeleton.adjacent_bones else []
        self.values = {name: np.empty(count) for name in names}
        self.truth = {name: np.empty(count) for name in mirrored}
        self.steps = {name: np.zeros(count) for name in ("mpjve", "acceleration")}
        self.joint_errors, self.aligned_joint_errors = (
            np.empty((count, skeleton.num_joints), np.float32) for _ in range(2)
        )
        self.lengths, self.true_lengths = (
            np.empty((count, skeleton.num_bones), np.float32) for _ in range(2)
        )
        # Which bones make up each limb, to add up lengths that are known already.
        self.limbs = np.zeros((skeleton.num_bones, len(skeleton.limbs)))
        for limb, chain in enumerate(skeleton.limbs.values()):
            self.limbs[[skeleton.bone_index(child) for child in chain], limb] = 1.0

    def run(self, threads: int) -> None:
        most = max(self.skeleton.num_joints, len(self.skeleton.adjacent_bones))
        size = int(np.clip(_CHUNK_NUMBERS // most, _SMALLEST_CHUNK, _LARGEST_CHUNK))
        begins = range(0, len(self.frames), size)
        if threads == 1 or len(begins) == 1:
            for begin in begins:
                self.measure(begin, begin + size)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda begin: self.measure(begin, begin + size), begins):
                pass

    def measure(self, begin: int, end: int) -> None:
        # Two frames more in front, for velocities and accelerations.
        lead = min(begin, 2)
        rows = self.frames[begin - lead : end]
        true, predicted = (
            root_relative(poses[rows].astype(np.float64), self.skeleton)
            for poses in (self.poses, self.predictions)
        )
        self.measure_steps(true, predicted, begin - lead, lead)
        part = slice(begin, end)
        self.measure_positions(true[lead:], predicted[lead:], part)
        self.measure_structure(true[lead:], predicted[lead:], part)

    def measure_steps(self, true: np.ndarray, predicted: np.ndarray, first: int, lead: int) -> None:
        for name, function, steps in (
            ("mpjve", functional.mpjve, 1),
            ("acceleration", functional.acceleration_error, 2),
        ):
            if len(true) > steps:
                errors = function(true, predicted, average=False)[:, self.joints].mean(axis=-1)
                own = max(lead - steps, 0)
                start = first + steps + own
                self.steps[name][start : start + len(errors) - own] = _MM * errors[own:]

    def measure_positions(self, true: np.ndarray, predicted: np.ndarray, part: slice) -> None:
        values, joints = self.values, self.joints
        errors = functional.mpjpe(true, predicted, average=False)
        aligned = functional.p_mpjpe(true, predicted, average=False)
        scaled = functional.n_mpjpe(true, predicted, average=False)
        values["mpjpe"][part] = _MM * errors[:, joints].mean(axis=-1)
        values["p_mpjpe"][part] = _MM * aligned[:, joints].mean(axis=-1)
        values["n_mpjpe"][part] = _MM * scaled[:, joints].mean(axis=-1)
        for name, function in (("pck", functional.pck), ("auc", functional.auc)):
            values[name][part] = _PERCENT * function(true, predicted, joints=self.pck_joints)
        self.joint_errors[part] = _MM * errors
        self.aligned_joint_errors[part] = _MM * aligned

    def measure_structure(self, true: np.ndarray, predicted: np.ndarray, part: slice) -> None:
        values, skeleton = self.values, self.skeleton
        lengths, true_lengths = (bone_lengths(poses, skeleton) for poses in (predicted, true))
        self.lengths[part], self.true_lengths[part] = _MM * lengths, _MM * true_lengths
        pairs = {"bsle": (lengths, true_lengths)}
        if skeleton.limbs:
            pairs["lle"] = (lengths @ self.limbs, true_lengths @ self.limbs)
        for suffix, relative, factor in (("", False, _MM), ("_percent", True, _PERCENT)):
            for name, both in pairs.items():
                deviations = functional.length_deviations(*both, relative=relative)
                values[name + suffix][part] = factor * deviations.mean(axis=-1)
            if "lse" in values:
                for store, those in ((values, lengths), (self.truth, true_lengths)):
                    deviations = functional.symmetry_deviations(those, skeleton, relative=relative)
                    store["lse" + suffix][part] = factor * deviations.mean(axis=-1)
        if "jae" in values:
            values["jae"][part] = _DEGREES * functional.joint_angle_error(true, predicted, skeleton)


def spread(lengths: np.ndarray) -> np.ndarray | None:
    """Measure how much lengths vary over frames, all taken as one sample.

    Args:
        lengths: `(n, bones)`.

    Returns:
        Standard deviation of each bone `(bones,)`, `None` for fewer than two frames.

    Examples:
        >>> import numpy as np
        >>> spread(np.array([[1.0], [3.0]])).round(3).tolist()
        [1.414]
    """
    if len(lengths) < 2:
        return None
    return lengths.std(axis=0, dtype="float64", ddof=1)


def spread_within(lengths: np.ndarray, owners: np.ndarray) -> np.ndarray | None:
    """Measure how much lengths vary within each sequence.

    Args:
        lengths: `(n, bones)`.
        owners: The sequence `(n,)` of each frame, never falling.

    Returns:
        Mean over the sequences of their standard deviations `(bones,)`, weighted by their frames;
        `None` where no sequence has two frames.

    Examples:
        >>> import numpy as np
        >>> lengths = np.array([[1.0], [1.0], [5.0], [5.0]])
        >>> spread_within(lengths, np.array([0, 0, 1, 1])).tolist()
        [0.0]
    """
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    counts = np.diff(np.append(starts, len(owners)))
    long = counts >= 2
    if not long.any():
        return None
    sums = np.add.reduceat(lengths, starts, axis=0, dtype="float64")
    centred = lengths - np.repeat(sums / counts[:, None], counts, axis=0)
    squares = np.add.reduceat(centred * centred, starts, axis=0)
    spreads = np.sqrt(squares[long] / (counts[long, None] - 1))
    return np.average(spreads, axis=0, weights=counts[long])


def _mean(values: np.ndarray | None) -> float | None:
    return None if values is None else float(values.mean())


def _threads(threads: int | None) -> int:
    if threads is None:
        return min(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, _MOST_THREADS
        )
    if threads < 1:
        raise UserError(f"`threads` must be at least 1, got {threads}.")
    return threads
