"""Checkpoints of the public P-STMO repository."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal.interop import base
from keras_seal.interop.shapes import METRES, Shapes, count, published_skeleton, shape_of

NAME = "PSTMO"
LICENCE = "MIT (the repository's)"
NORMALISATION = METRES
IGNORED: dict[str, str] = {
    r"Transformer(_reduce|_dec)?\.model\.norm\.(a_2|b_2)": "a last norm that is never applied",
    r"fcn_1\..*": "the poses of all frames, where the net gives the centre one (out_frames=1)",
}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `PSTMO`, the published skeleton of that many joints among them. The number of
        heads and the strides leave no trace in the weights: the published ones.

    Raises:
        UserError: If these are not the weights of a P-STMO.
    """
    _, num_frames, channels = shape_of(shapes, "Transformer.pos_embedding", NAME)
    _, inputs, _ = shape_of(shapes, "encoder.fc_1.weight", NAME)
    shape_of(shapes, "Transformer_reduce.model.pos_embedding_1", NAME)
    return {
        "skeleton": published_skeleton(inputs // 2),
        "num_frames": num_frames,
        "channels": channels,
        "hidden": shape_of(shapes, "Transformer.model.layers.0.feed_forward.w_1.weight", NAME)[0],
        "num_blocks": count(shapes, r"Transformer\.model\.layers\.(\d+)"),
        "input_channels": 2,
    }


def _encoder_targets(net: Any, num_blocks: int) -> dict[str, base.Target]:
    get = net.get_layer
    found = {"Transformer.pos_embedding": base.as_is(get("frame_embedding").embedding)}
    for ours, dense, norm in (
        ("encoder", "fc_1", "bn_1"),
        ("encoder_a", "layers.0.w1", "layers.0.batch_norm1"),
        ("encoder_b", "layers.0.w2", "layers.0.batch_norm2"),
    ):
        found |= base.dense(get(f"{ours}_dense"), f"encoder.{dense}")
        found |= base.batch_norm(get(f"{ours}_norm"), f"encoder.{norm}")
    found |= base.dense(get("encoder_code_dense"), "encoder.fc_2")
    for index in range(num_blocks):
        found |= _block_targets(net, f"frame_{index}", f"Transformer.model.layers.{index}")
    return found


def _block_targets(net: Any, ours: str, theirs: str) -> dict[str, base.Target]:
    feed_forward = net.get_layer(f"{ours}_feed_forward")
    return {
        **attention_targets(net, ours, theirs),
        **base.dense(feed_forward.expand, f"{theirs}.feed_forward.w_1"),
        **base.dense(feed_forward.contract, f"{theirs}.feed_forward.w_2"),
    }


def attention_targets(net: Any, ours: str, theirs: str) -> dict[str, base.Target]:
    """Say where the attention and the two norms of one layer go: four matrices into two.

    Args:
        net: The net.
        ours: Start of the names of its layers.
        theirs: Of the original's layer, without the last dot.

    Returns:
        Target by name.
    """
    attention = net.get_layer(f"{ours}_attention")
    found = base.dense(attention.projection, f"{theirs}.self_attn.linears.3")
    channels = attention.projection.units
    for index in range(3):
        columns = slice(index * channels, (index + 1) * channels)
        name = f"{theirs}.self_attn.linears.{index}"
        found[f"{name}.weight"] = base.Target(attention.qkv.kernel, np.transpose, np.s_[:, columns])
        found[f"{name}.bias"] = base.as_is(attention.qkv.bias, np.s_[columns])
    for index, kind in enumerate(("attention", "feed_forward")):
        norm = net.get_layer(f"{ours}_{kind}_norm")
        found[f"{theirs}.sublayer.{index}.norm.a_2"] = base.as_is(norm.gamma)
        found[f"{theirs}.sublayer.{index}.norm.b_2"] = base.as_is(norm.beta)
    return found


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `PSTMO`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {
        **_encoder_targets(net, net.num_blocks),
        **base.batch_norm(get("coordinates_norm"), "fcn.0"),
        **base.dense(get("coordinates"), "fcn.1"),
    }
    for index in range(len(net.strides)):
        name = f"Transformer_reduce.model.layers.{index}"
        found |= attention_targets(net, f"gather_{index}", name)
        found |= base.dense(get(f"gather_{index}_expand"), f"{name}.feed_forward.w_1")
        found |= base.conv1d(get(f"gather_{index}_contract"), f"{name}.feed_forward.w_2")
        if index < 3:
            embedding = get(f"gather_{index}_embedding").embedding
            entry = f"Transformer_reduce.model.pos_embedding_{index + 1}"
            found[entry] = base.as_is(embedding)
    if net.out_frames > 1:
        found |= base.batch_norm(get("sequence_coordinates_norm"), "fcn_1.0")
        found |= base.dense(get("sequence_coordinates"), "fcn_1.1")
    return found


def pretraining_targets(model: Any) -> dict[str, base.Target]:
    """Say where each entry of a pre-training checkpoint goes.

    Args:
        model: A `MaskedKeypoints`.

    Returns:
        Target by name.
    """
    net = model.guesser
    get = net.get_layer
    found = {
        **_encoder_targets(net, model.num_blocks),
        "spatial_mask_token": base.as_is(get("joint_token").token),
        "mask_token": base.as_is(get("frame_token").token),
        "dec_pos_embedding": base.as_is(get("guess_embedding").embedding),
        "encoder_LN.a_2": base.as_is(get("guess_norm").gamma),
        "encoder_LN.b_2": base.as_is(get("guess_norm").beta),
        **base.dense(get("guess_stem"), "encoder_to_decoder"),
        **base.batch_norm(get("guessed_norm"), "fcn_dec.0"),
        **base.dense(get("guessed"), "fcn_dec.1"),
    }
    for index in range(model.num_blocks - 1):
        found |= _block_targets(net, f"guess_{index}", f"Transformer_dec.model.layers.{index}")
    return found
