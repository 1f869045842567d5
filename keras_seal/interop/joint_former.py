"""Checkpoints of JointFormer in H3WB's repository: a coarse file, and a fine one to go with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_seal.errors import UserError
from keras_seal.interop import base
from keras_seal.interop.shapes import Shapes, count, published_skeleton, shape_of

NAME = "JointFormer"
LICENCE = "MIT (H3WB's repository)"
NORMALISATION = (
    "keypoints: thousands of pixels, origin in the image's corner (the original calls it metres);"
    " poses: metres, camera space, relative to the middle of the hips"
)
IGNORED: dict[str, str] = {
    r"(coarse|fine)\.intermediate_enc\.\d+\..*": "feedback of the last pose, which nothing reads",
    r"coarse\.intermediate_error\.\d+\..*": "errors that the final pose does not depend on",
}


def join(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the weights of the stages, each of which has a file.

    Args:
        parts: Weights of the coarse stage, or of both in any order.

    Returns:
        All arrays, with `coarse.` or `fine.` in front of the names.

    Raises:
        UserError: If these are other weights, or the coarse stage's are not there once, or the fine
            one's are there twice.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for part in parts:
        _, features, *_ = shape_of({n: a.shape for n, a in part.items()}, "embedding.weight", NAME)
        stage = "fine" if features > 6 else "coarse"
        if stage in found:
            raise UserError(f"Two files hold the weights of a {stage} stage; one is needed.")
        found[stage] = part
    if "coarse" not in found:
        raise UserError(
            "The weights of the fine stage alone are no net: give those of the coarse one as well."
        )
    return {f"{stage}.{name}": a for stage, part in found.items() for name, a in part.items()}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, as `join` gives them.

    Returns:
        Arguments of `JointFormer`, the published skeleton of that many joints among them. How the
        attention's width splits into heads leaves no trace in the weights: the published 8.

    Raises:
        UserError: If these are not the weights of a JointFormer.
    """
    channels, features, _ = shape_of(shapes, "coarse.embedding.weight", NAME)
    inner, _ = shape_of(shapes, "coarse.layer_stack.0.slf_attn.w_qs.weight", NAME)
    outputs, _ = shape_of(shapes, "coarse.intermediate_pred.0.2.weight", NAME)
    return {
        "skeleton": published_skeleton(outputs // 3),
        "refine": any(name.startswith("fine.") for name in shapes),
        "channels": channels,
        "num_blocks": count(shapes, r"coarse\.layer_stack\.(\d+)"),
        "head_channels": inner // 8,
        "hidden": shape_of(shapes, "coarse.layer_stack.0.pos_ffn.w_1.weight", NAME)[0],
        "input_channels": features,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `JointFormer`.

    Returns:
        Target by name, as `join` gives them.
    """
    found: dict[str, base.Target] = {}
    for stage in ("coarse", "fine") if net.refine else ("coarse",):
        get = {
            layer.name.removeprefix(f"{stage}_"): layer
            for layer in net.layers
            if layer.name.startswith(f"{stage}_")
        }
        found |= base.dense(get["stem"], f"{stage}.embedding")
        found |= base.layer_norm(get["stem_norm"], f"{stage}.layer_norm")
        for index in range(net.num_blocks):
            block = f"{stage}.layer_stack.{index}"
            attention, feed_forward = get[f"{index}_attention"], get[f"{index}_feed_forward"]
            inner = net.num_heads * net.head_channels
            for place, name in enumerate(("w_qs", "w_ks", "w_vs")):
                columns = np.s_[:, place * inner : (place + 1) * inner]
                found[f"{block}.slf_attn.{name}.weight"] = base.Target(
                    attention.qkv.kernel, np.transpose, columns
                )
            found |= base.dense(attention.projection, f"{block}.slf_attn.fc")
            found |= base.layer_norm(get[f"{index}_attention_norm"], f"{block}.slf_attn.layer_norm")
            found |= base.dense(feed_forward.expand, f"{block}.pos_ffn.w_1")
            found |= base.dense(feed_forward.contract, f"{block}.pos_ffn.w_2")
            found |= base.layer_norm(
                get[f"{index}_feed_forward_norm"], f"{block}.pos_ffn.layer_norm"
            )
            heads = {"pose": "intermediate_pred", "error": "intermediate_error"}
            for ours, theirs in heads.items():
                if f"{index}_{ours}" in get:
                    theirs = f"{stage}.{theirs}.{index}"
                    found |= base.layer_norm(get[f"{index}_{ours}_norm"], f"{theirs}.0")
                    found |= base.dense(get[f"{index}_{ours}"], f"{theirs}.2")
            if f"{index}_feedback" in get:
                found |= base.dense(get[f"{index}_feedback"], f"{stage}.intermediate_enc.{index}")
    return found
