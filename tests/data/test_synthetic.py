from __future__ import annotations

import numpy as np
import pytest

from keras_seal import geometry
from keras_seal.data import sources
from keras_seal.data.body import (
    ANGLES,
    INDEX,
    LIMITS,
    bone_directions,
    draw_build,
    mirror_angles,
    within_limits,
)
from keras_seal.data.motion import ACTIVITIES, draw_angles, draw_motion, drift
from keras_seal.data.virtual import (
    Studio,
    detect,
    draw_bone_lengths,
    pose_person,
    smooth,
    stay_in_area,
)
from keras_seal.errors import UserError

SMALL = {"frames": 1200, "validation_frames": 200, "test_frames": 200, "duration": 2.0}
UPRIGHT = {
    name: 0.0
    for name in (
        "spine_tilt", "thorax_tilt", "nose_tilt", "head_tilt", "clavicle_drop", "clavicle_back",
        "elbow_carry",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def splits():
    return sources.get("synthetic")(**SMALL).load(use_cache=False)


def test_sizes_and_people(splits):
    assert splits.train.num_frames == 4 * 1200
    assert splits.train.lengths.tolist() == [50] * 96
    assert splits.validation.num_frames == splits.test.num_frames == 4 * 200
    people = [set(part.subjects.tolist()) for part in splits.parts.values()]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    assert [len(names) for names in people] == [24, 4, 4]
    # Other people in fact, not in name alone.
    lengths = [
        geometry.bone_lengths(part.sequence(index).poses[0], part.skeleton)
        for part in splits.parts.values()
        for index in range(0, part.num_sequences, 4)
    ]
    assert len(np.unique(np.round(lengths, 5), axis=0)) == 32


def test_bodies_are_symmetric_and_rigid(splits):
    skeleton = splits.skeleton
    for index in range(0, splits.train.num_sequences, 7):
        lengths = geometry.bone_lengths(splits.train.sequence(index).poses, skeleton)
        np.testing.assert_allclose(lengths, np.tile(lengths[:1], (50, 1)), rtol=0, atol=5e-6)
        left, right = np.array(skeleton.bone_mirror_pairs).T
        np.testing.assert_allclose(lengths[:, left], lengths[:, right], rtol=0, atol=5e-6)


def test_keypoints_are_the_projected_poses(splits):
    train = splits.train
    for index in range(0, train.num_sequences, 11):
        sequence = train.sequence(index)
        camera = sequence.cameras[sequence.views[0]]
        pixels = geometry.project(sequence.poses.astype(float), camera)
        screen = geometry.normalize_screen(pixels, camera.width, camera.height)
        np.testing.assert_allclose(sequence.keypoints, screen, atol=2e-6)
    assert np.abs(train.keypoints).max() <= 1
    assert train.poses[..., 2].min() > 0.5


def test_camera_space_has_y_down_and_people_face_forward(splits):
    train = splits.train.select(
        mask=np.isin(splits.train.actions, ["stand", "walk", "wait", "run", "work"])
    )
    joint = train.skeleton.joint_index
    poses = train.poses
    head, feet = poses[:, joint("head")], poses[:, [joint("left_ankle"), joint("right_ankle")]]
    assert (head[:, 1] < feet[:, :, 1].mean(axis=1)).mean() > 0.99
    # Camera space is right-handed, so left x up is forward.
    left = poses[:, joint("left_hip")] - poses[:, joint("right_hip")]
    up = poses[:, joint("thorax")] - poses[:, joint("pelvis")]
    forward = np.cross(left, up)
    nose = poses[:, joint("nose")] - poses[:, joint("thorax")]
    assert ((nose * forward).sum(-1) > 0).mean() > 0.8
    for side in ("left", "right"):
        thigh = poses[:, joint(f"{side}_knee")] - poses[:, joint(f"{side}_hip")]
        shin = poses[:, joint(f"{side}_ankle")] - poses[:, joint(f"{side}_knee")]
        bent = (np.cross(thigh, shin) * left).sum(-1)
        scale = np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
        scale = scale * np.linalg.norm(left, axis=-1)
        # Sine of the bend about the hips' axis; only a thigh turned far outwards lets it be < 0.
        assert (bent / scale).min() > -0.5
        assert (bent / scale > -0.05).mean() > 0.95


def test_same_seed_same_data_and_more_frames_keep_the_first(splits):
    again = sources.get("synthetic")(**{**SMALL, "frames": 600}).load(use_cache=False)
    count = again.train.num_frames
    assert count == 2400
    np.testing.assert_array_equal(again.train.poses, splits.train.poses[:count])
    np.testing.assert_array_equal(again.train.keypoints, splits.train.keypoints[:count])
    np.testing.assert_array_equal(again.test.poses, splits.test.poses)
    other = sources.get("synthetic")(**{**SMALL, "seed": 1}).load(use_cache=False)
    assert not np.allclose(other.train.poses[:100], splits.train.poses[:100])


def test_the_last_sequence_is_cut():
    options = {"frames": 70, "validation_frames": 10, "test_frames": 50, "duration": 2.0}
    splits = sources.get("synthetic")(cameras=1, **options).load(use_cache=False)
    assert splits.train.lengths.tolist() == [50, 20]
    assert splits.validation.lengths.tolist() == [10]


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_angles_keep_their_limits_and_move_smoothly(activity):
    low, high = np.array(list(LIMITS.values())).T
    for seed in range(5):
        rng = np.random.default_rng(seed)
        angles, _ = draw_angles(200, 50, activity, rng)
        assert (angles >= low - 1e-9).all() and (angles <= high + 1e-9).all()
        lengths, build = draw_bone_lengths(rng), draw_build(rng)
        poses, _ = draw_motion(200, 50, lengths, build, rng, activity)
        relative = poses - poses[:, :1]
        speed = np.linalg.norm(np.diff(relative, axis=0), axis=-1) * 50
        change = np.linalg.norm(np.diff(relative, n=2, axis=0), axis=-1) * 50**2
        assert speed.max() < 25  # m/s; a fast kick reaches 15
        assert change.max() < 900  # m/s^2
        assert np.abs(np.diff(poses[:, 0], axis=0)).max() * 50 < 8
        lowest = poses[..., 2].min(axis=1)
        assert np.median(lowest) == pytest.approx(0.08, abs=0.03)
        assert np.abs(poses[..., :2]).max() < 4


def test_poses_are_various(splits):
    """Hands reach everywhere around the chest, and legs do more than stand."""
    poses = splits.train.poses
    joint = splits.skeleton.joint_index
    up = poses[:, joint("thorax")] - poses[:, joint("pelvis")]
    left = poses[:, joint("left_shoulder")] - poses[:, joint("right_shoulder")]
    axes = np.stack([np.cross(left, up), left, np.cross(np.cross(left, up), left)], axis=1)
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    reach = poses[:, joint("left_wrist")] - poses[:, joint("left_shoulder")]
    local = np.einsum("fij,fj->fi", axes, reach)
    assert (np.quantile(local, 0.02, axis=0) < [0.0, -0.1, -0.45]).all()
    assert (np.quantile(local, 0.98, axis=0) > [0.35, 0.35, 0.25]).all()
    assert len(set(splits.train.actions.tolist())) > 5


def test_limits_let_usual_angles_pass_and_stop_the_others():
    angles = np.zeros(len(ANGLES))
    angles[INDEX["left_hip_flexion"]] = 40.0
    angles[INDEX["left_knee_flexion"]] = 60.0
    limited = within_limits(angles)
    for name in ("left_hip_flexion", "left_knee_flexion", "yaw", "trunk_twist"):
        assert limited[INDEX[name]] == angles[INDEX[name]]
    straight = angles.copy()
    straight[INDEX["left_knee_flexion"]] = 0.0
    straight[INDEX["left_hip_flexion"]] = 500.0
    assert within_limits(straight)[INDEX["left_hip_flexion"]] <= 95.0 + 2
    behind = angles.copy()
    behind[INDEX["right_shoulder_plane"]] = -60.0
    behind[INDEX["right_shoulder_elevation"]] = 170.0
    assert within_limits(behind)[INDEX["right_shoulder_elevation"]] < 65.0


def test_directions_by_hand(skeleton):
    """Right angles of single joints, by hand: x forward, y left, z up."""

    def direction(joint: str, **angles: float) -> list[float]:
        values = np.zeros((1, len(ANGLES)))
        for name, degrees in angles.items():
            values[0, INDEX[name]] = degrees
        bone = skeleton.bone_index(skeleton.joint_index(joint))
        return (bone_directions(values, UPRIGHT)[0, bone].round(6) + 0).tolist()

    assert direction("left_ankle") == [0, 0, -1]
    assert direction("left_hip") == [0, 1, 0]
    assert direction("right_hip") == [0, -1, 0]
    assert direction("head") == [0, 0, 1]
    assert direction("left_knee", left_hip_flexion=90) == [1, 0, 0]
    assert direction("left_knee", left_hip_abduction=90) == [0, 1, 0]
    assert direction("right_knee", right_hip_abduction=90) == [0, -1, 0]
    assert direction("right_ankle", right_knee_flexion=90) == [-1, 0, 0]
    assert direction("left_elbow", left_shoulder_elevation=90) == [0, 1, 0]
    assert direction("right_elbow", right_shoulder_elevation=90) == [0, -1, 0]
    raised = {"right_shoulder_elevation": 90, "right_shoulder_plane": 90}
    assert direction("right_elbow", **raised) == [1, 0, 0]
    assert direction("left_wrist", left_elbow_flexion=90) == [1, 0, 0]
    turned_in = {"left_elbow_flexion": 90, "left_shoulder_rotation": 90}
    assert direction("left_wrist", **turned_in) == [0, -1, 0]
    assert direction("head", pitch=90) == [1, 0, 0]
    assert direction("left_hip", yaw=90) == [-1, 0, 0]
    assert direction("head", roll=90) == [0, -1, 0]
    assert direction("left_shoulder", trunk_twist=90) == [-1, 0, 0]


def test_mirrored_angles_give_the_mirrored_body(skeleton, rng):
    angles = within_limits(rng.normal(0, 40, (20, len(ANGLES))))
    build, lengths = draw_build(rng), draw_bone_lengths(rng)
    poses = pose_person(np.zeros((20, 3)), bone_directions(angles, build), lengths)
    other = pose_person(np.zeros((20, 3)), bone_directions(mirror_angles(angles), build), lengths)
    expected = poses[:, skeleton.mirror_permutation] * [1, -1, 1]
    np.testing.assert_allclose(other, expected, atol=1e-12)


def test_detector_errors():
    rng = np.random.default_rng(0)
    true = np.full((4000, 17, 2), 300.0)
    seen, confidence = detect(true, 4.0, 50, rng)
    error = seen - true
    usual = np.median(np.linalg.norm(error, axis=-1), axis=0)
    assert usual[13] > 1.5 * usual[8]  # a wrist is harder to see than the thorax
    together = np.mean(error[1:, 8, 0] * error[:-1, 8, 0]) / np.mean(error[:, 8, 0] ** 2)
    assert 0.4 < together < 0.9
    distance = np.linalg.norm(error, axis=-1)
    assert np.corrcoef(distance.ravel(), confidence.ravel())[0, 1] < -0.5
    assert confidence.min() >= 0 and confidence.max() <= 1


def test_noise_and_confidence_options():
    options = {"frames": 100, "validation_frames": 20, "test_frames": 20, "cameras": 2}
    clean = sources.get("synthetic")(**options).load(use_cache=False).train
    noisy = (
        sources.get("synthetic")(noise=5, confidence=True, **options).load(use_cache=False).train
    )
    assert clean.num_channels == 2 and noisy.num_channels == 3
    sequence = noisy.sequence(1)
    camera = sequence.cameras[sequence.views[0]]
    true = geometry.normalize_screen(
        geometry.project(sequence.poses, camera), camera.width, camera.height
    )
    error = np.abs(sequence.keypoints[..., :2] - true) * camera.width / 2
    assert 1 < np.median(error) < 10
    perfect = sources.get("synthetic")(confidence=True, **options).load(use_cache=False).train
    assert (perfect.keypoints[..., 2] == 1).all()


def test_actor_in_view_of_near_cameras(rng):
    """A camera that would cut somebody off steps back."""
    lengths = draw_bone_lengths(rng)
    poses, _ = draw_motion(50, 25, lengths, draw_build(rng), rng, "walk")
    studio = Studio(cameras=3, distance=(1.0, 1.2), focal=(1.3, 1.5), image_size=(1280, 720))
    for keypoints, seen, camera in studio.film(poses, 25, rng):
        assert (np.abs(keypoints) <= [1, 720 / 1280]).all()
        np.testing.assert_allclose(geometry.world_to_camera(poses, camera), seen, atol=1e-5)


def test_path_stays_in_the_area():
    steps = 0.1 * np.sin(np.arange(400))[:, None] * [0, 1]
    walk = np.stack([np.linspace(0, 40, 400), np.zeros(400)], axis=1) + steps
    kept = stay_in_area(walk, 1.0, 20)
    assert np.linalg.norm(kept, axis=1).max() < 1.5
    np.testing.assert_allclose(kept[60:-60, 1], steps[60:-60, 1], atol=0.02)
    near = walk * 0.01
    np.testing.assert_allclose(np.diff(stay_in_area(near, 1.0, 20), axis=0), np.diff(near, axis=0))


def test_smoothing_and_drift(rng):
    line = np.linspace(0, 3, 50)[:, None] * [1.0, -2.0]
    np.testing.assert_allclose(smooth(line, 3.0), line, atol=1e-12)
    courses = drift(3000, 50, 0.7, rng, 40)
    assert courses.std() == pytest.approx(1.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(courses * np.hanning(3000)[:, None], axis=0)) ** 2
    frequencies = np.fft.rfftfreq(3000, 1 / 50)
    assert spectrum[frequencies > 1.5].sum() < 1e-3 * spectrum.sum()


def test_bone_lengths_of_people():
    rng = np.random.default_rng(0)
    people = np.array([draw_bone_lengths(rng) for _ in range(300)])
    assert people.min() > 0.08 and people.max() < 0.56
    stature = people[:, [1, 2, 6, 7, 8, 9]].sum(axis=1)
    assert 0.04 < stature.std() / stature.mean() < 0.09


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": 10}, "no option 'frame'. Did you mean 'frames'"),
        ({"frames": 0}, "option 'frames' .* got 0"),
        ({"cameras": "many"}, "option 'cameras' .* got 'many'"),
        ({"camera_distance": (5, 3)}, "the smaller one first"),
        ({"noise": float("nan")}, "option 'noise'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UserError, match=message):
        sources.get("synthetic")(**options)
