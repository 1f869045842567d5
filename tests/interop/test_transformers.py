"""Published state dicts of the transformers: names, shapes and sizes."""

from __future__ import annotations

import pytest

from keras_seal import interop, pose_nets
from keras_seal.errors import UserError
from tests.interop.published import (
    batch_norm,
    check_conversion,
    linear,
    norm,
    transformer_blocks,
)


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


@pytest.mark.parametrize("frames_kept, parameters", [(3, 1_829_707), (1, 1_829_161)])
def test_pose_former_v2(frames_kept, parameters, monkeypatch):
    shapes = {
        "Spatial_pos_embed": (1, 17, 16),
        "Temporal_pos_embed": (1, frames_kept, 272),
        "Temporal_pos_embed_": (1, 3, 272),
        **linear("Joint_embedding", 16, 2),
        **linear("Freq_embedding", 272, 34),
        **transformer_blocks("Spatial_blocks", 2, 16),
        **norm("Spatial_norm", 16),
        **norm("Temporal_norm", 272),
        **linear("weighted_mean", 1, 3, 1),
        **linear("weighted_mean_", 1, frames_kept, 1),
        **norm("head.0", 544),
        **linear("head.1", 51, 544),
    }
    for name, shape in transformer_blocks("blocks", 2, 272).items():
        shapes[name.replace(".mlp.", ".mlp1.")] = shape
        if ".mlp." in name:
            shapes[name.replace(".mlp.", ".mlp2.")] = shape
        if ".norm2." in name:
            shapes[name.replace(".norm2.", ".norm3.")] = shape
    # The weights do not tell the number of frames, and the net does not guess.
    config = interop.get("PoseFormerV2").infer_config(shapes)
    with pytest.raises(UserError, match="num_frames"):
        pose_nets.PoseFormerV2(**config)
    check_conversion(
        "PoseFormerV2",
        shapes,
        parameters,
        options={"num_frames": 9},
        skeleton="human36m_17",
        frames_kept=frames_kept,
        coefficients_kept=3,
        joint_channels=16,
        num_blocks=2,
    )


def prior_attention(name, embedding, tokens, channels, convs):
    shapes = {
        f"{name}.attn.{embedding}": (1, tokens, channels),
        **norm(f"{name}.attn.norm1", channels),
        **linear(f"{name}.attn.qkv", 3 * channels, channels),
        **linear(f"{name}.attn.proj", channels, channels),
        **norm(f"{name}.norm2", channels),
        **linear(f"{name}.mlp.fc1", 2 * channels, channels),
        **linear(f"{name}.mlp.fc2", channels, 2 * channels),
    }
    for conv, inputs in convs.items():
        shapes |= {
            f"{name}.attn.{conv}.gconv.W": (2, inputs, channels),
            f"{name}.attn.{conv}.gconv.M": (tokens, channels),
            f"{name}.attn.{conv}.gconv.adj2": (tokens, tokens),
            f"{name}.attn.{conv}.gconv.bias": (channels,),
            **batch_norm(f"{name}.attn.{conv}.bn", channels),
        }
    return shapes


def test_ktp_former():
    shapes = {
        name: shape
        for name, shape in mixste().items()
        if "_pos_embed" not in name and "patch" not in name
    }
    shapes |= prior_attention("kpattention", "Spatial_pos_embed", 17, 32, {"kpa": 2})
    convs = {"tpa.gconv1": 32, "tpa.gconv2": 32}
    shapes |= prior_attention("tpattention", "Temporal_pos_embed", 9, 32, convs)
    check_conversion(
        "KTPFormer", shapes, 58_470, num_frames=9, channels=32, num_blocks=2, input_channels=2
    )


def annotated_layer(name, channels, hidden, *sizes):
    first, second = sizes or ((), ())
    shapes = {
        **linear(f"{name}.feed_forward.w_1", hidden, channels, *first),
        **linear(f"{name}.feed_forward.w_2", channels, hidden, *second),
    }
    for index in range(4):
        shapes |= linear(f"{name}.self_attn.linears.{index}", channels, channels)
    for index in range(2):
        shapes[f"{name}.sublayer.{index}.norm.a_2"] = (channels,)
        shapes[f"{name}.sublayer.{index}.norm.b_2"] = (channels,)
    return shapes


def pstmo_encoder(frames, blocks):
    shapes = {
        **linear("encoder.fc_1", 64, 34, 1),
        **batch_norm("encoder.bn_1", 64),
        **linear("encoder.fc_2", 32, 64, 1),
        "Transformer.pos_embedding": (1, frames, 32),
        "Transformer.model.norm.a_2": (32,),
        "Transformer.model.norm.b_2": (32,),
    }
    for index in (1, 2):
        shapes |= linear(f"encoder.layers.0.w{index}", 64, 64, 1)
        shapes |= batch_norm(f"encoder.layers.0.batch_norm{index}", 64)
    for index in range(blocks):
        shapes |= annotated_layer(f"Transformer.model.layers.{index}", 32, 64)
    return shapes


@pytest.mark.parametrize("frames, blocks, parameters", [(9, 2, 72_806), (27, 3, 83_654)])
def test_pstmo(frames, blocks, parameters):
    shapes = {
        **pstmo_encoder(frames, blocks),
        "Transformer_reduce.model.norm.a_2": (32,),
        "Transformer_reduce.model.norm.b_2": (32,),
        **batch_norm("fcn.0", 32),
        **linear("fcn.1", 51, 32, 1),
        **batch_norm("fcn_1.0", 32),
        **linear("fcn_1.1", 51, 32, 1),
    }
    for index in range(3):
        shapes[f"Transformer_reduce.model.pos_embedding_{index + 1}"] = (1, frames, 32)
        name = f"Transformer_reduce.model.layers.{index}"
        shapes |= annotated_layer(name, 32, 64, (1,), (3,))
    # Published, less the two norms that are never applied.
    check_conversion(
        "PSTMO",
        shapes,
        parameters - 4 * 32,
        options={"out_frames": frames},
        num_frames=frames,
        channels=32,
        hidden=64,
        num_blocks=blocks,
    )
    # With the centre frame alone, the entries of the others are left out by name.
    centre = parameters - 4 * 32 - (2 * 32 + 51 * 33)
    check_conversion("PSTMO", shapes, centre, skeleton="human36m_17")
