"""Files appear whole or not at all."""

import pytest

from keras_seal import files


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(OSError, match="no more"), files.replacing(path) as unfinished:
        assert unfinished.suffix == path.suffix
        unfinished.write_text("half")
        raise OSError("no more")
    assert path.read_text() == '{\n  "old": 1\n}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_only_unfinished_files_are_removed(tmp_path):
    kept = [tmp_path / "a.txt", tmp_path / ".lock", tmp_path / "deep" / ".hidden.txt"]
    for path in kept:
        files.write_text(path, "x")
    with files.replacing(tmp_path / "deep" / "b.keras") as unfinished:
        unfinished.write_text("")
    unfinished.write_text("half")
    files.remove_unfinished(tmp_path)
    assert not unfinished.exists()
    assert all(path.exists() for path in kept)
