"""Evaluation: protocols of the benchmarks, and reports of what they found.

Nothing here needs Keras: what is scored are arrays of poses, whoever made them.
"""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.evaluation.all_frames import AllFrames
from keras_seal.evaluation.base import Protocol
from keras_seal.evaluation.cross_data_set import CrossDataSet, map_sequences
from keras_seal.evaluation.h3wb import H3WB, submission
from keras_seal.evaluation.human36m import Human36M
from keras_seal.evaluation.in_the_wild import InTheWild, from_keypoint_file
from keras_seal.evaluation.measuring import Measurements, Series, measure
from keras_seal.evaluation.mpi_inf_3dhp import MPIInf3DHP
from keras_seal.evaluation.scores import Scores, Table

__all__ = [
    "H3WB",
    "AllFrames",
    "CrossDataSet",
    "Human36M",
    "InTheWild",
    "MPIInf3DHP",
    "Measurements",
    "Protocol",
    "Scores",
    "Series",
    "Table",
    "from_keypoint_file",
    "get",
    "map_sequences",
    "measure",
    "names",
    "submission",
    "usual",
]

# Every variant that papers report has a name.
_VARIANTS: dict[str, tuple[type[Protocol], dict[str, Any]]] = {
    "all_frames": (AllFrames, {}),
    "cross_data_set": (CrossDataSet, {}),
    "cross_data_set_scaled": (CrossDataSet, {"scale": "data_set"}),
    "h3wb": (H3WB, {}),
    "human36m": (Human36M, {}),
    "human36m_16": (Human36M, {"joints": 16}),
    "human36m_motionbert": (Human36M, {"skip_shifted": True}),
    "human36m_mmpose": (Human36M, {"skip_shifted": True, "mean": "frames"}),
    "in_the_wild": (InTheWild, {}),
    "mpi_inf_3dhp": (MPIInf3DHP, {}),
    "mpi_inf_3dhp_d3dp": (MPIInf3DHP, {"annotation": "annot3", "weighting": "sequences"}),
    "mpi_inf_3dhp_manipose": (MPIInf3DHP, {"pck_joints": 17}),
    "mpi_inf_3dhp_p_stmo": (MPIInf3DHP, {"annotation": "univ_annot3"}),
}


def names() -> list[str]:
    """List the protocols and their named variants.

    Returns:
        The names that `get` takes, sorted.

    Examples:
        >>> from keras_seal import evaluation
        >>> "human36m_16" in evaluation.names()
        True
    """
    return sorted(_VARIANTS)


def get(identifier: Protocol | str, **options: Any) -> Protocol:
    """Turn any way of naming a protocol into the protocol.

    Args:
        identifier: A protocol, or a name (see `names`).
        **options: Options of the protocol; they win over those that a named variant sets.

    Returns:
        The protocol.

    Raises:
        UserError: There is no such protocol or option.

    Examples:
        >>> from keras_seal import evaluation
        >>> evaluation.get("human36m_16", skip_shifted=True)
        Human36M(joints=16, count_root=True, skip_shifted=True, mean='actions')
    """
    if isinstance(identifier, Protocol):
        if options:
            raise UserError(
                f"A protocol that is made already ('{identifier.name}') takes no further options; "
                "give its name instead."
            )
        return identifier
    if identifier not in _VARIANTS:
        raise UserError(f"There is no protocol '{identifier}'.{nearest(identifier, names())}")
    protocol, preset = _VARIANTS[identifier]
    return protocol(**{**preset, **options})


def usual(source: str) -> str:
    """Name the usual protocol of a data source.

    Args:
        source: The source's name.

    Returns:
        A name for `get`.

    Examples:
        >>> from keras_seal import evaluation
        >>> evaluation.usual("mpi_inf_3dhp"), evaluation.usual("mocap")
        ('mpi_inf_3dhp', 'all_frames')
    """
    return source if source in ("human36m", "mpi_inf_3dhp", "h3wb") else "all_frames"
