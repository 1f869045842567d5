"""Tuning: searching a recipe's keys with KerasTuner, on people held out of training.

`search` and `resume` are what `keras-seal tune` calls; `SEALHyperModel` is for scripts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_seal.tuning.hypermodel import SEALHyperModel
    from keras_seal.tuning.searching import resume, search

# These need Keras, and load with the first use.
_LATER = {"SEALHyperModel": "hypermodel", "resume": "searching", "search": "searching"}

__all__ = ["SEALHyperModel", "resume", "search"]


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(importlib.import_module(f"keras_seal.tuning.{_LATER[name]}"), name)
    raise AttributeError(f"module 'keras_seal.tuning' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
