from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal import Skeleton, skeletons
from keras_seal.errors import UserError

STICK = {
    "name": "stick",
    "joints": ["hip", "left", "right", "head"],
    "parents": {"left": "hip", "right": "hip", "head": "hip"},
    "mirror_pairs": [["left", "right"]],
    "limbs": {"spine": ["head"]},
    "groups": {"legs": ["left", "right"]},
    "origin": ["left", "right"],
}


def changed(**changes):
    description = copy.deepcopy(STICK)
    for key, value in changes.items():
        if value is None:
            del description[key]
        else:
            description[key] = value
    return description


@pytest.mark.parametrize("name", skeletons.names())
def test_builtin_skeletons_are_sound(name):
    skeleton = skeletons.get(name)
    assert skeleton.name == name
    assert skeleton.num_joints == int(name.rsplit("_", 1)[1])
    for left, right in skeleton.mirror_pairs:
        pair = skeleton.joints[left], skeleton.joints[right]
        if not pair[0].startswith("face_"):
            assert pair[0].removeprefix("left_") == pair[1].removeprefix("right_")
    # Mirroring twice changes nothing, and mirrors bones onto bones.
    mirror = skeleton.mirror_permutation
    assert (mirror[mirror] == np.arange(skeleton.num_joints)).all()
    np.testing.assert_array_equal(skeleton.adjacency[mirror][:, mirror], skeleton.adjacency)
    assert len(skeleton.bone_mirror_pairs) == len(skeleton.mirror_pairs)
    order = skeleton.topological_order
    assert sorted(order) == list(range(skeleton.num_joints))
    position = {joint: place for place, joint in enumerate(order)}
    assert all(position[parent] < position[child] for parent, child in skeleton.bones)
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton
    assert pickle.loads(pickle.dumps(skeleton)) == skeleton


def test_human36m_is_the_published_tree():
    skeleton = skeletons.get("human36m_17")
    assert skeleton.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
    assert set(skeleton.mirror_pairs) == {(4, 1), (5, 2), (6, 3), (11, 14), (12, 15), (13, 16)}
    assert (skeleton.root, skeleton.origin) == (0, (0,))
    assert skeleton.limbs["left_leg"] == (5, 6)
    assert skeleton.limb_mirror_pairs == (("left_leg", "right_leg"), ("left_arm", "right_arm"))
    # The 18 pairs of MotionBERT and the one it leaves out, (8, 10).
    published = (
        "0-3 0-6 3-6 0-1 1-2 3-4 4-5 6-7 7-10 7-13 8-13 10-13 7-8 8-9 10-11 11-12 13-14 14-15"
    )
    pairs = {tuple(map(int, pair.split("-"))) for pair in published.split()}
    assert set(skeleton.adjacent_bones) == pairs | {(8, 10)}


def test_the_root_may_come_last():
    skeleton = skeletons.get("mpi_inf_3dhp_17")
    assert skeleton.joints[skeleton.root] == "pelvis" and skeleton.root == 14
    assert [skeleton.bones[skeleton.bone_index(child)][1] for child in (0, 13, 15, 16)] == [
        0,
        13,
        15,
        16,
    ]


def test_whole_body_mirrors_the_published_pairs():
    skeleton = skeletons.get("h3wb_133")
    pairs = {frozenset(pair) for pair in skeleton.mirror_pairs}
    published = [(17, 20), (23, 39), (30, 32), (40, 49), (54, 58), (59, 68), (64, 69), (71, 77)]
    published += [(78, 82), (83, 87), (88, 90), (91, 112), (111, 132), (1, 2), (15, 16)]
    assert {frozenset(pair) for pair in published} <= pairs
    midline = set(range(133)) - {joint for pair in pairs for joint in pair}
    assert midline == {0, 31, 50, 51, 52, 53, 56, 74, 80, 85, 89}
    assert skeleton.parents[91] == 9 and skeleton.parents[112] == 10
    assert len(skeleton.groups["face"]) == 68 and skeleton.origin == (11, 12)


def test_a_hand_mirrors_nothing():
    hand = skeletons.get("hand_21")
    assert hand.mirror_pairs == hand.bone_mirror_pairs == hand.limb_mirror_pairs == ()
    assert hand.left == hand.right == ()
    assert len(hand.limbs) == 5


@given(st.data())
def test_derived_arrays_of_random_trees(data):
    count = data.draw(st.integers(2, 12))
    order = data.draw(st.permutations(range(count)))
    parents = [-1] * count
    for place in range(1, count):
        parents[order[place]] = order[data.draw(st.integers(0, place - 1))]
    skeleton = Skeleton("tree", tuple(f"joint_{k}" for k in range(count)), tuple(parents))
    assert skeleton.root == order[0]
    hops = np.full((count, count), np.inf)
    hops[skeleton.adjacency > 0] = 1
    np.fill_diagonal(hops, 0)
    for middle in range(count):  # Floyd and Warshall
        hops = np.minimum(hops, hops[:, [middle]] + hops[[middle]])
    np.testing.assert_array_equal(skeleton.hop_distances, hops)
    np.testing.assert_array_equal(skeleton.degrees, (hops == 1).sum(axis=1))
    touching = {
        (a, b)
        for a, bone in enumerate(skeleton.bones)
        for b, other in enumerate(skeleton.bones)
        if a < b and set(bone) & set(other)
    }
    assert set(skeleton.adjacent_bones) == touching
    assert Skeleton.from_dict(skeleton.to_dict()) == skeleton


