"""Checkpoints of the public D3DP repository."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from keras_seal.interop import base, mix_ste
from keras_seal.interop.shapes import METRES, Shapes, shape_of

NAME = "D3DP"
LICENCE = (
    "MIT on the repository, but its diffusion code says that it comes from DiffusionDet, whose"
    " licence is CC BY-NC 4.0: ask before using the weights commercially"
)
NORMALISATION = METRES
_PREFIX = "pose_estimator."
IGNORED: dict[str, str] = {
    r"(log_one_minus_|sqrt_one_minus_|sqrt_recip_|sqrt_recipm1_|sqrt_)?alphas_cumprod(_prev)?"
    r"|betas|posterior_(variance|log_variance_clipped|mean_coef[12])": (
        "the schedule of the noise, which the net computes itself"
    ),
}


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `D3DP`. Heads leave no trace in the weights, nor do hypotheses and steps: 8
        heads, and one hypothesis of one step.

    Raises:
        UserError: If these are not the weights of a D3DP.
    """
    shape_of(shapes, f"{_PREFIX}time_mlp.1.weight", NAME)
    bare = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items()}
    config = mix_ste.infer_config(bare)
    # Three of the channels are the noisy pose's.
    return {**config, "input_channels": config["input_channels"] - 3}


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `D3DP`.

    Returns:
        Target by name.
    """
    get = net.denoiser.get_layer
    level = get("level_feed_forward")
    found = {
        **base.dense(get("stem"), "Spatial_patch_to_embedding"),
        "Spatial_pos_embed": base.as_is(get("joint_embedding").embedding),
        "Temporal_pos_embed": base.as_is(get("frame_embedding").embedding),
        **base.dense(level.expand, "time_mlp.1"),
        **base.dense(level.contract, "time_mlp.3"),
        **mix_ste.blocks_and_head(SimpleNamespace(get_layer=get, num_blocks=net.num_blocks)),
    }
    return {f"{_PREFIX}{name}": target for name, target in found.items()}
