"""Protocols, on files in the published layouts, with scores that are known by construction."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from keras_seal import evaluation, skeletons
from keras_seal.data import PoseSequences, keypoint_files, sources
from keras_seal.errors import UserError
from keras_seal.geometry import Camera, normalize_screen, project, quaternion_to_matrix
from tests.data.published import h3wb as published_h3wb
from tests.data.published import human36m as published_human36m
from tests.data.published import mpi_inf_3dhp as published_3dhp

SHIFTED = ("S9/Greeting/", "S9/SittingDown/", "S9/Waiting 1/")


def by_hand(**rows):
    return pytest.approx(rows, rel=1e-5)


# ----------------------------------------------------------------------------------- Human3.6M


@pytest.fixture(scope="module")
def human36m(tmp_path_factory):
    folder = tmp_path_factory.mktemp("human36m")
    takes = published_human36m.make_takes(frames=5)
    published_human36m.write_videopose3d(folder, takes)
    return sources.get("human36m")(folder=folder).load(use_cache=False).test


@pytest.fixture(scope="module")
def off_by_name(human36m):
    """Right wrists are off by 17 mm in the first take, by 34 in the second, and so on."""
    takes = [name.rsplit("/", 1)[0] for name in human36m.names.tolist()]
    steps = {take: 1 + place for place, take in enumerate(dict.fromkeys(takes))}
    off = np.array([steps[take] for take in takes])
    poses = human36m.poses.astype("float64")
    poses[:, 16, 0] += 0.017 * np.repeat(off, human36m.lengths)
    return poses, dict(zip(human36m.names.tolist(), off.tolist(), strict=True))


def test_human36m_averages_actions(human36m, off_by_name):
    poses, off = off_by_name

    facts = zip(human36m.names.tolist(), human36m.actions.tolist(), human36m.lengths, strict=True)
    facts = {name: (action, frames) for name, action, frames in facts}

    def expected(names, joints=17):
        # Frames of an action are pooled, then actions averaged.
        pooled = {}
        for name in names:
            action, frames = facts[name]
            pooled.setdefault(action, []).extend([17 * off[name] / joints] * frames)
        return {action: np.mean(values) for action, values in pooled.items()}

    every = list(off)
    kept = [name for name in every if not name.startswith(SHIFTED)]
    assert len(every) - len(kept) == 12
    for name, names, joints in (
        ("human36m", every, 17),
        ("human36m_16", every, 16),
        ("human36m_motionbert", kept, 17),
    ):
        scores = evaluation.get(name).score(poses, human36m)
        found = {action: row["mpjpe"] for action, row in scores.table("actions").rows.items()}
        assert found == by_hand(**expected(names, joints))
        mean = np.mean(list(expected(names, joints).values()))
        assert scores.figures["mpjpe"] == pytest.approx(mean, rel=1e-5)
        # The same step at every frame is no velocity.
        assert scores.figures["mpjve"] == pytest.approx(0, abs=1e-3)
        assert scores.truth["lse"] < 0.01
    assert set(found) == {"Greeting", "Phoning", "Directions"}
    frames = evaluation.get("human36m_mmpose").score(poses, human36m)
    pooled = np.average([off[name] for name in kept], weights=[facts[name][1] for name in kept])
    assert frames.figures["mpjpe"] == pytest.approx(pooled, rel=1e-5)
    without = evaluation.get("human36m", count_root=False).score(poses, human36m)
    assert without.figures["mpjpe"] == pytest.approx(
        17 / 16 * evaluation.get("human36m").score(poses, human36m).figures["mpjpe"], rel=1e-6
    )


def test_human36m_tells_its_variant(human36m, off_by_name):
    poses, _ = off_by_name
    said = {
        name: " / ".join(evaluation.get(name).score(poses, human36m).variant)
        for name in evaluation.names()
        if name.startswith("human36m")
    }
    assert "17 joints / the root counts" in said["human36m"]
    assert "with S9's three shifted takes / mean of the actions' means" in said["human36m"]
    assert "16 joints, without the nose" in said["human36m_16"]
    assert "without S9's three shifted takes" in said["human36m_motionbert"]
    assert "mean over all frames, not over actions" in said["human36m_mmpose"]
    scores = evaluation.get("human36m").score(poses, human36m)
    assert "10 of the 15 actions have no frame" in scores.notes[0] or "actions" in scores.notes[0]
    kept = human36m.select(
        mask=np.array([not name.startswith(SHIFTED) for name in human36m.names.tolist()])
    )
    scores = evaluation.get("human36m").score(kept.poses, kept)
    assert "without S9's three shifted takes (not in the data)" in scores.variant
    # MotionBERT's names tell as well, others do not.
    other = replace(kept, names=np.array(["s_09_act_05_subact_02_ca_01"] * kept.num_sequences))
    with pytest.raises(UserError, match="nothing to measure"):
        evaluation.get("human36m_motionbert").score(kept.poses, other)
    unknown = replace(kept, names=np.array(["somebody"] * kept.num_sequences))
    with pytest.raises(UserError, match="do not tell which takes of S9 are the shifted"):
        evaluation.get("human36m_motionbert").score(kept.poses, unknown)
    assert "is not known" in " ".join(evaluation.get("human36m").score(kept.poses, unknown).variant)


def test_human36m_aligns(human36m):
    rotation = quaternion_to_matrix(np.array([0.9, 0.1, -0.3, 0.2]))
    turned = 0.8 * human36m.poses.astype("float64") @ rotation.T + 3.0
    figures = evaluation.get("human36m").score(turned, human36m).figures
    assert figures["p_mpjpe"] < 1e-3 < figures["mpjpe"]
    smaller = evaluation.get("human36m").score(0.8 * human36m.poses.astype("f8"), human36m).figures
    assert smaller["n_mpjpe"] < 1e-3
    assert smaller["bsle_percent"] == pytest.approx(20.0, rel=1e-5)
    assert smaller["lle_percent"] == pytest.approx(20.0, rel=1e-5)
    assert smaller["jae"] < 1e-3
    # Up and down by 1.7 mm, frame by frame: each step of the wrist is 3.4 mm off, its bends 6.8.
    shaken = human36m.poses.astype("float64")
    for start, end in zip(human36m.offsets[:-1], human36m.offsets[1:], strict=True):
        shaken[start:end, 16, 1] += 0.0017 * (-1.0) ** np.arange(end - start)
    figures = evaluation.get("human36m").score(shaken, human36m).figures
    assert figures["mpjve"] == pytest.approx(3.4 / 17, rel=1e-4)
    assert figures["acceleration"] == pytest.approx(6.8 / 17, rel=1e-4)


def test_human36m_refuses_what_it_is_not_for(human36m):
    strange = replace(human36m, actions=np.array(["Juggling"] * human36m.num_sequences))
    with pytest.raises(UserError, match="no action 'Juggling'"):
        evaluation.get("human36m").score(human36m.poses, strange)
    with pytest.raises(UserError, match="for the skeleton 'mpi_inf_3dhp_17', but the data is on"):
        evaluation.get("mpi_inf_3dhp").score(human36m.poses, human36m)
    with pytest.raises(UserError, match=r"has no option 'joint'\. Did you mean 'joints'"):
        evaluation.get("human36m", joint=16)
    with pytest.raises(UserError, match="There is no protocol 'human37m'"):
        evaluation.get("human37m")


# ------------------------------------------------------------------------------- MPI-INF-3DHP


@pytest.fixture(scope="module")
def mpi_inf_3dhp(tmp_path_factory):
    """The test set in both annotations."""
    folder = tmp_path_factory.mktemp("3dhp")
    truth = published_3dhp.make(frames=10, subjects=("S1", "S8"), cameras=9)
    sets = {}
    for kind, original in (("annot3", True), ("univ_annot3", False)):
        published_3dhp.write_nested(folder / kind, truth, original=original)
        source = sources.get("mpi_inf_3dhp")(
            folder=folder / kind, annotation=kind, subjects=("S1", "S8")
        )
        sets[kind] = source.load(use_cache=False).test
    return sets


def test_3dhp_weighs_sequences_settings_and_activities(mpi_inf_3dhp):
    data = mpi_inf_3dhp["annot3"]
    number = np.array([int(name[2:]) for name in data.subjects.tolist()])
    owner = np.repeat(number, data.lengths)
    activity = np.where(np.arange(data.num_frames) % 2 == 0, 3, 6).astype("int8")
    data = replace(data, labels={**data.labels, "activity": activity})
    poses = data.poses.astype("float64")
    # In TSn the right knee is off by n * 34 mm: beyond PCK's 150 mm from TS5 on.
    poses[:, 9, 2] += 0.034 * owner
    poses[~data.valid] = np.nan
    valid = data.valid
    scores = evaluation.get("mpi_inf_3dhp").score(poses, data)
    weights = np.array([(valid & (owner == n)).sum() for n in range(1, 7)])
    assert len(set(weights)) > 1

    def pck(n):
        return 100.0 if n < 5 else 100 * 13 / 14

    def auc(n):
        # Thirteen joints are right at all thresholds but 0, the knee at those above its error.
        knee = sum(5 * k > 34 * n for k in range(31))
        return 100 * (13 * 30 + knee) / 14 / 31

    rows = scores.table("sequences").rows
    for n in range(1, 7):
        row = rows[f"TS{n}"]
        assert row["mpjpe"] == pytest.approx(2 * n, rel=1e-4)
        assert row["pck"] == pytest.approx(pck(n), rel=1e-6)
        assert row["auc"] == pytest.approx(auc(n), rel=1e-6)
    figures = scores.figures
    for name, value in (("mpjpe", lambda n: 2 * n), ("pck", pck), ("auc", auc)):
        each = [value(n) for n in range(1, 7)]
        assert figures[name] == pytest.approx(np.average(each, weights=weights), rel=1e-4)
        plain = evaluation.get("mpi_inf_3dhp_d3dp").score(poses, data).figures[name]
        assert plain == pytest.approx(np.mean(each), rel=1e-4)
        outdoor = scores.table("settings").rows["outdoor"][name]
        assert outdoor == pytest.approx(np.average(each[4:], weights=weights[4:]), rel=1e-4)
        sitting = [(valid & (owner == n) & (activity == 3)).sum() for n in range(1, 7)]
        found = scores.table("activities").rows["Sitting"][name]
        assert found == pytest.approx(np.average(each, weights=sitting), rel=1e-4)
    # Over all 17 joints, the three that are left out of 14 are right here.
    lifted = evaluation.get("mpi_inf_3dhp_manipose").score(poses, data)
    expected = np.average([100.0 if n < 5 else 100 * 16 / 17 for n in range(1, 7)], weights=weights)
    assert lifted.figures["pck"] == pytest.approx(expected, rel=1e-6)
    assert "over 17" in lifted.variant[0]
    assert set(scores.table("activities").rows) == {"Sitting", "Sports"}
    assert "the test set has 2929 valid ones" in scores.notes[0]
    part = data.select(subjects=["TS1", "TS2"])
    notes = evaluation.get("mpi_inf_3dhp").score(part.poses, part).notes
    assert "TS3, TS4, TS5, TS6 not measured" in notes[0]


def test_3dhp_keeps_the_annotations_apart(mpi_inf_3dhp):
    for kind, data in mpi_inf_3dhp.items():
        scores = evaluation.get("mpi_inf_3dhp").score(data.poses, data)
        assert f"truth: {kind}" in scores.variant
    universal = mpi_inf_3dhp["univ_annot3"]
    with pytest.raises(UserError, match="holds univ_annot3, but the protocol asks for annot3"):
        evaluation.get("mpi_inf_3dhp_d3dp").score(universal.poses, universal)
    evaluation.get("mpi_inf_3dhp_p_stmo").score(universal.poses, universal)
    untold = replace(universal, labels={})
    with pytest.raises(UserError, match="does not tell whether its poses are univ_annot3"):
        evaluation.get("mpi_inf_3dhp_p_stmo").score(untold.poses, untold)


# ---------------------------------------------------------------------------------------- H3WB


@pytest.fixture(scope="module")
def h3wb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("h3wb")
    train = published_h3wb.make(frames=1)
    published_h3wb.write_tasks(folder, train, published_h3wb.make_test(frames=2))
    return sources.get("h3wb")(folder=folder).load(use_cache=False).test


def test_h3wb_six_numbers(h3wb):
    poses = h3wb.poses.astype("float64")
    poses[:, 23:91, 0] += 0.010  # the face as a whole, and one point of it more
    poses[:, 40, 0] += 0.068
    poses[:, 91:112, 1] += 0.020  # the left hand as a whole
    poses[:, 112, 2] += 0.021  # the right hand's root: by itself, all others are off
    figures = evaluation.get("h3wb").score(poses + 7.0, h3wb).figures
    face, hands = 67 * 10 + 78, 21 * 20 + 21
    expected = {
        "whole": (face + hands) / 133,
        "body": 0.0,
        "face": face / 68,
        "face_nose": face / 68,
        "hands": hands / 42,
        "hands_wrist": (0 + 20 * 21 / 21) / 2,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=2e-3)
    poses[:, 0, 0] += 0.010  # with the nose, the face is off by its one point alone
    figures = evaluation.get("h3wb").score(poses, h3wb).figures
    assert figures["face_nose"] == pytest.approx(1.0, abs=2e-3)
    assert figures["body"] == pytest.approx(10 / 23, abs=2e-3)


def test_h3wb_submission_reads_back(h3wb):
    content = json.loads(evaluation.submission(h3wb.poses, h3wb))
    assert set(content) == set(map(str, h3wb.labels["sample_id"].tolist()))
    place = 5
    joints = content[str(h3wb.labels["sample_id"][place])]["keypoints_3d"]
    read = [[joints[str(j)][axis] for axis in "xyz"] for j in range(133)]
    np.testing.assert_allclose(read, 1000.0 * h3wb.poses[place], atol=1e-3)
    unnumbered = replace(h3wb, labels={})
    with pytest.raises(UserError, match="needs the number of every sample"):
        evaluation.submission(h3wb.poses, unnumbered)
    lost = h3wb.poses.copy()
    lost[0, 0] = np.nan
    with pytest.raises(UserError, match=r"one finite pose for each of .* with NaN"):
        evaluation.submission(lost, h3wb)


# ----------------------------------------------------------------------------- across data sets


def test_across_data_sets(mpi_inf_3dhp):
    data = mpi_inf_3dhp["annot3"]
    valid = replace(data, valid=np.ones(data.num_frames, bool))
    joint_map = skeletons.joint_maps.find("mpi_inf_3dhp_17", "human36m_17")
    predicted = 0.9 * joint_map.apply_poses(valid.poses.astype("float64"))
    options = {"predicted_on": "human36m_17"}
    scores = evaluation.get("cross_data_set", **options).score(predicted, valid)
    # Ours to the common joints and theirs to them agree but for the scale.
    assert scores.figures["n_mpjpe"] < 0.05 < 20 < scores.figures["mpjpe"]
    assert scores.figures["bsle_percent"] == pytest.approx(10.0, abs=0.01)
    assert "15 joints of 'common_15'" in scores.variant[0]
    assert "human36m_17_to_common_15" in scores.variant[0]
    assert scores.variant[1] == "no scale is fitted"
    for scale in ("frame", "sequence", "data_set"):
        scaled = evaluation.get("cross_data_set", scale=scale, **options).score(predicted, valid)
        assert scaled.figures["mpjpe"] < 0.05
        assert "factor 1.1111" in scaled.variant[1]
    assert evaluation.get("cross_data_set_scaled").scale == "data_set"
    on_theirs = evaluation.get("cross_data_set", on="predicted", **options)
    assert on_theirs.score(predicted, valid).measurements.skeleton.name == "human36m_17"
    # One factor for all is not one for each sequence.
    factors = np.repeat(np.linspace(0.8, 1.2, valid.num_sequences), valid.lengths)
    uneven = factors[:, None, None] * predicted
    errors = [
        evaluation.get("cross_data_set", scale=scale, **options).score(uneven, valid)
        for scale in ("none", "data_set", "sequence")
    ]
    first, second, third = (each.figures["mpjpe"] for each in errors)
    assert first > second > 5 > 0.05 > third
    with pytest.raises(UserError, match=r"expected \(\d+, 17, 3\): one pose of the skeleton"):
        evaluation.get("cross_data_set", **options).score(predicted[:, :5], valid)
    with pytest.raises(UserError, match="There is no joint map"):
        evaluation.get("cross_data_set", on="hand_21").score(valid.poses, valid)


# --------------------------------------------------------------------------------- in the wild


@pytest.fixture
def filmed(rng):
    """Somebody filmed by a camera with a lens; the third sequence's camera is not known."""
    poses = rng.normal(0.0, 0.3, size=(24, 17, 3))
    camera = Camera(
        np.eye(3), np.zeros(3), [1145, 1143], [512, 515], radial=[-0.2, 0.24, 0.0],
        tangential=[-0.001, -0.0014], width=1000, height=1002,
    )  # fmt: skip
    seen = poses + np.array([0.3, -0.2, 5.0])
    keypoints = normalize_screen(project(seen, camera), 1000, 1002)
    keypoints = np.concatenate([keypoints, np.ones((24, 17, 1))], axis=-1)
    keypoints[2, 4] = [0.0, 0.0, 0.0]  # not found
    return poses, PoseSequences(
        "human36m_17",
        keypoints,
        np.zeros_like(poses),
        [0, 8, 16, 24],
        ["a", "b", "c"],
        ["x"] * 3,
        views=[0, 0, -1],
        image_sizes=[1000, 1002],
        cameras=(camera,),
        valid=np.zeros(24, bool),
    )


