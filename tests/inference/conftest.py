"""A recorded-like motion and small lifters."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import pose_nets
from keras_seal.data.body import draw_build
from keras_seal.data.motion import draw_motion
from keras_seal.data.virtual import draw_bone_lengths
from keras_seal.inference import Lifter, Motion, quality
from tests.data.published import keypoints as published


@pytest.fixture(scope="session")
def lifter():
    keras.utils.set_random_seed(1)
    return Lifter(pose_nets.SimpleBaseline("human36m_17", units=8, num_stages=1))


@pytest.fixture(scope="session")
def copier():
    """A net that copies x and y of the frames it sees; the third coordinate stays 0."""

    def make(frames: int, out_frames: int, scale: float = 1.0) -> keras.Model:
        inputs = keras.Input((frames, 17, 2))
        x = keras.ops.pad(scale * inputs, [[0, 0], [0, 0], [0, 0], [0, 1]])
        return keras.Model(inputs, x if out_frames > 1 else x[:, frames // 2 : frames // 2 + 1])

    return make


@pytest.fixture(scope="session")
def crossing() -> published.Truth:
    """Two people walk through each other; each is away for a while, a wrist is hidden longer."""
    truth = published.Truth()
    for frame in range(published.FRAMES * 5):
        people = []
        for person in range(2):
            away = (range(28, 33), range(40, 44))[person]
            if frame in away:
                continue
            joints = published.joints_of(frame, person)
            # Person 0 goes to the right, person 1 to the left; their hips meet in frame 30.
            x = 960 + (15.0 if person == 0 else -15.0) * (frame - 30)
            step = np.array([x, 600.0 + 10 * person]) - joints["hip"]
            joints = {name: place + step for name, place in joints.items()}
            unseen = frozenset({"left_wrist"} if person == 0 and 5 <= frame < 25 else set())
            people.append(published.Person(person + 1, joints, 0.8, 2.5, unseen))
        truth.frames.append(people[::-1] if frame % 2 else people)
    return truth


@pytest.fixture(scope="session")
def walk() -> Motion:
    """Two people who walk, four metres away, as a motion with rigid bones; 40 frames each."""
    rng = np.random.default_rng(3)
    frames = np.concatenate([np.arange(40), 5 + np.arange(25), 40 + np.arange(15)])
    from keras_seal import skeletons

    motion = Motion.empty(
        skeletons.get("human36m_17"), 25.0, (1280, 720), frames, np.repeat([0, 7], 40)
    )
    for index in range(2):
        rows = slice(40 * index, 40 * index + 40)
        lengths, build = draw_bone_lengths(rng), draw_build(rng)
        world, _ = draw_motion(40, 25.0, lengths, build, rng, "walk")
        camera = np.stack([world[..., 0], 1 - world[..., 2], world[..., 1] + 5 + index], axis=-1)
        motion.poses[rows] = camera - camera[:, :1]
        motion.roots[rows] = camera[:, 0]
        motion.keypoints[rows, :, :2] = 900 * camera[..., :2] / camera[..., 2:] + [640, 360]
        motion.keypoints[rows, :, 2] = 0.9
    motion.states[10:20, 3] = 2
    motion.about = {"input": "walk.json", "net": "none"}
    quality.measure(motion)
    return motion
