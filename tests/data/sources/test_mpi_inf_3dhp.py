from __future__ import annotations

import contextlib
import copy
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_seal.data import DamagedFileError, PoseSplits, sources
from keras_seal.data.sources.mpi_inf_3dhp import mmpose, nested, raw
from keras_seal.data.sources.mpi_inf_3dhp.hdf5 import load_hdf5
from keras_seal.data.sources.mpi_inf_3dhp.matlab import load_mat
from keras_seal.data.sources.mpi_inf_3dhp.recording import USABLE_FRAMES, prepare
from keras_seal.data.unpickling import UnsafeFileError
from keras_seal.errors import UserError
from keras_seal.geometry import denormalize_screen, project
from tests.data.published import mpi_inf_3dhp as published

FEW = {"subjects": ("S1", "S8"), "test_subjects": ("TS1", "TS5")}
LAYOUTS = {
    "raw": ("annot3", "univ_annot3"),
    "p_stmo": ("univ_annot3",),
    "d3dp": ("annot3",),
    "mmpose": ("annot3",),
}


@pytest.fixture(scope="module")
def truth():
    return published.make()


@pytest.fixture(scope="module")
def folders(truth, tmp_path_factory):
    """One folder per layout; nobody writes to them."""
    root = tmp_path_factory.mktemp("mpi_inf_3dhp")
    return {
        "raw": published.write_raw(root / "raw", truth),
        "p_stmo": published.write_nested(root / "p_stmo", truth),
        "d3dp": published.write_nested(root / "d3dp", truth, original=True),
        "mmpose": published.write_mmpose(root / "mmpose", truth),
    }


@pytest.fixture(scope="module")
def few():
    """Two training subjects and two test sequences; copied before something is changed in it."""
    return published.make(frames=6, subjects=("S1", "S8"), tests=("TS1", "TS5"), cameras=14)


@pytest.fixture
def nested_with(few, tmp_path):
    """Writes P-STMO's files after a change, and reads them."""

    def read(change_train=None, change_test=None, **options):
        train, test = copy.deepcopy(published.nested_dictionaries(few, "univ_annot3"))
        for content, change in ((train, change_train), (test, change_test)):
            if change is not None:
                change(content)
        np.savez(tmp_path / "data_train_3dhp.npz", data=np.array(train, object))
        np.savez(tmp_path / "data_test_3dhp.npz", data=np.array(test, object))
        return read_source(tmp_path, annotation="univ_annot3", **{**FEW, **options})

    return read


def read_source(folder, **options) -> PoseSplits:
    return sources.get("mpi_inf_3dhp")(folder=folder, **options).load(use_cache=False)


def check_against(truth, part, kind):
    """Every frame is where the truth has it; gives the frames seen by (name, camera)."""
    seen = {}
    for index in range(len(part)):
        one = part.sequence(index)
        name, _, rest = str(one.names[0]).partition(" camera ")
        name, _, _ = name.partition(" frames ")
        key = (name, int(rest.partition(" ")[0] or 0))
        frames = one.labels["frame_id"]
        np.testing.assert_allclose(one.poses, truth.of(*key, kind)[frames], atol=2e-6)
        pixels = denormalize_screen(one.keypoints.astype(float), *one.image_sizes[0])
        expected = truth.takes[key].annot2[frames][:, published.CHOSEN]
        np.testing.assert_allclose(pixels, expected, atol=2e-3)
        assert one.subjects[0] == name.split()[0]
        if name.startswith("TS"):
            places = 2 * ["studio with green screen"] + 2 * ["studio"] + 2 * ["outdoor"]
            assert one.actions[0] == places[int(name[2]) - 1]
            size = (1920, 1080) if name in ("TS5", "TS6") else (2048, 2048)
            np.testing.assert_array_equal(one.valid, truth.valid[name][frames])
        else:
            assert one.actions[0] == name.split()[1]
            assert one.fps[0] == published.FPS.get(name, 25)
            size = (2048, 2048)
            assert one.valid.all() and not one.labels["activity"].any()
        assert tuple(one.image_sizes[0]) == size
        assert (one.labels["universal"] == (kind == "univ_annot3")).all()
        seen.setdefault(key, []).append(frames)
    return {key: np.concatenate(frames) for key, frames in seen.items()}


@pytest.mark.parametrize(
    ("layout", "kind"), [(layout, kind) for layout, kinds in LAYOUTS.items() for kind in kinds]
)
def test_layouts_give_the_truth(folders, truth, layout, kind):
    splits = read_source(folders[layout], annotation=kind)
    assert splits.train.skeleton.name == "mpi_inf_3dhp_17"
    people = [sorted(set(part.subjects.tolist())) for part in splits.parts.values()]
    assert people == [published.TRAIN[:7], ["S8"], published.TEST]
    for split, part in splits.parts.items():
        seen = check_against(truth, part, kind)
        for (name, camera), frames in seen.items():
            expected = np.arange(len(truth.takes[name, camera].annot3))
            if layout == "mmpose" and split == "test":
                expected = np.flatnonzero(truth.valid[name])
            np.testing.assert_array_equal(frames, expected)
        if split != "test":
            assert {camera for _, camera in seen} == set(published.PAPER_CAMERAS)
    if layout == "raw":
        for index, name in enumerate(splits.test.names):
            activity = splits.test.sequence(index).labels["activity"]
            np.testing.assert_array_equal(activity, truth.activity[name])
    if layout in ("raw", "mmpose"):
        check_cameras(splits.train, kind)


