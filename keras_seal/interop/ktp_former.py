"""Checkpoints of the public KTPFormer repository."""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.mix_ste import blocks_and_head
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "KTPFormer"
LICENCE = "none: the repository names no licence, all rights are its authors'"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `KTPFormer`, the published skeleton of that many joints among them. The number
        of heads leaves no trace in the weights: the published 8.

    Raises:
        UserError: If these are not the weights of a KTPFormer.
    """
    _, joints, channels = shape_of(shapes, "kpattention.attn.Spatial_pos_embed", NAME)
    width, _ = shape_of(shapes, "kpattention.mlp.fc1.weight", NAME)
    return {
        "skeleton": published_skeleton(joints),
        "num_frames": shape_of(shapes, "tpattention.attn.Temporal_pos_embed", NAME)[1],
        "channels": channels,
        "num_blocks": count(shapes, r"STEblocks\.(\d+)"),
        "mlp_ratio": width / channels,
        "input_channels": shape_of(shapes, "kpattention.attn.kpa.gconv.W", NAME)[1],
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `KTPFormer`.

    Returns:
        Target by name.
    """
    get = net.get_layer

    def graph_block(ours: str, theirs: str) -> dict[str, base.Target]:
        conv = get(f"{ours}_conv")
        return {
            f"{theirs}.gconv.W": base.as_is(conv.kernel),
            f"{theirs}.gconv.M": base.as_is(conv.modulation),
            f"{theirs}.gconv.adj2": base.as_is(conv.adjacency_offset),
            f"{theirs}.gconv.bias": base.as_is(conv.bias),
            **base.batch_norm(get(f"{ours}_norm"), f"{theirs}.bn"),
        }

    def attention(ours: str, theirs: str, embedding: str) -> dict[str, base.Target]:
        return {
            f"{theirs}.attn.{embedding}": base.as_is(get(f"{ours}_embedding").embedding),
            **base.layer_norm(get(f"{ours}_attention_norm"), f"{theirs}.attn.norm1"),
            **base.self_attention(get(f"{ours}_attention"), f"{theirs}.attn"),
            **base.layer_norm(get(f"{ours}_feed_forward_norm"), f"{theirs}.norm2"),
            **base.mlp(get(f"{ours}_feed_forward"), f"{theirs}.mlp"),
        }

    return {
        **attention("kinematics", "kpattention", "Spatial_pos_embed"),
        **attention("trajectory", "tpattention", "Temporal_pos_embed"),
        **graph_block("kinematics", "kpattention.attn.kpa"),
        **graph_block("trajectory_a", "tpattention.attn.tpa.gconv1"),
        **graph_block("trajectory_b", "tpattention.attn.tpa.gconv2"),
        **blocks_and_head(net),
    }
