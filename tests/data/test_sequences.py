from __future__ import annotations

import numpy as np
import pytest

from keras_seal.data import DamagedFileError, PoseSequences, PoseSplits
from keras_seal.data.storage import read_arrays, write_arrays
from keras_seal.errors import UserError
from keras_seal.geometry import Camera

CAMERA = Camera(
    np.eye(3),
    [0.1, -2.0, 1.5],
    [1145.0, 1143.0],
    [512.0, 515.0],
    [-0.2, 0.24, -0.002],
    [-0.0009, -0.0014],
    1000,
    1002,
    "54138969",
)


def assert_equal(one: PoseSequences, other: PoseSequences) -> None:
    assert one.skeleton == other.skeleton
    for name in (
        "keypoints", "poses", "offsets", "subjects", "actions", "views", "fps", "image_sizes",
        "names", "valid",
    ):  # fmt: skip
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype.kind == second.dtype.kind
        np.testing.assert_array_equal(first, second)
    assert one.cameras == other.cameras
    assert list(one.labels) == list(other.labels)
    for name, values in one.labels.items():
        assert values.dtype == other.labels[name].dtype
        np.testing.assert_array_equal(values, other.labels[name])


def test_parts_and_counts(make_sequences):
    sequences = make_sequences((4, 1, 6))
    assert sequences.num_sequences == len(sequences) == 3
    assert sequences.num_frames == 11
    assert sequences.lengths.tolist() == [4, 1, 6]
    last = sequences.sequence(-1)
    np.testing.assert_array_equal(last.poses, sequences.poses[5:])
    assert np.shares_memory(last.poses, sequences.poses)
    assert last.subjects.tolist() == ["S2"]
    with pytest.raises(IndexError, match="no sequence 3"):
        sequences.sequence(3)


def test_select_compares_names_in_full(make_sequences):
    sequences = make_sequences(
        (2, 3, 4), subjects=["S1", "S5", "S1"], actions=["Walking", "WalkDog", "WalkDog"]
    )
    chosen = sequences.select(subjects=["S1"], actions="WalkDog")
    np.testing.assert_array_equal(chosen.poses, sequences.poses[5:])
    assert chosen.offsets.tolist() == [0, 4]
    assert sequences.select(mask=np.zeros(3, bool)).num_sequences == 0
    with pytest.raises(UserError, match="no sequence with the action 'Walk'"):
        sequences.select(actions=["Walk"])
    with pytest.raises(UserError, match="3 booleans"):
        sequences.select(mask=np.ones(2, bool))


def test_concatenate_undoes_selection(make_sequences):
    one = make_sequences((2, 3), views=[0, -1], cameras=(CAMERA,))
    other = make_sequences((4,), subjects=["S9"], views=[0], cameras=(CAMERA,))
    joined = PoseSequences.concatenate([one, other])
    assert joined.views.tolist() == [0, -1, 1]
    chosen = joined.select(mask=np.array([False, False, True]))
    nothing = one.select(mask=np.zeros(2, bool))
    assert_equal(chosen, PoseSequences.concatenate([nothing, other]))
    with pytest.raises(UserError, match="must agree"):
        PoseSequences.concatenate([one, make_sequences((2,), channels=3)])


def test_facts_about_frames_and_sequences_go_along(make_sequences):
    number = np.arange(11)
    sequences = make_sequences((4, 1, 6), valid=number != 4, labels={"number": number})
    assert sequences.names.tolist() == [f"S{index}/action {index}/-1" for index in range(3)]
    chosen = sequences.select(mask=np.array([False, True, True]))
    assert chosen.labels["number"].tolist() == list(range(4, 11))
    assert chosen.valid.tolist() == [False] + [True] * 6
    assert chosen.sequence(1).labels["number"].tolist() == list(range(5, 11))
    assert chosen.sequence(1).names.tolist() == ["S2/action 2/-1"]
    joined = PoseSequences.concatenate([chosen, sequences.sequence(0)])
    assert joined.labels["number"].tolist() == [*range(4, 11), *range(4)]
    assert joined.valid.tolist() == [False] + [True] * 10
    with pytest.raises(UserError, match="different labels"):
        PoseSequences.concatenate([chosen, make_sequences()])
    with pytest.raises(UserError, match="`valid` must be 11 booleans"):
        make_sequences(valid=np.ones(10, bool))
    with pytest.raises(UserError, match="label 'number' must be an array of 11 rows"):
        make_sequences(labels={"number": np.arange(10)})


@pytest.mark.parametrize("compress", [False, True])
def test_save_and_load_are_exact(make_sequences, tmp_path, compress):
    sequences = make_sequences(
        channels=3, views=[0, -1, 0], cameras=(CAMERA,), fps=[50, 25, 29.97],
        image_sizes=[(1000, 1002), (640, 480), (1920, 1080)],
        names=["one", "two", "three"], valid=np.arange(11) % 3 > 0,
        labels={"activity": np.arange(11, dtype=np.int8), "box": np.zeros((11, 4))},
    )  # fmt: skip
    path = sequences.save(tmp_path / "deep" / "poses.npz", compress=compress)
    assert_equal(PoseSequences.load(path), sequences)
    assert [file.name for file in path.parent.iterdir()] == ["poses.npz"]
    with np.load(path, allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored.files)


