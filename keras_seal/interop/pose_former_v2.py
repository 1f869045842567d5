"""Checkpoints of the public PoseFormerV2 repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "PoseFormerV2"
LICENCE = "MIT (the repository's)"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `PoseFormerV2`, the published skeleton of that many joints among them. The
        number of frames leaves no trace in the weights and is left out; nor does the number of
        heads: the published 8.

    Raises:
        UserError: If these are not the weights of a PoseFormerV2.
    """
    _, joints, joint_channels = shape_of(shapes, "Spatial_pos_embed", NAME)
    width, _ = shape_of(shapes, "Spatial_blocks.0.mlp.fc1.weight", NAME)
    return {
        "skeleton": published_skeleton(joints),
        "frames_kept": shape_of(shapes, "Temporal_pos_embed", NAME)[1],
        "coefficients_kept": shape_of(shapes, "Temporal_pos_embed_", NAME)[1],
        "joint_channels": joint_channels,
        "num_blocks": count(shapes, r"Spatial_blocks\.(\d+)"),
        "mlp_ratio": width / joint_channels,
        "input_channels": shape_of(shapes, "Joint_embedding.weight", NAME)[1],
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `PoseFormerV2`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {
        **base.dense(get("joint_stem"), "Joint_embedding"),
        **base.dense(get("frequency_stem"), "Freq_embedding"),
        "Spatial_pos_embed": base.as_is(get("joint_embedding").embedding),
        "Temporal_pos_embed": base.as_is(get("frame_embedding").embedding),
        "Temporal_pos_embed_": base.as_is(get("frequency_embedding").embedding),
        **base.layer_norm(get("joint_norm"), "Spatial_norm"),
        **base.layer_norm(get("mixed_norm"), "Temporal_norm"),
        **base.layer_norm(get("head_norm"), "head.0"),
        **base.dense(get("coordinates"), "head.1"),
    }
    for ours, theirs in (("frequency_mean", "weighted_mean"), ("frame_mean", "weighted_mean_")):
        found[f"{theirs}.weight"] = base.as_is(get(ours).kernel)
        found[f"{theirs}.bias"] = base.as_is(get(ours).bias)
    for index in range(net.num_blocks):
        found |= base.transformer_block(get(f"joint_block_{index}"), f"Spatial_blocks.{index}")
        block, name = get(f"mixed_block_{index}"), f"blocks.{index}"
        found |= base.transformer_block(block, name, feed_forward="mlp1")
        found |= base.layer_norm(block.frequency_norm, f"{name}.norm3")
        found |= base.mlp(block.frequency_feed_forward, f"{name}.mlp2")
    return found
