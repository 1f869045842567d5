from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_seal import skeletons
from keras_seal.data import DamagedFileError, PoseSequences, PoseSplits, sources
from keras_seal.data.sources.human36m import ACTIONS, cameras
from keras_seal.data.unpickling import UnsafeFileError
from keras_seal.errors import UserError
from keras_seal.geometry import bone_lengths, denormalize_screen, project, world_to_camera
from tests.data.published import human36m as published

CPN = "cpn_ft_h36m_dbb"


@pytest.fixture(scope="module")
def takes():
    return published.make_takes()


@pytest.fixture(scope="module")
def folders(takes, tmp_path_factory):
    """One folder per layout; nobody writes to them."""
    root = tmp_path_factory.mktemp("human36m")
    return {
        "videopose3d": published.write_videopose3d(root / "videopose3d", takes),
        "motionbert": published.write_motionbert(root / "motionbert", published.motionbert(takes)),
        "mmpose": published.write_mmpose(root / "mmpose", published.mmpose(takes)),
    }


def read(folder, **options) -> PoseSplits:
    return sources.get("human36m")(folder=folder, **options).load(use_cache=False)


def flattened(splits: PoseSplits) -> list[PoseSequences]:
    return [part.sequence(index) for part in splits.parts.values() for index in range(len(part))]


def pixels_of(sequence: PoseSequences) -> np.ndarray:
    return denormalize_screen(
        sequence.keypoints[..., :2].astype(np.float64), *sequence.image_sizes[0]
    )


# ------------------------------------------------------------------------------- the cameras


def test_cameras_are_the_published_ones():
    table = {
        "54138969": ((1145.049, 1143.781), (512.542, 515.451), (1000, 1002)),
        "55011271": ((1149.676, 1147.592), (508.849, 508.065), (1000, 1000)),
        "58860488": ((1149.141, 1148.799), (519.816, 501.403), (1000, 1000)),
        "60457274": ((1145.511, 1144.774), (514.968, 501.882), (1000, 1002)),
    }
    places = [(1.84, 4.96, 1.56), (1.76, -5.08, 1.61), (-1.85, 5.22, 1.49), (-1.79, -3.72, 1.57)]
    found = cameras("S1")
    assert list(found) == list(table)
    for (focal, center, size), place, camera in zip(
        table.values(), places, found.values(), strict=True
    ):
        np.testing.assert_allclose(camera.focal, focal, atol=5e-4)
        np.testing.assert_allclose(camera.center, center, atol=6e-4)
        np.testing.assert_allclose(camera.position, place, atol=6e-3)
        assert (camera.width, camera.height) == size
    np.testing.assert_allclose(found["54138969"].radial, [-0.20710, 0.24778, -0.00308], atol=6e-6)
    np.testing.assert_allclose(found["54138969"].tangential, [-0.000976, -0.001424], atol=6e-7)
    # All eleven subjects, and every camera looks at the middle of the room from outside of it.
    for subject in range(1, 12):
        for camera in cameras(f"S{subject}").values():
            x, y, depth = world_to_camera(np.array([0.0, 0.0, 1.0]), camera)
            assert 3.5 < depth < 6.5
            assert np.hypot(x, y) < 1.3
    with pytest.raises(UserError, match="has no subject 'S12'"):
        cameras("S12")


def test_projection_reproduces_the_official_2d(takes, folders):
    with np.load(folders["videopose3d"] / "data_2d_h36m_gt.npz", allow_pickle=True) as file:
        official = file["positions_2d"].item()
    opencv = 0.0
    for take in takes:
        for index, (name, camera) in enumerate(cameras(take.subject).items()):
            pose = world_to_camera(take.world.astype(np.float64), camera)
            np.testing.assert_allclose(
                project(pose, camera), official[take.subject][take.name][index], atol=1e-3, rtol=0
            )
            doubled = published.to_pixels(pose, name, tangential=2.0)
            opencv = max(opencv, np.abs(doubled - official[take.subject][take.name][index]).max())
    # The comparison is sharp enough to tell OpenCV's lens from this one.
    assert opencv > 0.02


# ------------------------------------------------------------------- all layouts, to the truth


def expected(takes, step: int = 1) -> dict:
    """Camera-space poses by subject, take and camera."""
    return {
        (take.subject, take.name, camera): published.to_camera(take.world, take.subject, camera)[
            ::step
        ]
        for take in takes
        for camera in published.CAMERAS
        if take.key != published.DROPPED
    }


