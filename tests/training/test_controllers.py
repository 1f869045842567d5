"""Negatives, controllers of the energy's weight and the gradient penalty inside `SEALPose`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import SEALPose, loss_nets, losses, negatives
from keras_seal.training import AlignmentGuard, ForceRatio, Ramp, get_controller, health
from keras_seal.training.controllers import Observation
from keras_seal.training.pretraining import Denoising, LossNetPretraining
from tests.checks import to_numpy

NAME = "human36m_17"


@keras.saving.register_keras_serializable(package="keras_seal_tests")
class ScaledMeanSquare(keras.layers.Layer):
    """Energy a * mean(pose²): a loss-net whose every gradient is known."""

    def build(self, shapes):
        self.a = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.7), name="a")

    def call(self, inputs):
        return self.a * ops.mean(ops.square(inputs[1]), axis=(-2, -1))

    def compute_output_shape(self, shapes):
        return shapes[1][:2]


def loss_inputs():
    return [keras.Input((None, 17, 2)), keras.Input((None, 17, 3))]


def quadratic_net():
    inputs = loss_inputs()
    return keras.Model(inputs, ScaledMeanSquare()(inputs))


def lifting_net(hidden=True):
    keypoints = keras.Input((1, 17, 2))
    h = keras.layers.Flatten()(keypoints)
    if hidden:
        h = keras.layers.Dense(16, activation="tanh")(h)
    h = keras.layers.Dense(51, use_bias=False)(h)
    return keras.Model(keypoints, keras.layers.Reshape((1, 17, 3))(h))


def assert_same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def fit(model, batch, epochs=2):
    return model.fit(*batch, batch_size=16, shuffle=False, epochs=epochs, verbose=0)


@pytest.fixture
def batch(rng):
    x = rng.normal(size=(32, 1, 17, 2)).astype("float32")
    y = (0.3 * rng.normal(size=(32, 1, 17, 3))).astype("float32")
    return x, y - y[:, :, :1]


def some_makers():
    return [
        negatives.Prediction(),
        negatives.Mix(
            [
                negatives.RotatedBones(NAME, seed=1),
                negatives.Replay(16, 8, seed=2),
                negatives.GradientAscent(negatives.GaussianJoints(NAME, seed=3)),
            ]
        ),
    ]


def make(makers=None, weight=None, **compiled):
    keras.utils.set_random_seed(1)
    # Torch's dropout draws from a global stream that `.keras` files do not hold.
    loss_net = loss_nets.MLPLossNet(NAME, units=16, num_stages=0, dropout=0.0)
    model = SEALPose(lifting_net(), loss_net, negatives=makers)
    model.compile(
        keras.optimizers.Adam(1e-2),
        loss_net_optimizer=keras.optimizers.Adam(1e-2),
        energy_weight=AlignmentGuard(ForceRatio(0.3)) if weight is None else weight,
        **compiled,
    )
    return model


def look(step=0, energy=1.0, pose=1.0, alignment=0.0):
    return Observation(step, energy, pose, alignment)


def test_save_load_continue_is_exact_with_negatives_and_controller(batch, tmp_path):
    # The penalty's places are random as well.
    model = make(some_makers(), gradient_penalty=1e-3, penalty_at="between")
    fit(model, batch, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [type(maker) for maker in loaded.negatives] == [type(m) for m in model.negatives]
    logs = fit(model, batch, epochs=1).history
    assert fit(loaded, batch, epochs=1).history == logs
    assert_same_weights(model, loaded)
    assert 0 < logs["alignment"][0] < 1 and np.isfinite(logs["loss_net_loss"][0])


def test_without_weight_negatives_leave_the_pose_net_alone(batch):
    plain = make(weight=0.0)
    other = make(some_makers(), weight=0.0)
    for model in (plain, other):
        fit(model, batch)
    assert_same_weights(plain.pose_net, other.pose_net)
    changed = zip(plain.loss_net.get_weights(), other.loss_net.get_weights(), strict=True)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in changed)


def test_a_step_with_two_negatives_and_penalty_equals_the_closed_form(batch):
    """Neither negative is the prediction: its score then comes from the updated loss-net."""
    x, y = batch
    rate, margin, penalty = 0.5, 2.0, 0.1
    makers = [negatives.OtherSamples(seed=1), negatives.SwappedSides(NAME, share=0, seed=2)]
    model = SEALPose(lifting_net(hidden=False), quadratic_net(), negatives=makers)
    model.compile(
        keras.optimizers.SGD(rate),
        loss="mse",
        loss_net_optimizer=keras.optimizers.SGD(rate),
        energy_objective=losses.MarginRanking(margin, distance="mse", hinge=False),
        energy_weight=0.0,
        gradient_penalty=penalty,
    )
    kernel = model.pose_net.get_weights()[0].astype("float64")
    p = (x.reshape(32, -1) @ kernel).reshape(y.shape)
    square = lambda pose: (pose.astype("float64") ** 2).mean((1, 2, 3))  # noqa: E731
    # Both kinds of negative are true poses in another order, so their mean square is the truth's.
    a, count = 0.7, 17 * 3
    slope = 0.5 * a**2 * 4 * square(y) / count
    distances = 0.5 * (square(y - y[:, :, model.negatives[1].skeleton.mirror_permutation]).mean())
    logs = model.train_on_batch(x, y, return_dict=True)
    updated = a - rate * penalty * 2 * slope.mean() / a
    assert model.loss_net.get_weights()[0] == pytest.approx(updated, rel=1e-4)
    assert logs["energy_true"] == pytest.approx(a * square(y).mean(), rel=1e-4)
    assert logs["energy_pred"] == pytest.approx(updated * square(p).mean(), rel=1e-4)
    assert logs["ranking_accuracy"] == pytest.approx((updated * square(p) > a * square(y)).mean())
    # The other samples' distance is not known here, but it counts as much as the swapped sides'.
    assert logs["loss_net_loss"] > margin * distances + penalty * slope.mean()


def test_force_ratio_is_held(batch):
    model = make(weight=ForceRatio(0.25, smoothing=0.0, maximum=1e6))
    assert fit(model, batch, epochs=2).history["force_ratio"][1] == pytest.approx(0.25, rel=1e-3)
    # Smoothed, from the first step on, in the logarithm; the target may be a schedule.
    controller = get_controller("force_ratio", target=Ramp(0.0, 0.4, 4), smoothing=0.5)
    weight, memory = controller.update(controller.memory, look(step=4, energy=4.0))
    assert float(weight) == pytest.approx(0.1)
    weight, memory = controller.update(memory, look(step=2, energy=1.0))
    assert float(weight) == pytest.approx(0.2 * 0.5, rel=1e-5)
    weight, _ = ForceRatio(0.2, maximum=0.05).update(controller.memory, look(energy=0.0))
    assert float(weight) == pytest.approx(0.05)


def test_no_pose_is_pulled_harder_than_allowed(batch):
    x, y = batch
    # Everywhere too hard: each pose is pulled half as hard as by the pose loss, so all are.
    model = make(weight=1e6, force_limit=0.5)
    assert float(model.train_on_batch(x, y, return_dict=True)["force_ratio"]) == pytest.approx(0.5)
    # Hard at one pose alone: the others stay as they are, and directions too.
    rng = np.random.default_rng(0)
    own, pull = (rng.normal(size=(6, 2, 17, 3)).astype("float32") for _ in range(2))
    pull[3, 1] *= 1e3
    found = to_numpy(health.limited(pull, own, limit=4.0, weight=2.0))
    np.testing.assert_array_equal(np.delete(found, 3, axis=0), np.delete(pull, 3, axis=0))
    np.testing.assert_array_equal(found[3, 0], pull[3, 0])
    unlimited, hard, allowed = (np.linalg.norm(each[3, 1]) for each in (pull, found, own))
    assert 2.0 * hard == pytest.approx(4.0 * allowed, rel=1e-5)
    np.testing.assert_allclose(found[3, 1] / hard, pull[3, 1] / unlimited, atol=1e-6)


def test_the_energy_is_turned_down_at_chance(rng):
    def run(mean, steps=300):
        guard = get_controller("alignment", weight=0.1, full=0.05, smoothing=0.9)
        memory, weights = guard.memory, []
        for value in mean + 0.01 * rng.standard_normal(steps):
            weight, memory = guard.update(memory, look(alignment=value))
            weights.append(float(weight))
        return weights

    good, chance = run(0.2), run(0.0)
    assert good[0] < 0.05 and min(good[50:]) == pytest.approx(0.1)
    assert np.mean(chance[50:]) < 0.01
    assert 0.02 < np.mean(run(0.03)[50:]) < 0.06


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: ForceRatio(-1), "target is -1"),
        (lambda: ForceRatio(smoothing=1.0), "smoothing is 1"),
        (lambda: AlignmentGuard(full=0), "full is 0"),
        (lambda: get_controller("force"), "Did you mean 'force_ratio'"),
        (lambda: make([]), "no maker"),
        (lambda: make(gradient_penalty=-1.0), "gradient_penalty"),
        (lambda: make(gradient_penalty=1.0, penalty_at="betwen"), "one of truth, between"),
        (lambda: make(weight="high"), "or a controller"),
        (lambda: make(force_limit=0.0), "force_limit is 0.0"),
    ],
)
def test_mistakes_are_explained(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_an_infinite_gradient_does_not_spoil_the_controller(batch):
    model = make(weight=ForceRatio(0.25))
    fit(model, batch, epochs=1)
    before = float(to_numpy(model.energy_weight))
    x, y = batch
    model.train_on_batch(np.full_like(x, np.inf), y)
    assert float(to_numpy(model.energy_weight)) == before > 0


def test_denoising_learns_the_way_back(batch):
    """The quadratic energy is the exact answer where the data is one point, zero."""
    x, y = batch
    net = quadratic_net()
    unit = 0.5
    model = LossNetPretraining(net, Denoising(NAME, 0.05, 0.2, unit=unit, seed=0))
    model.compile(keras.optimizers.Adam(1.0))
    model.fit(x, np.zeros_like(y), batch_size=8, epochs=40, verbose=0)
    # a mean(pose²) has the slope 2 a pose / 51; it shall be pose / unit².
    assert net.get_weights()[0] == pytest.approx(51 / 2 / unit**2, rel=0.1)
    found = model.evaluate(x, np.zeros_like(y), verbose=0, return_dict=True)
    assert found["ranking_accuracy"] == 1 and found["loss"] < 0.02


def test_pretraining_ranks_negatives_above_the_truth(random_poses, rng):
    y = random_poses(64)
    x = np.zeros((64, 1, 17, 2), "float32")
    net = loss_nets.MLPLossNet(NAME, units=32, dropout=0, pose_features="shape", conditional=False)
    model = LossNetPretraining(net, losses.MarginRanking(), [negatives.SwappedSides(NAME, seed=0)])
    model.compile(keras.optimizers.Adam(3e-3))
    history = model.fit(x, y, batch_size=16, epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["ranking_accuracy"][-1] > 0.7
    with pytest.raises(ValueError, match="no pose-net"):
        LossNetPretraining(net, losses.MarginRanking(), [negatives.Prediction()])
    with pytest.raises(ValueError, match="own noise"):
        LossNetPretraining(net, Denoising(NAME, seed=0), [negatives.OtherSamples(seed=0)])
    assert np.isfinite(to_numpy(ops.convert_to_tensor(model(x, y)))).all()
