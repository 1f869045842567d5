"""A run leaves what it promises, and an interruption leaves no trace in the result."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil

import keras
import numpy as np
import pytest

from keras_seal import files, runs
from keras_seal.errors import UserError
from keras_seal.inference import refine
from keras_seal.recipes import building
from keras_seal.runs import evaluation, state
from keras_seal.runs.callbacks import RunFailedError
from keras_seal.training import averaging

from .conftest import assert_same_end


class Stop(Exception):
    """Stands for an interruption."""


def stop_at(text):
    def note(line):
        if text in line:
            raise Stop

    return note


def test_a_run_leaves_what_it_promises(reference, cache_dir):
    for path in (
        reference.recipe_file,
        reference.environment,
        reference.log,
        reference.metrics,
        reference.report,
        reference.pose_net,
        reference.loss_net,
        reference.model,
        reference.plots / "test_poses.png",
        reference.plots / "test_bone_lengths.png",
        reference.plots / "training_curves.png",
        *(next((reference.tensorboard / part).glob("events*")) for part in ("train", "validation")),
    ):
        assert path.stat().st_size > 0, path
    assert reference.finished
    recipe = reference.recipe
    assert recipe.backend == keras.backend.backend()
    result = json.loads(reference.metrics.read_text())
    history = runs.Checkpoints(reference.checkpoints).latest().progress["history"]
    assert len(history) == result["epochs"] == 4
    scores = [row["val_mpjpe"] for row in history]
    assert result["selected_epoch"] == 1 + int(np.argmin(scores))
    # The whole-split figures of the kept (averaged) weights are those that chose them.
    assert result["validation"]["metrics"]["mpjpe"] == pytest.approx(min(scores), rel=1e-4)
    assert result["test"]["frames"] == 60
    assert set(result["test"]["metrics"]) >= {
        "mpjpe",
        "p_mpjpe",
        "n_mpjpe",
        "mpjve",
        "acceleration",
        "pck",
        "auc",
        "jae",
        "mpsce",
        *(name + unit for name in ("lse", "bsle", "lle") for unit in ("", "_percent")),
    }
    assert result["test"]["truth"]["lse"] < 0.1
    report = reference.report.read_text()
    assert f"| MPJPE | {result['test']['metrics']['mpjpe']:.2f} |" in report

    splits = building.build_splits(recipe, cache_dir)
    for path in (reference.pose_net, reference.model):
        net = keras.models.load_model(path)
        again = runs.evaluate_split(getattr(net, "pose_net", net), splits.test, batch_size=32)
        assert again["metrics"] == pytest.approx(result["test"]["metrics"], rel=1e-4)


def test_evaluate_measures_the_same_again(reference, cache_dir):
    result = json.loads(reference.metrics.read_text())
    scores = runs.evaluate(reference.path, "test", cache_dir=cache_dir, note=lambda line: None)
    assert scores["metrics"] == pytest.approx(result["test"]["metrics"], rel=1e-4)
    folder = reference.path / "evaluation" / "test"
    assert json.loads((folder / "report.json").read_text()) == scores
    assert "| MPJPE |" in (folder / "report.md").read_text()
    assert "</html>" in (folder / "report.html").read_text()
    with pytest.raises(UserError, match=r"There is no split 'tset'\. Did you mean 'test'?"):
        runs.evaluate(reference.path, "tset")


def test_evaluate_measures_refined_poses(reference, cache_dir, tmp_path):
    """What the report says is what `refine` makes of what the net lifts."""
    quiet = {"cache_dir": cache_dir, "note": lambda line: None}
    scores = runs.evaluate(reference.path, "test", refine=3, **quiet)
    assert (reference.path / "evaluation" / "test-refine-3" / "report.json").is_file()
    assert scores["refined"] == "3 steps, own loss-net"
    plain = json.loads(reference.metrics.read_text())["test"]["metrics"]
    test = building.build_splits(reference.recipe, cache_dir).test
    pose_net = keras.models.load_model(reference.pose_net)
    poses = runs.lift(pose_net, test)
    moved = refine(reference.path, test.keypoints[:, None], poses[:, None], steps=3)[:, 0]
    assert scores["metrics"] == pytest.approx(evaluation.measure(moved, test)["metrics"], rel=1e-4)
    assert scores["metrics"]["mpjpe"] != pytest.approx(plain["mpjpe"], rel=1e-4)
    again = runs.evaluate(
        reference.path, "test", refine=3, refine_by=reference.loss_net, out=tmp_path, **quiet
    )
    assert again["metrics"] == scores["metrics"]

    without = runs.RunFolder(shutil.copytree(reference.path, tmp_path / "without"))
    without.loss_net.unlink()
    with pytest.raises(UserError, match=r"there is none.*--loss-net"):
        runs.evaluate(without.path, refine=3, **quiet)
    with pytest.raises(UserError, match=r"goes with a number of steps.*--refine"):
        runs.evaluate(reference.path, refine_by=reference.loss_net, **quiet)
    with pytest.raises(UserError, match="0 steps or more, got -1"):
        runs.evaluate(reference.path, refine=-1, **quiet)


@pytest.fixture
def unfinished(reference, tmp_path):
    """A copy of the reference run as it was before its end."""
    folder = runs.RunFolder(shutil.copytree(reference.path, tmp_path / "copy"))
    folder.metrics.unlink()
    return folder


def test_an_interruption_leaves_no_trace(start, resume, reference, tmp_path):
    with pytest.raises(Stop):
        start(note=stop_at("epoch 2/4"))
    folder = runs.RunFolder.open(tmp_path / "run")
    assert "after epoch 1 of 4" in "".join(resume(folder.path))
    assert_same_end(folder, reference)


def test_an_interruption_at_the_end_leaves_no_trace(unfinished, resume, reference):
    for path in (unfinished.pose_net, unfinished.model, unfinished.report):
        path.unlink()
    resume(unfinished.path)
    assert_same_end(unfinished, reference)
    assert unfinished.report.read_text() == reference.report.read_text()


def test_a_damaged_checkpoint_costs_an_epoch_and_nothing_else(unfinished, resume, reference):
    latest = runs.Checkpoints(unfinished.checkpoints).path(4)
    os.truncate(latest, latest.stat().st_size // 2)
    said = resume(unfinished.path)
    assert any("Passing over a damaged checkpoint" in line for line in said)
    assert any("after epoch 3 of 4" in line for line in said)
    assert_same_end(unfinished, reference)


def test_without_the_best_weights_the_next_best_are_taken(unfinished, resume):
    checkpoints = runs.Checkpoints(unfinished.checkpoints)
    history = checkpoints.latest().progress["history"]
    # As if the epoch before the last had been the best.
    for epoch, row in enumerate(history, start=1):
        row["val_mpjpe"] = abs(epoch - 3.25)
    checkpoints.save(4, checkpoints.load(4).arrays, {"history": history})
    checkpoints.path(3).write_bytes(b"")
    said = resume(unfinished.path)
    assert "The weights of the best epoch, 3, are lost: epoch 4 takes its place." in said
    assert json.loads(unfinished.metrics.read_text())["selected_epoch"] == 4


def test_a_checkpoint_of_another_model_is_refused(unfinished, resume):
    recipe = unfinished.recipe_file
    recipe.write_text(recipe.read_text().replace("units: 8", "units: 9"))
    with pytest.raises(UserError, match="The checkpoint is of another model"):
        resume(unfinished.path)


def test_a_finished_run_is_left_alone(reference, resume):
    before = {path: path.stat().st_mtime_ns for path in reference.path.rglob("*.keras")}
    assert resume(reference.path) == [f"{reference.path} has come to its end already."]
    assert before == {path: path.stat().st_mtime_ns for path in reference.path.rglob("*.keras")}


def test_a_full_disk_stops_the_run_and_not_its_last_checkpoint(start, tmp_path, monkeypatch):
    replace = os.replace

    def full(old, new):
        if new.name == "epoch-00003.npz":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(old, new)

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(RunFailedError) as caught:
        start()
    run = tmp_path / "run"
    assert str(caught.value) == (
        f"Cannot write to {run}: No space left on device. The checkpoint of epoch 2 is kept. When"
        f" there is room, go on by --resume {run}."
    )
    assert runs.Checkpoints(run / "checkpoints").latest().epoch == 2


@pytest.mark.parametrize(
    ("key", "network"),
    [("optimizer", "pose-net"), ("loss_net_optimizer", "loss-net")],
)
def test_a_loss_that_is_no_number_names_network_and_step(start, tmp_path, key, network):
    # The second epoch has the third step: the rate explodes there.
    rate = "{schedule: exponential, initial: 1e-3, rate: 1e35, staircase: true}"
    with pytest.raises(RunFailedError) as caught:
        start(f"training.{key}={{name: sgd, learning_rate: {rate}}}", "seal.energy_weight=0.01")
    message = str(caught.value)
    assert message.startswith(f"The {network}'s loss became NaN or infinite at step ")
    assert "The checkpoint of epoch 1 is kept." in message
    step = int(message.split(" at step ")[1].split()[0])
    assert f"(epoch {1 + (step - 1) // 3}, batch {1 + (step - 1) % 3} of 3)" in message
    assert step in (4, 5)  # the update of step 4 is the one too large
    checkpoint = runs.Checkpoints(tmp_path / "run" / "checkpoints").latest()
    assert checkpoint.epoch == 1
    assert all(np.isfinite(array).all() for array in checkpoint.arrays.values())
    assert not runs.RunFolder(tmp_path / "run").finished


PRETRAINED = (
    "seal={mode: static, energy_weight: 0.01}",
    "training.epochs=2",
    "pretraining={epochs: 2, optimizer: {learning_rate: 1e-2}}",
)


def test_a_run_trains_its_loss_net_first(start, resume, tiny, cache_dir, tmp_path):
    """As `pretrain-loss-net` does, and just as well where it is interrupted after that."""
    folder, said = start(*PRETRAINED)
    assert "loss-net, epoch 2 of 2: " in "".join(said)
    with folder.pretraining_log.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for name in ("loss", "val_loss", "seconds"):
        assert all(0 < float(row[name]) < 10 for row in rows)
    assert "logs/pretraining.csv" in folder.report.read_text()
    # The pose-net is trained by what came of it, and leaves it alone.
    trained = keras.models.load_model(folder.loss_net)
    fresh = building.build_model(tiny(*PRETRAINED)).loss_net
    assert any(
        (old != new).any()
        for old, new in zip(fresh.get_weights(), trained.get_weights(), strict=True)
    )
    with pytest.raises(Stop):
        start(*PRETRAINED, out=tmp_path / "other", note=stop_at("epoch 2/2"))
    other = runs.RunFolder.open(tmp_path / "other")
    assert "loss-net, epoch" not in "".join(resume(other.path))
    assert_same_end(other, folder)
    kept = keras.models.load_model(other.loss_net).get_weights()
    for one, another in zip(trained.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, another)

    # A loss-net that is trained already is taken as it is.
    given, said = start(
        *PRETRAINED, f"loss_net={{path: {folder.loss_net}}}", out=tmp_path / "given"
    )
    assert "loss-net, epoch" not in "".join(said) and not given.pretraining_log.exists()
    with pytest.raises(RunFailedError, match=r"trained alone, is no finite number.*pretraining\."):
        start(*PRETRAINED, "pretraining.optimizer.learning_rate=1e30", out=tmp_path / "nan")


def test_weights_that_are_no_numbers_are_not_saved(start, tmp_path):
    # One step an epoch: the first update spoils the weights, and no loss has seen them yet.
    with pytest.raises(RunFailedError, match="epoch 1"):
        start(
            "training.optimizer={name: sgd, learning_rate: 1e39}",
            "data.batch_size=1000",
            "training.ema_decay=null",
        )
    assert runs.Checkpoints(tmp_path / "run" / "checkpoints").epochs() == []


def test_patience_ends_a_run(start):
    folder, said = start(
        "training.optimizer={name: sgd, learning_rate: 1e-30}",  # nothing is learnt
        "training.patience=1",
        "training.epochs=9",
        "loss_net=null",
        "seal=null",
    )
    result = json.loads(folder.metrics.read_text())
    assert result["epochs"] == result["selected_epoch"] + 1 < 9
    assert any("training stops" in line for line in said)


def test_a_baseline_of_many_frames_with_all_callbacks(start):
    folder, said = start(
        "loss_net=null",
        "seal=null",
        "training.epochs=2",
        "data.num_frames=5",
        "data.frame_stride=2",
        "data.window_stride=3",
        "evaluation.metrics=[mpjpe, mpjve]",
        "callbacks={pose_plots: {every: 1, poses: 2}, limb_lengths: true, tensorboard: false}",
    )
    assert folder.pose_net.is_file() and not folder.loss_net.exists()
    log = folder.log.read_text()
    assert "energy" not in log and "val_mpjve" in log
    assert json.loads(folder.metrics.read_text())["test"]["frames"] == 60
    pictures = {path.name for path in folder.plots.iterdir()}
    assert {"epoch_0001.png", "epoch_0002.png", "poses.gif", "bone_length_drift.png"} <= pictures
    assert len((folder.log.parent / "limb_lengths.csv").read_text().splitlines()) == 1 + 2 * 16
    assert not folder.tensorboard.exists()
    assert any("epoch 2/2" in line for line in said)


def test_a_recipe_for_another_backend_is_refused(tiny, tmp_path):
    other = "jax" if keras.backend.backend() != "jax" else "torch"
    with pytest.raises(UserError, match=f"The recipe is for the {other} backend"):
        runs.start(tiny(f"backend={other}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_where_something_is_wrong(tiny, tmp_path, cache_dir):
    for override in (
        "pose_net.options.units=wide",
        "data.options.frames=-1",
        "skeleton=human36m_16",
        "data={source: mocap, options: {folder: nowhere}}",
        "data={source: file, options: {path: nowhere.npz}}",
    ):
        with pytest.raises(UserError):
            runs.start(tiny(override), tmp_path / "run", cache_dir=cache_dir)
    assert list(tmp_path.iterdir()) == []


def test_a_captured_state_is_put_back_to_the_bit(tiny):
    def model():
        recipe = tiny()
        built = building.build_model(recipe)
        building.compile_model(built, recipe, 10)
        return built

    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 1, 17, 2)).astype("float32")
    y = rng.normal(size=(32, 1, 17, 3)).astype("float32")
    first, second = model(), model()
    first.fit(x, y, batch_size=8, verbose=0, shuffle=False)
    kernel = first.pose_net.trainable_weights[0]
    kernel.assign(kernel + 1.0)
    arrays = state.capture(first)
    state.restore(second, arrays)
    for name, array in state.capture(second).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert averaging.averages_weights(first)
    with averaging.averaged_weights(first, [x]):
        assert np.abs(kernel.numpy() - arrays[f"00000 {kernel.name}"]).min() > 0.5
    for name, array in state.capture(first).items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
