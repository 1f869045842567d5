"""SEAL trains every pose-net: 200 steps on synthetic motion."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import SEALPose, loss_nets, pose_nets
from keras_seal.data import PoseWindows, sources

_ATTENTION = {"num_blocks": 1, "num_heads": 2}
SMALL = {
    "D3DP": {"num_frames": 3, "channels": 16, **_ATTENTION},
    "DSTformer": {
        "num_frames": 3,
        "channels": 16,
        "num_layers": 1,
        "num_heads": 2,
        "representation": 16,
    },
    "GraphMLP": {"num_frames": 3, "filters": 8, "num_blocks": 1, "joint_units": 8},
    "JointFormer": {"channels": 16, **_ATTENTION, "head_channels": 8, "hidden": 16},
    "KTPFormer": {"num_frames": 3, "channels": 16, **_ATTENTION},
    "LargeSimpleBaseline": {"units": 32, "num_stages": 1},
    "MixSTE": {"num_frames": 3, "channels": 16, **_ATTENTION},
    "ModulatedGCN": {"filters": 16, "num_blocks": 1},
    "MotionAGFormer": {
        "num_frames": 3,
        "channels": 16,
        "num_layers": 1,
        "num_heads": 2,
        "representation": 16,
    },
    "PSTMO": {"num_frames": 9, "channels": 16, "hidden": 16, **_ATTENTION},
    "PoseFormer": {"num_frames": 3, "joint_channels": 4, **_ATTENTION},
    "PoseFormerV2": {
        "num_frames": 9,
        "frames_kept": 1,
        "coefficients_kept": 3,
        "joint_channels": 4,
        **_ATTENTION,
    },
    "SemGCN": {"filters": 16, "num_blocks": 1},
    "SimpleBaseline": {"units": 32, "num_stages": 1, "dropout": 0.0},
    "VideoPose3D": {"filter_widths": [3], "filters": 16, "dropout": 0.0},
}


@pytest.fixture(scope="module")
def motion():
    return sources.get("synthetic")(frames=2000).load(use_cache=False).train


def test_none_is_forgotten():
    assert set(SMALL) == set(pose_nets.names())


@pytest.mark.parametrize("name", SMALL)
def test_200_steps_lower_the_loss(name, motion):
    keras.utils.set_random_seed(0)
    net = pose_nets.get(name, skeleton=motion.skeleton, **SMALL[name])
    loss_net = loss_nets.MLPLossNet(motion.skeleton, units=16, num_stages=1)
    model = SEALPose(net, loss_net)
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss="mpjpe",
        loss_net_optimizer=keras.optimizers.Adam(1e-3),
        energy_weight=1e-3,
        # Compiling takes longer than these few steps.
        jit_compile=keras.backend.backend() == "jax",
    )
    frames = {"num_frames": net.num_frames, "out_frames": net.out_frames}
    windows = PoseWindows(
        motion, batch_size=16, shuffle=True, flip=True, drop_remainder=True, **frames
    )
    logs = []
    while len(logs) < 200:
        for index in range(min(len(windows), 200 - len(logs))):
            logs.append(model.train_on_batch(*windows[index], return_dict=True))
            # Logs are running means; each step counts here.
            model.reset_metrics()
    assert len(logs) == 200
    assert {"force_ratio", "alignment", "energy_gap", "loss_net_loss"} <= set(logs[0])
    assert all(np.isfinite(value) for log in logs for value in log.values())
    first, last = (np.mean([log["pose_loss"] for log in part]) for part in (logs[:10], logs[-10:]))
    assert last < 0.8 * first, f"{first:.3f} m fell to {last:.3f} m only"
