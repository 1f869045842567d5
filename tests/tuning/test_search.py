"""Searches: trials are ordinary runs, the test split is not read, dead workers are replaced."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest
import yaml

from keras_seal import files, recipes, runs, tuning
from keras_seal.errors import UserError
from keras_seal.recipes import building
from keras_seal.runs import Checkpoints, RunFolder
from keras_seal.tuning import results
from keras_seal.tuning.oracles import declare, make_oracle
from keras_seal.tuning.results import SearchFolder
from keras_seal.tuning.worker import Worker

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="searches are the same on every backend; the example of SEALHyperModel runs on all",
)


class Poison:
    """Data that nobody may look at."""

    def __getattr__(self, name):
        raise AssertionError(f"somebody asked for the {name} of the test split")


@pytest.fixture
def poisoned(monkeypatch):
    """Makes the test split untouchable."""
    build = building.build_splits

    class Splits:
        def __init__(self, splits):
            self.parts = {**splits.parts, "test": Poison()}
            self.train, self.validation = splits.train, splits.validation

    monkeypatch.setattr(building, "build_splits", lambda *args: Splits(build(*args)))


def begin(path, recipe, tuner, max_trials, cache_dir):
    folder = SearchFolder(path)
    files.write_text(folder.recipe_file, recipes.to_yaml(recipe))
    facts = {
        "tuner": tuner,
        "max_trials": max_trials,
        "backend": keras.backend.backend(),
        "held_out": ["validation-001"],
        "cache_dir": str(cache_dir),
    }
    files.write_json(folder.facts_file, facts)
    return folder


def test_hyperband_goes_on_with_the_best_runs(tiny, cache_dir, tmp_path, no_pictures, poisoned):
    """A worker without a chief searches by itself, in this process."""
    folder = begin(tmp_path, tiny(), "hyperband", 4, cache_dir)
    worker = Worker(folder)
    worker.search()
    trials = worker.oracle.trials
    assert {trial.status for trial in trials.values()} == {"COMPLETED"}
    assert len(trials) == 4
    # Three configurations for an epoch each, then the best of them to the end.
    first = [t for t in trials.values() if "tuner/trial_id" not in t.hyperparameters.values]
    (last,) = [t for t in trials.values() if "tuner/trial_id" in t.hyperparameters.values]
    earlier = last.hyperparameters.values["tuner/trial_id"]
    assert earlier == min(first, key=lambda trial: trial.score).trial_id
    begun, ended = RunFolder(folder.run(earlier)), RunFolder(folder.run(last.trial_id))
    assert begun.recipe == ended.recipe
    assert not begun.recipe.evaluation.test
    assert ended.finished and not begun.finished
    history = results.outcome(ended).history
    before = results.outcome(begun).history
    assert (len(before), len(history)) == (1, 3)
    assert history[0] == before[0]
    assert last.score == min(row["val_mpjpe"] for row in history)
    # Only runs that may go on keep their checkpoints.
    assert Checkpoints(begun.checkpoints).epochs() == [1]
    assert Checkpoints(ended.checkpoints).epochs() == []
    assert "test" not in json.loads(ended.metrics.read_text())

    space = results.SearchSpace(folder.recipe)
    rows = [results.row_of(trial, folder, space) for trial in trials.values()]
    rows.append(results.Row("4", None, 0, 0, 0.0, {}, {}, "It broke."))
    results.write(folder, space, rows)
    with folder.table.open() as file:
        table = list(csv.DictReader(file))
    assert [row["rank"] for row in table] == ["1", "2", "3", "4", "5"]
    assert float(table[0]["val_mpjpe"]) == min(trial.score for trial in trials.values())
    assert table[-1]["error"] == "It broke."
    assert "| failed |" in folder.page.read_text() and "It broke." in folder.page.read_text()
    best = recipes.load(folder.best)
    assert best.seal.energy_weight == float(table[0]["seal.energy_weight"])
    assert best.evaluation.test and best.tune is None
    assert [path.suffix for path in results.draw(folder, space, rows)] == [".png"] * 3


def test_a_trial_that_diverges_fails_alone(tiny, cache_dir, tmp_path, no_pictures):
    recipe = tiny(
        "training.epochs=2",
        "tune={parameters: {training.optimizer.learning_rate: [1e-3, 1e30]}}",
    )
    folder = begin(tmp_path, recipe, "random", 4, cache_dir)
    worker = Worker(folder)
    worker.search()
    for trial in worker.oracle.trials.values():
        rate = trial.hyperparameters.values["training.optimizer.learning_rate"]
        row = results.row_of(trial, folder, results.SearchSpace(recipe))
        if rate == "0.001":
            assert trial.status == "COMPLETED" and row.value == trial.score
        else:
            assert trial.status == "FAILED" and row.value is None
            assert "NaN or infinite" in row.error
    # There is nothing else to try.
    assert len(worker.oracle.trials) == 2


def test_a_pause_changes_nothing(tiny, cache_dir, tmp_path, no_pictures):
    recipe = tiny("tune=null", "evaluation.test=false")
    silent = {"cache_dir": cache_dir, "note": lambda line: None}
    whole = runs.start(recipe, tmp_path / "whole", **silent)
    paused = runs.start(recipe, tmp_path / "paused", until=2, **silent)
    assert not paused.finished and len(results.outcome(paused).history) == 2
    runs.resume(paused.path, until=2, **silent)
    assert not paused.finished
    runs.resume(paused.path, **silent)
    assert paused.metrics.read_text() == whole.metrics.read_text()


def test_conditions_reach_the_tuner(tiny):
    space = results.SearchSpace(tiny())
    hp = keras_tuner.HyperParameters()
    declare(space, hp)
    assert hp.values["seal.objective.name"] == "margin"
    assert hp.is_active("seal.objective.margin")
    hp.values["seal.objective.name"] = "nce"
    assert not hp.is_active("seal.objective.margin")
    hypermodel = tuning.SEALHyperModel(tiny())
    assert hypermodel.trial(hp).seal.objective.name == "nce"
    assert hypermodel.objective == keras_tuner.Objective("val_mpjpe", "min")


def test_a_trial_trains_its_loss_net_first(tiny, cache_dir):
    static = ("seal={mode: static}", "tune.parameters={seal.energy_weight: [0.0, 1e-2]}")
    hypermodel = tuning.SEALHyperModel(tiny(*static, "pretraining={epochs: 1}"), cache_dir)
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    fresh = model.loss_net.get_weights()
    hypermodel.fit(hp, model, epochs=1)
    trained = model.loss_net.get_weights()
    assert any((one != other).any() for one, other in zip(fresh, trained, strict=True))
    hypermodel.fit(hp, model, epochs=2, initial_epoch=1)
    for one, other in zip(trained, model.loss_net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    settings = "pretraining={epochs: 2, optimizer: {learning_rate: 1e30}}"
    diverging = tuning.SEALHyperModel(tiny(*static, settings), cache_dir)
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="trained alone"):
        diverging.fit(hp, diverging.build(hp))


def test_mistakes_end_a_search_before_it_begins(tiny, cache_dir, tmp_path):
    options = {"cache_dir": cache_dir, "note": lambda line: None}
    for recipe, told in (
        (tiny("tune.parameters={loss_net.options.unit: [1, 2]}"), "no such option"),
        (tiny("tune.parameters={loss_net.options.num_stages: [1, -2]}"), "-2"),
        (tiny("tune=null"), "has no key 'tune'"),
        (
            tiny("data.source=h3wb", "data.options={folder: x, validation_fold: 5}"),
            "says little about other people",
        ),
    ):
        with pytest.raises(UserError, match=told):
            tuning.search(recipe, "random", 2, tmp_path / "out", **options)
    with pytest.raises(UserError, match="Did you mean 'random'"):
        make_oracle(results.SearchSpace(tiny()), "radnom", 2, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_search_outlives_its_workers(tiny, cache_dir, tmp_path):
    path, said, killed = tmp_path / "search", [], []
    recipe = tiny("training.epochs=12")

    def kill():
        """SIGKILL the first worker that has trained some epochs of a trial."""
        while not killed:
            for run in (path / "trials").glob("?"):
                if len(Checkpoints(run / "checkpoints").epochs()) >= 2:
                    process = next(line for line in said if line.startswith("worker-1 is"))
                    os.kill(int(process.split()[-1].rstrip(".")), signal.SIGKILL)
                    killed.append(run.name)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    tuning.search(recipe, "random", 3, path, cache_dir=cache_dir, note=said.append)
    thread.join(timeout=1)
    (trial,) = killed
    assert "worker-1 has died (signal 9)." in said
    assert f"Trial {trial} goes on from its last checkpoint." in said
    with (path / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["trial"] for row in rows) == ["0", "1", "2"]
    assert all(row["epochs"] == "12" for row in rows)
    # The killed trial was resumed, not begun anew.
    sessions = {
        run.name: len(json.loads((run / "environment.json").read_text()))
        for run in (path / "trials").glob("?")
    }
    assert sessions == {name: 1 + (name == trial) for name in ("0", "1", "2")}
    assert len(list((path / "plots").glob("*.png"))) >= 2
    best = yaml.safe_load((path / "best.yaml").read_text())
    assert best["evaluation"]["test"] and best["backend"] == "torch"

    # The same search goes on after its end, with what it knows.
    tuning.resume(path, max_trials=4, note=said.append)
    with (path / "leaderboard.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert "3 trials have ended before." in said
