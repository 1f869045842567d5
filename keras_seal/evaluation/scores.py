"""What a protocol says about predictions: figures, tables, and how they were come by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_seal.data import PoseSequences
from keras_seal.evaluation.measuring import Measurements, spread, spread_within

Row = dict[str, float | None]


@dataclass(frozen=True)
class Table:
    """Figures of the parts of something: actions, joints, bones, ...

    Args:
        title: What the rows are.
        columns: Names of the figures, see `figures.FIGURES`.
        rows: Values by row and figure; what is not defined is `None` or left out.
        frames: How many frames each row stands for, where that differs between rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, Row]
    frames: Mapping[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Describe the table in types that JSON holds."""
        frames = {} if self.frames is None else self.frames
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": {
                name: {
                    **({"frames": frames[name]} if name in frames else {}),
                    **{column: row.get(column) for column in self.columns},
                }
                for name, row in self.rows.items()
            },
        }


@dataclass(frozen=True)
class Scores:
    """The outcome of a protocol.

    Args:
        protocol: Its name.
        variant: How exactly it was measured, a sentence each: published numbers can only be
            compared with numbers of the same variant.
        notes: What else a reader should know, such as actions that are missing.
        frames: Number of frames measured.
        sequences: Number of sequences they are from.
        figures: The figures by name, see `figures.FIGURES`.
        truth: The true poses' own structural figures.
        tables: Further figures.
        measurements: What they were computed from.
        poses: The poses that were scored, mapped and selected as the variant says.
        data: The test set, likewise.
    """

    protocol: str
    variant: tuple[str, ...]
    notes: tuple[str, ...]
    frames: int
    sequences: int
    figures: Mapping[str, float]
    truth: Mapping[str, float]
    tables: tuple[Table, ...]
    measurements: Measurements
    poses: np.ndarray
    data: PoseSequences

    def table(self, title: str) -> Table:
        """Find a table by its title.

        Args:
            title: The title.

        Returns:
            The table.

        Raises:
            KeyError: There is no such table.
        """
        for table in self.tables:
            if table.title == title:
                return table
        raise KeyError(title)

    def to_dict(self) -> dict[str, Any]:
        """Describe the scores in types that JSON holds."""
        return {
            "protocol": self.protocol,
            "variant": list(self.variant),
            "notes": list(self.notes),
            "frames": self.frames,
            "sequences": self.sequences,
            "metrics": dict(self.figures),
            "truth": dict(self.truth),
            "tables": [table.to_dict() for table in self.tables],
        }


def mean_figures(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average figures of several parts, each part counting alike.

    Args:
        parts: Figures by name; a part without a figure does not count in that figure's mean.

    Returns:
        The means by name.

    Examples:
        >>> mean_figures([{"mpjpe": 40.0}, {"mpjpe": 50.0, "mpjve": 2.0}])
        {'mpjpe': 45.0, 'mpjve': 2.0}
    """
    values: dict[str, list[float]] = {}
    for part in parts:
        for name, value in part.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(each)) for name, each in values.items()}


def group_table(
    title: str,
    measured: Measurements,
    groups: Mapping[str, np.ndarray],
    columns: Sequence[str],
) -> Table:
    """Make a table of groups of frames; groups without a frame get no row.

    Args:
        title: What the groups are.
        measured: The measurements.
        groups: Booleans by group, one a measured frame.
        columns: The figures to show.

    Returns:
        The table; its rows hold all figures, also those that are not shown.
    """
    groups = {name: chosen for name, chosen in groups.items() if chosen.any()}
    rows: dict[str, Row] = {name: {**measured.figures(at)} for name, at in groups.items()}
    there = {name for row in rows.values() for name in row}
    return Table(
        title,
        tuple(name for name in columns if name in there),
        rows,
        {name: int(chosen.sum()) for name, chosen in groups.items()},
    )


def groups_of(labels: np.ndarray, measured: Measurements) -> dict[str, np.ndarray]:
    """Group measured frames by a label of their sequences, in the order of first appearance.

    Args:
        labels: One label a sequence.
        measured: The measurements.

    Returns:
        Booleans by label, one a measured frame.
    """
    labels = np.asarray(labels)[measured.owners]
    names, first = np.unique(labels, return_index=True)
    return {str(names[place]): labels == names[place] for place in np.argsort(first)}


