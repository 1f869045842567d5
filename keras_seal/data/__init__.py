"""Poses and keypoints: sequences, splits, windows for training, and the sources they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_seal.data import keypoint_files, sources
from keras_seal.data.sequences import PoseSequences, PoseSplits
from keras_seal.data.storage import DamagedFileError

if TYPE_CHECKING:
    from keras_seal.data.windows import PoseWindows

__all__ = [
    "DamagedFileError",
    "PoseSequences",
    "PoseSplits",
    "PoseWindows",
    "keypoint_files",
    "sources",
]


def __getattr__(name: str) -> object:
    # Windows are a Keras class; everything else here works without Keras.
    if name == "PoseWindows":
        from keras_seal.data.windows import PoseWindows

        return PoseWindows
    raise AttributeError(f"module 'keras_seal.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
