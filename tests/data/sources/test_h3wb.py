from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_seal import skeletons
from keras_seal.data import DamagedFileError, PoseSplits, sources
from keras_seal.data.sources.h3wb import draw_seen, tasks
from keras_seal.data.sources.h3wb.arrays import read_arrays
from keras_seal.data.sources.h3wb.samples import Samples, join, parse_image_path
from keras_seal.data.sources.h3wb.tasks import read_samples
from keras_seal.data.unpickling import UnsafeFileError
from keras_seal.errors import UserError
from keras_seal.geometry import denormalize_screen, project
from tests.data.published import h3wb as published

FACE, LEFT_HAND, RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)


@pytest.fixture(scope="module")
def train():
    return published.make()


@pytest.fixture(scope="module")
def test_set():
    return published.make_test()


@pytest.fixture(scope="module")
def folders(train, test_set, tmp_path_factory):
    """One folder per layout; nobody writes to them."""
    root = tmp_path_factory.mktemp("h3wb")
    published.write_tasks(root / "json", train, test_set)
    published.write_arrays(root / "npz" / "h3wb_train.npz", train)
    published.write_tasks(root / "npz", train, test_set)
    (root / "npz" / "2Dto3D_train.json").unlink()
    seen = np.ones(133, bool)
    seen[[3, *range(91, 112)]] = False
    published.write_tasks(
        root / "incomplete", train, published.make_test("I2Dto3D"), "I2Dto3D", seen
    )
    return {path.name: path for path in root.iterdir()}


def read_source(folder, **options) -> PoseSplits:
    return sources.get("h3wb")(folder=folder, **options).load(use_cache=False)


def check_against(samples, part, *, seen=None):
    """Every sample is there once, in the order of its number, and is what it was."""
    ordered = sorted(samples, key=lambda one: one.number)
    assert (part.lengths == 1).all() and part.skeleton.name == "h3wb_133"
    assert part.labels["sample_id"].tolist() == [one.number for one in ordered]
    assert part.labels["frame_id"].tolist() == [one.frame for one in ordered]
    assert part.subjects.tolist() == [one.subject for one in ordered]
    kinds = {"Directions 1": "Directions", "TakingPhoto": "Photo"}
    assert part.actions.tolist() == [kinds[one.action] for one in ordered]
    np.testing.assert_allclose(part.poses, [one.pose for one in ordered], atol=2e-6)
    heights = [1002 if one.camera in ("54138969", "60457274") else 1000 for one in ordered]
    assert part.image_sizes.tolist() == [[1000, height] for height in heights]
    pixels = denormalize_screen(
        part.keypoints[..., :2].astype(float), 1000, np.array(heights)[:, None]
    )
    expected = np.array([one.pixels for one in ordered])
    if seen is None:
        np.testing.assert_allclose(pixels, expected, atol=1e-3)
    else:
        np.testing.assert_array_equal(part.keypoints[..., 2] == 1, seen)
        np.testing.assert_allclose(pixels[seen], expected[seen], atol=1e-3)
        assert not part.keypoints[~seen].any()
    for index in (0, len(part) - 1):
        camera = part.cameras[part.views[index]]
        assert camera.name == ordered[index].camera
        error = project(part.poses[index].astype(float), camera) - expected[index]
        assert np.abs(error).max() < 0.01


def of(samples, *subjects):
    return [one for one in samples if one.subject in subjects]


@pytest.mark.parametrize("layout", ["json", "npz"])
def test_layouts_give_the_truth(folders, train, test_set, layout):
    splits = read_source(folders[layout])
    check_against(of(train, "S1", "S5", "S6"), splits.train)
    check_against(of(train, "S7"), splits.validation)
    check_against(test_set, splits.test)
    assert splits.test.valid.all() and splits.test.num_channels == 2
    assert splits.train.names[0] == f"S1 Directions 1 54138969 frame {train[0].frame}"
    assert len(splits.train.cameras) == 3 * 4


