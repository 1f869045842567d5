"""Makers of negatives: what holds for all of them, and closed forms of each."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import geometry, losses, negatives, skeletons
from keras_seal.errors import UserError
from keras_seal.training import Ramp
from tests.checks import to_numpy

NAME = "human36m_17"
FRAMES = 2


def gaussian(**options):
    return negatives.GaussianJoints(NAME, **{"seed": 1, **options})


MAKERS = {
    "prediction": negatives.Prediction,
    "rotated_bones": lambda: negatives.RotatedBones(NAME, seed=1),
    "scaled_bones": lambda: negatives.ScaledBones(NAME, seed=1),
    "symmetric": lambda: negatives.ScaledBones(NAME, symmetric=True, per_frame=True, seed=1),
    "gaussian_joints": lambda: gaussian(low=Ramp(0.05, 0.01, 10), high=0.05),
    "swapped_sides": lambda: negatives.SwappedSides(NAME, seed=1),
    "other_samples": lambda: negatives.OtherSamples(seed=1),
    "replay": lambda: negatives.Replay(capacity=24, per_step=8, seed=1),
    "gradient_ascent": lambda: negatives.GradientAscent(gaussian(), steps=2, step_size=0.01),
    "mix": lambda: negatives.Mix(
        [negatives.Prediction(), negatives.Replay(16, 4, seed=2), gaussian()], [2, 1, 1]
    ),
}


@pytest.fixture
def scene(random_poses, rng):
    truth = random_poses(12, FRAMES)
    prediction = truth + 0.05 * rng.standard_normal(truth.shape).astype("float32")
    prediction -= prediction[:, :, :1]
    return negatives.Scene(
        keypoints=ops.zeros((12, FRAMES, 17, 2)),
        truth=ops.convert_to_tensor(truth),
        prediction=ops.convert_to_tensor(prediction),
        step=ops.convert_to_tensor(0),
        energy_gradient=lambda keypoints, poses: 2.0 * poses,  # of the sum of squares
    )


def built(name):
    maker = MAKERS[name]()
    maker.build((None, FRAMES, 17, 3))
    return maker


def state(maker):
    return [to_numpy(variable).copy() for variable in maker.variables]


@pytest.mark.parametrize("name", MAKERS)
def test_shared_check(name, scene):
    """Shape, origin, seeds, state in variables, and the way through a configuration."""
    maker = built(name)
    truth = to_numpy(scene.truth)
    before = state(maker)
    made = [to_numpy(maker.make(scene)) for _ in range(2)]
    for poses in made:
        assert poses.shape == truth.shape and poses.dtype == np.float32
        assert np.isfinite(poses).all()
        origin = poses[:, :, list(skeletons.get(NAME).origin)].mean(2)
        np.testing.assert_allclose(origin, 0, atol=1e-6)
        # Every negative differs from its truth.
        assert (np.abs(poses - truth).max((1, 2, 3)) > 1e-4).all()
    draws = maker.is_random or name in ("gradient_ascent", "mix")
    assert (np.abs(made[0] - made[1]).max() > 1e-4) == draws

    # All that it remembers lies in variables: put back, it repeats itself.
    for variable, value in zip(maker.variables, before, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(to_numpy(maker.make(scene)), made[0])

    config = json.loads(json.dumps(keras.saving.serialize_keras_object(maker)))
    twin = keras.saving.deserialize_keras_object(config)
    twin.build((None, FRAMES, 17, 3))
    assert type(twin) is type(maker)
    assert json.dumps(twin.get_config()) == json.dumps(maker.get_config())
    for poses in made:
        np.testing.assert_array_equal(to_numpy(twin.make(scene)), poses)


def test_names_and_mistakes():
    assert set(MAKERS) - {"symmetric"} == set(negatives.names())
    assert negatives.get("rotated_bones", NAME, high=9.0, seed=0).high == 9.0
    with pytest.raises(UserError, match="Did you mean 'rotated_bones'"):
        negatives.get("rotate_bones")
    for wrong, message in (
        (lambda: negatives.RotatedBones(NAME, low=9, high=3), "high must be at least low"),
        (lambda: negatives.RotatedBones(NAME, share=0), "share is 0"),
        (lambda: negatives.ScaledBones(NAME, high=1.5), "whole length"),
        (lambda: negatives.GaussianJoints(NAME, low=-1), "low is -1"),
        (lambda: negatives.SwappedSides("hand_21"), "no mirrored joints"),
        (lambda: negatives.Replay(4, 8), "more than the capacity"),
        (lambda: negatives.Mix([]), "no maker"),
        (lambda: negatives.Mix([negatives.Prediction()], [0]), "shares"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()


def test_rotated_bones_keep_lengths_and_turn_by_the_angle(scene):
    skeleton = skeletons.get(NAME)
    truth = to_numpy(scene.truth).astype("float64")
    maker = negatives.RotatedBones(NAME, low=7.0, high=7.0, share=0.5, seed=3)
    made = to_numpy(maker.make(scene)).astype("float64")
    old, new = (geometry.bone_vectors(poses, skeleton) for poses in (truth, made))
    lengths = np.linalg.norm(old, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(new, axis=-1), lengths, atol=2e-7)
    # A bone at an angle a to the axis is turned by at most the angle, and by less near the axis.
    cosine = (old * new).sum(-1) / lengths / np.linalg.norm(new, axis=-1)
    angles = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert angles.max() < 7.01 and angles.max() > 6
    assert 0.35 < (angles > 0.05).mean() < 0.65


def test_scaled_bones_keep_directions_and_symmetry(scene):
    skeleton = skeletons.get(NAME)
    old = geometry.bone_vectors(to_numpy(scene.truth).astype("float64"), skeleton)
    for symmetric in (False, True):
        maker = negatives.ScaledBones(NAME, 0.1, 0.2, symmetric=symmetric, seed=3)
        new = geometry.bone_vectors(to_numpy(maker.make(scene)).astype("float64"), skeleton)
        factors = np.linalg.norm(new, axis=-1) / np.linalg.norm(old, axis=-1)
        np.testing.assert_allclose(new, old * factors[..., None], atol=1e-6)
        assert ((np.abs(factors - 1) > 0.0999) & (np.abs(factors - 1) < 0.2001)).all()
        np.testing.assert_allclose(factors[:, 0], factors[:, 1], atol=1e-5)  # all frames alike
        left, right = np.array(skeleton.bone_mirror_pairs).T
        alike = np.abs(factors[..., left] - factors[..., right]).max() < 1e-5
        assert alike == symmetric


def test_noise_has_its_deviation_and_leaves_the_origin(scene):
    maker = gaussian(low=0.02, high=0.02)
    noise = np.concatenate([to_numpy(maker.make(scene) - scene.truth) for _ in range(8)])
    assert np.abs(noise[:, :, 0]).max() < 1e-6
    assert noise[:, :, 1:].std() == pytest.approx(0.02, rel=0.05)


def test_a_schedule_changes_the_difficulty(scene):
    maker = gaussian(low=Ramp(0.0, 0.1, 10), high=Ramp(0.0, 0.1, 10))
    made = [
        to_numpy(maker.make(negatives.Scene(**{**vars(scene), "step": step})) - scene.truth).std()
        for step in (0, 5, 10)
    ]
    assert made[0] == 0
    assert made[2] / made[1] == pytest.approx(2, rel=0.1)


def test_swapped_sides(scene):
    skeleton = skeletons.get(NAME)
    truth = to_numpy(scene.truth)
    mirrored = truth[:, :, skeleton.mirror_permutation]
    whole = to_numpy(negatives.SwappedSides(NAME, share=0, seed=1).make(scene))
    np.testing.assert_array_equal(whole, mirrored)
    made = to_numpy(negatives.SwappedSides(NAME, seed=1).make(scene))
    arms = [11, 12, 13, 14, 15, 16]
    legs = [1, 2, 3, 4, 5, 6]
    kinds = set()
    for pose, true, other in zip(made, truth, mirrored, strict=True):
        swapped = [(pose[:, part] == other[:, part]).all() for part in (arms, legs)]
        for part, whether in zip((arms, legs), swapped, strict=True):
            assert whether or (pose[:, part] == true[:, part]).all()
        kinds.add(tuple(swapped))
    assert len(kinds) > 1 and (False, False) not in kinds


def test_other_samples_are_all_used_once(scene):
    truth = to_numpy(scene.truth)
    made = to_numpy(negatives.OtherSamples(seed=1).make(scene))
    rows = [int(np.abs(truth - pose).sum((1, 2, 3)).argmin()) for pose in made]
    assert sorted(rows) == list(range(12)) and all(row != i for i, row in enumerate(rows))


def test_replay_gives_back_earlier_errors(scene):
    maker = negatives.Replay(capacity=24, per_step=12, seed=1)
    maker.build((None, FRAMES, 17, 3))
    truth, prediction = to_numpy(scene.truth), to_numpy(scene.prediction)
    # Nothing stored: the present prediction.
    np.testing.assert_allclose(to_numpy(maker.make(scene)), prediction, atol=1e-6)
    exact = negatives.Scene(**{**vars(scene), "prediction": scene.truth})
    made = to_numpy(maker.make(exact)) - truth  # the errors of before
    distances = np.abs(made[:, None] - (prediction - truth)[None]).max((2, 3, 4)).min(1)
    assert distances.max() < 1e-5
    for _ in range(4):  # the zeros of `exact` drive them out; the counter goes round
        made = to_numpy(maker.make(exact)) - truth
    assert np.abs(made).max() < 1e-6
    assert 24 <= int(to_numpy(maker.stored)) < 48


def test_gradient_ascent_goes_down_the_energy_by_the_step(scene):
    start = gaussian(low=0.0, high=0.0)
    made = to_numpy(negatives.GradientAscent(start, steps=1, step_size=0.01).make(scene))
    truth = to_numpy(scene.truth)
    way = made - truth
    np.testing.assert_allclose(np.sqrt((way**2).sum((-2, -1)) / 17), 0.01, rtol=1e-4)
    cosine = (way * -truth).sum((-2, -1)) / np.linalg.norm(way, axis=(-2, -1))
    np.testing.assert_allclose(cosine / np.linalg.norm(truth, axis=(-2, -1)), 1, rtol=1e-4)


def test_mix_gives_each_maker_its_share(scene):
    maker = negatives.Mix([negatives.Prediction(), negatives.SwappedSides(NAME, 0, seed=1)], [3, 1])
    made = to_numpy(maker.make(scene))
    mirrored = to_numpy(scene.truth)[:, :, skeletons.get(NAME).mirror_permutation]
    np.testing.assert_array_equal(made[:9], to_numpy(scene.prediction)[:9])
    np.testing.assert_array_equal(made[9:], mirrored[9:])


def test_margins_are_those_of_each_sample(scene):
    """The truth must be below a negative by the margin times that very negative's distance."""
    made = ops.stack([gaussian(low=0.0, high=0.1).make(scene)])
    objective = losses.MarginRanking(margin=10.0)
    distances = objective.distances(scene.truth, made)
    zero = ops.zeros((12, FRAMES))
    values = to_numpy(objective(zero, zero[None], distances))
    expected = np.linalg.norm(to_numpy(made)[0] - to_numpy(scene.truth), axis=-1).mean(-1)
    np.testing.assert_allclose(values, 10 * expected, rtol=1e-4)
