"""Checkpoints of the public GraphMLP repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "GraphMLP"
LICENCE = "MIT (the repository's)"
NORMALISATION = METRES
IGNORED: dict[str, str] = {
    r"A|mlp_gcn\.blocks\.\d+\.(gcn_[12]\.)?adj": "the skeleton's graphs, which the net derives",
}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `GraphMLP`, the published skeleton among them.

    Raises:
        UserError: If these are not the weights of a GraphMLP.
    """
    filters, features = shape_of(shapes, "embedding.weight", NAME)
    (joints,) = shape_of(shapes, "mlp_gcn.blocks.0.norm1.weight", NAME)
    expand = next(
        (n for n in ("fc1.weight", "fc1.0.weight") if f"mlp_gcn.blocks.0.mlp_1.{n}" in shapes),
        "fc1.weight",
    )
    return {
        "skeleton": published_skeleton(joints),
        "num_frames": features // 2,
        "filters": filters,
        "num_blocks": count(shapes, r"mlp_gcn\.blocks\.(\d+)"),
        "joint_units": shape_of(shapes, f"mlp_gcn.blocks.0.mlp_1.{expand}", NAME)[0],
        "channel_units": shape_of(shapes, "mlp_gcn.blocks.0.mlp_2.fc1.weight", NAME)[0],
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `GraphMLP`.

    Returns:
        Target by name.
    """

    def pair(weights: tuple[Any, Any], theirs: str) -> dict[str, base.Target]:
        first, second = weights
        return {f"{theirs}.weight": base.as_is(first), f"{theirs}.bias": base.as_is(second)}

    found = {
        **base.dense(net.get_layer("stem"), "embedding"),
        **base.layer_norm(net.get_layer("norm"), "mlp_gcn.norm"),
        **base.dense(net.get_layer("coordinates"), "head"),
    }
    for index in range(net.num_blocks):
        block, theirs = net.get_layer(f"block_{index}"), f"mlp_gcn.blocks.{index}"
        inner = ".0" if block.inner_norm else ""
        found |= pair(block.joint_norm, f"{theirs}.norm1")
        found |= pair(block.joint_expand, f"{theirs}.mlp_1.fc1{inner}")
        found |= pair(block.joint_contract, f"{theirs}.mlp_1.fc2{inner}")
        if block.inner_norm:
            found |= pair(block.expand_norm, f"{theirs}.mlp_1.fc1.1")
            found |= pair(block.contract_norm, f"{theirs}.mlp_1.fc2.1")
        for number, (kernel, bias) in enumerate((block.joint_graph, block.channel_graph), start=1):
            found |= base.matrix(kernel, bias, f"{theirs}.gcn_{number}.conv")
        found |= base.layer_norm(block.channel_norm, f"{theirs}.norm2")
        found |= base.dense(block.channel_mlp.expand, f"{theirs}.mlp_2.fc1")
        found |= base.dense(block.channel_mlp.contract, f"{theirs}.mlp_2.fc2")
    return found
