from __future__ import annotations

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_seal.callbacks import LimbLengthLogger, PosePlotter, event_file


class Offset:
    """A stand-in for a trained model: the pose with noise that shrinks."""

    def __init__(self, x, y):
        self.x, self.y, self.scale = x, y, 0.1

    def predict(self, keypoints, **_):
        rows = [int(np.flatnonzero((self.x == k).all(axis=(1, 2, 3)))[0]) for k in keypoints]
        noise = np.random.default_rng(1).standard_normal(self.y.shape)
        return (self.y + self.scale * noise)[rows].astype("float32")


def train(callback, model, epochs, first=0):
    """Call a callback as `fit` does, without its cost."""
    callback.set_model(model)
    callback.set_params({"epochs": first + epochs})
    callback.on_train_begin()
    every = []
    for epoch in range(first, first + epochs):
        callback.on_epoch_begin(epoch)
        model.scale = 0.1 / (epoch + 1)
        logs = {}
        callback.on_epoch_end(epoch, logs)
        every.append(logs)
    callback.on_train_end()
    return every


@pytest.fixture
def data(random_poses):
    y = random_poses(9)
    return (2 * y[..., :2]).astype("float32"), y


def test_pictures_go_into_the_folder_and_to_tensorboard(tmp_path, data):
    def plotter():
        return PosePlotter(
            data, "human36m_17", tmp_path / "plots", samples=2, tensorboard_dir=tmp_path / "tb"
        )

    first = plotter()
    train(first, Offset(*data), 3)
    names = sorted(path.name for path in (tmp_path / "plots").glob("*.png"))
    assert names == [f"epoch_000{epoch}.png" for epoch in (1, 2, 3)]
    pictures = [imread(tmp_path / "plots" / name) for name in names]
    for picture in pictures:
        colours = np.unique((255 * picture[..., :3]).astype(int).reshape(-1, 3), axis=0)
        assert len(colours) > 20 and picture.shape == pictures[0].shape
    assert not np.array_equal(pictures[0], pictures[1])

    # Interrupted after the third epoch, and resumed from a checkpoint of the first one.
    train(plotter(), Offset(*data), 3, first=1)
    with Image.open(tmp_path / "plots" / "poses.gif") as film:
        assert film.n_frames == 4 and film.size == pictures[0].shape[1::-1]
    events = EventAccumulator(str(tmp_path / "tb" / "poses"), size_guidance={"images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["poses"]
    images = events.Images("poses")
    assert [image.step for image in images] == [1, 2, 3, 4]
    for image in images:
        png = tmp_path / "plots" / f"epoch_{image.step:04d}.png"
        assert image.encoded_image_string == png.read_bytes()
        height, width = imread(io.BytesIO(image.encoded_image_string)).shape[:2]
        assert (image.height, image.width) == (height, width)


def test_the_same_samples_are_drawn_at_each_epoch(tmp_path, data):
    plotter = PosePlotter(data, "human36m_17", tmp_path, every=2, samples=3, gif=False)
    train(plotter, Offset(*data), 3)
    np.testing.assert_array_equal(plotter.poses, data[1][[1, 4, 7]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_0002.png", "epoch_0003.png"]


def test_predictions_that_are_no_numbers_give_a_warning_and_no_picture(tmp_path, data):
    class Diverged(Offset):
        def predict(self, keypoints, **_):
            return np.full((len(keypoints), 1, 17, 3), np.nan)

    with pytest.warns(UserWarning, match="after epoch 1 the predictions hold NaN"):
        train(PosePlotter(data, "human36m_17", tmp_path), Diverged(*data), 1)
    assert not list(tmp_path.iterdir())


def test_event_files_need_no_tensorflow(tmp_path):
    # The module alone, because Keras may have loaded TensorFlow as its backend.
    code = (
        "import runpy, sys\n"
        "events = runpy.run_path(sys.argv[1])['ImageEvents'](sys.argv[2], 1)\n"
        "events.write('a', b'PNG' + bytes(21), 1)\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, event_file.__file__, str(tmp_path)], check=True)


def length(poses, parent, child):
    return 1e3 * np.sqrt(((poses[:, :, child] - poses[:, :, parent]) ** 2).sum(axis=-1))


def test_bone_lengths_against_plain_numpy(tmp_path, data):
    path = tmp_path / "bones.csv"
    logger = LimbLengthLogger(data, "human36m_17", path)
    model = Offset(*data)
    logs = train(logger, model, 2)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"] * 16 + ["2"] * 16
    true, predicted = data[1].astype("float64"), model.predict(data[0]).astype("float64")
    by_bone = {row["bone"]: row for row in rows[16:]}
    shin, other = (length(predicted, *bone) for bone in ((5, 6), (2, 3)))
    expected = {
        "true_mm": length(true, 5, 6).mean(),
        "predicted_mm": shin.mean(),
        "error_mm": np.abs(shin - length(true, 5, 6)).mean(),
        "true_std_mm": length(true, 5, 6).std(),
        "predicted_std_mm": shin.std(),
        "asymmetry_mm": np.abs(shin - other).mean(),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(float(by_bone["left_knee-left_ankle"][name]), value, rtol=1e-5)
    right = by_bone["right_knee-right_ankle"]
    assert right["asymmetry_mm"] == by_bone["left_knee-left_ankle"]["asymmetry_mm"]
    assert by_bone["pelvis-spine"]["asymmetry_mm"] == ""
    bones = [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 8), (8, 9), (9, 10)]
    bones += [(8, 11), (11, 12), (12, 13), (8, 14), (14, 15), (15, 16)]
    drift = [length(predicted, *b).mean() - length(true, *b).mean() for b in bones]
    spread = [length(predicted, *b).std() for b in bones]
    pairs = [(3, 0), (4, 1), (5, 2), (10, 13), (11, 14), (12, 15)]
    uneven = [np.abs(length(predicted, *bones[a]) - length(predicted, *bones[b])) for a, b in pairs]
    assert list(logs[1]) == ["bone_length_drift", "bone_length_std", "bone_asymmetry"]
    np.testing.assert_allclose(
        list(logs[1].values()), [np.abs(drift).mean(), np.mean(spread), np.mean(uneven)], rtol=1e-5
    )
    # Resumed from the first epoch: the same file, no epoch twice.
    before = path.read_text()
    plot = tmp_path / "drift.png"
    train(LimbLengthLogger(data, "human36m_17", path, plot=plot), model, 1, first=1)
    assert path.read_text() == before and imread(plot).ndim == 3


def test_a_skeleton_without_sides_has_no_asymmetry(tmp_path, rng):
    y = rng.normal(size=(5, 1, 21, 3)).astype("float32")
    logger = LimbLengthLogger((y[..., :2], y), "hand_21", tmp_path / "bones.csv", samples=2)
    assert list(train(logger, Offset(y[..., :2], y), 1)[0]) == [
        "bone_length_drift",
        "bone_length_std",
    ]
