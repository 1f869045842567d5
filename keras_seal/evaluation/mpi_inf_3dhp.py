"""MPI-INF-3DHP's protocol."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from keras_seal import skeletons
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.evaluation.base import Protocol, require_skeleton
from keras_seal.evaluation.measuring import Measurements, measure
from keras_seal.evaluation.scores import Scores, group_table, groups_of, mean_figures

# Of 17 joints, those that the official tool does not look at.
_NOT_IN_PCK = ("pelvis", "spine", "head")
_SETTINGS = {
    "studio with green screen": ("TS1", "TS2"),
    "studio without green screen": ("TS3", "TS4"),
    "outdoor": ("TS5", "TS6"),
}
_ACTIVITIES = {
    1: "Standing/Walking",
    2: "Exercising",
    3: "Sitting",
    4: "Reaching/Crouching",
    5: "On the floor",
    6: "Sports",
    7: "Miscellaneous",
}
# The whole test set; of TS6 two versions are about.
_FRAMES = (2929, 2869)


class MPIInf3DHP(Protocol):
    """MPI-INF-3DHP: MPJPE over 17 joints, PCK at 150 mm and AUC, by sequence, setting and activity.

    PCK counts errors below 150 mm, AUC averages over the 31 thresholds 0, 5, ... 150 mm. Only
    valid frames count.

    Args:
        pck_joints: 14 for the joints that the official tool looks at (without pelvis, spine and
            head), or 17 for all, which lifts PCK and AUC (the root is always right).
        weighting: `"frames"` for the mean over all valid frames, as P-STMO reports it, or
            `"sequences"` for the plain mean of the six sequences, as D3DP does.
        annotation: Which 3D the data must hold: `"annot3"`, `"univ_annot3"`, or `"any"` for what
            it has. Scores on the two cannot be compared.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> MPIInf3DHP(weighting="sequence")
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: Wrong value for option 'weighting' of the protocol ...

    Reference:
        Mehta et al., Monocular 3D Human Pose Estimation in the Wild Using Improved CNN
        Supervision, 3DV 2017.
    """

    name: ClassVar[str] = "mpi_inf_3dhp"
    columns: ClassVar[tuple[str, ...]] = ("mpjpe", "pck", "auc", "p_mpjpe", "lse", "bsle")

    pck_joints: Literal[14, 17] = 14
    weighting: Literal["frames", "sequences"] = "frames"
    annotation: Literal["any", "annot3", "univ_annot3"] = "any"

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`."""
        skeleton = skeletons.get("mpi_inf_3dhp_17")
        require_skeleton(self.name, sequences, skeleton)
        about_annotation = self._annotation(sequences)
        looked_at = [
            joint
            for joint, name in enumerate(skeleton.joints)
            if self.pck_joints == 17 or name not in _NOT_IN_PCK
        ]
        measured = measure(predictions, sequences, pck_joints=looked_at)
        people = groups_of(sequences.subjects, measured)
        table = group_table("sequences", measured, people, self.columns)
        figures = truth = None
        if self.weighting == "sequences":
            figures = mean_figures(
                {k: v for k, v in row.items() if v is not None} for row in table.rows.values()
            )
            truth = mean_figures(measured.truth_figures(people[name]) for name in table.rows)
        subjects = sequences.subjects[measured.owners]
        settings = {name: np.isin(subjects, those) for name, those in _SETTINGS.items()}
        tables = [
            table,
            group_table("settings", measured, settings, self.columns),
            group_table("activities", measured, _activities(measured, sequences), self.columns),
        ]
        variant = (
            f"MPJPE over 17 joints, PCK (below 150 mm) and AUC (31 thresholds) over "
            f"{self.pck_joints}",
            "mean over all valid frames"
            if self.weighting == "frames"
            else "plain mean of the sequences",
            about_annotation,
        )
        notes = []
        missing = sorted({f"TS{n}" for n in range(1, 7)} - set(table.rows))
        if missing:
            notes.append(f"Not the whole test set: {', '.join(missing)} not measured.")
        elif len(measured) not in _FRAMES:
            notes.append(
                f"{len(measured)} frames were measured; the test set has {_FRAMES[0]} valid ones, "
                f"or {_FRAMES[1]} in the later version of TS6."
            )
        return self._scores(
            measured,
            variant,
            [each for each in tables if each.rows],
            np.asarray(predictions),
            sequences,
            notes=notes,
            figures=figures,
            truth=truth,
        )

    def _annotation(self, sequences: PoseSequences) -> str:
        told = sequences.labels.get("universal")
        if told is None:
            if self.annotation != "any":
                raise UserError(
                    f"The data does not tell whether its poses are {self.annotation} (no label "
                    "'universal'); read it with the source 'mpi_inf_3dhp', or score with "
                    "annotation=any."
                )
            return "the data does not tell whether its poses are annot3 or univ_annot3"
        kinds = {"univ_annot3" if value else "annot3" for value in np.unique(told)}
        if len(kinds) > 1:
            raise UserError("The data mixes annot3 and univ_annot3, which cannot be compared.")
        kind = kinds.pop()
        if self.annotation not in ("any", kind):
            raise UserError(
                f"The data holds {kind}, but the protocol asks for {self.annotation}; errors on the"
                f" two cannot be compared. Read it with annotation={self.annotation}."
            )
        return f"truth: {kind}"


def _activities(measured: Measurements, sequences: PoseSequences) -> dict[str, np.ndarray]:
    if "activity" not in sequences.labels:
        return {}
    numbers = sequences.labels["activity"][measured.frames]
    return {name: numbers == number for number, name in _ACTIVITIES.items()}
