"""A few steps of SEAL training, for the pose-nets' tests."""

import keras
import numpy as np

from keras_seal import loss_nets
from keras_seal.training import SEALPose


def lowers_the_loss(net, keypoints, poses, steps=30, learning_rate=1e-2):
    """Whether a few SEAL steps on one batch lower its pose loss and leave all logs finite."""
    keras.utils.set_random_seed(0)
    loss_net = loss_nets.get("MLPLossNet", skeleton=net.skeleton, units=8)
    model = SEALPose(net, loss_net)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="mpjpe",
        loss_net_optimizer=keras.optimizers.Adam(1e-3),
        energy_weight=1e-3,
        # Compiling takes longer than these few steps.
        jit_compile=keras.backend.backend() == "jax",
    )
    logs = [model.train_on_batch(keypoints, poses, return_dict=True) for _ in range(steps)]
    assert all(np.isfinite(value) for log in logs for value in log.values())
    return float(logs[-1]["pose_loss"]) < 0.8 * float(logs[0]["pose_loss"])