def body_tables(measured: Measurements) -> tuple[Table, ...]:
    """Make the tables of joints, parts, bones, mirrored bones and limbs.

    Args:
        measured: The measurements.

    Returns:
        The tables that the skeleton has something to say in.
    """
    skeleton, lengths = measured.skeleton, measured.bone_lengths.astype(np.float64)
    errors, aligned = measured.joint_errors, measured.aligned_joint_errors
    true = None if measured.true_bone_lengths is None else measured.true_bone_lengths.astype("f8")
    tables = []
    if errors is not None and aligned is not None:
        means, aligned_means = (each.mean(axis=0, dtype="float64") for each in (errors, aligned))
        position = ("mpjpe", "p_mpjpe")
        joints: dict[str, Row] = {
            name: {"mpjpe": float(means[joint]), "p_mpjpe": float(aligned_means[joint])}
            for joint, name in enumerate(skeleton.joints)
        }
        tables.append(Table("joints", position, joints))
        parts: dict[str, Row] = {
            name: {
                "mpjpe": float(means[list(group)].mean()),
                "p_mpjpe": float(aligned_means[list(group)].mean()),
            }
            for name, group in skeleton.groups.items()
        }
        if parts:
            tables.append(Table("parts", position, parts))
    bones = [skeleton.joints[child] for _, child in skeleton.bones]
    tables.append(_lengths_table("bones", "bsle", bones, lengths, true, measured.owners))
    if skeleton.bone_mirror_pairs:
        tables.append(_pairs_table(measured, lengths, true))
    if skeleton.limbs:
        chains = [[skeleton.bone_index(c) for c in limb] for limb in skeleton.limbs.values()]
        both = [
            None if each is None else np.stack([each[:, chain].sum(axis=1) for chain in chains], 1)
            for each in (lengths, true)
        ]
        limbs = list(skeleton.limbs)
        assert both[0] is not None
        tables.append(_lengths_table("limbs", "lle", limbs, both[0], both[1], measured.owners))
    return tuple(tables)


def _lengths_table(
    title: str,
    error: str,
    names: Sequence[str],
    lengths: np.ndarray,
    true: np.ndarray | None,
    owners: np.ndarray,
) -> Table:
    columns: dict[str, np.ndarray | None] = {"length": lengths.mean(axis=0)}
    if true is not None:
        errors = np.abs(lengths - true)
        columns |= {
            "true_length": true.mean(axis=0),
            error: errors.mean(axis=0),
            f"{error}_percent": (100.0 * errors / np.maximum(true, 1.0)).mean(axis=0),
        }
    columns |= {"mpsce": spread(lengths), "length_spread": spread_within(lengths, owners)}
    if true is not None:
        columns["true_length_spread"] = spread_within(true, owners)
    return _columns_table(title, names, columns)


def _pairs_table(measured: Measurements, lengths: np.ndarray, true: np.ndarray | None) -> Table:
    skeleton = measured.skeleton
    left, right = np.array(skeleton.bone_mirror_pairs).T
    names = [skeleton.joints[skeleton.bones[bone][1]].replace("left_", "") for bone in left]
    differences = np.abs(lengths[:, left] - lengths[:, right])
    sums = np.maximum(lengths[:, left] + lengths[:, right], 1.0)
    columns: dict[str, np.ndarray | None] = {
        "lse": differences.mean(axis=0),
        "lse_percent": (100.0 * differences / sums).mean(axis=0),
    }
    if true is not None:
        columns["true_lse"] = np.abs(true[:, left] - true[:, right]).mean(axis=0)
    return _columns_table("mirrored bones", names, columns)


def _columns_table(
    title: str, names: Sequence[str], columns: Mapping[str, np.ndarray | None]
) -> Table:
    defined = {name: values for name, values in columns.items() if values is not None}
    rows: dict[str, Row] = {
        name: {column: float(values[place]) for column, values in defined.items()}
        for place, name in enumerate(names)
    }
    return Table(title, tuple(defined), rows)


def sequence_rows(scores: Scores) -> list[dict[str, Any]]:
    """Give each sequence's own figures: what comparisons over sequences start from.

    Args:
        scores: What a protocol gave.

    Returns:
        One row a sequence with a measured frame: `name`, `subject`, `action`, `frames`, and each
        metric's mean (absent where nothing defines it).
    """
    measured, sequences = scores.measurements, scores.data
    counts = np.bincount(measured.owners, minlength=sequences.num_sequences)
    means: dict[str, np.ndarray] = {}
    for name in measured.series:
        sums, of = measured.by_sequence(name)
        filled = np.full(sequences.num_sequences, np.nan)
        known = np.flatnonzero(of)
        filled[known] = sums[known] / of[known]
        means[name] = filled
    return [
        {
            "name": str(sequences.names[index]),
            "subject": str(sequences.subjects[index]),
            "action": str(sequences.actions[index]),
            "frames": int(counts[index]),
            **{name: float(of[index]) for name, of in means.items() if np.isfinite(of[index])},
        }
        for index in np.flatnonzero(counts)
    ]
