from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal import Skeleton, skeletons
from keras_seal.errors import UserError
from keras_seal.skeletons import joint_maps
from keras_seal.skeletons.joint_maps import JointMap

ALL = joint_maps.names()


def keypoints(joint_map, seed=0, frames=5, channels=3):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1000, (frames, joint_map.source.num_joints, 3))
    points[..., 2] = rng.uniform(0.1, 1.0, points.shape[:2])
    return points[..., :channels]


# ------------------------------------------------- the published formulas, stated on their own
# Each takes (J, 2) or (J, 1) coordinates by index, as the repositories do.

LIMBS_FROM_COCO = {
    1: 12,
    2: 14,
    3: 16,
    4: 11,
    5: 13,
    6: 15,
    11: 5,
    12: 7,
    13: 9,
    14: 6,
    15: 8,
    16: 10,
}


def plain(p):
    out = np.empty((17, p.shape[1]))
    for target, source in LIMBS_FROM_COCO.items():
        out[target] = p[source]
    out[0] = (p[11] + p[12]) / 2
    out[8] = (p[5] + p[6]) / 2
    out[7] = (out[0] + out[8]) / 2
    out[9] = p[0]
    out[10] = (p[1] + p[2]) / 2
    return out


def gast(factor):
    def formula(p):
        out = plain(p)
        out[10, 0] = p[1:5, 0].mean()
        out[10, 1] = p[1, 1] + p[2, 1] - p[0, 1]
        middle = p[5:7].mean(axis=0)
        out[8] = middle + (p[0] - middle) / 3
        out[7] = p[[5, 6, 11, 12]].mean(axis=0)
        out[9] = p[0] - (p[0] - middle) / 4
        out[7, 0] += factor * (out[7, 0] - out[[0, 8], 0].mean())
        out[8, 1] -= (p[1:3, 1].mean() - p[0, 1]) * 2 / 3
        return out

    return formula


def gast_scores(c):
    out = plain(c)
    out[10] = c[1:5].mean()
    out[7] = out[[0, 8]].mean()
    return out


def halpe(p):
    out = plain(p[:17])
    out[0], out[8], out[9], out[10] = p[19], p[18], p[0], p[17]
    out[7] = (p[18] + p[19]) / 2
    return out


def body_25(p):
    order = [8, 9, 10, 11, 12, 13, 14, -1, 1, 0, -1, 5, 6, 7, 2, 3, 4]
    out = np.array(p[order])
    out[7] = (p[8] + p[1]) / 2
    out[10] = (p[15] + p[16]) / 2
    return out


def openpose_18(p):
    hips = (p[8] + p[11]) / 2
    legs, rest = p[8:14], p[14:]
    return body_25(np.concatenate([p[:8], hips[None], legs, rest]))


def mediapipe(p):
    coco = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    return plain(p[coco])


def mpii(p):
    out = np.empty((17, p.shape[1]))
    out[[3, 2, 1, 4, 5, 6, 0, 8, 9, 10, 16, 15, 14, 11, 12, 13]] = p
    out[7] = p[[2, 3, 12, 13]].mean(axis=0)
    return out


def fourteen(shoulders, hips, limbs):
    def formula(p):
        out = np.empty((17, p.shape[1]))
        out[[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]] = p[limbs]
        out[0] = p[hips].mean(axis=0)
        out[8] = p[shoulders].mean(axis=0)
        out[7] = (out[0] + out[8]) / 2
        out[9] = (3 * p[13] + p[12]) / 4
        out[10] = (5 * p[13] + 7 * p[12]) / 12
        return out

    return formula


def picked(*order):
    return lambda p: p[list(order)]


TO_HUMAN36M = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
FROM_HUMAN36M = (10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9)
WITHOUT_NOSE = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16)


def with_nose(p):
    return np.insert(p, 9, (p[8] + p[9]) / 2, axis=0)


def smpl(p):
    out = np.empty((17, p.shape[1]))
    out[[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]] = p[[2, 5, 8, 1, 4, 7, 16, 18, 20, 17, 19, 21]]
    out[0] = (p[1] + p[2]) / 2
    out[7] = (p[3] + p[6]) / 2
    out[8] = p[12]
    out[9] = p[12] + 1.3 * (p[15] - p[12])
    out[10] = p[15] + 0.7 * (p[12] - p[9])
    return out


