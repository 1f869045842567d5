from __future__ import annotations

import csv

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import PoseSequences, PoseWindows, SEALPose, loss_nets, pose_nets
from keras_seal.callbacks import EnergyMonitor, LimbLengthLogger, PosePlotter

STIFFNESS = 0.7
LIFT = np.array([[1.0, 0.2, -0.5], [-0.3, 1.1, 0.8]], "float32")


class QuadraticEnergy(keras.layers.Layer):
    """`STIFFNESS / 2 * |pose - keypoints @ LIFT|^2`: zero at the truth of the data below."""

    def call(self, inputs):
        keypoints, pose = inputs
        difference = pose - ops.matmul(keypoints, ops.convert_to_tensor(LIFT))
        return STIFFNESS / 2 * ops.sum(ops.square(difference), axis=(-2, -1))


def quadratic_loss_net():
    inputs = keras.Input((None, 17, 2)), keras.Input((None, 17, 3))
    return keras.Model(inputs, QuadraticEnergy()(inputs))


def linear_pose_net(frames):
    keypoints = keras.Input((frames, 17, 2))
    return keras.Model(keypoints, keras.layers.Dense(3, use_bias=False)(keypoints))


def rows_of(path):
    with path.open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("frames", [1, 3])
def test_against_a_quadratic_energy_in_closed_form(frames, tmp_path, rng):
    keras.utils.set_random_seed(1)
    x = rng.standard_normal((300, frames, 17, 2)).astype("float32")
    x[:, :, 0] = 0.0
    y = (x @ LIFT).astype("float32")
    model = SEALPose(linear_pose_net(frames), quadratic_loss_net(), mode="static")
    model.compile(keras.optimizers.SGD(1e-3), loss="mse", energy_weight=0.04)
    path = tmp_path / "energy.csv"
    monitor = EnergyMonitor(
        (x, y), "human36m_17", path, noise=(10, 35.5), samples=1000, plots=tmp_path, plot_every=5
    )
    history = model.fit(x, y, batch_size=100, epochs=2, verbose=0, callbacks=[monitor]).history
    first, last = rows_of(path)
    assert (first["epoch"], last["epoch"]) == (1, 2)

    error = x @ model.pose_net.layers[-1].get_weights()[0] - y
    np.testing.assert_allclose(last["energy_true"], 0.0, atol=1e-6)
    energy = STIFFNESS / 2 * (error**2).sum(axis=(-2, -1))
    np.testing.assert_allclose(last["energy_pred"], energy.mean(), rtol=1e-4)
    np.testing.assert_allclose(last["energy_gap"], energy.mean(), rtol=1e-4)
    assert last["ranking_accuracy"] == 1.0
    # The energy's gradient is STIFFNESS * error; the mean squared error's 2 * error / (17 * 3).
    np.testing.assert_allclose(last["force_ratio"], 0.04 * STIFFNESS * 17 * 3 / 2, rtol=1e-4)
    np.testing.assert_allclose(last["alignment"], 1.0, rtol=1e-5)
    np.testing.assert_allclose(last["alignment_error"], 0.0, atol=1e-6)
    np.testing.assert_allclose(last["energy_weight"], 0.04, rtol=1e-6)
    for name, deviation in (("energy_noise_10mm", 0.01), ("energy_noise_35.5mm", 0.0355)):
        # Expected over 16 displaced joints (the origin stays) of three coordinates each.
        expected = STIFFNESS / 2 * 16 * 3 * deviation**2
        np.testing.assert_allclose(last[name], expected, rtol=0.05)
        assert first[name] == last[name]  # the same noise, and this energy does not learn
    with (tmp_path / "energy_bones.csv").open() as file:
        bones = list(csv.DictReader(file))
    assert len(bones) == 2 * 16 and bones[-1]["bone"] == "right_elbow-right_wrist"
    # Nothing lies further out than the wrist: its bone's force is its own.
    predicted, downhill = error + y, -STIFFNESS * error[:, :, 16]
    vector = predicted[:, :, 16] - predicted[:, :, 15]
    along = (downhill * vector).sum(axis=-1) / np.linalg.norm(vector, axis=-1)
    across = np.sqrt((downhill**2).sum(axis=-1) - along**2)
    expected = np.abs(along).mean(), along.mean(), across.mean()
    got = [float(bones[-1][name]) for name in ("stretch", "longer", "turn")]
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)
    # Only the last epoch is drawn: the fifth is never reached.
    assert [path.name for path in tmp_path.glob("*.png")] == ["energy_epoch_0002.png"]
    for name in ("energy_true", "energy_gap", "ranking_accuracy", "force_ratio", "alignment"):
        np.testing.assert_allclose(
            history[f"held_out_{name}"], [first[name], last[name]], rtol=1e-5, atol=1e-7
        )


