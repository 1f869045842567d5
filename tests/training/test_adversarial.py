"""The loss-net as a discriminator, inside `SEALPose`, against what a step must do."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import SEALPose, losses
from tests.checks import to_numpy

A, RATE, WEIGHT = 0.7, 0.5, 3.0


@keras.saving.register_keras_serializable(package="keras_seal_tests")
class ScaledMean(keras.layers.Layer):
    """Energy a * mean(pose ** power): every gradient is known."""

    def __init__(self, power=2, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def build(self, shapes):
        self.a = self.add_weight(shape=(), initializer=keras.initializers.Constant(A), name="a")

    def call(self, inputs):
        return self.a * ops.mean(inputs[1] ** self.power, axis=(-2, -1))

    def compute_output_shape(self, shapes):
        return shapes[1][:2]


def make(power, **compiled):
    keypoints = keras.Input((1, 17, 2))
    lifted = keras.layers.Dense(51, use_bias=False)(keras.layers.Flatten()(keypoints))
    pose_net = keras.Model(keypoints, keras.layers.Reshape((1, 17, 3))(lifted))
    inputs = [keras.Input((None, 17, 2)), keras.Input((None, 17, 3))]
    model = SEALPose(pose_net, keras.Model(inputs, ScaledMean(power)(inputs)))
    model.compile(
        keras.optimizers.SGD(RATE),
        loss="mse",
        loss_net_optimizer=keras.optimizers.SGD(RATE),
        energy_weight=WEIGHT,
        **compiled,
    )
    return model


@pytest.fixture
def batch(rng):
    x = rng.normal(size=(8, 1, 17, 2)).astype("float32")
    return x, rng.normal(size=(8, 1, 17, 3)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Slopes by the energy: of the truth's loss, the negative's loss, and the pose-net's.
SLOPES = {
    "logistic": (sigmoid, lambda e: -sigmoid(-e), sigmoid),
    "least_squares": (lambda e: e + 1, lambda e: e, lambda e: e + 1),
    "hinge": (lambda e: 1.0 * (e > -1), lambda e: -1.0 * (e < 1), np.ones_like),
    "wasserstein": (np.ones_like, lambda e: -np.ones_like(e), np.ones_like),
}


@pytest.mark.parametrize("kind", losses.ADVERSARIAL_KINDS)
def test_a_step_of_both_players_equals_the_closed_form(batch, kind):
    x, y = (array.astype("float64") for array in batch)
    model = make(2, energy_objective=losses.Adversarial(kind))
    kernel = model.pose_net.get_weights()[0].astype("float64")
    flat = x.reshape(8, -1)
    p = (flat @ kernel).reshape(y.shape)
    square = lambda pose: (pose**2).mean((1, 2, 3))  # noqa: E731
    by_true, by_negative, by_pose = SLOPES[kind]
    true, false = by_true(A * square(y)), by_negative(A * square(p))
    a = A - RATE * (true * square(y) + false * square(p)).mean()
    force = WEIGHT * by_pose(a * square(p))[:, None, None, None] * a * 2 * p / 51
    step = flat.T @ (2 * (p - y) / 51 + force).reshape(8, -1) / 8

    monitored = to_numpy(model.energy_pull(*map(ops.convert_to_tensor, (batch[0], batch[1]))))
    expected = by_pose(A * square(y))[:, None, None, None] * A * 2 * y / 51
    np.testing.assert_allclose(monitored, expected, rtol=1e-4, atol=1e-6)
    logs = model.train_on_batch(*batch, return_dict=True)
    assert model.loss_net.get_weights()[0] == pytest.approx(a, rel=1e-4)
    np.testing.assert_allclose(
        model.pose_net.get_weights()[0], kernel - RATE * step, rtol=1e-4, atol=1e-5
    )
    # Energies are logged as they are.
    assert logs["energy_pred"] == pytest.approx(A * square(p).mean(), rel=1e-4)
    ratio = np.linalg.norm(force) / np.linalg.norm(2 * (p - y) / 51)
    assert logs["force_ratio"] == pytest.approx(ratio, rel=1e-3)
    assert np.isfinite(model.test_on_batch(*batch, return_dict=True)["loss"])


def test_the_penalty_between_truth_and_negatives_is_centred_at_one(batch):
    x, y = (array.astype("float64") for array in batch)
    objective, penalty = losses.Adversarial("wasserstein"), 5.0
    model = make(1, energy_objective=objective, gradient_penalty=penalty, penalty_at="between")
    p = (x.reshape(8, -1) @ model.pose_net.get_weights()[0].astype("float64")).reshape(y.shape)
    logs = model.train_on_batch(*batch, return_dict=True)
    norm = A / 51**0.5  # everywhere, for this energy
    assert logs["loss_net_loss"] == pytest.approx(
        A * (y.mean() - p.mean()) + penalty * (norm - 1) ** 2, rel=1e-4
    )
    a = A - RATE * (y.mean() - p.mean() + penalty * 2 * (norm - 1) / 51**0.5)
    assert model.loss_net.get_weights()[0] == pytest.approx(a, rel=1e-4)


def test_the_places_between_lie_on_the_lines(batch):
    model = make(1, gradient_penalty=1.0, penalty_at="between")
    y = ops.zeros((4000, 1, 17, 3))
    made = [y + 1.0, y - 2.0, y + 4.0]
    places = to_numpy(model._between(y, made))
    assert np.ptp(places, axis=(-2, -1)).max() == 0
    share = places[:, 0, 0, 0]
    assert share.min() < -1.9 and share.max() > 3.9
    # A third of the poses for each negative, evenly spread on the way there.
    assert (share < 0).mean() == pytest.approx(1 / 3, abs=0.03)
    assert share[share < 0].mean() == pytest.approx(-1, abs=0.1)
    assert (share > 1).mean() == pytest.approx(0.25, abs=0.03)