def check_cameras(part, kind):
    assert len(part.cameras) == 7 * 2 * 8
    for index in (0, len(part) - 1):
        one = part.sequence(index)
        camera = one.cameras[one.views[0]]
        assert camera.name == one.names[0]
        assert (camera.width, camera.height) == (2048, 2048)
        pixels = denormalize_screen(one.keypoints.astype(float), 2048, 2048)
        error = np.abs(project(one.poses.astype(float), camera) - pixels).max()
        assert error < 0.01 if kind == "annot3" else error > 1.0


def test_published_folders_may_be_nested_and_plain(few, tmp_path):
    published.write_raw(tmp_path / "all", few, compress=False, calibrated=False)
    (tmp_path / "train").mkdir()
    (tmp_path / "mpi_inf_3dhp_test_set").mkdir()
    for subject in ("S1", "S8"):
        (tmp_path / "all" / subject).rename(tmp_path / "train" / subject)
    for subject in ("TS1", "TS5"):
        (tmp_path / "all" / subject).rename(tmp_path / "mpi_inf_3dhp_test_set" / subject)
    splits = read_source(tmp_path, cameras=14, **FEW)
    assert {camera for _, camera in check_against(few, splits.train, "annot3")} == set(range(14))
    assert not splits.train.cameras and (splits.train.views == -1).all()
    check_against(few, splits.test, "annot3")
    (tmp_path / "train" / "S1" / "Seq2" / "annot.mat").unlink()
    with pytest.warns(UserWarning, match="has nothing of S1 Seq2"):
        read_source(tmp_path, **FEW)
    published.write_raw(tmp_path, few)
    with pytest.raises(UserError, match="holds S1 twice"):
        read_source(tmp_path, **FEW)


def test_frames_without_images_are_left_out(few, tmp_path, monkeypatch):
    # The table sums up to what the papers give.
    assert sum(USABLE_FRAMES.values()) * 8 == 1_052_736
    published.write_raw(tmp_path, few)
    monkeypatch.setitem(USABLE_FRAMES, "S1 Seq2", 4)
    train = read_source(tmp_path, **FEW).train
    lengths = dict(zip(train.names.tolist(), train.lengths.tolist(), strict=True))
    assert (lengths["S1 Seq2 camera 0"], lengths["S1 Seq1 camera 0"]) == (4, 6)


def test_annotations_are_kept_apart(folders):
    for layout, kind, why in (
        ("p_stmo", "annot3", "does not project"),
        ("d3dp", "univ_annot3", "projects onto"),
        ("mmpose", "univ_annot3", "projects onto"),
    ):
        actual = "annot3" if kind == "univ_annot3" else "univ_annot3"
        with pytest.raises(UserError, match=rf"holds {actual} \(as its 3D {why}.*asks for {kind}"):
            read_source(folders[layout], annotation=kind)


def test_content_counts_more_than_names(few, tmp_path):
    published.write_nested(tmp_path, few, original=True)
    for part in ("train", "test"):
        (tmp_path / f"data_{part}_3dhp_ori.npz").rename(tmp_path / f"my_{part}.npz")
    check_against(few, read_source(tmp_path, **FEW).train, "annot3")
    with pytest.raises(UserError, match=r"my_train\.npz' holds annot3"):
        read_source(tmp_path, annotation="univ_annot3", **FEW)
    # The name of the original annotation, the content of the universal one.
    published.write_nested(tmp_path, few)
    for part in ("train", "test"):
        (tmp_path / f"my_{part}.npz").unlink()
        (tmp_path / f"data_{part}_3dhp.npz").rename(tmp_path / f"data_{part}_3dhp_ori.npz")
    with pytest.raises(UserError, match="holds univ_annot3"):
        read_source(tmp_path, **FEW)


def test_several_layouts_in_one_folder(few, tmp_path):
    published.write_nested(tmp_path, few)
    published.write_nested(tmp_path, few, original=True)
    for kind in ("annot3", "univ_annot3"):
        check_against(few, read_source(tmp_path, annotation=kind, **FEW).train, kind)
    published.write_mmpose(tmp_path / "annotations", few)
    with pytest.raises(UserError, match=r"several layouts.*mmpose.*Say which one"):
        read_source(tmp_path, **FEW)
    check_against(few, read_source(tmp_path, layout="mmpose", **FEW).train, "annot3")
    (tmp_path / "annotations" / "mpi_inf_3dhp_test_all.npz").write_bytes(b"")
    with pytest.raises(UserError, match="Keep one of them"):
        read_source(tmp_path, layout="mmpose", **FEW)


