"""Whole splits: every frame once, figures as their definitions say."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_seal.data import PoseSequences
from keras_seal.data.augmentation import flip
from keras_seal.errors import UserError
from keras_seal.geometry import root_relative
from keras_seal.runs import lift
from keras_seal.runs.evaluation import measure


@pytest.fixture
def sequences(skeleton, random_poses, random_keypoints):
    lengths = [1, 7, 12]
    total = sum(lengths)
    poses = random_poses(total)[:, 0]
    poses[..., 2] += 5.0
    return PoseSequences(
        skeleton,
        random_keypoints(total)[:, 0],
        poses,
        np.cumsum([0, *lengths]),
        subjects=["a", "a", "b"],
        actions=["walk", "sit", "walk"],
    )


def net(frames, out_frames):
    """Gives each frame's keypoints back, with the window's mean as third coordinate."""
    inputs = keras.Input((frames, 17, 2))
    middle = inputs[:, frames // 2 : frames // 2 + 1] if out_frames == 1 else inputs
    mean = keras.ops.mean(inputs, axis=(1, 3), keepdims=True)
    mean = mean + 0.0 * middle[..., :1]
    return keras.Model(inputs, keras.ops.concatenate([middle, mean], axis=-1))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 5])
def test_centre_nets_see_a_window_around_each_frame(sequences, frames, stride):
    found = lift(net(frames, 1), sequences, frame_stride=stride, batch_size=6)
    for start, end in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        for frame in range(start, end):
            steps = (np.arange(frames) - frames // 2) * stride
            window = sequences.keypoints[np.clip(frame + steps, start, end - 1)]
            np.testing.assert_allclose(found[frame, :, :2], sequences.keypoints[frame])
            np.testing.assert_allclose(found[frame, :, 2], window.mean(axis=(0, 2)), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("frames", [2, 5, 9])
def test_sequence_nets_cover_every_frame(sequences, frames, stride):
    found = lift(net(frames, frames), sequences, frame_stride=stride, batch_size=4)
    np.testing.assert_allclose(found[..., :2], sequences.keypoints)


def off_at_the_wrist(poses, by):
    moved = poses.copy()
    moved[:, 16] += np.array(by, "float32")
    return moved


def test_figures_are_means_over_all_frames(sequences):
    poses = sequences.poses - sequences.poses[:, :1]
    # Where the origin lies does not matter.
    scores = measure(off_at_the_wrist(poses, [0.03, 0.0, 0.04]) + 7.0, sequences)
    figures = scores["metrics"]
    assert figures["mpjpe"] == pytest.approx(50 / 17, rel=1e-4)
    assert figures["pck"] == 100
    assert figures["mpjve"] == pytest.approx(0.0, abs=1e-2)
    unmoved = measure(poses, sequences)
    assert unmoved["metrics"]["lse"] == pytest.approx(scores["truth"]["lse"], abs=1e-3)
    assert unmoved["metrics"]["bsle"] == pytest.approx(0.0, abs=1e-3)
    assert (scores["frames"], scores["sequences"]) == (20, 3)
    assert scores["actions"]["walk"]["frames"] == 13
    assert scores["actions"]["sit"]["mpjpe"] == pytest.approx(50 / 17, rel=1e-4)


def test_velocity_does_not_look_across_sequences(sequences):
    # Each sequence is moved as a whole: no step inside one is wrong.
    poses = sequences.poses - sequences.poses[:, :1]
    owner = np.repeat([0.0, 1.0, 2.0], sequences.lengths).astype("float32")
    scores = measure(poses + owner[:, None, None], sequences)
    assert scores["metrics"]["mpjve"] == pytest.approx(0.0, abs=1e-3)
    # One joint of 17 that jumps by 10 mm spoils the two steps beside it, of 6 + 11.
    poses[5, 16] += np.array([0.01, 0.0, 0.0], "float32")
    assert measure(poses, sequences)["metrics"]["mpjve"] == pytest.approx(20 / 17 / 17, rel=1e-3)


def test_only_valid_frames_count(sequences):
    valid = np.arange(sequences.num_frames) % 4 > 0
    some = PoseSequences(
        sequences.skeleton,
        sequences.keypoints,
        sequences.poses,
        sequences.offsets,
        sequences.subjects,
        sequences.actions,
        valid=valid,
    )
    poses = root_relative(sequences.poses, sequences.skeleton)
    off = off_at_the_wrist(poses, [0.1, 0.1, 0.1])
    expected = measure(off, some)
    wrong = np.where(valid[:, None, None], off, poses * 7.0)
    assert measure(wrong, some) == expected
    assert expected["frames"] == valid.sum()
    assert expected["metrics"]["mpjpe"] == pytest.approx(100 * 3**0.5 / 17, rel=1e-5)


def test_test_time_flip_is_the_mean_with_the_mirrored_prediction(sequences, skeleton):
    class Biased(keras.layers.Layer):
        """Sees a shift to the right, and the left wrist alone rightly."""

        def call(self, keypoints):
            poses = keras.ops.concatenate([keypoints, keypoints[..., :1]], axis=-1)
            return poses + keras.ops.convert_to_tensor([0.01, 0.0, 0.02], keypoints.dtype)

    inputs = keras.Input((1, 17, 2))
    biased = keras.Model(inputs, Biased()(inputs))
    plain, flipped = (lift(biased, sequences, flip=each) for each in (False, True))
    mirrored = lift(biased, replace(sequences, keypoints=flip(sequences.keypoints, skeleton)))
    np.testing.assert_allclose(flipped, (plain + flip(mirrored, skeleton)) / 2, atol=1e-6)
    # The shift to the right cancels, the other does not.
    np.testing.assert_allclose(plain[..., 0] - sequences.keypoints[..., 0], 0.01, atol=1e-6)
    np.testing.assert_allclose(flipped[..., 0], sequences.keypoints[..., 0], atol=1e-6)
    hand = PoseSequences(
        "hand_21", np.zeros((2, 21, 2)), np.zeros((2, 21, 3)), [0, 2], ["a"], ["wave"]
    )
    inputs = keras.Input((1, 21, 2))
    net_of_hands = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(UserError, match="'hand_21' has none"):
        lift(net_of_hands, hand, flip=True)