@pytest.mark.parametrize("keypoints", ["gt", CPN])
def test_videopose3d(takes, folders, keypoints):
    splits = read(folders["videopose3d"], keypoints=keypoints)
    assert [sorted(set(part.subjects)) for part in splits.parts.values()] == [
        ["S1", "S5", "S6", "S7"], ["S8"], ["S11", "S9"],
    ]  # fmt: skip
    truth = expected(takes)
    assert {sequence.names[0] for sequence in flattened(splits)} == {"/".join(key) for key in truth}
    see = published.gt if keypoints == "gt" else published.detected
    seen = {
        (take.subject, take.name, camera): see(take, camera)
        for take in takes
        for camera in published.CAMERAS
    }
    for sequence in flattened(splits):
        subject, take, camera = key = tuple(sequence.names[0].split("/"))
        np.testing.assert_allclose(sequence.poses, truth[key], atol=1e-6)
        frames = len(truth[key])
        np.testing.assert_allclose(pixels_of(sequence), seen[key][:frames], atol=2e-4)
        assert sequence.actions[0] in ACTIONS
        assert sequence.actions[0] == {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}.get(
            take.split()[0], take.split()[0]
        )
        assert sequence.fps[0] == 50
        assert tuple(sequence.image_sizes[0]) == (
            1000, 1002 if camera in ("54138969", "60457274") else 1000
        )  # fmt: skip
        assert sequence.cameras[sequence.views[0]] == cameras(subject)[camera]
    part = splits.train
    assert part.num_channels == 2
    assert len(part.cameras) == 16
    if keypoints == "gt":
        screen = [project(pose.poses.astype(np.float64), pose.cameras[pose.views[0]])
                  for pose in flattened(splits)]  # fmt: skip
        for sequence, projected in zip(flattened(splits), screen, strict=True):
            np.testing.assert_allclose(pixels_of(sequence), projected, atol=1e-3)


def test_shoulders_hang_on_the_thorax():
    skeleton = skeletons.get("human36m_17")
    named = {child: skeleton.joints[parent] for parent, child in skeleton.bones}
    for side in ("left", "right"):
        assert named[skeleton.joint_index(f"{side}_shoulder")] == "thorax"


def test_people_are_rigid_and_as_they_were(takes, folders):
    for layout in folders:
        for sequence in flattened(read(folders[layout])):
            lengths = bone_lengths(sequence.poses, sequence.skeleton)
            np.testing.assert_allclose(lengths[:, 9], 0.115, atol=1e-4)
            assert lengths.std(axis=0).max() < 1e-4


def test_sixteen_joints(takes, folders):
    splits = read(folders["videopose3d"], joints=16)
    full = read(folders["videopose3d"])
    assert splits.skeleton == skeletons.get("human36m_16")
    names = list(splits.skeleton.joints)
    chosen = [full.skeleton.joints.index(joint) for joint in names]
    np.testing.assert_array_equal(splits.test.poses, full.test.poses[:, chosen])
    np.testing.assert_array_equal(splits.test.keypoints, full.test.keypoints[:, chosen])
    # The hourglass networks give MPII's joints; the same ones must come out.
    mpii = read(folders["videopose3d"], joints=16, keypoints="sh_ft_h36m")
    cpn = read(folders["videopose3d"], joints=16, keypoints=CPN)
    np.testing.assert_array_equal(mpii.train.keypoints, cpn.train.keypoints)
    for layout in ("motionbert", "mmpose"):
        assert read(folders[layout], joints=16).test.poses.shape[1:] == (16, 3)
    with pytest.raises(UserError, match=r"sh_ft_h36m\.npz' has 16 joints.*set `joints` to 16"):
        read(folders["videopose3d"], keypoints="sh_ft_h36m")


@pytest.mark.parametrize("confidence", [True, False])
def test_motionbert(takes, folders, confidence):
    splits = read(folders["motionbert"], keypoints="sh_conf", confidence=confidence)
    truth = expected(takes)
    by_source = {
        published.motionbert_source(take, camera): (take, camera)
        for take in takes
        for camera in published.CAMERAS
        if take.key != published.DROPPED
    }
    assert {sequence.names[0] for sequence in flattened(splits)} == set(by_source)
    for sequence in flattened(splits):
        take, camera = by_source[sequence.names[0]]
        pose = truth[take.subject, take.name, camera]
        np.testing.assert_allclose(sequence.poses, pose, atol=1e-5)
        seen = published.detected(take, camera, 0, confidence=True)
        np.testing.assert_allclose(pixels_of(sequence), seen[..., :2], atol=2e-4)
        if confidence:
            np.testing.assert_array_equal(sequence.keypoints[..., 2], seen[..., 2])
        assert sequence.subjects[0] == take.subject
        assert sequence.cameras[sequence.views[0]].name == camera
        assert sequence.image_sizes[0, 1] == (1002 if camera in ("54138969", "60457274") else 1000)


def test_motionbert_scales_of_training_and_test_rows_agree(takes, tmp_path):
    """What is computed for rows without a factor is right for rows whose factor is known."""
    content = published.motionbert(takes)
    known = read(published.write_motionbert(tmp_path / "known", content)).test
    train, test = content["train"], content["test"]
    others = only(train, [source[:4] not in ("s_01", "s_05") for source in train["source"]])
    content["train"] = {
        key: value + others[key]
        if isinstance(value, list)
        else np.concatenate([value, others[key]])
        for key, value in test.items()
        if key in others
    }
    for one, other in (("s_09", "s_01"), ("s_11", "s_05")):
        content["train"]["source"] = renamed(one, other)(content["train"]["source"])
    unknown = read(published.write_motionbert(tmp_path / "unknown", content)).train
    unknown = unknown.select(subjects=["S1", "S5"])
    assert unknown.num_frames == known.num_frames
    np.testing.assert_allclose(unknown.poses, known.poses, atol=1e-5)