def test_missing_files_and_people(few, tmp_path):
    with pytest.raises(UserError, match=r"does not hold .*P-STMO's files.*it is empty"):
        read_source(tmp_path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UserError, match=r"it holds a\.txt"):
        read_source(tmp_path, layout="d3dp")
    with pytest.raises(UserError, match="is a file; give the folder"):
        read_source(tmp_path / "a.txt")
    published.write_nested(tmp_path, few, original=True)
    with pytest.raises(UserError, match=r"has nothing of S2, S3.*'subjects' to \['S1', 'S8'\]"):
        read_source(tmp_path)
    with pytest.raises(UserError, match=r"has no camera 3, only 0, 1.*Set cameras to 8"):
        read_source(tmp_path, cameras=14, **FEW)
    published.write_mmpose(tmp_path / "m", few)
    with pytest.raises(UserError, match="has no camera 3, 9, 10, 11, 12, 13, only 0, 1"):
        read_source(tmp_path / "m", cameras=14, **FEW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_subjects": ("TS1",)}, "validation_subjects names 'TS1', who is in the test"),
        ({"validation_subjects": ("S9",)}, "names 'S9', expected some of S1, S2"),
        ({"subjects": ("S1",)}, "validation_subjects names 'S8', expected some of S1"),
        ({"subjects": ("S8",)}, "nobody is left to train on"),
        ({"test_subjects": ("S1",)}, "names 'S1', who is in the training set"),
        ({"test_subjects": ()}, "names nobody"),
        ({"cameras": 9}, "cameras"),
        ({"annotation": "annot2"}, "annotation"),
        ({"kamera": 8}, "no option 'kamera'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UserError, match=message):
        sources.get("mpi_inf_3dhp")(folder="x", **options)


def test_cache_knows_the_files(few, tmp_path):
    folder = published.write_nested(tmp_path / "data", few, original=True)
    source = sources.get("mpi_inf_3dhp")(folder=folder, **FEW)
    assert [path.name for path in source.input_files()] == [
        "data_train_3dhp_ori.npz", "data_test_3dhp_ori.npz"
    ]  # fmt: skip
    first = source.load(cache_dir=tmp_path / "cache")
    again = source.load(cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(first.test.valid, again.test.valid)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    os.utime(folder / "data_test_3dhp_ori.npz", (1, 1))
    source.load(cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


# ------------------------------------------------------------------------ frames of no use


def test_diverged_training_frames_are_cut_out(nested_with):
    def diverge(train):
        train["S1 Seq1"][0]["0"]["data_2d"][2, 5] = [9000.0, 100.0]
        train["S1 Seq1"][0]["4"]["data_2d"][0] = -5000.0
        train["S1 Seq2"][0]["0"]["data_3d"][3, 4, 2] = -100.0
        # Somewhat out of the image is where the arm of a person at its edge is.
        train["S1 Seq2"][0]["1"]["data_2d"][3, 4] = [-300.0, 100.0]

    message = (
        r"data_train_3dhp\.npz': 3 frames of S1 Seq1 camera 0, S1 Seq1 camera 4, S1 Seq2 camera 0 "
        r"left out \(1: joints lie more than a body apart; 2: the 2D lies far outside"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        train = nested_with(diverge).train
    assert len([one for one in caught if "left out" in str(one.message)]) == 1
    lengths = dict(zip(train.names.tolist(), train.lengths.tolist(), strict=True))
    assert lengths["S1 Seq1 camera 0 frames 0-1"] == 2
    assert lengths["S1 Seq1 camera 0 frames 3-5"] == 3
    assert lengths["S1 Seq1 camera 4 frames 1-5"] == 5
    assert lengths["S1 Seq2 camera 1"] == 6
    assert train.num_frames == 2 * 8 * 6 - 3
    assert np.abs(train.keypoints).max() < 2


def test_camera_trajectories_are_no_heads(nested_with):
    def relative(view, trajectory=True):
        pose = view["data_3d"]
        root = pose[:, 14:15].copy()
        pose -= root
        if trajectory:
            pose[:, 0] = root[:, 0]

    def damage(train):
        for camera in ("0", "1"):
            relative(train["S1 Seq1"][0][camera])

    with pytest.warns(UserWarning, match=r"12 frames.*\(12: slot 0 holds a camera trajectory"):
        train = nested_with(damage).train
    assert "S1 Seq1 camera 0" not in train.names and "S1 Seq1 camera 2" in train.names

    def damage_all(train):
        for cameras, _ in train.values():
            for view in cameras.values():
                relative(view)

    with (
        pytest.warns(UserWarning, match="slot 0"),
        pytest.raises(UserError, match="no frame can be used"),
    ):
        nested_with(damage_all)
    with pytest.raises(UserError, match=r"TS1: in .* of the test set slot 0 holds no head top"):
        nested_with(None, lambda test: relative(test["TS1"]))

    def only_relative(train):
        for cameras, _ in train.values():
            for view in cameras.values():
                relative(view, trajectory=False)

    # A file of root-relative poses stays one: nobody knows where the people stood.
    train = nested_with(only_relative).train
    assert np.abs(train.poses[:, 14]).max() == 0.0


def test_subtracting_in_place_is_recognised(nested_with):
    def subtract(train):
        for cameras, _ in train.values():
            for view in cameras.values():
                root = view["data_3d"][:, 14:15].copy()
                view["data_3d"] -= root
                view["data_3d"][:, 14:15] = root

    with (
        pytest.warns(UserWarning, match="joints lie more than a body apart"),
        pytest.raises(UserError, match="add the pelvis to the others"),
    ):
        nested_with(subtract)


def test_of_the_test_set_nothing_that_counts_is_left_out(nested_with):
    def change(test):
        test["TS1"]["valid"][:] = [1, 1, 1, 0, 0, 1]
        test["TS1"]["data_2d"][[1, 4]] = 9000.0

    with pytest.warns(UserWarning, match="1 frame of TS1 left out"):
        test = nested_with(None, change).test
    assert test.names.tolist() == ["TS1 frames 0-3", "TS1 frames 5-5", "TS5"]
    assert test.valid[:5].tolist() == [True, True, True, False, True]


# ------------------------------------------------------------------------------- wrong contents


def views(train):
    return [view for cameras, _ in train.values() for view in cameras.values()]


def every(change):
    return lambda train: [change(view) for view in views(train)]


def reorder(order, *keys):
    def change(view):
        for key in keys:
            view[key] = view[key][:, order]

    return change


H36M_ORDER = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
MIRRORED = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14, 15, 16]
ELBOW_FOR_WRIST = [0, 1, 2, 4, 3, *range(5, 17)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            every(lambda view: view.update(data_3d=view["data_3d"] / 1000)),
            r"S1 Seq1 camera 0 must be in millimetres.*likely in metres",
        ),
        (
            every(lambda view: view.update(data_3d=view["data_3d"] / 10)),
            "must be in millimetres.*likely in centimetres",
        ),
        (
            every(lambda view: view.update(data_3d=np.random.default_rng(0).random((6, 17, 3)))),
            "holds no people.*random numbers",
        ),
        (every(reorder(H36M_ORDER, "data_2d", "data_3d")), "another order than MPI-INF-3DHP's"),
        (every(reorder(ELBOW_FOR_WRIST, "data_3d")), "upper arm|do not belong together"),
        (every(reorder(MIRRORED, "data_2d")), "left and right are exchanged"),
        (
            every(lambda view: view.update(data_2d=view["data_2d"] / 1024 - 1)),
            "is the 2D in pixels",
        ),
        (
            every(lambda view: view.update(data_2d=view["data_2d"][:4])),
            r"differ in their number of frames \(2D 4, 3D 6",
        ),
        (
            every(lambda view: view["data_3d"].__setitem__((3, 2), np.nan)),
            "the 3D of 1 frame holds values that are not finite; the first is frame 3",
        ),
        (
            every(lambda view: view["data_2d"].__setitem__((1, 2, 0), np.inf)),
            "the 2D of 1 frame holds values that are not finite",
        ),
        (
            every(lambda view: view.update(data_3d=view["data_3d"][:, :16])),
            r"the 3D has the shape \(6, 16, 3\), expected \(frames, 17, 3\)",
        ),
        (every(lambda view: view.pop("data_2d")), "holds no numbers 'data_2d'"),
        (every(lambda view: view.update(data_2d="none")), "holds no numbers 'data_2d'"),
        (lambda train: train.pop("S8 Seq1") and train.pop("S8 Seq2"), "has nothing of S8"),
        (lambda train: train["S1 Seq1"][0].pop("4"), "'S1 Seq1' has no camera 4"),
        (lambda train: train["S1 Seq1"].__setitem__(1, 30), "a frame rate other than 25 and 50"),
        (lambda train: train.update({"S1 Seq1": 5}), "holds no pair"),
        (lambda train: train.update({"Walking": []}), "a sequence 'Walking', expected names"),
        (lambda train: train.update({1: []}), "sequences without a name"),
        (lambda train: train.clear(), "holds no dictionary 'data'"),
    ],
)
def test_wrong_contents_of_nested_files(nested_with, change, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match=message):
            nested_with(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda test: test["TS1"].pop("valid"), "'TS1' has no flags"),
        (lambda test: test["TS1"].update(valid=np.ones(4)), "6 frames, but 4 flags"),
        (lambda test: test["TS1"].update(valid=np.full(6, 7.0)), "other values than 0 to 1"),
        (lambda test: test.update({"S1 Seq1": {}}), "is it a test file"),
        (lambda test: test.pop("TS5"), "has nothing of TS5"),
    ],
)
def test_wrong_contents_of_nested_test_files(nested_with, change, message):
    with pytest.raises(UserError, match=message):
        nested_with(None, change)


