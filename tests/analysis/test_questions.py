"""What is asked of loss-nets whose energy is known."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats
from sklearn.metrics import roc_auc_score

import keras_seal as ks
from keras_seal import analysis
from keras_seal.analysis.questions import equally_wrong, structural_errors
from keras_seal.errors import UserError
from keras_seal.loss_nets.base import energy_inputs
from keras_seal.metrics import functional


class Energy(keras.layers.Layer):
    """An energy `(batch, frames)` that is a function of keypoints and poses."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, keypoints, poses):
        return self.function(keypoints, poses)


class Guess(keras.layers.Layer):
    """Poses that hold the keypoints: one pixel a metre, and no depth."""

    def call(self, keypoints):
        poses = ops.pad(keypoints, [[0, 0]] * 3 + [[0, 1]])
        return poses - poses[:, :, :1]


@pytest.fixture
def ask(skeleton, random_poses):
    """Makes a probe of a loss-net with this energy."""

    def make(energy, poses=None, groups=None, **options):
        poses = random_poses(120) if poses is None else poses
        inputs = energy_inputs(skeleton)
        loss_net = keras.Model(inputs, Energy(energy)(*inputs))
        keypoints = keras.Input((1, 17, 2))
        pose_net = keras.Model(keypoints, Guess()(keypoints))
        # Pixels of an orthographic camera, so that energies may know the truth.
        samples = analysis.Samples(
            skeleton,
            poses[..., :2],
            poses - poses[:, :, :1],
            np.arange(len(poses)) // 4 if groups is None else groups,
        )
        return analysis.Probe(ks.SEALPose(pose_net, loss_net), samples, **options)

    return make


def asymmetry(keypoints, poses):
    left, right = np.array(ks.skeletons.get("human36m_17").bone_mirror_pairs).T
    lengths = ks.geometry.bone_lengths(poses, "human36m_17")
    difference = ops.take(lengths, left, axis=-1) - ops.take(lengths, right, axis=-1)
    return ops.sum(ops.square(difference), axis=-1)


def misfit(keypoints, poses):
    """Half the squared distance in the image plane."""
    return 0.5 * ops.sum(ops.square(poses[..., :2] - keypoints), axis=(-2, -1))


@pytest.fixture
def symmetric_poses(skeleton, random_poses):
    """Poses whose mirrored bones have the same lengths."""
    poses = random_poses(120).astype("float64")
    vectors = ks.geometry.bone_vectors(poses, skeleton)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    for left, right in skeleton.bone_mirror_pairs:
        vectors[..., right, :] *= lengths[..., left, :] / lengths[..., right, :]
    return ks.geometry.forward_kinematics(poses[..., 0, :], vectors, skeleton)


def test_energy_of_asymmetry_ranks_what_breaks_symmetry_and_nothing_else(ask, symmetric_poses):
    probe = ask(asymmetry, symmetric_poses)
    found = analysis.ranking(probe)
    for name in ("scaled_bones", "joint_noise"):
        assert found[name].auroc.value == found[name].above == 1.0
        assert found[name].auroc.low == 1.0
    # Both keep the two sides alike to rounding.
    for name in ("mirrored_body", "reversed_depth", "rotated_bones", "swapped_body"):
        assert abs(found[name].auroc.value - 0.5) < 0.2, name
    curves = analysis.energy_curves(probe)
    assert curves["joint_noise"].rises and curves["scaled_bones"].rises
    assert curves["scaled_bones"].above.tolist() == [1.0] * 5
    scaled = curves["scaled_bones"].energy
    # Each bone 40 % longer or shorter: half of the pairs apart by 0.8 of their length.
    lengths = ks.geometry.bone_lengths(symmetric_poses, "human36m_17")[..., 0, :] ** 2
    left = [pair[0] for pair in probe.skeleton.bone_mirror_pairs]
    assert scaled[-1] == pytest.approx(0.5 * 0.64 * lengths[:, left].sum(-1).mean(), rel=0.2)
    assert np.abs(curves["rotated_bones"].energy).max() < 1e-9


