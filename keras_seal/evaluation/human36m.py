"""Human3.6M's protocols."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import numpy as np

from keras_seal import skeletons
from keras_seal.data import PoseSequences
from keras_seal.data.sources.human36m.recording import ACTIONS, canonical_take, is_shifted
from keras_seal.errors import UserError
from keras_seal.evaluation.base import Protocol, require_skeleton
from keras_seal.evaluation.measuring import measure
from keras_seal.evaluation.scores import Scores, group_table, mean_figures
from keras_seal.skeletons import joint_maps

_TAKE = re.compile(r"(S\d+)/([^/]+)/")
# MotionBERT's names of the takes whose motion capture is off.
_SHIFTED_SOURCES = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")
_SOURCE = re.compile(r"s_\d\d_act_\d\d_subact_\d\d")


class Human36M(Protocol):
    """Human3.6M: P1 (`mpjpe`), P2 (`p_mpjpe`), P3 (`n_mpjpe`) and velocity (`mpjve`) by action.

    All frames of an action, of both test subjects, its takes and cameras, are one set; the figures
    are the plain mean of the fifteen actions.

    Args:
        joints: 17, or 16 to leave the nose out, as SemGCN and others do. Data on 17 joints can be
            scored on 16.
        count_root: Whether the root, whose error is 0, is one of the joints that position errors
            average over, as in nearly all papers.
        skip_shifted: Leave out the three takes of S9 whose motion capture is off (Greeting,
            SittingDown, Waiting 1), as MotionBERT and MMPose do.
        mean: `"actions"`, or `"frames"` for the mean over all frames, as MMPose reports it.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> Human36M(joints=15)
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: Wrong value for option 'joints' of the protocol 'human36m'...

    Reference:
        Ionescu et al., Human3.6M, TPAMI 2014; Pavllo et al., 3D human pose estimation in video
        with temporal convolutions and semi-supervised training, CVPR 2019.
    """

    name: ClassVar[str] = "human36m"

    joints: Literal[16, 17] = 17
    count_root: bool = True
    skip_shifted: bool = False
    mean: Literal["actions", "frames"] = "actions"

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`."""
        known = tuple(skeletons.get(f"human36m_{joints}") for joints in (17, 16))
        require_skeleton(self.name, sequences, *known)
        predictions, sequences = self._on_joints(np.asarray(predictions), sequences)
        strange = sorted(set(sequences.actions.tolist()) - set(ACTIONS))
        if strange:
            raise UserError(
                f"Human3.6M has no action '{strange[0]}', which the data holds; the protocol "
                "'all_frames' takes any."
            )
        shifted = _shifted(sequences)
        predictions, sequences, about_shifted = self._without_shifted(
            predictions, sequences, shifted
        )
        root = sequences.skeleton.root
        counted = [j for j in range(self.joints) if self.count_root or j != root]
        measured = measure(predictions, sequences, joints=counted)
        labels = sequences.actions[measured.owners]
        groups = {action: labels == action for action in ACTIONS}
        table = group_table("actions", measured, groups, self.columns)
        missing = [action for action in ACTIONS if action not in table.rows]
        figures = truth = None
        if self.mean == "actions":
            figures = mean_figures(
                {k: v for k, v in row.items() if v is not None} for row in table.rows.values()
            )
            truth = mean_figures(measured.truth_figures(groups[action]) for action in table.rows)
        variant = (
            f"{self.joints} joints" + (", without the nose" if self.joints == 16 else ""),
            "the root counts as a joint" if self.count_root else "the root is not counted",
            about_shifted,
            "mean of the actions' means"
            if self.mean == "actions"
            else "mean over all frames, not over actions",
            "MPSCE joins all frames of an action"
            if self.mean == "actions"
            else "MPSCE joins all frames",
        )
        notes = []
        if missing:
            notes.append(
                f"{len(missing)} of the 15 actions have no frame and do not count: "
                f"{', '.join(missing)}. This is not Human3.6M's whole test set."
            )
        return self._scores(
            measured,
            variant,
            [table],
            predictions,
            sequences,
            notes=notes,
            figures=figures,
            truth=truth,
        )

    def _on_joints(
        self, predictions: np.ndarray, sequences: PoseSequences
    ) -> tuple[np.ndarray, PoseSequences]:
        there = sequences.skeleton.num_joints
        if there == self.joints:
            return predictions, sequences
        if there < self.joints:
            raise UserError(
                f"The data has {there} joints, without the nose: score it with joints=16."
            )
        if predictions.ndim != 3 or predictions.shape[1] != there:
            raise UserError(
                f"The predictions have the shape {predictions.shape}, expected one pose of "
                f"{there} joints for each of {sequences.num_frames} frames."
            )
        # A plain choice of joints keeps the arrays' precision.
        joint_map = joint_maps.get("human36m_17_to_human36m_16")
        kept = joint_map.x.argmax(axis=1)
        return predictions[:, kept], PoseSequences(
            joint_map.target,
            sequences.keypoints[:, kept],
            sequences.poses[:, kept],
            sequences.offsets,
            sequences.subjects,
            sequences.actions,
            names=sequences.names,
            valid=sequences.valid,
            fps=sequences.fps,
        )

    def _without_shifted(
        self, predictions: np.ndarray, sequences: PoseSequences, shifted: np.ndarray | None
    ) -> tuple[np.ndarray, PoseSequences, str]:
        if shifted is None:
            if self.skip_shifted:
                raise UserError(
                    "The names of the sequences do not tell which takes of S9 are the shifted "
                    f"ones (got '{sequences.names[0]}', expected names like 'S9/Greeting/54138969')"
                    ". Leave them out when the data is read (skip_shifted of the source 'human36m')"
                    ", or score with skip_shifted=false."
                )
            return predictions, sequences, "whether S9's shifted takes are there is not known"
        if not shifted.any():
            return predictions, sequences, "without S9's three shifted takes (not in the data)"
        if not self.skip_shifted:
            return predictions, sequences, "with S9's three shifted takes"
        frames = np.repeat(~shifted, sequences.lengths)
        return (
            predictions[frames],
            sequences.select(mask=~shifted),
            "without S9's three shifted takes",
        )


def _shifted(sequences: PoseSequences) -> np.ndarray | None:
    """Tell which sequences are shifted; nothing where names do not say."""
    found = []
    for name in sequences.names.tolist():
        take = _TAKE.match(name)
        if take is not None:
            found.append(is_shifted(take[1], canonical_take(take[2], f"The sequence '{name}'")))
        elif _SOURCE.match(name):
            found.append(name.startswith(_SHIFTED_SOURCES))
        else:
            return None
    return np.array(found)
