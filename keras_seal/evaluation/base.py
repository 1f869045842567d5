"""What all protocols have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from keras_seal.data import PoseSequences
from keras_seal.errors import UserError, nearest
from keras_seal.evaluation.measuring import Measurements
from keras_seal.evaluation.scores import Scores, Table, body_tables
from keras_seal.skeletons import Skeleton


class Protocol(BaseModel, ABC):
    """A way to score predicted poses, its variants as options.

    The constructor's arguments are the options; they are checked and never change.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: ClassVar[str]
    #: Figures that the tables of this protocol show of actions, sequences and the like.
    columns: ClassVar[tuple[str, ...]] = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve", "lse", "bsle")

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise UserError(self._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        problem = error.errors(include_url=False)[0]
        option = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            known = cls.model_fields
            hint = nearest(option, known) if known else " It has none."
            return f"The protocol '{cls.name}' has no option '{option}'.{hint}"
        if problem["type"] == "missing":
            return f"The protocol '{cls.name}' needs the option '{option}'."
        reason = problem["msg"].removeprefix("Value error, ")
        where = f"option '{option}' of the" if option else "the"
        got = f", got {problem['input']!r}" if option else ""
        return f"Wrong value for {where} protocol '{cls.name}'{got}: {reason}."

    @abstractmethod
    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses.

        Args:
            predictions: Poses `(N, joints, 3)`, metres, camera space, one a frame of the
                sequences; where their origin lies does not matter.
            sequences: The test set.

        Returns:
            The scores.

        Raises:
            UserError: The predictions do not fit the sequences or are not finite, the data is not
                what the protocol is for, or there is nothing to measure.
        """

    def _scores(
        self,
        measured: Measurements,
        variant: Sequence[str],
        tables: Sequence[Table],
        poses: np.ndarray,
        data: PoseSequences,
        *,
        notes: Sequence[str] = (),
        figures: dict[str, float] | None = None,
        truth: dict[str, float] | None = None,
    ) -> Scores:
        return Scores(
            protocol=self.name,
            variant=tuple(variant),
            notes=tuple(notes),
            frames=len(measured),
            sequences=len(np.unique(measured.owners)),
            figures=measured.figures() if figures is None else figures,
            truth=measured.truth_figures() if truth is None else truth,
            tables=(*tables, *body_tables(measured)),
            measurements=measured,
            poses=poses,
            data=data,
        )


def require_skeleton(protocol: str, sequences: PoseSequences, *expected: Skeleton) -> None:
    """Refuse data on a skeleton that the protocol is not for.

    Args:
        protocol: The protocol's name.
        sequences: The data.
        *expected: The skeletons that it is for.

    Raises:
        UserError: The data is on none of them.
    """
    if all(sequences.skeleton.joints != skeleton.joints for skeleton in expected):
        wanted = " or ".join(f"'{skeleton.name}'" for skeleton in expected)
        raise UserError(
            f"The protocol '{protocol}' is for the skeleton {wanted}, but the data is on "
            f"'{sequences.skeleton.name}'. Use 'all_frames' or 'cross_data_set'."
        )
