from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal import skeletons
from keras_seal.data import DamagedFileError, keypoint_files
from keras_seal.data.keypoint_files import json_entries
from keras_seal.data.keypoint_files.people import Detections, Track
from keras_seal.errors import UserError
from keras_seal.skeletons import joint_maps
from tests.data.published import keypoints as published
from tests.data.published.keypoints import CASES, FPS, FRAMES, HEIGHT, WIDTH

TRUTH = published.motion()


def tracks_of(file):
    """Frames and keypoints of both people, whether or not the file follows them.

    Untracked people are told apart by where they are; the second is on the right.
    """
    if file.people:
        assert not len(file.untracked)
        return {track.id: (track.frames, track.keypoints) for track in file.people}
    assert not file.people
    place = np.nanmean(file.untracked.keypoints[..., 0], axis=1)
    second = place > 1000
    return {
        person: (file.untracked.frames[mask], file.untracked.keypoints[mask])
        for person, mask in ((1, ~second), (2, second))
        if mask.any()
    }


@pytest.mark.parametrize("name", CASES)
def test_every_format_is_read_back(name, tmp_path):
    case = CASES[name]
    path = case.write(tmp_path, TRUTH)
    file = keypoint_files.read(path, **case.options)
    assert (file.format, file.layout.name) == (case.format, case.layout)
    assert bool(file.people) == case.tracked
    assert file.image_size == (
        (WIDTH, HEIGHT) if case.size or case.options.get("image_size") else None
    )
    assert file.fps == (FPS if case.fps else None)
    assert file.num_frames == FRAMES
    tracks = tracks_of(file)
    assert sorted(tracks) == [person - 1 + case.first_id for person in case.people]
    for person in case.people:
        frames, found = tracks[person - 1 + case.first_id]
        expected_frames, expected = TRUTH.track(person, case.layout)
        np.testing.assert_array_equal(frames, expected_frames)
        if not case.confidence:
            expected[..., 2] = expected[..., 2] > 0
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    detections = [*file.people, *([file.untracked] if len(file.untracked) else [])]
    for each in detections:
        assert (each.boxes is not None) == case.boxes
        if case.boxes:
            by_place = {
                (frame, round(person.box[0])): person for frame, person in TRUTH.detections()
            }
            for frame, box in zip(each.frames, each.boxes, strict=True):
                np.testing.assert_allclose(by_place[frame, round(box[0])].box, box, atol=1e-9)
    # The name tells the same as the content.
    again = keypoint_files.read(path, case.format, **case.options)
    for track, other in zip(file.people, again.people, strict=True):
        np.testing.assert_array_equal(track.keypoints, other.keypoints)


def test_the_same_motion_in_all_formats(tmp_path):
    """Mapped to one skeleton, all formats hold the same tracks."""
    skeleton = skeletons.get("human36m_17")
    coco = joint_maps.get("coco_17_to_human36m_17_plain")
    for name, case in CASES.items():
        mapped = keypoint_files.read(
            case.write(tmp_path / name, TRUTH), **case.options
        ).to_skeleton(skeleton)
        assert mapped.layout == skeleton
        tracks = tracks_of(mapped)
        for person in case.people:
            frames, keypoints = tracks[person - 1 + case.first_id]
            expected_frames, expected = TRUTH.track(person, "coco_17")
            expected = coco.apply(expected)
            if not case.confidence:
                expected[..., 2] = expected[..., 2] > 0
            np.testing.assert_array_equal(frames, expected_frames)
            np.testing.assert_allclose(keypoints, expected, rtol=0, atol=1e-6, err_msg=name)


def test_videopose3d_custom(tmp_path):
    truth = published.Truth(
        [[published.Person(1, published.joints_of(frame, 0), 1.0, 1.0)] for frame in range(FRAMES)]
    )
    frames, expected = truth.track(1, "coco_17")
    path = published.videopose3d(tmp_path, truth)
    file = keypoint_files.read(path)
    assert (file.format, file.layout.name, file.image_size) == (
        "videopose3d",
        "coco_17",
        (WIDTH, HEIGHT),
    )
    (track,) = file.people
    np.testing.assert_array_equal(track.frames, frames)
    np.testing.assert_array_equal(track.keypoints, expected)
    path = published.videopose3d(tmp_path, truth, ("walk.mp4", "run.mp4"))
    with pytest.raises(UserError, match=r"2 videos: 'walk\.mp4', 'run\.mp4'\. Choose one"):
        keypoint_files.read(path)
    assert len(keypoint_files.read(path, video="run.mp4").people) == 1
    with pytest.raises(UserError, match=r"Did you mean 'run\.mp4'"):
        keypoint_files.read(path, video="runs.mp4")
    np.savez(path, positions_2d={"S1": {"Walking": [np.zeros((2, 17, 2))] * 4}})
    with pytest.raises(UserError, match="the data source 'human36m'"):
        keypoint_files.read(path)


