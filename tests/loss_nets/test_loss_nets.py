"""Loss-nets: the shared check, published sizes, and what a graph net must not depend on."""

import numpy as np
import pytest

from keras_seal import geometry, loss_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.layers import FramePairs, PoseFeatures, ReprojectionResiduals
from tests.checks import check_layer, check_loss_net, forward, randomize, to_numpy

SMALL = {
    "GCNLossNet": {"units": 8, "num_blocks": 2, "embedding_dim": 4},
    "MLPLossNet": {"units": 16, "num_stages": 1, "dropout": 0.2},
    "GraphLossNet": {"units": 16, "num_blocks": 2, "num_heads": 4, "embedding_dim": 4},
}


def batch(rng, joints=17, channels=2, samples=3, frames=2):
    return (
        rng.uniform(-1, 1, (samples, frames, joints, channels)).astype("float32"),
        rng.uniform(-1, 1, (samples, frames, joints, 3)).astype("float32"),
    )


def count(net):
    return sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)


@pytest.mark.parametrize(
    "name, options",
    [
        ("MLPLossNet", {"conditional": False}),
        ("MLPLossNet", {"activation": "silu"}),
        ("MLPLossNet", {"input_channels": 3}),
        ("MLPLossNet", {"input_channels": 3, "conditional": "reprojection"}),
        ("GraphLossNet", {"conditional": False, "hard_mask": True, "dropout": 0.1}),
        ("GraphLossNet", {"edge_types": True, "mlp_ratio": 2}),
        ("GraphLossNet", {"hop_bias": False, "degree_bias": False, "pose_features": ["bones"]}),
        ("GCNLossNet", {"pose_features": ["coordinates", "shape"], "spectral_norm": 2.0}),
    ],
)
def test_shared_check(name, options, rng, tmp_path):
    keypoints, poses = batch(rng, channels=options.get("input_channels", 2))

    def make(**more):
        return loss_nets.get(name, skeleton="human36m_17", **{**SMALL[name], **options}, **more)

    thorough = options in ({"conditional": False}, {"edge_types": True, "mlp_ratio": 2})
    check_loss_net(make, keypoints, poses, tmp_path, thorough=thorough)


def test_parameter_counts():
    assert count(loss_nets.MLPLossNet("human36m_17")) == 4_287_489
    units, joints = 256, 17
    projection = (5 + 32) * units + units + joints * 32
    block = 4 * (units * units + units) + 2 * (units * units + units) + 4 * units
    biases = 5 * (3 + 3) + 2
    head = 2 * units + units * units + units + units + 1
    expected = projection + units + 6 * block + biases + head
    assert count(loss_nets.GraphLossNet("human36m_17")) == expected


def test_mlp_against_numpy(rng):
    net = loss_nets.MLPLossNet("human36m_17", units=16, num_stages=2)
    randomize(net)
    w = {weight.path: to_numpy(weight).astype("float64") for weight in net.weights}

    def block(x, name):
        return np.maximum(x @ w[f"{name}_dense/kernel"] + w[f"{name}_dense/bias"], 0)

    keypoints, poses = batch(rng)
    x = np.concatenate([keypoints, poses], -1).reshape(6, -1).astype("float64")
    h = block(x, "stem")
    for stage in range(2):
        h = h + block(block(h, f"stage_{stage}_a"), f"stage_{stage}_b")
    expected = (h @ w["score/kernel"] + w["score/bias"]).reshape(3, 2)
    energy = to_numpy(forward(net, [keypoints, poses]))
    np.testing.assert_allclose(energy, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"hard_mask": True}, {"edge_types": True}])
