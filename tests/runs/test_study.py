"""`keras-seal study`: interrupted, killed, gone on with, with a run that fails, compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import keras
import pytest

from keras_seal import recipes
from keras_seal.errors import UserError
from keras_seal.runs import RunFolder
from keras_seal.runs.study import Study, plan

# Processes are the same on every backend, and most of the time is their start.
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="a study starts processes, whatever the backend"
)
RECIPE = """
name: tiny
data:
  source: synthetic
  options: {frames: 60, validation_frames: 30, test_frames: 90, duration: 1, cameras: 1,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 16
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
training: {epochs: 3, deterministic: false}
callbacks: {pose_plots: {every: 0}, tensorboard: false}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def study(folder, cache_dir):
    """Starts the command; what it says goes to a file, for a pipe would block it."""

    def start(*more):
        arguments = ["study", "tiny.yaml", "--out", "out", "--resamples", "200"]
        environment = {
            **os.environ,
            "KERAS_BACKEND": "torch",
            "KERAS_SEAL_CACHE": str(cache_dir),
            "PYTHONUNBUFFERED": "1",
        }
        with (folder / "said").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "keras_seal", *arguments, *more],
                stdout=said,
                stderr=subprocess.STDOUT,
                env=environment,
                # Whoever runs the tests in the background has them ignore it, and their children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    return start


def wait_for(condition, process):
    for _ in range(12_000):
        if condition():
            return
        assert process.poll() is None, "it ended early"
        time.sleep(0.05)
    raise AssertionError("it never happened")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_study_outlives_signals_and_a_failing_run(study, folder):
    # One variant has an option that its pose-net does not know.
    options = ["--seeds", "2", "--variants", "baseline,symmetry,joint_angle", "--jobs", "2"]
    options += ["--set", "joint_angle:pose_net.options.unit=8"]
    runs, said = folder / "out" / "runs", folder / "said"

    def checkpoints():
        return list(runs.glob("*/checkpoints/epoch-*.npz"))

    process = study(*options)
    wait_for(checkpoints, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) == 130
    assert "Interrupted. The same command goes on." in said.read_text()
    early = {path: path.stat().st_mtime_ns for path in runs.glob("*/metrics.json")}
    assert len(early) < 4

    # Killed at once, it leaves the processes that it started to themselves; they hold their runs.
    process = study(*options)
    before = set(checkpoints())
    wait_for(lambda: set(checkpoints()) - before or len(list(runs.iterdir())) > 2, process)
    process.kill()
    process.wait()

    process = study(*options)
    assert process.wait(timeout=900) == 1, said.read_text()
    text = said.read_text()
    for seed in (0, 1):
        assert f"Failed: joint_angle, seed {seed}. The end of its log:" in text
        for label in ("baseline", "symmetry"):
            assert RunFolder(runs / f"{label}-{seed}").finished
    assert "  Error: pose_net.options.unit: SimpleBaseline has no such option." in text
    assert "[6/6]" in text
    found = json.loads((folder / "out" / "comparison.json").read_text())
    assert {label: told["seeds"] for label, told in found["labels"].items()} == {
        "baseline": [0, 1],
        "symmetry": [0, 1],
    }
    assert found["not finished, and left out"] == "joint_angle, seed 0; joint_angle, seed 1"
    assert {each["other"] for each in found["comparisons"]} == {"symmetry"}
    result = json.loads((runs / "symmetry-1" / "metrics.json").read_text())
    told = found["labels"]["symmetry"]["metrics"]["mpjpe"]["runs"][1]
    assert told == pytest.approx(result["test"]["metrics"]["mpjpe"], rel=1e-4)
    # What was finished was not run again, and a run has the seed and the recipe it should have.
    assert all(path.stat().st_mtime_ns == when for path, when in early.items())
    recipe = RunFolder(runs / "symmetry-1").recipe
    assert (recipe.seed, recipe.training.constraints.symmetry) == (1, 0.05)
    assert "<svg" in (folder / "out" / "comparison.html").read_text()
    assert "## P-MPJPE, mm" in (folder / "out" / "comparison.md").read_text()
    assert not list(runs.glob(".*.tmp"))

    # Nothing is left to do without the variant that fails.
    done = [path.stat().st_mtime_ns for path in sorted(runs.glob("*/metrics.json"))]
    lines: list[str] = []
    again = Study("out", plan("tiny.yaml", ["baseline", "symmetry"], backend="torch"), [0, 1])
    assert again.run(note=lines.append) == {} and lines == ["4 of 4 runs are finished already."]
    assert done == [path.stat().st_mtime_ns for path in sorted(runs.glob("*/metrics.json"))]


def test_the_plan_is_made_before_anything_is_run(folder):
    found = plan(
        "quickstart",
        ["baseline", "recipe", "gan+symmetry"],
        ["training.epochs=2", "gan+symmetry:loss_net.options.units=8"],
        backend="jax",
    )
    baseline, own, both = found.values()
    assert baseline.loss_net is None and own.seal.objective.name == "margin"
    assert (both.seal.objective.name, both.loss_net.options["units"]) == ("adversarial", 8)
    assert both.training.constraints.symmetry > 0
    # Nothing of the recipe's own loss-net is left in the others.
    assert both.loss_net.options["num_stages"] == 2
    assert {(each.training.epochs, each.backend) for each in found.values()} == {(2, "jax")}
    velocities = plan("h36m_mix_ste+velocity", ["baseline", "seal"])
    assert {each.training.constraints.velocity for each in velocities.values()} == {0.12}
    for variants, overrides, message in (
        (["baseline", "saal"], [], "no variant 'saal' of recipes. Did you mean 'seal'"),
        (["seal", "seal"], [], "'seal' is given twice"),
        (["baseline", "velocity"], [], "constraints.velocity: it compares frames"),
        (["baseline"], ["seal:loss_net.options.units=8"], "no variant 'seal' here"),
        (["baseline"], ["loss_net.options.units=8"], "changes one variant alone"),
    ):
        with pytest.raises(UserError, match=message):
            plan("quickstart", variants, overrides)


def test_a_folder_is_one_study(folder):
    variants = plan("tiny.yaml", ["baseline", "seal"])
    first = Study("out", variants, [0])
    assert [job.title for job in first.jobs] == ["baseline, seed 0", "seal, seed 0"]
    more = Study("out", plan("tiny.yaml", ["seal", "gan"]), [0, 1])
    assert (more.baseline, len(more.jobs)) == ("seal", 4)
    assert recipes.load("out/recipes/gan.yaml") == more.variants["gan"]
    with pytest.raises(UserError, match=r"another recipe for 'seal': training.epochs was 3, is 4"):
        Study("out", plan("tiny.yaml", ["seal"], ["training.epochs=4"]), [0])
    with pytest.raises(UserError, match="something else than a study"):
        Study(folder, variants, [0])
    with pytest.raises(UserError, match="No run in out is finished"):
        first.compare()
    # Two studies at once do not run the same thing twice.
    job, other = first.jobs[0], more.jobs[0]
    assert job.take() and first.jobs[1].take() and not other.take()
    first.jobs[1].let_go()
    assert other.take()