def test_an_energy_turned_upside_down_ranks_and_pulls_the_wrong_way(tmp_path, rng):
    x = rng.standard_normal((8, 1, 17, 2)).astype("float32")
    y = (x @ LIFT).astype("float32")

    class Model:
        energy_weight = 0.5

        def predict(self, keypoints, **_):
            return y + np.float32(0.1)

        def energy(self, keypoints, poses):
            return -np.square(poses - y).sum(axis=(-2, -1))

        def energy_pull(self, keypoints, poses):
            return -2 * (poses - y)

        def pose_loss_gradient(self, y_true, y_pred):
            return np.zeros_like(y_pred) + np.float32(0.01)

    monitor = EnergyMonitor((x, y), "human36m_17", tmp_path / "energy.csv", noise=())
    monitor.set_model(Model())
    monitor.set_params({"epochs": 1})
    monitor.on_train_begin()
    monitor.on_epoch_begin(0)
    logs = {}
    monitor.on_epoch_end(0, logs)
    assert logs["held_out_ranking_accuracy"] == 0.0
    np.testing.assert_allclose(logs["held_out_alignment"], -1.0, rtol=1e-5)
    np.testing.assert_allclose(logs["held_out_force_ratio"], 0.5 * 0.2 / 8 / 0.01, rtol=1e-5)


def test_models_without_energies_are_explained(tmp_path, random_poses):
    y = random_poses(4)
    monitor = EnergyMonitor((y[..., :2], y), "human36m_17", tmp_path / "energy.csv")
    alone = SEALPose(linear_pose_net(1))
    alone.compile()
    with pytest.raises(ValueError, match=r"loss_net=None.*leave the callback out"):
        alone.fit(y[..., :2], y, verbose=0, callbacks=[monitor])
    plain = linear_pose_net(1)
    plain.compile("sgd", "mse")
    with pytest.raises(TypeError, match="Functional has no energy"):
        plain.fit(y[..., :2], y, verbose=0, callbacks=[monitor])
    with pytest.raises(ValueError, match="above 0"):
        EnergyMonitor((y[..., :2], y), "human36m_17", tmp_path / "energy.csv", noise=[0])
    assert not (tmp_path / "energy.csv").exists()


def test_training_goes_the_same_way_with_and_without_callbacks(tmp_path, random_poses):
    """Also with a data set that is being trained on, and across a resumption."""
    poses = random_poses(48)

    def windows(**options):
        sequences = PoseSequences(
            "human36m_17",
            poses[:, 0, :, :2],
            poses[:, 0] + np.float32([0, 0, 5]),
            [0, 20, 48],
            ["S1", "S2"],
            ["a", "b"],
        )
        return PoseWindows(sequences, batch_size=16, **options)

    def train(folder):
        keras.utils.set_random_seed(3)
        model = SEALPose(
            pose_nets.SimpleBaseline("human36m_17", units=16, num_stages=1, dropout=0.3),
            loss_nets.MLPLossNet("human36m_17", units=16, num_stages=1, dropout=0.3),
        )
        model.compile(keras.optimizers.Adam(1e-3), loss_net_optimizer=keras.optimizers.Adam(1e-3))
        training, validation = windows(shuffle=True, flip=True, seed=4), windows()

        def callbacks():
            if folder is None:
                return []
            bones, energy = folder / "bones.csv", folder / "energy.csv"
            return [
                PosePlotter(training, "human36m_17", folder, samples=1, tensorboard_dir=folder),
                LimbLengthLogger(validation, "human36m_17", bones, every=2, samples=7),
                EnergyMonitor(
                    training, "human36m_17", energy, samples=20, plots=folder, plot_every=2
                ),
            ]

        logs = []
        for first, last in ((0, 1), (1, 3)):
            history = model.fit(
                training,
                validation_data=validation,
                initial_epoch=first,
                epochs=last,
                shuffle=False,
                verbose=0,
                callbacks=callbacks(),
            )
            logs.append(history.history)
        return [
            ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)
        ], logs

    (plain, plain_logs), (watched, watched_logs) = train(None), train(tmp_path)
    for first, second in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(plain_logs, watched_logs, strict=True):
        for name, values in first.items():
            np.testing.assert_array_equal(values, second[name], err_msg=name)
    assert [row["epoch"] for row in rows_of(tmp_path / "energy.csv")] == [1, 2, 3]
    assert len(list(tmp_path.glob("epoch_*.png"))) == 3
    # The logger's first training ends after epoch 1, its second after 3; it looks at 2 between.
    with (tmp_path / "bones.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"] * 16 + ["2"] * 16 + [
            "3"
        ] * 16
    assert np.isnan(watched_logs[1]["bone_length_drift"]).sum() == 0
