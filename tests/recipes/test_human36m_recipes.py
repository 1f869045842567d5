"""The recipes for Human3.6M train, on a miniature of the files that people have."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal import recipes
from keras_seal.recipes import building
from tests.data.published import human36m as published


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published.write_videopose3d(
        tmp_path_factory.mktemp("human36m"), published.make_takes(frames=8)
    )


@pytest.mark.parametrize(
    ("name", "small", "joints"),
    [
        ("h36m", ["pose_net.options={filters: 8, num_blocks: 1}"], 16),
        ("h36m_cpn", ["pose_net.options={units: 16, num_stages: 1, dropout: 0}"], 17),
    ],
)
def test_recipes_train_on_the_published_files(folder, tmp_path, name, small, joints):
    recipe = recipes.load(
        name,
        [
            f"data.options.folder={folder}",
            "data.batch_size=64",
            "loss_net.options={units: 16, num_stages: 1, dropout: 0}",
            "training.epochs=3",
            "seal.energy_weight=1e-3",
            "training.optimizer.learning_rate=0.01",
            *small,
        ],
    )
    splits = building.build_splits(recipe, tmp_path)
    assert splits.skeleton.num_joints == joints
    model = building.build_model(recipe, splits.train.num_channels)
    windows = building.build_windows(recipe, splits.train, 1, training=True)
    validation = building.build_windows(recipe, splits.validation, 1, training=False)
    building.compile_model(model, recipe, len(windows))
    history = model.fit(windows, validation_data=validation, epochs=3, verbose=0).history
    assert np.isfinite([values for values in history.values()]).all()
    assert history["loss"][-1] < history["loss"][0]
    # Metrics are in millimetres: untrained nets are off by decimetres, not by metres or microns.
    assert 50 < history["val_mpjpe"][0] < 2000
