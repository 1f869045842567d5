"""Published state dicts of MotionAGFormer and DSTformer, and what becomes of their units."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import cli, geometry, interop, pose_nets
from keras_seal.errors import UserError
from keras_seal.interop import converting
from tests.checks import forward, randomize, to_numpy
from tests.interop.published import batch_norm, check_conversion, linear, norm


def motion_ag_former(layers=2, channels=32, frames=9):
    shapes = {
        "pos_embed": (1, 17, channels),
        **linear("joints_embed", channels, 3),
        **norm("norm", channels),
        **linear("rep_logit.fc", 64, channels),
        **linear("head", 3, 64),
    }
    for index in range(layers):
        layer = f"layers.{index}"
        shapes |= linear(f"{layer}.fusion", 2, 2 * channels)
        for kind, nodes in (("spatial", 17), ("temporal", frames)):
            for stream in ("att", "graph"):
                block = f"{layer}.{stream}_{kind}"
                shapes[f"{block}.layer_scale_1"] = shapes[f"{block}.layer_scale_2"] = (channels,)
                shapes |= norm(f"{block}.norm1", channels) | norm(f"{block}.norm2", channels)
                shapes |= linear(f"{block}.mlp.fc1", 4 * channels, channels)
                shapes |= linear(f"{block}.mlp.fc2", channels, 4 * channels)
            mixer = f"{layer}.att_{kind}.mixer"
            shapes[f"{mixer}.qkv.weight"] = (3 * channels, channels)
            shapes |= linear(f"{mixer}.proj", channels, channels)
            mixer = f"{layer}.graph_{kind}.mixer"
            shapes |= linear(f"{mixer}.U", channels, channels)
            shapes |= linear(f"{mixer}.V", channels, channels)
            shapes |= batch_norm(f"{mixer}.batch_norm", nodes)
    return shapes


def dstformer(ratio, layers=2, channels=32, frames=27):
    shapes = {
        "temp_embed": (1, frames, 1, channels),
        "pos_embed": (1, 17, channels),
        **linear("joints_embed", channels, 3),
        **norm("norm", channels),
        **linear("pre_logits.fc", 64, channels),
        **linear("head", 3, 64),
    }
    for index in range(layers):
        shapes |= linear(f"ts_attn.{index}", 2, 2 * channels)
        for stream in ("st", "ts"):
            block = f"blocks_{stream}.{index}"
            for kind in ("s", "t"):
                shapes |= norm(f"{block}.norm1_{kind}", channels)
                shapes |= norm(f"{block}.norm2_{kind}", channels)
                shapes |= linear(f"{block}.attn_{kind}.qkv", 3 * channels, channels)
                shapes |= linear(f"{block}.attn_{kind}.proj", channels, channels)
                shapes |= linear(f"{block}.mlp_{kind}.fc1", ratio * channels, channels)
                shapes |= linear(f"{block}.mlp_{kind}.fc2", channels, ratio * channels)
    return shapes


def test_motion_ag_former():
    check_conversion(
        "MotionAGFormer",
        motion_ag_former(),
        96_719,
        skeleton="human36m_17",
        num_frames=9,
        channels=32,
        num_layers=2,
        mlp_ratio=4.0,
        graph="published",
        representation=64,
        input_channels=3,
    )
    with pytest.raises(UserError, match="not the weights of a DSTformer"):
        interop.get("DSTformer").infer_config(motion_ag_former())


@pytest.mark.parametrize("ratio, parameters", [(2, 72_519), (4, 105_799)])
def test_dstformer(ratio, parameters):
    check_conversion(
        "DSTformer",
        dstformer(ratio),
        parameters,
        # Any number of frames up to the embedded ones.
        options={"num_frames": 5},
        skeleton="human36m_17",
        num_frames=27,
        max_frames=27,
        channels=32,
        num_layers=2,
        mlp_ratio=float(ratio),
        representation=64,
        input_channels=3,
    )
    with pytest.raises(UserError, match="not the weights of a MotionAGFormer"):
        interop.get("MotionAGFormer").infer_config(dstformer(ratio))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint as MotionBERT's training writes it, and the net it is of."""
    torch = pytest.importorskip("torch")
    net = pose_nets.DSTformer(
        "human36m_17",
        num_frames=3,
        max_frames=3,
        channels=8,
        num_layers=1,
        representation=8,
        root="subtract",
        input_channels=3,
    )
    randomize(net)
    state = {}
    for name, target in interop.get("DSTformer").targets(net).items():
        array = to_numpy(target.variable)
        array = array.T if array.ndim == 2 and name.endswith("weight") else array
        array = array[None] if name == "pos_embed" else array
        array = array[None, :, None] if name == "temp_embed" else array
        state[f"module.{name}"] = torch.tensor(array.copy())
    path = tmp_path_factory.mktemp("motionbert") / "best_epoch.bin"
    torch.save({"epoch": 60, "lr": 1e-4, "model_pos": state, "min_loss": 37.2}, path)
    return path, net


def convert(path, *options):
    arguments = ["convert", path, "--pose-net", "DSTformer", *options]
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


def test_convert_gives_a_lifter_in_metres(checkpoint, tmp_path, rng):
    path, truth = checkpoint
    out = tmp_path / "lifter.keras"
    scale = ("--set", "mean_bone_length=0.26", "--set", "focal_length=2.3")
    done = convert(path, "--out", out, *scale, "--set", "root=subtract")
    assert done.exit_code == 0, done.output
    assert "ImageSpaceAdapter of DSTformer with" in done.output
    assert "by mean_bone_length=0.26, focal_length=2.3" in done.output
    net = keras.models.load_model(out)
    x = rng.uniform(-1, 1, (2, 3, 17, 3)).astype("float32")
    poses = to_numpy(forward(net, [x]))
    adapter = pose_nets.ImageSpaceAdapter(truth, mean_bone_length=0.26, focal_length=2.3)
    np.testing.assert_allclose(poses, to_numpy(forward(adapter, [x])), rtol=1e-4, atol=1e-5)
    lengths = geometry.bone_lengths(poses, "human36m_17").mean(-1)
    np.testing.assert_allclose(lengths, 0.26, rtol=1e-4)
    assert "half its width" in net.provenance["normalisation"]
    assert net.provenance["licence"].startswith("Apache-2.0")
    # Not even a preset knows how large a body is.
    done = convert(path, "--out", tmp_path / "other.keras")
    assert done.exit_code == 2 and "no image tells how large a body is" in done.output
    assert not (tmp_path / "other.keras").exists()


def test_a_factor_and_keypoints_without_confidence(checkpoint, rng):
    path, truth = checkpoint
    options = {"metres_per_unit": 2.0, "input_channels": 2, "root": "subtract"}
    net = converting.convert(path, "dstformer", options=options).net
    assert net.input_shape == (None, 3, 17, 2) and net.metres_per_unit == 2.0
    x = rng.uniform(-1, 1, (2, 3, 17, 3)).astype("float32")
    x[..., 2] = 1.0
    expected = 2.0 * to_numpy(forward(truth, [x]))
    found = to_numpy(forward(net, [x[..., :2]]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