def test_validation_may_be_somebody_else(folders, train, test_set):
    splits = read_source(folders["json"], validation_subjects=("S1", "S6"))
    check_against(of(train, "S5", "S7"), splits.train)
    check_against(of(train, "S1", "S6"), splits.validation)
    # As MMPose trains, who has no test files.
    splits = read_source(folders["npz"], validation_subjects=("S6",), test_subjects=("S7",))
    check_against(of(train, "S1", "S5"), splits.train)
    check_against(of(train, "S7"), splits.test)


def test_folds_are_consecutive(folders, train):
    numbers = []
    for fold in range(1, 6):
        splits = read_source(folders["json"], validation_fold=fold)
        inside = splits.validation.labels["sample_id"]
        assert inside.tolist() == list(range(inside[0], inside[0] + len(train) // 5))
        assert set(inside) | set(splits.train.labels["sample_id"]) == set(range(len(train)))
        assert splits.validation.subjects[0].endswith(f" fold {fold}")
        camera = splits.validation.cameras[splits.validation.views[0]]
        assert camera.name == train[inside[0]].camera
        numbers += inside.tolist()
    assert numbers == list(range(5 * (len(train) // 5)))


def test_arrays_of_other_versions(train, tmp_path):
    published.write_arrays(tmp_path / "other.npz", train, extra_axis=True)
    splits = read_source(tmp_path, validation_subjects=("S6",), test_subjects=("S7",))
    check_against(of(train, "S7"), splits.test)
    content, metadata = published.dictionaries(train)
    for videos in content.values():
        for video in videos.values():
            for camera in published.CAMERAS:
                video[camera].pop("sample_id")
    np.savez(tmp_path / "other.npz", train_data=content, metadata=metadata)
    samples = read_arrays(tmp_path / "other.npz")
    assert set(samples.ids.tolist()) == {-1}


def test_parts_of_the_training_file(train, test_set, tmp_path):
    published.write_tasks(tmp_path, train, test_set)
    (tmp_path / "2Dto3D_train.json").unlink()
    for part in range(5):
        chosen = [one for one in train if one.number * 5 // len(train) == part]
        published.write_json(tmp_path / f"2Dto3D_train_part{part + 1}.json", chosen)
    splits = read_source(tmp_path)
    check_against(of(train, "S1", "S5", "S6"), splits.train)
    (tmp_path / "2Dto3D_train_part3.json").unlink()
    with pytest.raises(UserError, match="holds 4 of the 5 parts"):
        read_source(tmp_path)


def test_paths_of_images_may_be_in_another_file(train, test_set, tmp_path):
    published.write_tasks(tmp_path, train, test_set)
    published.write_json(tmp_path / "2Dto3D_train.json", train, image=False)
    with pytest.raises(UserError, match=r"does not tell whose.*RGBto3D_train\.json.*fold to 5"):
        read_source(tmp_path)
    splits = read_source(tmp_path, validation_fold=5)
    assert splits.validation.subjects[0] == "fold 5"
    assert splits.train.names[0] == "sample 0" and (splits.train.views == -1).all()
    published.write_json(tmp_path / "RGBto3D_train.json", train, with_2d=False)
    check_against(of(train, "S1", "S5", "S6"), read_source(tmp_path).train)
    published.write_json(tmp_path / "RGBto3D_train.json", train[1:], with_2d=False)
    with pytest.raises(UserError, match="has no sample '0'"):
        read_source(tmp_path)


def test_test_sets_with_and_without_3d(train, test_set, tmp_path):
    published.write_tasks(tmp_path, train, test_set)
    (tmp_path / "2Dto3D_test_2d.json").unlink()
    # The 3D file has the 2D, too.
    check_against(test_set, read_source(tmp_path).test)
    published.write_json(tmp_path / "2Dto3D_test_3d.json", test_set, with_2d=False)
    with pytest.raises(UserError, match="sample '0' has no 2D"):
        read_source(tmp_path)
    published.write_json(tmp_path / "2Dto3D_test_2d.json", test_set, with_3d=False, image=False)
    check_against(test_set, read_source(tmp_path).test)
    published.write_json(tmp_path / "2Dto3D_test_3d.json", test_set[:-1])
    with pytest.raises(UserError, match=r"hold different samples \(24 and 23\)"):
        read_source(tmp_path)
    (tmp_path / "2Dto3D_test_3d.json").unlink()
    with pytest.raises(UserError, match=r"has no 2Dto3D_test_3d\.json.*unlabelled_test"):
        read_source(tmp_path)
    test = read_source(tmp_path, unlabelled_test=True).test
    assert not test.valid.any() and not test.poses.any()
    assert test.labels["sample_id"].tolist() == [one.number for one in test_set]
    assert set(test.subjects) == {"S8"}
    (tmp_path / "2Dto3D_test_2d.json").unlink()
    with pytest.raises(UserError, match=r"has no 2Dto3D_test_2d\.json"):
        read_source(tmp_path)


# --------------------------------------------------------------------------------- incomplete 2D


def test_incomplete_2d(folders, train):
    splits = read_source(folders["incomplete"], task="I2Dto3D")
    shown = np.ones((24, 133), bool)
    shown[:, [3, *range(91, 112)]] = False
    check_against(published.make_test("I2Dto3D"), splits.test, seen=shown)
    for part, subjects in ((splits.train, ("S1", "S5", "S6")), (splits.validation, ("S7",))):
        seen = part.keypoints[..., 2] == 1
        assert 0.5 < seen.mean() < 0.95
        check_against(of(train, *subjects), part, seen=seen)
    again = read_source(folders["incomplete"], task="I2Dto3D")
    np.testing.assert_array_equal(again.train.keypoints, splits.train.keypoints)
    other = read_source(folders["incomplete"], task="I2Dto3D", mask_seed=1)
    assert (other.train.keypoints[..., 2] != splits.train.keypoints[..., 2]).any()
    with pytest.raises(UserError, match=r"has no 2Dto3D_test_2d\.json"):
        read_source(folders["incomplete"])


def test_published_masking():
    seen = draw_seen(20_000, np.random.default_rng(0))
    hidden = ~seen
    face = hidden[:, FACE].all(axis=1) & seen[:, :23].all(axis=1)
    left = hidden[:, LEFT_HAND].all(axis=1) & seen[:, RIGHT_HAND].all(axis=1)
    right = hidden[:, RIGHT_HAND].all(axis=1) & seen[:, LEFT_HAND].all(axis=1)
    for whole in (face, left, right):
        assert abs(whole.mean() - 0.2) < 0.01
    scattered = ~(face | left | right)
    assert abs(scattered.mean() - 0.4) < 0.01
    assert abs(hidden[scattered].mean() - 0.25) < 0.002
    # With a part hidden, nothing else is.
    assert seen[face][:, :23].all() and seen[left][:, FACE].all()
    assert seen[left][:, :23].all()


@pytest.mark.parametrize("missing", ["zero", "null", "nulls", "nan", "absent"])
def test_ways_to_write_what_is_missing(train, test_set, tmp_path, missing):
    content = published.as_json(train[0])
    joints = content["keypoints_2d"]
    if missing == "absent":
        del joints["7"]
    else:
        joints["7"] = {
            "zero": {"x": 0, "y": 0.0},
            "null": None,
            "nulls": {"x": None, "y": None},
            "nan": {"x": np.nan, "y": 1.0},
        }[missing]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"4": content}))
    samples = read_samples(path, with_2d=True, with_3d=True, incomplete=True)
    assert np.flatnonzero(~samples.seen[0]).tolist() == [7]
    sequences = join([samples], confidence=True)
    assert sequences.keypoints[0, 7].tolist() == [0, 0, 0]
    if missing != "zero":
        with pytest.raises(UserError, match=r"keypoints_2d|holds NaN"):
            read_samples(path, with_2d=True, with_3d=True, incomplete=False)
    content["keypoints_2d"] = {}
    path.write_text(json.dumps({"4": content}))
    with pytest.raises(UserError, match="no keypoint at all"):
        read_samples(path, with_2d=True, with_3d=True, incomplete=True)


def test_samples_of_the_other_task_are_told(train, tmp_path):
    published.write_tasks(tmp_path, train, published.make_test("I2Dto3D"), "2Dto3D")
    with pytest.raises(UserError, match="samples of the other task"):
        read_source(tmp_path)
    published.write_tasks(tmp_path, train, published.make_test("2Dto3D"), "I2Dto3D")
    with pytest.raises(UserError, match="samples of the other task"):
        read_source(tmp_path, task="I2Dto3D")


# --------------------------------------------------------------------------- options and files


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_subjects": ("S8",)}, "names 'S8', who is the test set"),
        ({"validation_subjects": ("S9",)}, "names 'S9', expected some of S1, S5, S6, S7"),
        ({"validation_subjects": ()}, "must name somebody"),
        ({"validation_subjects": ("S1", "S5", "S6", "S7")}, "nobody is left to train on"),
        ({"test_subjects": ("S8", "S7")}, "expected S8 alone, or some of S1"),
        ({"test_subjects": ("S7",)}, "name the same person"),
        (
            {"test_subjects": ("S6",), "unlabelled_test": True},
            "unlabelled_test is for the test set",
        ),
        ({"validation_fold": 6}, "validation_fold"),
        ({"validation_fold": 1, "validation_subjects": ("S7",)}, "goes neither with"),
        ({"task": "RGBto3D"}, "task"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UserError, match=message):
        sources.get("h3wb")(folder="x", **options)


def test_missing_files(folders, train, tmp_path):
    with pytest.raises(UserError, match=r"does not hold 2Dto3D_train\.json or .*it is empty"):
        read_source(tmp_path)
    published.write_tasks(tmp_path, train, published.make_test())
    with pytest.raises(UserError, match=r"does not hold h3wb_train\.npz; it holds 2Dto3D_test"):
        read_source(tmp_path, layout="npz")
    published.write_arrays(tmp_path / "h3wb_train.npz", train)
    with pytest.raises(UserError, match=r"holds both .* Say which one"):
        read_source(tmp_path)
    for layout in ("json", "npz"):
        assert len(read_source(tmp_path, layout=layout).train) == 72
    (tmp_path / "h3wb_train.npz").rename(tmp_path / "one.npz")
    (tmp_path / "two.npz").write_bytes((tmp_path / "one.npz").read_bytes())
    with pytest.raises(UserError, match=r"several files like h3wb_train.npz: one\.npz, two\.npz"):
        read_source(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        read_source(tmp_path / "one.npz")
    published.write_json(tmp_path / "2Dto3D_train.json", of(train, "S1", "S5"))
    (tmp_path / "two.npz").unlink()
    with pytest.raises(UserError, match="has nothing of S7; it holds S1, S5"):
        read_source(tmp_path, layout="json")
    published.write_json(tmp_path / "2Dto3D_train.json", of(train, "S7"))
    with pytest.raises(UserError, match="leaves nobody to train on"):
        read_source(tmp_path, layout="json")
    published.write_json(tmp_path / "2Dto3D_train.json", published.make(1, ("S1", "S9")))
    with pytest.raises(UserError, match="holds S9, expected the subjects S1"):
        read_source(tmp_path, layout="json")
    published.write_json(tmp_path / "2Dto3D_test_2d.json", train)
    published.write_json(tmp_path / "2Dto3D_test_3d.json", train)
    with pytest.raises(UserError, match="expected S8; is it a training file"):
        read_source(tmp_path, layout="npz")


def test_input_files(folders):
    source = sources.get("h3wb")(folder=folders["npz"])
    names = ["h3wb_train.npz", "2Dto3D_test_2d.json", "2Dto3D_test_3d.json"]
    assert [path.name for path in source.input_files()] == names
    assert sorted(source.inputs()["files"]) == sorted(names)


# ------------------------------------------------------------------------------ wrong contents


def shuffled(values):
    """The joints of another order: hands first, the body last."""
    order = [*range(91, 133), *range(23, 91), *range(23)]
    return {str(place): values[str(joint)] for place, joint in enumerate(order)}


def exchanged(values):
    mirror = skeletons.get("h3wb_133").mirror_permutation.tolist()
    return {str(place): values[str(joint)] for place, joint in enumerate(mirror)}


def scaled(values, factor):
    return {
        joint: {axis: factor * value for axis, value in one.items()}
        for joint, one in values.items()
    }


def random_numbers(values):
    rng = np.random.default_rng(0)
    return {joint: {axis: rng.random() for axis in one} for joint, one in values.items()}


def without(values, joint):
    return {key: value for key, value in values.items() if key != joint}


def change(key, function):
    def apply(sample):
        sample[key] = function(sample[key])

    return apply


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (change("keypoints_3d", lambda values: scaled(values, 0.001)), "likely in metres"),
        (change("keypoints_3d", lambda values: scaled(values, 0.1)), "likely in centimetres"),
        (change("keypoints_3d", random_numbers), "holds no people.*random numbers"),
        (change("keypoints_3d", shuffled), "another order|holds no people"),
        (change("keypoints_2d", shuffled), "do not belong together"),
        (change("keypoints_2d", exchanged), "left and right are exchanged"),
        (change("keypoints_2d", lambda values: scaled(values, 0.001)), "is the 2D in pixels"),
        (
            change("keypoints_2d", lambda values: without(values, "9")),
            "keypoints_2d has 132 joints .* expected '0' to '132'",
        ),
        (
            change("keypoints_3d", lambda values: {**without(values, "9"), "133": values["9"]}),
            "expected '0' to '132'",
        ),
        (
            change("keypoints_3d", lambda values: {**values, "9": {"x": 1, "y": 2}}),
            "a joint without x, y, z",
        ),
        (change("keypoints_3d", lambda values: {**values, "9": None}), "a joint without"),
        (
            change("keypoints_2d", lambda values: {**values, "9": {"x": "1", "y": 2}}),
            "holds '1', expected a number",
        ),
        (
            change("keypoints_2d", lambda values: {**values, "9": {"x": True, "y": 2}}),
            "holds 'True', expected a number",
        ),
        (
            change("keypoints_2d", lambda values: {**values, "9": {"x": 1e300, "y": 2}}),
            "numbers that are not finite",
        ),
        (
            change("keypoints_2d", lambda values: {**values, "9": {"x": 10**400, "y": 2}}),
            "something else than numbers",
        ),
        (change("keypoints_2d", lambda values: list(values.values())), "no dictionary of joints"),
        (lambda sample: sample.pop("keypoints_3d"), "has no 3D .'keypoints_3d'"),
        (change("image_path", lambda _: "S1/Directions.jpg"), "has the image path"),
        (change("image_path", lambda _: 5), "has the image path '5'"),
    ],
)
def test_wrong_contents_of_json(train, test_set, tmp_path, function, message):
    published.write_tasks(tmp_path, train, test_set)
    content = json.loads((tmp_path / "2Dto3D_train.json").read_text())
    for sample in content.values():
        function(sample)
    (tmp_path / "2Dto3D_train.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"2Dto3D_train\.json'.*({message})"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it ends where one of '{'"),
        ("[]", r"'\[' stands where"),
        ("{}", "has no sample"),
        ('{"a": {}}', "a sample 'a', expected numbers"),
        ('{"0": 5}', "the sample '0' is no dictionary"),
        ('{"0": {}, "0": {}', "has no 2D"),
        ('{"0": {"keypoints_2d": NaN}}', "holds NaN"),
        ('{"0": {"keypoints_2d": Infinity}}', "holds Infinity"),
        ('{"0": {"keypoints_2d": 1' + "0" * 5000 + "}}", "cannot be read as JSON"),
        ('{"0": ' + "[" * 200_000, "cannot be read as JSON"),
        ('{"0": ' + '{"a":' * 200_000, "cannot be read as JSON"),
        ('{"0": "' + "x" * 1_500_000 + '"}', "more than 1000000 characters"),
        ('{"0": "' + "x" * 9_000_000, "cannot be read as JSON"),
        ("{" + " " * 9_000_000, "Expecting value"),
        ('{"0": {}} {}', "has no 2D"),
        ('{"99999999999": {}}', "expected numbers for names"),
        ('{"\\u00b2": {}}', "expected numbers for names"),
        ('{5: {}}', "a key is no text"),
    ],
)  # fmt: skip
def test_text_that_is_no_file_of_h3wb(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=message):
            read_samples(path, with_2d=True, with_3d=True, incomplete=False)
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()


def test_text_after_the_end_and_in_other_encodings(train, tmp_path):
    path = tmp_path / "a.json"
    sample = json.dumps(published.as_json(train[0]))
    path.write_text(f'{{"0": {sample}}} x')
    with pytest.raises(DamagedFileError, match="goes on after its end"):
        read_samples(path, with_2d=True, with_3d=True, incomplete=False)
    path.write_text(f'{{"0": {sample}, "0": {sample}}}')
    with pytest.raises(UserError, match="has the sample '0' twice"):
        read_samples(path, with_2d=True, with_3d=True, incomplete=False)
    path.write_bytes(f'{{"0": {sample}}}'.encode("utf-16"))
    with pytest.raises(DamagedFileError, match="cannot be read as JSON"):
        read_samples(path, with_2d=True, with_3d=True, incomplete=False)


def test_long_files_are_read_in_pieces(train, tmp_path, monkeypatch):
    path = published.write_json(tmp_path / "a.json", train)
    expected = read_samples(path, with_2d=True, with_3d=True, incomplete=False)
    length = max(len(json.dumps(published.as_json(one))) for one in train)
    for extra, chunk in ((0, 1), (1, 7), (5, 1000), (3000, 50_001)):
        monkeypatch.setattr(tasks, "MAX_CHARACTERS", length + extra)
        monkeypatch.setattr(tasks, "_CHUNK", max(chunk, 997))
        text = path.read_text()
        # Spaces where the pieces meet.
        path.write_text(text.replace("}}}, ", "}}}" + " " * 1013 + ",\n\t"))
        read = read_samples(path, with_2d=True, with_3d=True, incomplete=False)
        np.testing.assert_array_equal(read.poses, expected.poses)
        path.write_text(text)
    monkeypatch.setattr(tasks, "MAX_SAMPLES", 50)
    with pytest.raises(UserError, match="more than 50 samples"):
        read_samples(path, with_2d=True, with_3d=True, incomplete=False)


def edit(content, metadata, function):
    function(content["S1"]["Directions 1"], content, metadata)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda video, data, meta: video.pop("frame_id"), "no numbers of frames"),
        (
            lambda video, data, meta: video.update(frame_id=np.array([1.5, 2, 3])),
            "no numbers of frames",
        ),
        (
            lambda video, data, meta: video.update(frame_id=np.array([-1, 2, 3])),
            "impossible numbers",
        ),
        (
            lambda video, data, meta: video["54138969"].update(pose_2d=np.zeros((2, 133, 2))),
            r"pose_2d has the shape \(2, 133, 2\), expected \(3, 133, 2\) for 3 frames",
        ),
        (
            lambda video, data, meta: video["54138969"].update(camera_3d=np.zeros((3, 17, 3))),
            r"camera_3d has the shape \(3, 17, 3\)",
        ),
        (lambda video, data, meta: video["54138969"].pop("camera_3d"), "no numbers 'camera_3d'"),
        (
            lambda video, data, meta: video["54138969"]["camera_3d"].__setitem__(1, np.nan),
            "the 3D of 1 samples holds values that are not finite",
        ),
        (lambda video, data, meta: video["54138969"].update(sample_id=[1]), "1 ids of samples"),
        (lambda video, data, meta: [video.pop(name) for name in published.CAMERAS], "none of the"),
        (lambda video, data, meta: data.update(S1=5), "no dictionary 'S1'"),
        (lambda video, data, meta: data.clear(), "has no sample"),
        (lambda video, data, meta: meta.pop("S1"), "of S1 cannot be used .'S1' is missing"),
        (lambda video, data, meta: meta["S1"]["54138969"].pop("T"), "'T' is missing"),
        (
            lambda video, data, meta: meta["S1"]["54138969"].update(R=np.ones((1, 3, 3))),
            "no rotation",
        ),
        (
            lambda video, data, meta: meta["S1"]["54138969"].update(K=np.zeros((1, 3, 3))),
            "`focal` must be positive",
        ),
        (
            lambda video, data, meta: meta["S1"]["54138969"].update(Distortion=np.zeros(4)),
            "expected numbers of shape",
        ),
    ],
)
def test_wrong_contents_of_arrays(train, tmp_path, function, message):
    content, metadata = published.dictionaries(train)
    edit(content, metadata, function)
    np.savez(tmp_path / "h3wb_train.npz", train_data=content, metadata=metadata)
    with pytest.raises(UserError, match=message):
        read_source(tmp_path, validation_subjects=("S6",), test_subjects=("S7",))