def test_energy_of_misfit_pulls_to_the_keypoints(ask, skeleton, random_poses):
    poses = random_poses(60)
    poses -= poses[:, :, :1]
    probe = ask(misfit, poses)
    # The prediction has no depth, and the energy does not see depth: no force where it is right.
    assert np.abs(probe.predicted_gradient).max() < 1e-6
    assert analysis.align(probe).mean.value == 0.0
    # Descent takes the noise off two of three coordinates.
    descent = analysis.descend(probe)
    assert len(descent.distances) == 61
    # The mean length of a normal vector in one dimension is half of that in three.
    assert descent.nearer.value == pytest.approx(0.5, abs=0.05)
    assert descent.improved == 1.0 and descent.nearer.clear
    assert descent.energy[-1] < 0.1 * descent.energy[0] and descent.true_energy < 1e-9


def test_energy_that_knows_the_truth_is_aligned_with_it(ask, random_poses):
    # Everybody has one pose, so that an energy may hold it.
    truth = np.repeat(random_poses(1), 40, axis=0)
    truth -= truth[:, :, :1]

    def energy(keypoints, poses):
        return ops.sum(ops.square(ops.subtract(poses, truth[0, 0])), axis=(-2, -1))

    probe = ask(energy, truth)
    found = analysis.align(probe)
    assert found.mean.value == pytest.approx(1.0, abs=1e-6)
    assert found.mpjpe == pytest.approx(1000 * np.abs(truth[0, 0, :, 2]).mean(), rel=1e-5)
    # The steps make 46 mm together, the way is 50 mm long.
    assert analysis.descend(probe).nearer.value == pytest.approx(0.9, abs=0.02)
    uphill = ask(lambda keypoints, poses: -energy(keypoints, poses), truth)
    assert analysis.align(uphill).mean.value == pytest.approx(-1.0, abs=1e-6)


def test_forces_are_where_the_energy_looks(ask, skeleton):
    forearm = skeleton.bone_index(skeleton.joint_index("left_wrist"))

    def too_short(keypoints, poses):
        return -3.0 * ks.geometry.bone_lengths(poses, skeleton)[..., forearm]

    found = analysis.attribute(ask(too_short))
    others = np.arange(skeleton.num_bones) != forearm
    assert found.stretch[forearm] == pytest.approx(3.0, rel=1e-5)
    assert found.longer[forearm] == pytest.approx(3.0, rel=1e-5)
    assert np.abs(found.stretch[others]).max() < 1e-5 and found.turn.max() < 1e-5
    ends = list(skeleton.bones[forearm])
    assert found.joints[ends] == pytest.approx(3.0, rel=1e-5)
    assert np.delete(found.joints, ends).max() < 1e-5

    def tilted(keypoints, poses):
        vector = ks.geometry.bone_vectors(poses, skeleton)[..., forearm, :]
        return vector[..., 1] / ops.sqrt(ops.sum(ops.square(vector), axis=-1))

    found = analysis.attribute(ask(tilted))
    assert found.turn[forearm] > 0.1
    assert max(found.turn[others].max(), found.stretch.max()) < 1e-5

    # A force of the root cannot move it, but all others the other way.
    joints, _, _ = analysis.forces(np.eye(17)[:, :1] * np.ones(3), np.ones((17, 3)), skeleton)
    assert np.allclose(joints, 0)


def test_correlations_at_equal_error(ask, skeleton, rng):
    probe = ask(lambda _, poses: asymmetry(_, poses) * 100)
    found = analysis.correlate(probe)
    made = equally_wrong(probe, 0.05)
    assert np.allclose(functional.mpjpe(probe.truth, made), 0.05, rtol=1e-6)
    assert np.allclose(made[..., 0, :], 0, atol=1e-7)
    # Of the metrics, this energy is closest to the symmetry error.
    lse = found.metrics["lse"]
    assert lse.made.value > 0.6 and lse.made.clear
    assert lse.made.value == max(each.made.value for each in found.metrics.values())
    excess = (probe.predicted_energy - probe.true_energy).ravel()
    errors = structural_errors(probe.truth, probe.predictions, skeleton)
    assert lse.plain.value == pytest.approx(stats.spearmanr(excess, errors["lse"])[0], abs=1e-9)
    # The partial correlation is that of what lines over the ranks of MPJPE leave.
    mpjpe = stats.rankdata(functional.mpjpe(probe.truth, probe.predictions).ravel())
    left = [
        ranks - np.polyval(np.polyfit(mpjpe, ranks, 1), mpjpe)
        for ranks in (stats.rankdata(excess), stats.rankdata(errors["bsle"]))
    ]
    expected = np.corrcoef(*left)[0, 1]
    assert found.metrics["bsle"].at_equal_error.value == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found.metrics["mpjpe"].made.value)


