"""Checkpoints of the public MixSTE repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "MixSTE"
LICENCE = "none: the repository names no licence, all rights are its authors'"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `MixSTE`, the published skeleton of that many joints among them. The number of
        heads leaves no trace in the weights: the published 8.

    Raises:
        UserError: If these are not the weights of a MixSTE.
    """
    _, joints, channels = shape_of(shapes, "Spatial_pos_embed", NAME)
    width, _ = shape_of(shapes, "STEblocks.0.mlp.fc1.weight", NAME)
    return {
        "skeleton": published_skeleton(joints),
        "num_frames": shape_of(shapes, "Temporal_pos_embed", NAME)[1],
        "channels": channels,
        "num_blocks": count(shapes, r"STEblocks\.(\d+)"),
        "mlp_ratio": width / channels,
        "input_channels": shape_of(shapes, "Spatial_patch_to_embedding.weight", NAME)[1],
    }


def blocks_and_head(net: Any, first: int = 0) -> dict[str, base.Target]:
    """Say where the entries of the alternating blocks and of the head go.

    Args:
        net: The pose-net: a `MixSTE` or another with its blocks.
        first: Number of the first pair of blocks.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {
        **base.layer_norm(get("joint_norm"), "Spatial_norm"),
        **base.layer_norm(get("frame_norm"), "Temporal_norm"),
        **base.layer_norm(get("head_norm"), "head.0"),
        **base.dense(get("coordinates"), "head.1"),
    }
    for index in range(first, net.num_blocks + first):
        found |= base.transformer_block(get(f"joint_block_{index}"), f"STEblocks.{index}")
        found |= base.transformer_block(get(f"frame_block_{index}"), f"TTEblocks.{index}")
    return found


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `MixSTE`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    return {
        **base.dense(get("stem"), "Spatial_patch_to_embedding"),
        "Spatial_pos_embed": base.as_is(get("joint_embedding").embedding),
        "Temporal_pos_embed": base.as_is(get("frame_embedding").embedding),
        **blocks_and_head(net),
    }
