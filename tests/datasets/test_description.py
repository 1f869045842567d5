"""What is told of a data set is what is in it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from keras_seal.data import PoseSequences, PoseSplits
from keras_seal.datasets import page
from keras_seal.datasets.description import describe, describe_sequences
from keras_seal.geometry import Camera, normalize_screen, project
from tests.browser import CHROMIUM, check_page

CAMERA = Camera(np.eye(3), np.zeros(3), [1145, 1144], [512, 515], [-0.2, 0.24, 0], [-1e-3, 1e-3])


@pytest.fixture
def person(random_poses, skeleton):
    """One rigid, symmetric person who stands still, twelve frames long, seen by one camera."""

    def make(name="S1", action="Standing", valid=None):
        pose = random_poses(1)[0, 0]
        for left, right in skeleton.mirror_pairs:
            pose[left] = pose[right] * np.array([-1, 1, 1])
        pose[list(skeleton.left) + list(skeleton.right)] += 0  # mirrored in x about the root
        for joint in set(range(17)) - {*skeleton.left, *skeleton.right}:
            pose[joint, 0] = 0.0
        poses = np.tile(pose, (12, 1, 1)).astype("float32")
        poses[..., 2] += 5.0
        pixels = project(poses.astype("float64"), CAMERA)
        return PoseSequences(
            skeleton,
            normalize_screen(pixels, 1000, 1000),
            poses,
            [0, 5, 12],
            [name, name],
            [action, "Waving"],
            views=[0, 0],
            cameras=(CAMERA,),
            valid=np.ones(12, bool) if valid is None else valid,
        )

    return make


def test_a_clean_set_is_said_to_be_clean(person):
    facts = describe_sequences(person(valid=np.arange(12) != 3))
    assert (facts["sequences"], facts["frames"], facts["valid_frames"]) == (2, 12, 11)
    assert (facts["shortest"], facts["longest"]) == (5, 7)
    assert facts["actions"] == {"Standing": 5, "Waving": 7}
    assert (facts["fps"], facts["image_sizes"]) == ({"50.0": 2}, {"1000 x 1000": 2})
    assert facts["cameras"] == 1
    assert facts["symmetry_mm"] == pytest.approx(0.0, abs=1e-3)
    assert facts["reprojection"]["max"] < 1e-3
    assert set(facts["outliers"].values()) == {0}
    assert facts["subjects"]["S1"]["actions"] == 2


def test_what_is_wrong_is_found(person, skeleton):
    sequences = person()
    poses, keypoints = sequences.poses.copy(), sequences.keypoints.copy()
    wrist = skeleton.joint_index("left_wrist")
    # Frame 8: the left forearm grows by 120 mm; the joint jumps there and back within 1/50 s.
    bone = poses[8, wrist] - poses[8, skeleton.parents[wrist]]
    poses[8, wrist] += 0.12 * bone / np.linalg.norm(bone)
    keypoints[2, 0, 0] = 40.0  # diverged
    keypoints[4, 0, 0] = 1.5
    poses[10, wrist] += np.array([0.0, 0.0, 0.5])
    facts = describe_sequences(sequences._with(poses=poses, keypoints=keypoints))
    assert facts["outliers"] == {
        "frames_beyond_image": 2,
        "frames_far_beyond_image": 1,
        "frames_too_fast": 2,  # into frame 10 and out of it
    }
    assert facts["reprojection"]["max"] == pytest.approx(
        500 * (40 - sequences.keypoints[2, 0, 0]), rel=1e-3
    )
    lengths = np.linalg.norm(poses[:, wrist] - poses[:, skeleton.parents[wrist]], axis=-1) * 1e3
    person_facts = facts["subjects"]["S1"]
    index = facts["bones"].index("left_wrist")
    assert person_facts["bone_lengths_mm"][index] == pytest.approx(lengths.mean(), abs=0.01)
    assert person_facts["bone_spreads_mm"][index] == pytest.approx(lengths.std(), abs=0.01)
    other = np.linalg.norm(sequences.poses[0, wrist] - sequences.poses[0, skeleton.parents[wrist]])
    expected = np.abs(lengths - 1e3 * other).sum() / 12 / len(skeleton.bone_mirror_pairs)
    assert facts["symmetry_mm"] == pytest.approx(expected, rel=1e-3)


def test_root_relative_poses_are_not_projected(person):
    sequences = person()
    relative = sequences._with(poses=sequences.poses - sequences.poses[:, :1])
    assert describe_sequences(relative)["reprojection"] is None


def test_the_page_stands_alone(person, tmp_path):
    splits = PoseSplits(person("S1"), person("S8"), person("S9", action="<b>Sit & stand</b>"))
    path = page.write_page(tmp_path / "page.html", "A set", describe(splits), splits)
    html = path.read_text()
    assert html.count("data:image/png;base64,") == 9
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "&lt;b&gt;Sit &amp; stand" in html
    for name in ("train", "validation", "test", "S8", "left-right difference"):
        assert name in html
    if CHROMIUM is not None:
        check_page(path)
