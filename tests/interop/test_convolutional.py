"""Checkpoints of SimpleBaseline, SemGCN, VideoPose3D, GraphMLP: all names used, units explicit."""

import numpy as np
import pytest
from scipy.special import erf

from keras_seal import pose_nets
from keras_seal.errors import UserError
from keras_seal.interop import base, graph_mlp, sem_gcn, simple_baseline, video_pose_3d
from keras_seal.pose_nets.graph_mlp import relation_graphs
from tests.checks import forward, to_numpy


class Weights(dict):
    """Random arrays by name, with the shapes that PyTorch's modules give."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng

    def add(self, name, *shape, scale=0.3):
        self[name] = (scale * self.rng.standard_normal(shape)).astype("float32")

    def linear(self, name, *shape, bias=True):
        self.add(f"{name}.weight", *shape)
        if bias:
            self.add(f"{name}.bias", shape[0])

    def norm(self, name, size):
        for entry in ("weight", "bias", "running_mean"):
            self.add(f"{name}.{entry}", size)
        self[f"{name}.running_var"] = self.rng.uniform(0.5, 1.5, size).astype("float32")
        self[f"{name}.num_batches_tracked"] = np.array(3)


def load(converter, arrays, **options):
    config = converter.infer_config({name: value.shape for name, value in arrays.items()})
    net = getattr(pose_nets, converter.NAME)(**{**config, **options})
    report = base.load_state_dict(net, arrays, converter.targets(net), converter.IGNORED)
    assert not report.missing
    assert all(name.endswith("num_batches_tracked") for name in report.skipped)
    assert set(report.used) | set(report.skipped) == set(arrays)
    return net


def linear_net(rng, inputs, outputs, units=24, stages=2):
    arrays = Weights(rng)
    arrays.linear("w1", units, inputs)
    arrays.norm("batch_norm1", units)
    for stage in range(stages):
        for number in (1, 2):
            arrays.linear(f"linear_stages.{stage}.w{number}", units, units)
            arrays.norm(f"linear_stages.{stage}.batch_norm{number}", units)
    arrays.linear("w2", outputs, units)
    return arrays


def run_linear_net(arrays, x, stages=2):
    w = {name: value.astype("float64") for name, value in arrays.items()}

    def block(x, linear, norm):
        x = x @ w[f"{linear}.weight"].T + w[f"{linear}.bias"]
        x = (x - w[f"{norm}.running_mean"]) / np.sqrt(w[f"{norm}.running_var"] + 1e-5)
        return np.maximum(x * w[f"{norm}.weight"] + w[f"{norm}.bias"], 0)

    h = block(x, "w1", "batch_norm1")
    for stage in range(stages):
        name = f"linear_stages.{stage}"
        inner = block(h, f"{name}.w1", f"{name}.batch_norm1")
        h = h + block(inner, f"{name}.w2", f"{name}.batch_norm2")
    return h @ w["w2.weight"].T + w["w2.bias"]


def test_simple_baseline_of_sem_gcns_repository(rng):
    arrays = linear_net(rng, 32, 45)
    net = load(simple_baseline, arrays)
    x = rng.uniform(-1, 1, (4, 1, 16, 2)).astype("float32")
    expected = run_linear_net(arrays, x.reshape(4, -1)).reshape(4, 15, 3)
    poses = to_numpy(forward(net, [x]))[:, 0]
    np.testing.assert_allclose(poses[:, 1:], expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(poses[:, 0], 0)


def test_standardised_weights_need_their_statistics(rng):
    arrays = linear_net(rng, 32, 48)
    with pytest.raises(UserError, match="to_metres"):
        load(simple_baseline, arrays)
    # And cannot slip in past the configuration either.
    net = pose_nets.SimpleBaseline("human36m_17", units=24)
    with pytest.raises(UserError, match="lacks"):
        base.load_state_dict(net, arrays, simple_baseline.targets(net))

    statistics = simple_baseline.Standardization(
        rng.uniform(400, 600, (16, 2)),
        rng.uniform(50, 150, (16, 2)),
        rng.uniform(-300, 300, (16, 3)),
        rng.uniform(100, 900, (16, 3)),
        (1000, 1002),
    )
    net = load(simple_baseline, simple_baseline.to_metres(arrays, statistics))
    assert net.skeleton.name == "human36m_17"
    x = rng.uniform(-1, 1, (4, 1, 17, 2)).astype("float32")
    pixels = np.stack([(x[..., 0] + 1) * 500, (x[..., 1] + 1.002) * 500], axis=-1)
    seen = np.delete(pixels[:, 0].astype("float64"), 9, axis=1)
    standardised = (seen - statistics.keypoint_mean) / statistics.keypoint_deviation
    poses = run_linear_net(arrays, standardised.reshape(4, -1)).reshape(4, 16, 3)
    expected = (poses * statistics.pose_deviation + statistics.pose_mean) / 1000
    result = to_numpy(forward(net, [x]))[:, 0]
    np.testing.assert_allclose(result[:, 1:], expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(result[:, 0], 0)
    # The nose is not looked at.
    x[:, :, 9] += 1
    np.testing.assert_allclose(to_numpy(forward(net, [x]))[:, 0], result, atol=1e-5)

    with pytest.raises(UserError, match="from 32 numbers to 48"):
        simple_baseline.to_metres(linear_net(rng, 32, 45), statistics)
    with pytest.raises(UserError, match="keypoint_mean"):
        simple_baseline.Standardization(np.ones((17, 2)), *([1.0] * 3))


@pytest.mark.parametrize("non_local, parameters", [(False, 9_271), (True, 15_943)])
def test_sem_gcn(non_local, parameters, rng):
    arrays = Weights(rng)

    def conv(name, inputs, outputs):
        arrays.add(f"{name}.W", 2, inputs, outputs)
        arrays.add(f"{name}.e", 1, 46)
        arrays.add(f"{name}.bias", outputs)

    def look_around(name):
        for part in ("g.0", "phi.0", "theta"):
            arrays.linear(f"{name}.nonlocal.{part}", 16, 32, 1)
        arrays.linear(f"{name}.nonlocal.concat_project.0", 1, 32, 1, 1, bias=False)
        arrays.linear(f"{name}.nonlocal.W.0", 32, 16, 1)
        arrays.norm(f"{name}.nonlocal.W.1", 32)

    conv("gconv_input.0.gconv", 2, 32)
    arrays.norm("gconv_input.0.bn", 32)
    if non_local:
        look_around("gconv_input.1")
    for index in range(2):
        place = 2 * index if non_local else index
        for half in ("gconv1", "gconv2"):
            conv(f"gconv_layers.{place}.{half}.gconv", 32, 32)
            arrays.norm(f"gconv_layers.{place}.{half}.bn", 32)
        if non_local:
            look_around(f"gconv_layers.{place + 1}")
    conv("gconv_output", 32, 3)
    net = load(sem_gcn, arrays)
    assert net.skeleton.name == "human36m_16" and net.num_blocks == 2
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == parameters
    logits = to_numpy(net.get_layer("coordinates").edge_logits)
    np.testing.assert_array_equal(logits, arrays["gconv_output.e"][0])


def test_video_pose_3d(rng):
    arrays = Weights(rng)
    arrays.linear("expand_conv", 32, 34, 3, bias=False)
    arrays.norm("expand_bn", 32)
    for index in range(2):
        arrays.linear(f"layers_conv.{index}", 32, 32, 1 if index else 3, bias=False)
        arrays.norm(f"layers_bn.{index}", 32)
    arrays.linear("shrink", 51, 32, 1)
    net = load(video_pose_3d, arrays)
    assert net.filter_widths == (3, 3) and net.num_frames == 9
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == 9_235

    w = {name: value.astype("float64") for name, value in arrays.items()}

    def block(x, conv, norm, dilation):
        weight = w[f"{conv}.weight"]
        length = len(x) - (weight.shape[2] - 1) * dilation
        out = np.stack(
            [sum(weight[:, :, k] @ x[t + k * dilation] for k in range(weight.shape[2]))
             for t in range(length)]
        )  # fmt: skip
        out = (out - w[f"{norm}.running_mean"]) / np.sqrt(w[f"{norm}.running_var"] + 1e-5)
        return np.maximum(out * w[f"{norm}.weight"] + w[f"{norm}.bias"], 0)

    x = rng.uniform(-1, 1, (2, 9, 17, 2)).astype("float32")
    for clip, pose in zip(x.astype("float64"), to_numpy(forward(net, [x])), strict=True):
        h = block(clip.reshape(9, 34), "expand_conv", "expand_bn", 1)
        inner = block(h, "layers_conv.0", "layers_bn.0", 3)
        h = h[3:4] + block(inner, "layers_conv.1", "layers_bn.1", 1)
        expected = (h @ w["shrink.weight"][:, :, 0].T + w["shrink.bias"]).reshape(17, 3)
        expected[0] = 0
        np.testing.assert_allclose(pose[0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("frames, parameters", [(1, 28_045), (9, 28_689)])
def test_graph_mlp(frames, parameters, rng):
    arrays = Weights(rng)
    arrays.add("A", 4, 17, 17)
    arrays.linear("embedding", 32, 2 * frames)
    for index in range(2):
        block = f"mlp_gcn.blocks.{index}"
        for name in ("adj", "gcn_1.adj", "gcn_2.adj"):
            arrays.add(f"{block}.{name}", 4, 17, 17)
        inner = ".0" if frames > 1 else ""
        arrays.linear(f"{block}.norm1", 17)
        arrays.linear(f"{block}.gcn_1.conv", 128, 32, 1, 1)
        arrays.linear(f"{block}.gcn_2.conv", 128, 32, 1, 1)
        arrays.linear(f"{block}.mlp_1.fc1{inner}", 16, 17)
        arrays.linear(f"{block}.mlp_1.fc2{inner}", 17, 16)
        if frames > 1:
            arrays.linear(f"{block}.mlp_1.fc1.1", 16)
            arrays.linear(f"{block}.mlp_1.fc2.1", 17)
        arrays.linear(f"{block}.norm2", 32)
        arrays.linear(f"{block}.mlp_2.fc1", 64, 32)
        arrays.linear(f"{block}.mlp_2.fc2", 32, 64)
    arrays.linear("mlp_gcn.norm", 32)
    arrays.linear("head", 3, 32)
    config = graph_mlp.infer_config({name: value.shape for name, value in arrays.items()})
    assert config["num_frames"] == frames and config["channel_units"] == 64
    net = pose_nets.GraphMLP(**config)
    report = base.load_state_dict(net, arrays, graph_mlp.targets(net), graph_mlp.IGNORED)
    assert not report.missing and len(report.skipped) == 7
    assert set(report.used) | set(report.skipped) == set(arrays)
    # The published sum counts the frozen graphs as well, 4 x 17 x 17.
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == parameters - 1156

    # One frame, by the definition: sources times graphs, weights of their own for each graph.
    if frames > 1:
        return
    w = {name: value.astype("float64") for name, value in arrays.items()}
    graphs = relation_graphs(net.skeleton).astype("float64")

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def mlp(x, name):
        hidden = linear(x, f"{name}.fc1")
        return linear(0.5 * hidden * (1 + erf(hidden / np.sqrt(2))), f"{name}.fc2")

    def graph(x, name):
        h = x @ w[f"{name}.conv.weight"][:, :, 0, 0].T + w[f"{name}.conv.bias"]
        return sum(graphs[k].T @ h[..., 32 * k : 32 * k + 32] for k in range(4))

    def swap(x):
        return x.swapaxes(-1, -2)

    x = rng.uniform(-1, 1, (3, 1, 17, 2)).astype("float32")
    h = linear(x[:, 0].astype("float64"), "embedding")
    for index in range(2):
        block = f"mlp_gcn.blocks.{index}"
        y = norm(swap(h), f"{block}.norm1")
        h = h + swap(mlp(y, f"{block}.mlp_1")) + graph(swap(y), f"{block}.gcn_1")
        y = norm(h, f"{block}.norm2")
        h = h + mlp(y, f"{block}.mlp_2") + graph(y, f"{block}.gcn_2")
    expected = linear(norm(h, "mlp_gcn.norm"), "head")
    expected[:, 0] = 0
    poses = to_numpy(forward(net, [x]))[:, 0]
    np.testing.assert_allclose(poses, expected, atol=1e-4 * np.abs(expected).max())
