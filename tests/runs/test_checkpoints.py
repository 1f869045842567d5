"""The last good checkpoint survives whatever happens to the disk or to later ones."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from keras_seal import files
from keras_seal.data import DamagedFileError, storage
from keras_seal.errors import UserError
from keras_seal.runs import Checkpoints


def arrays(epoch):
    rng = np.random.default_rng(epoch)
    return {
        "00000 kernel": rng.standard_normal((50, 40)).astype("float32"),
        "00001 seed": rng.integers(0, 2**32, 2, dtype="uint32"),
    }


@pytest.fixture
def checkpoints(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, arrays(epoch), {"history": [{"a": 0.1}] * epoch})
    return checkpoints


def check(checkpoint, epoch):
    assert checkpoint.epoch == epoch
    assert checkpoint.progress == {"history": [{"a": 0.1}] * epoch}
    assert set(checkpoint.arrays) == set(arrays(epoch))
    for name, array in arrays(epoch).items():
        assert checkpoint.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(checkpoint.arrays[name], array)


def test_what_is_read_is_what_was_written(checkpoints):
    check(checkpoints.load(3), 3)
    check(checkpoints.latest(), 3)


def test_the_last_two_are_kept_and_the_best(checkpoints):
    assert checkpoints.epochs() == [2, 3]
    checkpoints.save(4, arrays(4), {}, keep_too=[2])
    assert checkpoints.epochs() == [2, 3, 4]
    checkpoints.save(5, arrays(5), {}, keep_too=[4])
    assert checkpoints.epochs() == [4, 5]


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_passed_over(checkpoints, part):
    path = checkpoints.path(3)
    os.truncate(path, int(part * path.stat().st_size))
    notes = []
    check(checkpoints.latest(notes.append), 2)
    assert len(notes) == 1
    assert str(path) in notes[0]
    with pytest.raises(DamagedFileError):
        checkpoints.load(3)


def test_no_flipped_bit_is_taken_for_good(checkpoints):
    path = checkpoints.path(3)
    good = path.read_bytes()
    places = np.random.default_rng(0).choice(len(good), 60, replace=False)
    for place in sorted(places.tolist()):
        damaged = bytearray(good)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        # A bit of the zip file may mean nothing; then what is read is still what was written.
        check_either = checkpoints.latest(lambda note: None)
        check(check_either, check_either.epoch)
        assert check_either.epoch in (2, 3)


def test_a_checkpoint_under_a_wrong_name_is_passed_over(checkpoints):
    os.replace(checkpoints.path(2), checkpoints.path(3))
    assert checkpoints.latest(lambda note: None) is None


def test_leftovers_of_an_interruption_are_no_checkpoints(checkpoints, tmp_path):
    with pytest.raises(KeyboardInterrupt), files.replacing(checkpoints.path(4)) as unfinished:
        raise KeyboardInterrupt
    left = unfinished  # as if the process had been killed
    left.write_bytes(checkpoints.path(3).read_bytes()[:1000])
    check(checkpoints.latest(), 3)
    files.remove_unfinished(tmp_path.parent)
    assert not left.exists()
    assert checkpoints.epochs() == [2, 3]


@pytest.mark.parametrize("moment", ["savez", "fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(checkpoints, tmp_path, monkeypatch, moment):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    module = storage.np if moment == "savez" else files.os
    with monkeypatch.context() as patch:
        patch.setattr(module, moment, full)
        with pytest.raises(UserError, match="No space left on device"):
            checkpoints.save(4, arrays(4), {})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "epoch-00002.npz",
        "epoch-00003.npz",
    ]
    check(checkpoints.latest(), 3)


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert Checkpoints(tmp_path).latest() is None
