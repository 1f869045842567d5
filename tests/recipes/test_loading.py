"""Recipes are read strictly: each mistake gets one sentence that says what was meant."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from keras_seal import recipes
from keras_seal.errors import UserError
from keras_seal.recipes.problems import known_keys
from keras_seal.recipes.schema import Recipe

SEAL = """
name: test
data: {source: synthetic}
pose_net: {name: SimpleBaseline}
loss_net: {name: MLPLossNet}
training: {epochs: 2}
"""
PLAIN = """
name: test
data: {source: synthetic}
pose_net: {name: SimpleBaseline}
training: {epochs: 2}
"""

MISTAKES = [
    (
        "training.optimzer.lr=3",
        "Unknown key 'training.optimzer'. Did you mean 'training.optimizer'?",
    ),
    ("batchsize=3", "Unknown key 'batchsize'. Known there: name, description"),
    ("epochs=3", "Unknown key 'epochs'. Did you mean 'training.epochs'?"),
    ("batch_size=3", "Unknown key 'batch_size'. Did you mean 'data.batch_size'?"),
    (
        "training.optimizer.learning_rte=3",
        "Unknown key 'training.optimizer.learning_rte'."
        " Did you mean 'training.optimizer.learning_rate'?",
    ),
    (
        "training.optimizer.learning_rate={schedule: cosine, initial: 1, finl: 0}",
        "Unknown key 'training.optimizer.learning_rate.finl'."
        " Did you mean 'training.optimizer.learning_rate.final'?",
    ),
    ("training.epochs=ten", "training.epochs: got 'ten' (text), expected a whole number."),
    ("training.epochs=1.5", "training.epochs: got 1.5, expected a whole number."),
    ("training.epochs='3'", "training.epochs: got '3' (text), expected a whole number."),
    ("training.epochs=true", "training.epochs: got true, expected a whole number."),
    ("training.epochs=0", "training.epochs: got 0, expected a number of at least 1."),
    ("training.epochs=", "training.epochs: got null, expected a whole number."),
    ("data.flip=3", "data.flip: got 3, expected true or false."),
    ("data=3", "data: got 3, expected a group of keys."),
    ("data.options=[1]", "data.options: got a list, expected a group of keys."),
    ("evaluation.metrics=mpjpe", "evaluation.metrics: got 'mpjpe' (text), expected a list."),
    ("evaluation.metrics=[mpjpe, 3]", "evaluation.metrics.1: got 3, expected text."),
    (
        "evaluation.metrics=[lse]",
        "evaluation.select: got 'val_mpjpe', expected val_ and a name of evaluation.metrics:"
        " val_lse.",
    ),
    (
        "evaluation={metrics: [mpjpe, pck], select: val_pck}",
        "evaluation.select: got 'val_pck', which is best when it is highest; expected an error, of"
        " which the lowest is kept, for instance val_mpjpe.",
    ),
    (
        "training.precision=mixed_flot16",
        "training.precision: got 'mixed_flot16' (text), expected one of float32, mixed_float16,"
        " mixed_bfloat16. Did you mean 'mixed_float16'?",
    ),
    (
        "training.jit_compile=maybe",
        "training.jit_compile: got 'maybe' (text), expected one of auto, true, false.",
    ),
    (
        "training.ema_decay=1.0",
        "training.ema_decay: got 1.0, expected a number of less than 1.0.",
    ),
    ("seal=3", "seal: got 3, expected a group of keys."),
    (
        "seal.mode=statc",
        "seal.mode: got 'statc' (text), expected one of dynamic, static. Did you mean 'static'?",
    ),
    ("seal.energy_weight=-1", "seal.energy_weight: got -1, expected a number of at least 0.0."),
    ("seal.energy_weight=.inf", "seal.energy_weight: got inf, expected a finite number."),
    ("seal.energy_weight=low", "seal.energy_weight: got 'low' (text), expected a number."),
    (
        "seal.energy_weight={schedule: cosin, end: 1}",
        "seal.energy_weight.schedule: got 'cosin' (text), expected one of linear, cosine, warmup."
        " Did you mean 'cosine'?",
    ),
    (
        "seal.energy_weight={controller: force, target: 0.1}",
        "seal.energy_weight.controller: got 'force' (text), expected one of force_ratio,"
        " alignment.",
    ),
    ("seal.energy_weight={schedule: linear}", "Missing key 'seal.energy_weight.end'."),
    (
        "seal.energy_weight={end: 1}",
        "seal.energy_weight.schedule: got nothing, expected one of linear, cosine, warmup.",
    ),
    (
        "seal.objective={name: nce, margin: 3}",
        "Unknown key 'seal.objective.margin'. Known there: name, temperature.",
    ),
    (
        "seal.objective={name: margin, margin: -1}",
        "seal.objective: margin is -1.0, expected at least 0, or hinge: false.",
    ),
    ("seal.objective=margin", "seal.objective: got 'margin' (text), expected a group of keys"),
    (
        "seal.mode=static",
        "seal.mode: 'static' needs a trained loss-net; give the path of its .keras file as"
        " loss_net.path, or say in `pretraining` how it is trained first.",
    ),
    ("pose_net={}", "pose_net: got neither of name and path, expected one of them."),
    ("pose_net.path=x.keras", "pose_net: got both of name and path, expected one of them."),
    ("name=a/b", "name: got 'a/b' (text), expected letters, digits, '_', '.' and '-' only."),
    ("seed=-1", "seed: got -1, expected a number of at least 0."),
    ("backend=theano", "backend: got 'theano' (text), expected one of tensorflow, jax, torch."),
    ("training.epochs.x=3", "--set training.epochs.x: 'training.epochs' is 2 and has no keys;"),
    ("training", "--set training: expected KEY=VALUE, as in --set training.epochs=5."),
    ("=3", "--set =3: expected KEY=VALUE"),
    ("training..epochs=3", "--set training..epochs=3: expected KEY=VALUE"),
    ("training.epochs=[", "--set training.epochs: '[' is no valid YAML"),
]


@pytest.mark.parametrize(("override", "sentence"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_gets_one_sentence(override, sentence):
    with pytest.raises(UserError) as caught:
        recipes.parse(SEAL, [override])
    message = str(caught.value)
    assert sentence in message
    assert "\n" not in message


def test_several_mistakes_get_a_line_each():
    with pytest.raises(UserError) as caught:
        recipes.parse(SEAL, ["training.epochs=x", "dta.source=y", "seed=1.5"], origin="my.yaml")
    assert sorted(str(caught.value).splitlines()) == [
        "Unknown key 'dta'. Did you mean 'data'?",
        "my.yaml has 3 problems:",
        "seed: got 1.5, expected a whole number.",
        "training.epochs: got 'x' (text), expected a whole number.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "got null, expected a recipe's keys"),
        ("- 1", "got a list, expected a recipe's keys"),
        ("a: [1", "no valid YAML"),
        ("name: a\nname: b", "the key 'name' stands twice (line 2, column 1)"),
        ("x: !!python/object:os.system {}", "no valid YAML"),
        (PLAIN + "seal: {energy_weight: 1.0}", "seal: given without a loss_net"),
        (
            PLAIN.replace("epochs: 2", "epochs: 2, loss_net_optimizer: {}"),
            "training.loss_net_optimizer: given without a loss_net",
        ),
    ],
)
def test_a_bad_file_gets_one_sentence(text, sentence):
    with pytest.raises(UserError) as caught:
        recipes.parse(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_are_read_as_people_write_them():
    recipe = recipes.parse(
        SEAL, ["seal.energy_weight=2e-3", "training.optimizer.learning_rate=1E+1", "seed=7"]
    )
    assert recipe.seal.energy_weight == 2e-3
    assert recipe.training.optimizer.learning_rate == 10.0
    assert recipe.seed == 7


def test_later_overrides_win_and_groups_can_be_set_whole():
    recipe = recipes.parse(
        SEAL,
        [
            "training.epochs=5",
            "training.epochs=7",
            "seal.energy_weight={schedule: linear, end: 1e-2}",
            "seal.energy_weight.epochs=3",
            "data.options.frames=100",
        ],
    )
    assert recipe.training.epochs == 7
    assert (recipe.seal.energy_weight.end, recipe.seal.energy_weight.epochs) == (0.01, 3.0)
    assert recipe.data.options == {"frames": 100}


def test_a_loss_net_brings_the_defaults_of_seal():
    recipe = recipes.parse(SEAL)
    assert recipe.seal.mode == "dynamic"
    assert recipe.training.loss_net_optimizer.name == "adam"
    static = ["loss_net={path: net.keras}", "seal.mode=static"]
    assert recipes.parse(SEAL, static).training.loss_net_optimizer is None
    assert recipes.parse(PLAIN).seal is None


@pytest.mark.parametrize("name", recipes.names())
def test_built_in_recipes_survive_being_written_out(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert recipe.description
    assert recipes.parse(recipes.to_yaml(recipe)) == recipe
    # Written out, nothing is left to a default that might change.
    written = yaml.safe_load(recipes.to_yaml(recipe))
    assert set(written) == set(Recipe.model_fields)


def test_there_are_the_recipes_that_the_documents_name():
    assert {
        "quickstart",
        "mocap_simple_baseline",
        "mocap_simple_baseline_seal",
        "mocap_sem_gcn",
        "mocap_sem_gcn_seal",
    } <= set(recipes.names())


@pytest.mark.parametrize("net", ["simple_baseline", "sem_gcn"])
def test_pairs_of_recipes_differ_by_seal_alone(net):
    plain = recipes.load(f"mocap_{net}").model_dump()
    seal = recipes.load(f"mocap_{net}_seal").model_dump()
    assert seal.pop("loss_net")["name"] and seal.pop("seal")
    assert seal["training"].pop("loss_net_optimizer")
    for recipe in (plain, seal):
        del recipe["name"], recipe["description"]
    for key in ("loss_net", "seal"):
        assert plain.pop(key) is None
    assert plain["training"].pop("loss_net_optimizer") is None
    assert plain == seal


@pytest.mark.parametrize("name", ["h36m", "h36m_cpn", "mpi_inf_3dhp", "h3wb"])
def test_recipes_of_benchmarks_learn_with_the_variant_seal(name):
    recipe, varied = recipes.load(name), recipes.load(f"{name}+seal")
    assert f"{name}+baseline" in recipes.find(name).read_text()
    plain = recipes.load(f"{name}+baseline")
    assert plain.loss_net is None and plain.seal is None
    assert recipe.loss_net == varied.loss_net
    assert recipe.seal.energy_weight.weight.target.value == 1.0
    # Epochs of H3WB are short: there the energy waits for more of them.
    assert (recipe.seal == varied.seal) == (name != "h3wb")


def test_finding_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipes.find("quickstart").is_file()
    (tmp_path / "mine.yaml").write_text(PLAIN)
    assert recipes.load("mine.yaml").name == "test"
    for name, sentence in {
        "quickstrat": "Did you mean 'quickstart'?",
        "nowhere/mine.yaml": "There is no recipe nowhere/mine.yaml.",
        "recipes/quickstart.yaml": "There is a built-in one: 'quickstart'.",
        ".": "is a folder, expected a recipe's YAML file",
    }.items():
        with pytest.raises(UserError, match=r".") as caught:
            recipes.load(name)
        assert sentence in str(caught.value)


def test_every_key_is_known_by_its_dotted_name():
    keys = known_keys(Recipe)
    assert len(keys) == len(set(keys))
    assert {"data.batch_size", "seal.energy_weight.rise_epochs", "seal.objective.margin"} <= set(
        keys
    )


def test_reading_recipes_needs_no_keras():
    code = (
        "import sys; from keras_seal import recipes; recipes.load('quickstart');"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
