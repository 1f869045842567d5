"""OpenVINO, for Intel's processors: a file of the graph and one of the weights."""

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
        path: The file of the graph; the weights lie beside it.
    """
    model.export(str(path), format="openvino", verbose=False)


def open(path: Path) -> Run:
    """Open a file with OpenVINO.

    Args:
        path: The file of the graph.

    Returns:
        What runs it.
    """
    import openvino

    # Newer processors would compute in half precision.
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.array(compiled(arrays)[POSES])

    return run
