"""Training runs: a folder each, resumed exactly, reported in full."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from keras_seal.runs.checkpoints import Checkpoint, Checkpoints
from keras_seal.runs.folder import RunFolder

if TYPE_CHECKING:
    from keras_seal.runs.callbacks import RunFailedError
    from keras_seal.runs.evaluation import evaluate, evaluate_split, lift
    from keras_seal.runs.explaining import explain
    from keras_seal.runs.training import resume, start

# These need Keras, and load with the first use.
_LATER = {
    "RunFailedError": "callbacks",
    "evaluate": "evaluation",
    "evaluate_split": "evaluation",
    "explain": "explaining",
    "lift": "evaluation",
    "resume": "training",
    "start": "training",
}

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "RunFailedError",
    "RunFolder",
    "evaluate",
    "evaluate_split",
    "explain",
    "lift",
    "resume",
    "start",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(importlib.import_module(f"keras_seal.runs.{_LATER[name]}"), name)
    raise AttributeError(f"module 'keras_seal.runs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
