"""Search spaces: every key and value is tried against the schema before anything runs."""

from __future__ import annotations

import pytest

from keras_seal import recipes
from keras_seal.errors import UserError
from keras_seal.recipes.search_space import SearchSpace

BASE = """
name: test
data: {source: synthetic}
pose_net: {name: SimpleBaseline, options: {units: 16}}
loss_net: {name: MLPLossNet, options: {units: 16}}
seal: {objective: {name: margin, margin: 5.0}}
training: {epochs: 2, optimizer: {learning_rate: 1e-3, clip_norm: 1.0}}
"""


def space(tune):
    return SearchSpace(recipes.parse(BASE, [f"tune={tune}"]))


@pytest.mark.parametrize(
    ("tune", "told"),
    [
        (
            "{parameters: {seal.energy_wieght: [0.0, 1.0]}}",
            "Unknown key 'seal.energy_wieght'. Did you mean 'seal.energy_weight'?",
        ),
        (
            "{parameters: {seal.energy_weight: [0.0, -1.0]}}",
            "tune.parameters.seal.energy_weight: -1: seal.energy_weight: got -1.0, expected a"
            " number of at least 0",
        ),
        (
            "{parameters: {training.epochs: {low: 0, high: 3}}}",
            "tune.parameters.training.epochs: 0: training.epochs: got 0, expected a number of at"
            " least 1.",
        ),
        (
            "{parameters: {seal.energy_weight: {low: 1.0, hgh: 2.0}}}",
            "Did you mean 'tune.parameters.seal.energy_weight.high'?",
        ),
        (
            "{parameters: {seal.energy_weight: {low: 0.1, high: 1.0, scale: lgo}}}",
            "tune.parameters.seal.energy_weight.scale: got 'lgo' (text), expected one of linear,"
            " log. Did you mean 'log'?",
        ),
        ("{parameters: {seal.energy_weight: {low: 2.0, high: 1.0}}}", "low must be less"),
        ("{parameters: {seal.energy_weight: {low: 0, high: 1, scale: log}}}", "more than 0"),
        ("{parameters: {seal.energy_weight: [1.0]}}", "expected at least two"),
        ("{parameters: {seal.energy_weight: [1.0, 1.0]}}", "stands there twice"),
        ("{parameters: {seal.energy_weight: 3}}", "expected a group of keys"),
        (
            "{parameters: {seal.negatives: [[{name: prediction}], [{name: scaled_bones}]]}}",
            "groups and lists need a name each",
        ),
        (
            "{parameters: {loss_net.options.units.a: [1, 2]}}",
            "'loss_net.options.units' is 16 and has no keys",
        ),
        ("{parameters: {data.options.noise: [0, 1]}}", "on other data cannot be compared"),
        (
            "{objective: test_mpjpe, parameters: {seal.energy_weight: [0.0, 1.0]}}",
            "tune.objective: got 'test_mpjpe', but what chooses by the test split fits it",
        ),
        (
            "{objective: val_lse, parameters: {seal.energy_weight: [0.0, 1.0]}}",
            "tune.objective: got 'val_lse', expected val_ and a name of evaluation.metrics",
        ),
        (
            "{parameters: {seal.objective.name: [margin, nce],"
            " seal.objective.margin: {low: 1, high: 9, when: {seal.objective.name: margni}}}}",
            "has no choice 'margni'. Did you mean 'margin'?",
        ),
    ],
)
def test_mistakes_are_told(tune, told):
    with pytest.raises(UserError) as caught:
        space(tune)
    assert told in str(caught.value)


def test_evaluation_cannot_select_by_the_test_split():
    with pytest.raises(UserError, match="fits it, and then nothing is left to report"):
        recipes.parse(BASE, ["evaluation.select=test_mpjpe"])


def test_a_recipe_without_a_space_says_how_to_give_one():
    with pytest.raises(UserError, match="has no key 'tune'"):
        SearchSpace(recipes.parse(BASE))


def test_trials_are_recipes():
    tuned = space(
        "{parameters: {"
        "training.optimizer.name: [adam, sgd],"
        "pose_net.name: [SimpleBaseline, SemGCN],"
        "seal.objective.name: [margin, nce],"
        "seal.objective.margin: {low: 1, high: 9, when: {seal.objective.name: margin}},"
        "loss_net.options.num_stages: {low: 1, high: 5, step: 2},"
        "training.optimizer.learning_rate: {low: 1e-4, high: 1e-1, scale: log},"
        "training.ema_decay: [null, 0.9], data.flip: [true, false],"
        "seal.negatives: {choices: {plain: [{name: prediction}],"
        " both: [{name: prediction}, {name: scaled_bones}]}},"
        "seal.negatives.0.name: [prediction, rotated_bones]}}"
    )
    assert recipes.parse(recipes.to_yaml(tuned.recipe)) == tuned.recipe
    # What depends on another key comes after it.
    keys = list(tuned.parameters)
    assert keys.index("seal.objective.name") < keys.index("seal.objective.margin")
    assert tuned.conditions("seal.objective.margin") == [("seal.objective.name", ["margin"])]
    # A margin may be any number, though its bounds are whole; an option goes by how it is written.
    assert not tuned.is_whole("seal.objective.margin")
    assert tuned.is_whole("loss_net.options.num_stages")

    recipe = tuned.trial(
        {
            "training.optimizer.name": "sgd",
            "pose_net.name": "SemGCN",
            "seal.objective.name": "nce",
            "loss_net.options.num_stages": 3.0,
            # As it comes from another process, in single precision.
            "training.optimizer.learning_rate": 0.0123456788,
            "training.ema_decay": "null",
            "data.flip": "false",
            "seal.negatives": "both",
            "seal.negatives.0.name": "rotated_bones",
        }
    )
    assert recipe.tune is None
    # Another optimizer keeps what it knows as well; another net has none of the old one's options,
    # and another objective no margin.
    assert recipe.training.optimizer.name == "sgd"
    assert recipe.training.optimizer.clip_norm == 1.0
    assert recipe.training.optimizer.learning_rate == 0.0123457
    assert recipe.pose_net.options == {}
    assert recipe.seal.objective.model_dump() == {"name": "nce", "temperature": 1.0}
    assert recipe.loss_net.options == {"units": 16, "num_stages": 3}
    assert recipe.training.ema_decay is None
    assert recipe.data.flip is False
    assert [maker.name for maker in recipe.seal.negatives] == ["rotated_bones", "scaled_bones"]
    # Rounding must not leave the range.
    assert tuned.value("training.optimizer.learning_rate", 0.10000000149) == 0.1
    margin = tuned.trial({"seal.objective.name": "margin", "seal.objective.margin": 2.5})
    assert margin.seal.objective.margin == 2.5
    assert margin.pose_net.options == {"units": 16}


def test_the_shipped_recipe_has_a_space():
    recipe = recipes.load("tune_energy_weight")
    assert list(SearchSpace(recipe).parameters) == ["seal.energy_weight"]
