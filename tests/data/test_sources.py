from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from keras_seal.data import DamagedFileError, PoseSplits, cache, sources
from keras_seal.errors import UserError

TINY = {
    "frames": 30, "validation_frames": 10, "test_frames": 10, "duration": 1.0, "cameras": 1
}  # fmt: skip


@pytest.fixture
def splits():
    return sources.get("synthetic")(**TINY).load(use_cache=False)


def test_names():
    assert sources.names() == [
        "file", "h3wb", "human36m", "mocap", "mpi_inf_3dhp", "positions", "prepared", "synthetic"
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"no data source 'sintetic'\. Did you mean 'synthetic'"):
        sources.get("sintetic")


def test_file_source_reads_files_and_folders(splits, tmp_path):
    path = splits.save(tmp_path / "splits.npz")
    for name, part in splits.parts.items():
        part.save(tmp_path / "folder" / f"{name}.npz")
    for place in (path, tmp_path / "folder"):
        loaded = sources.get("file")(path=place).load()
        np.testing.assert_array_equal(loaded.test.poses, splits.test.poses)
    (tmp_path / "folder" / "test.npz").unlink()
    with pytest.raises(UserError, match=r"has no test\.npz"):
        sources.get("file")(path=tmp_path / "folder").load()
    with pytest.raises(UserError, match="There is no file or folder"):
        sources.get("file")(path=tmp_path / "none").load()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match="damaged"):
        sources.get("file")(path=path).load()
    with pytest.raises(UserError, match="needs the option 'path'"):
        sources.get("file")()


def test_cache_is_used(splits, tmp_path, monkeypatch):
    source = sources.get("synthetic")(**TINY)
    first = source.load(cache_dir=tmp_path)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npz"]

    def fail(self):
        raise AssertionError("prepared again")

    with monkeypatch.context() as patch:
        patch.setattr(type(source), "prepare", fail)
        again = source.load(cache_dir=tmp_path)
    np.testing.assert_array_equal(again.train.keypoints, first.train.keypoints)
    np.testing.assert_array_equal(first.train.poses, splits.train.poses)
    # Other options, another version of the source: another file.
    sources.get("synthetic")(**{**TINY, "seed": 1}).load(cache_dir=tmp_path)
    monkeypatch.setattr(type(source), "version", 999)
    source.load(cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_damaged_cache_is_made_again(tmp_path):
    source = sources.get("synthetic")(**TINY)
    first = source.load(cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="Prepared data is made again"):
        again = source.load(cache_dir=tmp_path)
    np.testing.assert_array_equal(again.train.poses, first.train.poses)
    assert PoseSplits.load(path).train.num_frames == 30


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SEAL_CACHE", str(tmp_path / "named"))
    sources.get("synthetic")(**TINY).load()
    assert len(list((tmp_path / "named").iterdir())) == 1
    monkeypatch.delenv("KERAS_SEAL_CACHE")
    assert "keras-seal" in str(cache.default_folder())
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="Set KERAS_SEAL_CACHE to a folder"):
        sources.get("synthetic")(**TINY).load(cache_dir=blocked / "inside")


def test_racing_writers_do_no_harm(splits, tmp_path):
    path = tmp_path / "splits.npz"
    problems: list[Exception] = []

    def work(read: bool) -> None:
        try:
            for _ in range(10):
                if read and path.exists():
                    PoseSplits.load(path)
                elif not read:
                    splits.save(path)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(index % 2 == 0,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert list(tmp_path.iterdir()) == [path]


def test_options_are_checked_and_stay():
    source = sources.get("synthetic")(**TINY)
    with pytest.raises(ValueError, match="frozen"):
        source.frames = 7
    assert sources.get("synthetic")(camera_height=[1, 2]).camera_height == (1.0, 2.0)


def test_data_works_without_keras():
    code = (
        "import sys; from keras_seal.data import sources; "
        "sources.get('synthetic')(frames=10, validation_frames=10, test_frames=10, cameras=1)"
        ".load(use_cache=False); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
