"""What a recipe says is what is built, and what cannot be built is explained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import losses, recipes
from keras_seal.errors import UserError
from keras_seal.recipes import building
from keras_seal.recipes.optimizers import build_energy_weight, build_learning_rate
from keras_seal.training import Ramp

TINY = """
name: tiny
data:
  source: synthetic
  options: {frames: 60, validation_frames: 30, test_frames: 30, duration: 1, cameras: 1,
            train_subjects: 2, validation_subjects: 1, test_subjects: 1}
  batch_size: 16
pose_net: {name: SimpleBaseline, options: {units: 8, num_stages: 1}}
loss_net: {name: MLPLossNet, options: {units: 8, num_stages: 1}}
training: {epochs: 4}
"""


def build(*overrides: str):
    recipe = recipes.parse(TINY, overrides)
    model = building.build_model(recipe)
    building.compile_model(model, recipe, steps_per_epoch=10)
    return model


def test_every_key_of_the_training_is_heard():
    model = build(
        "seal.energy_weight=0.25",
        "seal.objective={name: regression, distance: l1, scale: 3}",
        "seal.negatives_pass=inference",
        "training.optimizer={name: adamw, learning_rate: 0.5, weight_decay: 0.125, clip_norm: 2,"
        " options: {beta_1: 0.75}}",
        "training.loss_net_optimizer={name: sgd, learning_rate: 0.0625, options: {momentum: 0.5}}",
        "training.loss=mse",
        "training.ema_decay=0.875",
        "training.gradient_accumulation=2",
        "training.jit_compile=false",
        "evaluation={metrics: [mpjpe, lse_percent], select: val_lse_percent}",
    )
    pose, loss_net = model.optimizer.optimizers
    assert isinstance(pose, keras.optimizers.AdamW)
    assert (float(pose.learning_rate), pose.weight_decay, pose.beta_1) == (0.5, 0.125, 0.75)
    assert (pose.global_clipnorm, pose.use_ema, pose.ema_momentum) == (2.0, True, 0.875)
    assert pose.gradient_accumulation_steps == 2
    assert isinstance(loss_net, keras.optimizers.SGD)
    assert (float(loss_net.learning_rate), loss_net.momentum) == (0.0625, 0.5)
    assert (loss_net.gradient_accumulation_steps, loss_net.use_ema) == (2, False)
    assert float(model.energy_weight) == 0.25
    objective = model.energy_objective
    assert isinstance(objective, losses.EnergyRegression)
    assert (objective.scale, objective.distance) == (3.0, "l1")
    assert (model.mode, model.negatives_pass) == ("dynamic", "inference")
    assert isinstance(model.loss, losses.MSE)
    assert model.jit_compile is False
    metrics = building.build_metrics(
        recipes.parse(TINY, ["evaluation.metrics=[mpjpe, lse_percent]"]), 1
    )
    assert [metric.name for metric in metrics] == ["mpjpe", "lse_percent"]


def test_precision_reaches_both_networks_and_no_other():
    model = build("training.precision=mixed_bfloat16")
    for net in (model.pose_net, model.loss_net):
        assert "mixed_bfloat16" in {layer.dtype_policy.name for layer in net._flatten_layers()}
    assert keras.config.dtype_policy().name == "float32"


def test_steps_per_execution_is_heard():
    if keras.backend.backend() == "torch":
        with pytest.raises(UserError, match=r"training: .*steps_per_execution"):
            build("training.steps_per_execution=2")
    else:
        assert build("training.steps_per_execution=2").steps_per_execution == 2


def test_xla_and_determinism_do_not_go_together_on_tensorflow():
    both = ["training.jit_compile=true", "training.deterministic=true"]
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(UserError, match=r"training\.jit_compile: true does not go with"):
            build(*both)
    else:
        build(*both)


def schedule(section: str, steps_per_epoch: float = 10, epochs: int = 4):
    recipe = recipes.parse(TINY, [f"training.optimizer.learning_rate={section}"])
    rate = recipe.training.optimizer.learning_rate
    return build_learning_rate(rate, epochs, steps_per_epoch)


def values(function, *steps):
    return [round(float(keras.ops.convert_to_numpy(function(step))), 6) for step in steps]


def test_learning_rates_are_told_in_epochs():
    assert schedule("0.5") == 0.5
    cosine = schedule("{schedule: cosine, initial: 1.0, final: 0.5}")
    assert values(cosine, 0, 20, 40, 99) == [1.0, 0.75, 0.5, 0.5]
    warm = schedule("{schedule: cosine, initial: 1.0, warmup_epochs: 1, epochs: 3}")
    assert values(warm, 0, 5, 10, 20, 30) == [0.0, 0.5, 1.0, 0.5, 0.0]
    linear = schedule("{schedule: linear, initial: 1.0, final: 0.2, epochs: 2}")
    assert values(linear, 0, 10, 20, 30) == [1.0, 0.6, 0.2, 0.2]
    exponential = schedule("{schedule: exponential, initial: 1.0, rate: 0.25, epochs: 2}")
    assert values(exponential, 0, 10, 20) == [1.0, 0.5, 0.25]
    stairs = schedule("{schedule: exponential, initial: 1.0, rate: 0.25, staircase: true}")
    assert values(stairs, 9, 10, 19, 20) == [1.0, 0.25, 0.25, 0.0625]


def test_learning_rates_count_updates_where_gradients_are_accumulated():
    model = build(
        "training.optimizer.learning_rate={schedule: linear, initial: 1.0}",
        "training.gradient_accumulation=2",
    )
    rate = model.optimizer.optimizers[0]._learning_rate
    # 4 epochs of 10 batches are 20 updates.
    assert values(rate, 0, 10, 20) == [1.0, 0.5, 0.0]


def test_energy_weights_are_told_in_epochs():
    def ramp(section):
        recipe = recipes.parse(TINY, [f"seal.energy_weight={section}"])
        return build_energy_weight(recipe.seal.energy_weight, 4, 10)

    assert ramp("0.5") == 0.5
    assert values(ramp("{schedule: linear, end: 1.0}"), 0, 10, 40, 50) == [0.0, 0.25, 1.0, 1.0]
    cosine = ramp("{schedule: cosine, start: 2.0, end: 1.0, epochs: 2}")
    assert values(cosine, 0, 5, 10, 20, 30) == [2.0, 1.853553, 1.5, 1.0, 1.0]
    warmup = ramp("{schedule: warmup, value: 0.5, wait_epochs: 1, rise_epochs: 2}")
    assert values(warmup, 0, 10, 20, 30, 99) == [0.0, 0.0, 0.25, 0.5, 0.5]


def test_ramps_survive_saving():
    ramp = Ramp(0.0, 1.0, ramp_steps=10, wait_steps=5, shape="cosine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ramp))
    assert again.get_config() == ramp.get_config()
    with pytest.raises(ValueError, match="ramp_steps is 0"):
        Ramp(0.0, 1.0, ramp_steps=0)
    with pytest.raises(ValueError, match="shape is 'steps'"):
        Ramp(0.0, 1.0, ramp_steps=1, shape="steps")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("skeleton=human36m_71", "skeleton: There is no built-in skeleton 'human36m_71'. Did you"),
        ("skeleton=nowhere.yaml", "skeleton: "),
        ("data.source=syntetic", "data.source: There is no data source 'syntetic'. Did you mean"),
        ("data.options.frams=3", "data.options: The data source 'synthetic' has no option 'frams'"),
        ("data.options.frames=many", "data.options: Wrong value for option 'frames'"),
        ("pose_net.name=SimpleBasline", "Did you mean 'SimpleBaseline'?"),
        (
            "pose_net.options.unit=3",
            "pose_net.options.unit: SimpleBaseline has no such option. Did you mean 'units'?",
        ),
        ("pose_net.options.num_frames=3", "another key of the recipe decides this"),
        ("pose_net.options.units=wide", "pose_net.options: SimpleBaseline refuses them: "),
        ("loss_net.name=MLPLosNet", "Did you mean 'MLPLossNet'?"),
        ("loss_net.options.depth=3", "loss_net.options.depth: MLPLossNet has no such option."),
        ("training.optimizer.options.beta1=3", "Did you mean 'beta_1'?"),
        ("training.optimizer.options.learning_rate=3", "another key of the recipe decides this"),
        ("evaluation.metrics=[mpjpe, mpjp]", "evaluation.metrics: There is no metric 'mpjp'."),
        ("evaluation.metrics=[mpjpe, mpjve]", "'mpjve' compares 2 frames, but the pose-net"),
        ("pose_net={path: nowhere.keras}", "pose_net.path: there is no file nowhere.keras."),
        ("loss_net={path: nowhere.keras}", "loss_net.path: there is no file nowhere.keras."),
    ],
)
def test_what_cannot_be_built_is_explained(override, sentence):
    recipe = recipes.parse(TINY, [override])
    with pytest.raises(UserError) as caught:
        building.check(recipe)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def user_net(frames=1, joints=17):
    inputs = keras.Input((frames, joints, 2))
    return keras.Model(inputs, keras.layers.Dense(3)(inputs))


def test_any_keras_model_in_a_file_will_do_as_pose_net(tmp_path):
    net = user_net()
    net.save(tmp_path / "net.keras")
    recipe = recipes.parse(TINY, [f"pose_net={{path: {tmp_path / 'net.keras'}}}"])
    built = building.build_pose_net(recipe)
    for ours, theirs in zip(built.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_networks_of_a_trained_model_can_be_taken_from_its_file(tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    path = f"{{path: {tmp_path / 'model.keras'}}}"
    recipe = recipes.parse(TINY, [f"pose_net={path}", f"loss_net={path}", "seal.mode=static"])
    again = building.build_model(recipe)
    assert again.mode == "static"
    for name in ("pose_net", "loss_net"):
        pairs = zip(getattr(again, name).weights, getattr(model, name).weights, strict=True)
        for ours, theirs in pairs:
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(UserError, match=r"training.precision: got mixed_bfloat16, but the layers"):
        building.build_pose_net(
            recipe.model_copy(
                update={
                    "training": recipe.training.model_copy(update={"precision": "mixed_bfloat16"})
                }
            )
        )


@pytest.mark.parametrize(
    ("frames", "joints", "overrides", "sentence"),
    [
        (
            3,
            17,
            [],
            "takes keypoints of shape (None, 3, 17, 2), but the data gives (None, 1, 17, 2)",
        ),
        (1, 16, [], "takes keypoints of shape (None, 1, 16, 2)"),
    ],
)
def test_a_pose_net_must_fit_the_data(tmp_path, frames, joints, overrides, sentence):
    user_net(frames, joints).save(tmp_path / "net.keras")
    recipe = recipes.parse(TINY, [f"pose_net={{path: {tmp_path / 'net.keras'}}}", *overrides])
    with pytest.raises(UserError) as caught:
        building.build_pose_net(recipe)
    assert sentence in str(caught.value)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(b"no zip")
    recipe = recipes.parse(TINY, [f"pose_net={{path: {path}}}"])
    with pytest.raises(UserError, match=r"pose_net.path: Keras cannot read"):
        building.build_pose_net(recipe)


def test_the_data_must_be_on_the_recipes_skeleton(tmp_path):
    recipe = recipes.parse(TINY, ["skeleton=human36m_16"])
    with pytest.raises(UserError, match=r"skeleton: got 'human36m_16' \(16 joints\), but the data"):
        building.build_splits(recipe, tmp_path)


def test_windows_train_in_full_batches_and_validate_every_frame(tmp_path):
    recipe = recipes.parse(TINY)
    splits = building.build_splits(recipe, tmp_path)
    train = building.build_windows(recipe, splits.train, 1, training=True)
    assert [len(x) for x, _ in train] == [16] * 3
    assert train.shuffle and train.flip and train.seed == recipe.seed
    validation = building.build_windows(recipe, splits.validation, 1, training=False)
    assert sum(len(x) for x, _ in validation) == splits.validation.num_frames
    assert not validation.shuffle and not validation.flip
    few = building.build_windows(
        recipes.parse(TINY, ["data.batch_size=1000"]), splits.train, 1, training=True
    )
    assert [len(x) for x, _ in few] == [splits.train.num_frames]


# Those of published nets extend others; test_extending builds them, their large nets made small.
@pytest.mark.parametrize(
    "name", [name for name in recipes.names() if "\nextends:" not in recipes.find(name).read_text()]
)
def test_everything_in_the_built_in_recipes_can_be_built(name):
    recipe = recipes.load(name)
    expected = [] if recipe.data.source == "synthetic" else ["data.options.folder"]
    assert building.check(recipe) == expected