def test_splits_save_and_load(make_sequences, tmp_path):
    splits = PoseSplits(
        *(make_sequences((2, 3), subjects=[name] * 2) for name in ("S1", "S8", "S9"))
    )
    path = splits.save(tmp_path / "splits.npz")
    loaded = PoseSplits.load(path)
    for name, part in splits.parts.items():
        assert_equal(loaded.parts[name], part)
    with pytest.raises(UserError, match=r"PoseSplits\.load"):
        PoseSequences.load(path)
    with pytest.raises(UserError, match=r"PoseSequences\.load"):
        PoseSplits.load(splits.train.save(tmp_path / "train.npz"))


def test_damaged_files_are_refused(make_sequences, tmp_path):
    path = make_sequences().save(tmp_path / "poses.npz")
    whole = path.read_bytes()

    def refuse(match: str) -> None:
        with pytest.raises(DamagedFileError, match=match):
            PoseSequences.load(path)

    for cut in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        refuse("damaged or something else")
    # A changed number that the zip file does not notice.
    arrays, description = read_arrays(_rewritten(path, whole))
    with np.load(path) as stored:
        content = {name: stored[name] for name in stored.files}
    content["poses"] = content["poses"] + np.float32(1e-3)
    np.savez(path, **content)
    refuse("do not match their checksum")
    np.savez(path, keypoints=np.zeros(3))
    refuse("keras-seal did not write it")
    np.savez(path, poses=np.array([{"a": 1}], dtype=object))
    refuse("damaged or something else")
    write_arrays(path, arrays, {**description, "version": 99})
    with pytest.raises(UserError, match="version 99"):
        PoseSequences.load(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        PoseSequences.load(tmp_path / "other.npz")


def _rewritten(path, content):
    path.write_bytes(content)
    return path


def test_nothing_half_written(make_sequences, tmp_path, monkeypatch):
    path = make_sequences().save(tmp_path / "poses.npz")
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UserError, match="No space left"):
        make_sequences((9,)).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": np.zeros((11, 16, 2))}, "have 16 joints, but the skeleton 'human36m_17'"),
        ({"keypoints": np.zeros((11, 17, 4))}, r"shape \(frames, joints, 2 or 3\)"),
        ({"poses": np.zeros((10, 17, 3))}, "11 frames of keypoints, but 10 of poses"),
        ({"offsets": [0, 4, 5]}, r"number of frames \(11\)"),
        ({"offsets": [0, 4, 4, 11]}, "sequence 1 would run from frame 4 to 4"),
        ({"offsets": [0.0, 4.0, 11.0]}, "whole numbers"),
        ({"subjects": ["S1"]}, r"shape \(3,\) for 3 sequences"),
        ({"views": [0, 0, 0]}, "one of the 0 cameras"),
        ({"fps": "fast"}, "float32, got 'fast'"),
        ({"skeleton": "human36m"}, "human36m_17"),
    ],
)
def test_shapes_are_checked(make_sequences, change, message):
    good = make_sequences()
    values = {name: getattr(good, name) for name in (
        "skeleton", "keypoints", "poses", "offsets", "subjects", "actions")}  # fmt: skip
    with pytest.raises(UserError, match=message):
        PoseSequences(**{**values, **change})


def test_values_are_checked(make_sequences):
    def refused(change, match: str) -> None:
        sequences = make_sequences()
        change(sequences)
        with pytest.raises(UserError, match=match):
            sequences.validate()

    def not_a_number(sequences):
        sequences.keypoints[7, 13, 1] = np.nan

    def infinite(sequences):
        sequences.poses[4, 0] = np.inf

    def millimetres(sequences):
        sequences.poses[5:] *= 1000

    def pixels(sequences):
        sequences.keypoints[:4] = 500 * (1 + sequences.keypoints[:4])

    where = r"sequence 2 \('S2', 'action 2', view -1\), frame 2, joint 'left_wrist'"
    refused(not_a_number, f"keypoints hold 1 value that is not finite; the first is in {where}")
    refused(infinite, "poses hold 3 values .* sequence 1 .* frame 0, joint 'pelvis'")
    refused(millimetres, "median bone of sequence 2 .* millimetres")
    refused(pixels, "those of sequence 0 .* pixels")
    assert make_sequences().validate().num_frames == 11
    with pytest.raises(UserError, match="no sequence at all"):
        make_sequences().select(mask=np.zeros(3, bool)).validate()


def test_splits_are_checked(make_sequences):
    def person(name: str, **others) -> PoseSequences:
        return make_sequences((2,), subjects=[name], **others)

    with pytest.raises(UserError, match="'S1' is in the train and in the test split"):
        PoseSplits(person("S1"), person("S8"), person("S1"))
    with pytest.raises(UserError, match="validation split is empty"):
        PoseSplits(person("S1"), person("S8").select(mask=np.array([False])), person("S9"))
    with pytest.raises(UserError, match="test split's keypoints have 3 channels"):
        PoseSplits(person("S1"), person("S8"), person("S9", channels=3))
    broken = person("S8")
    broken.poses[0] = np.nan
    with pytest.raises(UserError, match="In the validation split: The poses hold"):
        PoseSplits(person("S1"), broken, person("S9")).validate()
