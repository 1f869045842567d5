"""The protocol for data without one of its own: the mean over all frames."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from keras_seal.data import PoseSequences
from keras_seal.evaluation.base import Protocol
from keras_seal.evaluation.measuring import measure
from keras_seal.evaluation.scores import Scores, group_table, groups_of


class AllFrames(Protocol):
    """The mean over all valid frames of any data, on its own skeleton.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> truth = np.random.default_rng(0).normal(size=(5, 17, 3))
        >>> sequences = PoseSequences("human36m_17", np.zeros((5, 17, 2)), truth, [0, 2, 5],
        ...                           ["S1", "S5"], ["Walking", "Eating"])
        >>> scores = AllFrames().score(1.1 * truth, sequences)
        >>> round(scores.figures["bsle_percent"], 3), list(scores.table("actions").rows)
        (10.0, ['Walking', 'Eating'])
    """

    name: ClassVar[str] = "all_frames"

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`."""
        measured = measure(predictions, sequences)
        table = group_table(
            "actions", measured, groups_of(sequences.actions, measured), self.columns
        )
        variant = (
            f"{sequences.skeleton.num_joints} joints of '{sequences.skeleton.name}', the origin"
            " counted where it is a joint",
            "mean over all valid frames",
        )
        return self._scores(measured, variant, [table], np.asarray(predictions), sequences)
