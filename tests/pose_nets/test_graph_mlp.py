"""GraphMLP: the shared check, published sizes, its graphs, and that it learns."""

import numpy as np
import pytest

from keras_seal import pose_nets, skeletons
from keras_seal.pose_nets.graph_mlp import GraphMLPBlock, relation_graphs
from tests.checks import check_layer, check_pose_net

SMALL = {"filters": 8, "num_blocks": 2, "joint_units": 6, "channel_units": 16}


def test_block(rng):
    def make(**more):
        return GraphMLPBlock("coco_17", joint_units=6, channel_units=16, inner_norm=True, **more)

    # A shift of all joints alike, here the last bias, is taken off by the normalisation after it.
    check_layer(make, rng.standard_normal((17, 3, 8)).astype("float32"), (17, 3, 8))


@pytest.mark.parametrize("frames", [1, 3])
def test_shared_check(frames, rng, tmp_path):
    def make(**more):
        return pose_nets.GraphMLP("coco_17", num_frames=frames, drop_path=0.0, **SMALL, **more)

    x = rng.uniform(-1, 1, (4, frames, 17, 2)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


@pytest.mark.parametrize("frames, expected", [(1, 9_488_284), (27, None)])
def test_published_parameter_counts(frames, expected):
    width, tokens, channels = 512, 256, 1024
    norms = 2 * (tokens + 17) if frames > 1 else 0
    block = (
        2 * 17
        + 17 * tokens
        + tokens
        + tokens * 17
        + 17
        + norms
        + 2 * (4 * width * width + 4 * width)
        + 2 * width
        + 2 * width * channels
        + channels
        + width
    )
    closed = 2 * frames * width + width + 3 * block + 2 * width + 3 * width + 3
    net = pose_nets.from_preset(f"graph_mlp_{frames}", "human36m_17")
    count = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    assert count == closed
    assert expected is None or count == expected


def test_graphs_are_the_published_ones():
    loops, towards, away, mirrored = relation_graphs(skeletons.get("human36m_17"))
    # Joints by their distance from the spine, the centre.
    far = np.array([1, 2, 3, 4, 2, 3, 4, 0, 1, 2, 3, 2, 3, 4, 2, 3, 4])
    assert (np.diag(np.diag(loops)) == loops).all() and (np.diag(loops) > 0).all()
    source, target = np.nonzero(towards)
    assert (far[source] == far[target] + 1).all() and len(source) == 16
    np.testing.assert_array_equal(away > 0, (towards > 0).T)
    pairs = skeletons.get("human36m_17").mirror_pairs
    assert len(np.argwhere(mirrored)) == 2 * len(pairs)
    assert all(mirrored[a, b] > 0 and mirrored[b, a] > 0 for a, b in pairs)
    # All that reaches a joint sums to one; the pelvis hears itself, its hips and the spine.
    total = loops + towards + away + mirrored
    np.testing.assert_allclose(total.sum(axis=0), 1.0, rtol=1e-6)
    assert np.flatnonzero(total[:, 0]).tolist() == [0, 1, 4, 7]


def test_any_skeleton():
    net = pose_nets.GraphMLP("hand_21", **SMALL)
    assert net.output.shape == (None, 1, 21, 3)
