"""Pose losses and energy objectives against their formulas."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seal import losses


def to_numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("name", ["mpjpe", "mse", "l1"])
def test_pose_losses_are_means_over_frames_and_weigh_whole_poses(name, rng):
    y, p = rng.normal(size=(2, 5, 3, 4, 3)).astype("float32")
    per_frame = {
        "mpjpe": np.sqrt(((p - y) ** 2).sum(-1)).mean(-1),
        "mse": ((p - y) ** 2).mean((-2, -1)),
        "l1": np.abs(p - y).mean((-2, -1)),
    }[name]
    loss = losses.get(name)
    assert to_numpy(loss(y, p)) == pytest.approx(per_frame.mean(), rel=1e-5)
    for weights in (rng.random((5, 3)).astype("float32"), rng.random(5).astype("float32")):
        spread = weights if weights.ndim == 2 else weights[:, None]
        expected = (per_frame * spread).mean()
        assert to_numpy(loss(y, p, weights)) == pytest.approx(expected, rel=1e-5)
    again = type(loss).from_config(loss.get_config())
    assert to_numpy(again(y, p)) == to_numpy(loss(y, p))


def test_half_precision_predictions_are_compared_in_float32(rng):
    y = np.full((1, 1, 17, 3), 1.0, "float32")
    p = ops.cast(y, "float16") + ops.cast(1e-3, "float16")
    step = float(to_numpy(ops.cast(p, "float32"))[0, 0, 0, 0]) - 1.0
    assert to_numpy(losses.MPJPE()(y, p)) == pytest.approx(np.sqrt(3) * step, rel=1e-4)


@given(st.floats(-30, 30), st.lists(st.floats(-30, 30), min_size=1, max_size=4), st.floats(0.1, 10))
def test_nce_is_the_negative_log_probability_of_the_truth(true, negatives, temperature):
    logits = -np.array([true, *negatives]) / temperature
    expected = -(logits[0] - np.log(np.exp(logits - logits.max()).sum()) - logits.max())
    negative = np.array(negatives, "float32").reshape(-1, 1, 1)
    got = losses.NCE(temperature)(np.full((1, 1), true, "float32"), negative, negative)
    assert to_numpy(got)[0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_nce_does_not_overflow():
    huge = np.array([[[1e4]], [[-1e4]]], "float32")
    got = to_numpy(losses.NCE(0.01)(np.zeros((1, 1), "float32"), huge, huge))
    assert got[0, 0] == pytest.approx(1e6, rel=1e-5)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 2), st.floats(0, 20))
def test_margin_is_a_hinge_on_the_violation(true, negative, distance, margin):
    violation = margin * distance - negative + true
    arrays = [
        np.full(s, v, "float32")
        for s, v in [((1, 1), true), ((1, 1, 1), negative), ((1, 1, 1), distance)]
    ]
    hinged = to_numpy(losses.MarginRanking(margin)(*arrays))[0, 0]
    free = to_numpy(losses.MarginRanking(margin, hinge=False)(*arrays))[0, 0]
    assert free == pytest.approx(violation, abs=1e-4)
    assert hinged == pytest.approx(max(0.0, violation), abs=1e-4)


def test_margin_takes_the_mean_over_negatives():
    true, negatives = np.zeros((2, 1), "float32"), np.zeros((3, 2, 1), "float32")
    distances = np.array([0.1, 0.2, 0.3], "float32")[:, None, None] * np.ones((3, 2, 1), "float32")
    np.testing.assert_allclose(
        to_numpy(losses.MarginRanking(1.0)(true, negatives, distances)), 0.2, rtol=1e-5
    )


def test_regression_is_zero_exactly_at_the_scaled_error(rng):
    distances = rng.random((2, 4, 1)).astype("float32")
    objective = losses.EnergyRegression(scale=3.0)
    zero = np.zeros((4, 1), "float32")
    np.testing.assert_allclose(to_numpy(objective(zero, 3 * distances, distances)), 0, atol=1e-10)
    np.testing.assert_allclose(
        to_numpy(objective(zero + 2, 3 * distances + 1, distances)), 0.5 * (1 + 4), rtol=1e-5
    )


@pytest.mark.parametrize("name", ["margin", "nce", "regression"])
def test_objectives_survive_serialization_and_take_coefficients(name):
    objective = losses.get_objective(name, distance="l1")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert again.get_config() == objective.get_config()
    (coefficient,) = objective.coefficients
    true, other = np.ones((1, 1), "float32"), np.full((1, 1, 1), 0.5, "float32")
    doubled = type(objective)(
        distance="l1", **{coefficient: 2 * objective.coefficients[coefficient]}
    )
    assert to_numpy(objective(true, other, other, **doubled.coefficients)) == pytest.approx(
        to_numpy(doubled(true, other, other))
    )


def test_the_discriminators_losses(rng):
    true, negatives = rng.normal(size=(5, 2)), rng.normal(size=(3, 5, 2))
    # By the logit, which is the negative energy: high for what looks real.
    log_sigmoid = lambda logit: -np.log1p(np.exp(-logit))  # noqa: E731
    kinds = {
        "logistic": (lambda d: -log_sigmoid(d), lambda d: -log_sigmoid(-d)),
        "least_squares": (lambda d: (d - 1) ** 2 / 2, lambda d: d**2 / 2),
        "hinge": (lambda d: np.maximum(0, 1 - d), lambda d: np.maximum(0, 1 + d)),
        "wasserstein": (lambda d: -d, lambda d: d),
    }
    assert set(kinds) == set(losses.ADVERSARIAL_KINDS)
    for kind, (real, fake) in kinds.items():
        objective = losses.get_objective("adversarial", kind=kind)
        expected = real(-true) + fake(-negatives).mean(0)
        arrays = [ops.convert_to_tensor(array, "float32") for array in (true, negatives)]
        got = to_numpy(objective(*arrays, ops.zeros_like(arrays[1])))
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        # The pose-net's loss is that of a real pose; only hinge has no bound there.
        wanted = true if kind == "hinge" else real(-true)
        np.testing.assert_allclose(to_numpy(objective.pose_term(arrays[0])), wanted, rtol=1e-5)
        config = keras.saving.serialize_keras_object(objective)
        assert keras.saving.deserialize_keras_object(config).kind == kind
    huge = ops.full((1, 1), 1e4)
    assert np.isfinite(to_numpy(losses.Adversarial()(-huge, huge[None], huge[None]))).all()
    assert losses.MarginRanking().pose_term(huge) is huge


def test_distances_of_several_negatives(rng):
    y = rng.normal(size=(2, 1, 17, 3)).astype("float32")
    negatives = np.stack([y, y + 1.0])
    got = to_numpy(losses.MarginRanking(distance="l1").distances(y, negatives))
    np.testing.assert_allclose(got, [[[0], [0]], [[1], [1]]], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.get("mpjpee"), "Did you mean 'mpjpe'"),
        (lambda: losses.get_objective("marign"), "Did you mean 'margin'"),
        (lambda: losses.MarginRanking(distance="mpjp"), "Did you mean 'mpjpe'"),
        (lambda: losses.MarginRanking(-1.0), "hinge=False"),
        (lambda: losses.NCE(0.0), "above 0"),
        (lambda: losses.Adversarial("logstic"), "Did you mean 'logistic'"),
    ],
)
def test_bad_names_and_numbers_are_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_objective_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="EnergyObjective"):
        losses.get_objective(3)