def test_graph_net_does_not_depend_on_the_order_of_joints(options, rng):
    """Renaming the joints, embeddings included, leaves the energy as it is."""
    skeleton = skeletons.get("human36m_17")
    order = rng.permutation(17)
    place = np.argsort(order)
    shuffled = skeletons.Skeleton(
        name="shuffled",
        joints=tuple(skeleton.joints[joint] for joint in order),
        parents=tuple(
            int(place[skeleton.parents[joint]]) if skeleton.parents[joint] >= 0 else -1
            for joint in order
        ),
        mirror_pairs=tuple(
            (int(place[left]), int(place[right])) for left, right in skeleton.mirror_pairs
        ),
    )
    net = loss_nets.GraphLossNet(skeleton, **SMALL["GraphLossNet"], **options)
    randomize(net)
    other = loss_nets.GraphLossNet(shuffled, **SMALL["GraphLossNet"], **options)
    other.set_weights(net.get_weights())
    embedding = other.get_layer("projection").embedding
    embedding.assign(to_numpy(embedding)[order])
    keypoints, poses = batch(rng)
    np.testing.assert_allclose(
        to_numpy(forward(other, [keypoints[:, :, order], poses[:, :, order]])),
        to_numpy(forward(net, [keypoints, poses])),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("skeleton", ["coco_17", "hand_21", "h3wb_133"])
def test_other_skeletons(name, skeleton, rng):
    net = loss_nets.get(name, skeleton=skeleton, **SMALL[name])
    keypoints, poses = batch(rng, joints=net.skeleton.num_joints)
    assert np.isfinite(to_numpy(forward(net, [keypoints, poses]))).all()


def test_names():
    assert loss_nets.names() == ["GCNLossNet", "GraphLossNet", "MLPLossNet"]
    with pytest.raises(UserError, match="Did you mean 'GraphLossNet'"):
        loss_nets.get("GraphLosNet", skeleton="human36m_17")


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("GraphLossNet", {"num_blocks": 0}, "num_blocks"),
        ("GraphLossNet", {"units": 30, "num_heads": 8}, "divide"),
        ("MLPLossNet", {"num_stages": -1}, "num_stages"),
        ("MLPLossNet", {"input_channels": 1}, "input_channels"),
        ("MLPLossNet", {"activation": "sliu"}, "activation"),
        ("MLPLossNet", {"pose_features": "shapes"}, "Did you mean 'shape'"),
        ("MLPLossNet", {"pose_features": []}, "one or more"),
        ("MLPLossNet", {"conditional": "keypoints"}, "True, False or 'reprojection'"),
        ("GCNLossNet", {"frame_gap": 0}, "gap"),
        ("GCNLossNet", {"spectral_norm": 0.0}, "limit"),
    ],
)
def test_senseless_numbers_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        loss_nets.get(name, skeleton="human36m_17", **options)


@pytest.mark.parametrize("name", SMALL)
def test_shape_alone_is_blind_to_position_rotation_and_size(name, random_poses, rng):
    net = loss_nets.get(
        name,
        skeleton="human36m_17",
        conditional=False,
        pose_features="shape",
        **{**SMALL[name], "dropout": 0.0},
    )
    randomize(net)
    poses = random_poses(4, 2).astype("float64")
    keypoints = np.zeros((4, 2, 17, 2), "float32")
    rotation = geometry.axis_angle_to_matrix(
        rng.standard_normal((4, 1, 3)), rng.uniform(0, 3, (4, 1))
    )
    moved = 1.7 * geometry.rotate(poses, rotation[:, :, None]) + [0.3, -2.0, 1.0]
    mirrored = poses * [-1.0, 1.0, 1.0]

    def energy(some):
        return to_numpy(forward(net, [keypoints, some.astype("float32")]))

    true = energy(poses)
    np.testing.assert_allclose(energy(moved), true, rtol=1e-3, atol=1e-3)
    # Left and right confused, which leaves all lengths and angles alone, is not the same.
    assert np.median(np.abs(energy(mirrored) - true)) > 5e-3


def test_shape_features_against_numpy(random_poses):
    skeleton = skeletons.get("human36m_17")
    pose = random_poses(1)[0, 0].astype("float64")
    found = to_numpy(PoseFeatures(skeleton, "shape")(pose[None].astype("float32")))[0]
    vectors = {j: pose[j] - pose[p] for p, j in skeleton.bones}
    unit = {j: v / np.linalg.norm(v) for j, v in vectors.items()}
    logs = {j: np.log(np.linalg.norm(v)) for j, v in vectors.items()}
    hip, knee, ankle = (
        skeleton.limbs["left_leg"][-3:]
        if len(skeleton.limbs["left_leg"]) > 2
        else (skeleton.parents[skeleton.limbs["left_leg"][0]], *skeleton.limbs["left_leg"])
    )
    mirror = skeleton.mirror_permutation
    shoulder = [j for j in skeleton.left if mirror[skeleton.parents[j]] == skeleton.parents[j]]
    axis = sum(pose[j] - pose[mirror[j]] for j in shoulder)
    axis /= np.linalg.norm(axis)
    assert hip in shoulder
    expected = [
        5 * (logs[ankle] - np.mean(list(logs.values()))),
        5 * (logs[ankle] - logs[mirror[ankle]]),
        unit[ankle] @ unit[knee],
        unit[ankle] @ unit[hip],
        unit[ankle] @ unit[mirror[ankle]],
        unit[ankle] @ axis,
        np.linalg.det([unit[ankle], unit[knee], unit[hip]]),
        np.linalg.det([unit[ankle], unit[knee], axis]),
    ]
    np.testing.assert_allclose(found[ankle], expected, atol=1e-4)
    np.testing.assert_array_equal(found[skeleton.root], 0)


