"""Published state dicts of H3WB's baselines: names, shapes, sizes, and stages in files apart."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import interop
from keras_seal.errors import UserError
from keras_seal.interop import joint_former, large_simple_baseline, simple_baseline
from tests.interop.published import batch_norm, check_conversion, linear, norm


def stage(inputs, errors, joints=17, channels=32, blocks=2, inner=64, hidden=64):
    flat = joints * channels
    shapes = {**linear("embedding", channels, inputs, 1), **norm("layer_norm", channels)}
    for index in range(blocks):
        attention, fed = f"layer_stack.{index}.slf_attn", f"layer_stack.{index}.pos_ffn"
        for name in ("w_qs", "w_ks", "w_vs"):
            shapes[f"{attention}.{name}.weight"] = (inner, channels)
        shapes[f"{attention}.fc.weight"] = (channels, inner)
        shapes |= norm(f"{attention}.layer_norm", channels) | norm(f"{fed}.layer_norm", channels)
        shapes |= linear(f"{fed}.w_1", hidden, channels) | linear(f"{fed}.w_2", channels, hidden)
        for head in ("pred", "error") if errors else ("pred",):
            shapes |= norm(f"intermediate_{head}.{index}.0", flat)
            shapes |= linear(f"intermediate_{head}.{index}.2", 3 * joints, flat)
        shapes |= linear(f"intermediate_enc.{index}", flat, 3 * joints)
    return shapes


def size(shapes):
    return sum(int(np.prod(shape)) for shape in shapes.values())


def prefixed(shapes, name):
    return {f"{name}.{entry}": value for entry, value in shapes.items()}


@pytest.mark.parametrize("refine", [False, True])
def test_joint_former(refine):
    coarse, fine = stage(2, True), stage(8, False)
    assert (size(coarse), size(fine)) == (197_292, 139_718)
    shapes = prefixed(coarse, "coarse") | (prefixed(fine, "fine") if refine else {})
    head, feedback = 2 * 544 + 544 * 51 + 51, 51 * 544 + 544
    total = size(shapes) - (2 * feedback + head if refine else feedback + 2 * head)
    net, state = check_conversion(
        "JointFormer",
        shapes,
        total,
        options={"num_heads": 4, "head_channels": 16},
        skeleton="human36m_17",
        refine=refine,
        channels=32,
        num_blocks=2,
        head_channels=8,
        hidden=64,
        input_channels=2,
    )
    # Queries, keys and values side by side.
    kernel = np.asarray(net.get_layer("coarse_1_attention").qkv.get_weights()[0])
    for place, name in enumerate(("w_qs", "w_ks", "w_vs")):
        theirs = state[f"module.coarse.layer_stack.1.slf_attn.{name}.weight"]
        np.testing.assert_array_equal(kernel[:, 64 * place : 64 * place + 64], theirs.T)


def test_stages_are_told_apart(rng):
    coarse, fine = (
        {name: rng.standard_normal(shape) for name, shape in stage(inputs, errors).items()}
        for inputs, errors in ((2, True), (8, False))
    )
    one, other = joint_former.join([coarse, fine]), joint_former.join([fine, coarse])
    assert set(one) == set(other) == {*prefixed(coarse, "coarse"), *prefixed(fine, "fine")}
    np.testing.assert_array_equal(one["fine.embedding.bias"], fine["embedding.bias"])
    assert set(joint_former.join([coarse])) == set(prefixed(coarse, "coarse"))
    with pytest.raises(UserError, match="alone"):
        joint_former.join([fine])
    with pytest.raises(UserError, match="Two files"):
        joint_former.join([coarse, coarse])
    with pytest.raises(UserError, match="not the weights of a JointFormer"):
        joint_former.join([{"w1.weight": np.zeros((2, 2))}])


@pytest.mark.parametrize("joints", [17, 133])
def test_large_simple_baseline(joints):
    units = 64
    shapes = {**linear("upscale", units, 2 * joints), **linear("pose3d", 3 * joints, units)}
    for stage in (1, 2, 3):
        for half in (1, 2):
            shapes |= linear(f"res_{stage}.l{half}", units, units)
    total = size(shapes)
    skeleton = "human36m_17" if joints == 17 else "h3wb_133"
    expected = {"skeleton": skeleton, "units": units, "num_stages": 3, "input_channels": 2}
    check_conversion("LargeSimpleBaseline", shapes, total, **expected)


@pytest.mark.parametrize("joints", [17, 133])
def test_simple_baseline(joints):
    units = 64
    shapes = {**linear("upscale", units, 2 * joints), **linear("outputlayer", 3 * joints, units)}
    for number in range(1, 5):
        shapes |= linear(f"fc{number}", units, units) | batch_norm(f"bn{number}", units)
    statistics = [name for name in shapes if "running" in name or "tracked" in name]
    total = size({name: shape for name, shape in shapes.items() if name not in statistics})
    expected = {
        "skeleton": "human36m_17" if joints == 17 else "h3wb_133",
        "units": units,
        "num_stages": 2,
        "input_channels": 2,
        "linear_stem": True,
    }
    check_conversion("SimpleBaseline", shapes, total, **expected)
    # Not to be taken for the weights of the nets that have some of these names.
    assert simple_baseline.origin(shapes) == ("MIT (H3WB's repository)",
                                              large_simple_baseline.NORMALISATION)  # fmt: skip
    with pytest.raises(UserError, match="not the weights of a LargeSimpleBaseline"):
        large_simple_baseline.infer_config(shapes)


@pytest.mark.parametrize("name", interop.names())
def test_every_converter_tells_licence_and_units(name):
    converter = interop.get(name)
    assert converter.LICENCE and converter.NORMALISATION.startswith("keypoints")
