"""Exports: lifters as files that run without keras-seal, checked and timed.

`export` writes a lifter as a TensorFlow SavedModel, ONNX, LiteRT or OpenVINO file, runs it with its
own runtime beside the Keras model, and describes it in a card.
"""

from __future__ import annotations

import importlib
from typing import Any

from keras_seal.exporting.formats import FORMATS, check

_WITH_KERAS = {
    "Export": "exporter",
    "PixelsToScreen": "graph",
    "export": "exporter",
}

__all__ = ["FORMATS", "Export", "PixelsToScreen", "check", "export"]


def __getattr__(name: str) -> Any:
    if name in _WITH_KERAS:
        return getattr(importlib.import_module(f"keras_seal.exporting.{_WITH_KERAS[name]}"), name)
    raise AttributeError(f"module 'keras_seal.exporting' has no attribute {name!r}")
