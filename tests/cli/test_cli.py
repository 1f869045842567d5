"""The command line: quick to answer, clear about mistakes, and writes nothing when they happen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import keras
import pytest
from click.testing import CliRunner

from keras_seal import __version__, cli, recipes
from keras_seal.recipes import building

BACKEND = keras.backend.backend()
TINY = """
name: tiny
data:
  source: synthetic
  options: {frames: 60, validation_frames: 30, test_frames: 30, duration: 1, cameras: 1,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 16
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
loss_net: {name: MLPLossNet, options: {units: 8, num_stages: 1}}
training: {epochs: 2, deterministic: false}  # it would hold for the whole test process
callbacks: {pose_plots: {every: 0}, energy_plots: 0}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_SEAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(cli.main, list(arguments))


def files(folder):
    """All files but prepared data, which may be kept whatever comes after."""
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and folder / "cache" not in path.parents
    }


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from keras_seal.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'numpy', 'pydantic', 'rich', 'yaml', 'tensorflow', 'jax', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("train", "evaluate", "recipes", "doctor"):
        assert name in done.stdout


def test_each_command_has_help_and_the_version_is_told():
    assert __version__ in call("--version").stdout
    for command in ("train", "evaluate", "recipes", "doctor"):
        done = call(command, "--help")
        assert done.exit_code == 0
        # The line in the list of commands is the first of the command's own help, or says more.
        assert "Usage: main " + command in done.stdout.replace("keras-seal", "main")


MISTAKES = [
    (["train"], "Give a RECIPE to train, or --resume RUN"),
    (["train", "tiny.yaml", "--resume", "x"], "Give a RECIPE to train, or --resume RUN"),
    (["train", "nowhere.yaml"], "There is no recipe nowhere.yaml."),
    (["train", "quickstrat"], "Did you mean 'quickstart'?"),
    (
        ["train", "tiny.yaml", "--set", "training.epoch=3"],
        "tiny.yaml: Unknown key 'training.epoch'. Did you mean 'training.epochs'?",
    ),
    (
        ["train", "tiny.yaml", "--set", "training.epochs=ten"],
        "tiny.yaml: training.epochs: got 'ten' (text), expected a whole number.",
    ),
    (["train", "tiny.yaml", "--out", "taken"], "taken is a folder that is not empty"),
    (["train", "tiny.yaml", "--out", "tiny.yaml"], "tiny.yaml is a file, and nothing is written"),
    (
        ["train", "tiny.yaml", "--set", "data={source: mocap, options: {folder: nowhere}}"],
        "There is no folder 'nowhere' to read BVH files from.",
    ),
    (
        ["train", "tiny.yaml", "--set", "data={source: mocap}"],
        "The data source 'mocap' needs the option 'folder'.",
    ),
    (
        ["train", "tiny.yaml", "--set", "data={source: file, options: {path: nowhere.npz}}"],
        "There is no file or folder 'nowhere.npz'",
    ),
    (
        ["train", "tiny.yaml", "--set", "skeleton=human36m_16"],
        "skeleton: got 'human36m_16' (16 joints), but the data is on 'human36m_17' (17 joints).",
    ),
    (
        ["train", "tiny.yaml", "--set", "pose_net.options.unit=3"],
        "pose_net.options.unit: SimpleBaseline has no such option. Did you mean 'units'?",
    ),
    (["train", "tiny.yaml", "--set", "pose_net.name=SemGNC"], "Did you mean 'SemGCN'?"),
    (["train", "--resume", "nowhere"], "There is no run folder nowhere."),
    (["train", "--resume", "taken"], "taken is no run folder: it holds no recipe.yaml."),
    (["train", "--resume", "x", "--set", "seed=1"], "--set cannot go with --resume"),
    (["train", "--resume", "x", "--out", "y"], "--out cannot go with --resume"),
    (["train", "tiny.yaml", "--backend", "theano"], "'theano' is not one of"),
    (["evaluate", "nowhere"], "There is no run folder nowhere."),
    (["evaluate", "nowhere", "--split", "tset"], "'tset' is not one of"),
    (["evaluate", "nowhere", "--fps", "25"], "--fps is for --keypoints, which is not given."),
    (["evaluate", "nowhere", "--on", "a", "--keypoints", "b"], "--on and --keypoints cannot go"),
    (["evaluate", "nowhere", "--option", "joints"], "--option joints: expected KEY=VALUE."),
    (
        ["evaluate", "nowhere", "--keypoints", "b", "--image-size", "big"],
        "'big' is no image size; write it as 1920x1080.",
    ),
    (["recipes", "show", "nothing"], "No built-in recipe is called 'nothing'."),
    (["recipes", "show", "quickstart", "--set", "seed=1"], "add --full"),
    (["tain"], "No such command 'tain'"),
]


