"""Checkpoints of the public PoseFormer repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "PoseFormer"
LICENCE = "none: the repository names no licence, all rights are its authors'"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `PoseFormer`, the published skeleton of that many joints among them. The
        number of heads leaves no trace in the weights: the published 8.

    Raises:
        UserError: If these are not the weights of a PoseFormer.
    """
    _, joints, joint_channels = shape_of(shapes, "Spatial_pos_embed", NAME)
    _, num_frames, _ = shape_of(shapes, "Temporal_pos_embed", NAME)
    width, _ = shape_of(shapes, "Spatial_blocks.0.mlp.fc1.weight", NAME)
    shape_of(shapes, "weighted_mean.weight", NAME)
    return {
        "skeleton": published_skeleton(joints),
        "num_frames": num_frames,
        "joint_channels": joint_channels,
        "num_blocks": count(shapes, r"Spatial_blocks\.(\d+)"),
        "mlp_ratio": width / joint_channels,
        "input_channels": shape_of(shapes, "Spatial_patch_to_embedding.weight", NAME)[1],
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `PoseFormer`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    mean = get("frame_mean")
    found = {
        **base.dense(get("stem"), "Spatial_patch_to_embedding"),
        "Spatial_pos_embed": base.as_is(get("joint_embedding").embedding),
        "Temporal_pos_embed": base.as_is(get("frame_embedding").embedding),
        **base.layer_norm(get("joint_norm"), "Spatial_norm"),
        **base.layer_norm(get("frame_norm"), "Temporal_norm"),
        "weighted_mean.weight": base.as_is(mean.kernel),
        "weighted_mean.bias": base.as_is(mean.bias),
        **base.layer_norm(get("head_norm"), "head.0"),
        **base.dense(get("coordinates"), "head.1"),
    }
    for index in range(net.num_blocks):
        found |= base.transformer_block(get(f"joint_block_{index}"), f"Spatial_blocks.{index}")
        found |= base.transformer_block(get(f"frame_block_{index}"), f"blocks.{index}")
    return found
