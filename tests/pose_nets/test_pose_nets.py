"""Pose-nets: the shared check, published sizes, closed forms and names."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import pose_nets, skeletons
from keras_seal.errors import UserError
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {
    "SimpleBaseline": {"units": 24, "num_stages": 1},
    "SemGCN": {"filters": 8, "num_blocks": 1, "dropout": 0.2},
}


def keypoints(rng, frames=1, joints=17, channels=2, batch=6):
    return rng.uniform(-1, 1, (batch, frames, joints, channels)).astype("float32")


def count(net):
    return sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)


@pytest.mark.parametrize(
    "name, options, skeleton, frames, channels",
    [
        ("SimpleBaseline", {}, "coco_17", 3, 3),
        ("SemGCN", {"non_local": True}, "coco_17", 3, 3),
    ],
)
def test_shared_check(name, options, skeleton, frames, channels, rng, tmp_path):
    options = {**SMALL[name], **options, "num_frames": frames, "input_channels": channels}

    def make(**more):
        return pose_nets.get(name, skeleton=skeleton, **options, **more)

    x = keypoints(rng, frames, 17, channels)
    net = check_pose_net(make, x, tmp_path)
    assert net.skeleton == skeletons.get(skeleton)


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("simple_baseline", {}, 4_291_632),
        ("simple_baseline_large", {}, 25_372_720),
        ("sem_gcn", {}, 267_343),
        ("sem_gcn_non_local", {}, 434_703),
        ("SemGCN", {"filters": 32, "num_blocks": 2}, 9_271),
        ("SemGCN", {"filters": 32, "num_blocks": 2, "non_local": True}, 15_943),
        ("SimpleBaseline", {"units": 64, "num_stages": 2}, 22_512),
        ("SimpleBaseline", {"units": 64, "num_stages": 3}, 31_088),
    ],
)
def test_published_parameter_counts(name, options, expected):
    assert count(pose_nets.get(name, skeleton="human36m_16", **options)) == expected


@pytest.mark.parametrize("name", SMALL)
def test_each_frame_is_lifted_alone(name, rng):
    windows = pose_nets.get(name, skeleton="human36m_17", num_frames=3, **SMALL[name])
    single = pose_nets.get(name, skeleton="human36m_17", **SMALL[name])
    randomize(windows)
    single.set_weights(windows.get_weights())
    x = keypoints(rng, frames=3)
    together = to_numpy(forward(windows, [x]))
    for frame in range(3):
        alone = to_numpy(forward(single, [x[:, frame : frame + 1]]))
        np.testing.assert_allclose(together[:, frame : frame + 1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("skeleton", ["hand_21", "h3wb_133"])
def test_other_skeletons(name, skeleton, rng):
    options = {**SMALL[name], "non_local": True} if name == "SemGCN" else SMALL[name]
    net = pose_nets.get(name, skeleton=skeleton, **options)
    joints = net.skeleton.num_joints
    poses = to_numpy(forward(net, [keypoints(rng, joints=joints, batch=2)]))
    assert poses.shape == (2, 1, joints, 3)
    np.testing.assert_allclose(poses[:, :, list(net.skeleton.origin)].mean(2), 0, atol=1e-5)


def weights_by_name(net):
    return {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}


def test_simple_baseline_against_numpy(rng):
    net = pose_nets.SimpleBaseline("human36m_17", units=16, num_stages=2)
    randomize(net)
    w = weights_by_name(net)

    def block(x, name):
        x = x @ w[f"{name}_dense/kernel"] + w[f"{name}_dense/bias"]
        norm = f"{name}_norm"
        x = (x - w[f"{norm}/moving_mean"]) / np.sqrt(w[f"{norm}/moving_variance"] + 1e-5)
        return np.maximum(x * w[f"{norm}/gamma"] + w[f"{norm}/beta"], 0)

    x = keypoints(rng)
    h = block(x.reshape(len(x), -1).astype("float64"), "stem")
    for stage in range(2):
        h = h + block(block(h, f"stage_{stage}_a"), f"stage_{stage}_b")
    expected = (h @ w["coordinates/kernel"] + w["coordinates/bias"]).reshape(-1, 1, 17, 3)
    expected -= expected[:, :, :1]
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_sem_gcn_against_numpy(rng):
    net = pose_nets.SemGCN("human36m_17", filters=8, num_blocks=2)
    randomize(net)
    w = weights_by_name(net)
    edges = net.skeleton.adjacency + np.eye(17) > 0

    def conv(x, name):
        logits = np.full((17, 17), -np.inf)
        logits[edges] = w[f"{name}/edge_logits"]
        a = np.exp(logits)
        a /= a.sum(1, keepdims=True)
        kernel = w[f"{name}/kernel"]
        own = np.diag(a)[:, None] * (x @ kernel[0])
        others = (a - np.diag(np.diag(a))) @ (x @ kernel[1])
        return own + others + w[f"{name}/bias"]

    def block(x, name):
        x, norm = conv(x, f"{name}_conv"), f"{name}_norm"
        x = (x - w[f"{norm}/moving_mean"]) / np.sqrt(w[f"{norm}/moving_variance"] + 1e-5)
        return np.maximum(x * w[f"{norm}/gamma"] + w[f"{norm}/beta"], 0)

    x = keypoints(rng)
    h = block(x[:, 0].astype("float64"), "stem")
    for index in range(2):
        h = h + block(block(h, f"block_{index}_a"), f"block_{index}_b")
    expected = conv(h, "coordinates")[:, None]
    expected -= expected[:, :, :1]
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_batch_norm_follows_torch_conventions():
    net = pose_nets.SemGCN("human36m_17", filters=4, num_blocks=1)
    norms = [x for x in net.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 3
    assert all(norm.epsilon == 1e-5 and norm.momentum == 0.9 for norm in norms)


def test_initial_weights_have_the_published_spread():
    keras.utils.set_random_seed(0)
    sem_gcn = weights_by_name(pose_nets.SemGCN("human36m_16", filters=64, num_blocks=1))
    kernel = sem_gcn["block_0_a_conv/kernel"]
    limit = 1.414 * np.sqrt(6 / (64 * 64 + 2 * 64))
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    bias = sem_gcn["block_0_a_conv/bias"]
    assert 0.8 / 8 < np.abs(bias).max() <= 1 / 8
    assert np.ptp(kernel[0] - kernel[1]) > 0
    dense = weights_by_name(pose_nets.SimpleBaseline("human36m_16", units=256, num_stages=1))
    kernel = dense["stage_0_a_dense/kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / 256), rtol=0.05)


def test_names_and_presets():
    assert pose_nets.names() == sorted(pose_nets.names())
    assert {"SemGCN", "SimpleBaseline"} <= set(pose_nets.names())
    ours = [preset for name in pose_nets.names() for preset in getattr(pose_nets, name).presets]
    assert sorted(ours) == sorted(pose_nets.presets()) and len(set(ours)) == len(ours)
    net = pose_nets.from_preset("sem_gcn", "human36m_17", num_blocks=1, filters=8)
    assert isinstance(net, pose_nets.SemGCN) and net.num_blocks == 1
    net = pose_nets.SimpleBaseline.from_preset("simple_baseline", "human36m_17", units=8)
    assert net.units == 8 and net.num_stages == 2


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: pose_nets.get("SemGNC", skeleton="coco_17"), "Did you mean 'SemGCN'"),
        (lambda: pose_nets.from_preset("sem_gnc", "coco_17"), "Did you mean 'sem_gcn'"),
        (lambda: pose_nets.SemGCN.from_preset("simple_baseline", "coco_17"), "no preset"),
        (lambda: pose_nets.SemGCN("human36m_71"), "human36m_17"),
    ],
)
def test_unknown_names_are_the_users_to_mend(call, message):
    with pytest.raises(UserError, match=message):
        call()


@pytest.mark.parametrize(
    "name, options",
    [
        ("SemGCN", {"num_frames": 0}),
        ("SemGCN", {"input_channels": 4}),
        ("SemGCN", {"num_blocks": -1}),
        ("SimpleBaseline", {"num_stages": "two"}),
        ("SimpleBaseline", {"units": 0}),
    ],
)
def test_senseless_numbers_are_refused(name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        pose_nets.get(name, skeleton="coco_17", **options)


def test_wrong_joint_count_is_refused(rng):
    net = pose_nets.SemGCN("human36m_17", filters=4, num_blocks=1)
    with pytest.raises(ValueError, match="17"):
        net(ops.convert_to_tensor(keypoints(rng, joints=16)))
