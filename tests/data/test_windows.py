from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal.data import PoseSequences, PoseWindows
from keras_seal.data.augmentation import flip
from keras_seal.errors import UserError


def frame_numbers(keypoints: np.ndarray) -> np.ndarray:
    """The frames that `make_sequences` wrote into the pelvis."""
    return np.rint(keypoints[:, :, 0, 0] * 100).astype(int)


def numbered(lengths) -> PoseSequences:
    total = sum(lengths)
    keypoints = np.zeros((total, 17, 2))
    keypoints[:, 0, 0] = np.arange(total) / 100
    return PoseSequences(
        "human36m_17",
        keypoints,
        np.random.default_rng(0).normal(size=(total, 17, 3)),
        np.cumsum([0, *lengths]),
        ["S"] * len(lengths),
        ["A"] * len(lengths),
    )


def test_windows_by_hand(make_sequences):
    sequences = make_sequences((4, 1, 6))
    keypoints, poses = PoseWindows(sequences, batch_size=20, num_frames=3)[0]
    assert frame_numbers(keypoints).tolist() == [
        [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3],
        [4, 4, 4],
        [5, 5, 6], [5, 6, 7], [6, 7, 8], [7, 8, 9], [8, 9, 10], [9, 10, 10],
    ]  # fmt: skip
    np.testing.assert_array_equal(keypoints[1], sequences.keypoints[:3])
    expected = sequences.poses - sequences.poses[:, :1]
    np.testing.assert_array_equal(poses[:, 0], expected)
    assert keypoints.dtype == poses.dtype == np.float32


def test_strides_and_out_frames(make_sequences):
    sequences = make_sequences((4, 1, 6))
    windows = PoseWindows(
        sequences, batch_size=20, num_frames=3, out_frames=3, frame_stride=2, window_stride=4
    )
    keypoints, poses = windows[0]
    assert frame_numbers(keypoints).tolist() == [[0, 0, 2], [4, 4, 4], [5, 5, 7], [7, 9, 10]]
    assert windows.centers().tolist() == [0, 4, 5, 9]
    np.testing.assert_array_equal(
        poses[3], sequences.poses[[7, 9, 10]] - sequences.poses[[7, 9, 10], :1]
    )
    chosen, _ = windows.windows(np.array([3, 0]))
    np.testing.assert_array_equal(chosen, keypoints[[3, 0]])


