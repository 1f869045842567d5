"""Checkpoints of the public Modulated-GCN repository, both of its trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "ModulatedGCN"
LICENCE = "none: the repository names no licence, all rights are its authors'"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `ModulatedGCN`, the published skeleton of that many joints among them.

    Raises:
        UserError: If these are not the weights of a Modulated-GCN.
    """
    _, channels, filters = shape_of(shapes, "gconv_input.0.gconv.W", NAME)
    joints, _ = shape_of(shapes, "gconv_input.0.gconv.M", NAME)
    non_local = any(name.startswith("non_local.") for name in shapes)
    return {
        "skeleton": published_skeleton(joints),
        "filters": filters,
        "num_blocks": count(shapes, r"gconv_layers\.(\d+)"),
        "non_local": non_local,
        # Not in the weights: what the tree with the non-local block trains with.
        "dropout": 0.2 if non_local else 0.0,
        "input_channels": channels,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `ModulatedGCN`.

    Returns:
        Target by name.
    """

    def conv(ours: str, theirs: str) -> dict[str, base.Target]:
        layer = net.get_layer(ours)
        return {
            f"{theirs}.W": base.as_is(layer.kernel),
            f"{theirs}.M": base.as_is(layer.modulation),
            f"{theirs}.adj2": base.as_is(layer.adjacency_offset),
            f"{theirs}.bias": base.as_is(layer.bias),
        }

    def block(ours: str, theirs: str) -> dict[str, base.Target]:
        norm = net.get_layer(f"{ours}_norm")
        return {
            **conv(f"{ours}_conv", f"{theirs}.gconv"),
            **base.batch_norm(norm, f"{theirs}.bn"),
        }

    found = {**block("stem", "gconv_input.0"), **conv("coordinates", "gconv_output")}
    for index in range(net.num_blocks):
        found |= block(f"block_{index}_a", f"gconv_layers.{index}.gconv1")
        found |= block(f"block_{index}_b", f"gconv_layers.{index}.gconv2")
    if net.non_local:
        layer = net.get_layer("non_local")
        half = net.filters // 2
        for index, name in enumerate(("theta", "phi", "g")):
            columns = slice(index * half, (index + 1) * half)
            (weight,) = base.matrix(layer.maps_kernel, None, f"non_local.{name}").values()
            found[f"non_local.{name}.weight"] = base.Target(
                weight.variable, weight.transform, np.s_[:, columns]
            )
            found[f"non_local.{name}.bias"] = base.as_is(layer.maps_bias, np.s_[columns])
        found |= base.matrix(layer.output_kernel, layer.output_bias, "non_local.W.0")
        found |= base.batch_norm(layer.norm, "non_local.W.1")
    return found
