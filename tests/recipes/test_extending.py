"""Recipes that extend others, and the published trainings that are written so."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import recipes, skeletons
from keras_seal.errors import UserError
from keras_seal.recipes import building, loading
from keras_seal.recipes.optimizers import build_learning_rate
from tests.data.published import human36m as published

PUBLISHED = [
    name
    for name in recipes.names()
    if "extends:" in (loading.builtin_folder() / f"{name}.yaml").read_text()
]
_TRANSFORMER = {"channels": 8, "num_blocks": 1, "num_heads": 2}
TINY = {
    "DSTformer": {"channels": 8, "num_layers": 1, "num_heads": 2, "representation": 8},
    "GraphMLP": {"filters": 8, "num_blocks": 1, "joint_units": 8},
    "MotionAGFormer": {"channels": 8, "num_layers": 1, "num_heads": 2, "representation": 8},
    "PSTMO": {"channels": 8, "hidden": 8, "num_blocks": 1, "num_heads": 2},
    "PoseFormer": {"joint_channels": 4, "num_blocks": 1, "num_heads": 2},
    "PoseFormerV2": {"joint_channels": 4, "num_blocks": 1, "num_heads": 2},
    "SimpleBaseline": {"units": 8, "num_stages": 1},
    "VideoPose3D": {"filters": 8},
    "SemGCN": {"filters": 8, "num_blocks": 1},
    "ModulatedGCN": {"filters": 8, "num_blocks": 1},
    "MixSTE": _TRANSFORMER,
    "KTPFormer": _TRANSFORMER,
    "D3DP": _TRANSFORMER,
}


@pytest.fixture
def write(tmp_path):
    def save(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return save


BASE = """
name: base
data: {source: synthetic, options: {frames: 60, cameras: 2}, num_frames: 3}
pose_net: {name: MixSTE, options: {channels: 8}}
loss_net: {name: MLPLossNet}
training:
  epochs: 4
  optimizer: {name: adam, learning_rate: {schedule: exponential, initial: 1e-3, rate: 0.9}}
