from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import skeletons
from keras_seal.callbacks.epoch_table import EpochTable
from keras_seal.callbacks.held_out import HeldOutCallback, take
from keras_seal.data import PoseSequences, PoseWindows


def sequences(poses):
    frames = len(poses)
    return PoseSequences(
        "human36m_17",
        poses[:, 0, :, :2],
        poses[:, 0] + np.float32([0, 0, 5]),
        [0, frames // 2, frames],
        ["S1", "S2"],
        ["a", "b"],
    )


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size):
        super().__init__()
        self.x, self.y, self.size, self.read = x, y, size, 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, index):
        self.read += 1
        part = slice(index * self.size, (index + 1) * self.size)
        return self.x[part], self.y[part], np.ones(len(self.x[part]))


def test_arrays_and_datasets_give_the_same_samples_spread_over_the_data(random_poses, skeleton):
    y = random_poses(40)
    x = y[..., :2]
    expected = [5, 15, 25, 35]
    for data in ((x, y), Batches(x, y, 1)):
        keypoints, poses = take(data, 4, skeleton)
        if isinstance(data, tuple):
            np.testing.assert_array_equal(poses, y[expected])
        np.testing.assert_array_equal(keypoints, poses[..., :2])
        assert len(np.unique(poses, axis=0)) == 4
    many = Batches(x, y, 1)
    assert len(take(many, 100, skeleton)[0]) == many.read == 16
    assert len(take((x, y), 100, skeleton)[0]) == 40


def test_shuffled_windows_give_the_same_samples_at_any_epoch_and_stay_as_they_are(
    random_poses, skeleton
):
    windows = PoseWindows(
        sequences(random_poses(40)), batch_size=8, num_frames=3, shuffle=True, flip=True
    )
    plain = PoseWindows(windows.sequences, batch_size=8, num_frames=3)
    keypoints, poses = take(windows, 5, skeleton)
    windows.set_epoch(3)
    before = [batch for index in range(len(windows)) for batch in windows[index]]
    for first, second in zip((keypoints, poses), take(windows, 5, skeleton), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip((keypoints, poses), take(plain, 5, skeleton), strict=True):
        np.testing.assert_array_equal(first, second)
    after = [batch for index in range(len(windows)) for batch in windows[index]]
    assert windows.epoch == 3
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (7, TypeError, "is a int: give a PoseWindows"),
        ((np.zeros((3, 1, 17, 2)), np.zeros((2, 1, 17, 3))), ValueError, "3 samples .* and 2"),
        ((np.zeros((3, 1, 16, 2)), np.zeros((3, 1, 16, 3))), ValueError, "17, 2 or 3"),
        ((np.zeros((3, 1, 17, 2)), np.zeros((3, 17, 3))), ValueError, "poses have shape"),
        ((np.zeros((0, 1, 17, 2)), np.zeros((0, 1, 17, 3))), ValueError, "there is no sample"),
        ((np.zeros((3, 1, 17, 2)), np.full((3, 1, 17, 3), np.inf)), ValueError, "infinite"),
    ],
)
def test_wrong_data_is_explained(data, error, message):
    with pytest.raises(error, match=message):
        take(data, 2, skeletons.get("human36m_17"))


class Noting(HeldOutCallback):
    log_names = ("seen",)

    def __init__(self, data, **options):
        super().__init__(data, "human36m_17", samples=2, **options)
        self.calls = []

    def begin(self, epoch):
        self.calls.append(("begin", epoch))

    def look(self, epoch):
        self.calls.append(epoch)
        return {"seen": float(epoch)}


def test_it_looks_every_so_often_and_after_the_last_epoch(random_poses):
    y = random_poses(4)
    callback = Noting((y[..., :2], y), every=3)
    callback.set_params({"epochs": 8})
    callback.on_train_begin()
    seen = []
    for epoch in range(1, 8):  # resumed after the first epoch
        callback.on_epoch_begin(epoch)
        logs = {"loss": 1.0}
        callback.on_epoch_end(epoch, logs)
        seen.append(logs["seen"])
    assert callback.calls == [("begin", 2), 3, 6, 8]
    np.testing.assert_array_equal(seen, [np.nan, 3, np.nan, np.nan, 6, np.nan, 8])
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="every is"):
            Noting((y[..., :2], y), every=wrong)


def test_a_model_with_other_frames_is_explained(random_poses):
    y = random_poses(4, 3)
    callback = Noting((y[..., :2], y), every=1)

    class Centre:
        def predict(self, keypoints, **_):
            return np.zeros((len(keypoints), 1, 17, 3))

    callback.set_model(Centre())
    callback.on_train_begin()
    with pytest.raises(ValueError, match=r"\(2, 1, 17, 3\).*\(2, 3, 17, 3\)"):
        callback.predict()


def test_batches_are_divisible_among_the_devices_of_a_distribution(random_poses, monkeypatch):
    y = random_poses(4)
    callback = Noting((y[..., :2], y), every=1)
    given = []

    class Model:
        def predict(self, keypoints, batch_size, **_):
            given.append((len(keypoints), batch_size))
            return np.concatenate([keypoints, keypoints[..., :1]], axis=-1)

    class Mesh:
        shape = (2, 3)

    class Distribution:
        device_mesh = Mesh

    callback.set_model(Model())
    callback.on_train_begin()
    expected = callback.predict()
    monkeypatch.setattr(keras.distribution, "distribution", lambda: Distribution)
    np.testing.assert_array_equal(callback.predict(), expected)
    assert len(expected) == 2 and given == [(2, 256), (6, 258)]


def test_a_table_goes_on_where_training_goes_on(tmp_path):
    path = tmp_path / "logs" / "table.csv"
    table = EpochTable(path, ["name", "value"])
    for epoch in (1, 2, 3):
        table.write(epoch, [["a", epoch / 3], ["b", float("nan")]])
    with path.open("a") as file:
        file.write("4,a,0.")  # cut off by a crash
    whole = path.read_text()
    resumed = EpochTable(path, ["name", "value"])
    resumed.write(3, [])
    assert path.read_text() == "epoch,name,value\n1,a,0.3333333\n1,b,\n2,a,0.6666667\n2,b,\n"
    resumed.write(3, [["a", 1.0], ["b", float("nan")]])
    assert path.read_text() == whole.removesuffix("4,a,0.")
    assert [entry.name for entry in path.parent.iterdir()] == ["table.csv"]
    with pytest.raises(ValueError, match="another table"):
        EpochTable(path, ["other"]).write(2, [])
    EpochTable(path, ["other"]).write(1, [[5.0]])  # a new training: nothing old is kept
    assert path.read_text() == "epoch,other\n1,5\n"
