"""Prepared sets come back as they were, and what is damaged, stale or half written is not used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from keras_seal import datasets
from keras_seal.data import DamagedFileError, PoseSequences, sources
from keras_seal.datasets import library, manifest
from keras_seal.datasets.builder import from_examples, to_example
from keras_seal.errors import UserError
from keras_seal.geometry import Camera

TINY = {
    "frames": 60, "validation_frames": 30, "test_frames": 30, "duration": 1, "cameras": 2,
    "train_subjects": 2, "validation_subjects": 1, "test_subjects": 1, "seed": 7,
}  # fmt: skip
ARRAYS = (
    "keypoints", "poses", "offsets", "subjects", "actions", "names", "fps", "image_sizes", "valid",
)  # fmt: skip


def assert_same(one: PoseSequences, other: PoseSequences) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.skeleton == other.skeleton
    assert set(one.labels) == set(other.labels)
    for name, values in one.labels.items():
        np.testing.assert_array_equal(values, other.labels[name])
    for first, second in zip(one.views, other.views, strict=True):
        assert (first < 0) == (second < 0)
        if first >= 0:
            ours, theirs = one.cameras[first], other.cameras[second]
            assert (ours.name, ours.width, ours.height) == (
                theirs.name, theirs.width, theirs.height,
            )  # fmt: skip
            for key in ("rotation", "position", "focal", "center", "radial", "tangential"):
                np.testing.assert_array_equal(getattr(ours, key), getattr(theirs, key))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    told, seen = [], []
    places = datasets.prepare(
        "synthetic",
        options=TINY,
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        progress=lambda *step: seen.append(step),
        note=told.append,
    )
    return folder, places, told, seen


@pytest.fixture
def copy(prepared, tmp_path):
    shutil.copytree(prepared[0], tmp_path / "copy")
    return tmp_path / "copy" / "data"


@pytest.fixture(scope="module")
def truth(prepared):
    return sources.get("synthetic")(**TINY).load(prepared[0] / "cache")


def test_both_formats_give_the_source_s_sequences(prepared, truth):
    folder, places, told, seen = prepared
    assert [place.parts[-4] for place in places] == ["array_record", "tfrecord"]
    assert told == [f"Prepared: {place}" for place in places]
    total = sum(part.num_sequences for part in truth.parts.values())
    for file_format in datasets.FORMATS:
        assert [step[1:] for step in seen if step[0] == file_format] == [
            (done, total) for done in range(1, total + 1)
        ]
    loaded = datasets.load("synthetic", options=TINY, data_dir=folder / "data")
    for split, part in truth.parts.items():
        assert_same(loaded.parts[split], part)
        examples = datasets.as_dataset("synthetic", split, options=TINY, data_dir=folder / "data")
        assert_same(from_examples(examples.as_numpy_iterator(), part.skeleton), part)
        random_access = datasets.as_data_source(
            "synthetic", split, options=TINY, data_dir=folder / "data"
        )
        assert len(random_access) == part.num_sequences
        last = part.sequence(-1)
        np.testing.assert_array_equal(random_access[len(random_access) - 1]["poses"], last.poses)
    recipe_source = sources.get("prepared")(
        dataset="synthetic", options=TINY, data_dir=folder / "data"
    )
    assert_same(recipe_source.load().test, truth.test)


def test_without_tensorflow_a_set_is_prepared_and_read(prepared):
    """In a process where importing TensorFlow fails, as if it were not installed."""
    folder = prepared[0]
    code = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "tensorflow" else find(name, *a)
from keras_seal import datasets
options = {TINY!r}
places = datasets.prepare("synthetic", options=options, data_dir={str(folder / "without")!r},
                          cache_dir={str(folder / "cache")!r}, note=lambda line: None)
source = datasets.as_data_source("synthetic", "train", options=options,
                                 data_dir={str(folder / "without")!r})
splits = datasets.load("synthetic", options=options, data_dir={str(folder / "data")!r})
print(len(places), len(source), source[0]["poses"].shape[1:], splits.train.num_frames)
try:
    datasets.prepare("synthetic", data_dir={str(folder / "without")!r}, formats=["tfrecord"])
except datasets.library.UserError as error:
    print(error)
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1 6 (17, 3) 120",
        "The format tfrecord needs TensorFlow, which is not installed.",
    ]


def test_what_is_there_is_left_alone(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    told = []
    datasets.prepare(
        "synthetic", options=TINY, data_dir=copy, cache_dir=copy / "none", note=told.append
    )
    assert [line.rsplit(" ", 3)[1:] for line in told] == [["is", "there", "already."]] * 2
    after = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    del after[copy / "array_record" / ".synthetic.lock"]
    del after[copy / "tfrecord" / ".synthetic.lock"]
    assert {path: time for path, time in before.items() if path in after} == after


def test_an_interruption_leaves_nothing_half_and_is_made_good(prepared, truth, tmp_path):
    cache = prepared[0] / "cache"

    def stop(file_format, done, total):
        if file_format == "tfrecord" and done == 3:
            raise KeyboardInterrupt

    options = {"options": TINY, "data_dir": tmp_path, "cache_dir": cache}
    with pytest.raises(KeyboardInterrupt):
        datasets.prepare("synthetic", **options, progress=stop, note=lambda line: None)
    assert [path.name for path in (tmp_path / "tfrecord").iterdir()] == [".synthetic.lock"]
    # As a process that was killed leaves it.
    half = tmp_path / "tfrecord" / ".preparing-synthetic-0123"
    half.mkdir()
    (half / "something").write_text("half")
    with pytest.raises(UserError, match="not prepared as tfrecord"):
        datasets.as_dataset("synthetic", "train", options=TINY, data_dir=tmp_path)
    told = []
    datasets.prepare("synthetic", **options, note=told.append)
    assert told[0].endswith("is there already.") and told[1].startswith("Prepared: ")
    assert not half.exists()
    assert_same(datasets.load("synthetic", options=TINY, data_dir=tmp_path).train, truth.train)
    # Whoever forgets the options is told that it is there.
    variant = place_of(tmp_path).parent.name
    with pytest.raises(UserError, match=f"Prepared are {variant}; .*--set"):
        datasets.load("synthetic", data_dir=tmp_path)


def place_of(data_dir, file_format="array_record"):
    builder = datasets.get("synthetic")
    chosen = library.config_of(builder, None, TINY)
    return library.prepared_folder(builder, chosen, file_format, data_dir)


def test_damage_is_refused_and_made_good(copy):
    place = place_of(copy)
    data = next(place.glob("*-train.*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(bytes(content))

    def load():
        return datasets.load("synthetic", options=TINY, data_dir=copy)

    with pytest.raises(DamagedFileError, match="is not what was written"):
        load()
    data.unlink()
    with pytest.raises(DamagedFileError, match="is missing"):
        load()
    told = []
    datasets.prepare("synthetic", options=TINY, data_dir=copy, note=told.append)
    assert told[0].startswith("Preparing anew: ") and told[1] == f"Prepared: {place}"
    load()
    (place / manifest.NAME).write_text("{}")
    with pytest.raises(DamagedFileError, match="cannot be read"):
        load()
    (place / manifest.NAME).unlink()
    with pytest.raises(DamagedFileError, match="keras-seal did not prepare it"):
        load()


def test_another_version_is_refused(copy, monkeypatch):
    place = place_of(copy)
    record = json.loads((place / manifest.NAME).read_text())
    record["source_version"] -= 1
    (place / manifest.NAME).write_text(json.dumps(record))
    with pytest.raises(DamagedFileError, match="is stale: it was made by version"):
        datasets.load("synthetic", options=TINY, data_dir=copy)


def test_changed_inputs_are_noticed(tmp_path):
    for name in ("a.bin", "deep/b.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    inputs = manifest.describe_inputs([tmp_path / "a.bin", tmp_path / "deep" / "b.bin"], tmp_path)
    record = manifest.Manifest("x", "1.0.0", 1, "c", {}, str(tmp_path), inputs, {})
    assert sorted(inputs) == ["a.bin", "deep/b.bin"]
    assert record.changed_inputs() == []
    os.utime(tmp_path / "a.bin")  # the time alone is no change
    assert record.changed_inputs() == []
    (tmp_path / "a.bin").write_bytes(b"other")
    assert record.changed_inputs() == ["a.bin"]
    (tmp_path / "deep" / "b.bin").unlink()
    assert record.changed_inputs() == ["a.bin", "deep/b.bin"]
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert record.changed_inputs() == []  # nothing can be said
    assert record.changed_inputs(moved) == ["a.bin", "deep/b.bin"]


def test_examples_keep_everything(make_sequences):
    camera = Camera(np.eye(3), np.arange(3.0), [1100, 1101], [500, 501], name="left", height=1002)
    sequences = make_sequences(
        (4, 1, 6),
        channels=3,
        views=[0, -1, 0],
        cameras=(camera,),
        image_sizes=[(1000, 1002), (640, 480), (1000, 1002)],
        fps=[50, 25, 30],
        valid=np.arange(11) % 2 == 0,
        labels={"activity": np.arange(11, dtype=np.int8)},
        names=["one", "two", "three"],
    )
    examples = (to_example(sequences.sequence(index)) for index in range(3))
    again = from_examples(examples, sequences.skeleton)
    assert_same(again, sequences)
    assert len(again.cameras) == 1


def test_wrong_wishes_are_explained(tmp_path):
    for arguments, sentence in (
        ({"name": "human36"}, "There is no data set 'human36'. Did you mean 'human36m'?"),
        ({"name": "mocap"}, "The data set 'mocap' needs files of yours. Give as manual_dir"),
        ({"name": "mocap", "manual_dir": tmp_path / "no"}, "There is no folder"),
        ({"name": "mocap", "manual_dir": tmp_path}, "BVH"),
        ({"name": "synthetic", "config": "noisy"}, "Did you mean 'noisy_2d'?"),
        ({"name": "synthetic", "options": {"fram": 3}}, "has no option 'fram'"),
        ({"name": "synthetic", "formats": ["parquet"]}, "There is no format 'parquet'"),
    ):
        with pytest.raises(UserError) as caught:
            datasets.prepare(**arguments, data_dir=tmp_path / "data")
        assert sentence in str(caught.value)
    with pytest.raises(UserError, match="run `keras-seal datasets prepare synthetic`"):
        datasets.load("synthetic", data_dir=tmp_path / "data")
    with pytest.raises(UserError, match="There is no split 'tset'"):
        datasets.reading._checked("tset")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="Cannot write to"):
        datasets.prepare("synthetic", options=TINY, data_dir=blocked)