def test_code_in_a_file_does_not_run(few, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    published.write_nested(tmp_path, few, original=True)
    np.savez(tmp_path / "data_train_3dhp_ori.npz", data=np.array({"S1 Seq1": Evil()}, object))
    with pytest.raises(UnsafeFileError, match="mkdir"):
        read_source(tmp_path, **FEW)
    published.write_mmpose(tmp_path / "m", few)
    (tmp_path / "m" / "cameras_train.pkl").write_bytes(pickle.dumps({"S1": Evil()}))
    with pytest.raises(UnsafeFileError, match="mkdir"):
        read_source(tmp_path / "m", **FEW)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def takes(few):
    return [copy.deepcopy(few.takes["S1 Seq1", camera]) for camera in range(14)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda variables: variables.pop("annot3"), "has no variable annot3"),
        (lambda variables: variables.update(annot3=np.zeros((6, 84))), "a cell for each of the 14"),
        (
            lambda variables: variables.update(cameras=np.arange(1, 15)[None]),
            "expected 0 to 13 in order",
        ),
        (
            lambda variables: variables["annot2"].__setitem__((3, 0), np.zeros((6, 34))),
            r"camera 3: annot2 has the shape \(6, 34\), expected \(frames, 56\)",
        ),
        (
            lambda variables: variables["annot2"].__setitem__((4, 0), np.zeros((5, 56))),
            "camera 4: annot2 has 5 frames, but annot3 has 6",
        ),
        (lambda variables: variables.update(annot3="text"), "neither real numbers nor a cell"),
        (lambda variables: variables.update(annot3={"a": 1}), "neither real numbers nor a cell"),
        (
            lambda variables: variables["annot3"].__setitem__((0, 0), np.zeros((6, 84)) + 1j),
            "neither real numbers nor a cell",
        ),
    ],
)
def test_wrong_contents_of_published_training_files(takes, tmp_path, change, message):
    path = tmp_path / "S1" / "Seq1" / "annot.mat"
    published.write_annot(path, takes)
    variables = {
        name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")
    }
    change(variables)
    scipy.io.savemat(path, variables)
    with pytest.raises(UserError, match=message):
        list(raw.read_train(path, "annot3", published.PAPER_CAMERAS))


