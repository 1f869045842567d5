"""Where poses come from: invented ones, motion capture, and saved files."""

from __future__ import annotations

from keras_seal.data.sources.base import Source
from keras_seal.data.sources.file import FileSource
from keras_seal.data.sources.h3wb import H3WBSource
from keras_seal.data.sources.human36m import Human36MSource
from keras_seal.data.sources.mocap import MocapSource
from keras_seal.data.sources.mpi_inf_3dhp import MPIInf3DHPSource
from keras_seal.data.sources.positions import PositionsSource
from keras_seal.data.sources.prepared import PreparedSource
from keras_seal.data.sources.synthetic import SyntheticSource
from keras_seal.errors import UserError, nearest

__all__ = [
    "FileSource",
    "H3WBSource",
    "Human36MSource",
    "MPIInf3DHPSource",
    "MocapSource",
    "PositionsSource",
    "PreparedSource",
    "Source",
    "SyntheticSource",
    "get",
    "names",
]

_SOURCES: dict[str, type[Source]] = {
    source.name: source
    for source in (
        FileSource,
        H3WBSource,
        Human36MSource,
        MocapSource,
        MPIInf3DHPSource,
        PositionsSource,
        PreparedSource,
        SyntheticSource,
    )
}


def names() -> list[str]:
    """List the data sources.

    Returns:
        Their names, sorted.

    Examples:
        >>> from keras_seal.data import sources
        >>> "synthetic" in sources.names()
        True
    """
    return sorted(_SOURCES)


def get(name: str) -> type[Source]:
    """Find a data source by name.

    Args:
        name: One of `names()`.

    Returns:
        The class; its arguments are the source's options, and `load` gives the data.

    Raises:
        UserError: There is no such source.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("synthetic")(frames=100).frames
        100
    """
    if name not in _SOURCES:
        raise UserError(f"There is no data source '{name}'.{nearest(name, _SOURCES)}")
    return _SOURCES[name]