def test_nothing_of_a_pickle_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "trap.npz"
    np.savez(path, keypoints=np.array([Trap()], object), boxes=np.zeros(1), segments=np.zeros(1))
    with pytest.raises(UserError, match=r"posix\.system"):
        keypoint_files.read(path)
    assert not (tmp_path / "ran").exists()


def test_unsorted_and_sparse_frames(tmp_path):
    def person(image, x):
        return {
            "image_id": image,
            "category_id": 1,
            "score": 1.5,
            "keypoints": [x, 300.0, 1.2] * 17,
        }

    path = tmp_path / "a.json"
    path.write_text(json.dumps([person("img_0012.jpg", 100), person("img_0007.jpg", 200)]))
    file = keypoint_files.read(path)
    assert file.untracked.frames.tolist() == [7, 12] and file.num_frames == 13
    assert file.untracked.keypoints[:, 0].tolist() == [[200, 300, 1.2], [100, 300, 1.2]]
    assert file.untracked.scores.tolist() == [1.5, 1.5]
    # Names that do not tell images apart: their order counts.
    for names in (("a_1.jpg", "b_1.jpg"), ("cat.jpg", "dog_2.jpg"), ("v.mp4_x", "v.mp4_y")):
        path.write_text(json.dumps([person(name, 100) for name in names]))
        assert keypoint_files.read(path).untracked.frames.tolist() == [0, 1]


def test_mmpose_of_an_image(tmp_path):
    (people,) = (people for people in TRUTH.frames[4:5])
    instances = published._instances(people, "coco_17", False)
    path = tmp_path / "image.json"
    for content in (instances, {"meta_info": {"dataset_name": "?"}, "instance_info": instances}):
        path.write_text(json.dumps(content))
        file = keypoint_files.read(path)
        assert file.format == "mmpose" and file.untracked.frames.tolist() == [0, 0]
        assert file.num_frames == 1


def test_ways_to_tell_joints_apart(tmp_path):
    # MMPose names the data set; 14 joints alone do not tell.
    joints = TRUTH.only(1)
    for layout, name in (("aic_14", "aic"), ("crowdpose_14", "crowdpose"), ("mpii_16", "mpii")):
        path = published.mmpose_demo(tmp_path, joints, layout, name)
        assert keypoint_files.read(path).layout.name == layout
    path = published.mmpose_demo(tmp_path, joints, "aic_14", "unheard of")
    with pytest.raises(UserError, match="14 joints a person, which does not tell their order"):
        keypoint_files.read(path)
    assert keypoint_files.read(path, layout="crowdpose_14").layout.name == "crowdpose_14"
    with pytest.raises(UserError, match="14 joints a person, but the layout 'coco_17' has 17"):
        keypoint_files.read(path, layout="coco_17")
    # A skeleton of the user's own.
    own = skeletons.Skeleton.from_dict({**skeletons.get("aic_14").to_dict(), "name": "own"})
    assert keypoint_files.read(path, layout=own).layout.name == "own"


def test_joint_maps_are_chosen_and_checked(tmp_path):
    file = keypoint_files.read(published.coco_results(tmp_path, TRUTH))
    assert file.joint_map is None
    mapped = file.to_skeleton("human36m_17")
    assert mapped.joint_map == "coco_17_to_human36m_17_plain"
    other = file.to_skeleton("human36m_17", "coco_17_to_human36m_17_gast")
    assert other.joint_map == "coco_17_to_human36m_17_gast"
    thorax = skeletons.get("human36m_17").joint_index("thorax")
    difference = mapped.untracked.keypoints - other.untracked.keypoints
    assert np.nanmax(np.abs(difference[:, thorax, 1])) > 10
    assert file.to_skeleton("coco_17").joint_map == "identity"
    with pytest.raises(UserError, match=r"leads from 'halpe_26' to 'human36m_17', but 'coco_17'"):
        file.to_skeleton("human36m_17", "halpe_26_to_human36m_17")
    with pytest.raises(UserError, match="no joint map from 'coco_17' to 'hand_21'"):
        file.to_skeleton("hand_21")
    # Someone of whom nothing is left is not there any more.
    eyes = {"name": "eyes", "joints": ["left_eye", "a"], "parents": {"a": "left_eye"}}
    rules = {"source": "coco_17", "target": eyes, "rules": {"a": "left_eye"}}
    keypoints = file.untracked.keypoints.copy()
    keypoints[0, 1] = (np.nan, np.nan, 0)
    changed = keypoint_files.KeypointFile(
        "x", "coco", file.layout, (), Detections(file.untracked.frames, keypoints), FRAMES
    )
    assert len(changed.to_skeleton(eyes, rules).untracked) == len(file.untracked) - 1