def test_targets_are_valid_frames_and_contexts_any(make_sequences):
    sequences = make_sequences((4, 1, 6), valid=np.isin(np.arange(11), [1, 2, 3, 5, 9, 10]))
    windows = PoseWindows(sequences, batch_size=20, num_frames=3)
    assert windows.num_windows == 6
    assert windows.centers().tolist() == [1, 2, 3, 5, 9, 10]
    assert frame_numbers(windows[0][0])[:2].tolist() == [[0, 1, 2], [1, 2, 3]]
    whole = PoseWindows(sequences, batch_size=20, num_frames=3, out_frames=3)
    assert frame_numbers(whole[0][0]).tolist() == [[1, 2, 3], [2, 3, 3], [9, 10, 10]]
    np.testing.assert_array_equal(whole.windows([1])[0], whole[0][0][1:2])
    shuffled = PoseWindows(sequences, batch_size=6, shuffle=True, seed=3)
    assert sorted(frame_numbers(shuffled[0][0])[:, 0]) == [1, 2, 3, 5, 9, 10]
    with pytest.raises(UserError, match="from 0 windows"):
        PoseWindows(make_sequences(valid=np.zeros(11, bool)))


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    num_frames=st.integers(1, 9),
    frame_stride=st.integers(1, 3),
    window_stride=st.integers(1, 5),
    batch_size=st.integers(1, 7),
)
def test_windows_match_a_slow_reference(
    lengths, num_frames, frame_stride, window_stride, batch_size
):
    sequences = numbered(lengths)
    expected = []
    first = 0
    for length in lengths:
        for center in range(0, length, window_stride):
            wanted = [
                center + (step - num_frames // 2) * frame_stride for step in range(num_frames)
            ]
            expected.append([first + min(max(frame, 0), length - 1) for frame in wanted])
        first += length
    windows = PoseWindows(
        sequences, batch_size, num_frames, num_frames, frame_stride, window_stride
    )
    batches = [windows[index] for index in range(len(windows))]
    assert all(len(batch[0]) == batch_size for batch in batches[:-1])
    got = frame_numbers(np.concatenate([keypoints for keypoints, _ in batches]))
    assert got.tolist() == expected
    relative = sequences.poses - sequences.poses[:, :1]
    np.testing.assert_array_equal(np.concatenate([poses for _, poses in batches]), relative[got])


def test_origin_of_other_skeletons():
    poses = np.random.default_rng(0).normal(size=(5, 17, 3)).astype("float32")
    sequences = PoseSequences("coco_17", np.zeros((5, 17, 2)), poses, [0, 5], ["S"], ["A"])
    hips = [sequences.skeleton.joint_index(f"{side}_hip") for side in ("left", "right")]
    _, relative = PoseWindows(sequences)[0]
    np.testing.assert_allclose(relative[:, 0], poses - poses[:, hips].mean(1, keepdims=True))


def test_flip_is_its_own_inverse(make_sequences, skeleton):
    sequences = make_sequences(channels=3)
    for array in (sequences.keypoints, sequences.poses):
        once = flip(array, skeleton)
        np.testing.assert_array_equal(flip(once, skeleton), array)
        wrist, other = skeleton.joint_index("left_wrist"), skeleton.joint_index("right_wrist")
        np.testing.assert_array_equal(once[:, wrist, 0], -array[:, other, 0])
        np.testing.assert_array_equal(once[:, wrist, 1:], array[:, other, 1:])


def test_every_sample_is_mirrored_about_half_of_the_time(make_sequences, skeleton):
    sequences = make_sequences((40, 60), channels=3)
    plain, plain_poses = PoseWindows(sequences, 100, num_frames=3)[0]
    windows = PoseWindows(sequences, 100, num_frames=3, flip=True, seed=5)
    share = np.zeros(100)
    for _ in range(30):
        for keypoints, poses in windows:
            mirrored = (keypoints[:, 0, 0, 0] != plain[:, 0, 0, 0]) | (plain[:, 0, 0, 0] == 0)
            mirrored &= np.all(keypoints == flip(plain, skeleton), axis=(1, 2, 3))
            expected = np.where(mirrored[:, None, None, None], flip(plain, skeleton), plain)
            np.testing.assert_array_equal(keypoints, expected)
            expected = np.where(
                mirrored[:, None, None, None], flip(plain_poses, skeleton), plain_poses
            )
            np.testing.assert_array_equal(poses, expected)
            share += mirrored / 30
    assert 0.4 < share.mean() < 0.6
    assert share.min() > 0.1 and share.max() < 0.9


def test_shuffling_is_exact_and_follows_seed_and_epoch(make_sequences):
    sequences = make_sequences((40, 3, 60))

    def order(windows) -> list[int]:
        return [
            int(number) for keypoints, _ in windows for number in frame_numbers(keypoints)[:, 0]
        ]

    windows = PoseWindows(sequences, 16, shuffle=True, seed=3)
    epochs = [order(windows) for _ in range(3)]
    assert all(sorted(epoch) == list(range(103)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    again = PoseWindows(sequences, 16, shuffle=True, seed=3)
    again.set_epoch(2)
    assert order(again) == epochs[2]
    assert again.epoch == 3
    assert order(PoseWindows(sequences, 16, shuffle=True, seed=4)) != epochs[0]
    # The same samples whatever the batch size.
    assert order(PoseWindows(sequences, 7, shuffle=True, seed=3)) == epochs[0]


def test_remainder(make_sequences):
    sequences = make_sequences((10,))
    assert [len(x) for x, _ in PoseWindows(sequences, 4)] == [4, 4, 2]
    assert [len(x) for x, _ in PoseWindows(sequences, 4, drop_remainder=True)] == [4, 4]
    windows = PoseWindows(sequences, 4)
    np.testing.assert_array_equal(windows[-1][0], windows[2][0])
    with pytest.raises(IndexError):
        windows[3]
    with pytest.raises(UserError, match="No batch of 11 windows can be made from 10"):
        PoseWindows(sequences, 11, drop_remainder=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1"),
        ({"num_frames": 2.5}, "`num_frames` must be a whole number"),
        ({"num_frames": 9, "out_frames": 3}, r"1 \('center'\) or num_frames \(9\), got 3"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_arguments_are_checked(make_sequences, options, message):
    with pytest.raises(UserError, match=message):
        PoseWindows(make_sequences(), **options)


def test_bad_values_are_refused(make_sequences):
    sequences = make_sequences()
    sequences.keypoints[3] = np.nan
    with pytest.raises(UserError, match="frame 3, joint 'pelvis'"):
        PoseWindows(sequences)


def test_config_rebuilds_the_windows(make_sequences):
    sequences = make_sequences((9, 9))
    windows = PoseWindows(sequences, 4, num_frames=3, shuffle=True, seed=2, flip=True)
    again = PoseWindows(sequences, **windows.get_config())
    for one, other in zip(windows, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_tensorflow_data_set_gives_the_same_batches(make_sequences):
    sequences = make_sequences((20, 17))
    options = {"batch_size": 8, "num_frames": 3, "shuffle": True, "flip": True, "seed": 1}
    plain = PoseWindows(sequences, **options)
    windows = PoseWindows(sequences, **options)
    dataset = windows.to_tf_dataset()
    assert int(dataset.cardinality()) == len(windows)
    for epoch in range(3):
        assert windows.epoch == epoch
        for expected, got in zip(plain, dataset.as_numpy_iterator(), strict=True):
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])


class Zero(keras.Model):
    """Predicts zeros and learns nothing, so that the loss of a batch tells which batch it was."""

    def __init__(self):
        super().__init__()
        self.scale = keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros")

    def call(self, keypoints):
        return self.scale(keypoints)


class Noting(PoseWindows):
    """Remembers which batches were read in a pass of `fit`."""

    def __init__(self, *arguments, **options):
        self.read = []
        super().__init__(*arguments, **options)

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        if self._within_fit:
            self.read.append((self.epoch, index))
        return batch


class Seen(keras.callbacks.Callback):
    """Notes the loss of every batch that was trained on."""

    def __init__(self):
        super().__init__()
        self.losses = []
        self.epoch_losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.epoch_losses.append(float(logs["loss"]))

    def on_epoch_end(self, epoch, logs=None):
        # Keras reports the running mean of an epoch; undo it.
        means = np.array(self.epoch_losses) * np.arange(1, len(self.epoch_losses) + 1)
        self.losses.append(np.diff(means, prepend=0.0))
        self.epoch_losses = []


def fit(windows, epochs, **options) -> list[np.ndarray]:
    seen = Seen()
    model = Zero()
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    callbacks = [seen, *options.pop("callbacks", [])]
    model.fit(windows, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **options)
    return seen.losses


def expected_losses(sequences, epochs, **options) -> list[np.ndarray]:
    windows = PoseWindows(sequences, **options)
    return [np.array([np.mean(poses**2) for _, poses in windows]) for _ in range(epochs)]


OPTIONS = {"batch_size": 8, "shuffle": True, "flip": True, "seed": 1, "drop_remainder": True}


@pytest.fixture
def sequences(random_poses, random_keypoints):
    poses = random_poses(60)[:, 0] * np.linspace(1, 2, 60, dtype="float32")[:, None, None]
    return PoseSequences(
        "human36m_17", random_keypoints(60)[:, 0], poses, [0, 25, 60], ["S1", "S2"], ["A", "B"]
    )


def test_fit_reads_the_batches_in_order(sequences):
    windows = PoseWindows(sequences, **OPTIONS)
    losses = fit(windows, 3, validation_data=PoseWindows(sequences, batch_size=16))
    np.testing.assert_allclose(losses, expected_losses(sequences, 3, **OPTIONS), rtol=2e-4)
    assert windows.epoch == 3
    # A second fit goes on where the first one stopped.
    np.testing.assert_allclose(
        fit(windows, 1)[0], expected_losses(sequences, 4, **OPTIONS)[3], rtol=2e-4
    )


def test_fit_resumes_exactly(sequences):
    whole = expected_losses(sequences, 5, **OPTIONS)
    windows = PoseWindows(sequences, **OPTIONS)
    windows.set_epoch(3)
    np.testing.assert_allclose(fit(windows, 5, initial_epoch=3), whole[3:], rtol=2e-4)
    # The callback needs no set_epoch, and forgets what was read before.
    windows = PoseWindows(sequences, **OPTIONS)
    list(windows)
    resumed = fit(windows, 5, initial_epoch=3, callbacks=[windows.follow_epochs()])
    np.testing.assert_allclose(resumed, whole[3:], rtol=2e-4)


def test_fit_with_several_steps_at_once(sequences):
    # Keras runs one step at a time on torch.
    steps = 1 if keras.backend.backend() == "torch" else 3
    windows = Noting(sequences, **OPTIONS)
    model = Zero()
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=steps)
    model.fit(windows, epochs=3, shuffle=False, verbose=0)
    first_peeked = windows.read[1:] if windows.read[:2] == [(0, 0), (0, 0)] else windows.read
    assert first_peeked == [(epoch, index) for epoch in range(3) for index in range(7)]


def test_fit_over_a_part_finishes_the_epoch_first(sequences):
    windows = Noting(sequences, **OPTIONS)
    model = Zero()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(windows, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0)
    assert {epoch for epoch, _ in windows.read} == {0}


def test_shuffling_by_keras_is_pointed_out(sequences):
    windows = PoseWindows(sequences, **OPTIONS)
    keras.utils.set_random_seed(0)
    model = Zero()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    with pytest.warns(UserWarning, match="pass shuffle=False"):
        model.fit(windows, epochs=2, verbose=0)
    assert windows.epoch == 2


def test_evaluate_and_predict(sequences):
    windows = PoseWindows(sequences, batch_size=16)
    model = Zero()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    loss = model.evaluate(windows, verbose=0)
    expected = np.mean((sequences.poses - sequences.poses[:, :1]) ** 2)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    assert model.predict(windows, verbose=0).shape == (60, 1, 17, 3)
