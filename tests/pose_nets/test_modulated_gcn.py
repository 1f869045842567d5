"""ModulatedGCN: the shared check, published sizes, and that it learns."""

import numpy as np
import pytest

from keras_seal import pose_nets, skeletons
from tests.checks import check_pose_net, randomize

SMALL = {"filters": 8, "num_blocks": 1}


def test_shared_check(rng, tmp_path):
    def make(**more):
        options = {**SMALL, "non_local": True, "dropout": 0.2, "num_frames": 2, **more}
        return pose_nets.ModulatedGCN("coco_17", input_channels=3, **options)

    check_pose_net(make, rng.uniform(-1, 1, (4, 2, 17, 3)).astype("float32"), tmp_path)


@pytest.mark.parametrize(
    "preset, options, skeleton, expected",
    [
        ("modulated_gcn", {}, "human36m_16", 287_923),
        ("modulated_gcn_cpn", {}, "human36m_17", 2_731_840),
        ("modulated_gcn", {"filters": 32, "num_blocks": 2}, "human36m_16", 13_139),
    ],
)
def test_published_parameter_counts(preset, options, skeleton, expected):
    net = pose_nets.from_preset(preset, skeleton, **options)
    assert sum(int(np.prod(weight.shape)) for weight in net.trainable_weights) == expected


def test_every_joint_reaches_every_joint_through_learned_edges(rng):
    """A graph convolution sees neighbours alone at first, and all joints once edges have grown."""
    net = pose_nets.ModulatedGCN("human36m_17", filters=4, num_blocks=0)
    x = rng.uniform(-1, 1, (1, 1, 17, 2)).astype("float32")
    moved = x.copy()
    moved[:, :, 3] += 0.5

    def reach():
        difference = np.abs(net.predict_on_batch(moved) - net.predict_on_batch(x))
        return difference[0, 0].max(axis=-1) > 1e-4

    # Two convolutions in all: from the right ankle up to the right hip, and not the root.
    assert np.flatnonzero(reach()).tolist() == [1, 2, 3]
    randomize(net)
    assert reach()[1:].all()


def test_any_skeleton():
    net = pose_nets.ModulatedGCN("hand_21", **SMALL)
    assert net.output.shape == (None, 1, skeletons.get("hand_21").num_joints, 3)
