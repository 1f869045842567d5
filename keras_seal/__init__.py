"""keras-seal: 3D human pose estimation from 2D keypoints with a learned loss, on Keras 3.

Everything public is reached from here (`import keras_seal as ks`). Names load when first used, so
that the command line and the data tools start without importing Keras. Where Keras is imported
already, the model classes are registered at once, so that `keras.models.load_model` finds them.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.1.0"

_ROOMS = (
    "analysis",
    "callbacks",
    "data",
    "datasets",
    "errors",
    "evaluation",
    "exporting",
    "geometry",
    "inference",
    "layers",
    "loss_nets",
    "losses",
    "metrics",
    "negatives",
    "pose_nets",
    "recipes",
    "runs",
    "skeletons",
    "training",
    "tuning",
    "visualization",
)
_CLASSES = {
    "PoseSequences": "data",
    "PoseWindows": "data",
    "SEALPose": "training",
    "Skeleton": "skeletons",
}
# The rooms whose classes a `.keras` file may name.
_SERIALIZABLE = ("layers", "losses", "loss_nets", "metrics", "negatives", "pose_nets", "training")

__all__ = ["__version__", *_CLASSES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f"keras_seal.{_CLASSES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"keras_seal.{name}")
    raise AttributeError(f"module 'keras_seal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _register() -> None:
    for room in _SERIALIZABLE:
        importlib.import_module(f"keras_seal.{room}")


if "keras" in sys.modules:
    _register()
