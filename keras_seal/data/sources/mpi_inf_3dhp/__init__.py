"""MPI-INF-3DHP: the published folders, and the files that papers made of them."""

from __future__ import annotations

from keras_seal.data.sources.mpi_inf_3dhp.source import MPIInf3DHPSource

__all__ = ["MPIInf3DHPSource"]
