"""Training on one data set, testing on another."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from keras_seal import skeletons
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.evaluation.base import Protocol
from keras_seal.evaluation.measuring import measure, valid_frames
from keras_seal.evaluation.scores import Scores, group_table, groups_of
from keras_seal.geometry import root_relative
from keras_seal.skeletons import joint_maps
from keras_seal.skeletons.joint_maps import JointMap

_ABOUT_SCALE = {
    "none": "no scale is fitted",
    "frame": "each frame is scaled to fit the truth best (least squares)",
    "sequence": "each sequence is scaled by one factor to fit the truth best (least squares)",
    "data_set": "all poses are scaled by one factor to fit the truth best (least squares)",
}


class CrossDataSet(Protocol):
    """Poses on the skeleton of one data set against the truth of another, on common joints.

    Data sets place joints differently: both sides are mapped to joints that they have alike, and
    put at the origin there.

    Args:
        predicted_on: The skeleton of the predictions: a name, a file or a dictionary; by default
            that of the data.
        on: The skeleton to compare on: `"common_15"` for what Human3.6M and MPI-INF-3DHP have
            alike, `"predicted"`, `"truth"`, or any skeleton that both can be mapped to.
        scale: Whether and over what to fit a scale, since people of two data sets differ in size
            and so do what networks learn: `"none"`, `"frame"`, `"sequence"` or `"data_set"`.
            `n_mpjpe` is always scaled frame by frame.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> truth = np.random.default_rng(0).normal(size=(5, 17, 3))
        >>> sequences = PoseSequences("mpi_inf_3dhp_17", np.zeros((5, 17, 2)), truth, [0, 5],
        ...                           ["TS1"], ["studio"])
        >>> protocol = CrossDataSet(scale="data_set")
        >>> round(protocol.score(0.9 * truth, sequences).figures["mpjpe"], 3)
        0.0
    """

    name: ClassVar[str] = "cross_data_set"
    columns: ClassVar[tuple[str, ...]] = ("mpjpe", "p_mpjpe", "n_mpjpe", "pck", "auc", "lse")

    predicted_on: str | dict[str, Any] | None = None
    on: str | dict[str, Any] = Field("common_15")
    scale: Literal["none", "frame", "sequence", "data_set"] = "none"

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`."""
        theirs = sequences.skeleton
        ours = theirs if self.predicted_on is None else skeletons.get(self.predicted_on)
        target = {"predicted": ours, "truth": theirs}.get(str(self.on))
        if target is None:
            target = skeletons.get(self.on)
        of_prediction, of_truth = joint_maps.find(ours, target), joint_maps.find(theirs, target)
        predictions = np.asarray(predictions)
        expected = (sequences.num_frames, ours.num_joints, 3)
        if predictions.shape != expected:
            raise UserError(
                f"The predictions have the shape {predictions.shape}, expected {expected}: one pose"
                f" of the skeleton '{ours.name}' for each frame."
            )
        mapped = map_sequences(sequences, of_truth)
        poses = of_prediction.apply_poses(predictions)
        poses, factors = self._scaled(poses, mapped)
        measured = measure(poses, mapped)
        tables = [
            group_table("sequences", measured, groups_of(mapped.subjects, measured), self.columns),
            group_table("actions", measured, groups_of(mapped.actions, measured), self.columns),
        ]
        variant = (
            f"{target.num_joints} joints of '{target.name}': predictions by the joint map "
            f"'{of_prediction.name}', truth by '{of_truth.name}'",
            _ABOUT_SCALE[self.scale] + factors,
            "mean over all valid frames",
        )
        return self._scores(measured, variant, tables, poses, mapped)

    def _scaled(self, poses: np.ndarray, sequences: PoseSequences) -> tuple[np.ndarray, str]:
        if self.scale == "none":
            return poses, ""
        frames = valid_frames(poses, sequences)
        predicted, true = (
            root_relative(each[frames].astype(np.float64), sequences.skeleton)
            for each in (poses, sequences.poses)
        )
        fit, size = (np.einsum("njd,njd->n", predicted, other) for other in (true, predicted))
        owners = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)[frames]
        if self.scale == "sequence":
            fit, size = (np.bincount(owners, each)[owners] for each in (fit, size))
        elif self.scale == "data_set":
            fit, size = (np.full(len(frames), each.sum()) for each in (fit, size))
        # A prediction without extent fits as well at any scale.
        factors = np.where(size > 0, fit / np.where(size > 0, size, 1.0), 1.0)
        poses = poses.astype(np.float64)
        poses[frames] = factors[:, None, None] * predicted
        told = f": factor {factors.mean():.4f}"
        if self.scale != "data_set":
            told += f" on average, from {factors.min():.4f} to {factors.max():.4f}"
        return poses, told


def map_sequences(sequences: PoseSequences, joint_map: JointMap) -> PoseSequences:
    """Bring sequences to the joints of another skeleton.

    Args:
        sequences: Keypoints and poses on the map's source.
        joint_map: The map; it must do for poses.

    Returns:
        The same sequences on the map's target. Poses of frames that are not valid and cannot be
        mapped are zero.

    Raises:
        UserError: The map does not fit, or a keypoint or valid pose needs a joint that is missing.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> sequences = PoseSequences("mpi_inf_3dhp_17", np.zeros((5, 17, 2)),
        ...                           np.zeros((5, 17, 3)), [0, 5], ["TS1"], ["studio"])
        >>> joint_map = joint_maps.find("mpi_inf_3dhp_17", "human36m_17")
        >>> map_sequences(sequences, joint_map).skeleton.name
        'human36m_17'
    """
    if joint_map.source.joints != sequences.skeleton.joints:
        raise UserError(
            f"The joint map '{joint_map.name}' starts from '{joint_map.source.name}', but the data "
            f"is on '{sequences.skeleton.name}'."
        )
    keypoints, poses = sequences.keypoints, sequences.poses
    if joint_map.name != "identity":
        # Without confidences a joint that was not found lies somewhere; with them it is made zero.
        keypoints = np.nan_to_num(joint_map.apply(keypoints))
        poses = joint_map.apply_poses(poses)
        poses[~sequences.valid] = np.nan_to_num(poses[~sequences.valid])
    return PoseSequences(
        joint_map.target,
        keypoints,
        poses,
        sequences.offsets,
        sequences.subjects,
        sequences.actions,
        views=sequences.views,
        fps=sequences.fps,
        image_sizes=sequences.image_sizes,
        cameras=sequences.cameras,
        names=sequences.names,
        valid=sequences.valid,
        labels=sequences.labels,
    )