def test_facts_may_be_given_and_must_agree(tmp_path):
    path = published.coco_results(tmp_path, TRUTH)
    file = keypoint_files.read(path, image_size=(WIDTH, HEIGHT), fps=30)
    assert (file.image_size, file.fps) == ((WIDTH, HEIGHT), 30.0)
    with pytest.raises(UserError, match=r"Most joints .* lie outside of an image of 640 x 480"):
        keypoint_files.read(path, image_size=(640, 480))
    path = published.plain_npz(tmp_path, TRUTH)
    assert keypoint_files.read(path, image_size=[WIDTH, HEIGHT], fps=25).fps == 25
    with pytest.raises(UserError, match="says that its images are 1920 x 1080, but the size"):
        keypoint_files.read(path, image_size=(1280, 720))
    with pytest.raises(UserError, match="says that it has 25 frames a second, but 30 were"):
        keypoint_files.read(path, fps=30)
    for size in ((0, 5), (1.5, 2), 3, ("a", "b"), (1, 2, 3), (np.nan, 5), (10**9, 5)):
        with pytest.raises(UserError, match="`image_size`: an image size must be"):
            keypoint_files.read(path, image_size=size)
    for fps in (0, -1, "fast", np.nan, np.inf, True):
        with pytest.raises(UserError, match="`fps`: a frame rate must be"):
            keypoint_files.read(path, fps=fps)


def test_scales_are_told_apart(tmp_path):
    path = published.openpose(tmp_path, TRUTH, scale=3)
    with pytest.raises(UserError, match="are fractions of the image; give `image_size`"):
        keypoint_files.read(path)
    with pytest.raises(UserError, match="so they are no pixels"):
        keypoint_files.read(path, coordinates="pixels")
    # Somebody in the lower right corner, where [-1, 1] looks like [0, 1]: it can be said.
    size = (WIDTH, HEIGHT)
    unit = keypoint_files.read(path, image_size=size).untracked.keypoints
    symmetric = keypoint_files.read(path, image_size=size, coordinates="symmetric").untracked
    np.testing.assert_allclose(symmetric.keypoints[..., 0], unit[..., 0] / 2 + WIDTH / 2, atol=1e-9)
    path = published.coco_results(tmp_path, TRUTH)
    with pytest.raises(UserError, match="they are pixels, not fractions"):
        keypoint_files.read(path, image_size=size, coordinates="unit")
    with pytest.raises(UserError, match="Did you mean 'pixels'"):
        keypoint_files.read(path, coordinates="pixel")
    path = published.mediapipe(tmp_path, TRUTH, "several")
    with pytest.raises(UserError, match="are fractions of the image; give `image_size`"):
        keypoint_files.read(path)


def test_confidence_is_no_coordinate(tmp_path, random_poses):
    """Positions in space where x, y and confidence are expected."""
    poses = 500 * random_poses(20)[:, 0] + [500, 500, 0]
    path = tmp_path / "poses.npz"
    for scale in (1.0, 0.002):  # millimetres, metres
        np.savez(path, keypoints=poses * [1, 1, scale], layout="human36m_17")
        with pytest.raises(UserError, match="look like a third coordinate"):
            keypoint_files.read(path)
    np.savez(path, keypoints=poses[..., :2], layout="human36m_17")
    assert keypoint_files.read(path).people[0].keypoints[..., 2].max() == 1
    content = [{"keypoints": poses[0].tolist(), "keypoint_scores": [1.0] * 17}]
    path = tmp_path / "lifted.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="a file of 3D poses"):
        keypoint_files.read(path)


