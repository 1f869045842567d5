"""Inference: from keypoint files to the motion of people, and to files that others can use.

What needs Keras (`Lifter`, `predict`) loads when it is used: motions can be read, measured, written
and drawn without.
"""

from __future__ import annotations

import importlib
from typing import Any

from keras_seal.inference.filling import pieces
from keras_seal.inference.motion import Motion, Span
from keras_seal.inference.smoothing import smoother
from keras_seal.inference.summary import summary
from keras_seal.inference.tracking import track

_WITH_KERAS = {"Lifter": "lifter", "predict": "predicting", "refine": "refining"}

__all__ = [
    "Lifter",
    "Motion",
    "Span",
    "pieces",
    "predict",
    "refine",
    "smoother",
    "summary",
    "track",
]


def __getattr__(name: str) -> Any:
    if name in _WITH_KERAS:
        return getattr(importlib.import_module(f"keras_seal.inference.{_WITH_KERAS[name]}"), name)
    raise AttributeError(f"module 'keras_seal.inference' has no attribute {name!r}")
