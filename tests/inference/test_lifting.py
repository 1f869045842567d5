"""The lifter on motions of any length: windows, blending, frame rates, mirroring."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import data, geometry, pose_nets
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.inference import Lifter
from keras_seal.inference.windows import Plan, Retimer, WindowShape, plan
from keras_seal.runs import evaluation


def in_chunks(lifter, keypoints, sizes, fps=None):
    """Lift one motion that arrives in chunks."""
    parts = np.split(keypoints, np.cumsum(sizes))
    return np.concatenate([poses for _, poses in lifter.stream([(len(keypoints), parts)], fps)])


@pytest.mark.parametrize("causal", [False, True])
def test_a_convolution_over_all_frames_equals_a_window_around_each(rng, causal):
    net = pose_nets.VideoPose3D("human36m_17", (3, 3), filters=8, causal=causal)
    keypoints = rng.normal(size=(300, 17, 2)).astype("float32")
    around = np.arange(300)[:, None] + np.arange(net.num_frames) - net.num_frames // 2
    expected = net.predict_on_batch(keypoints[np.clip(around, 0, 299)])[:, 0]
    lifter = Lifter(net)
    np.testing.assert_allclose(lifter(keypoints), expected, atol=2e-6)
    np.testing.assert_allclose(in_chunks(lifter, keypoints, [1, 7, 200]), expected, atol=2e-6)


@pytest.mark.parametrize("stride", [1, 3])
def test_without_overlap_windows_are_those_of_the_evaluation(rng, stride):
    net = pose_nets.MixSTE("human36m_17", num_frames=9, channels=16, num_blocks=1)
    lifter = Lifter(net, overlap=0, frame_stride=stride, batch_size=4)
    # The evaluation does not blend a last window that reaches back, so these fit.
    lengths = [54, 3, 27]
    keypoints = rng.normal(size=(84, 17, 2)).astype("float32")
    sequences = PoseSequences(
        "human36m_17", keypoints, np.zeros((84, 17, 3)), np.cumsum([0, *lengths]), list("abc"),
        list("abc"),
    )  # fmt: skip
    expected = evaluation.lift(net, sequences, stride)
    motions = np.split(keypoints, sequences.offsets[1:-1])
    lifted: list[list[np.ndarray]] = [[] for _ in motions]
    for number, poses in lifter.stream([(len(each), [each]) for each in motions]):
        lifted[number].append(poses)
    for found, rows in zip(lifted, np.split(expected, sequences.offsets[1:-1]), strict=True):
        np.testing.assert_allclose(np.concatenate(found), rows, atol=2e-6)


@pytest.mark.parametrize(("frames", "out_frames"), [(1, 1), (9, 1), (9, 9), (16, 16)])
@pytest.mark.parametrize("length", [1, 2, 9, 40, 41])
def test_every_frame_is_told_of_once_whatever_the_windows(rng, copier, frames, out_frames, length):
    keypoints = rng.normal(size=(length, 17, 2)).astype("float32")
    for options in ({}, {"frame_stride": 3}, {"flip": True}):
        lifter = Lifter(copier(frames, out_frames), skeleton="human36m_17", **options)
        for poses in (lifter(keypoints), in_chunks(lifter, keypoints, [length // 3])):
            np.testing.assert_allclose(poses[..., :2], keypoints, atol=1e-6)


def test_poses_go_over_from_window_to_window():
    shape = WindowShape(frames=4, first=0, kept=4, overlap=2)
    from keras_seal.inference.windows import Blender

    blender = Blender(shape, joints=1)
    blender.add(np.array([[0, 1, 2, 3], [2, 3, 4, 5]]), np.ones((2, 4, 1, 3)) * [[[[0]]], [[[3]]]])
    np.testing.assert_allclose(blender.settle(6)[:, 0, 0], [0, 0, 1, 2, 3, 3], atol=1e-6)


def test_plans_settle_only_what_no_later_window_tells_of():
    for length, stride, overlap in ((30, 1, 3), (23, 4, 0), (5, 3, 2), (101, 2, 7)):
        told: set[int] = set()
        parts: list[Plan] = list(plan(length, WindowShape(8, 0, 8, overlap), stride, block=3))
        for part in parts:
            for targets, settled in zip(part.targets, part.settled, strict=True):
                known = {int(row) for row in targets if row >= 0}
                told |= known
                assert set(range(settled)) <= told
        later = [set(map(int, t)) for part in parts for t in part.targets]
        bounds = [int(s) for part in parts for s in part.settled]
        for index, bound in enumerate(bounds):
            assert not any(0 <= row < bound for rows in later[index + 1 :] for row in rows)
        assert told == set(range(length))


@pytest.mark.parametrize(("fps", "frames"), [(60.0, 1), (60.0, 9), (24.0, 9), (100.0, 9)])
def test_other_frame_rates_are_brought_to_that_of_the_training_and_back(copier, fps, frames):
    lifter = Lifter(copier(frames, frames), skeleton="human36m_17", fps=50)
    moments = np.arange(240) / fps
    course = np.sin(2 * np.pi * moments)[:, None, None] * np.linspace(0, 1, 34).reshape(17, 2)
    error = np.abs(lifter(course, fps)[..., :2] - course).max()
    exact = frames == 1 or fps == 100.0
    assert error < (1e-6 if exact else 0.01)
    retimer = Retimer(240, fps / 50, 200)
    whole = retimer.push(course)
    retimer = Retimer(240, fps / 50, 200)
    parts = [retimer.push(part) for part in np.split(course, [1, 2, 100])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_mirroring_gives_a_lifter_that_mirrors(rng, lifter):
    both = Lifter(lifter.net, flip=True)
    keypoints = rng.normal(size=(10, 17, 2)).astype("float32")
    from keras_seal.data.augmentation import flip

    mirrored = both(flip(keypoints, "human36m_17"))
    np.testing.assert_allclose(mirrored, flip(both(keypoints), "human36m_17"), atol=1e-6)


def test_a_run_folder_tells_how_its_net_was_trained(tmp_path, copier):
    recipe = "name: a\ndata: {source: synthetic, options: {fps: 12.5}, frame_stride: 2}\n"
    (tmp_path / "recipe.yaml").write_text(
        recipe + "pose_net: {name: SimpleBaseline}\ntraining: {epochs: 1}\n"
    )
    with pytest.raises(UserError, match=r"has no pose_net.keras yet: end the run"):
        Lifter(tmp_path)
    net = pose_nets.MixSTE("human36m_17", num_frames=3, channels=8, num_blocks=1)
    net.save(tmp_path / "pose_net.keras")
    lifter = Lifter(tmp_path)
    assert (lifter.fps, lifter.frame_stride, lifter.num_frames) == (12.5, 2, 3)
    assert lifter._timing(25.0) == (4, None) and lifter._timing(None) == (2, None)
    assert lifter._timing(9.0)[1] == pytest.approx(9 * 2 / 12.5)


def test_nets_that_are_no_lifters_are_refused(tmp_path, copier, rng):
    keypoints = rng.normal(size=(4, 17, 2))
    with pytest.raises(UserError, match="does not tell its skeleton"):
        Lifter(copier(1, 1))
    with pytest.raises(UserError, match=r"takes .* 17, 2"):
        Lifter(copier(1, 1), skeleton="human36m_16")
    with pytest.raises(UserError, match="trained on millimetres"):
        Lifter(copier(1, 1, scale=1000.0), skeleton="human36m_17")(keypoints)
    with pytest.raises(UserError, match="overlap"):
        Lifter(copier(9, 1), skeleton="human36m_17", overlap=3)
    with pytest.raises(UserError, match="There is no file or run folder"):
        Lifter(tmp_path / "nothing.keras")
    (tmp_path / "lifter.pth").write_bytes(b"x")
    with pytest.raises(UserError, match=r"keras-seal convert"):
        Lifter(tmp_path / "lifter.pth")
    (tmp_path / "lifter.keras").write_bytes(b"x")
    with pytest.raises(UserError, match="Keras cannot read"):
        Lifter(tmp_path / "lifter.keras")
    from keras_seal import loss_nets

    with pytest.raises(UserError, match="holds no pose-net, but a LossNet"):
        Lifter(loss_nets.MLPLossNet("human36m_17", units=8, num_stages=1))
    assert keras.backend.backend()


def test_the_bundled_lifter_lifts_people_it_never_saw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = data.sources.get("synthetic")(
        frames=200, validation_frames=50, test_frames=400, test_subjects=4, seed=91
    )
    test = people.load().test
    truth = geometry.root_relative(test.poses, test.skeleton)
    poses = Lifter("lifter")(test.keypoints)
    errors = [np.linalg.norm(p - truth, axis=-1).mean() for p in (poses, truth.mean(axis=0))]
    assert errors[0] < 0.5 * errors[1], errors
    # A file of that name is what is meant where there is one.
    (tmp_path / "lifter").mkdir()
    with pytest.raises(UserError, match="lifter"):
        Lifter("lifter")