def test_in_the_wild(filmed):
    poses, data = filmed
    known = data.select(subjects=["a", "b"])
    scores = evaluation.get("in_the_wild").score(poses[:16] - poses[:16, :1], known)
    assert scores.figures["reprojection"] < 0.01
    assert scores.truth == {} and "no 3D truth" in scores.variant
    # Twice the size at twice the distance looks the same.
    twice = evaluation.get("in_the_wild").score(2.0 * poses[:16], known)
    assert twice.figures["reprojection"] < 0.01
    assert twice.figures["lse"] == pytest.approx(2 * scores.figures["lse"], rel=1e-5)
    assert twice.figures["lse_percent"] == pytest.approx(scores.figures["lse_percent"], rel=1e-5)
    spreads = [each.figures["length_spread_percent"] for each in (scores, twice)]
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-5)
    # Structure by hand.
    skeleton = data.skeleton
    lengths = np.array(
        [
            [math.dist(pose[child], pose[parent]) for parent, child in skeleton.bones]
            for pose in 1000 * poses[:16]
        ]
    )
    within = [np.std(lengths[part], axis=0, ddof=1).mean() for part in (slice(8), slice(8, 16))]
    assert scores.figures["length_spread"] == pytest.approx(np.mean(within), rel=1e-5)
    # One wrong joint in each frame.
    keypoints = known.keypoints.copy()
    moved = poses[:16].copy()
    moved[:, 16, 0] += 0.5
    worse = evaluation.get("in_the_wild").score(moved, replace(known, keypoints=keypoints))
    assert 1 < worse.figures["reprojection"] < 100
    assert set(worse.table("sequences").rows) == set(known.names.tolist())


