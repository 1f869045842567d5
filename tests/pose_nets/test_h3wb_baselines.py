"""JointFormer and both SimpleBaselines of H3WB: shared check, published sizes, numpy references."""

import keras
import numpy as np
import pytest

from keras_seal import pose_nets
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {
    "JointFormer": {
        "channels": 8,
        "num_blocks": 2,
        "num_heads": 2,
        "head_channels": 6,
        "hidden": 12,
    },
    "LargeSimpleBaseline": {"units": 16, "num_stages": 2},
    "SimpleBaseline": {"units": 16, "num_stages": 2, "linear_stem": True},
}


def count(net):
    return sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)


@pytest.mark.parametrize("name", SMALL)
def test_shared_check(name, rng, tmp_path):
    options = {**SMALL[name], "num_frames": 2, "input_channels": 3}

    def make(**more):
        return pose_nets.get(name, skeleton="coco_17", **options, **more)

    x = rng.uniform(-1, 1, (4, 2, 17, 3)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


def published_stage(joints, inputs, channels, blocks, inner, hidden, errors):
    """Parameters of a stage as its checkpoint holds them: of all blocks, the first block's twice.

    Returns the sum, and the part of it that the last pose does not depend on.
    """
    flat = joints * channels
    block = 4 * channels * inner + 2 * channels * hidden + hidden + channels + 4 * channels
    head = 2 * flat + flat * 3 * joints + 3 * joints
    feedback = 3 * joints * flat + flat
    total = inputs * channels + channels + 2 * channels + blocks * (block + head + feedback)
    return total + (blocks * head if errors else 0), head, feedback


@pytest.mark.parametrize(
    "joints, coarse, fine", [(17, 2_953_752, 2_493_004), (133, 83_432_696, 56_125_372)]
)
def test_published_parameter_counts(joints, coarse, fine):
    sizes = {"channels": 128, "blocks": 4, "inner": 512, "hidden": 512}
    first, head, feedback = published_stage(joints, 2, **sizes, errors=True)
    second, _, _ = published_stage(joints, 8, **sizes, errors=False)
    assert (first, second) == (coarse, fine)
    if joints > 17:  # half a gigabyte of weights
        return
    # The last feedback leads nowhere, and of the errors only the coarse stage's last are read.
    alone = pose_nets.from_preset("joint_former_coarse", "human36m_17")
    both = pose_nets.from_preset("joint_former", "human36m_17")
    assert count(alone) == coarse - feedback - 4 * head
    assert count(both) == coarse + fine - 2 * feedback - 3 * head


@pytest.mark.parametrize(
    "skeleton, expected", [("h3wb_133", 6_979_983), ("human36m_17", 6_385_715)]
)
def test_published_parameter_counts_of_large_simple_baseline(skeleton, expected):
    assert count(pose_nets.from_preset("large_simple_baseline_h3wb", skeleton)) == expected


def test_published_parameter_counts_of_simple_baseline():
    assert count(pose_nets.from_preset("simple_baseline_h3wb", "h3wb_133")) == 4_888_975


def layer_norm(x, w, name, epsilon=1e-6):
    x = x - x.mean(-1, keepdims=True)
    return (
        x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * w[f"{name}/gamma"]
        + (w[f"{name}/beta"])
    )


def stage(x, w, name, options, errors=()):
    """One stage on one pose, `(joints, features)`, one head of the attention at a time."""
    heads, width = options["num_heads"], options["head_channels"]
    last = options["num_blocks"] - 1

    def dense(x, part):
        return x @ w[f"{name}_{part}/kernel"] + w.get(f"{name}_{part}/bias", 0.0)

    def guess(h, part):
        return dense(layer_norm(h.reshape(-1), w, f"{name}_{part}_norm", 1e-5), part)

    x = layer_norm(dense(x, "stem"), w, f"{name}_stem_norm")
    for index in range(last + 1):
        maps = dense(x, f"{index}_attention/qkv")
        mixed = []
        for head in range(heads):
            q, k, v = (
                maps[:, (part * heads + head) * width : (part * heads + head + 1) * width]
                for part in range(3)
            )
            weights = np.exp(q @ k.T / np.sqrt(width))
            mixed.append(weights / weights.sum(1, keepdims=True) @ v)
        attended = dense(np.concatenate(mixed, -1), f"{index}_attention/projection")
        h = layer_norm(x + attended, w, f"{name}_{index}_attention_norm")
        hidden = np.maximum(dense(h, f"{index}_feed_forward/expand"), 0)
        fed = dense(hidden, f"{index}_feed_forward/contract")
        h = layer_norm(h + fed, w, f"{name}_{index}_feed_forward_norm")
        pose = guess(h, f"{index}_pose")
        if index < last:
            x = np.maximum(h + dense(pose, f"{index}_feedback").reshape(h.shape) + x, 0)
    found = [pose, *(guess(h, f"{last}_{part}") for part in errors)]
    return [each.reshape(-1, 3) for each in found]


def test_joint_former_against_numpy(rng):
    net = pose_nets.JointFormer("human36m_17", num_frames=2, **SMALL["JointFormer"])
    randomize(net)
    w = {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}
    x = rng.uniform(-1, 1, (2, 2, 17, 2)).astype("float32")
    expected = np.zeros((2, 2, 17, 3))
    for place in np.ndindex(2, 2):
        keypoints = x[place].astype("float64")
        coarse = stage(keypoints, w, "coarse", SMALL["JointFormer"], ["error"])
        known = np.concatenate([keypoints, *coarse], -1)
        (expected[place],) = stage(known, w, "fine", SMALL["JointFormer"])
    expected -= expected[:, :, :1]
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_large_simple_baseline_against_numpy(rng):
    net = pose_nets.LargeSimpleBaseline("human36m_17", **SMALL["LargeSimpleBaseline"])
    randomize(net)
    w = {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}

    def dense(x, name):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def leak(x):
        return np.where(x > 0, x, 0.01 * x)

    x = rng.uniform(-1, 1, (4, 1, 17, 2)).astype("float32")
    h = dense(x.reshape(4, -1).astype("float64"), "stem")
    for name in ("stage_0", "stage_1"):
        h = leak(h + leak(dense(leak(dense(h, f"{name}_a")), f"{name}_b")))
    expected = dense(h, "coordinates").reshape(4, 1, 17, 3)
    expected -= expected[:, :, :1]
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_simple_baseline_of_h3wb_against_numpy(rng):
    net = pose_nets.SimpleBaseline("human36m_17", **SMALL["SimpleBaseline"])
    randomize(net)
    w = {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}

    def dense(x, name):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def block(x, name):
        norm = f"{name}_norm"
        x = dense(x, f"{name}_dense") - w[f"{norm}/moving_mean"]
        x = x / np.sqrt(w[f"{norm}/moving_variance"] + 1e-5)
        return np.maximum(x * w[f"{norm}/gamma"] + w[f"{norm}/beta"], 0)

    x = rng.uniform(-1, 1, (4, 1, 17, 2)).astype("float32")
    h = dense(x.reshape(4, -1).astype("float64"), "stem_dense")
    for stage in ("stage_0", "stage_1"):
        h = h + block(block(h, f"{stage}_a"), f"{stage}_b")
    expected = dense(h, "coordinates").reshape(4, 1, 17, 3)
    expected -= expected[:, :, :1]
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, rtol=1e-4, atol=1e-4)


