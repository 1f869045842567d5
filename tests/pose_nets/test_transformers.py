"""Pose-nets made of transformers: the shared check, sizes, closed forms and symmetries."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import pose_nets
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {
    "PoseFormer": {"num_frames": 3, "joint_channels": 4, "num_blocks": 2, "num_heads": 2},
    "MixSTE": {"num_frames": 3, "channels": 8, "num_blocks": 2, "num_heads": 2},
}


def keypoints(rng, net, batch=4):
    return rng.uniform(-1, 1, (batch, *net.input.shape[1:])).astype("float32")


def weights_of(net):
    return {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}


def set_weights(net, part, value):
    for weight in net.weights:
        if part in weight.path:
            weight.assign(np.full(weight.shape, value, "float32"))


def close_branches(net):
    """Make the identity of all transformer blocks."""
    for end in ("projection", "contract"):
        set_weights(net, f"{end}/kernel", 0.0)
        set_weights(net, f"{end}/bias", 0.0)


def layer_norm(x, w, name, epsilon=1e-6):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon)
    return x * w[f"{name}/gamma"] + w[f"{name}/beta"]


@pytest.mark.parametrize("name", SMALL)
def test_shared_check(name, rng, tmp_path):
    options = {**SMALL[name], "input_channels": 3}

    def make(**more):
        return pose_nets.get(name, skeleton="coco_17", **options, **more)

    x = rng.uniform(-1, 1, (4, options["num_frames"], 17, 3)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("pose_former_81", {}, 9_602_885),
        ("pose_former_9", {"joint_channels": 16, "num_blocks": 2}, 1_211_997),
        ("mixste_27", {"channels": 32, "num_blocks": 2}, 35_971),
    ],
)
def test_published_parameter_counts(name, options, expected):
    net = pose_nets.from_preset(name, "human36m_17", **options)
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == expected


def test_pose_former_without_branches_is_a_weighted_mean_of_frames(rng):
    net = pose_nets.PoseFormer("human36m_17", **SMALL["PoseFormer"])
    randomize(net)
    close_branches(net)
    x, w = keypoints(rng, net), weights_of(net)
    h = x @ w["stem/kernel"] + w["stem/bias"] + w["joint_embedding/embedding"]
    h = layer_norm(h, w, "joint_norm").reshape(4, 3, -1)
    h = layer_norm(h + w["frame_embedding/embedding"], w, "frame_norm")
    h = np.einsum("bfc,f->bc", h, w["frame_mean/kernel"][:, 0]) + w["frame_mean/bias"]
    h = layer_norm(h, w, "head_norm", 1e-5) @ w["coordinates/kernel"] + w["coordinates/bias"]
    expected = h.reshape(4, 1, 17, 3)
    expected[:, :, 0] = 0.0
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_mixste_without_branches_embeds_and_normalises(rng):
    net = pose_nets.MixSTE("human36m_17", **SMALL["MixSTE"])
    randomize(net)
    close_branches(net)
    x, w = keypoints(rng, net), weights_of(net)
    h = x @ w["stem/kernel"] + w["stem/bias"] + w["joint_embedding/embedding"]
    h = layer_norm(h, w, "joint_norm") + w["frame_embedding/embedding"][:, None]
    for name in ("frame_norm", "joint_norm", "frame_norm"):
        h = layer_norm(h, w, name)
    h = layer_norm(h, w, "head_norm", 1e-5)
    expected = h @ w["coordinates/kernel"] + w["coordinates/bias"]
    expected[:, :, 0] = 0.0
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_mixste_without_embeddings_knows_no_order(rng):
    net = pose_nets.MixSTE("human36m_17", **SMALL["MixSTE"])
    randomize(net)
    x = keypoints(rng, net)
    frames, joints = [2, 0, 1], [0, *(1 + rng.permutation(16))]

    def turned():
        return to_numpy(forward(net, [x[:, frames][:, :, joints]]))

    def plain():
        return to_numpy(forward(net, [x]))[:, frames][:, :, joints]

    assert np.abs(turned() - plain()).max() > 1e-2
    set_weights(net, "embedding", 0.0)
    np.testing.assert_allclose(turned(), plain(), rtol=1e-4, atol=1e-4)
    # Each frame still counts for the others: no net that lifts frames alone.
    other = x.copy()
    other[:, 2] += 0.5
    moved = to_numpy(forward(net, [other])) - to_numpy(forward(net, [x]))
    assert np.abs(moved[:, 0]).max() > 1e-3


@pytest.mark.parametrize("name", SMALL)
def test_drop_path_rises_with_depth(name):
    net = pose_nets.get(name, skeleton="human36m_17", drop_path=0.3, **SMALL[name])
    assert [net.get_layer(f"joint_block_{index}").drop_path for index in range(2)] == [0.0, 0.3]
