"""P-STMO: the shared check, sizes, and what its two outputs see."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import pose_nets
from keras_seal.pose_nets.pstmo import default_strides
from tests.checks import check_pose_net, forward, randomize, to_numpy

SMALL = {"num_frames": 3, "channels": 8, "hidden": 6, "num_blocks": 1, "num_heads": 2}


@pytest.mark.parametrize("out_frames, channels", [(1, 3), (3, 2)])
def test_shared_check(out_frames, channels, rng, tmp_path):
    options = {**SMALL, "out_frames": out_frames, "input_channels": channels}

    def make(**more):
        return pose_nets.PSTMO("coco_17", **options, **more)

    x = rng.uniform(-1, 1, (4, 3, 17, channels)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


def test_strides():
    published = {27: (3, 3, 3), 81: (3,) * 4, 243: (3,) * 5, 9: (1, 3, 3), 351: (3, 9, 13)}
    for frames, strides in published.items():
        assert default_strides(frames) == strides
    assert default_strides(1) == (1,) and default_strides(10) == (2, 5)
    for frames in range(2, 40):
        assert np.prod(default_strides(frames)) == frames
    with pytest.raises(ValueError, match="leave 3 of 9 frames"):
        pose_nets.PSTMO("human36m_17", num_frames=9, strides=(3,))
    with pytest.raises(ValueError, match="`out_frames` is 1 or 9"):
        pose_nets.PSTMO("human36m_17", num_frames=9, out_frames=3)


def test_centre_frame_is_gathered_and_the_others_are_not(rng):
    options = {**SMALL, "num_frames": 9, "strides": (3, 3)}
    both = pose_nets.PSTMO("human36m_17", out_frames=9, **options)
    one = pose_nets.PSTMO("human36m_17", **options)
    randomize(both)
    values = {weight.path: to_numpy(weight) for weight in both.weights}
    for weight in one.weights:
        if weight.path in values:
            weight.assign(values[weight.path])
    assert {w.path for w in one.weights if "seed" not in w.path} <= set(values)
    x = rng.uniform(-1, 1, (2, 9, 17, 2)).astype("float32")
    poses = to_numpy(forward(both, [x]))
    np.testing.assert_allclose(poses[:, 4:5], to_numpy(forward(one, [x])), rtol=1e-4, atol=1e-4)
    # The gathering layers serve the centre alone.
    layer = both.get_layer("gather_0_expand")
    layer.kernel.assign(to_numpy(layer.kernel) + 1.0)
    changed = np.abs(to_numpy(forward(both, [x])) - poses).max(axis=(0, 2, 3))
    assert changed[4] > 1e-3 and (np.delete(changed, 4) == 0).all()


def test_without_attention_frames_are_encoded_alone(rng):
    net = pose_nets.PSTMO("human36m_17", out_frames=3, **SMALL)
    randomize(net)
    for name in ("frame_0_attention", "gather_0_attention"):
        for weight in net.get_layer(name).projection.weights:
            weight.assign(np.zeros(weight.shape, "float32"))
    x = rng.uniform(-1, 1, (2, 3, 17, 2)).astype("float32")
    plain = to_numpy(forward(net, [x]))

    def frames_moved_by(frame):
        other = x.copy()
        other[:, frame] += 0.5
        moved = np.abs(to_numpy(forward(net, [other])) - plain).max(axis=(0, 2, 3))
        return (moved > 1e-3).tolist()

    # The centre is gathered by a convolution over a frame before, the first and the second.
    assert frames_moved_by(0) == [True, True, False]
    assert frames_moved_by(1) == [False, True, False]
    assert frames_moved_by(2) == [False, False, True]