def test_in_the_wild_without_a_camera(filmed):
    poses, data = filmed
    with pytest.raises(UserError, match="The camera of 'c/x/-1' is not known"):
        evaluation.get("in_the_wild", camera="known").score(poses, data)
    mixed = evaluation.get("in_the_wild").score(poses, data)
    assert "with the known camera" in mixed.variant[1] and "without a camera" in mixed.variant[1]
    # An image without perspective: size and place are all that is fitted.
    flat = data.keypoints.copy()
    flat[..., :2] = 0.3 * poses[..., :2] + np.array([0.1, -0.2])
    weak = evaluation.get("in_the_wild", camera="weak")
    assert weak.score(poses, replace(data, keypoints=flat)).figures["reprojection"] < 0.01
    # x is off by 0.01 in normalised units at one joint of 17 only after the fit took its share.
    flat[0, :, 2] = 0.0
    flat[1, 3:, 2] = 0.0
    flat[2, 2:, 2] = 0.0
    some = weak.score(poses, replace(data, keypoints=flat))
    assert some.figures["reprojection"] < 0.01
    assert some.notes[0].startswith("2 frames have fewer than 3 joints")


def test_people_of_a_detector(tmp_path):
    lines = ["# fps: 25", "frame,person,nose_x,nose_y,left_eye_x,left_eye_y"]
    lines += [f"{frame},1,{310 + frame},200,300,190" for frame in (0, 1, 2, 5, 6)]
    lines += ["0,2,100,100,,", "1,2,110,100,120,90"]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    file = keypoint_files.read(path, layout="coco_17")
    data = evaluation.from_keypoint_file(file, (640, 480))
    assert data.names.tolist() == [
        "person 1 frames 0-2", "person 1 frames 5-6", "person 2 frames 0-1"
    ]  # fmt: skip
    assert data.lengths.tolist() == [3, 2, 2] and not data.valid.any()
    assert data.fps.tolist() == [25.0] * 3
    np.testing.assert_allclose(data.keypoints[0, 0], [2 * 310 / 640 - 1, -80 / 640, 1], atol=1e-6)
    # Not found: where the found ones lie on average, without confidence.
    np.testing.assert_allclose(data.keypoints[5, 1], [*data.keypoints[5, 0, :2], 0], atol=1e-6)
    with pytest.raises(UserError, match="does not tell the size of the images"):
        evaluation.from_keypoint_file(file)