@pytest.mark.parametrize(
    ("arguments", "sentence"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES]
)
def test_a_mistake_gets_one_sentence_and_writes_nothing(folder, arguments, sentence):
    (folder / "taken").mkdir()
    (folder / "taken" / "precious").write_text("x")
    before = files(folder)
    done = call(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.output
    assert isinstance(done.exception, SystemExit)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert files(folder) == before


def write_split(folder, **changes):
    """Saves a tiny data set whose training part is spoilt."""
    import numpy as np

    from keras_seal.data import PoseSequences

    rng = np.random.default_rng(0)
    (folder / "poses").mkdir()
    for name in ("train", "validation", "test"):
        arrays = {
            "skeleton": "human36m_17",
            "keypoints": rng.uniform(-0.5, 0.5, (20, 17, 2)),
            "poses": rng.uniform(-0.5, 0.5, (20, 17, 3)) + np.array([0, 0, 5]),
            "offsets": [0, 20],
            "subjects": [name],
            "actions": ["walk"],
        }
        if name == "train":
            for key, change in changes.items():
                arrays[key] = change(arrays[key])
        PoseSequences(**arrays).save(folder / "poses" / f"{name}.npz")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"keypoints": lambda x: x * float("nan")}, "not finite"),
        ({"keypoints": lambda x: x / 0.0}, "not finite"),
        ({"poses": lambda y: 1000.0 * y}, "Poses must be in metres"),
        ({"keypoints": lambda x: 1000.0 * x}, "Keypoints must be normalised"),
        ({"subjects": lambda s: ["test"]}, "Subject 'test' is in the train and in the test split"),
    ],
    ids=["nan", "infinite", "millimetres", "pixels", "subject twice"],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_data_gets_one_sentence_and_writes_nothing(folder, changes, sentence):
    write_split(folder, **changes)
    before = files(folder)
    done = call("train", "tiny.yaml", "--set", "data={source: file, options: {path: poses}}")
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files(folder) == before


def test_keras_cannot_change_its_backend(folder):
    other = "jax" if BACKEND != "jax" else "torch"
    done = call("train", "tiny.yaml", "--backend", other)
    assert done.exit_code == 2
    assert f"Keras runs on {BACKEND} already and cannot change to {other}." in done.stderr


def test_an_unknown_backend_in_the_environment_is_named(folder, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    done = call("train", "tiny.yaml")
    assert done.exit_code == 2
    assert "KERAS_BACKEND is 'theano', expected one of tensorflow, jax, torch." in done.stderr


def test_recipes_are_listed_shown_and_checked(folder):
    done = call("recipes", "list")
    assert "quickstart" in done.stdout and "mocap_sem_gcn_seal" in done.stdout
    assert call("recipes", "show", "quickstart").stdout.startswith("# ")
    full = call("recipes", "show", "tiny.yaml", "--full", "--set", "seed=7")
    assert "seed: 7" in full.stdout and "steps_per_execution: 1" in full.stdout

    (folder / "bad.yaml").write_text(TINY.replace("units: 8", "unitz: 8"))
    (folder / "worse.yaml").write_text(TINY + "unknown: 1\n")
    done = call("recipes", "validate", "tiny.yaml", "bad.yaml", "worse.yaml", "quickstart")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == ["tiny.yaml: valid", "quickstart: valid"]
    worse, bad = done.stderr.splitlines()
    assert bad.startswith("Error: bad.yaml: pose_net.options.unitz: ")
    assert worse.startswith("Error: worse.yaml: Unknown key 'unknown'.")


def run(folder, *arguments, first=""):
    """Calls the program in a process of its own, which may do something else first."""
    ours = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-c", f"{first}\nfrom keras_seal.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )


