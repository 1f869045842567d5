"""Checkpoints of the Large SimpleBaseline in H3WB's repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import SCALED_BY_AUTHORS, Shapes, count, published_skeleton, shape_of

NAME = "LargeSimpleBaseline"
LICENCE = "MIT (H3WB's repository)"
NORMALISATION = SCALED_BY_AUTHORS
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `LargeSimpleBaseline`, the published skeleton of that many joints among them.

    Raises:
        UserError: If these are not the weights of a LargeSimpleBaseline.
    """
    units, inputs = shape_of(shapes, "upscale.weight", NAME)
    outputs, _ = shape_of(shapes, "pose3d.weight", NAME)
    return {
        "skeleton": published_skeleton(outputs // 3),
        "units": units,
        # Numbered from 1.
        "num_stages": max(0, count(shapes, r"res_(\d+)\.") - 1),
        "input_channels": inputs // (outputs // 3),
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `LargeSimpleBaseline`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {**base.dense(get("stem"), "upscale"), **base.dense(get("coordinates"), "pose3d")}
    for stage in range(net.num_stages):
        for number, half in ((1, "a"), (2, "b")):
            found |= base.dense(get(f"stage_{stage}_{half}"), f"res_{stage + 1}.l{number}")
    return found