def test_calibrations(takes, tmp_path):
    path = tmp_path / "S1" / "Seq1" / "annot.mat"
    published.write_annot(path, takes)
    text = published.calibration(takes)
    raw.calibration_of(path).write_text(text.replace("\n", "\n\n"))
    recording = next(iter(raw.read_train(path, "annot3", [0])))
    np.testing.assert_allclose(recording.camera.position, takes[0].camera.position)
    for wrong, message in (
        ("", "names no camera"),
        (text.replace("intrinsic", "inner"), "no 'intrinsic'"),
        (text.replace("name          3", "name          x"), "invalid literal"),
        (text.replace("size        2048 2048", "size        2048"), "out of range"),
        (text + "x" * 2_000_000, "far too long"),
        ("\xe9", "ascii"),
    ):
        raw.calibration_of(path).write_text(wrong, "latin1")
        with pytest.raises(UserError, match=rf"is no camera calibration .*{message}"):
            list(raw.read_train(path, "annot3", [0]))


def edit_hdf5(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.pop("valid_frame"), "has no variable valid_frame"),
        (lambda file: file["valid_frame"].__setitem__(0, 3.0), "other values than 0 to 1"),
        (lambda file: file["valid_frame"].__setitem__(0, np.nan), "other values than 0 to 1"),
        (lambda file: file["activity_annotation"].__setitem__(0, 8), "other values than 0 to 7"),
        (lambda file: file["annot3"].__setitem__(0, np.nan), "not finite"),
        (
            lambda file: (file.pop("annot2"), file.update(annot2=np.zeros((6, 1, 28, 2)))),
            r"annot2 has the shape \(6, 1, 28, 2\)",
        ),
        (
            lambda file: (file.pop("annot2"), file.update(annot2=np.zeros((4, 1, 17, 2)))),
            "differ in their number of frames",
        ),
        (
            lambda file: (file.pop("annot2"), file.create_group("annot2")),
            "is no array of numbers",
        ),
        (
            lambda file: (file.pop("annot2"), file.update(annot2=file["bb_crop"][()])),
            "is no array of numbers",
        ),
        (
            lambda file: (file.pop("annot2"), file.update(annot2=h5py.ExternalLink("/etc", "x"))),
            "cannot be read as HDF5",
        ),
        (
            lambda file: (
                file.pop("annot2"),
                file.create_dataset("annot2", (10**11, 1, 17, 2), chunks=(10**5, 1, 17, 2)),
            ),
            "claims the shape",
        ),
        (
            lambda file: (
                file.pop("annot2"),
                file.create_dataset("annot2", (10**5, 1, 17, 2), chunks=(10, 1, 17, 2)),
            ),
            "has 0 of 10000 chunks",
        ),
        (
            lambda file: (
                file.pop("annot2"),
                file.create_dataset("annot2", (10**5, 1, 17, 2)),
            ),
            "does not have its numbers",
        ),
    ],
)
def test_wrong_contents_of_published_test_files(few, tmp_path, change, message):
    path = tmp_path / "TS1" / "annot_data.mat"
    published.write_annot_data(path, few, "TS1")
    edit_hdf5(path, change)
    with pytest.raises(UserError, match=message):
        raw.read_test(path, "annot3")


