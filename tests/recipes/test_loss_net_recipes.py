"""Negatives, controllers and pretraining of a loss-net, as recipes tell them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import negatives, recipes
from keras_seal.errors import UserError
from keras_seal.recipes import building
from keras_seal.runs import pretraining
from keras_seal.training import AlignmentGuard, ForceRatio

TINY = """
name: tiny
data:
  source: synthetic
  options: {frames: 60, validation_frames: 30, test_frames: 30, duration: 1, cameras: 1,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 16
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
loss_net: {name: MLPLossNet, options: {units: 8, num_stages: 1, pose_features: [shape]}}
training: {epochs: 4}
"""
MIX = """seal.negatives=[{name: prediction}, {name: mix, options: {shares: [2, 1], makers: [
  {name: rotated_bones, options: {high: {schedule: linear, start: 20, end: 5, epochs: 2}}},
  {name: gradient_ascent, options: {steps: 2, start: {name: gaussian_joints}}}]}}]"""


def test_negatives_and_controllers_are_heard():
    overrides = [
        MIX,
        "seal.energy_weight={controller: alignment, full: 0.1, weight: {controller: force_ratio,"
        " target: {schedule: warmup, value: 0.3, rise_epochs: 2}}}",
        "seal.gradient_penalty=0.5",
        "seed=3",
    ]
    recipe = recipes.parse(TINY, overrides)
    assert recipes.parse(recipes.to_yaml(recipe)) == recipe
    model = building.build_model(recipe, steps_per_epoch=lambda out_frames: 10 * out_frames)
    building.compile_model(model, recipe, steps_per_epoch=10)
    prediction, mix = model.negatives
    assert isinstance(prediction, negatives.Prediction) and mix.shares == pytest.approx(
        (2 / 3, 1 / 3)
    )
    rotated, ascent = mix.makers
    assert [float(rotated.high(step)) for step in (0, 20)] == [20, 5]
    assert ascent.steps == 2 and isinstance(ascent.start, negatives.GaussianJoints)
    assert rotated.seed != ascent.start.seed
    guard = model.get_compile_config()["energy_weight"]
    guard = keras.saving.deserialize_keras_object(guard)
    assert isinstance(guard, AlignmentGuard) and guard.full == 0.1
    assert isinstance(guard.weight, ForceRatio) and float(guard.weight.target(20)) == pytest.approx(
        0.3
    )
    assert float(ops.convert_to_numpy(model.coefficients["gradient_penalty"])) == 0.5


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("seal.negatives=[{name: predicton}]", "seal.negatives.0.name: No maker of negatives"),
        ("seal.negatives=[{nam: prediction}]", "'seal.negatives.0.name'"),
        ("seal.negatives=[]", "seal.negatives: there is no maker"),
        (
            "seal.negatives=[{name: scaled_bones, options: {hihg: 1}}]",
            "seal.negatives.0.options.hihg: ScaledBones has no such option. Did you mean 'high'",
        ),
        ("seal.negatives=[{name: scaled_bones, options: {high: 2}}]", "ScaledBones refuses them"),
        ("seal.negatives=[{name: mix}]", "seal.negatives.0.options.makers: got None"),
        (
            "seal.negatives=[{name: mix, options: {makers: [{name: replay, options: {x: 1}}]}}]",
            "seal.negatives.0.options.makers.0.options.x",
        ),
        ("seal.negatives=[{name: gradient_ascent}]", "seal.negatives.0.options.start"),
        (
            "seal.negatives=[{name: rotated_bones, options: {high: {schedule: linear, ends: 1}}}]",
            "seal.negatives.0.options.high",
        ),
        ("seal.energy_weight={controller: force}", "seal.energy_weight"),
        ("pretraining={objective: {name: margin}}", "objective 'margin' needs some"),
        ("pretraining={negatives: [{name: mix}]}", "makes its own noise"),
    ],
)
def test_mistakes_are_explained(override, sentence):
    with pytest.raises(UserError) as caught:
        building.check(recipes.parse(TINY, [override]))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("negative", ["null", "[{name: other_samples}, {name: swapped_sides}]"])
def test_a_loss_net_is_trained_alone_and_used_by_another_pose_net(tmp_path, negative):
    objective = "denoising" if negative == "null" else "margin"
    overrides = [
        "loss_net={name: GCNLossNet, options: {units: 8, num_blocks: 1}}",
        f"pretraining={{epochs: 2, objective: {{name: {objective}}}, negatives: {negative}}}",
    ]
    recipe = recipes.parse(TINY, overrides)
    path, told = tmp_path / "loss_net.keras", []
    history = pretraining.pretrain(recipe, path, cache_dir=tmp_path, note=told.append)
    assert len(history["loss"]) == len(history["val_loss"]) == 2 and str(path) in told[-1]
    other = recipes.parse(
        TINY,
        [
            f"loss_net={{path: {path}}}",
            "seal={mode: static, energy_weight: {controller: force_ratio}}",
            "pose_net={name: SemGCN, options: {filters: 8, num_blocks: 1}}",
        ],
    )
    model = building.build_model(other)
    building.compile_model(model, other, steps_per_epoch=10)
    trained = keras.models.load_model(path).get_weights()
    x, y = np.zeros((4, 1, 17, 2), "float32"), np.ones((4, 1, 17, 3), "float32")
    model.train_on_batch(x, y)
    for old, new in zip(trained, model.loss_net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_pretraining_needs_a_loss_net_and_no_predictions(tmp_path):
    plain = recipes.parse(TINY.replace("loss_net:", "#"))
    with pytest.raises(UserError, match="has none to train"):
        pretraining.pretrain(plain, tmp_path / "x.keras", cache_dir=tmp_path)
    recipe = recipes.parse(
        TINY, ["pretraining={objective: {name: nce}, negatives: [{name: prediction}]}"]
    )
    with pytest.raises(UserError, match="no pose-net here"):
        pretraining.pretrain(recipe, tmp_path / "x.keras", cache_dir=tmp_path)
    assert not (tmp_path / "x.keras").exists()