def test_motionbert_survives_rounded_pixels(takes, tmp_path):
    content = published.motionbert(takes)
    for columns in content.values():
        columns["joint3d_image"] = columns["joint3d_image"].round(1)
    content["test"]["joints_2.5d_image"] = (
        content["test"]["joint3d_image"] * content["test"]["2.5d_factor"][:, None, None]
    )
    splits = read(published.write_motionbert(tmp_path, content))
    truth = expected(takes)
    errors = []
    for sequence in flattened(splits):
        if sequence.subjects[0] in published.TRAIN:
            take = next(
                take
                for take in takes
                for camera in published.CAMERAS
                if published.motionbert_source(take, camera) == sequence.names[0]
            )
            camera = sequence.cameras[sequence.views[0]].name
            pose = truth[take.subject, take.name, camera]
            errors.append(
                np.linalg.norm(
                    (sequence.poses - sequence.poses[:, :1]) - (pose - pose[:, :1]), axis=-1
                ).mean()
            )
    # A tenth of a pixel is 0.4 mm; the head bone alone would leave errors of several.
    assert np.mean(errors) < 1e-3


def test_motionbert_gt_keypoints_are_the_projected_poses(takes, folders):
    splits = read(folders["motionbert"], keypoints="gt", confidence=True)
    for sequence in flattened(splits):
        camera = sequence.cameras[sequence.views[0]]
        poses = sequence.poses.astype(np.float64)
        pinhole = camera.focal * poses[..., :2] / poses[..., 2:] + camera.center
        np.testing.assert_allclose(pixels_of(sequence), pinhole, atol=1e-2)
        assert (sequence.keypoints[..., 2] == 1).all()


def test_motionbert_files_are_told_apart_by_detector(takes, tmp_path):
    content = published.motionbert(takes, confidence=False)
    published.write_motionbert(tmp_path, content, "h36m_cpn_cam_source.pkl")
    assert read(tmp_path, keypoints="cpn").train.num_channels == 2
    with pytest.raises(UserError, match=r"cpn_cam_source\.pkl.*has no confidence"):
        read(tmp_path, keypoints="cpn", confidence=True)
    with pytest.raises(UserError, match=r"no h36m_sh_conf_cam.* but h36m_cpn_cam_source\.pkl"):
        read(tmp_path, keypoints="sh_conf")


@pytest.mark.parametrize("keypoints", ["gt", CPN])
def test_mmpose(takes, folders, keypoints):
    splits = read(folders["mmpose"], keypoints=keypoints, confidence=True)
    truth = expected(takes)
    assert {sequence.names[0] for sequence in flattened(splits)} == {"/".join(key) for key in truth}
    by_key = {take.key: take for take in takes}
    for sequence in flattened(splits):
        subject, name, camera = key = tuple(sequence.names[0].split("/"))
        np.testing.assert_allclose(sequence.poses, truth[key], atol=1e-6)
        take = by_key[subject, name]
        seen = published.detected(take, camera, 0, confidence=True)
        pixels = published.gt(take, camera) if keypoints == "gt" else seen[..., :2]
        np.testing.assert_allclose(pixels_of(sequence), pixels, atol=2e-4)
        wanted = np.ones(seen.shape[:2]) if keypoints == "gt" else seen[..., 2]
        np.testing.assert_array_equal(sequence.keypoints[..., 2], wanted)
        assert sequence.fps[0] == 50


def test_mmpose_at_10_fps_and_rows_in_any_order(takes, tmp_path):
    content = published.mmpose(takes, step=5)
    rng = np.random.default_rng(0)
    for arrays in content.values():
        order = rng.permutation(len(arrays["imgname"]))
        arrays.update({key: value[order] for key, value in arrays.items()})
        arrays["S"] = arrays["S"][..., :3]
    splits = read(published.write_mmpose(tmp_path, content), frame_stride=2)
    truth = expected(takes, step=10)
    assert len(flattened(splits)) == len(truth)
    for sequence in flattened(splits):
        np.testing.assert_allclose(
            sequence.poses, truth[tuple(sequence.names[0].split("/"))], atol=1e-6
        )
        assert sequence.fps[0] == 5


def test_mmpose_videos_with_missing_frames_are_cut_there(takes, tmp_path):
    content = published.mmpose(takes)
    names = content["test"]["imgname"]
    keep = names != "S9_Greeting.54138969_000006.jpg"
    content["test"] = {key: value[keep] for key, value in content["test"].items()}
    test = read(published.write_mmpose(tmp_path, content)).test
    lengths = dict(zip(test.names.tolist(), test.lengths.tolist(), strict=True))
    assert lengths["S9/Greeting/54138969"] == 5
    assert lengths["S9/Greeting/54138969/7"] == 6
    assert lengths["S9/Greeting/55011271"] == 12


