"""`SEALPose`: the step against closed forms, and everything that Keras' `fit` offers around it."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import PoseSequences, PoseWindows, SEALPose, losses
from keras_seal.negatives import Replay
from keras_seal.training import random_state, set_random_state

BACKEND = keras.backend.backend()
J = 17


def to_numpy(x):
    return ops.convert_to_numpy(x)


def lifting_net(dropout=0.3, batch_norm=True, frames=1, out_frames=1, units=24):
    keypoints = keras.Input((frames, J, 2))
    h = keras.layers.Flatten()(keypoints)
    h = keras.layers.Dense(
        units, activation="tanh", kernel_regularizer=keras.regularizers.L2(1e-3)
    )(h)
    if batch_norm:
        h = keras.layers.BatchNormalization()(h)
    if dropout:
        h = keras.layers.Dropout(dropout)(h)
    h = keras.layers.Dense(out_frames * J * 3, dtype="float32")(h)
    return keras.Model(keypoints, keras.layers.Reshape((out_frames, J, 3))(h))


def scoring_net(dropout=0.3, units=16):
    keypoints, pose = keras.Input((None, J, 2)), keras.Input((None, J, 3))
    h = keras.layers.Concatenate()([keypoints, pose])
    h = keras.layers.Reshape((-1, J * 5))(h)
    h = keras.layers.Dense(units, activation="tanh")(h)
    if dropout:
        h = keras.layers.Dropout(dropout)(h)
    h = keras.layers.Dense(1, dtype="float32")(h)
    return keras.Model([keypoints, pose], keras.layers.Reshape((-1,))(h))


@keras.saving.register_keras_serializable(package="keras_seal_tests")
class MeanSquare(keras.layers.Layer):
    """Energy a * mean(pose²): a loss-net whose every gradient is known."""

    def build(self, shapes):
        self.a = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.7), name="a")

    def call(self, inputs):
        _, pose = inputs
        return self.a * ops.mean(ops.square(pose), axis=(-2, -1))

    def compute_output_shape(self, shapes):
        return shapes[1][:2]


def quadratic_net():
    inputs = [keras.Input((None, J, 2)), keras.Input((None, J, 3))]
    return keras.Model(inputs, MeanSquare()(inputs))


def linear_net():
    keypoints = keras.Input((1, J, 2))
    h = keras.layers.Dense(J * 3, use_bias=False)(keras.layers.Flatten()(keypoints))
    return keras.Model(keypoints, keras.layers.Reshape((1, J, 3))(h))


@pytest.fixture
def batch(rng):
    x = rng.normal(size=(48, 1, J, 2)).astype("float32")
    return x, (0.3 * rng.normal(size=(48, 1, J, 3))).astype("float32")


def make(loss_net=True, compiled=None, **options):
    keras.utils.set_random_seed(1)
    pose_net = lifting_net()
    model = SEALPose(pose_net, scoring_net() if loss_net else None, **options)
    settings = {
        "optimizer": keras.optimizers.Adam(1e-2),
        "loss_net_optimizer": keras.optimizers.AdamW(1e-2),
        "energy_weight": 1e-2,
    }
    model.compile(**{**settings, **(compiled or {})})
    return model


def fit(model, batch, epochs=2, **options):
    return model.fit(*batch, batch_size=16, shuffle=False, epochs=epochs, verbose=0, **options)


def assert_same_weights(one, other, tolerance=0.0):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_step_equals_the_closed_form(batch, weighted, rng):
    x, y = batch
    n, rate, weight, margin = len(x), 0.5, 0.3, 2.0
    w = rng.random(n).astype("float32") if weighted else np.ones(n, "float32")
    model = SEALPose(linear_net(), quadratic_net())
    model.compile(
        keras.optimizers.SGD(rate),
        loss="mse",
        loss_net_optimizer=keras.optimizers.SGD(rate),
        energy_objective=losses.MarginRanking(margin, distance="mse", hinge=False),
        energy_weight=weight,
    )
    kernel = model.pose_net.get_weights()[0].astype("float64")
    flat_x, flat_y = x.reshape(n, -1).astype("float64"), y.reshape(n, -1).astype("float64")
    p = flat_x @ kernel
    delta = ((p - flat_y) ** 2).mean(1)
    square = lambda pose: (pose**2).mean(1)  # noqa: E731

    loss_net_loss = (w * (margin * delta - 0.7 * square(p) + 0.7 * square(flat_y))).mean()
    a = 0.7 - rate * (w * (square(flat_y) - square(p))).mean()
    by_pose = 2 * w[:, None] * (p - flat_y) / p.size
    by_energy = 2 * w[:, None] * a * p / p.size
    expected = kernel - rate * flat_x.T @ (by_pose + weight * by_energy)

    logs = model.train_on_batch(x, y, sample_weight=w if weighted else None, return_dict=True)
    np.testing.assert_allclose(model.pose_net.get_weights()[0], expected, rtol=2e-4, atol=2e-6)
    assert model.loss_net.get_weights()[0] == pytest.approx(a, rel=1e-5)
    assert logs["loss_net_loss"] == pytest.approx(loss_net_loss, rel=1e-4)
    assert logs["pose_loss"] == pytest.approx((w * delta).mean(), rel=1e-4)
    assert logs["loss"] == pytest.approx(
        (w * delta).mean() + weight * a * (w * square(p)).mean(), rel=1e-4
    )
    assert logs["energy_gap"] == pytest.approx(0.7 * (square(p) - square(flat_y)).mean(), rel=1e-4)
    assert logs["ranking_accuracy"] == pytest.approx((square(p) > square(flat_y)).mean())
    ratio = np.linalg.norm(weight * by_energy) / np.linalg.norm(by_pose)
    assert logs["force_ratio"] == pytest.approx(ratio, rel=1e-4)
    way = flat_y - p
    cosine = -(p * way).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(way, axis=1)
    assert logs["alignment"] == pytest.approx(cosine.mean(), rel=1e-4)


@pytest.mark.parametrize("negatives_pass", ["shared", "inference"])
def test_without_weight_the_pose_net_trains_as_by_keras_own_trainer(batch, negatives_pass):
    model = make(compiled={"energy_weight": 0.0}, negatives_pass=negatives_pass)
    fit(model, batch, epochs=3)
    keras.utils.set_random_seed(1)
    alone = lifting_net()
    alone.compile(keras.optimizers.Adam(1e-2), loss=losses.MPJPE())
    history = fit(alone, batch, epochs=3)
    assert_same_weights(model.pose_net, alone, 1e-6)
    baseline = make(loss_net=False)
    ours = fit(baseline, batch, epochs=3)
    assert_same_weights(baseline.pose_net, alone, 1e-6)
    assert ours.history["loss"] == pytest.approx(history.history["loss"], rel=1e-5)
    assert set(ours.history) == {"loss", "pose_loss"}


def test_negatives_come_from_the_named_pass(batch):
    """Dropout tells the two passes apart; the energies are those before the update."""
    x, y = batch
    for negatives_pass in ("shared", "inference"):
        keras.utils.set_random_seed(1)
        model = SEALPose(
            lifting_net(batch_norm=False), quadratic_net(), negatives_pass=negatives_pass
        )
        model.compile(loss_net_optimizer=keras.optimizers.SGD(0.1))
        quiet = to_numpy(model.energy(x, model.predict(x, verbose=0))).mean()
        logged = model.train_on_batch(x, y, return_dict=True)["energy_pred"]
        assert (abs(logged - quiet) < 1e-5) == (negatives_pass == "inference")


def test_static_mode_leaves_the_loss_net_alone(batch):
    model = make(mode="static")
    before = model.loss_net.get_weights()
    pose_before = model.pose_net.get_weights()
    logs = fit(model, batch).history
    for a, b in zip(before, model.loss_net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(pose_before[0], model.pose_net.get_weights()[0])
    assert "loss_net_loss" not in logs and "energy_pred" in logs


def test_training_lowers_the_pose_loss_and_ranks_above_chance(batch):
    history = fit(make(), batch, epochs=30).history
    assert history["pose_loss"][-1] < 0.7 * history["pose_loss"][0]
    assert max(history["ranking_accuracy"]) > 0.65
    assert all(np.isfinite(values).all() for values in history.values())


def test_validation_logs_leave_out_what_only_training_has(batch):
    history = fit(make(), batch, validation_data=batch).history
    assert {"val_loss", "val_pose_loss", "val_energy_gap", "val_ranking_accuracy"} <= set(history)
    assert not {"val_force_ratio", "val_alignment", "val_loss_net_loss"} & set(history)


def test_evaluation_reports_what_it_names(batch):
    model = make()
    logs = model.evaluate(*batch, batch_size=16, verbose=0, return_dict=True)
    poses = model.predict(batch[0], verbose=0)
    energies = to_numpy(model.energy(batch[0], poses)), to_numpy(model.energy(*batch))
    assert logs["energy_gap"] == pytest.approx((energies[0] - energies[1]).mean(), abs=1e-5)
    assert logs["pose_loss"] == pytest.approx(
        np.linalg.norm(poses - batch[1], axis=-1).mean(), rel=1e-5
    )
    regularization = sum(float(to_numpy(loss)) for loss in model.pose_net.losses)
    assert logs["loss"] == pytest.approx(
        logs["pose_loss"] + regularization + 1e-2 * energies[0].mean(), rel=1e-4
    )


@pytest.mark.parametrize("negatives_pass", ["shared", "inference"])
def test_save_load_continue_is_exact(batch, tmp_path, negatives_pass):
    states = {}

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.save(tmp_path / "model.keras")
                states.update(random_state(self.model))

    class Restore(keras.callbacks.Callback):
        # Not before fit: Keras' symbolic build draws from torch's global generator.
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                set_random_state(self.model, states)

    model = make(negatives_pass=negatives_pass)
    fit(model, batch, epochs=4, callbacks=[Keep()])
    again = keras.models.load_model(tmp_path / "model.keras")
    fit(again, batch, epochs=4, initial_epoch=2, callbacks=[Restore()])
    assert_same_weights(model, again)
    for a, b in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
    assert again.negatives_pass == negatives_pass
    assert int(to_numpy(again.training_state.step)) == 12
    keras.models.load_model(tmp_path / "model.keras", compile=False).compile()


def test_a_file_names_no_backend(batch, tmp_path):
    model = make(
        compiled={
            "optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 10))
        }
    )
    fit(model, batch)
    model.save(tmp_path / "model.keras")
    import zipfile

    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        config = file.read("config.json").decode()
    assert "backend.torch" not in config and "torch_parallel" not in config
    script = f"""
        import keras, numpy as np, keras_seal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        model = keras.models.load_model({str(tmp_path / "model.keras")!r})
        np.save({str(tmp_path / "poses.npy")!r},
                model.predict(np.load({str(tmp_path / "x.npy")!r}), verbose=0))
        x = np.load({str(tmp_path / "x.npy")!r})
        model.fit(x, np.zeros((len(x), 1, 17, 3)), verbose=0)
    """
    np.save(tmp_path / "x.npy", batch[0])
    other = {"tensorflow": "jax", "jax": "torch", "torch": "tensorflow"}[BACKEND]
    run_python(script, KERAS_BACKEND=other)
    np.testing.assert_allclose(
        np.load(tmp_path / "poses.npy"), model.predict(batch[0], verbose=0), atol=1e-5
    )


def test_coefficients_change_without_compiling_anew(batch):
    calls = []

    class Change(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.energy_weight.assign(0.1 * (epoch + 1))
            self.model.coefficients["margin"].assign(10.0 * (epoch + 1))
            calls.append(self.model.train_function)

    keras.utils.set_random_seed(1)
    model = SEALPose(linear_net(), quadratic_net())
    model.compile(
        keras.optimizers.SGD(0.0),
        "mse",
        keras.optimizers.SGD(0.0),
        losses.MarginRanking(hinge=False),
    )
    history = fit(model, batch, callbacks=[Change()]).history
    assert history["force_ratio"][1] == pytest.approx(2 * history["force_ratio"][0], rel=1e-4)
    first, second = history["loss_net_loss"]
    distance = np.linalg.norm(model.predict(batch[0], verbose=0) - batch[1], axis=-1).mean()
    assert second - first == pytest.approx(10 * distance, rel=1e-3)
    assert calls[0] is calls[1]


def test_energy_weight_follows_a_schedule(batch):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 6, end_learning_rate=0.6)
    model = make(compiled={"energy_weight": schedule})
    seen = []

    class See(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(float(to_numpy(self.model.energy_weight)))

    fit(model, batch, epochs=3, callbacks=[See()])
    assert seen == pytest.approx([0.2, 0.5, 0.6])


def test_accumulated_gradients_equal_one_large_batch(batch):
    def train(size, steps):
        keras.utils.set_random_seed(1)
        model = SEALPose(linear_net(), quadratic_net())
        options = {"gradient_accumulation_steps": steps} if steps > 1 else {}
        model.compile(
            keras.optimizers.SGD(0.1, **options), "mse", keras.optimizers.SGD(1e-3, **options)
        )
        model.fit(*batch, batch_size=size, shuffle=False, epochs=1, verbose=0)
        return model

    # The loss-net is updated before the pose-net, so let it hardly move: what is compared is
    # the pose-net's sum of gradients.
    assert_same_weights(train(48, 1).pose_net, train(16, 3).pose_net, 2e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(batch, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = make()
    finally:
        keras.config.set_dtype_policy("float32")
    history = fit(model, batch, epochs=12).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert history["pose_loss"][-1] < 0.9 * history["pose_loss"][0]
    scaled = [
        isinstance(o, keras.optimizers.LossScaleOptimizer)
        for o in (model.optimizer.pose_net, model.optimizer.loss_net)
    ]
    assert scaled == [policy == "mixed_float16"] * 2


def test_an_overflow_skips_only_its_own_network(batch):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make(
            compiled={
                "loss_net_optimizer": keras.optimizers.LossScaleOptimizer(
                    keras.optimizers.Adam(1e-2), initial_scale=2.0**60
                )
            }
        )
    finally:
        keras.config.set_dtype_policy("float32")
    before = model.loss_net.get_weights(), model.pose_net.get_weights()
    model.train_on_batch(*batch)
    np.testing.assert_array_equal(before[0][0], model.loss_net.get_weights()[0])
    assert not np.array_equal(before[1][0], model.pose_net.get_weights()[0])
    assert float(to_numpy(model.optimizer.loss_net.dynamic_scale)) == 2.0**59


def test_averaged_weights_are_swapped_in_for_evaluation(batch):
    def train(callbacks):
        model = make(
            compiled={
                "optimizer": keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
                "loss_net_optimizer": keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
            }
        )
        history = fit(model, batch, epochs=3, validation_data=batch, callbacks=callbacks).history
        # Keras leaves the averaged weights in place when training ends.
        return history["val_pose_loss"], model.evaluate(*batch, verbose=0, return_dict=True)

    averaged, final = train([keras.callbacks.SwapEMAWeights()])
    raw, final_too = train([])
    assert final == pytest.approx(final_too)
    assert averaged[-1] == pytest.approx(final["pose_loss"], rel=1e-5)
    assert abs(raw[-1] - averaged[-1]) > 1e-5


def test_clipping_and_learning_rate_callbacks_reach_the_pose_net(batch):
    model = make(compiled={"optimizer": keras.optimizers.SGD(1.0, global_clipnorm=1e-8)})
    before = to_numpy(model.pose_net.trainable_weights[0])
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    history = fit(model, batch, callbacks=[callback]).history
    assert np.abs(before - to_numpy(model.pose_net.trainable_weights[0])).max() < 1e-7
    assert history["learning_rate_pose_net_optimizer"] == pytest.approx([0.5, 0.25])


class Batches(keras.utils.PyDataset):
    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(a[16 * index : 16 * index + 16] for a in self.batch)


def test_every_kind_of_data_gives_the_same_weights(batch):
    import tensorflow as tf

    reference = make()
    fit(reference, batch)
    for data in (Batches(batch), tf.data.Dataset.from_tensor_slices(batch).batch(16)):
        model = make()
        model.fit(data, epochs=2, verbose=0, shuffle=False)
        assert_same_weights(reference, model)


def test_windows_keep_their_own_order_and_epochs(batch):
    x, y = (a[:, 0] for a in batch)
    poses = y - y[:, :1]
    sequences = PoseSequences.from_list(
        "human36m_17", [x], [poses], subjects=["S1"], actions=["walk"]
    )

    def train(*spans):
        keras.utils.set_random_seed(1)
        # Without dropout: torch's does not go on where it was (see `random_state`).
        model = SEALPose(lifting_net(dropout=0), scoring_net(dropout=0))
        model.compile()
        for first, last in spans:
            windows = PoseWindows(sequences, batch_size=16, shuffle=True, flip=True)
            model.fit(windows, initial_epoch=first, epochs=last, verbose=0)
        return model

    assert_same_weights(train((0, 4)), train((0, 1), (1, 4)))


def test_several_steps_an_execution(batch):
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="on the torch backend it must be 1"):
            make(compiled={"steps_per_execution": 3})
        return
    one, three = make(), make(compiled={"steps_per_execution": 3})
    fit(one, batch), fit(three, batch)
    assert_same_weights(one, three, 1e-6)


def test_sequences_are_scored_frame_by_frame_or_at_the_centre(rng):
    x = rng.normal(size=(6, 5, J, 2)).astype("float32")
    for out_frames in (1, 5):
        y = rng.normal(size=(6, out_frames, J, 3)).astype("float32")
        model = SEALPose(lifting_net(frames=5, out_frames=out_frames), scoring_net(dropout=0))
        model.compile()
        assert np.isfinite(list(model.train_on_batch(x, y, return_dict=True).values())).all()
        centre = x if out_frames == 5 else x[:, 2:3]
        np.testing.assert_allclose(
            to_numpy(model.energy(x, y)),
            model.loss_net.predict([centre, y], verbose=0),
            rtol=1e-5,
            atol=1e-6,
        )


def test_energy_and_its_gradient(batch):
    x, y = batch
    model = SEALPose(linear_net(), quadratic_net())
    model.compile(loss="mse")
    np.testing.assert_allclose(
        to_numpy(model.energy_gradient(x, y)), 2 * 0.7 * y / (J * 3), rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(
        to_numpy(model.pose_loss_gradient(y, y + 0.1)), 2 * 0.1 / y.size, rtol=1e-4
    )


def test_the_first_bad_step_names_the_network(batch):
    x, y = batch
    model = make()
    model.train_on_batch(x, y)
    assert model.first_non_finite_step() == {"pose_net": None, "loss_net": None}
    weights = model.loss_net.get_weights()
    model.loss_net.set_weights([w * np.nan for w in weights])
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    found = model.first_non_finite_step()
    assert found["loss_net"] == 1 and found["pose_net"] in (1, None)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: SEALPose("net"), TypeError, "pose_net is a str"),
        (lambda: SEALPose(keras.Sequential([keras.layers.Dense(3)])), ValueError, "not built"),
        (lambda: SEALPose(lifting_net(), mode="dynamc"), ValueError, "dynamic, static"),
        (lambda: SEALPose(lifting_net(), negatives_pass="x"), ValueError, "shared, inference"),
        (lambda: make(compiled={"energy_weight": -1}), ValueError, "at least 0"),
        (lambda: make(compiled={"energy_weight": "1e-3"}), ValueError, "at least 0"),
        (lambda: SEALPose(lifting_net()).energy(None, None), ValueError, "no loss_net"),
    ],
)
def test_mistakes_are_explained(act, error, message):
    with pytest.raises(error, match=message):
        act()


def test_one_optimizer_for_both_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="each network needs its own"):
        make(compiled={"optimizer": optimizer, "loss_net_optimizer": optimizer})


class Subclassed(keras.Model):
    """A user's own pose-net: not Functional, so that it tells no output shape."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(J * 3)

    def build(self, input_shape):
        self.dense.build((None, J * 2))
        self.built = True

    def call(self, keypoints, training=False):
        return ops.reshape(self.dense(ops.reshape(keypoints, (-1, J * 2))), (-1, 1, J, 3))


