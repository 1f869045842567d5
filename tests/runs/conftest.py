"""A recipe small enough to be trained again and again."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import recipes, runs

TINY = """
name: tiny
description: Small enough for tests.
data:
  source: synthetic
  options: {frames: 60, validation_frames: 30, test_frames: 30, duration: 1, cameras: 2,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 32
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
loss_net: {name: MLPLossNet, options: {units: 8, num_stages: 1}}
seal: {energy_weight: {schedule: warmup, value: 1e-2, wait_epochs: 1}}
training:
  epochs: 4
  ema_decay: 0.5
  deterministic: false  # it would hold for the whole test process
  optimizer: {learning_rate: {schedule: cosine, initial: 1e-2}}
evaluation: {metrics: [mpjpe, lse]}
callbacks: {pose_plots: {every: 0}, energy_plots: 0}
"""


@pytest.fixture(scope="session")
def tiny():
    """Makes the recipe, with changes."""
    return lambda *overrides: recipes.parse(TINY, overrides)


@pytest.fixture
def start(no_pictures, tiny, cache_dir, tmp_path):
    """Trains in a folder of its own; returns the folder and what was said."""

    def run(*overrides, note=None, out=None):
        said = []
        folder = runs.start(
            tiny(*overrides), out or tmp_path / "run", cache_dir=cache_dir, note=note or said.append
        )
        return folder, said

    return run


@pytest.fixture
def resume(no_pictures, cache_dir):
    def run(folder, note=None):
        said = []
        runs.resume(folder, cache_dir=cache_dir, note=note or said.append)
        return said

    return run


@pytest.fixture(scope="session")
def reference(tiny, cache_dir, tmp_path_factory):
    """The run of the unchanged recipe, never interrupted."""
    return runs.start(
        tiny(), tmp_path_factory.mktemp("runs") / "run", cache_dir=cache_dir, note=lambda line: None
    )


def assert_same_end(folder, other):
    """Compare two finished runs to the bit: state, chosen weights, logs and figures."""
    theirs, ours = (runs.Checkpoints(run.checkpoints).latest() for run in (other, folder))
    assert ours.epoch == theirs.epoch
    assert set(ours.arrays) == set(theirs.arrays)
    for name, array in theirs.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array, err_msg=name)
    assert without_seconds(ours.progress["history"]) == without_seconds(theirs.progress["history"])
    assert folder.metrics.read_text() == other.metrics.read_text()
    lines, expected = (run.log.read_text().splitlines() for run in (folder, other))
    assert lines[0] == expected[0]
    assert len(lines) == len(expected)


def without_seconds(history):
    return [{name: row[name] for name in row if name != "seconds"} for row in history]