def test_layouts_give_the_same_poses(folders):
    one, two, three = (read(folders[layout]) for layout in folders)
    for split, part in one.parts.items():
        assert part.num_frames == two.parts[split].num_frames == three.parts[split].num_frames
        np.testing.assert_allclose(three.parts[split].poses, part.poses, atol=1e-6)
        assert three.parts[split].names.tolist() == part.names.tolist()
        np.testing.assert_allclose(two.parts[split].poses, part.poses, atol=1e-5)


# --------------------------------------------------------------------------------- the options


def test_options(takes, folders):
    folder = folders["videopose3d"]
    full, half = read(folder), read(folder, frame_stride=2)
    for one, two in zip(flattened(full), flattened(half), strict=True):
        np.testing.assert_array_equal(two.poses, one.poses[::2])
        np.testing.assert_array_equal(two.keypoints, one.keypoints[::2])
        assert two.fps[0] == 25
    other = read(folder, validation_subjects=["S1", "S7"])
    assert sorted(set(other.validation.subjects)) == ["S1", "S7"]
    assert sorted(set(other.train.subjects)) == ["S5", "S6", "S8"]
    certain = read(folder, confidence=True)
    assert (certain.test.keypoints[..., 2] == 1).all()
    with pytest.raises(UserError, match=r"cpn_ft_h36m_dbb\.npz' has no confidence"):
        read(folder, keypoints=CPN, confidence=True)


@pytest.mark.parametrize("layout", ["videopose3d", "motionbert", "mmpose"])
def test_shifted_takes_are_left_out_on_demand(folders, layout):
    kept, left = read(folders[layout]).test, read(folders[layout], skip_shifted=True).test
    assert len(kept) - len(left) == 12
    s9 = left.select(subjects=["S9"])
    assert set(s9.actions) == {"Greeting"}
    names = {
        "videopose3d": "S9/Greeting 1/54138969",
        "mmpose": "S9/Greeting 1/54138969",
        "motionbert": "s_09_act_05_subact_01_ca_01",
    }
    assert s9.names[0] == names[layout]
    assert len(left.select(subjects=["S11"])) == len(kept.select(subjects=["S11"])) == 8


