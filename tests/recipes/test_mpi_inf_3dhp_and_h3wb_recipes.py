"""The recipes for MPI-INF-3DHP and H3WB train, on miniatures of the files that people have."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import recipes
from keras_seal.recipes import building
from keras_seal.runs import evaluation
from tests.data.published import h3wb, mpi_inf_3dhp

SMALL = [
    "data.batch_size=64",
    "pose_net.options={units: 16, num_stages: 1, dropout: 0}",
    "loss_net.options={units: 16, num_stages: 1, dropout: 0}",
    "seal.energy_weight=1e-3",
    "training.epochs=3",
    "training.optimizer.learning_rate=0.01",
]


def train(name, folder, cache_dir, *more):
    """Train for a few steps; gives the scores on the test set."""
    recipe = recipes.load(name, [f"data.options.folder={folder}", *SMALL, *more])
    splits = building.build_splits(recipe, cache_dir)
    model = building.build_model(recipe, splits.train.num_channels)
    windows = building.build_windows(recipe, splits.train, 1, training=True)
    validation = building.build_windows(recipe, splits.validation, 1, training=False)
    building.compile_model(model, recipe, len(windows))
    history = model.fit(windows, validation_data=validation, epochs=3, verbose=0).history
    assert np.isfinite([values for values in history.values()]).all()
    assert history["loss"][-1] < history["loss"][0]
    scores = evaluation.evaluate_split(model.pose_net, splits.test, batch_size=64)
    # Millimetres: untrained nets are off by decimetres, not by microns or kilometres.
    assert 50 < scores["metrics"]["mpjpe"] < 10_000
    return scores


def test_mpi_inf_3dhp(tmp_path):
    subjects, tests = ("S1", "S2", "S8"), ("TS1", "TS3", "TS5")
    truth = mpi_inf_3dhp.make(4, subjects, tests)
    folder = mpi_inf_3dhp.write_nested(tmp_path / "data", truth, original=True)
    scores = train(
        "mpi_inf_3dhp",
        folder,
        tmp_path,
        f"data.options.subjects={list(subjects)}",
        f"data.options.test_subjects={list(tests)}",
    )
    assert scores["frames"] == sum(int(truth.valid[name].sum()) for name in tests)
    assert set(scores["actions"]) == {"studio with green screen", "studio", "outdoor"}


@pytest.mark.parametrize("task", ["2Dto3D", "I2Dto3D"])
def test_h3wb(tmp_path, task):
    folder = h3wb.write_tasks(tmp_path / "data", h3wb.make(2), h3wb.make_test(task, 2), task)
    scores = train("h3wb", folder, tmp_path, f"data.options.task={task}")
    assert scores["frames"] == 16
    assert set(scores["actions"]) == {"Directions", "Photo"}


@pytest.mark.parametrize("name", ["mpi_inf_3dhp", "h3wb"])
def test_only_the_folder_is_to_be_set(name):
    assert building.check(recipes.load(name)) == ["data.options.folder"]
