"""TensorFlow's SavedModel: for TensorFlow Serving and every TensorFlow program."""

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
        path: The folder.
    """
    model.export(str(path), format="tf_saved_model", verbose=False)


def open(path: Path) -> Run:
    """Open a file with TensorFlow alone.

    Args:
        path: The folder.

    Returns:
        What runs it.
    """
    import tensorflow as tf

    # The signature does not keep what it belongs to alive.
    loaded = tf.saved_model.load(str(path))

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        serve = loaded.signatures["serving_default"]
        return serve(**{name: tf.constant(array) for name, array in arrays.items()})[POSES].numpy()

    return run