def test_joint_former_without_its_second_stage():
    net = pose_nets.JointFormer("human36m_17", refine=False, **SMALL["JointFormer"])
    names = {layer.name for layer in net.layers}
    assert not [name for name in names if name.startswith("fine") or "error" in name]
    assert {"coarse_0_feedback", "coarse_1_pose"} <= names and "coarse_1_feedback" not in names


def test_joint_former_starts_by_xaviers_rule_for_each_matrix():
    keras.utils.set_random_seed(0)
    net = pose_nets.JointFormer("human36m_17", channels=32, num_blocks=1, refine=False)
    attention = net.get_layer("coarse_0_attention")
    limit = np.sqrt(6 / (32 + 512))
    for kernel in (attention.qkv.kernel, attention.projection.kernel):
        assert 0.95 * limit < np.abs(to_numpy(kernel)).max() <= limit
    assert attention.qkv.bias is None and attention.projection.bias is None
    # Not the same numbers twice.
    one, other = (to_numpy(layer.kernel).ravel()[:64] for layer in
                  (attention.qkv, attention.projection))  # fmt: skip
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pose_nets.JointFormer("coco_17", num_blocks=0),
        lambda: pose_nets.JointFormer("coco_17", head_channels=0),
        lambda: pose_nets.LargeSimpleBaseline("coco_17", units=0),
    ],
)
def test_mistakes_are_named(call):
    with pytest.raises(ValueError, match=r"num_blocks|head_channels|units"):
        call()