def test_feature_layers(rng, random_poses):
    poses = random_poses(2, 3)
    check_layer(
        lambda **more: PoseFeatures("human36m_17", ["coordinates", "bones", "shape"], **more),
        poses,
        (2, 3, 17, 14),
    )
    check_layer(lambda **more: FramePairs(2, **more), poses, (2, 3, 17, 6))
    # No mirrored joints, and a pose without any extent: still numbers.
    hand = PoseFeatures("hand_21", "shape")(np.zeros((1, 21, 3), "float32"))
    assert np.isfinite(to_numpy(hand)).all()


def test_reprojection_residuals_against_numpy(rng, random_poses):
    poses = random_poses(4, 2).astype("float64")
    # A focal length, a distance and a place of its own for each pose: none of them matters.
    focal, away = rng.uniform(1, 3, (4, 2, 1, 1)), rng.uniform(3, 8, (4, 2, 1, 1))
    aside = rng.uniform(-1, 1, (4, 2, 1, 2))
    keypoints = focal * (poses[..., :2] + aside) / (poses[..., 2:] + away)

    def residuals(keypoints, poses):
        arrays = [each.astype("float32") for each in (keypoints, poses)]
        return to_numpy(ReprojectionResiduals()(arrays))

    assert np.abs(residuals(keypoints, poses)).max() < 0.02  # decimetres
    noisy = keypoints + 0.02 * rng.standard_normal(keypoints.shape)
    found = residuals(noisy, poses)
    for index in np.ndindex(4, 2):
        seen, pose = noisy[index], poses[index]
        columns = [pose[:, :2], -pose[:, 2:] * seen, *(np.tile(one, (17, 1)) for one in np.eye(2))]
        matrix = np.stack([column.ravel() for column in columns], axis=1)
        # The layer hesitates to call anything perspective, by a ten-thousandth.
        ridge = np.array([[0, 1e-2 * np.linalg.norm(seen - seen.mean(0)), 0, 0]])
        fit = np.linalg.lstsq(np.vstack([matrix, ridge]), [*seen.ravel(), 0])[0]
        expected = 10 * (seen - (matrix @ fit).reshape(17, 2)) / fit[0]
        np.testing.assert_allclose(found[index], expected, atol=2e-3)
    # A joint that the detector did not see has no say.
    confidence = np.ones((4, 2, 17, 1))
    confidence[..., 5, :] = 0.0
    astray = np.concatenate([keypoints, confidence], axis=-1)
    astray[..., 5, :2] += 1.0
    others = np.arange(17) != 5
    assert np.abs(residuals(astray, poses)[..., others, :]).max() < 0.02
    check_layer(
        ReprojectionResiduals,
        [keypoints.astype("float32"), poses.astype("float32")],
        (4, 2, 17, 2),
    )
    nothing = np.zeros((1, 17, 3), "float32")
    assert np.isfinite(to_numpy(ReprojectionResiduals()([nothing, nothing]))).all()
    with pytest.raises(ValueError, match="joints"):
        ReprojectionResiduals()([nothing, nothing[:, :16]])


@pytest.mark.parametrize("name", SMALL)
def test_pairs_of_frames_see_motion(name, rng):
    """The energy of a frame depends on the frame `frame_gap` earlier, and on no other one."""
    net = loss_nets.get(name, skeleton="human36m_17", frame_gap=2, **SMALL[name])
    randomize(net)
    keypoints, poses = batch(rng, frames=5)
    true = to_numpy(forward(net, [keypoints, poses]))
    assert true.shape == (3, 5)
    moved = poses.copy()
    moved[:, 1] += 0.3 * rng.standard_normal(moved[:, 1].shape)
    changed = np.abs(to_numpy(forward(net, [keypoints, moved])) - true).max(0) > 1e-6
    assert changed.tolist() == [False, True, False, True, False]


def test_spectral_norm_bounds_every_kernel(rng):
    net = loss_nets.MLPLossNet(
        "human36m_17", units=16, num_stages=1, dropout=0.0, spectral_norm=0.5
    )
    keypoints, poses = batch(rng)
    net.compile("adam", "mse")
    for _ in range(5):
        net.train_on_batch([keypoints, poses], np.zeros((3, 2), "float32"))
    for weight in net.trainable_weights:
        if weight.name == "kernel":
            assert np.linalg.svd(to_numpy(weight), compute_uv=False)[0] < 0.56
