"""Checkpoints of the public MotionAGFormer repository.

Those for Human3.6M say positions in the image, `keras_seal.pose_nets.ImageSpaceAdapter`. Those for
MPI-INF-3DHP say "universal" millimetres divided by half the width of the training images, 1024:
`metres_per_unit=1.024` on the skeleton "mpi_inf_3dhp_17" makes metres of them.
"""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.dstformer import IMAGE
from keras_seal.interop.shapes import Shapes, count, published_skeleton, shape_of

NAME = "MotionAGFormer"
LICENCE = "Apache-2.0 (the repository's)"
NORMALISATION = IMAGE
IMAGE_SPACE = True
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `MotionAGFormer`, the published skeleton of that many joints among them. The
        number of heads, that of neighbours and the graph of joints leave no trace in the weights:
        the published ones.

    Raises:
        UserError: If these are not the weights of a MotionAGFormer.
    """
    channels, input_channels = shape_of(shapes, "joints_embed.weight", NAME)
    width, _ = shape_of(shapes, "layers.0.att_spatial.mlp.fc1.weight", NAME)
    return {
        "skeleton": published_skeleton(shape_of(shapes, "pos_embed", NAME)[1]),
        "num_frames": shape_of(shapes, "layers.0.graph_temporal.mixer.batch_norm.weight", NAME)[0],
        "channels": channels,
        "num_layers": count(shapes, r"layers\.(\d+)"),
        "mlp_ratio": width / channels,
        "graph": "published",
        "representation": shape_of(shapes, "rep_logit.fc.weight", NAME)[0],
        "input_channels": input_channels,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `MotionAGFormer`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {
        **base.dense(get("stem"), "joints_embed"),
        "pos_embed": base.as_is(get("joint_embedding").embedding),
        **base.layer_norm(get("head_norm"), "norm"),
        **base.dense(get("representation"), "rep_logit.fc"),
        **base.dense(get("coordinates"), "head"),
    }
    for index in range(net.num_layers):
        layer = f"layers.{index}"
        fusion = get(f"fusion_{index}")
        found |= base.matrix(fusion.kernel, fusion.bias, f"{layer}.fusion")
        for ours, theirs in (("joint", "spatial"), ("frame", "temporal")):
            block, name = get(f"{ours}_block_{index}"), f"{layer}.att_{theirs}"
            found |= base.transformer_block(block, name, attention="mixer")
            found[f"{name}.layer_scale_1"] = base.as_is(block.attention_scale)
            found[f"{name}.layer_scale_2"] = base.as_is(block.feed_forward_scale)
            block, name = get(f"{ours}_graph_{index}"), f"{layer}.graph_{theirs}"
            found |= base.layer_norm(block.mixer_norm, f"{name}.norm1")
            found |= base.dense(block.mixer.own, f"{name}.mixer.U")
            found |= base.dense(block.mixer.message, f"{name}.mixer.V")
            found |= base.batch_norm(block.mixer.norm, f"{name}.mixer.batch_norm")
            found |= base.layer_norm(block.feed_forward_norm, f"{name}.norm2")
            found |= base.mlp(block.feed_forward, f"{name}.mlp")
            found[f"{name}.layer_scale_1"] = base.as_is(block.mixer_scale)
            found[f"{name}.layer_scale_2"] = base.as_is(block.feed_forward_scale)
    return found