def test_random_numbers_of_mmposes_sample_are_refused(train, tmp_path):
    # Its arrays hold random numbers from 0 to 1 for keypoints, beside real cameras.
    rng = np.random.default_rng(0)
    content, metadata = published.dictionaries(train)
    for videos in content.values():
        for video in videos.values():
            for camera in published.CAMERAS:
                video[camera]["camera_3d"] = rng.random((3, 133, 3))
                video[camera]["pose_2d"] = rng.random((3, 133, 2))
    bbox = {("S1", "Directions 1", "54138969", 5): {"x_min": 3}}
    np.savez(
        tmp_path / "h3wb_train_bbox.npz", train_data=content, metadata=metadata, bbox=np.array(bbox)
    )
    with pytest.raises(UserError, match=r"holds no people.*random numbers"):
        read_source(tmp_path, validation_subjects=("S6",), test_subjects=("S7",))


def test_code_in_a_file_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(tmp_path / "h3wb_train.npz", train_data=np.array(Evil(), object), metadata={})
    with pytest.raises(UnsafeFileError, match="mkdir"):
        read_source(tmp_path, validation_subjects=("S6",), test_subjects=("S7",))
    assert not (tmp_path / "ran").exists()


def test_paths_of_images():
    assert parse_image_path("H36M\\S8\\Images\\WalkDog.55011271\\frame_0410.png") == (
        "S8", "WalkDog", "55011271", 410
    )  # fmt: skip
    for other in ("", "S1", "S1/Images/Walk.12345678/frame_1.jpg", "S1/Walk.55011271/1.jpg"):
        assert parse_image_path(other) is None