def test_undetected_people_are_not_there(tmp_path):
    keypoints = np.full((4, 17, 3), 300.0)
    keypoints[..., 2] = 0.5
    keypoints[1] = np.nan
    keypoints[2] = 0
    np.savez(tmp_path / "a.npz", keypoints=keypoints, layout="coco_17")
    file = keypoint_files.read(tmp_path / "a.npz")
    assert file.people[0].frames.tolist() == [0, 3] and file.num_frames == 4
    for nothing in (np.nan, 0.0):
        np.savez(tmp_path / "a.npz", keypoints=np.full((4, 17, 3), nothing), layout="coco_17")
        with pytest.raises(UserError, match="no joint of anybody was detected"):
            keypoint_files.read(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", keypoints=np.zeros((0, 17, 3)), layout="coco_17")
    with pytest.raises(UserError, match="holds no person in any frame"):
        keypoint_files.read(tmp_path / "a.npz")


def test_a_frame_is_enough(tmp_path):
    for name, case in CASES.items():
        short = published.Truth(TRUTH.frames[:1])
        if name.startswith(("dense", "detectron")):
            continue  # Their writers make all frames.
        file = keypoint_files.read(case.write(tmp_path / name, short), **case.options)
        assert sum(map(len, file.people)) + len(file.untracked) == 1, name


def test_people_of_plain_arrays(tmp_path):
    path = tmp_path / "a.npz"
    keypoints = np.random.default_rng(0).uniform(100, 900, (3, 26, 2))
    np.save(tmp_path / "a.npy", keypoints)
    file = keypoint_files.read(tmp_path / "a.npy")
    assert file.format == "arrays" and file.layout.name == "halpe_26"
    np.testing.assert_array_equal(file.people[0].keypoints[..., :2], keypoints)
    # Who is who: nobody says so where a frame appears twice.
    np.savez(path, keypoints=keypoints, frames=[4, 4, 9])
    file = keypoint_files.read(path)
    assert not file.people and file.untracked.most_in_a_frame == 2
    np.savez(path, keypoints=keypoints, frames=[4, 5, 9])
    assert keypoint_files.read(path).people[0].frames.tolist() == [4, 5, 9]
    np.savez(path, keypoints=keypoints, frames=[4, 4, 9], ids=[8, 3, 8])
    assert [(t.id, t.frames.tolist()) for t in keypoint_files.read(path).people] == [
        (3, [4]),
        (8, [4, 9]),
    ]
    np.savez(path, keypoints=keypoints, frames=[4, 4, 9], ids=[8, 8, 8])
    with pytest.raises(DamagedFileError, match="Person 8 appears twice in frame 4"):
        keypoint_files.read(path)
    np.savez(path, keypoints=keypoints[None].repeat(2, 0), frames=[4, 5, 9])
    assert [track.frames.tolist() for track in keypoint_files.read(path).people] == [[4, 5, 9]] * 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"keypoints": np.ones((3, 26))}, r"keypoints must have the shape .* got \(3, 26\)"),
        ({"keypoints": np.ones((3, 26, 4))}, "keypoints must have the shape"),
        ({"keypoints": np.ones((3, 17, 2))}, "17 joints a person, which does not tell"),
        ({"keypoints": np.ones((3, 19, 2))}, "19 joints a person, which does not tell"),
        ({"keypoints": np.full((3, 26, 2), "x")}, "expected numbers"),
        ({"keypoints": np.ones((3, 26, 2)), "frames": [0, 1]}, "'frames' must be 3 whole"),
        ({"keypoints": np.ones((3, 26, 2)), "frames": [0, 1, -1]}, "'frames' must be 3 whole"),
        ({"keypoints": np.ones((3, 26, 2)), "confidence": np.ones((3, 25))}, "'confidence' must"),
        ({"keypoints": np.ones((3, 26, 2)), "boxes": np.ones((3, 5))}, "'boxes' must"),
        ({"keypoints": np.ones((3, 26, 2)), "fps": [1, 2]}, "'fps': expected a number"),
        ({"keypoints": np.ones((3, 26, 2)), "image_size": 5}, "'image_size' must hold width"),
        ({"keypoints": np.ones((3, 26, 2)), "layout": 5}, "'layout' must be a name"),
        ({"keypoints": np.ones((3, 26, 2)), "layout": "halpe26"}, "Did you mean 'halpe_26'"),
        ({"keypoints": np.ones((3, 26, 2)), "layout": "folder/x.yaml"}, "only built-in names"),
        ({"keypoints": 0.01 * np.ones((3, 26, 2))}, "so they are no pixels"),
        ({"positions_3d": np.ones(3)}, "holds 'positions_3d'"),
        ({"offsets": np.ones(3), "poses": np.ones(3)}, "poses to train on"),
        ({"positions_2d": np.ones(3)}, "expected a JSON object|expected an object"),
    ],
)
def test_wrong_arrays_are_explained(arrays, message, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message) as caught:
        keypoint_files.read(path)
    assert "a.npz" in str(caught.value)


