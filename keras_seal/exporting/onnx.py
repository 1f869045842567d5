"""ONNX, for ONNX Runtime and many others."""

from __future__ import annotations

import functools
import logging
import warnings
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
    _teach_tf2onnx()
    with warnings.catch_warnings():
        # Keras asks NumPy for a name that older releases of tf2onnx use.
        warnings.filterwarnings("ignore", category=FutureWarning)
        model.export(str(path), format="onnx", verbose=False)


def open(path: Path) -> Run:
    """Open a file with ONNX Runtime.

    Args:
        path: The file.

    Returns:
        What runs it.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(session.run([POSES], arrays)[0])

    return run


@functools.cache
def _teach_tf2onnx() -> None:
    """Tell tf2onnx how to write the complementary error function, which exact GELU is made of."""
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    # What goes wrong is raised, and told in one sentence.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, context: Any, node: Any, **others: Any) -> None:
            shape, dtype = context.get_shape(node.output[0]), context.get_dtype(node.output[0])
            inputs, outputs = list(node.input), list(node.output)
            context.remove_node(node.name)
            one = context.make_const(
                utils.make_name("one"), np.ones((), utils.map_onnx_to_numpy_type(dtype))
            )
            erf = context.make_node("Erf", inputs, shapes=[shape], dtypes=[dtype])
            context.make_node(
                "Sub", [one.output[0], erf.output[0]], outputs=outputs, shapes=[shape],
                dtypes=[dtype],
            )  # fmt: skip
