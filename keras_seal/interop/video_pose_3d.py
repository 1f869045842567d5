"""Checkpoints of the public VideoPose3D repository."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "VideoPose3D"
LICENCE = "CC BY-NC 4.0 (the repository's): not for commercial use"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `VideoPose3D`, the published skeleton among them, for one output frame.
        Whether a net is causal leaves no trace in its weights: give `causal` where it is.

    Raises:
        UserError: If these are not the weights of a VideoPose3D.
    """
    filters, inputs, width = shape_of(shapes, "expand_conv.weight", NAME)
    joints = shape_of(shapes, "shrink.weight", NAME)[0] // 3
    blocks = count(shapes, r"layers_conv\.(\d+)") // 2
    return {
        "skeleton": published_skeleton(joints),
        "filter_widths": [
            width,
            *(shape_of(shapes, f"layers_conv.{2 * i}.weight", NAME)[2] for i in range(blocks)),
        ],
        "filters": filters,
        "input_channels": inputs // joints,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `VideoPose3D`.

    Returns:
        Target by name.
    """

    def taps(array: np.ndarray) -> np.ndarray:
        """From (out, in, width) to rows ordered by frame, then channel."""
        if array.ndim != 3:
            return array
        return array.transpose(2, 1, 0).reshape(-1, array.shape[0])

    def block(ours: str, conv: str, norm: str) -> dict[str, base.Target]:
        return {
            f"{conv}.weight": base.Target(net.get_layer(f"{ours}_conv").kernel, taps),
            **base.batch_norm(net.get_layer(f"{ours}_norm"), norm),
        }

    found = {
        **block("stem", "expand_conv", "expand_bn"),
        **base.dense(net.get_layer("coordinates"), "shrink"),
    }
    for index in range(1, len(net.filter_widths)):
        for half, number in (("a", 2 * index - 2), ("b", 2 * index - 1)):
            theirs = f"layers_conv.{number}", f"layers_bn.{number}"
            found |= block(f"block_{index}_{half}", *theirs)
    return found
