"""Checkpoints of the public SemGCN repository."""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError
from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "SemGCN"
LICENCE = "Apache-2.0 (the repository's)"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `SemGCN`, the published skeleton among them. Dropout leaves no trace in the
        weights: the published nets have none.

    Raises:
        UserError: If these are not the weights of a SemGCN.
    """
    _, channels, filters = shape_of(shapes, "gconv_input.0.gconv.W", NAME)
    # One logit for each joint and two for each of the bones, of which there is one less.
    _, edges = shape_of(shapes, "gconv_input.0.gconv.e", NAME)
    if edges % 3 != 1:
        raise UserError(f"These weights have {edges} edges, which no skeleton has.")
    non_local = any(name.startswith("gconv_input.1.") for name in shapes)
    layers = count(shapes, r"gconv_layers\.(\d+)")
    return {
        "skeleton": published_skeleton((edges + 2) // 3),
        "filters": filters,
        "num_blocks": layers // 2 if non_local else layers,
        "non_local": non_local,
        "input_channels": channels,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `SemGCN`.

    Returns:
        Target by name.
    """

    def conv(ours: str, theirs: str) -> dict[str, base.Target]:
        layer = net.get_layer(ours)
        return {
            f"{theirs}.W": base.as_is(layer.kernel),
            f"{theirs}.e": base.as_is(layer.edge_logits),
            f"{theirs}.bias": base.as_is(layer.bias),
        }

    def block(ours: str, theirs: str) -> dict[str, base.Target]:
        norm = net.get_layer(f"{ours}_norm")
        return {
            **conv(f"{ours}_conv", f"{theirs}.gconv"),
            **base.batch_norm(norm, f"{theirs}.bn"),
        }

    def look_around(ours: str, theirs: str) -> dict[str, base.Target]:
        if not net.non_local:
            return {}
        layer = net.get_layer(f"{ours}_non_local")
        return {
            **base.matrix(layer.theta_kernel, layer.theta_bias, f"{theirs}.nonlocal.theta"),
            **base.matrix(layer.phi_kernel, layer.phi_bias, f"{theirs}.nonlocal.phi.0"),
            **base.matrix(layer.g_kernel, layer.g_bias, f"{theirs}.nonlocal.g.0"),
            **base.matrix(layer.affinity_kernel, None, f"{theirs}.nonlocal.concat_project.0"),
            **base.matrix(layer.output_kernel, layer.output_bias, f"{theirs}.nonlocal.W.0"),
            **base.batch_norm(layer.norm, f"{theirs}.nonlocal.W.1"),
        }

    step = 2 if net.non_local else 1
    found = {
        **block("stem", "gconv_input.0"),
        **look_around("stem", "gconv_input.1"),
        **conv("coordinates", "gconv_output"),
    }
    for index in range(net.num_blocks):
        layer = f"gconv_layers.{step * index}"
        found |= block(f"block_{index}_a", f"{layer}.gconv1")
        found |= block(f"block_{index}_b", f"{layer}.gconv2")
        found |= look_around(f"block_{index}", f"gconv_layers.{step * index + 1}")
    return found