def test_a_subclassed_model_may_be_the_pose_net(batch):
    net = Subclassed()
    net.build((None, 1, J, 2))
    model = SEALPose(net, scoring_net())
    model.compile(keras.optimizers.Adam(1e-2), "mpjpe")
    history = model.fit(*batch, epochs=3, verbose=0).history
    assert history["pose_loss"][-1] < history["pose_loss"][0]
    with pytest.raises(ValueError, match="output shape"):
        SEALPose(net, scoring_net(), negatives=[Replay()])


def test_poses_of_another_shape_are_explained(batch):
    with pytest.raises(ValueError, match="same frames and joints"):
        make().train_on_batch(batch[0], batch[1][:, :, :16])


def run_python(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


_TWO_RUNS = """
    import sys, keras, numpy as np
    sys.path.insert(0, {folder!r})
    from test_seal_pose import lifting_net, scoring_net, SEALPose
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 1, 17, 2)).astype("float32")
    y = 0.3 * rng.normal(size=(64, 1, 17, 3)).astype("float32")
    def train():
        keras.utils.set_random_seed(1)
        model = SEALPose(lifting_net(0, False), scoring_net(0))
        model.compile(keras.optimizers.SGD(0.1), "mpjpe", keras.optimizers.SGD(0.1))
        model.fit(x, y, batch_size=16, shuffle=False, epochs=2, verbose=0)
        return model
    alone = train().get_weights()
"""


def two_runs():
    return textwrap.dedent(_TWO_RUNS.format(folder=os.path.dirname(__file__)))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_mirrored_strategy_equals_one_device():
    script = two_runs() + textwrap.dedent("""
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            both = train().get_weights()
            for options in ({"steps_per_execution": 2}, {"optimizer": keras.optimizers.SGD(
                    0.1, gradient_accumulation_steps=2)}):
                try:
                    model = SEALPose(lifting_net(0, False), scoring_net(0))
                    model.compile(**options)
                except ValueError as error:
                    assert "tf.distribute" in str(error)
                else:
                    raise AssertionError(options)
        assert strategy.num_replicas_in_sync == 2
        worst = max(np.abs(a - b).max() for a, b in zip(alone, both))
        assert worst < 1e-5, worst
    """)
    prelude = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
    run_python(prelude + script, KERAS_BACKEND="tensorflow")


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution runs on JAX")
def test_data_parallel_equals_one_device():
    script = two_runs() + textwrap.dedent("""
        devices = keras.distribution.list_devices()
        assert len(devices) == 4, devices
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        spread = train().get_weights()
        worst = max(np.abs(a - b).max() for a, b in zip(alone, spread))
        assert worst < 1e-4, worst
    """)
    run_python(script, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=4")