def test_yaml_round_trip_and_every_way_to_get_a_skeleton(tmp_path):
    stick = skeletons.get(STICK)
    path = tmp_path / "stick.yaml"
    stick.to_yaml(path)
    assert "joints: [hip, left, right, head]" in path.read_text()
    for identifier in (stick, path, str(path), stick.to_dict()):
        assert skeletons.get(identifier) == stick
        assert hash(skeletons.get(identifier)) == hash(stick)
    assert stick != skeletons.get(changed(limbs=None))
    whole = skeletons.get("h3wb_133")
    whole.to_yaml(path)
    assert skeletons.get(path) == whole


def test_derived_arrays_are_the_callers_own():
    skeleton = skeletons.get("human36m_17")
    skeleton.adjacency[:] = 5
    assert skeleton.adjacency.max() == 1


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (changed(parents={"left": "head", "head": "left", "right": "hip"}), "cycle.*'left'"),
        (changed(parents={"left": "hip", "right": "hip"}), "2 joints have no parent.*'head'"),
        (changed(parents={**STICK["parents"], "head": "hipp"}), "'hipp'.*Did you mean 'hip'"),
        (changed(parents={**STICK["parents"], "heed": "hip"}), "'heed'.*Did you mean 'head'"),
        (changed(parents=["hip"]), "`parents` must be a mapping"),
        (changed(mirror_pairs=[["head", "head"]]), "pairs joint 'head' with itself"),
        (changed(mirror_pairs=[["left", "right"], ["left", "head"]]), "'left' is in two"),
        (changed(mirror_pairs=[["left"]]), r"two joints \[left, right\].*'left'"),
        (changed(mirror_pairs="left"), "`mirror_pairs` must be a list"),
        (changed(limbs={"leg": ["hip"]}), "names the root 'hip'"),
        (changed(limbs={"leg": ["left", "head"]}), "not a chain.*starts at 'hip'"),
        (changed(limbs={"leg": []}), "empty"),
        (changed(limbs=["left"]), "`limbs` must be a mapping"),
        (changed(groups={"legs": ["left", "left"]}), "'left' twice"),
        (changed(groups={"legs": "left"}), "group 'legs' must be a list of joint names"),
        (changed(origin=["hips"]), "Did you mean 'hip'"),
        (changed(origin=[3]), "joint's name, got 3"),
        (changed(joints=["hip", "hip"]), "'hip' is listed twice"),
        (changed(joints=["hip", 3]), "`joints` must be a list of names"),
        ({"name": "dot", "joints": ["hip"], "parents": {}}, "at least two joints"),
        (changed(name=None), "missing `name`"),
        (changed(joints=None, parents=None), "missing `joints`, `parents`"),
        (changed(mirror_pair=[]), "unknown key 'mirror_pair'.*Did you mean 'mirror_pairs'"),
        (changed(name=7), "name must be a non-empty string"),
        ([1, 2], "must be described by a mapping"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(description, message):
    with pytest.raises(UserError, match=message):
        Skeleton.from_dict(description)


def test_wrong_indices_say_what_is_wrong():
    with pytest.raises(UserError, match="holds joint index 9, but there are 2 joints"):
        Skeleton("stick", ("a", "b"), (-1, 0), groups={"all": (0, 9)})
    with pytest.raises(UserError, match="2 entries for 3 joints"):
        Skeleton("stick", ("a", "b", "c"), (-1, 0))
    with pytest.raises(UserError, match="parent of 'b' is 4"):
        Skeleton("stick", ("a", "b"), (-1, 4))
    with pytest.raises(UserError, match=r"no joint 'left_kne'.*Did you mean 'left_knee'"):
        skeletons.get("human36m_17").joint_index("left_kne")
    with pytest.raises(UserError, match="no bone ends at the root 'pelvis'"):
        skeletons.get("human36m_17").bone_index(0)


def test_wrong_files_and_names_say_what_is_wrong(tmp_path):
    path = tmp_path / "stick.yaml"
    with pytest.raises(FileNotFoundError, match="No skeleton file"):
        skeletons.get(path)
    path.write_text("name: [unclosed")
    with pytest.raises(UserError, match=r"stick\.yaml is not valid YAML"):
        skeletons.get(path)
    path.write_text("name: stick\njoints: [a, b]\nparents:\n  b: a\n  b: b\n")
    with pytest.raises(UserError, match=r"stick\.yaml, line 5: key 'b' is given twice"):
        skeletons.get(path)
    path.write_text("name: stick\njoints: [a, b, c]\nparents: {b: a}\n")
    with pytest.raises(UserError, match=r"stick\.yaml: Skeleton 'stick': 2 joints have no parent"):
        skeletons.get(path)
    with pytest.raises(UserError, match="Did you mean 'human36m_17'"):
        skeletons.get("human36m17")
    with pytest.raises(TypeError, match="got int"):
        skeletons.get(17)