def change_arrays(path, change):
    with np.load(path) as stored:
        arrays = dict(stored)
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("S"), "has no array S"),
        (lambda arrays: arrays.update(S=arrays["S"] * 1000), "must be in metres.*millimetres"),
        (lambda arrays: arrays.update(S=arrays["S"][:-1]), r"S has the shape .* for 192 images"),
        (lambda arrays: arrays.update(part=arrays["part"][:, :16]), "part has the shape"),
        (lambda arrays: arrays.update(imgname=np.arange(192)), "image 0 is called '0'"),
        (
            lambda arrays: arrays.update(imgname=arrays["imgname"][[0] * 192]),
            "has an image twice",
        ),
        (
            lambda arrays: arrays.update(
                imgname=np.char.replace(arrays["imgname"], "S1_Seq1", "S1_Seq3")
            ),
            "which the data set has not",
        ),
        (
            lambda arrays: arrays.update(
                imgname=np.array([f"TS1_{frame + 1:06d}.jpg" for frame in range(192)])
            ),
            "rows of the test set",
        ),
    ],
)
def test_wrong_contents_of_mmpose_files(few, tmp_path, change, message):
    published.write_mmpose(tmp_path, few)
    change_arrays(tmp_path / "mpi_inf_3dhp_train.npz", change)
    with pytest.raises(UserError, match=message):
        read_source(tmp_path, **FEW)


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        ([], "holds no dictionary of cameras"),
        ({}, "'S1_Seq1_Cam0' cannot be used: it is missing"),
        ({"S1_Seq1_Cam0": {"f": np.ones(2)}}, "expected numbers of shape"),
        ({"S1_Seq1_Cam0": {"f": np.ones(2), "c": np.ones(2), "R": np.ones((3, 3))}}, "no rotation"),
    ],
)
def test_wrong_cameras_of_mmpose(few, tmp_path, cameras, message):
    published.write_mmpose(tmp_path, few)
    (tmp_path / "cameras_train.pkl").write_bytes(pickle.dumps(cameras))
    with pytest.raises(UserError, match=message):
        read_source(tmp_path, **FEW)


# ------------------------------------------------------------------------------------ MATLAB 5


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(12.0).reshape(3, 4),
        np.arange(6, dtype=np.int16).reshape(1, 2, 3),
        np.float32([[1.5]]),
        np.zeros((0, 3)),
        np.array([[True, False]]),
        np.uint64([[2**63]]),
    ],
)
def test_matlab_numbers(tmp_path, value, compress):
    path = tmp_path / "a.mat"
    variables = {"text": "hello", "wanted": value, "structure": {"a": 1}, "a" * 31: 1.0}
    scipy.io.savemat(path, variables, do_compression=compress)
    read = load_mat(path, ["wanted", "missing"])
    assert set(read) == {"wanted"}
    np.testing.assert_array_equal(read["wanted"], value)


