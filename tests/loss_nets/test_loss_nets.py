"""Loss-nets: the shared check, published sizes, and what a graph net must not depend on."""

import numpy as np
import pytest

from keras_seal import loss_nets, skeletons
from keras_seal.errors import UserError
from tests.checks import check_loss_net, forward, randomize, to_numpy

SMALL = {
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
        ("MLPLossNet", {"input_channels": 3}),
        ("GraphLossNet", {"conditional": False, "hard_mask": True, "dropout": 0.1}),
        ("GraphLossNet", {"edge_types": True, "mlp_ratio": 2}),
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
    assert loss_nets.names() == ["GraphLossNet", "MLPLossNet"]
    with pytest.raises(UserError, match="Did you mean 'GraphLossNet'"):
        loss_nets.get("GraphLosNet", skeleton="human36m_17")


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("GraphLossNet", {"num_blocks": 0}, "num_blocks"),
        ("GraphLossNet", {"units": 30, "num_heads": 8}, "divide"),
        ("MLPLossNet", {"num_stages": -1}, "num_stages"),
        ("MLPLossNet", {"input_channels": 1}, "input_channels"),
    ],
)
def test_senseless_numbers_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        loss_nets.get(name, skeleton="human36m_17", **options)
