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
from tests.interop.test_convolutional import linear_net, run_linear_net

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


@pytest.fixture(scope="module")
def standardised(tmp_path_factory):
    """A small checkpoint of 3d_pose_baseline_pytorch, and its statistics."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("standardised")
    arrays = linear_net(rng, 32, 48)
    torch.save({"state_dict": {n: torch.tensor(a) for n, a in arrays.items()}}, folder / "a.tar")
    statistics = {
        "keypoint_mean": rng.uniform(400, 600, (16, 2)),
        "keypoint_deviation": rng.uniform(50, 150, (16, 2)),
        "pose_mean": rng.uniform(-300, 300, (16, 3)),
        "pose_deviation": rng.uniform(100, 900, (16, 3)),
        "image_size": np.array([1000, 1002]),
    }
    np.savez(folder / "statistics.npz", **statistics)
    return folder, arrays, statistics


def test_statistics_make_metres(standardised, tmp_path, rng):
    folder, arrays, statistics = standardised
    out, common = tmp_path / "a.keras", [folder / "a.tar", "--pose-net", "SimpleBaseline"]
    refused = call(*common, "--out", out)
    assert refused.exit_code == 2 and "--statistics" in refused.output
    done = call(*common, "--out", out, "--statistics", folder / "statistics.npz")
    assert done.exit_code == 0, done.output
    net = keras.models.load_model(out)
    assert net.skeleton.name == "human36m_17"
    assert net.provenance["statistics"] == "statistics.npz"
    assert len(net.provenance["statistics_sha256"]) == 64
    # By the definition: standardise the pixels, and undo it on the poses.
    x = rng.uniform(-1, 1, (3, 1, 17, 2)).astype("float32")
    pixels = np.delete((x[:, 0] + [1.0, 1.002]) * 500, 9, axis=1)
    seen = (pixels - statistics["keypoint_mean"]) / statistics["keypoint_deviation"]
    poses = run_linear_net(arrays, seen.reshape(3, -1)).reshape(3, 16, 3)
    expected = (poses * statistics["pose_deviation"] + statistics["pose_mean"]) / 1000
    result = to_numpy(forward(net, [x]))[:, 0, 1:]
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pose_mean": None}, "holds image_size, keypoint_deviation"),
        ({"mean": np.zeros(3)}, "Statistics of a SimpleBaseline are the arrays keypoint_mean"),
        ({"pose_mean": np.zeros((17, 3))}, "`pose_mean` has shape (16, 3)"),
        ({"pose_deviation": np.zeros((16, 3))}, "positive everywhere"),
        ({"image_size": np.array([1000])}, "width and height"),
        ({"image_size": np.array(["a", "b"])}, "`image_size` holds numbers"),
        (b"text", "is not an .npz file of plain arrays"),
        (None, "There is no file"),
    ],
)
def test_wrong_statistics_are_named(standardised, tmp_path, change, sentence):
    folder, _, statistics = standardised
    path = tmp_path / "s.npz"
    if isinstance(change, bytes):
        path.write_bytes(change)
    elif change is not None:
        arrays = {**statistics, **change}
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(UserError) as told:
        converting.convert(folder / "a.tar", "SimpleBaseline", statistics=path)
    assert sentence in str(told.value)


def test_stages_in_two_files(tmp_path, checkpoint):
    truth = pose_nets.JointFormer(
        "human36m_17", channels=8, num_blocks=1, head_channels=2, hidden=8
    )
    randomize(truth)
    parts = {"coarse": {}, "fine": {}}
    for name, target in interop.get("JointFormer").targets(truth).items():
        stage, entry = name.split(".", 1)
        array = to_numpy(target.variable)[target.part]
        array = array[..., None].swapaxes(0, 1) if entry == "embedding.weight" else array
        array = array.T if array.ndim == 2 else array
        parts[stage][entry] = torch.tensor(np.ascontiguousarray(array))
    for stage, state in parts.items():
        torch.save(state, tmp_path / f"{stage}.pth")
    paths = [tmp_path / "fine.pth", tmp_path / "coarse.pth"]
    done = call(*paths, "--pose-net", "joint_former", "--out", tmp_path / "a.keras")
    assert done.exit_code == 0, done.output
    net = keras.models.load_model(tmp_path / "a.keras")
    assert net.provenance["file"] == "fine.pth, coarse.pth"
    for ours, theirs in zip(net.weights, truth.weights, strict=True):
        if "seed" not in theirs.path:
            np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))
    with pytest.raises(UserError, match="alone"):
        converting.convert(paths[0], "JointFormer")
    with pytest.raises(UserError, match="in one file, but 2"):
        converting.convert([checkpoint, checkpoint], "ModulatedGCN")
    with pytest.raises(UserError, match="need no statistics"):
        converting.convert(checkpoint, "ModulatedGCN", statistics=checkpoint)
