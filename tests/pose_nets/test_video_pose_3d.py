"""VideoPose3D: the shared check, published sizes, and which frames a frame sees."""

import numpy as np
import pytest

from keras_seal import pose_nets
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {"filter_widths": (3, 3), "filters": 8}


def test_shared_check(rng, tmp_path):
    def make(**more):
        return pose_nets.VideoPose3D("coco_17", input_channels=3, **SMALL, **more)

    x = rng.uniform(-1, 1, (4, 9, 17, 3)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


@pytest.mark.parametrize("frames, expected", [(27, 8_555_571), (81, 12_753_971)])
def test_published_parameter_counts(frames, expected):
    """From the closed form; the smallest published net is built."""
    widths = {27: 3, 81: 4}[frames]
    blocks = (widths - 1) * (4 * 1024**2 + 4 * 1024)
    closed = 34 * 3 * 1024 + 2 * 1024 + blocks + 1024 * 51 + 51
    assert closed == expected
    if frames == 27:
        net = pose_nets.from_preset("video_pose_3d_27", "human36m_17")
        assert sum(int(np.prod(weight.shape)) for weight in net.trainable_weights) == expected
        assert net.num_frames == net.receptive_field == 27


def reach(net, frame, rng):
    """Which input frames an output frame depends on."""
    base = rng.uniform(-1, 1, (1, net.num_frames, 17, 2)).astype("float32")
    clips = np.repeat(base, net.num_frames, axis=0)
    clips[np.arange(net.num_frames), np.arange(net.num_frames)] += 0.5
    moved = to_numpy(forward(net, [clips]))[:, frame] - to_numpy(forward(net, [base]))[:, frame]
    return np.flatnonzero(np.abs(moved).reshape(net.num_frames, -1).max(axis=1) > 1e-6)


def test_a_frame_sees_its_receptive_field(rng):
    for causal, expected in ((False, range(2, 11)), (True, range(0, 7))):
        net = pose_nets.VideoPose3D(
            "human36m_17", num_frames=13, out_frames=13, causal=causal, **SMALL
        )
        randomize(net)
        assert reach(net, 6, rng).tolist() == list(expected)
    net = pose_nets.VideoPose3D("human36m_17", causal=True, **SMALL)
    randomize(net)
    assert net.num_frames == 17
    assert reach(net, 0, rng).tolist() == list(range(9))


@pytest.mark.parametrize("causal", [False, True])
def test_one_frame_is_the_centre_of_all_frames(causal, rng):
    """Strides and dilations, with the same weights, agree; edges are repeated."""
    one = pose_nets.VideoPose3D("human36m_17", causal=causal, **SMALL)
    frames = one.num_frames
    every = pose_nets.VideoPose3D(
        "human36m_17", causal=causal, num_frames=frames, out_frames=frames, **SMALL
    )
    randomize(one)
    every.set_weights(one.get_weights())
    x = rng.uniform(-1, 1, (3, frames, 17, 2)).astype("float32")
    alone, together = to_numpy(forward(one, [x])), to_numpy(forward(every, [x]))
    np.testing.assert_allclose(alone[:, 0], together[:, frames // 2], rtol=1e-4, atol=1e-5)
    # The first frame of all sees the clip with its edge repeated before it.
    before = one.receptive_field - 1 if causal else one.receptive_field // 2
    padded = np.concatenate([x[:, [0] * before], x], axis=1)[:, :frames]
    first = to_numpy(forward(one, [padded]))
    np.testing.assert_allclose(first[:, 0], together[:, 0], rtol=1e-4, atol=1e-5)


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="num_frames"):
        pose_nets.VideoPose3D("human36m_17", num_frames=8, **SMALL)
    with pytest.raises(ValueError, match="out_frames"):
        pose_nets.VideoPose3D("human36m_17", num_frames=9, out_frames=3, **SMALL)
    with pytest.raises(ValueError, match="odd"):
        pose_nets.VideoPose3D("human36m_17", filter_widths=(3, 2))