def test_matlab_of_other_machines_and_versions(tmp_path):
    path = tmp_path / "a.mat"
    content = b"".join(
        [
            b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI",
            struct.pack(">II", 14, 64),
            struct.pack(">IIII", 6, 8, 6, 0),
            struct.pack(">IIii", 5, 8, 1, 2),
            struct.pack(">HHBxxx", 1, 1, ord("x")),  # a short name fits into its tag
            struct.pack(">IIdd", 9, 16, 1.5, -2.0),
        ]
    )
    path.write_bytes(content)
    np.testing.assert_array_equal(load_mat(path, ["x"])["x"], [[1.5, -2.0]])
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = np.ones((2, 2))
    with pytest.raises(UserError, match=r"is a MATLAB 7\.3 file.*Save it with MATLAB's -v7"):
        load_mat(path, ["x"])
    scipy.io.savemat(path, {"x": np.ones((100, 2))}, format="4")
    with pytest.raises(DamagedFileError, match="no MATLAB file of version 5 or 7"):
        load_mat(path, ["x"])
    path.write_bytes(b"")
    with pytest.raises(DamagedFileError, match="too short"):
        load_mat(path, ["x"])
    with pytest.raises(UserError, match="There is no file"):
        load_mat(tmp_path / "none.mat", ["x"])


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(kind, shape, content, name=b"x"):
    return element(
        14,
        element(6, struct.pack("<II", kind, 0))
        + element(5, struct.pack(f"<{len(shape)}i", *shape))
        + element(1, name)
        + content,
    )


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
ONES = element(9, np.ones(4).tobytes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (matrix(6, (10**6, 10**6), ONES), "claims 1000000000000 numbers"),
        (matrix(6, (2**31 - 1,) * 32, ONES), "numbers in the shape"),
        (matrix(6, (-2, -2), ONES), r"claims the shape \(-2, -2\)"),
        (matrix(1, (10**6, 10**3), ONES), "claims 1000000000 cells"),
        (matrix(1, (4, 1), b""), "ends within an element"),
        (matrix(1, (9, 1), b""), "claims 9 cells"),
        (matrix(1, (2, 2), ONES), "a cell that is no array"),
        (matrix(6, (2, 2), b""), "ends within an element"),
        (matrix(6, (2, 2), element(18, b"abcd")), "for them"),
        (matrix(6, (2,) * 40, ONES), "no dimensions"),
        (matrix(6, (2, 2), ONES, name=b"x" * 100), "no name"),
        (struct.pack("<II", 14, 2**32 - 1), "claims 4294967295 bytes"),
        (struct.pack("<II", 15, 2**31) + zlib.compress(b"abc"), "claims 2147483648 bytes"),
        (element(15, b"abcdefgh"), "cannot be read as a MATLAB file"),
        (element(15, zlib.compress(b"abc")), "compressed element is empty"),
        (element(15, zlib.compress(matrix(6, (2, 2), ONES)[:-20])), "cut short"),
        (
            element(15, zlib.compress(struct.pack("<II", 14, 2**31) + matrix(6, (2, 2), ONES)[8:])),
            "claim to hold 2147483648",
        ),
        (element(15, zlib.compress(matrix(6, (10**9, 1), bytes(10**7)))), "bytes for them|claim"),
        (matrix(6, (2, 2), ONES) * 2, "two variables 'x'"),
    ],
)
def test_matlab_files_that_lie(tmp_path, content, message):
    path = tmp_path / "a.mat"
    path.write_bytes(HEADER + content)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match=message):
            load_mat(path, ["x"])
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_deeply_nested_cells_are_refused(tmp_path):
    content = matrix(6, (2, 2), ONES)
    for _ in range(20):
        content = matrix(1, (1, 1), content)
    (tmp_path / "a.mat").write_bytes(HEADER + content)
    with pytest.raises(DamagedFileError, match="cells"):
        load_mat(tmp_path / "a.mat", ["x"])


def test_chunks_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", (4, 8), chunks=(4, 8), dtype="f8", compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(10**7)))
    with pytest.raises(DamagedFileError, match="a chunk of 257 bytes, expected 256"):
        load_hdf5(path, ["x"])
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.ones((4, 8)), chunks=(4, 8), scaleoffset=2)
    with pytest.raises(DamagedFileError, match="compressed in a way"):
        load_hdf5(path, ["x"])


# ------------------------------------------------------------------------------------- fuzzing


@pytest.fixture(scope="module")
def originals(few, tmp_path_factory):
    """Bytes of small files, and how to read one."""
    root = tmp_path_factory.mktemp("originals")
    small = published.make(frames=2, subjects=("S1",), tests=("TS1",), seed=1)
    path = published.write_raw(root / "raw", small) / "S1" / "Seq1" / "annot.mat"
    plain = published.write_raw(root / "plain", small, compress=False) / "S1" / "Seq1" / "annot.mat"
    published.write_nested(root, small, original=True)
    published.write_mmpose(root, small)

    def read_mat(path):
        return prepare(list(raw.read_train(path, "annot3", [0])), "annot3", None, test=False)

    def read_hdf5(path):
        return prepare([raw.read_test(path, "annot3")], "annot3", None, test=True)

    def read_nested(path):
        recordings = list(nested.read_train(path, ["S1"], [0]))
        return prepare(recordings, "annot3", None, test=False) if recordings else None

    def read_mmpose(path):
        recordings = list(mmpose.read_test(path, root / "cameras_test.pkl", ["TS1"]))
        return prepare(recordings, "annot3", None, test=True) if recordings else None

    def read_cameras(path):
        return list(mmpose.read_test(root / "mpi_inf_3dhp_test_valid.npz", path, ["TS1"]))

    return {
        "mat": (path.read_bytes(), "S1/Seq1/annot.mat", read_mat),
        "plain mat": (plain.read_bytes(), "S1/Seq1/annot.mat", read_mat),
        "hdf5": (
            (root / "raw" / "TS1" / "annot_data.mat").read_bytes(), "TS1/annot_data.mat", read_hdf5
        ),
        "nested": ((root / "data_train_3dhp_ori.npz").read_bytes(), "a.npz", read_nested),
        "mmpose": ((root / "mpi_inf_3dhp_test_valid.npz").read_bytes(), "a.npz", read_mmpose),
        "cameras": ((root / "cameras_test.pkl").read_bytes(), "a.pkl", read_cameras),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["mat", "plain mat", "hdf5", "nested", "mmpose", "cameras"])
