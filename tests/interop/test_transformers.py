"""Published state dicts of the transformers: names, shapes and sizes."""

from __future__ import annotations

import pytest

from keras_seal import interop
from keras_seal.errors import UserError
from tests.interop.published import check_conversion, linear, norm, transformer_blocks


def mixste(channels=32, blocks=2, frames=9, inputs=2):
    return {
        "Spatial_pos_embed": (1, 17, channels),
        "Temporal_pos_embed": (1, frames, channels),
        **linear("Spatial_patch_to_embedding", channels, inputs),
        **transformer_blocks("STEblocks", blocks, channels),
        **transformer_blocks("TTEblocks", blocks, channels),
        **norm("Spatial_norm", channels),
        **norm("Temporal_norm", channels),
        **norm("head.0", channels),
        **linear("head.1", 3, channels),
    }


def test_pose_former():
    shapes = {
        "Spatial_pos_embed": (1, 17, 16),
        "Temporal_pos_embed": (1, 9, 272),
        **linear("Spatial_patch_to_embedding", 16, 2),
        **transformer_blocks("Spatial_blocks", 2, 16),
        **transformer_blocks("blocks", 2, 272),
        **norm("Spatial_norm", 16),
        **norm("Temporal_norm", 272),
        **linear("weighted_mean", 1, 9, 1),
        **norm("head.0", 272),
        **linear("head.1", 51, 272),
    }
    check_conversion(
        "PoseFormer",
        shapes,
        1_211_997,
        skeleton="human36m_17",
        num_frames=9,
        joint_channels=16,
        num_blocks=2,
        mlp_ratio=2.0,
        input_channels=2,
    )


def test_mixste():
    net, _ = check_conversion(
        "MixSTE", mixste(), 35_395, skeleton="human36m_17", num_frames=9, channels=32, num_blocks=2
    )
    assert net.num_heads == 8
    with pytest.raises(UserError, match="not the weights of a PoseFormer"):
        interop.get("PoseFormer").infer_config(mixste())
