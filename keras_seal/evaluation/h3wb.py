"""H3WB's protocol, and the file that predictions are handed in with."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np

from keras_seal import skeletons
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.evaluation.base import Protocol, require_skeleton
from keras_seal.evaluation.measuring import Series, measure
from keras_seal.evaluation.scores import Scores, group_table, groups_of
from keras_seal.geometry import root_relative
from keras_seal.skeletons import Skeleton

SKELETON = "h3wb_133"


class H3WB(Protocol):
    """H3WB's six numbers: whole body, body, face and hands, and face and hands by themselves.

    `whole`, `body`, `face` and `hands` are mean errors with the middle of the hips put at the
    origin; `face_nose` is the face with the nose, `hands_wrist` the mean of both hands, each with
    its root, put there.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> truth = np.random.default_rng(0).normal(size=(2, 133, 3))
        >>> sequences = PoseSequences("h3wb_133", np.zeros((2, 133, 2)), truth, [0, 1, 2],
        ...                           ["S8", "S8"], ["Walking", "Eating"])
        >>> moved = truth.copy()
        >>> moved[:, 23:91, 0] += 0.05  # the face, as a whole
        >>> figures = H3WB().score(moved, sequences).figures
        >>> [round(figures[name], 2) for name in ("face", "face_nose", "hands", "body")]
        [50.0, 50.0, 0.0, 0.0]

    Reference:
        Zhu et al., H3WB: Human3.6M 3D WholeBody Dataset and Benchmark, ICCV 2023.
    """

    name: ClassVar[str] = "h3wb"
    columns: ClassVar[tuple[str, ...]] = (
        "whole", "body", "face", "face_nose", "hands", "hands_wrist"
    )  # fmt: skip

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`."""
        skeleton = skeletons.get(SKELETON)
        require_skeleton(self.name, sequences, skeleton)
        measured = measure(predictions, sequences)
        true = root_relative(sequences.poses[measured.frames].astype(np.float64), skeleton)
        predicted = root_relative(
            np.asarray(predictions)[measured.frames].astype(np.float64), skeleton
        )
        rows = np.arange(len(measured))
        numbers = six_numbers(predicted, true, skeleton)
        measured.series.update({name: Series(rows, each) for name, each in numbers.items()})
        table = group_table(
            "actions", measured, groups_of(sequences.actions, measured), self.columns
        )
        variant = (
            "all 133 points count",
            "mean over all samples",
            "pelvis: middle of the hips; nose: point 0; hands: mean of both, each aligned at its "
            "own root (points 91 and 112)",
        )
        return self._scores(measured, variant, [table], np.asarray(predictions), sequences)


def six_numbers(
    predicted: np.ndarray, true: np.ndarray, skeleton: Skeleton
) -> dict[str, np.ndarray]:
    """Compute H3WB's six numbers of each sample.

    Args:
        predicted: Poses `(n, 133, 3)`, metres, the middle of the hips at the origin.
        true: True poses likewise.
        skeleton: The skeleton `h3wb_133`.

    Returns:
        Errors `(n,)` by name, millimetres.
    """
    difference = 1000.0 * (predicted - true)
    groups = {name: list(members) for name, members in skeleton.groups.items()}
    left, right = groups["left_hand"], groups["right_hand"]

    def error(joints: list[int], at: str | None = None) -> np.ndarray:
        moved = difference[:, joints]
        if at is not None:
            joint = skeleton.joint_index(at)
            moved = moved - difference[:, joint : joint + 1]
        return np.linalg.norm(moved, axis=-1).mean(axis=-1)

    return {
        "whole": error(list(range(skeleton.num_joints))),
        "body": error(groups["body"]),
        "face": error(groups["face"]),
        "face_nose": error(groups["face"], "nose"),
        "hands": error(left + right),
        "hands_wrist": (error(left, "left_hand_root") + error(right, "right_hand_root")) / 2,
    }


def submission(predictions: np.ndarray, sequences: PoseSequences) -> str:
    """Write predictions in the form that H3WB's own script reads (`2Dto3D_pred.json`).

    Args:
        predictions: Poses `(N, 133, 3)`, metres.
        sequences: What was predicted, with the label `sample_id`; valid or not.

    Returns:
        JSON: millimetres by sample, joint and axis.

    Raises:
        UserError: The data is not H3WB's, does not tell the samples' numbers, or a prediction is
            missing.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> sequences = PoseSequences("h3wb_133", np.zeros((1, 133, 2)), np.zeros((1, 133, 3)),
        ...                           [0, 1], ["S8"], ["Walking"], labels={"sample_id": [8]})
        >>> submission(np.full((1, 133, 3), 0.25), sequences)[:60]
        '{"8": {"keypoints_3d": {"0": {"x": 250.0, "y": 250.0, "z": 2'
    """
    require_skeleton(H3WB.name, sequences, skeletons.get(SKELETON))
    numbers = sequences.labels.get("sample_id")
    if numbers is None or (numbers < 0).any() or len(np.unique(numbers)) < len(numbers):
        raise UserError(
            "A submission needs the number of every sample (the label 'sample_id'), which this "
            "data does not tell; read H3WB's JSON files."
        )
    predictions = np.asarray(predictions)
    if predictions.shape != sequences.poses.shape or not np.isfinite(predictions).all():
        raise UserError(
            f"A submission needs one finite pose for each of {sequences.num_frames} samples, got "
            f"an array of shape {predictions.shape}"
            + (" with NaN." if predictions.shape == sequences.poses.shape else ".")
        )
    millimetres = (1000.0 * predictions.astype(np.float64)).round(4).tolist()
    content = {
        str(number): {
            "keypoints_3d": {
                str(joint): dict(zip("xyz", point, strict=True)) for joint, point in enumerate(pose)
            }
        }
        for number, pose in zip(numbers.tolist(), millimetres, strict=True)
    }
    return json.dumps(content) + "\n"
