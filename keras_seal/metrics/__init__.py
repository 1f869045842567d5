"""Metrics of poses: position, velocity, and how well bones and limbs keep their lengths.

`functional` works on arrays without Keras; the streaming metrics load when one is first used.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from keras_seal.metrics import functional

if TYPE_CHECKING:
    from keras_seal.metrics.registry import get, names
    from keras_seal.metrics.streaming import (
        AUC,
        MPJPE,
        MPJVE,
        MPSCE,
        MPSSE,
        NMPJPE,
        PCK,
        PMPJPE,
        AccelerationError,
        BodySegmentLengthError,
        JointAngleError,
        LimbLengthError,
        LimbSymmetryError,
        PartError,
        PoseMetric,
    )

__all__ = [
    "AUC",
    "MPJPE",
    "MPJVE",
    "MPSCE",
    "MPSSE",
    "NMPJPE",
    "PCK",
    "PMPJPE",
    "AccelerationError",
    "BodySegmentLengthError",
    "JointAngleError",
    "LimbLengthError",
    "LimbSymmetryError",
    "PartError",
    "PoseMetric",
    "functional",
    "get",
    "names",
]


def __getattr__(name: str) -> object:
    if name in ("get", "names"):
        return getattr(importlib.import_module("keras_seal.metrics.registry"), name)
    if name in __all__:
        return getattr(importlib.import_module("keras_seal.metrics.streaming"), name)
    raise AttributeError(f"module 'keras_seal.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if "keras" in sys.modules:
    # A saved model may name these classes.
    importlib.import_module("keras_seal.metrics.streaming")