# -------------------------------------------------------------------------------------- fuzzing


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    root = tmp_path_factory.mktemp("originals")
    samples = published.make(1, ("S1",))[:2]
    return {
        "json": published.write_json(root / "a.json", samples).read_bytes(),
        "npz": published.write_arrays(
            root / "a.npz", published.make(1, ("S1",))
        ).read_bytes(),
    }  # fmt: skip


def read_any(path, incomplete=False):
    if path.suffix == ".npz":
        samples = read_arrays(path)
    else:
        samples = read_samples(path, with_2d=True, with_3d=True, incomplete=incomplete)
    samples.check()
    return join([samples], confidence=incomplete)


@pytest.mark.parametrize("kind", ["json", "npz"])
@given(data=st.data())
@settings(max_examples=80)
def test_damaged_bytes_are_told(originals, tmp_path, kind, data):
    content = bytearray(originals[kind])
    for _ in range(data.draw(st.integers(0, 8), "changes")):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b'{}[]",:0-eE\x00\xff') | st.integers(0, 255))
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    # Altered numbers may well be another person's: then the file is read.
    with contextlib.suppress(UserError):
        read_any(path, data.draw(st.booleans(), "incomplete"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "7", "x", "y", "z", "133"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data(), value=VALUES, incomplete=st.booleans())
@settings(max_examples=100)
def test_any_structure_is_told(train, tmp_path, data, value, incomplete):
    content = {"0": published.as_json(train[0])}
    key = data.draw(st.sampled_from(["keypoints_2d", "keypoints_3d", "image_path"]))
    places = [(content, "0"), (content["0"], key)]
    if key != "image_path":
        places += [(content["0"][key], "7"), (content["0"][key]["7"], "x")]
    place, inner = data.draw(st.sampled_from(places))
    place[inner] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with contextlib.suppress(UserError):
        read_any(path, incomplete)


ARRAYS = st.builds(
    lambda shape, value, dtype: np.full(shape, value).astype(dtype, casting="unsafe"),
    # The test itself must not fill the memory: 133 four times are 313 million.
    st.lists(st.sampled_from([0, 1, 2, 3, 133]), max_size=4)
    .map(tuple)
    .filter(lambda shape: math.prod(shape) <= 60_000),
    st.floats(width=64) | st.sampled_from([np.nan, 1e300, 0.0]),
    st.sampled_from(["f8", "f4", "i8", "U5", "c16", "O", "?"]),
)


@pytest.fixture(scope="module")
def few_arrays():
    return published.dictionaries(published.make(1, ("S1",)))


@given(data=st.data(), value=ARRAYS | VALUES)
@settings(max_examples=80)
@pytest.mark.filterwarnings("ignore")
def test_any_arrays_are_told(few_arrays, tmp_path, data, value):
    content, metadata = copy.deepcopy(few_arrays)
    video, camera = content["S1"]["Directions 1"], metadata["S1"]["54138969"]
    places = [(content, "S1"), (content["S1"], "Directions 1"), (video, "frame_id")]
    places += [(video, "54138969"), (metadata, "S1"), (metadata["S1"], "54138969")]
    places += [(video["54138969"], key) for key in ("camera_3d", "pose_2d", "sample_id")]
    places += [(camera, key) for key in ("K", "R", "T", "Distortion")]
    place, key = data.draw(st.sampled_from(places))
    place[key] = value
    path = tmp_path / "a.npz"
    np.savez(path, train_data=np.array(content, object), metadata=np.array(metadata, object))
    with contextlib.suppress(UserError):
        read_any(path)


@pytest.mark.parametrize("key", ["frame_id", "sample_id"])
def test_lists_of_unequal_lengths_are_told(few_arrays, tmp_path, key):
    content, metadata = copy.deepcopy(few_arrays)
    video = content["S1"]["Directions 1"]
    (video if key in video else video["54138969"])[key] = [[1], [2, 3]]
    path = tmp_path / "a.npz"
    np.savez(path, train_data=np.array(content, object), metadata=np.array(metadata, object))
    with pytest.raises(UserError, match=key):
        read_any(path)


@given(one=st.integers(0, 132), other=st.integers(0, 132))
@settings(max_examples=40)
def test_swapped_joints_of_the_body_are_told(train, one, other):
    limbs = {*range(5, 17), 17, 19, 20, 22, 91, 112}
    if one == other or not {one, other} & limbs or {one, other} <= {5, 6} | {11, 12}:
        return
    order = np.arange(133)
    order[[one, other]] = other, one
    poses = np.array([sample.pose for sample in of(train, "S1")])
    pixels = np.array([sample.pixels for sample in of(train, "S1")])
    distance = np.linalg.norm(poses[:, one] - poses[:, other], axis=-1).min()
    if distance < 0.5:
        return
    samples = as_samples(pixels, poses[:, order])
    with pytest.raises(UserError, match=r"order|no people|belong together"):
        samples.check()


def as_samples(pixels, poses):
    count = len(pixels)
    texts = np.full(count, "")
    return Samples(
        Path("a.json"), pixels, np.ones((count, 133), bool), poses, np.arange(count), texts, texts,
        texts, np.full(count, -1), {},
    )  # fmt: skip


def test_reading_needs_no_keras(folders):
    code = (
        "import sys; from keras_seal.data import sources; "
        f"sources.get('h3wb')(folder={str(folders['json'])!r}).load(use_cache=False); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