GOOD_TABLE = "frame,joint,x,y\n" + "".join(f"0,{joint},300,400\n" for joint in range(26))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with 'nothing'"),
        ("a,b,c\n1,2,3\n", "no keypoint file that is known"),
        ("frame,joint,x\n", "no keypoint file that is known"),
        ("frame,joint,x,y,x\n", "2 columns 'x'"),
        ("frame,joint,x,y\n", "no joints|no person|0 joints"),
        ("frame,nose_x,nose_y,speed\n", "a column 'speed'"),
        ("frame,nose_x,left_eye_x,left_eye_y\n", "'nose_x', but no 'nose_y'"),
        (GOOD_TABLE + "1,0,5\n", "line 28 has 3 cells"),
        (GOOD_TABLE + "1,0,5,five\n", "line 28: 'five' is no number"),
        (GOOD_TABLE + "1.5,0,5,5\n", "line 28, frame must be a whole number"),
        (GOOD_TABLE + "0,25,5,5\n", "the joint '25' appears twice in this frame"),
        (GOOD_TABLE + "0,26,5,5\n", "numbers 27 joints, which does not tell"),
        (GOOD_TABLE + "0,nose,5,5\n", "fit more than one joint order or none"),
        ("frame,joint,x,y\n0,left_wrist,5,5\n", r"fit more than one .* 'coco_17', "),
        ("# layout: body_25\nframe,joint,x,y\n0,pelvis,5,5\n", "which the layout 'body_25' does"),
        ("# layout: body_25\nframe,joint,x,y\n0,25,5,5\n", "numbers joints up to 25"),
        ("# layout: body25\n" + GOOD_TABLE, "Did you mean 'body_25'"),
        ("# layout: /etc/x.yml\n" + GOOD_TABLE, "only built-in names"),
        ("# fps: fast\n" + GOOD_TABLE, "'fast' is no number"),
        ("# fps: 0\n" + GOOD_TABLE, "a frame rate must be"),
        ("# image_size: 1920\n" + GOOD_TABLE, "must be WIDTHxHEIGHT"),
        ("# image_size: 100x100\n" + GOOD_TABLE, "lie outside of an image of 100 x 100"),
        ("frame,joint,x,y\n" + "0," + "9" * 2_000_000, "line 2 is too long"),
        ("frame," + ",".join(f"j{i}_x,j{i}_y" for i in range(1600)), "more than 1000 joints"),
        ("frame,joint,x,y\n" + "".join(f"0,j{i},1,1\n" for i in range(1001)), "than 1000 joints"),
    ],
)
def test_wrong_tables_are_explained(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        keypoint_files.read(path)
    assert "a.csv" in str(caught.value)


def test_tables_without_people(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(GOOD_TABLE)
    assert keypoint_files.read(path).people[0].id == 0
    header = "frame\tleft_wrist_x\tleft_wrist_y\n"
    path.write_text(header + "3\t300\t400\n3\t500\t400\n5\t\t\n")
    file = keypoint_files.read(path, layout="coco_17")
    assert file.untracked.frames.tolist() == [3, 3]
    path.write_text("﻿" + header.replace("\t", ";") + "3;300;400\r\n4;500;400\r\n")
    assert keypoint_files.read(path, layout="coco_17").people[0].frames.tolist() == [3, 4]


PERSON = {"image_id": 3, "category_id": 1, "score": 0.9, "keypoints": [300, 200, 0.5] * 17}


def instance(**changes):
    content = {"keypoints": [[300.0, 200.0]] * 17, "keypoint_scores": [0.5] * 17}
    return [{"frame_id": 0, "instances": [{**content, **changes}]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds nobody"),
        ({}, "holds nobody"),
        ([[], None, {}], "holds nobody"),
        ({"a": 1}, "in no layout that is known"),
        ("text", "no keypoint file that is known"),
        ([{**PERSON, "keypoints": [1, 2, 3, 4]}], "expected x, y and confidence of every joint"),
        ([{**PERSON, "keypoints": []}], "expected x, y and confidence of every joint"),
        ([{**PERSON, "keypoints": ["1"] * 51}], "expected numbers, got a list of 51"),
        ([{**PERSON, "keypoints": ["1", None, 3] * 17}], "expected numbers, got a list of 51"),
        ([{**PERSON, "keypoints": {"x": 1}}], "expected numbers, got an object"),
        ([{**PERSON, "keypoints": [10**400] * 51}], "expected numbers"),
        ([PERSON, {**PERSON, "keypoints": [1, 2, 3] * 18}], "entry 1 has 18 joints, but those"),
        ([{**PERSON, "image_id": 1.5}], "expected a whole number from 0 on, got 1.5"),
        ([{**PERSON, "image_id": -1}], "expected a whole number"),
        ([{**PERSON, "image_id": 1e300}], "expected a whole number"),
        ([{**PERSON, "image_id": None}], "expected a whole number"),
        ([{**PERSON, "bbox": [1, 2, 3]}], "'bbox': expected the four numbers"),
        ([{**PERSON, "score": "high"}], "'score': expected numbers, got 'high'"),
        ([PERSON, 7], "entry 1: expected a JSON object, got 7"),
        ([PERSON, {}], "entry 1: it has no 'image_id'"),
        ([{**PERSON, "keypoints": [300, 200, 500] * 17}], "look like a third coordinate"),
        ([{**PERSON, "keypoints": [0.3, 0.2, 0.5] * 17}], "so they are no pixels"),
        (
            {"images": [{"width": 5, "height": 5}, {"width": 6, "height": 5}], "annotations": []},
            "images of several sizes",
        ),
        ([{**PERSON, "image_id": "3.jpg", "idx": [1, 2]}], "'idx': expected a number"),
        ({"1.jpg": {"bodies": [{"joints": [1, 2]}]}}, "image '1.jpg': expected x, y and conf"),
        ({"1.jpg": {"bodies": [{}]}}, "has no 'keypoints'"),
        ({"1.jpg": {"bodies": 3}}, "expected a list, got 3"),
        ({"1.jpg": {"bodies": []}, "2.jpg": {}}, "expected 'bodies' or 'people'"),
        ({"version": 1.3, "people": [{"person_id": [-1]}]}, "has no 'pose_keypoints_2d'"),
        ({"version": 1.3, "people": []}, "holds no person in any frame"),
        ({"people": [{"pose_keypoints_2d": []}]}, "holds no person in any frame"),
        (instance(keypoint_scores=[0.5] * 16), "17 joints, but confidences of shape"),
        (instance(keypoints=[[1, 2], [3]]), "expected numbers, got a list of 2"),
        (instance(bbox=[[1, 2]]), "'bbox': expected the four numbers"),
        (instance(track_id=-4), "'track_id': expected a whole number"),
        ([{"frame_id": 0, "instances": 5}], "frame 0: expected a list"),
        ([{"instances": []}], "it has no 'frame_id'"),
        ([{"frame_id": 0, "instances": []}], "holds no person"),
        ({"instance_info": [{"frame_id": 1, "instances": []}, {"frame_id": 0, "instances": []}]},
         "frame 0 comes after frame 1"),
        ([{"pose_landmarks": [{"x": 0.5, "y": 0.5}] * 32}], "32 joints a person"),
        ([[{"x": 0.5, "y": 0.5}] * 32 + [{"x": 1}]], "some landmarks have no x and y"),
        ([[{"x": 0.5, "y": "0.5"}] * 33], "expected numbers"),
        ([{"pose_landmarks": {"landmark": {"landmark": []}}}], "expected a list, got an object"),
        ([{"pose_landmarks": {"points": []}}], "has no landmarks, but is an object"),
        ({"frames": {"0": []}}, "has no landmarks"),
        ([[[500.0, 300.0, 0.1, 0.9]] * 33], "they are pixels, not fractions"),
    ],
)  # fmt: skip
def test_wrong_json_is_explained(content, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        keypoint_files.read(path)
    assert "a.json" in str(caught.value) and len(str(caught.value)) < 500


def test_wrong_folders_and_names(tmp_path):
    with pytest.raises(UserError, match="There is no file or folder"):
        keypoint_files.read(tmp_path / "none.json")
    with pytest.raises(UserError, match="holds no JSON files"):
        keypoint_files.read(tmp_path)
    with pytest.raises(UserError, match="holds no JSON files"):
        keypoint_files.read(tmp_path, "openpose")
    with pytest.raises(UserError, match="is a folder; the format 'coco' is one file"):
        keypoint_files.read(tmp_path, "coco")
    with pytest.raises(UserError, match="There is no file"):
        keypoint_files.read(tmp_path, "detectron")
    path = published.coco_results(tmp_path, TRUTH)
    with pytest.raises(UserError, match="Did you mean 'mmpose'"):
        keypoint_files.read(path, "mmpos")
    with pytest.raises(UserError, match="holds one video"):
        keypoint_files.read(path, video="a")
    with pytest.raises(UserError, match=r"is no \.npz file"):
        keypoint_files.read(path, "detectron")
    for index in range(2):
        one = published.openpose(tmp_path / f"{index}", TRUTH)
        for file in one.iterdir():
            target = tmp_path / "both" / file.name.replace("video", f"take{'ab'[index]}")
            target.parent.mkdir(exist_ok=True)
            shutil.copy(file, target)
    with pytest.raises(UserError, match="frames of 2 videos"):
        keypoint_files.read(tmp_path / "both")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UserError, match="neither text nor arrays"):
        keypoint_files.read(binary)


def test_openpose_of_one_frame(tmp_path):
    folder = published.openpose(tmp_path, TRUTH)
    file = keypoint_files.read(sorted(folder.iterdir())[4])
    assert file.untracked.frames.tolist() == [4, 4]
    # Other files of the folder are none of its business.
    (folder / "camera.json").write_text("[]")
    assert keypoint_files.read(folder).num_frames == FRAMES
    sorted(folder.iterdir())[3].write_text("[1]")
    with pytest.raises(DamagedFileError, match="holds a list; expected a JSON object"):
        keypoint_files.read(folder)


def test_people_are_checked():
    keypoints = np.ones((3, 17, 3))
    with pytest.raises(UserError, match="must not fall"):
        Detections([2, 1, 3], keypoints)
    with pytest.raises(UserError, match="appears twice in frame 1"):
        Track([1, 1, 3], keypoints, id=5)
    with pytest.raises(UserError, match=r"`keypoints` must have the shape \(2, joints, 3\)"):
        Detections([1, 2], keypoints)
    with pytest.raises(UserError, match=r"`boxes` must have the shape \(3, 4\)"):
        Detections([1, 2, 3], keypoints, boxes=np.ones(3))
    assert Detections([], np.empty((0, 17, 3))).most_in_a_frame == 0


# ------------------------------------------------------------------------------------ streaming

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(content=st.lists(JSON) | st.dictionaries(st.text(max_size=5), JSON), chunk=st.integers(1, 9))
def test_entries_are_what_json_says(content, chunk, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(
        json.dumps(content, indent=1 if chunk % 2 else None, ensure_ascii=False), "utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_entries, "_CHUNK", chunk)
        found = list(json_entries.entries(path))
        if isinstance(content, list):
            assert found == [(None, item) for item in content]
            return
        assert found == list(content.items())
        inside = [key for key, value in content.items() if isinstance(value, list)]
        expected = [
            pair
            for key, value in content.items()
            for pair in ([(key, item) for item in value] if key in inside else [(key, value)])
        ]
        assert list(json_entries.entries(path, inside)) == expected


@given(content=st.lists(JSON, min_size=1), cut=st.floats(0, 1, exclude_max=True))
def test_cut_json_is_noticed(content, cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "a.json"
    text = json.dumps(content)
    path.write_text(text[: int(cut * len(text))])
    with pytest.raises(DamagedFileError, match="is no complete JSON"):
        list(json_entries.entries(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("[1, 2] 3", "something follows its end at character 8"),
        ("[1 2]", "expected ',' at character 4"),
        ("[1,]", "character 4"),
        ('{"a" 1}', "expected ':' at character 6"),
        ("{1: 2}", "a key is missing"),
        ("7", "begins with '7'"),
        ("[" * 100_000, "recursion"),
        ("[" + "9" * 10_000 + "]", "limit"),
    ],
)
def test_bad_json_is_placed(text, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=message) as caught:
        list(json_entries.entries(path))
    assert len(str(caught.value)) < 400


def test_entries_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(json_entries, "_LARGEST_ENTRY", 1000)
    monkeypatch.setattr(json_entries, "_CHUNK", 100)
    path = tmp_path / "a.json"
    path.write_text("[" + ", ".join(["[1, 2, 3]"] * 1000) + "]")
    assert len(list(json_entries.entries(path))) == 1000
    path.write_text("[[" + ", ".join(["[1, 2, 3]"] * 1000) + "]]")
    with pytest.raises(DamagedFileError, match="more than 1000 characters"):
        list(json_entries.entries(path))


# ------------------------------------------------------------------------------------ fuzz


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return {name: case.write(folder / name, TRUTH) for name, case in CASES.items()}


def harmless(path, **options):
    """Read a file that may hold anything: a file or a clear error, nothing else."""
    try:
        file = keypoint_files.read(path, **options)
    except UserError as error:
        assert 20 < len(str(error)) < 5000
        return
    for each in (*file.people, file.untracked):
        trust = each.keypoints[..., 2]
        assert np.isfinite(each.keypoints[trust > 0]).all()
        assert np.isnan(each.keypoints[trust == 0][:, :2]).all()
        assert (trust >= 0).all() and (np.diff(each.frames) >= 0).all()
    assert sum(map(len, file.people)) + len(file.untracked) > 0


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_damaged_bytes_do_no_harm(name, data, written, tmp_path_factory):
    path = written[name]
    original = path
    if path.is_dir():
        original = sorted(path.iterdir())[data.draw(st.integers(0, FRAMES - 1))]
    content = bytearray(original.read_bytes())
    kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        if kind == "cut":
            del content[place:]
        elif kind == "flip" and content:
            content[place] = data.draw(st.integers(0, 255))
        else:
            content[place:place] = data.draw(
                st.binary(max_size=8)
                | st.sampled_from(
                    [b"[", b"{", b"}", b"NaN", b"-1e999", b"null", b'"', b",", b"9" * 30, b"\n"]
                )
            )
    folder = tmp_path_factory.mktemp("damaged")
    target = folder / original.name
    target.write_bytes(content)
    options = {**CASES[name].options, "image_size": (WIDTH, HEIGHT)}
    harmless(target, **options)
    harmless(target, format=CASES[name].format, **options)
    if path.is_dir():
        for other in list(path.iterdir())[:3]:
            if other.name != original.name:
                shutil.copy(other, folder)
        harmless(folder, **options)
    shutil.rmtree(folder)


def replaced(content, place, value):
    """A JSON value with one of its parts replaced; `place` chooses the way down."""
    if place and isinstance(content, list) and content:
        index = place[0] % len(content)
        return [
            replaced(item, place[1:], value) if position == index else item
            for position, item in enumerate(content)
        ]
    if place and isinstance(content, dict) and content:
        key = list(content)[place[0] % len(content)]
        return {**content, key: replaced(content[key], place[1:], value)}
    return value


# Whole bodies are large and add nothing here.
_SMALL_JSON = [
    name
    for name, case in CASES.items()
    if case.format in {"coco", "alphapose", "mmpose", "mediapipe"}
    and case.layout not in ("halpe_136", "h3wb_133")
]


@pytest.mark.parametrize("name", _SMALL_JSON)
@given(
    place=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    value=JSON | st.sampled_from([float("nan"), float("inf"), 10**400, 1e308, -1, [[[]]], "9"]),
)
def test_wrong_parts_do_no_harm(name, place, value, written, tmp_path_factory):
    content = replaced(json.loads(written[name].read_text()), place, value)
    target = tmp_path_factory.mktemp("wrong") / "a.json"
    target.write_text(json.dumps(content))
    options = {**CASES[name].options, "image_size": (WIDTH, HEIGHT)}
    harmless(target, **options)
    harmless(target, format=CASES[name].format, **options)


SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple) | st.sampled_from(
    [(3, 17, 3), (3, 26, 2), (2, 3, 26, 2), (3, 26), (12, 2), (1, 1, 1, 1, 1)]
)
VALUES = st.sampled_from([0.0, 1.0, -1.0, 300.0, np.nan, np.inf, 1e300, 0.3])


@st.composite
def arrays(draw):
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(["f8", "f4", "i4", "u1", "c16", "?", "U3", "O"]))
    if kind == "O":
        result = np.empty(shape, object)
        for place in np.ndindex(shape):
            result[place] = draw(JSON | st.builds(np.full, SHAPES, VALUES))
        return result
    with np.errstate(all="ignore"):
        return np.full(shape, draw(VALUES)).astype(kind)


@given(
    content=st.dictionaries(
        st.sampled_from(
            ["keypoints", "boxes", "segments", "frames", "ids", "fps", "image_size", "metadata",
             "positions_2d", "layout", "scores", "confidence", "arr_0"]
        ),
        arrays(),
    ),
    layout=st.sampled_from([None, "coco_17"]),
)  # fmt: skip
def test_wrong_arrays_do_no_harm(content, layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    np.savez(path, **content)
    for format in ("auto", "arrays", "detectron", "videopose3d"):
        harmless(path, format=format, layout=layout)


@given(
    positions=st.dictionaries(
        st.sampled_from(["a", "b"]),
        JSON | st.fixed_dictionaries({"custom": st.lists(arrays(), max_size=2)}),
    )
    | JSON,
    metadata=JSON
    | st.fixed_dictionaries(
        {"layout_name": JSON, "video_metadata": st.fixed_dictionaries({"a": JSON})}
    )
    | st.just({"video_metadata": {"a": {"w": "x", "h": []}}}),
)
def test_wrong_custom_sets_do_no_harm(positions, metadata, tmp_path_factory):
    path = tmp_path_factory.mktemp("custom") / "a.npz"
    np.savez(path, positions_2d=np.array(None), metadata=np.array(None))
    wrapped = [np.empty((), object), np.empty((), object)]
    wrapped[0][()], wrapped[1][()] = positions, metadata
    np.savez(path, positions_2d=wrapped[0], metadata=wrapped[1])
    harmless(path)


@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(
                ["frame", "joint", "x", "y", "nose_x", "nose_y", "0", "1", "nose", "nan", "inf",
                 "1e999", "-1", "", '"', "# fps: 5", "person", "999999999999999999999"]
            ),
            max_size=6,
        ),
        max_size=8,
    ),
    good=st.booleans(),
    separator=st.sampled_from(",;\t"),
)  # fmt: skip
def test_wrong_tables_do_no_harm(lines, good, separator, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "a.csv"
    head = [["frame", "joint", "x", "y"]] if good else []
    path.write_text("\n".join(separator.join(line) for line in head + lines))
    harmless(path)
    harmless(path, format="table", layout="coco_17")


def test_half_an_hour_takes_little_memory(tmp_path):
    """A large file is read entry by entry: memory is that of the arrays, not of the text."""
    path = tmp_path / "long.json"
    with path.open("w") as file:
        file.write("[")
        for frame in range(20_000):
            values = ",".join(f"{300 + frame % 7}.123456789,{200 + joint}.987654321,0.987654"
                              for joint in range(26))  # fmt: skip
            comma = "," if frame else ""
            file.write(
                f'{comma}{{"image_id":"{frame}.jpg","score":2.5,"idx":1,"keypoints":[{values}]}}'
            )
        file.write("]")
    code = (
        "import resource, sys\n"
        "from keras_seal.data import keypoint_files\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        f"file = keypoint_files.read({str(path)!r})\n"
        "assert len(file.people[0]) == 20_000\n"
        "used = (peak() - before) * 1024 / file.people[0].keypoints.nbytes\n"
        "assert not any(n in sys.modules for n in ('keras', 'tensorflow', 'torch', 'jax'))\n"
        "print(used)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 6
