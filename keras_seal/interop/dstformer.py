"""Checkpoints of the public MotionBERT repository: lifting nets, and what they were tuned from.

Their positions are in the image, `keras_seal.pose_nets.ImageSpaceAdapter`. Those trained with the
option `rootrel: False`, called "global" (the small net's among them), say where the body is as
well; nothing in the file tells, so that `root="subtract"` has to be given for them.
"""

from __future__ import annotations

from typing import Any

from keras_seal.interop import base
from keras_seal.interop.shapes import Shapes, count, published_skeleton, shape_of

NAME = "DSTformer"
LICENCE = "Apache-2.0 (the repository's)"
# What such nets say is not metres yet: they are wrapped in an `ImageSpaceAdapter`.
IMAGE = (
    "keypoints: x in [-1, 1] over the image's width, y by the same scale, and the detector's"
    " confidence; poses: metres, relative to the root, made of what the net says (positions in the"
    " image in units of half its width)"
)
NORMALISATION = IMAGE
IMAGE_SPACE = True
IGNORED: dict[str, str] = {}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `DSTformer`, the published skeleton of that many joints among them. The number
        of heads leaves no trace in the weights: the published 8. The number of frames is the
        largest one; any smaller one may be given.

    Raises:
        UserError: If these are not the weights of a DSTformer.
    """
    channels, input_channels = shape_of(shapes, "joints_embed.weight", NAME)
    width, _ = shape_of(shapes, "blocks_st.0.mlp_s.fc1.weight", NAME)
    frames = shape_of(shapes, "temp_embed", NAME)[1]
    return {
        "skeleton": published_skeleton(shape_of(shapes, "pos_embed", NAME)[1]),
        "num_frames": frames,
        "max_frames": frames,
        "channels": channels,
        "num_layers": count(shapes, r"blocks_st\.(\d+)"),
        "mlp_ratio": width / channels,
        "representation": shape_of(shapes, "pre_logits.fc.weight", NAME)[0],
        "input_channels": input_channels,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `DSTformer`.

    Returns:
        Target by name.
    """
    get = net.get_layer
    found = {
        **base.dense(get("stem"), "joints_embed"),
        "pos_embed": base.as_is(get("joint_embedding").embedding),
        "temp_embed": base.as_is(get("frame_embedding").embedding),
        **base.layer_norm(get("head_norm"), "norm"),
        **base.dense(get("representation"), "pre_logits.fc"),
        **base.dense(get("coordinates"), "head"),
    }
    for index in range(net.num_layers):
        fusion = get(f"fusion_{index}")
        found |= base.matrix(fusion.kernel, fusion.bias, f"ts_attn.{index}")
        for first, stream in (("joint", "st"), ("frame", "ts")):
            name = f"blocks_{stream}.{index}"
            for kind, letter in (("joint", "s"), ("frame", "t")):
                block = get(f"{first}s_first_{kind}_block_{index}")
                found |= base.layer_norm(block.attention_norm, f"{name}.norm1_{letter}")
                found |= base.self_attention(block.attention, f"{name}.attn_{letter}")
                found |= base.layer_norm(block.feed_forward_norm, f"{name}.norm2_{letter}")
                found |= base.mlp(block.feed_forward, f"{name}.mlp_{letter}")
    return found
