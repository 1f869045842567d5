"""`keras-seal convert`: a published checkpoint becomes a `.keras` file that tells its origin."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import cli, interop, pose_nets
from keras_seal.errors import UserError
from keras_seal.interop import converting
from tests.checks import forward, randomize, to_numpy

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def truth():
    net = pose_nets.ModulatedGCN("human36m_16", filters=8, num_blocks=1)
    randomize(net)
    return net


def state_dict(net):
    """Arrays by published names; every entry of this net is laid out as its variable is."""
    converter = interop.get("ModulatedGCN")
    arrays = {name: to_numpy(target.variable) for name, target in converter.targets(net).items()}
    return {f"module.{name}": torch.tensor(array) for name, array in arrays.items()}


@pytest.fixture
def checkpoint(truth, tmp_path):
    content = {
        "epoch": 6,
        "error": 38.45,
        "state_dict": {**state_dict(truth), "module.bn.num_batches_tracked": torch.tensor(3)},
        "optimizer": np.random.RandomState(0),
    }
    torch.save(content, tmp_path / "net.pth.tar")
    return tmp_path / "net.pth.tar"


def call(*arguments):
    return CliRunner().invoke(cli.main, ["convert", *map(str, arguments)])


def test_convert(truth, checkpoint, tmp_path, rng):
    out = tmp_path / "lifter.keras"
    done = call(checkpoint, "--pose-net", "ModulatedGCN", "--out", out)
    assert done.exit_code == 0, done.output
    used = len(state_dict(truth))
    for said in (
        f"ModulatedGCN with {truth.count_params():,} parameters: {used} entries used.",
        "Skipped 1 (a counter of PyTorch's batch normalisation, not a weight)",
        "Not read, for reading them would run code in the file (nothing was run):",
        "normalisation: keypoints: x in [-1, 1]",
        "skeleton: human36m_16",
        f"Written: {out}",
    ):
        assert said in done.output
    net = keras.models.load_model(out)
    x = rng.uniform(-1, 1, (3, 1, 16, 2)).astype("float32")
    np.testing.assert_allclose(
        to_numpy(forward(net, [x])), to_numpy(forward(truth, [x])), atol=1e-6
    )
    assert net.provenance["file"] == "net.pth.tar"
    assert net.provenance["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (net.provenance["checkpoint_epoch"], net.provenance["checkpoint_error"]) == (6, 38.45)
    # What is there already stays.
    again = call(checkpoint, "--pose-net", "ModulatedGCN", "--out", out)
    assert again.exit_code == 2 and "nothing is written over" in again.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pose-net", "ModulatedGC"], "Did you mean 'ModulatedGCN'?"),
        (["--pose-net", "ModulatedGCN", "--key", "sate_dict"], "Did you mean 'state_dict'?"),
        (["--pose-net", "ModulatedGCN", "--set", "filters=9"], "is expected"),
        (["--pose-net", "ModulatedGCN", "--skeleton", "human36m_17"], "is expected"),
    ],
)
def test_what_does_not_fit_is_refused(checkpoint, tmp_path, arguments, sentence):
    out = tmp_path / "lifter.keras"
    done = call(checkpoint, *arguments, "--out", out)
    assert done.exit_code == 2
    assert sentence in done.output and "Traceback" not in done.output
    assert not out.exists()
    assert call(checkpoint, "--pose-net", "ModulatedGCN", "--out", "a.h5").exit_code == 2


def test_missing_weights_are_said(truth, tmp_path):
    state = state_dict(truth)
    lost = "module.gconv_output.bias"
    del state[lost]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"the state dict lacks 'gconv_output\.bias'"):
        converting.convert(tmp_path / "a.pth", "ModulatedGCN")
    done = converting.convert(tmp_path / "a.pth", "ModulatedGCN", allow_missing=True)
    assert done.report.missing == ("gconv_output.bias",)
    assert "Missing, left at their start: gconv_output.bias" in done.lines()
