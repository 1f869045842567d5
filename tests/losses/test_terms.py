"""Terms of a pose loss against NumPy, and their gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.losses import TERMS, PoseTerms
from tests.backend_gradients import compiled, gradients
from tests.checks import to_numpy

JOINTS = {"left_wrist": 4.0, "head": 1.5}


@pytest.fixture
def pair(random_poses):
    truth = random_poses(3, 5)
    wrong = truth + 0.1 * np.random.default_rng(1).standard_normal(truth.shape).astype("float32")
    return truth, wrong


def by_hand(truth, wrong, skeleton):
    truth, wrong = truth.astype("float64"), wrong.astype("float64")
    norm = np.linalg.norm
    factors = np.ones(17)
    for joint, factor in JOINTS.items():
        factors[skeleton.joints.index(joint)] = factor
    scale = (truth * wrong).sum((-2, -1)) / (wrong**2).sum((-2, -1))
    steps, true_steps = wrong[:, 1:] - wrong[:, :-1], truth[:, 1:] - truth[:, :-1]
    bones = [(parent, child) for child, parent in enumerate(skeleton.parents) if parent >= 0]

    def vectors(poses):
        return np.stack(
            [poses[..., child, :] - poses[..., parent, :] for parent, child in bones], 2
        )

    def angles(poses):
        v = vectors(poses)
        v = v / norm(v, axis=-1, keepdims=True)
        return np.stack(
            [np.arccos((v[:, :, a] * v[:, :, b]).sum(-1)) for a, b in skeleton.adjacent_bones], 2
        )

    def directions(poses):
        return vectors(poses) / norm(vectors(poses), axis=-1, keepdims=True)

    lengths = norm(vectors(wrong), axis=-1)
    bone = {skeleton.joints[child]: index for index, (_, child) in enumerate(bones)}
    sides = [
        (bone[name], bone[name.replace("left", "right")]) for name in bone if name[:4] == "left"
    ]
    turned = angles(wrong) - angles(truth)
    return {
        "mpjpe": (norm(wrong - truth, axis=-1) * factors).mean(),
        "center_mpjpe": (norm(wrong - truth, axis=-1) * factors)[:, 2].mean(),
        "n_mpjpe": (norm(scale[..., None, None] * wrong - truth, axis=-1) * factors).mean(),
        "velocity": (norm(steps - true_steps, axis=-1) * factors).mean(),
        "smoothness": (steps**2 * factors[:, None]).mean(),
        "mse": ((wrong - truth) ** 2).mean(),
        "l1": np.abs(wrong - truth).mean(),
        "bone_length": np.abs(norm(vectors(wrong), axis=-1) - norm(vectors(truth), axis=-1)).mean(),
        "bone_direction": norm(directions(wrong) - directions(truth), axis=-1).mean(),
        "bone_constancy": lengths.std(axis=1).mean(),
        "symmetry": np.mean([np.abs(lengths[..., a] - lengths[..., b]) for a, b in sides]),
        "angle": np.abs(turned).mean(),
        "angle_velocity": np.abs(turned[:, 1:] - turned[:, :-1]).mean(),
    }


def test_terms_against_numpy(pair, skeleton):
    expected = by_hand(*pair, skeleton)
    assert set(expected) == set(TERMS)
    takes_joints = ("mpjpe", "center_mpjpe", "n_mpjpe", "velocity", "smoothness")
    terms = [
        {
            "name": name,
            "weight": 0.5 + index,
            **({"joints": JOINTS} if name in takes_joints else {}),
        }
        for index, name in enumerate(TERMS)
    ]
    for term in terms:
        loss = PoseTerms([term], skeleton)
        found = float(loss(*pair)) / term["weight"]
        np.testing.assert_allclose(found, expected[term["name"]], rtol=2e-4, err_msg=term["name"])
    # All at once, compiled, and through a file.
    total = sum(term["weight"] * expected[term["name"]] for term in terms)
    loss = PoseTerms(terms, skeleton)
    np.testing.assert_allclose(
        to_numpy(compiled(loss)(*map(ops.convert_to_tensor, pair))), total, rtol=2e-4
    )
    config = keras.saving.serialize_keras_object(loss)
    twin = keras.saving.deserialize_keras_object(config)
    assert twin.get_config() == loss.get_config()
    np.testing.assert_allclose(float(twin(*pair)), float(loss(*pair)), rtol=1e-6)


def test_plain_terms_are_those_of_the_metrics_and_weights_count(pair):
    truth, wrong = pair
    plain = PoseTerms(["mpjpe", {"name": "velocity", "weight": 2.0}])
    error = np.linalg.norm(wrong - truth, axis=-1)
    moved = np.linalg.norm(np.diff(wrong, axis=1) - np.diff(truth, axis=1), axis=-1)
    np.testing.assert_allclose(float(plain(*pair)), error.mean() + 2 * moved.mean(), rtol=1e-5)
    only = np.array([0.0, 3.0, 0.0], "float32")
    expected = (error[1].mean() + 2 * moved[1].mean()) * 3 / 3
    np.testing.assert_allclose(float(plain(truth, wrong, only)), expected, rtol=1e-5)


def test_gradients_are_finite_also_where_nothing_is_wrong(pair, skeleton):
    truth, wrong = pair
    loss = PoseTerms(TERMS, skeleton)
    still = np.zeros_like(truth)
    y_true = np.concatenate([truth, still, truth, truth])
    y_pred = np.concatenate([truth, still, still, wrong])
    _, (slope,), _ = gradients(lambda p: loss(y_true, p), [y_pred])
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0
    # Nor may a bone that is all but gone blow them up.
    tiny = 1e-7 * np.random.default_rng(2).standard_normal(truth.shape).astype("float32")
    direction = PoseTerms(["bone_direction"], skeleton)
    _, (slope,), _ = gradients(lambda p: direction(truth, p), [tiny])
    assert 0 < np.abs(slope).max() < 1e3 / len(truth)


def test_mistakes_are_told(pair, skeleton):
    for terms, message in (
        (["velocty"], "velocity"),
        ([], "one term"),
        ([{"name": "mpjpe", "weight": 0}], "more than 0"),
        ([{"name": "mse", "joints": {"head": 2.0}}], "no factors"),
        ([{"name": "mpjpe", "factor": 2.0}], "name, weight and joints"),
    ):
        with pytest.raises(ValueError, match=message):
            PoseTerms(terms, skeleton)
    with pytest.raises(ValueError, match="needs the skeleton"):
        PoseTerms(["angle"])
    with pytest.raises(UserError, match="left_wrist"):
        PoseTerms([{"name": "mpjpe", "joints": {"left_wrst": 2.0}}], skeleton)
    for name in ("velocity", "bone_constancy"):
        with pytest.raises(ValueError, match="one at a time"):
            PoseTerms([name], skeleton)(pair[0][:, :1], pair[1][:, :1])
    lopsided = skeletons.Skeleton.from_dict(
        {**skeleton.to_dict(), "name": "lopsided", "mirror_pairs": []}
    )
    with pytest.raises(ValueError, match="needs mirrored bones"):
        PoseTerms(["symmetry"], lopsided)
