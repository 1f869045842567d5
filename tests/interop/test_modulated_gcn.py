"""Modulated-GCN checkpoints: every name of both published trees finds its place."""

import numpy as np
import pytest

from keras_seal import pose_nets
from keras_seal.errors import UserError
from keras_seal.interop import base, modulated_gcn
from tests.checks import forward, to_numpy


def state_dict(rng, joints=17, filters=32, blocks=2, non_local=True):
    """Names and shapes of the published trees at a small size, random values."""
    arrays = {}

    def add(name, *shape):
        arrays[name] = rng.standard_normal(shape).astype("float32")

    def conv(name, inputs, outputs):
        add(f"{name}.W", 2, inputs, outputs)
        add(f"{name}.M", joints, outputs)
        add(f"{name}.adj2", joints, joints)
        add(f"{name}.bias", outputs)

    def norm(name):
        for entry in ("weight", "bias", "running_mean"):
            add(f"{name}.{entry}", filters)
        arrays[f"{name}.running_var"] = rng.uniform(0.5, 1.5, filters).astype("float32")
        arrays[f"{name}.num_batches_tracked"] = np.array(7)

    conv("gconv_input.0.gconv", 2, filters)
    norm("gconv_input.0.bn")
    for index in range(blocks):
        for half in ("gconv1", "gconv2"):
            conv(f"gconv_layers.{index}.{half}.gconv", filters, filters)
            norm(f"gconv_layers.{index}.{half}.bn")
    conv("gconv_output", filters, 3)
    if non_local:
        for name in ("g", "theta", "phi"):
            add(f"non_local.{name}.weight", filters // 2, filters, 1, 1)
            add(f"non_local.{name}.bias", filters // 2)
        add("non_local.W.0.weight", filters, filters // 2, 1, 1)
        add("non_local.W.0.bias", filters)
        norm("non_local.W.1")
    return arrays


def load(arrays):
    config = modulated_gcn.infer_config({name: value.shape for name, value in arrays.items()})
    net = pose_nets.ModulatedGCN(**config)
    report = base.load_state_dict(net, arrays, modulated_gcn.targets(net), modulated_gcn.IGNORED)
    return net, report


@pytest.mark.parametrize("joints, non_local, parameters", [(16, False, 13_139), (17, True, 15_692)])
def test_all_names_are_used(joints, non_local, parameters, rng):
    arrays = state_dict(rng, joints, non_local=non_local)
    net, report = load(arrays)
    assert net.skeleton.name == f"human36m_{joints}"
    assert net.non_local == non_local and net.num_blocks == 2 and net.filters == 32
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == parameters
    assert not report.missing
    assert all(name.endswith("num_batches_tracked") for name in report.skipped)
    assert set(report.used) | set(report.skipped) == set(arrays)


def test_outputs_follow_the_published_definition(rng):
    arrays = state_dict(rng, filters=8, blocks=1)
    # Moderate weights: deep random nets otherwise amplify rounding.
    matrices = (".W", ".weight", ".adj2")
    arrays = {n: v * (0.4 if n.endswith(matrices) else 1) for n, v in arrays.items()}
    net, _ = load(arrays)
    w = {name: value.astype("float64") for name, value in arrays.items()}
    graph = np.array(net.skeleton.adjacency, "float64")
    graph = graph / graph.sum(1, keepdims=True) + np.eye(17)

    def conv(x, name):
        a = graph + w[f"{name}.adj2"]
        a = (a + a.T) / 2
        out = np.zeros((*x.shape[:2], w[f"{name}.bias"].size))
        for i in range(17):
            for j in range(17):
                kernel = w[f"{name}.W"][0 if i == j else 1]
                out[:, i] += a[i, j] * w[f"{name}.M"][j] * (x[:, j] @ kernel)
        return out + w[f"{name}.bias"]

    def norm(x, name):
        x = (x - w[f"{name}.running_mean"]) / np.sqrt(w[f"{name}.running_var"] + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def block(x, name):
        return np.maximum(norm(conv(x, f"{name}.gconv"), f"{name}.bn"), 0)

    def linear(x, name):
        return x @ w[f"{name}.weight"][:, :, 0, 0].T + w[f"{name}.bias"]

    x = rng.uniform(-1, 1, (5, 1, 17, 2)).astype("float32")
    h = block(x[:, 0].astype("float64"), "gconv_input.0")
    h = h + block(block(h, "gconv_layers.0.gconv1"), "gconv_layers.0.gconv2")
    theta, phi, g = (linear(h, f"non_local.{name}") for name in ("theta", "phi", "g"))
    logits = theta @ phi.transpose(0, 2, 1)
    affinity = np.exp(logits - logits.max(-1, keepdims=True))
    affinity /= affinity.sum(-1, keepdims=True)
    h = h + norm(linear(affinity @ g, "non_local.W.0"), "non_local.W.1")
    expected = conv(h, "gconv_output")
    expected -= expected[:, :1]
    poses = to_numpy(forward(net, [x]))[:, 0]
    np.testing.assert_allclose(poses, expected, atol=1e-4 * np.abs(expected).max())


def test_what_does_not_fit_is_named(rng):
    arrays = state_dict(rng, non_local=False)
    net, _ = load(arrays)
    with pytest.raises(UserError, match=r"gconv_output\.W"):
        base.load_state_dict(
            net, {**arrays, "gconv_output.W": np.zeros((2, 32, 4))}, modulated_gcn.targets(net)
        )
    with pytest.raises(UserError, match="ModulatedGCN"):
        modulated_gcn.infer_config({"w1.weight": (4, 2)})
