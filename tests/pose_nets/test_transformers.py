"""Pose-nets made of transformers: the shared check, sizes, closed forms and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.special

from keras_seal import pose_nets
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {
    "PoseFormer": {"num_frames": 3, "joint_channels": 4, "num_blocks": 2, "num_heads": 2},
    "PoseFormerV2": {
        "num_frames": 5,
        "frames_kept": 1,
        "coefficients_kept": 2,
        "joint_channels": 4,
        "num_blocks": 1,
        "num_heads": 2,
    },
    "KTPFormer": {"num_frames": 3, "channels": 8, "num_blocks": 1, "num_heads": 2},
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
        ("pose_former_v2_27_3_3", {"joint_channels": 16, "num_blocks": 2}, 1_829_707),
        ("ktp_former_27", {"channels": 32, "num_blocks": 2, "num_frames": 9}, 58_470),
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


@pytest.mark.parametrize("name", ["PoseFormer", "MixSTE"])
def test_drop_path_rises_with_depth(name):
    net = pose_nets.get(name, skeleton="human36m_17", drop_path=0.3, **SMALL[name])
    assert [net.get_layer(f"joint_block_{index}").drop_path for index in range(2)] == [0.0, 0.3]


def test_pose_former_v2_sees_centre_frames_and_low_frequencies_alone(rng):
    net = pose_nets.PoseFormerV2("human36m_17", **SMALL["PoseFormerV2"])
    randomize(net)
    x = keypoints(rng, net)
    poses = to_numpy(forward(net, [x]))
    # A course along the third cosine: neither of the two kept frequencies, zero at the centre.
    course = np.cos(np.pi * (2 * np.arange(5) + 1) * 3 / 10)
    assert abs(course[2]) < 1e-9
    same = x + course[:, None, None].astype("float32")
    np.testing.assert_allclose(to_numpy(forward(net, [same])), poses, rtol=1e-3, atol=1e-3)
    # One along the first cosine is zero at the centre as well, but seen.
    course = np.cos(np.pi * (2 * np.arange(5) + 1) / 10)
    seen = x + course[:, None, None].astype("float32")
    assert np.abs(to_numpy(forward(net, [seen])) - poses).max() > 1e-2


def test_frequency_block_against_numpy(rng):
    block = pose_nets.pose_former_v2.FrequencyBlock(2)
    x = rng.standard_normal((2, 5, 4)).astype("float32")
    block(x)
    randomize(block)
    for weight in block.attention.projection.weights:
        weight.assign(np.zeros(weight.shape, "float32"))
    w = {"/".join(v.path.split("/")[-3:]): to_numpy(v).astype("float64") for v in block.weights}
    w |= {"/".join(name.split("/")[-2:]): value for name, value in w.items()}

    def feed_forward(h, name):
        h = h @ w[f"{name}/expand/kernel"] + w[f"{name}/expand/bias"]
        h = h * 0.5 * (1.0 + scipy.special.erf(h / np.sqrt(2.0)))
        return h @ w[f"{name}/contract/kernel"] + w[f"{name}/contract/bias"]

    first, second = x[:, :2].astype("float64"), x[:, 2:].astype("float64")
    first = first + feed_forward(layer_norm(first, w, "feed_forward_norm"), "feed_forward")
    hidden = scipy.fft.dct(layer_norm(second, w, "frequency_norm"), axis=1)
    hidden = feed_forward(hidden, "frequency_feed_forward")
    second = second + scipy.fft.idct(hidden, axis=1)
    expected = np.concatenate([first, second], 1)
    np.testing.assert_allclose(to_numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


def test_ktp_former_learns_edges_between_any_frames_and_joints(rng):
    net = pose_nets.KTPFormer("human36m_17", **SMALL["KTPFormer"])
    chain = to_numpy(net.get_layer("trajectory_a_conv").propagation_matrix())
    np.testing.assert_allclose(chain, [[1, 0.75, 0], [0.75, 1, 0.75], [0, 0.75, 1]], atol=1e-5)
    joints = to_numpy(net.get_layer("kinematics_conv").propagation_matrix())
    assert joints.shape == (17, 17) and (np.diag(joints) > 0.99).all()
    randomize(net)
    close_branches(net)
    x = keypoints(rng, net)
    # Without attention only the graph of frames carries anything from one to another.
    other = x.copy()
    other[:, 0] += 0.5
    plain, moved = (to_numpy(forward(net, [each])) for each in (x, other))
    assert np.abs(moved - plain)[:, 1:].max() > 1e-3
    set_weights(net, "trajectory_a_conv/kernel", 0.0)
    set_weights(net, "trajectory_b_conv/kernel", 0.0)
    plain, moved = (to_numpy(forward(net, [each])) for each in (x, other))
    assert np.abs(moved - plain)[:, 0].max() > 1e-3
    np.testing.assert_array_equal(moved[:, 1:], plain[:, 1:])