def test_train_then_evaluate(folder):
    arguments = ["train", "tiny.yaml", "--backend", BACKEND, "--out", "out"]
    arguments += ["--set", "training.deterministic=true"]
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert "epoch 2/2" in done.stdout
    assert "P-MPJPE" in done.stdout
    assert done.stderr == ""
    session = json.loads((folder / "out" / "environment.json").read_text())[0]
    assert session["command"][1:] == arguments
    assert session["backend"] == BACKEND

    done = call("evaluate", "out", "--split", "validation")
    assert done.exit_code == 0, done.output
    assert "MPJPE" in done.stdout
    written = folder / "out" / "evaluation" / "validation" / "report.json"
    scores = json.loads(written.read_text())
    result = json.loads((folder / "out" / "metrics.json").read_text())["validation"]
    assert scores["metrics"] == pytest.approx(result["metrics"], rel=1e-4)
    done = call("evaluate", "out", "--split", "validation", "--refine", "2", "--loss-net", "out")
    assert done.exit_code == 0, done.output
    refined = json.loads(
        (written.parent.with_name("validation-refine-2") / written.name).read_text()
    )
    assert refined["refined"] == "2 steps, out" and refined["metrics"] != scores["metrics"]

    shutil.copytree(folder / "out", folder / "twin")
    recipe = folder / "twin" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("name: tiny\n", "name: twin\n", 1))
    twins = ["compare", "out", "twin", "--evaluation", "validation", "--resamples", "100"]
    done = call(*twins, "--metric", "p_mpjpe")
    assert done.exit_code == 0, done.output
    assert "twin, less tiny" in done.stdout and "+0.00 to +0.00" in done.stdout
    done = call("compare", "out", *twins[3:], "--evaluation", "validation-refine-2")
    assert done.exit_code == 0, done.output
    assert "tiny, validation-refine-2, less tiny" in " ".join(done.stdout.split())
    done = call("compare", "out", "twin", "--evaluation", "validation", "--evaluation", "tset")
    assert done.exit_code == 2 and "measure the run by keras-seal evaluate first" in done.stderr

    before = files(folder)
    done = call("train", "tiny.yaml", "--out", "out")
    assert done.exit_code == 2
    assert "out holds a run already, and runs are never written over" in done.stderr
    assert "--resume out" in done.stderr
    assert files(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX")
def test_a_full_disk_gets_one_sentence(folder):
    recipe = recipes.load("tiny.yaml")
    building.build_splits(recipe)  # into the cache
    # No file may grow beyond this: the recipe and the logs fit, a checkpoint does not.
    limit = 40_000
    done = run(
        folder,
        *["train", "tiny.yaml", "--backend", BACKEND, "--out", "out"],
        *["--set", "pose_net.options.units=64", "--set", "callbacks.energy_monitor=false"],
        first=f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == (
        "Error: Cannot write to out: File too large. There is no checkpoint yet. When there is"
        " room, go on by --resume out.\n"
    )
    assert list((folder / "out" / "checkpoints").iterdir()) == []


def test_the_doctor_looks_at_this_backend(folder, monkeypatch):
    from keras_seal.cli import doctor

    monkeypatch.setattr(doctor, "BACKENDS", (BACKEND,))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    done = call("doctor")
    assert done.exit_code == 0, done.output
    assert "works" in done.stdout
    assert "Trouble: PYTHONDONTWRITEBYTECODE is set" in done.stdout
    monkeypatch.setattr(doctor, "_PROBE", "raise SystemExit('it is broken')")
    done = call("doctor")
    assert done.exit_code == 1
    assert f"Trouble: Keras does not start on {BACKEND}: it is broken" in done.stdout
