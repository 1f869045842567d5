"""Every figure of an evaluation against slow loops in plain NumPy, and of awkward input."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

from keras_seal import evaluation, skeletons
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.evaluation import measuring
from keras_seal.evaluation.scores import mean_figures, sequence_rows


def bone(pose, child, skeleton):
    return pose[child] - pose[skeleton.parents[child]]


def length(pose, child, skeleton):
    return math.sqrt(sum(float(x) ** 2 for x in bone(pose, child, skeleton)))


def angle(u, v):
    return math.atan2(np.linalg.norm(np.cross(u, v)), float(np.dot(u, v)))


def slow_frame(true, predicted, skeleton):
    """All metrics of one frame, metres, fractions and radians."""
    joints = range(skeleton.num_joints)
    children = [j for j in joints if skeleton.parents[j] >= 0]
    error = [math.dist(true[j], predicted[j]) for j in joints]
    moved, target = predicted - predicted.mean(0), true - true.mean(0)
    u, s, vt = np.linalg.svd(target.T @ moved)
    d = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation, size = u @ d @ vt, np.trace(np.diag(s) @ d) / (moved**2).sum()
    aligned = [np.linalg.norm(size * rotation @ moved[j] - target[j]) for j in joints]
    factor = sum((predicted * true).ravel()) / sum((predicted * predicted).ravel())
    lengths = {c: length(predicted, c, skeleton) for c in children}
    truths = {c: length(true, c, skeleton) for c in children}

    def symmetry(of):
        # Mirrored pairs whose ends both mirror each other.
        return [
            (abs(of[left] - of[right]), of[left] + of[right])
            for left, right in skeleton.mirror_pairs
        ]

    limbs = [
        (abs(sum(lengths[c] - truths[c] for c in limb)), sum(truths[c] for c in limb))
        for limb in skeleton.limbs.values()
    ]
    angles = []
    for joint in joints:
        touching = [c for c in children if joint in (c, skeleton.parents[c])]
        for a, b in itertools.combinations(touching, 2):
            both = [
                angle(bone(pose, a, skeleton), bone(pose, b, skeleton))
                for pose in (true, predicted)
            ]
            angles.append(abs(both[0] - both[1]))
    return {
        "mpjpe": np.mean(error),
        "p_mpjpe": np.mean(aligned),
        "n_mpjpe": np.mean([math.dist(factor * predicted[j], true[j]) for j in joints]),
        "pck": np.mean([e < 0.15 for e in error]),
        "auc": np.mean([[e < 0.005 * k for e in error] for k in range(31)]),
        "lse": np.mean([difference for difference, _ in symmetry(lengths)]),
        "lse_percent": np.mean([difference / total for difference, total in symmetry(lengths)]),
        "true lse": np.mean([difference for difference, _ in symmetry(truths)]),
        "bsle": np.mean([abs(lengths[c] - truths[c]) for c in children]),
        "bsle_percent": np.mean([abs(lengths[c] - truths[c]) / truths[c] for c in children]),
        "lle": np.mean([difference for difference, _ in limbs]),
        "lle_percent": np.mean([difference / total for difference, total in limbs]),
        "jae": np.mean(angles),
        "lengths": np.array([lengths[c] for c in children]),
        "error": np.array(error),
        "aligned": np.array(aligned),
    }


FACTORS = {"pck": 100, "auc": 100, "jae": 180 / math.pi}


@pytest.fixture
def sequences(rng):
    """Two people, three sequences, some frames invalid; the camera sees them from afar."""
    lengths = [7, 1, 9]
    poses = rng.normal(0.0, 0.3, size=(17, 17, 3)) + np.array([0.0, 0.0, 5.0])
    return PoseSequences(
        "human36m_17",
        np.zeros((17, 17, 2)),
        poses,
        np.cumsum([0, *lengths]),
        ["S9", "S9", "S11"],
        ["Walking", "Eating", "Walking"],
        names=["S9/Walking/1", "S9/Eating/1", "S11/Walking/1"],
        valid=~np.isin(np.arange(17), [3, 12]),
    )


@pytest.fixture
def predictions(sequences, rng):
    return (sequences.poses + rng.normal(0.0, 0.08, size=sequences.poses.shape)).astype("float32")


def test_every_figure_agrees_with_slow_loops(sequences, predictions, monkeypatch):
    # Small chunks, so that steps and figures across their edges are looked at.
    monkeypatch.setattr(measuring, "_SMALLEST_CHUNK", 4)
    monkeypatch.setattr(measuring, "_LARGEST_CHUNK", 4)
    skeleton = sequences.skeleton
    true, predicted = (
        each.astype("float64") - each[:, :1].astype("float64")
        for each in (sequences.poses, predictions)
    )
    rows = [r for r in range(17) if sequences.valid[r]]
    slow = {r: slow_frame(true[r], predicted[r], skeleton) for r in rows}
    expected = {
        name: FACTORS.get(name, 100 if "percent" in name else 1000)
        * np.mean([slow[r][name] for r in rows])
        for name in slow[0]
        if name not in ("lengths", "error", "aligned", "true lse")
    }
    ends = set(sequences.offsets.tolist())
    steps = [r for r in rows if r - 1 in rows and r not in ends]
    bends = [r for r in steps if r - 1 in steps]
    wrong = predicted - true
    expected["mpjve"] = 1000 * np.mean(
        [math.dist(wrong[r, j], wrong[r - 1, j]) for r in steps for j in range(17)]
    )
    expected["acceleration"] = 1000 * np.mean(
        [
            np.linalg.norm(wrong[r, j] - 2 * wrong[r - 1, j] + wrong[r - 2, j])
            for r in bends
            for j in range(17)
        ]
    )
    lengths = 1000 * np.array([slow[r]["lengths"] for r in rows])
    expected["mpsce"] = np.mean([np.std(column, ddof=1) for column in lengths.T])
    owners = np.repeat([0, 1, 2], sequences.lengths)[rows]
    within = [
        (sum(owners == s), np.mean([np.std(c, ddof=1) for c in lengths[owners == s].T]))
        for s in (0, 2)
    ]
    expected["length_spread"] = sum(n * x for n, x in within) / sum(n for n, _ in within)
    expected["lse_share"] = 100 * np.mean([slow[r]["lse_percent"] > 0.01 for r in rows])
    expected["bsle_share"] = 100 * np.mean([slow[r]["bsle_percent"] > 0.1 for r in rows])
    expected["jae_share"] = 100 * np.mean([slow[r]["jae"] > 0.1 for r in rows])
    expected["mpsse"] = expected["lse"]

    one, two = (evaluation.measure(predictions, sequences, threads=threads) for threads in (1, 2))
    figures = one.figures()
    assert figures == two.figures()
    assert figures.pop("length_spread_percent") > 0
    assert figures == pytest.approx(expected, rel=1e-6)
    truth = 1000 * np.mean([slow[r]["true lse"] for r in rows])
    assert one.truth_figures()["lse"] == pytest.approx(truth, rel=1e-6)
    for found, name in ((one.joint_errors, "error"), (one.aligned_joint_errors, "aligned")):
        np.testing.assert_allclose(
            found, [1000 * slow[r][name] for r in rows], rtol=1e-6, atol=1e-9
        )

    # Tables average to the figures, sequences too.
    scores = evaluation.AllFrames().score(predictions, sequences)
    assert scores.figures == one.figures()
    for title, figure in (("joints", "mpjpe"), ("bones", "bsle"), ("limbs", "lle"),
                          ("mirrored bones", "lse"), ("bones", "mpsce")):  # fmt: skip
        rows_of = scores.table(title).rows.values()
        assert np.mean([row[figure] for row in rows_of]) == pytest.approx(figures[figure], rel=1e-6)
    actions = scores.table("actions")
    assert actions.frames == {"Walking": 14, "Eating": 1}
    assert "mpjve" not in actions.rows["Eating"]  # a single frame has no velocity
    table = sequence_rows(scores)
    assert [row["frames"] for row in table] == [6, 1, 8]
    total = sum(row["frames"] * row["p_mpjpe"] for row in table) / 15
    assert total == pytest.approx(figures["p_mpjpe"], rel=1e-9)
    assert "mpjve" not in table[1]


def test_some_joints_count(sequences, predictions):
    some = evaluation.measure(predictions, sequences, joints=[1, 2], pck_joints=[16])
    every = evaluation.measure(predictions, sequences)
    expected = every.joint_errors[:, [1, 2]].mean(dtype="float64")
    assert some.figures()["mpjpe"] == pytest.approx(expected, rel=1e-6)
    expected = 100 * (every.joint_errors[:, 16] < 150).mean()
    assert some.figures()["pck"] == pytest.approx(expected)
    assert some.figures()["bsle"] == every.figures()["bsle"]


COLLINEAR = np.linspace(-1, 1, 17)[:, None] * np.array([0.3, -0.2, 0.1])


@pytest.mark.parametrize("pose", [np.zeros((17, 3)), np.full((17, 3), 2.0), COLLINEAR])
def test_degenerate_poses_get_numbers(sequences, predictions, pose):
    flat = np.broadcast_to(pose, predictions.shape).astype("float32")
    degenerate = PoseSequences(
        sequences.skeleton, sequences.keypoints, flat, sequences.offsets, sequences.subjects,
        sequences.actions,
    )  # fmt: skip
    for poses, data in ((flat, sequences), (predictions, degenerate), (flat, degenerate)):
        scores = evaluation.AllFrames().score(poses, data)
        for figures in (scores.figures, scores.truth):
            assert figures and all(math.isfinite(value) for value in figures.values())
    perfect = {name: value for name, value in scores.figures.items() if name not in ("pck", "auc")}
    assert max(perfect[name] for name in ("mpjpe", "p_mpjpe", "n_mpjpe", "bsle", "jae")) < 1e-6
    assert scores.figures["pck"] == 100


def test_one_frame_alone(sequences, predictions):
    single = sequences.sequence(1)
    figures = evaluation.measure(predictions[7:8], single).figures()
    assert not {"mpjve", "acceleration", "mpsce", "length_spread"} & set(figures)
    assert all(math.isfinite(value) for value in figures.values())


def test_what_cannot_be_measured_is_told(sequences, predictions):
    lost = predictions.copy()
    lost[3] = np.nan  # not valid: nobody looks
    evaluation.measure(lost, sequences)
    lost[9, 4, 1] = np.inf
    with pytest.raises(
        UserError, match=r"prediction of 1 frames holds NaN .* frame 1 of 'S11/Walking/1'"
    ):
        evaluation.measure(lost, sequences)
    with pytest.raises(UserError, match=r"shape \(17, 16, 3\), expected \(17, 17, 3\)"):
        evaluation.measure(predictions[:, :16], sequences)
    nothing = PoseSequences(
        sequences.skeleton, sequences.keypoints, sequences.poses, sequences.offsets,
        sequences.subjects, sequences.actions, valid=np.zeros(17, bool),
    )  # fmt: skip
    with pytest.raises(UserError, match="no frame of the sequences is valid"):
        evaluation.measure(predictions, nothing)
    with pytest.raises(UserError, match="`threads` must be at least 1"):
        evaluation.measure(predictions, sequences, threads=0)


def test_skeletons_without_parts_and_with_many(rng):
    hand = skeletons.get("hand_21")
    poses = rng.normal(size=(4, 21, 3))
    data = PoseSequences(hand, np.zeros((4, 21, 2)), poses, [0, 4], ["a"], ["wave"])
    scores = evaluation.AllFrames().score(poses + rng.normal(size=poses.shape), data)
    assert "lse" not in scores.figures and not scores.truth.keys() & {"lse", "mpsse"}
    assert mean_figures([]) == {}


def test_nothing_of_it_needs_keras():
    code = (
        "import sys, numpy as np; from keras_seal import evaluation\n"
        "from keras_seal.data import PoseSequences\n"
        "from keras_seal.evaluation.page import to_html\n"
        "p = np.random.default_rng(0).normal(size=(4, 17, 3))\n"
        "s = PoseSequences('human36m_17', p[..., :2], p, [0, 4], ['a'], ['b'])\n"
        "scores = evaluation.get('all_frames').score(p + 0.1, s)\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
