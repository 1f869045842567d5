"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import random

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
# Tests run each program once or twice: compile it fast rather than well.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores; their tensors are too small for threads of their own.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from keras_seal import skeletons
from keras_seal.data import PoseSequences

# The first example of a property test pays for compiling; the machine may be busy besides.
settings.register_profile(
    "keras_seal",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("keras_seal")

# Offsets from the parent, metres, camera space (y down): a person standing, facing the camera.
_STANDING = np.array(
    [
        [0, 0, 0],
        [-0.13, 0, 0],
        [0, 0.44, 0],
        [0, 0.45, 0],
        [0.13, 0, 0],
        [0, 0.44, 0],
        [0, 0.45, 0],
        [0, -0.23, 0],
        [0, -0.25, 0],
        [0, -0.12, -0.05],
        [0, -0.11, 0.03],
        [0.15, 0.03, 0],
        [0.05, 0.27, 0],
        [0.02, 0.25, 0],
        [-0.15, 0.03, 0],
        [-0.05, 0.27, 0],
        [-0.02, 0.25, 0],
    ]
)


@pytest.fixture(autouse=True)
def _same_draws_in_any_order():
    # Keras takes the seeds of layers that were given none from here.
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory):
    """A cache of prepared data for all tests of a process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def no_pictures(monkeypatch):
    """Trainings without the pictures of their runs, which take longer than all else there."""
    from keras_seal.runs import report

    for name in ("draw_history", "draw_results"):
        monkeypatch.setattr(report, name, lambda *arguments: None)


@pytest.fixture
def skeleton():
    return skeletons.get("human36m_17")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def random_poses(skeleton, rng):
    """Plausible root-relative poses: a standing person with every bone turned at random."""

    def make(count: int, frames: int = 1) -> np.ndarray:
        offsets = _STANDING + 0.08 * rng.standard_normal((count, frames, 17, 3))
        poses = np.zeros((count, frames, 17, 3))
        for joint in skeleton.topological_order:
            parent = skeleton.parents[joint]
            if parent >= 0:
                poses[:, :, joint] = poses[:, :, parent] + offsets[:, :, joint]
        return poses.astype("float32")

    return make


@pytest.fixture
def random_keypoints(random_poses):
    """Keypoints that go with `random_poses`-like people five metres away."""

    def make(count: int, frames: int = 1) -> np.ndarray:
        poses = random_poses(count, frames)
        return (2.3 * poses[..., :2] / (poses[..., 2:] + 5.0)).astype("float32")

    return make


@pytest.fixture
def make_sequences():
    """Small hand-made sequences whose values tell which frame they are."""

    def make(lengths=(4, 1, 6), channels=2, subjects=None, **others) -> PoseSequences:
        total = sum(lengths)
        # x and y are small, distinct numbers per frame and joint; the pose's root is not at 0.
        frame = np.arange(total, dtype=np.float32)[:, None]
        joint = np.arange(17, dtype=np.float32)
        keypoints = np.stack([frame / 100 + joint / 1000, frame / 50 - joint / 1000], axis=-1)
        if channels == 3:
            keypoints = np.concatenate([keypoints, np.full((total, 17, 1), 0.5)], axis=-1)
        depth = 4 + joint / 10 + 0 * frame
        poses = np.stack([frame / 10 + joint / 100, frame / 20 - joint / 50, depth], axis=-1)
        count = len(lengths)
        defaults = {
            "subjects": [f"S{index}" for index in range(count)] if subjects is None else subjects,
            "actions": [f"action {index}" for index in range(count)],
        }
        return PoseSequences(
            "human36m_17", keypoints, poses, np.cumsum([0, *lengths]), **{**defaults, **others}
        )

    return make
