"""LiteRT, which was TensorFlow Lite: for phones and small devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.exporting.formats import Run
from keras_seal.exporting.graph import POSES


def write(model: Any, path: Path) -> None:
    """Write a model.

    Args:
        model: From `keras_seal.exporting.graph`.
        path: The file.
    """
    model.export(str(path), format="litert", verbose=False)


def open(path: Path) -> Run:
    """Open a file with LiteRT's interpreter.

    Args:
        path: The file.

    Returns:
        What runs it.
    """
    from ai_edge_litert.interpreter import Interpreter

    run_signature = Interpreter(model_path=str(path)).get_signature_runner()

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(run_signature(**arrays)[POSES])

    return run