def test_intervals(rng):
    groups = np.repeat(np.arange(30), 5)
    effect = rng.normal(size=30)[groups]
    low, high = effect + rng.normal(size=150), effect + 0.5 + rng.normal(size=150).round(1)
    low = low.round(1)
    boot = analysis.Bootstrap(groups, 500)
    found = boot.auroc(low, high)
    labels = np.repeat([0, 1], 150)
    assert found.value == pytest.approx(roc_auc_score(labels, np.concatenate([low, high])))
    # As if each drawn group were written down as often as it was drawn.
    counts = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=500)
    areas = [
        roc_auc_score(labels, np.concatenate([low, high]), sample_weight=np.tile(row[groups], 2))
        for row in counts[:40]
    ]
    one = analysis.Bootstrap(groups, 40, confidence=0.5).auroc(low, high)
    assert [one.low, one.high] == pytest.approx(np.quantile(areas, [0.25, 0.75]).tolist())
    # Groups that vary as wholes make wider intervals than rows on their own.
    mean = boot.estimate(lambda mean: mean, effect)
    alone = analysis.Bootstrap(np.arange(150), 500).estimate(lambda mean: mean, effect)
    assert mean.high - mean.low > 1.5 * (alone.high - alone.low)
    assert np.isnan(analysis.Bootstrap(np.zeros(9)).estimate(lambda m: m, np.ones(9)).low)


def test_attention_of_the_graph_token(skeleton, random_poses, random_keypoints):
    loss_net = ks.loss_nets.GraphLossNet(skeleton, units=16, num_blocks=2, num_heads=2)
    model = ks.SEALPose(ks.pose_nets.SimpleBaseline(skeleton, units=8), loss_net)
    poses = random_poses(6)
    samples = analysis.Samples(skeleton, random_keypoints(6), poses, np.arange(6))
    found = analysis.attend(analysis.Probe(model, samples))
    assert found.blocks.shape == (2, 17) and np.isclose(found.rollout.sum(), 1)
    # A token that may not look at joints hears of none.
    for block in loss_net.layers:
        if block.name.startswith("block_"):
            block.attention.token_to_joints.assign(-1e9)
    alone = analysis.attend(analysis.Probe(model, samples))
    assert alone.blocks.max() == 0 and alone.rollout.max() == 0
    mlp = ks.SEALPose(model.pose_net, ks.loss_nets.MLPLossNet(skeleton, units=8))
    assert analysis.attend(analysis.Probe(mlp, samples)) is None


def test_energies_that_say_nothing(ask, random_poses):
    found = analysis.explain(ask(lambda _, poses: 0.0 * poses[..., 0, 0]), descent_poses=4)
    assert found.ranking["joint_noise"].auroc.value == found.ranking["joint_noise"].above == 0.5
    assert not found.curves["joint_noise"].rises
    assert found.descent.nearer.value == pytest.approx(0, abs=1e-6)
    assert found.alignment.mean.value == 0 and not found.alignment.mean.clear
    described = found.to_dict()
    assert described["correlations"]["metrics"]["lse"]["plain"]["value"] is None
    assert described["forces_per_metre"]["joints"]["head"] == 0
    # One pose has no interval.
    single = analysis.explain(ask(misfit, random_poses(1))).to_dict()
    assert single["poses"] == single["sequences"] == 1
    assert single["ranking"]["joint_noise"]["auroc"] == {"value": 1.0, "low": None, "high": None}


def test_complaints(ask, skeleton, random_poses):
    with pytest.raises(UserError, match="NaN or infinite energies for 120 of 120"):
        analysis.ranking(ask(lambda _, poses: poses[..., 0, 0] / 0.0 * 0.0))
    poses = random_poses(3)
    spoilt = poses.copy()
    spoilt[1] = np.nan
    with pytest.raises(UserError, match="poses to ask about hold NaN"):
        analysis.Samples(skeleton, poses[..., :2], spoilt, np.arange(3))
    with pytest.raises(UserError, match=r"\(2, frames, 17, 3\)"):
        analysis.Samples(skeleton, poses[:2, ..., :2], poses, np.arange(2))
    plain = ks.SEALPose(ks.pose_nets.SimpleBaseline(skeleton, units=8))
    with pytest.raises(UserError, match="no loss-net to ask"):
        analysis.Probe(plain, analysis.Samples(skeleton, poses[..., :2], poses, np.arange(3)))