"""


def test_groups_are_laid_over_groups(write):
    write("base.yaml", BASE)
    recipe = recipes.load(
        write(
            "child.yaml",
            """
            extends: base.yaml
            name: child
            data: {options: {cameras: 3}}
            pose_net: {name: PoseFormer}
            loss_net: null
            training: {optimizer: {learning_rate: {initial: 2e-3}}}
            """,
        ),
        ["training.epochs=5"],
    )
    assert (recipe.name, recipe.training.epochs, recipe.loss_net) == ("child", 5, None)
    assert recipe.data.options == {"frames": 60, "cameras": 3} and recipe.data.num_frames == 3
    # Options of one network mean nothing to another; the rate is of the same kind still.
    assert recipe.pose_net.options == {}
    assert (recipe.training.optimizer.learning_rate.initial, recipe.data.source) == (
        2e-3,
        "synthetic",
    )
    assert recipe.training.optimizer.learning_rate.rate == 0.9
    assert recipes.parse(recipes.to_yaml(recipe)) == recipe


def test_later_ones_win_and_parts_lie_over_recipes(write):
    write("base.yaml", BASE)
    write("slow.yaml", "training: {optimizer: {name: adam, learning_rate: 1e-5}}")
    both = recipes.load(write("a.yaml", "extends: [base.yaml, slow.yaml]\nname: a"))
    assert both.training.optimizer.learning_rate == 1e-5
    plain, seal = (recipes.load(f"h36m_mix_ste{part}") for part in ("", "+seal"))
    assert (plain.name, seal.name) == ("h36m_mix_ste", "h36m_mix_ste_seal")
    assert plain.loss_net is None and seal.loss_net is not None
    # Nothing but SEAL differs.
    assert seal.training.model_copy(update={"loss_net_optimizer": None}) == plain.training
    assert (seal.data, seal.pose_net, seal.seed) == (plain.data, plain.pose_net, plain.seed)


def test_mistakes_are_told(write):
    write("a.yaml", "extends: b.yaml\nname: a")
    write("b.yaml", "extends: a.yaml\nname: b")
    for name, text, message in (
        ("c.yaml", "extends: a.yaml", "extends itself"),
        ("d.yaml", "extends: sael", "Did you mean 'seal'"),
        ("e.yaml", "extends: 3", "expected a name or a list"),
        ("f.yaml", "- 1", "expected a recipe's keys"),
    ):
        with pytest.raises(UserError, match=message):
            recipes.load(write(name, text))
    with pytest.raises(UserError, match="in files only"):
        recipes.parse("extends: h36m\nname: a")
    for name, message in (
        ("h36m_mix_ste+sea", "no variant 'sea' of recipes. Did you mean 'seal'"),
        ("h36m_mix_ste+human36m_papers", "no variant 'human36m_papers'"),
        ("h36m_mix_ste+mine.yaml", "no file mine.yaml"),
        ("h36m_sem_gcn+velocity", "constraints.velocity: it compares frames, .* is 1"),
        ("h36m_sem_gcn+bone_constancy", "constraints.bone_constancy: it compares frames"),
    ):
        with pytest.raises(UserError, match=message):
            recipes.load(name)
    kind = "seal.objective={name: adversarial, kind: %s}"
    with pytest.raises(UserError, match=r"seal.objective.kind: got 'hige' .*'hinge'"):
        recipes.load("h36m_sem_gcn+gan", [kind % "hige"])
    wild = [kind % "wasserstein", "seal.gradient_penalty=0"]
    with pytest.raises(UserError, match="needs a bounded slope"):
        recipes.load("h36m_sem_gcn+gan", wild)
    recipes.load("h36m_sem_gcn+gan", [*wild, "loss_net.options.spectral_norm=1"])
    with pytest.raises(UserError, match=r"'training.constraints.symetry'. Did you mean .*symmetry"):
        recipes.load("h36m_mix_ste", ["training.constraints.symetry=1"])
    with pytest.raises(UserError, match=r"training.loss.0.name: got 'velocty' .*'velocity'"):
        recipes.load("h36m_mix_ste", ["training.loss=[{name: velocty}]"])
    with pytest.raises(UserError, match=r"training.loss: got 'mpjp' .*Did you mean 'mpjpe'"):
        recipes.load("h36m_mix_ste", ["training.loss=mpjp"])
    with pytest.raises(UserError, match=r"Unknown key 'training.loss.0.wight'"):
        recipes.load("h36m_mix_ste", ["training.loss=[{name: mpjpe, wight: 2}]"])


def test_variants_lie_over_any_recipe(write):
    assert {"baseline", "seal", "gan", "constraint", "symmetry"} <= set(recipes.variants())
    for name in recipes.variants():
        for recipe in ("h36m_mix_ste", "h36m_d3dp", "mpi_inf_3dhp_pstmo"):
            plain, varied = recipes.load(recipe), recipes.load(f"{recipe}+{name}")
            assert varied.name == f"{recipe}_{name}"
            assert varied.description == f"{plain.description} {recipes.variants()[name]}"
            assert (varied.data, varied.pose_net) == (plain.data, plain.pose_net)
            # The pose loss stays what it is.
            assert varied.training.loss == plain.training.loss
            assert varied.training.optimizer == plain.training.optimizer
            assert (varied.loss_net is not None) == (
                name in ("gan", "seal", "seal_denoising", "seal_published")
            )
            assert recipes.parse(recipes.to_yaml(varied)) == varied
    both = recipes.load("h36m_mix_ste+symmetry+bone_length").training.constraints
    assert both == recipes.load("h36m_mix_ste+constraint").training.constraints
    # One whose loss-net learns along, which it need not say, gets one that stays as it is.
    static = recipes.load("quickstart+seal_denoising")
    assert (static.seal.mode, static.training.loss_net_optimizer) == ("static", None)
    assert static.pretrains and not recipes.load("quickstart").pretrains
    # A loss-net of the recipe's own goes; what is said of another takes its place.
    assert recipes.load("quickstart+baseline").loss_net is None
    own, other = (recipes.load(f"quickstart{part}+gan") for part in ("", "+baseline"))
    assert own.seal.energy_weight == other.seal.energy_weight
    mine = write("mine.yaml", "training: {epochs: 3}")
    varied = recipes.load(f"quickstart+{mine}")
    assert (varied.training.epochs, varied.name) == (3, "quickstart_mine")
    assert varied.description == recipes.load("quickstart").description


@pytest.mark.parametrize(
    "net, annotation, frames",
    [
        ("pose_former", "annot3", 9),
        ("mix_ste", "annot3", 27),
        ("d3dp", "annot3", 243),
        ("pose_former_v2", "univ_annot3", 81),
        ("pstmo", "univ_annot3", 81),
        ("ktp_former", "univ_annot3", 81),
        ("motion_ag_former", "univ_annot3", 81),
    ],
)
def test_mpi_inf_3dhp_trainings_know_which_poses_their_paper_reports(net, annotation, frames):
    recipe = recipes.load(f"mpi_inf_3dhp_{net}")
    assert recipe.data.options["annotation"] == annotation
    assert recipe.data.options["validation_subjects"] == ["S8"]
    assert recipe.data.num_frames == frames
    joints = set(skeletons.get(recipe.skeleton).joints)
    terms = recipe.training.loss if isinstance(recipe.training.loss, list) else []
    assert {joint for term in terms for joint in term.joints} <= joints


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="building is the same on every backend"
)
def test_constraints_join_the_pose_loss():
    def loss(name, *overrides):
        recipe = recipes.load(name, ["pose_net.options={filters: 8, num_blocks: 1}", *overrides])
        model = building.build_model(recipe)
        building.compile_model(model, recipe, steps_per_epoch=10)
        return model.get_compile_config()["loss"]["config"]

    found = loss("mocap_sem_gcn+constraint", "training.constraints.angle=0.5")
    weights = {term["name"]: term["weight"] for term in found["terms"]}
    assert weights == {"mpjpe": 1.0, "symmetry": 0.05, "bone_length": 0.125, "angle": 0.5}
    found = loss("mocap_sem_gcn+symmetry", "training.loss=[{name: mse, weight: 3}]")
    assert [term["name"] for term in found["terms"]] == ["mse", "symmetry"]
    assert "terms" not in loss("mocap_sem_gcn")
    # Nets that predict the centre of several frames cannot compare any.
    centre = recipes.load("h36m_video_pose_3d+velocity", ["pose_net.options={filters: 8}"])
    with pytest.raises(UserError, match=r"training.constraints: 'velocity' compares frames"):
        building.check(centre)
    discriminator = recipes.load(
        "mocap_sem_gcn+gan",
        ["loss_net.options.units=8", "seal.penalty_at=between", "seal.gradient_penalty=2"],
    )
    model = building.build_model(discriminator)
    building.compile_model(model, discriminator, steps_per_epoch=10)
    config = model.get_compile_config()
    assert config["energy_objective"]["config"] == {"kind": "logistic"}
    assert (config["gradient_penalty"], config["penalty_at"]) == (2.0, "between")
    assert not model.loss_net.conditional


def test_parts_are_no_recipes():
    assert len(PUBLISHED) >= 16
    assert not [name for name in recipes.names() if name.startswith("_")]


def test_rate_after_each_epoch_by_factors_in_turn():
    rate = recipes.load("h36m_graph_mlp").training.optimizer.learning_rate
    schedule = build_learning_rate(rate, 20, 7)
    expected = 1e-3
    for epoch in range(7):
        for step in (7 * epoch, 7 * epoch + 6):
            np.testing.assert_allclose(float(schedule(step)), expected, rtol=1e-5)
        expected *= 0.5 if epoch % 5 == 4 else 0.95
    assert build_learning_rate(rate, 1, 7) == 1e-3


def test_mixste_weighs_joints_as_published():
    first, second, third = recipes.load("h36m_ktp_former").training.loss
    joints = skeletons.get("human36m_17").joints
    published = [1, 1, 2.5, 2.5, 1, 2.5, 2.5, 1, 1, 1, 1.5, 1.5, 4, 4, 1.5, 4, 4]
    assert [first.joints.get(joint, 1) for joint in joints] == published
    assert second.joints == first.joints and third.joints == {}
    assert (first.weight, second.weight, third.weight) == (1.0, 0.5, 2.0)


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="building is the same on every backend"
)
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_trainings_can_be_built(name):
    for part in ("", "+seal"):
        recipe = recipes.load(name + part)
        net = building._pose_net_class(recipe.pose_net.name)
        options = {**recipe.pose_net.options, **TINY[net.__name__]}
        small = recipe.pose_net.model_copy(update={"options": options})
        assert building.check(recipe.model_copy(update={"pose_net": small})) == [
            "data.options.folder"
        ]


def test_a_published_training_trains(tmp_path):
    folder = published.write_videopose3d(tmp_path, published.make_takes(frames=8))
    recipe = recipes.load(
        "h36m_mix_ste+seal",
        [
            f"data.options.folder={folder}",
            "data.options.keypoints=gt",
            "data.num_frames=3",
            "data.window_stride=3",
            "data.batch_size=64",
            "pose_net.options={channels: 8, num_blocks: 1, num_heads: 2}",
            "loss_net.options={units: 8, num_stages: 1, dropout: 0}",
            "training.optimizer.learning_rate=0.01",
        ],
    )
    splits = building.build_splits(recipe, tmp_path / "cache")
    model = building.build_model(recipe, splits.train.num_channels)
    windows = building.build_windows(recipe, splits.train, 3, training=True)
    building.compile_model(model, recipe, len(windows))
    history = model.fit(windows, epochs=4, verbose=0).history
    assert np.isfinite([values for values in history.values()]).all()
    assert history["pose_loss"][-1] < 0.9 * history["pose_loss"][0]