@given(data=st.data())
@settings(max_examples=60)
def test_damaged_bytes_are_told(originals, tmp_path, kind, data):
    content, name, read = originals[kind]
    content = bytearray(content)
    for _ in range(data.draw(st.integers(0, 8), "changes")):
        # Most of what decides about sizes is at the beginning.
        end = data.draw(st.sampled_from([200, 2000, len(content)]))
        place = data.draw(st.integers(0, min(end, len(content)) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans(), "cut"):
        content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    # Altered numbers may well be another person's: then the file is read.
    with contextlib.suppress(UserError), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        read(path)


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 17, 28]), max_size=4).map(tuple)
NUMBERS = st.floats(width=64) | st.sampled_from([np.nan, np.inf, 1e300, -1e300, 0.0])
ARRAYS = st.builds(
    lambda shape, value, dtype: np.full(shape, value).astype(dtype, casting="unsafe"),
    SHAPES,
    NUMBERS,
    st.sampled_from(["f8", "f4", "i8", "U5", "c16", "O", "?"]),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["S1 Seq1", "TS1", "0", "data_2d", "data_3d", "valid"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("fps", [np.zeros(0), np.array([25.0, 50.0]), "25", None, 30])
def test_a_frame_rate_that_is_none_is_told(few, fps, tmp_path):
    train = copy.deepcopy(published.nested_dictionaries(few, "annot3"))[0]
    train["S1 Seq1"] = [train["S1 Seq1"][0], fps]
    np.savez(tmp_path / "a.npz", data=np.array(train, object))
    with pytest.raises(UserError, match="frame rate other than 25"):
        list(nested.read_train(tmp_path / "a.npz", ["S1"], [0]))


@given(data=st.data())
@settings(max_examples=100)
@pytest.mark.filterwarnings("ignore")
def test_any_structure_is_told(few, data, tmp_path):
    train, test = copy.deepcopy(published.nested_dictionaries(few, "annot3"))
    part = data.draw(st.sampled_from(["train", "test"]))
    if part == "train":
        train = {"S1 Seq1": train["S1 Seq1"]}
        places = [(train, "S1 Seq1"), (train["S1 Seq1"], 0), (train["S1 Seq1"], 1)]
        places += [(train["S1 Seq1"][0], "0")]
        places += [(train["S1 Seq1"][0]["0"], key) for key in ("data_2d", "data_3d")]
    else:
        test = {"TS1": test["TS1"]}
        places = [(test, "TS1"), *((test["TS1"], key) for key in ("data_2d", "data_3d", "valid"))]
    place, key = data.draw(st.sampled_from(places))
    place[key] = data.draw(ANYTHING)
    path = tmp_path / "a.npz"
    np.savez(path, data=np.array(train if part == "train" else test, object))
    with contextlib.suppress(UserError):
        if part == "train":
            prepare(list(nested.read_train(path, ["S1"], [0])), "annot3", None, test=False)
        else:
            prepare(list(nested.read_test(path, ["TS1"])), "annot3", None, test=True)


@given(order=st.permutations(range(17)), both=st.booleans())
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore")
def test_swapped_joints_are_told(few, order, both, tmp_path):
    recording = next(iter(nested_recordings(few, tmp_path)))
    changed = copy.copy(recording)
    changed.poses = recording.poses[:, list(order)]
    if both:
        changed.pixels = recording.pixels[:, list(order)]
    # Joints of the trunk may change their places and measure what a person's do.
    limbs = [joint for joint in range(17) if joint not in (0, 1, 14, 15, 16)]
    moved = any(order[joint] != joint for joint in limbs)
    mirrored = [MIRRORED[joint] for joint in order]
    if not moved or (both and all(mirrored[joint] == joint for joint in limbs)):
        return
    with pytest.raises(UserError, match=r"order|belong together|exchanged|no frame can be used"):
        prepare([changed], "annot3", None, test=False)


def nested_recordings(few, folder):
    train, _ = published.nested_dictionaries(few, "annot3")
    np.savez(folder / "order.npz", data=np.array(train, object))
    return nested.read_train(folder / "order.npz", ["S1"], [0])


def test_reading_needs_no_keras(folders):
    code = (
        "import sys; from keras_seal.data import sources; "
        f"sources.get('mpi_inf_3dhp')(folder={str(folders['raw'])!r}).load(use_cache=False); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