def test_confidence_of_detections(takes, tmp_path):
    folder = published.write_videopose3d(tmp_path, takes)
    positions = published.keypoints_2d(takes, published.detected, confidence=True)
    published.write_2d(folder, "mine", positions)
    with_confidence = read(folder, keypoints="mine", confidence=True)
    without = read(folder, keypoints="mine")
    assert without.train.num_channels == 2
    np.testing.assert_array_equal(with_confidence.train.keypoints[..., :2], without.train.keypoints)
    first = with_confidence.train.sequence(0)
    seen = positions["S1"]["Directions 1"][0]
    np.testing.assert_array_equal(first.keypoints[..., 2], seen[: len(first.keypoints), :, 2])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"validation_subjects": ["S9"]}, "S9 is a test subject, which may not choose models"),
        ({"validation_subjects": ["S2"]}, "no training subject 'S2'"),
        ({"validation_subjects": []}, "expected one or more, but not all, of S1, S5"),
        ({"validation_subjects": ["S1", "S1"]}, "each once"),
        ({"validation_subjects": ["S1", "S5", "S6", "S7", "S8"]}, "not all"),
        ({"frame_stride": 0}, "frame_stride"),
        ({"joints": 15}, "joints"),
        ({"keypoints": "../secret"}, "keypoints"),
        ({"layout": "videopose"}, "layout"),
        ({"keypoint": "gt"}, "no option 'keypoint'. Did you mean 'keypoints'"),
    ],
)
def test_wrong_options(options, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        sources.get("human36m")(folder="anywhere", **options)


def test_files_are_found_or_named(folders, tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        read(tmp_path / "none")
    with pytest.raises(
        UserError, match=r"none of Human3.6M's files: neither data_3d_h36m.npz, nor"
    ):
        read(tmp_path)
    with pytest.raises(UserError, match="is a file; give the folder"):
        read(folders["videopose3d"] / "data_3d_h36m.npz")
    with pytest.raises(UserError, match=r"There is one in '.*fps50'"):
        read(folders["mmpose"].parent.parent)
    with pytest.raises(UserError, match=r"more than one layout; set `layout` to videopose3d or"):
        for layout in ("videopose3d", "mmpose"):
            for file in folders[layout].glob("*.npz"):
                (tmp_path / file.name).symlink_to(file)
        read(tmp_path)
    assert read(tmp_path, layout="mmpose").test.names[0].startswith("S9/")
    with pytest.raises(
        UserError, match=r"no data_2d_h36m_cpn\.npz for keypoints 'cpn'.*Known: cpn_ft"
    ):
        read(folders["videopose3d"], keypoints="cpn")
    with pytest.raises(UserError, match=r"no hrnet_train\.npy with keypoints 'hrnet'"):
        read(folders["mmpose"], keypoints="hrnet")
    with pytest.raises(UserError, match=r"has no data_3d_h36m\.npz"):
        read(folders["mmpose"], layout="videopose3d")


def test_the_cache_knows_the_files(takes, tmp_path):
    folder = published.write_videopose3d(tmp_path / "data", takes)
    source = sources.get("human36m")(folder=folder)
    names = [file.name for file in source.input_files()]
    assert names == ["data_3d_h36m.npz", "data_2d_h36m_gt.npz"]
    before = source.inputs()
    assert before == sources.get("human36m")(folder=folder).inputs()
    assert before != sources.get("human36m")(folder=folder, keypoints=CPN).inputs()
    one = source.load(cache_dir=tmp_path / "cache")
    two = source.load(cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(one.test.poses, two.test.poses)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    file = folder / "data_3d_h36m.npz"
    os.utime(file, ns=(0, 0))
    assert source.inputs() != before


def test_no_framework_is_imported(folders):
    code = (
        "import sys; from keras_seal.data import sources; "
        f"sources.get('human36m')(folder={str(folders['videopose3d'])!r}).load(use_cache=False); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch', 'jax')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


# -------------------------------------------------------------------------- files that are wrong


def swap(columns, one, other):
    columns = columns.copy()
    columns[..., one, :], columns[..., other, :] = (
        columns[..., other, :].copy(), columns[..., one, :].copy(),
    )  # fmt: skip
    return columns


def for_all(positions, change):
    for takes_of in positions.values():
        for name, value in takes_of.items():
            takes_of[name] = (
                [change(view) for view in value] if isinstance(value, list) else change(value)
            )


LEFT, RIGHT = published.H36M_SYMMETRY

WRONG_3D = {
    "no subject": (lambda d: d.pop("S6"), "has no subject S6, only S1"),
    "millimetres": (
        lambda d: for_all(d, lambda x: 1000 * x),
        r"data_3d_h36m\.npz', S1 must be in metres, but .* likely in millimetres",
    ),
    "17 joints": (
        lambda d: for_all(d, lambda x: x[:, :17]),
        r"S1, 'Directions 1' must have the shape \(frames, 32, 3\), but has \(12, 17, 3\)",
    ),
    "flat": (lambda d: for_all(d, lambda x: x.reshape(len(x), -1)), r"must have the shape"),
    "a frame of NaN": (
        lambda d: d["S5"]["Walking"].__setitem__((3, 12), np.nan),
        r"S5, 'Walking' holds 3 values that are not finite, the first in row 3",
    ),
    "no frames": (lambda d: d["S5"].__setitem__("Walking", np.zeros((0, 32, 3))), "S5, 'Walking'"),
    "a list": (lambda d: d["S5"].__setitem__("Walking", [1]), "must be an array of numbers"),
    "texts": (
        lambda d: d["S5"].__setitem__("Walking", np.array(["a"])), "must be an array of numbers"
    ),
    "a list of subjects": (lambda d: d.__setitem__("S5", []), "must be a dictionary by name"),
    "an unknown action": (
        lambda d: d["S5"].__setitem__("Juggling", d["S5"]["Walking"]),
        "a take 'Juggling', but Human3.6M has no such action",
    ),
    "two names of one take": (
        lambda d: d["S8"].__setitem__("TakingPhoto 1", d["S8"]["Photo 1"]),
        "has 'TakingPhoto 1' and 'Photo 1': one take",
    ),
    "a take that nobody detected": (
        lambda d: d["S8"].__setitem__("Waiting", d["S8"]["Photo 1"]),
        r"data_2d_h36m_gt\.npz' has no keypoints of S8, 'Waiting'",
    ),
    "camera space": (
        lambda d: for_all(d, lambda x: x + np.array([0, 0, 5], np.float32)),
        "the keypoints are not those of the poses",
    ),
    "other people's order": (
        lambda d: for_all(d, lambda x: swap(x, 3, 27)),
        "measures .* the joints are in another order than Human3.6M's",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_3D)
def test_wrong_3d_is_explained(takes, tmp_path, name):
    change, sentence = WRONG_3D[name]
    positions = published.poses_3d(takes)
    change(positions)
    published.write_2d(tmp_path, "gt", published.keypoints_2d(takes))
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=positions)
    with pytest.raises(UserError, match=sentence):
        read(tmp_path)


WRONG_2D = {
    "no subject": (lambda d, m: d.pop("S6"), "has no subject S6"),
    "shorter": (
        lambda d, m: d["S1"]["Directions"].__setitem__(2, d["S1"]["Directions"][2][:5]),
        r"S1, 'Directions', camera 58860488 has keypoints of 5 frames, but there are 13 of poses",
    ),
    "three cameras": (
        lambda d, m: d["S1"]["Directions"].pop(),
        r"must be a list of the 4 cameras'.* list of 3",
    ),
    "no list": (lambda d, m: d["S1"].__setitem__("Directions", None), "must be a list of the 4"),
    "four channels": (
        lambda d, m: for_all(d, lambda x: np.concatenate([x, x], -1)),
        r"\(frames, 17, 2\)",
    ),
    "other joints": (lambda d, m: for_all(d, lambda x: x[:, :16]), r"\(frames, 17, 2\)"),
    "sides exchanged": (
        lambda d, m: for_all(d, lambda x: swap(x, LEFT + RIGHT, RIGHT + LEFT)),
        "left and right of the keypoints are exchanged",
    ),
    "another order": (
        lambda d, m: for_all(d, lambda x: x[:, ::-1]),
        "the keypoints are not those of the poses",
    ),
    "normalised": (
        lambda d, m: for_all(d, lambda x: x / 500 - 1),
        "the keypoints are not those of the poses",
    ),
    "cameras exchanged": (
        lambda d, m: [views.reverse() for takes in d.values() for views in takes.values()],
        "the keypoints are not those of the poses",
    ),
    "no metadata": (lambda d, m: m.clear(), "must tell 'num_joints' and 'keypoints_symm"),
    "COCO": (
        lambda d, m: m.update(keypoints_symmetry=published.COCO_SYMMETRY, layout_name="coco"),
        "holds COCO's joints, among which Human3.6M's spine, thorax, nose and head are missing",
    ),
    "called COCO": (
        lambda d, m: m.update(layout_name="coco"),
        "call the joints 'coco', but list the left",
    ),
    "an unknown order": (
        lambda d, m: m.update(keypoints_symmetry=[[1], [2]]),
        "that is no order known here",
    ),
    "an order of 18": (lambda d, m: m.update(num_joints=18), "18 joints"),
    "half an order": (
        lambda d, m: m.update(keypoints_symmetry=[[1]]),
        "the order of the joints is unknown",
    ),
    "an order of texts": (
        lambda d, m: m.update(keypoints_symmetry="lr"),
        "the order of the joints is unknown",
    ),
}


@pytest.mark.parametrize("name", WRONG_2D)
def test_wrong_2d_is_explained(takes, tmp_path, name):
    change, sentence = WRONG_2D[name]
    positions, metadata = published.keypoints_2d(takes), published.metadata()
    change(positions, metadata)
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=published.poses_3d(takes))
    np.savez(tmp_path / "data_2d_h36m_gt.npz", positions_2d=positions, metadata=metadata)
    with pytest.raises(UserError, match=sentence) as raised:
        read(tmp_path)
    assert "data_2d_h36m_gt.npz" in str(raised.value)


def test_files_that_run_code_or_are_damaged(takes, tmp_path):
    class Gadget:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    folder = published.write_videopose3d(tmp_path / "a", takes)
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d={"S1": Gadget()}, metadata={})
    with pytest.raises(UnsafeFileError, match="Nothing of it was run"):
        read(folder)
    assert not (tmp_path / "ran").exists()
    path = folder / "data_3d_h36m.npz"
    np.savez(path, positions=np.zeros(3))
    with pytest.raises(UserError, match=r"has no 'positions_3d', only: positions"):
        read(folder, keypoints=CPN)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedFileError):
        read(folder, keypoints=CPN)


def set_in(split, key, change):
    def apply(content):
        content[split][key] = change(content[split][key])

    return apply


def renamed(old, new):
    return lambda sources_of: [source.replace(old, new) for source in sources_of]


def only(columns, rows):
    """Some rows of a table, by number or by a mask."""
    numbers = np.arange(len(columns["source"]))[np.asarray(rows)]
    return {
        key: [value[row] for row in numbers] if isinstance(value, list) else value[numbers]
        for key, value in columns.items()
    }


BUT_ROOT = (np.arange(17) > 0)[:, None]

WRONG_MOTIONBERT = {
    "no test": (lambda c: c.pop("test"), "has no 'test', only: train"),
    "no column": (lambda c: c["train"].pop("source"), "'train', has no source, only: "),
    "no factor": (lambda c: c["test"].pop("2.5d_factor"), "has no '2.5d_factor'"),
    "metres": (set_in("test", "2.5d_factor", lambda x: x / 1000), "must be millimetres per pixel"),
    "other factor": (
        set_in("test", "2.5d_factor", lambda x: x * 1.2), "must be 'joint3d_image' times"
    ),
    "absolute depth": (
        set_in("train", "joint3d_image", lambda x: x + 10), "the pelvis must have depth 0"
    ),
    "12 joints": (set_in("train", "joint3d_image", lambda x: x[:, :12]), r"\(frames, 17, 3\)"),
    "fewer rows": (set_in("train", "joint_2d", lambda x: x[1:]), "must have the shape"),
    "fewer names": (set_in("train", "source", lambda x: x[1:]), "must have .* rows as the arrays"),
    "NaN": (set_in("train", "joint_2d", lambda x: x * np.nan), "are not finite"),
    "other names": (set_in("train", "source", renamed("act", "clip")), "expected one like 's_01_"),
    "an act too many": (set_in("train", "source", renamed("act_02", "act_17")), "expected one"),
    "test subjects": (
        set_in("train", "source", renamed("s_01", "s_09")), "is of S9, but here belong S1, S5"
    ),
    "missing subject": (
        lambda c: c.update(test=only(c["test"], ["s_09" in x for x in c["test"]["source"]])),
        "has no rows of S11",
    ),
    "other camera": (
        set_in("train", "camera_name", lambda x: x[::-1]), "they must agree, cameras 1 to 4 being"
    ),
    "numbered cameras": (set_in("train", "camera_name", lambda x: np.ones(len(x))), "texts only"),
    "rows lie apart": (
        lambda c: c.update(train=only(c["train"], [*range(6), *range(12, 24), *range(6, 12)])),
        "rows of 's_01_act_02_subact_01_ca_01' lie apart",
    ),
    "soft bones": (
        set_in(
            "train",
            "joint3d_image",
            lambda x: x + 20 * np.random.default_rng(0).normal(size=x.shape) * BUT_ROOT,
        ),
        "bones of S1 vary by",
    ),
    "other joints": (
        set_in("train", "joint3d_image", lambda x: swap(x, 3, 13)), "bones of S1 vary by"
    ),
    "a list": (lambda c: c.__setitem__("train", [1]), "must be a dictionary"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_MOTIONBERT)
def test_wrong_motionbert_files_are_explained(takes, tmp_path, name):
    change, sentence = WRONG_MOTIONBERT[name]
    content = published.motionbert(takes)
    change(content)
    with pytest.raises(UserError, match=sentence):
        read(published.write_motionbert(tmp_path, content))


def test_motionbert_of_people_with_other_heads(takes, tmp_path):
    content = published.motionbert(takes)
    test = content["test"]
    for key in ("2.5d_factor", "joints_2.5d_image"):
        test[key] = test[key] * 1.002
    with pytest.warns(
        UserWarning, match=r"nose to head measures 115\.2.* Training poses are scaled"
    ):
        read(published.write_motionbert(tmp_path, content))
    for key in ("2.5d_factor", "joints_2.5d_image"):
        test[key] = test[key] * 1.2
    with pytest.raises(UserError, match="the pixels do not fit the factors"):
        read(published.write_motionbert(tmp_path, content))


def row_name(name):
    return lambda c: c["train"]["imgname"].__setitem__(3, name)


WRONG_MMPOSE = {
    "no column": (lambda c: c["train"].pop("S"), "has no S, only: center, imgname"),
    "other name": (row_name("frame_3.jpg"), "image of row 3 is called 'frame_3.jpg'"),
    "other camera": (row_name("S1_Eating.12345678_000001.jpg"), "image of row 3 is called"),
    "unknown action": (row_name("S1_Juggling.54138969_000001.jpg"), "no such action"),
    "test subject": (row_name("S9_Eating.54138969_000001.jpg"), "is of S9, but here belong S1"),
    "a frame twice": (
        row_name("S1_Directions_1.54138969_000001.jpg"), "two rows of the same image"
    ),
    "fewer detections": (
        lambda c: c["train"].update(detections=c["train"]["detections"][1:]), r"must have the shape"
    ),
    "fewer names": (
        lambda c: c["train"].update(imgname=c["train"]["imgname"][1:]), "rows as the arrays"
    ),
    "millimetres": (lambda c: c["train"].update(S=1000 * c["train"]["S"]), "must be in metres"),
    "NaN": (lambda c: c["test"]["S"].__setitem__((4, 2), np.nan), "not finite, the first in row 4"),
    "missing subject": (
        lambda c: c.update(
            test={
                key: value[[name.startswith("S9") for name in c["test"]["imgname"]]]
                for key, value in c["test"].items()
            }
        ),
        "has no images of S11",
    ),
    "rows of others": (
        lambda c: c["train"].update(detections=c["train"]["detections"][::-1]),
        "the keypoints are not those of the poses",
    ),
    "root-relative": (
        lambda c: c["train"].update(S=c["train"]["S"] - c["train"]["S"][:, :1]),
        "the keypoints are not those of the poses",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_MMPOSE)
def test_wrong_mmpose_files_are_explained(takes, tmp_path, name):
    change, sentence = WRONG_MMPOSE[name]
    content = published.mmpose(takes)
    change(content)
    with pytest.raises(UserError, match=sentence):
        read(published.write_mmpose(tmp_path, content), keypoints=CPN)


# ---------------------------------------------------------------------------------------- fuzzing

VALUES = st.one_of(
    st.none(), st.text(max_size=3), st.integers(-5, 2**60), st.just([]), st.just({}),
    st.just([1, "a"]), st.just({"S1": 3}), st.floats(),
    st.sampled_from(
        [np.zeros((0, 17, 3)), np.zeros((5, 17, 3)), np.zeros(()), np.zeros((3, 32, 3)),
         np.full((12, 32, 3), np.inf), np.full((13, 17, 2), 1e30), np.array(["S1"]),
         np.array([None, {}], object), np.zeros((2, 2), bool)]
    ),
)  # fmt: skip


def put_somewhere(data, content, depth: int = 0) -> None:
    """Replace or remove a part, wherever it is."""
    keys = list(content) if isinstance(content, dict) else range(len(content))
    if not keys:
        return
    key = data.draw(st.sampled_from(list(keys)))
    inner = content[key]
    if isinstance(inner, dict | list) and inner and data.draw(st.integers(0, 3)):
        put_somewhere(data, inner, depth + 1)
    elif isinstance(content, dict) and data.draw(st.booleans()):
        del content[key]
    elif isinstance(inner, np.ndarray) and inner.size and data.draw(st.booleans()):
        changed = inner.copy()
        change = data.draw(st.sampled_from(["scale", "cut", "nan", "rows", "joints"]))
        if change == "rows":
            changed = changed[::-1]
        elif change == "cut":
            changed = changed[: data.draw(st.integers(0, len(inner)))]
        elif change == "joints" and inner.ndim > 1:
            changed = changed[:, data.draw(st.permutations(range(inner.shape[1])))]
        elif change == "scale" and inner.dtype.kind == "f":
            changed *= data.draw(st.sampled_from([0, -1, 1e-3, 1e3, 1e30]))
        elif inner.dtype.kind == "f":
            changed.flat[data.draw(st.integers(0, inner.size - 1))] = np.nan
        content[key] = changed
    else:
        content[key] = copy.deepcopy(data.draw(VALUES))


def boxed(value) -> np.ndarray:
    """As numpy saves what is no array; lists it would take apart."""
    box = np.empty((), object)
    box[()] = value
    return value if isinstance(value, np.ndarray) else box


FUZZ = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="module")
def few():
    """The least that is read: a take each."""
    takes = published.make_takes(frames=5)
    return [take for take in takes if take.name == published.TAKES[take.subject][-1]]


def read_or_refuse(folder, **options) -> None:
    tracemalloc.start()
    try:
        with np.errstate(all="ignore"), contextlib.suppress(UserError):
            read(folder, **options)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:.*nose to head:UserWarning")
@FUZZ
@given(data=st.data(), layout=st.sampled_from(["videopose3d", "motionbert", "mmpose"]))
def test_wrong_contents_are_read_or_refused(few, tmp_path_factory, data, layout):
    folder = tmp_path_factory.mktemp("fuzz")
    if layout == "videopose3d":
        content = {
            "data_3d_h36m": {"positions_3d": published.poses_3d(few)},
            "data_2d_h36m_gt": {
                "positions_2d": published.keypoints_2d(few), "metadata": published.metadata()
            },
        }  # fmt: skip
    elif layout == "motionbert":
        content = {"h36m_sh_conf_cam_source_final": published.motionbert(few)}
    else:
        content = {f"h36m_{split}": arrays for split, arrays in published.mmpose(few).items()}
    for _ in range(data.draw(st.integers(1, 3))):
        for part in content.values():
            if isinstance(part, dict):
                put_somewhere(data, part)
    for name, part in content.items():
        if layout == "motionbert":
            (folder / f"{name}.pkl").write_bytes(pickle.dumps(part))
        elif isinstance(part, dict):
            np.savez(folder / f"{name}.npz", **{key: boxed(value) for key, value in part.items()})
    read_or_refuse(folder)


@pytest.mark.filterwarnings("ignore:.*nose to head:UserWarning")
@FUZZ
@given(data=st.data(), layout=st.sampled_from(["videopose3d", "motionbert", "mmpose"]))
def test_altered_bytes_are_read_or_refused(few, tmp_path_factory, data, layout):
    folder = tmp_path_factory.mktemp("fuzz")
    if layout == "videopose3d":
        np.savez(folder / "data_3d_h36m.npz", positions_3d=published.poses_3d(few))
        changed = published.write_2d(folder, "gt", published.keypoints_2d(few))
    elif layout == "motionbert":
        changed = folder / "h36m_cpn_cam_source.pkl"
        published.write_motionbert(folder, published.motionbert(few), changed.name)
    else:
        folder = published.write_mmpose(folder, published.mmpose(few))
        changed = folder / "h36m_test.npz"
    content = io.BytesIO(changed.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content.seek(data.draw(st.integers(0, len(content.getvalue()) - 1)))
        content.write(data.draw(st.binary(min_size=1, max_size=4)))
    content.truncate(data.draw(st.integers(0, len(content.getvalue())) | st.just(10**9)))
    changed.write_bytes(content.getvalue().rstrip(b"\0"))
    read_or_refuse(folder)