FORMULAS = {
    "coco_17_to_human36m_17_plain": plain,
    "coco_17_to_human36m_17_gast": gast(2),
    "coco_17_to_human36m_17_gast_hrnet": gast(0.3),
    "halpe_26_to_human36m_17": halpe,
    "halpe_136_to_human36m_17": halpe,
    "h3wb_133_to_human36m_17": plain,
    "body_25_to_human36m_17": body_25,
    "openpose_18_to_human36m_17": openpose_18,
    "mediapipe_33_to_human36m_17": mediapipe,
    "mpii_16_to_human36m_17": mpii,
    "mpii_16_to_human36m_16_stacked_hourglass": picked(
        6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10
    ),
    "aic_14_to_human36m_17": fourteen([0, 3], [6, 9], [6, 7, 8, 9, 10, 11, 3, 4, 5, 0, 1, 2]),
    "crowdpose_14_to_human36m_17": fourteen([0, 1], [6, 7], [7, 9, 11, 6, 8, 10, 0, 2, 4, 1, 3, 5]),
    "mpi_inf_3dhp_17_to_human36m_17": picked(*TO_HUMAN36M),
    "human36m_17_to_mpi_inf_3dhp_17": picked(*FROM_HUMAN36M),
    "human36m_17_to_human36m_16": picked(*WITHOUT_NOSE),
    "human36m_16_to_human36m_17": with_nose,
    "human36m_17_to_common_15": picked(0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16),
    "mpi_inf_3dhp_17_to_common_15": picked(14, 8, 9, 10, 11, 12, 13, 1, 0, 5, 6, 7, 2, 3, 4),
    "halpe_26_to_coco_17": picked(*range(17)),
    "halpe_136_to_coco_17": picked(*range(17)),
    "h3wb_133_to_coco_17": picked(*range(17)),
    "halpe_136_to_halpe_26": picked(*range(26)),
    "body_25_to_coco_17": picked(0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11),
    "openpose_18_to_coco_17": picked(0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10),
    "mediapipe_33_to_coco_17": picked(
        0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28
    ),
    "smpl_22_to_human36m_17": smpl,
    "smpl_24_to_human36m_17": smpl,
}
# Confidences where they are not what the formula above makes of them: means of what is used.
SCORES = {
    "coco_17_to_human36m_17_gast": gast_scores,
    "coco_17_to_human36m_17_gast_hrnet": gast_scores,
}


def mean_of_two(p, formula, one, other):
    out = formula(p)
    out[[9, 10]] = (p[one] + p[other]) / 2
    return out


for _name in ("aic_14_to_human36m_17", "crowdpose_14_to_human36m_17"):
    SCORES[_name] = lambda c, f=FORMULAS[_name]: mean_of_two(c, f, 12, 13)


def _openpose_scores(c):
    out = openpose_18(c)
    out[7] = c[[1, 8, 11]].mean()
    return out


def _smpl_scores(c):
    out = smpl(c)
    out[9], out[10] = c[[12, 15]].mean(), c[[9, 12, 15]].mean()
    return out


SCORES["openpose_18_to_human36m_17"] = _openpose_scores
SCORES["smpl_22_to_human36m_17"] = SCORES["smpl_24_to_human36m_17"] = _smpl_scores


def test_every_map_has_its_formula():
    assert sorted(FORMULAS) == ALL


