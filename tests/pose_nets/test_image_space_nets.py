"""MotionAGFormer and DSTformer: the shared check, sizes and references; positions made metres."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import geometry, pose_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.layers import AdaptiveFusion
from keras_seal.pose_nets.image_space import ImageToMetres
from keras_seal.pose_nets.motion_ag_former import GraphMixer, joint_matrix
from tests.checks import check_layer, check_pose_net, forward, randomize, to_numpy

SMALL = {
    "MotionAGFormer": {
        "num_frames": 4,
        "channels": 8,
        "num_layers": 1,
        "num_heads": 2,
        "representation": 8,
    },
    "DSTformer": {
        "num_frames": 3,
        "channels": 8,
        "num_layers": 1,
        "num_heads": 2,
        "max_frames": 5,
        "representation": 8,
    },
}


def weights_of(owner):
    return {w.path.split("/", 1)[-1]: to_numpy(w).astype("float64") for w in owner.weights}


def weights_by_path(net):
    return {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}


def layer_norm(x, gamma, beta, epsilon):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * gamma + beta


@pytest.mark.parametrize("name", SMALL)
def test_shared_check(name, rng, tmp_path):
    options = {**SMALL[name], "input_channels": 3}

    def make(**more):
        net = pose_nets.get(name, skeleton="coco_17", **options, **more)
        if name == "MotionAGFormer":
            return net
        # With the other net inside, the check is of both.
        return pose_nets.ImageSpaceAdapter(
            net, mean_bone_length=0.3, focal_length=2.0, input_channels=2
        )

    channels = 3 if name == "MotionAGFormer" else 2
    x = rng.uniform(-1, 1, (4, options["num_frames"], 17, channels)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


def test_published_parameter_counts():
    counts = {row["preset"]: row["parameters"] for row in pose_nets.catalogue()}
    published = {
        "motion_ag_former_xs": 2_241_531,
        "motion_ag_former_s": 4_817_119,
        "motion_ag_former_b": 11_723_811,
        "motion_ag_former_l": 19_007_111,
        "dstformer": 42_466_317,
        "dstformer_lite": 16_001_549,
    }
    assert {preset: counts[preset] for preset in published} == published

    def count(num_layers):
        net = pose_nets.from_preset("motion_ag_former_xs", "human36m_17", num_layers=num_layers)
        return sum(int(np.prod(w.shape)) for w in net.trainable_weights)

    assert count(1) + 11 * (count(2) - count(1)) == published["motion_ag_former_xs"]


def test_adaptive_fusion(rng):
    pair = [rng.standard_normal((3, 5, 4)).astype("float32") for _ in range(2)]
    layer = check_layer(AdaptiveFusion, pair, (3, 5, 4))
    first, second = pair
    logits = np.concatenate(pair, -1) @ to_numpy(layer.kernel) + to_numpy(layer.bias)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = weights[..., :1] * first + weights[..., 1:] * second
    np.testing.assert_allclose(to_numpy(layer(pair)), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="two tensors of the same shape"):
        AdaptiveFusion()([first, second[:, :2]])


def test_graph_of_joints():
    skeleton = skeletons.get("human36m_17")
    degrees = skeleton.adjacency.sum(1)
    np.testing.assert_allclose(
        joint_matrix(skeleton, "skeleton"),
        skeleton.adjacency / np.sqrt(degrees[:, None] * degrees[None]),
        rtol=1e-6,
    )
    published = joint_matrix(skeleton, "published")
    missing = np.argwhere((skeleton.adjacency > 0) & (published == 0)).tolist()
    assert missing == [[0, 4], [8, 11], [8, 14]]
    assert not (published[skeleton.adjacency == 0]).any()
    # By how many each joint hears: the thorax two, a shoulder two, a wrist one.
    np.testing.assert_allclose([published[11, 8], published[13, 12]], [0.5, 0.5**0.5], rtol=1e-6)
    with pytest.raises(UserError, match="17 joints, 'hand_21' has 21"):
        pose_nets.MotionAGFormer("hand_21", graph="published", **SMALL["MotionAGFormer"])
    with pytest.raises(UserError, match="'skeleton' or 'published'"):
        joint_matrix(skeleton, "complete")


@pytest.mark.parametrize("neighbors", [None, 2, 3])
def test_graph_mixer_against_numpy(neighbors, rng):
    joints, batch, frames, channels = 5, 2, 6, 4
    x = rng.standard_normal((joints, batch, frames, channels)).astype("float32")
    # Equal frames are neighbours of each other, however many they are.
    x[1, 0, 1:5] = x[1, 0, 0]
    matrix = rng.uniform(0, 1, (joints, joints)).astype("float32")
    mixer = GraphMixer(matrix) if neighbors is None else GraphMixer(num_neighbors=neighbors)
    mixer(x)
    randomize(mixer)
    w = weights_of(mixer)
    own = x @ w["own/kernel"] + w["own/bias"]
    message = x @ w["message/kernel"] + w["message/bias"]
    mixed = np.zeros(x.shape)
    for sample in range(batch):
        if neighbors is None:
            for channel in range(channels):
                values = message[:, sample, :, channel]
                mixed[:, sample, :, channel] = matrix @ values + own[:, sample, :, channel]
            continue
        for joint in range(joints):
            likeness = x[joint, sample] @ x[joint, sample].T
            heard = [set(np.flatnonzero(row >= np.sort(row)[-neighbors])) for row in likeness]
            for frame, frames_heard in enumerate(heard):
                mixed[joint, sample, frame] = own[joint, sample, frame] + sum(
                    message[joint, sample, other] / np.sqrt(len(frames_heard) * len(heard[other]))
                    for other in frames_heard
                )
    if neighbors is not None:
        assert len(heard[0]) == neighbors
    axis = 0 if neighbors is None else 2
    shape = [1] * 4
    shape[axis] = -1
    scale = w["norm/gamma"] / np.sqrt(w["norm/moving_variance"] + 1e-5)
    shift = w["norm/beta"] - w["norm/moving_mean"] * scale
    expected = np.maximum(x + mixed * scale.reshape(shape) + shift.reshape(shape), 0)
    np.testing.assert_allclose(to_numpy(mixer(x)), expected, rtol=1e-4, atol=1e-4)
    # In training, each node has the mean and deviation of all samples, channels and others.
    normal = mixed - mixed.mean(tuple({0, 1, 2, 3} - {axis}), keepdims=True)
    normal /= np.sqrt((normal**2).mean(tuple({0, 1, 2, 3} - {axis}), keepdims=True) + 1e-5)
    normal = normal * w["norm/gamma"].reshape(shape) + w["norm/beta"].reshape(shape)
    trained = to_numpy(mixer(x, training=True))
    np.testing.assert_allclose(trained, np.maximum(x + normal, 0), rtol=1e-3, atol=1e-3)


def test_senseless_graphs_are_refused(rng):
    x = rng.standard_normal((5, 2, 3, 4)).astype("float32")
    with pytest.raises(ValueError, match="hear 4, got 3 frames"):
        GraphMixer(num_neighbors=4)(x)
    with pytest.raises(ValueError, match="graph of 6 joints"):
        GraphMixer(np.eye(6))(x)
    with pytest.raises(ValueError, match="num_frames"):
        pose_nets.MotionAGFormer("human36m_17", num_frames=1)
    with pytest.raises(ValueError, match="max_frames"):
        pose_nets.DSTformer("human36m_17", num_frames=9, max_frames=8)


def test_how_motion_ag_former_starts():
    net = pose_nets.MotionAGFormer("human36m_17", **{**SMALL["MotionAGFormer"], "channels": 64})
    w = weights_by_path(net)
    own, message = (w[f"frame_graph_0/mixer/{name}/kernel"] for name in ("own", "message"))
    np.testing.assert_allclose([own.std(), message.std()], np.sqrt(2 / 64), rtol=0.1)
    assert np.abs(own - message).max() > 0.1
    for name in ("joint_block_0/attention", "frame_graph_0/mixer", "joint_graph_0/feed_forward"):
        np.testing.assert_allclose(w[f"{name}_scale"], 1e-5)
    assert not any("qkv/bias" in path for path in w)


def test_dstformer_against_its_parts(rng):
    net = pose_nets.DSTformer("human36m_17", **SMALL["DSTformer"])
    start = weights_by_path(net)
    kernels = [value for path, value in start.items() if path.endswith("expand/kernel")]
    assert len(kernels) == 4 and np.ptp([kernel[0, 0] for kernel in kernels]) > 0
    every = np.concatenate([kernel.ravel() for kernel in kernels])
    np.testing.assert_allclose(every.std(), 0.02, rtol=0.1)
    randomize(net)
    w = weights_by_path(net)
    x = rng.uniform(-1, 1, (4, 3, 17, 2)).astype("float32")
    h = x @ w["stem/kernel"] + w["stem/bias"] + w["joint_embedding/embedding"]
    assert w["frame_embedding/embedding"].shape == (5, 8)
    h = h + w["frame_embedding/embedding"][:3, None]

    def block(h, name):
        return to_numpy(net.get_layer(name)(ops.convert_to_tensor(h, dtype="float32")))

    first = block(block(h, "joints_first_joint_block_0"), "joints_first_frame_block_0")
    second = block(block(h, "frames_first_frame_block_0"), "frames_first_joint_block_0")
    logits = np.concatenate([first, second], -1) @ w["fusion_0/kernel"] + w["fusion_0/bias"]
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    h = share[..., :1] * first + share[..., 1:] * second
    h = layer_norm(h, w["head_norm/gamma"], w["head_norm/beta"], 1e-6)
    h = np.tanh(h @ w["representation/kernel"] + w["representation/bias"])
    expected = h @ w["coordinates/kernel"] + w["coordinates/bias"]
    with_place = pose_nets.DSTformer("human36m_17", root="subtract", **SMALL["DSTformer"])
    with_place.set_weights(net.get_weights())
    close = {"rtol": 1e-4, "atol": 1e-4}
    found = to_numpy(forward(with_place, [x]))
    np.testing.assert_allclose(found, expected - expected[:, :, :1], **close)
    expected[:, :, 0] = 0.0
    np.testing.assert_allclose(to_numpy(forward(net, [x])), expected, **close)


@pytest.fixture
def seen(random_poses, rng):
    """Poses in camera space, and what a perfect net in image space says of them."""
    focal, poses = 2.3, random_poses(3, 4).astype("float64")
    roots = np.stack(
        [rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (3, 4)), rng.uniform(3, 6, (3, 4))], -1
    )[:, :, None]
    absolute = poses + roots
    keypoints = focal * absolute[..., :2] / absolute[..., 2:]
    # Metres of a unit at the distance of the root.
    scale = roots[..., 2:] / focal
    positions = np.concatenate([keypoints - keypoints[:, :, :1], poses[..., 2:] / scale], axis=-1)
    return poses, keypoints.astype("float32"), positions.astype("float32"), scale, focal


def test_positions_in_the_image_become_the_true_poses(seen, skeleton):
    poses, keypoints, positions, scale, focal = seen
    # The same distance in all frames: one number is enough. Otherwise the bones tell it.
    one = positions[:1, :1], keypoints[:1, :1]
    layer = ImageToMetres(skeleton, metres_per_unit=scale[0, 0].item(), focal_length=focal)
    np.testing.assert_allclose(to_numpy(layer(list(one))), poses[:1, :1], atol=1e-5)
    for sample in range(3):
        length = float(geometry.bone_lengths(poses[sample, 1], skeleton).mean())
        layer = ImageToMetres(skeleton, mean_bone_length=length, focal_length=focal)
        found = to_numpy(layer([positions[sample : sample + 1], keypoints[sample : sample + 1]]))
        np.testing.assert_allclose(found[0, 1], poses[sample, 1], atol=1e-5)
        lengths = geometry.bone_lengths(found[0], skeleton).mean(-1)
        np.testing.assert_allclose(lengths, length, rtol=1e-5)
    # As the published errors have it, without a focal length: centimetres away.
    plain = to_numpy(ImageToMetres(skeleton, metres_per_unit=2.0)([positions, keypoints]))
    np.testing.assert_allclose(plain, 2.0 * positions, rtol=1e-6)
    assert np.abs(positions * scale - poses).max() > 0.02


def test_adapter_of_a_net(rng):
    net = pose_nets.DSTformer("human36m_17", input_channels=3, **SMALL["DSTformer"])
    randomize(net)
    x = rng.uniform(-1, 1, (2, 3, 17, 3)).astype("float32")
    adapter = pose_nets.ImageSpaceAdapter(net, metres_per_unit=2.0)
    assert (adapter.num_frames, adapter.out_frames, adapter.skeleton) == (3, 3, net.skeleton)
    assert adapter.count_params() == net.count_params()
    expected = 2.0 * to_numpy(forward(net, [x]))
    np.testing.assert_allclose(to_numpy(forward(adapter, [x])), expected, rtol=1e-5, atol=1e-6)
    # Without confidences, all of them are full.
    sure = pose_nets.ImageSpaceAdapter(net, metres_per_unit=2.0, input_channels=2)
    x[..., 2] = 1.0
    expected = 2.0 * to_numpy(forward(net, [x]))
    found = to_numpy(forward(sure, [x[..., :2]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({}, "no image tells how large a body is"),
        ({"metres_per_unit": 2.0, "mean_bone_length": 0.2}, "one of: mean_bone_length"),
        ({"mean_bone_length": -0.2}, "`mean_bone_length` is a positive number, got -0.2"),
        ({"metres_per_unit": 2.0, "focal_length": "long"}, "`focal_length` is a positive number"),
        ({"metres_per_unit": 2.0, "input_channels": 3}, "takes 2 channels"),
    ],
)
def test_a_scale_is_never_guessed(options, sentence):
    net = pose_nets.DSTformer("human36m_17", **SMALL["DSTformer"])
    with pytest.raises(UserError, match=sentence):
        pose_nets.ImageSpaceAdapter(net, **options)


def test_a_body_without_size_has_finite_gradients():
    from tests.backend_gradients import gradients

    layer = ImageToMetres("human36m_17", mean_bone_length=0.25, focal_length=2.0)
    zeros = np.zeros((1, 1, 17, 3), "float32")
    value, by_input, _ = gradients(
        lambda x: keras.ops.sum(layer([x, ops.ones((1, 1, 17, 2))])), [zeros], []
    )
    assert float(value) == 0.0 and np.isfinite(by_input[0]).all()
