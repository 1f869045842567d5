"""A run folder appears whole, and nothing is ever written over."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from keras_seal import files, recipes
from keras_seal.errors import UserError
from keras_seal.runs import RunFolder
from keras_seal.runs.environment import add_session
from keras_seal.runs.logs import CsvLog


@pytest.fixture
def recipe():
    return recipes.load("quickstart", ["description='Grüße: 1'"])


def test_the_recipe_in_a_run_folder_is_the_run_s(tmp_path, recipe):
    folder = RunFolder.create(tmp_path / "deep" / "run", recipe, [{"seed": 0}])
    assert RunFolder.open(folder.path).recipe == recipe
    assert json.loads(folder.environment.read_text()) == [{"seed": 0}]
    assert not folder.finished
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["run"]


def test_an_empty_folder_may_become_a_run_folder(tmp_path, recipe):
    (tmp_path / "run").mkdir()
    RunFolder.create(tmp_path / "run", recipe, [])


@pytest.mark.parametrize("kind", ["run", "folder", "file"])
def test_what_is_there_is_never_written_over(tmp_path, recipe, kind):
    path = tmp_path / "place"
    if kind == "run":
        RunFolder.create(path, recipe, [])
    elif kind == "folder":
        path.mkdir()
        (path / "precious").write_text("x")
    else:
        path.write_text("x")
    before = {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()}
    with pytest.raises(UserError, match="written over"):
        RunFolder.create(path, recipe, [])
    assert before == {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()}


def test_default_names_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = set()
    for _ in range(3):
        path = RunFolder.default_path("a")
        path.mkdir(parents=True)
        seen.add(path)
    assert len(seen) == 3


def test_opening_something_else_is_an_error(tmp_path):
    with pytest.raises(UserError, match="There is no run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no recipe\.yaml"):
        RunFolder.open(tmp_path)


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    code = (
        "import sys, time; from keras_seal.runs import RunFolder\n"
        "with RunFolder(sys.argv[1]).lock(): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="Another process"), RunFolder(tmp_path).lock():
            pass
    finally:
        other.kill()
        other.communicate()
    # However the other process ended, its lock has ended too.
    with RunFolder(tmp_path).lock():
        pass


def test_the_log_keeps_exactly_the_rows_it_is_given(tmp_path):
    log = CsvLog(tmp_path / "log.csv")
    rows = [{"a": 0.1, "b": 1e-30}, {"a": 1 / 3, "b": 2.0}, {"a": 3.0, "b": 4.0}]
    for epoch, row in enumerate(rows, start=1):
        log.append(epoch, row)
    whole = log.path.read_text()
    assert whole.splitlines()[:3] == ["epoch,a,b", "1,0.1,1e-30", "2,0.3333333333333333,2.0"]
    with log.path.open("a") as file:
        file.write("4,5.0")  # half a row
    log.rewrite(rows[:2])
    assert log.path.read_text().splitlines() == whole.splitlines()[:3]
    log.append(3, rows[2])
    assert log.path.read_text() == whole
    log.rewrite([])
    assert not log.path.exists()


def test_every_session_is_recorded_and_a_changed_environment_is_said(tmp_path):
    path = tmp_path / "environment.json"
    first = {"python": "3.12.1", "platform": "x", "versions": {"keras": "3.15.1"}}
    files.write_json(path, [first])
    notes = []
    add_session(path, first, notes.append)
    assert not notes
    add_session(path, {**first, "versions": {"keras": "3.16.0"}}, notes.append)
    assert "keras 3.15.1, now 3.16.0" in notes[0]
    assert len(json.loads(path.read_text())) == 3
