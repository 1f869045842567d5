"""A recipe that is searched in no time."""

from __future__ import annotations

import pytest

from keras_seal import recipes

TINY = """
name: tiny
data:
  source: synthetic
  options: {frames: 40, validation_frames: 20, test_frames: 20, duration: 1, cameras: 2,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 32
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
loss_net: {name: MLPLossNet, options: {units: 8, num_stages: 1}}
training: {epochs: 3, deterministic: false}  # it would hold for the whole test process
callbacks: {pose_plots: {every: 0}, energy_monitor: false, tensorboard: false}
tune:
  parameters:
    seal.energy_weight: {low: 1e-4, high: 1e-1, scale: log}
    seal.objective.name: [margin, nce]
    seal.objective.margin: {low: 1.0, high: 20.0, when: {seal.objective.name: margin}}
"""


@pytest.fixture(scope="session")
def tiny():
    """Makes the recipe, with changes."""
    return lambda *overrides: recipes.parse(TINY, overrides)