@pytest.mark.parametrize("name", ALL)
def test_maps_are_the_published_formulas(name):
    joint_map = joint_maps.get(name)
    points = keypoints(joint_map)
    mapped = joint_map.apply(points)
    assert mapped.shape == (5, joint_map.target.num_joints, 3)
    for frame, out in zip(points, mapped, strict=True):
        np.testing.assert_allclose(out[:, :2], FORMULAS[name](frame[:, :2]), rtol=0, atol=1e-9)
        scores = SCORES.get(name, FORMULAS[name])(frame[:, 2:])
        np.testing.assert_allclose(out[:, 2:], scores, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(joint_map.apply(points[..., :2]), mapped[..., :2])
    if joint_map.for_poses:
        poses = np.random.default_rng(1).normal(size=(2, 3, joint_map.source.num_joints, 3))
        out = joint_map.apply_poses(poses)
        flat = poses.reshape(6, -1, 3)
        expected = [FORMULAS[name](pose) for pose in flat]
        np.testing.assert_allclose(out.reshape(6, -1, 3), expected, atol=1e-12)
    else:
        assert "gast" in name
        with pytest.raises(UserError, match="not poses"):
            joint_map.apply_poses(np.zeros((17, 3)))


@pytest.mark.parametrize("name", ALL)
def test_limbs_coincide_exactly(name):
    joint_map = joint_maps.get(name)
    points = keypoints(joint_map)
    mapped = joint_map.apply(points)
    parts = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for joint in (f"{side}_{part}" for side in ("left", "right") for part in parts):
        np.testing.assert_array_equal(
            mapped[:, joint_map.target.joints.index(joint)],
            points[:, joint_map.source.joints.index(joint)],
        )


@pytest.mark.parametrize("name", ALL)
@given(seed=st.integers(0, 2**32 - 1))
def test_properties(name, seed):
    joint_map = joint_maps.get(name)
    points = keypoints(joint_map, seed)
    mapped = joint_map.apply(points)
    mirror = {key: getattr(joint_map, key).mirror_permutation for key in ("source", "target")}

    def flipped(array, side):
        return (array * [-1, 1, 1])[:, mirror[side]]

    # Mirroring first or mapping first is the same.
    np.testing.assert_allclose(
        joint_map.apply(flipped(points, "source")), flipped(mapped, "target"), atol=1e-9
    )
    # Those who move or come nearer take the mapped joints along.
    shift = np.array([12.5, -250.0, 0.0])
    np.testing.assert_allclose(joint_map.apply(points + shift), mapped + shift, atol=1e-9)
    scale = np.array([2.0, 0.5, 1.0])
    np.testing.assert_allclose(joint_map.apply(points * scale), mapped * scale, atol=1e-9)
    other = keypoints(joint_map, seed + 1)
    np.testing.assert_allclose(
        joint_map.apply((points + other) / 2), (mapped + joint_map.apply(other)) / 2, atol=1e-9
    )
    assert (mapped[..., 2] > 0).all() and (mapped[..., 2] <= 1 + 1e-12).all()


@pytest.mark.parametrize("name", ALL)
def test_order_of_the_joints_does_not_matter(name, rng):
    """Joints have names: a layout in another order gives the same map, permuted."""
    joint_map = joint_maps.get(name)
    order = rng.permutation(joint_map.source.num_joints)
    description = joint_map.source.to_dict()
    description["joints"] = [description["joints"][index] for index in order]
    permuted = joint_maps.get({**joint_map.to_dict(), "source": description})
    points = keypoints(joint_map)
    np.testing.assert_allclose(permuted.apply(points[:, order]), joint_map.apply(points), atol=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_what_is_missing_stays_missing(name):
    joint_map = joint_maps.get(name)
    used = (joint_map.x != 0) | (joint_map.y != 0)
    points = keypoints(joint_map, frames=1)[0]
    complete = joint_map.apply(points)
    marks = {"nan": [np.nan, np.nan, 0.9], "half": [3.0, np.nan, 0.9], "zero": [0.0, 0.0, 0.0]}
    marks |= {"trust": [5.0, 5.0, np.nan], "infinite": [np.inf, 5.0, 0.9], "below": [5, 5, -0.1]}
    for joint in range(0, joint_map.source.num_joints, 3):
        for mark in marks.values():
            points_now = points.copy()
            points_now[joint] = mark
            mapped = joint_map.apply(points_now)
            lost = used[:, joint]
            np.testing.assert_array_equal(np.isnan(mapped[:, :2]).all(axis=1), lost)
            assert (mapped[lost, 2] == 0).all()
            np.testing.assert_array_equal(mapped[~lost], complete[~lost])
        pair = points[:, :2].copy()
        pair[joint] = np.nan
        np.testing.assert_array_equal(np.isnan(joint_map.apply(pair)).all(axis=1), used[:, joint])


@pytest.mark.parametrize("name", ALL)
def test_descriptions_round_trip(name, tmp_path):
    joint_map = joint_maps.get(name)
    description = json.loads(json.dumps(joint_map.to_dict()))
    path = tmp_path / "map.yaml"
    path.write_text(json.dumps(description))  # JSON is YAML
    for twin in (joint_maps.get(description), joint_maps.get(path), joint_maps.get(str(path))):
        for axis in ("x", "y", "confidence"):
            np.testing.assert_array_equal(getattr(twin, axis), getattr(joint_map, axis))
        assert (twin.source, twin.target) == (joint_map.source, joint_map.target)
    assert joint_maps.get(joint_map) is joint_map
    twin = pickle.loads(pickle.dumps(joint_map))
    np.testing.assert_array_equal(twin.x, joint_map.x)
    assert joint_map.about.endswith(".")


def test_maps_there_and_back():
    there = joint_maps.get("human36m_17_to_mpi_inf_3dhp_17")
    back = joint_maps.get("mpi_inf_3dhp_17_to_human36m_17")
    np.testing.assert_array_equal(there.then(back).x, np.eye(17))
    np.testing.assert_array_equal(back.then(there).x, np.eye(17))
    wide = joint_maps.get("human36m_16_to_human36m_17")
    narrow = joint_maps.get("human36m_17_to_human36m_16")
    np.testing.assert_array_equal(wide.then(narrow).x, np.eye(16))
    # Both ways to the common joints agree.
    one = there.then(joint_maps.get("mpi_inf_3dhp_17_to_common_15"))
    np.testing.assert_array_equal(one.x, joint_maps.get("human36m_17_to_common_15").x)
    with pytest.raises(UserError, match="starts from 'mpi_inf_3dhp_17', but"):
        back.then(back)


def test_find():
    for name in ALL:
        joint_map = joint_maps.get(name)
        found = joint_maps.find(joint_map.source, joint_map.target)
        usual = name not in (
            "coco_17_to_human36m_17_gast",
            "coco_17_to_human36m_17_gast_hrnet",
            "mpii_16_to_human36m_16_stacked_hourglass",
        )
        assert (found.name == name) == usual
    assert joint_maps.find("coco_17", "human36m_17").name == "coco_17_to_human36m_17_plain"
    for source in {joint_maps.get(name).source.name for name in ALL}:
        for target in ("human36m_17", "human36m_16", "mpi_inf_3dhp_17", "common_15"):
            found = joint_maps.find(source, target)
            points = keypoints(found)
            if ", " in found.name:
                first, second = (joint_maps.get(part) for part in found.name.split(", "))
                expected = second.apply(first.apply(points))
                np.testing.assert_allclose(found.apply(points), expected, atol=1e-9)
    same = joint_maps.find("aic_14", "aic_14")
    points = keypoints(same)
    np.testing.assert_array_equal(same.apply(points), points)
    # A skeleton counts by its joints, not by its name.
    description = {**skeletons.get("coco_17").to_dict(), "name": "mine"}
    assert joint_maps.find(Skeleton.from_dict(description), "human36m_17").source.name == "coco_17"
    with pytest.raises(UserError, match="no joint map from 'hand_21' to 'human36m_17'; there are"):
        joint_maps.find("hand_21", "human36m_17")


def test_names():
    assert joint_maps.names(target="common_15") == [
        "human36m_17_to_common_15",
        "mpi_inf_3dhp_17_to_common_15",
    ]
    assert joint_maps.names(source="coco_wholebody_133") == [
        "h3wb_133_to_coco_17",
        "h3wb_133_to_human36m_17",
    ]
    with pytest.raises(UserError, match="Did you mean 'coco_17'"):
        joint_maps.names(source="coco17")
    with pytest.raises(UserError, match="Did you mean 'halpe_26_to_human36m_17'"):
        joint_maps.get("halpe26_to_human36m_17")


def test_float_types_and_shapes():
    joint_map = joint_maps.find("coco_17", "human36m_17")
    for dtype in (np.float16, np.float32, np.float64):
        assert joint_map.apply(np.ones((2, 3, 17, 2), dtype)).dtype == dtype
    assert joint_map.apply(np.ones((17, 2), int)).dtype == np.float64
    assert joint_map.apply(np.ones((0, 17, 3))).shape == (0, 17, 3)
    for wrong in ((17,), (16, 2), (17, 4), (17, 17), (3, 17, 1)):
        with pytest.raises(UserError, match=r"takes keypoints of the shape \(\.\.\., 17, 2 or 3\)"):
            joint_map.apply(np.ones(wrong))
    with pytest.raises(UserError, match="takes poses"):
        joint_map.apply_poses(np.ones((17, 2)))
    with pytest.raises(UserError, match="<U1"):
        joint_map.apply(np.full((17, 2), "x"))


PAIR = {"name": "pair", "joints": ["left_eye", "right_eye"], "parents": {"right_eye": "left_eye"}}
ONE = {"name": "one", "joints": ["eyes", "left_eye"], "parents": {"left_eye": "eyes"}}
MAP = {"source": PAIR, "target": ONE, "rules": {"eyes": ["left_eye", "right_eye"]}}


def test_rules():
    rules = [
        ["left_eye", "right_eye"],
        {"left_eye": 0.5, "right_eye": "1/2"},
        {"at": ["left_eye", "right_eye"]},
        {"x": ["left_eye", "right_eye"], "y": ["right_eye", "left_eye"]},
    ]
    for rule in rules:
        joint_map = joint_maps.get({**MAP, "rules": {"eyes": rule}})
        for axis in ("x", "y", "confidence"):
            assert getattr(joint_map, axis).tolist() == [[0.5, 0.5], [1, 0]]
    rule = {"x": "left_eye", "y": {"left_eye": 2, "right_eye": -1}, "confidence": "right_eye"}
    joint_map = joint_maps.get({**MAP, "rules": {"eyes": rule}})
    assert joint_map.apply(np.array([[1.0, 2, 0.5], [3, 5, 0.25]]))[0].tolist() == [1, -1, 0.25]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": {"nose": "left_eye"}}, "'one' has no joint 'nose'"),
        ({"rules": {}}, "no rule for 'eyes', and 'pair' has no joint of that name"),
        ({"rules": {"eyes": "left_aye"}}, "no joint 'left_aye'. Did you mean 'left_eye'"),
        ({"rules": {"eyes": []}}, "expected a joint of 'pair', a list"),
        ({"rules": {"eyes": 3}}, "expected a joint of 'pair', a list"),
        ({"rules": {"eyes": ["left_eye", "left_eye"]}}, "expected different joints"),
        ({"rules": {"eyes": [["left_eye"], "left_eye"]}}, "expected different joints"),
        ({"rules": {"eyes": {"left_eye": 0.5}}}, "weights sum to 0.5; they must sum to 1"),
        ({"rules": {"eyes": {"left_eye": "1/0"}}}, "must be a number or a fraction"),
        ({"rules": {"eyes": {"left_eye": float("nan")}}}, "must be a number or a fraction"),
        ({"rules": {"eyes": {"left_eye": True}}}, "must be a number or a fraction"),
        ({"rules": {"eyes": {"x": "left_eye"}}}, "give `x` and `y`, or `at`"),
        ({"rules": {"eyes": {"at": "left_eye", "x": "left_eye"}}}, "give `x` and `y`, or `at`"),
        ({"rules": {"eyes": {"at": "left_eye", "z": "left_eye"}}}, "unknown key 'z'"),
        (
            {"rules": {"eyes": {"at": "left_eye", "confidence": {"left_eye": 2, "right_eye": -1}}}},
            "must not be negative",
        ),
        ({"rules": ["eyes"]}, "`rules` must map joints"),
        ({"source": "coco_71"}, "`source`: There is no built-in skeleton 'coco_71'"),
        ({"source": 5}, "`source`: A skeleton must be"),
        ({"to": "coco_17"}, "unknown key 'to'"),
    ],
)
def test_wrong_maps_are_explained(change, message):
    with pytest.raises(UserError, match=message):
        joint_maps.get({**MAP, **change})


def test_wrong_ways_to_name_a_map(tmp_path):
    with pytest.raises(UserError, match="missing `target`"):
        joint_maps.get({"source": "coco_17"})
    with pytest.raises(UserError, match="no joint map file"):
        joint_maps.get(tmp_path / "none.yaml")
    path = tmp_path / "map.yaml"
    path.write_text("a: [")
    with pytest.raises(UserError, match="is not valid YAML"):
        joint_maps.get(path)
    path.write_text("just words")
    with pytest.raises(UserError, match="expected a mapping"):
        joint_maps.get(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as text"):
        joint_maps.get(path)
    with pytest.raises(TypeError, match="got int"):
        joint_maps.get(3)
    one, pair = Skeleton.from_dict(ONE), Skeleton.from_dict(PAIR)
    with pytest.raises(UserError, match=r"weights of x must have the shape \(2, 2\)"):
        JointMap("bad", pair, one, np.eye(3), np.eye(2), np.eye(2))
    with pytest.raises(UserError, match="weights of y of 'eyes' sum to 2"):
        JointMap("bad", pair, one, np.eye(2), 2 * np.eye(2), np.eye(2))
