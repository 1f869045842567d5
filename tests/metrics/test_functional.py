from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seal import geometry, skeletons
from keras_seal.metrics import functional


@pytest.fixture(params=["numpy", "tensors"])
def on(request):
    """Call a metric on arrays, or on tensors, and get arrays back."""

    def call(function, y_true, y_pred, *arguments, **options):
        if request.param == "numpy":
            return function(y_true, y_pred, *arguments, **options)

        def measure(*tensors):
            return function(*tensors, *arguments, **options)

        if keras.backend.backend() == "jax":  # op by op, jax compiles each of them
            import jax

            measure = jax.jit(measure)
        result = measure(*(ops.convert_to_tensor(array) for array in (y_true, y_pred)))
        assert ops.is_tensor(result)
        return ops.convert_to_numpy(result)

    return call


@pytest.fixture
def pair(random_poses):
    return random_poses(6, 5), random_poses(6, 5)


def per_frame(function, y_true, y_pred):
    return np.array(
        [
            [function(t, p) for t, p in zip(*sequences, strict=True)]
            for sequences in zip(y_true.astype("float64"), y_pred.astype("float64"), strict=True)
        ]
    )


def distance(target, pose):
    return float(
        np.mean([np.sqrt(((a - b) ** 2).sum()) for a, b in zip(target, pose, strict=True)])
    )


def slow_p_mpjpe(target, pose):
    centred, centred_target = pose - pose.mean(0), target - target.mean(0)
    left, values, right = np.linalg.svd(centred_target.T @ centred)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = (values * signs).sum() / (centred**2).sum()
    return distance(centred_target, scale * centred @ rotation.T)


def slow_n_mpjpe(target, pose):
    return distance(target, (pose * target).sum() / (pose * pose).sum() * pose)


def lengths(pose, skeleton):
    return {child: np.linalg.norm(pose[child] - pose[parent]) for parent, child in skeleton.bones}


@pytest.mark.parametrize(
    ("function", "slow"),
    [
        (functional.mpjpe, distance),
        (functional.p_mpjpe, slow_p_mpjpe),
        (functional.n_mpjpe, slow_n_mpjpe),
    ],
)
def test_position_errors_agree_with_slow_references(on, pair, function, slow):
    result = on(function, *pair)
    assert result.shape == (6, 5) and result.dtype == np.float32
    np.testing.assert_allclose(result, per_frame(slow, *pair), atol=1e-5)


def test_one_moved_joint(on, random_poses):
    y_true = random_poses(2)
    y_pred = y_true.copy()
    y_pred[:, :, 6] += np.array([0.03, 0.0, 0.04], dtype="float32")
    np.testing.assert_allclose(on(functional.mpjpe, y_true, y_pred), 0.05 / 17, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
def test_p_mpjpe_does_not_see_similarities(seed, scale):
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.normal(size=(2, 3, 17, 3))
    rotation = geometry.quaternion_to_matrix(rng.normal(size=4))
    moved = scale * y_pred @ rotation.T + rng.normal(size=3)
    np.testing.assert_allclose(
        functional.p_mpjpe(y_true, moved), functional.p_mpjpe(y_true, y_pred), atol=1e-8
    )


def test_velocity_and_acceleration_agree_with_slow_references(on, pair):
    y_true, y_pred = (array.astype("float64") for array in pair)
    velocity, acceleration = on(functional.mpjve, *pair), on(functional.acceleration_error, *pair)
    assert velocity.shape == (6, 4) and acceleration.shape == (6, 3)
    error = y_pred - y_true
    for sample in range(6):
        for t in range(1, 5):
            step = np.linalg.norm(error[sample, t] - error[sample, t - 1], axis=-1).mean()
            np.testing.assert_allclose(velocity[sample, t - 1], step, atol=1e-5)
        for t in range(1, 4):
            bend = error[sample, t + 1] - 2 * error[sample, t] + error[sample, t - 1]
            bend = np.linalg.norm(bend, axis=-1).mean()
            np.testing.assert_allclose(acceleration[sample, t - 1], bend, atol=1e-5)
    # A constant offset is no velocity, a constant velocity no acceleration.
    frames = np.arange(5, dtype="float32").reshape(1, 5, 1, 1)
    drift = np.zeros((1, 5, 17, 3), "float32") + 0.01 * frames
    np.testing.assert_allclose(on(functional.mpjve, drift, drift + 1), 0, atol=1e-6)
    np.testing.assert_allclose(on(functional.acceleration_error, drift, 3 * drift), 0, atol=1e-6)


def test_too_few_frames_are_told(random_poses):
    with pytest.raises(ValueError, match="velocity error needs poses of at least 2 consecutive"):
        functional.mpjve(random_poses(2, 1), random_poses(2, 1))
    with pytest.raises(ValueError, match="at least 3 consecutive"):
        functional.acceleration_error(random_poses(2, 2), random_poses(2, 2))


@pytest.mark.parametrize("name", ["human36m_17", "mpi_inf_3dhp_17", "h3wb_133"])
@pytest.mark.parametrize("relative", [False, True])
def test_structural_errors_agree_with_slow_references(on, rng, name, relative):
    skeleton = skeletons.get(name)
    y_true, y_pred = rng.normal(size=(2, 2, 2, skeleton.num_joints, 3)).astype("float32")

    def symmetry(target, pose):
        bones = lengths(pose, skeleton)
        errors = []
        for left, right in skeleton.mirror_pairs:
            error = abs(bones[left] - bones[right])
            errors.append(error / (bones[left] + bones[right]) if relative else error)
        return np.mean(errors)

    def segments(target, pose):
        true, bones = lengths(target, skeleton), lengths(pose, skeleton)
        errors = [abs(bones[k] - true[k]) / (true[k] if relative else 1) for k in bones]
        return np.mean(errors)

    def limbs(target, pose):
        true, bones = lengths(target, skeleton), lengths(pose, skeleton)
        errors = []
        for chain in skeleton.limbs.values():
            whole = sum(true[child] for child in chain)
            error = abs(sum(bones[child] for child in chain) - whole)
            errors.append(error / whole if relative else error)
        return np.mean(errors)

    for function, slow in [
        (functional.limb_symmetry_error, symmetry),
        (functional.body_segment_length_error, segments),
        (functional.limb_length_error, limbs),
    ]:
        result = on(function, y_true, y_pred, skeleton, relative=relative)
        np.testing.assert_allclose(result, per_frame(slow, y_true, y_pred), rtol=1e-5)


def test_one_lengthened_bone(on, random_poses, skeleton):
    y_true = random_poses(3)
    # Mirror the left limbs to the right, so that the truth is symmetric.
    y_true[:, :, 0] = 0
    y_true[:, :, 7:11] *= [0, 1, 1]
    y_true[:, :, skeleton.right] = y_true[:, :, skeleton.left] * np.array([-1, 1, 1], "float32")
    y_pred = y_true.copy()
    shin = y_true[:, :, 6] - y_true[:, :, 5]
    y_pred[:, :, 6] += 0.1 * shin
    longer = 0.1 * np.linalg.norm(shin, axis=-1)
    leg = np.linalg.norm(shin, axis=-1) + np.linalg.norm(y_true[:, :, 5] - y_true[:, :, 4], axis=-1)
    expected = {
        (functional.limb_symmetry_error, False): longer / 6,
        (functional.limb_symmetry_error, True): 0.1 / 2.1 / 6 + 0 * longer,
        (functional.body_segment_length_error, False): longer / 16,
        (functional.body_segment_length_error, True): 0.1 / 16 + 0 * longer,
        (functional.limb_length_error, False): longer / 5,
        (functional.limb_length_error, True): longer / leg / 5,
    }
    for (function, relative), value in expected.items():
        result = on(function, y_true, y_pred, skeleton, relative=relative)
        np.testing.assert_allclose(result, value, atol=1e-6)
    angles = on(functional.joint_angle_error, y_true, y_pred, skeleton)
    np.testing.assert_allclose(angles, 0, atol=1e-5)


def test_angle_error_of_a_bent_elbow(on, skeleton):
    y_true = np.zeros((1, 1, 17, 3), dtype="float32")
    y_true[..., 0] = np.arange(17)  # generic enough: no bone has length zero
    y_pred = y_true.copy()
    forearm = y_true[..., 13, :] - y_true[..., 12, :]
    y_pred[..., 13, :] = y_true[..., 12, :] + forearm[..., [1, 0, 2]]
    result = on(functional.joint_angle_error, y_true, y_pred, skeleton)
    np.testing.assert_allclose(result, np.pi / 2 / len(skeleton.adjacent_bones), atol=1e-6)


def test_bones_without_length_give_numbers(on, random_poses, skeleton):
    nothing, poses = np.zeros((2, 1, 17, 3), "float32"), random_poses(2)
    for function in (
        functional.limb_symmetry_error,
        functional.body_segment_length_error,
        functional.limb_length_error,
    ):
        for pair in ((nothing, nothing), (nothing, poses), (poses, nothing)):
            assert np.isfinite(on(function, *pair, skeleton, relative=True)).all()
    lost = on(functional.body_segment_length_error, poses, nothing, skeleton, relative=True)
    np.testing.assert_allclose(lost, 1.0, rtol=1e-6)


def test_shares_of_joints_agree_with_slow_references(on, pair):
    y_true, y_pred = (array.astype("float64") for array in pair)
    joints = [0, 3, 6, 13, 16]
    expected_pck, expected_auc = np.zeros((6, 5)), np.zeros((6, 5))
    for index in np.ndindex(6, 5):
        errors = [np.linalg.norm(y_pred[index][j] - y_true[index][j]) for j in joints]
        expected_pck[index] = sum(e < 0.15 for e in errors) / 5
        curve = [sum(e < k * 0.005 for e in errors) / 5 for k in range(31)]
        expected_auc[index] = sum(curve) / 31
    assert 0 < expected_auc.mean() < expected_pck.mean() < 1
    np.testing.assert_allclose(on(functional.pck, *pair, joints=joints), expected_pck, rtol=1e-6)
    np.testing.assert_allclose(on(functional.auc, *pair, joints=joints), expected_auc, rtol=1e-6)


def test_shares_of_a_known_error(on):
    nothing = np.zeros((1, 17, 3))
    moved = nothing + np.array([0.0, 0.0, 0.0725])
    assert on(functional.pck, nothing, moved) == 1
    assert on(functional.pck, nothing, moved, threshold=0.07) == 0
    # 75, 80, ... 150 mm are above the error: 16 of 31.
    np.testing.assert_allclose(on(functional.auc, nothing, moved), 16 / 31, rtol=1e-6)
    np.testing.assert_allclose(on(functional.auc, nothing, nothing), 30 / 31, rtol=1e-6)
    # At the threshold itself a joint does not count.
    moved = nothing.copy()
    moved[:, 0, 1] = 0.25
    assert on(functional.pck, nothing, moved, threshold=0.25, joints=[0]) == 0
    with pytest.raises(ValueError, match="`joints` is empty"):
        functional.pck(nothing, nothing, joints=[])


def test_the_spread_of_lengths_agrees_with_a_slow_reference(on, rng, skeleton):
    poses = rng.normal(size=(2, 7, 17, 3))
    expected = []
    for sequence in poses:
        series = [list(lengths(pose, skeleton).values()) for pose in sequence]
        expected.append(np.mean([np.std(bone, ddof=1) for bone in zip(*series, strict=True)]))
    result = on(functional.mpsce, poses, poses, skeleton)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    # Two lengths of 1 and 1.5 deviate by 0.5 / sqrt 2; the other bones keep theirs.
    pose = np.zeros((2, 17, 3))
    pose[:, 10, 0] = [1.0, 1.5]
    np.testing.assert_allclose(
        on(functional.mpsce, pose, pose, skeleton), 0.5 / 2**0.5 / 16, rtol=1e-6
    )
    with pytest.raises(ValueError, match="spread of bone lengths over time needs"):
        functional.mpsce(pose[:1], pose[:1], skeleton)


@pytest.mark.parametrize("name", ["human36m_17", "mpi_inf_3dhp_17"])
def test_single_parts_average_to_the_whole(on, rng, name):
    skeleton = skeletons.get(name)
    pair = rng.normal(size=(2, 3, 4, 17, 3))
    for function, options, parts in (
        (functional.mpjpe, {}, 17),
        (functional.p_mpjpe, {}, 17),
        (functional.n_mpjpe, {}, 17),
        (functional.mpjve, {}, 17),
        (functional.acceleration_error, {}, 17),
        (functional.limb_symmetry_error, {"skeleton": skeleton}, 6),
        (functional.body_segment_length_error, {"skeleton": skeleton, "relative": True}, 16),
        (functional.limb_length_error, {"skeleton": skeleton}, 5),
        (functional.joint_angle_error, {"skeleton": skeleton}, len(skeleton.adjacent_bones)),
        (functional.mpsce, {"skeleton": skeleton}, 16),
    ):
        single = on(function, *pair, average=False, **options)
        assert single.shape[-1] == parts
        np.testing.assert_allclose(single.mean(-1), on(function, *pair, **options), rtol=1e-6)
    errors = functional.mpjpe(*pair, average=False)
    for part, group in zip(
        np.moveaxis(on(functional.part_errors, *pair, skeleton), -1, 0),
        skeleton.groups.values(),
        strict=True,
    ):
        np.testing.assert_allclose(part, sum(errors[..., j] for j in group) / len(group), rtol=1e-6)
    # MPSSE is the symmetry error by another name.
    np.testing.assert_array_equal(
        functional.mpsse(*pair, skeleton), functional.limb_symmetry_error(*pair, skeleton)
    )


COLLINEAR = np.linspace(-1, 1, 17)[:, None] * np.array([0.3, -0.2, 0.1])


@pytest.mark.parametrize("degenerate", [np.zeros((17, 3)), np.ones((17, 3)), COLLINEAR])
def test_degenerate_poses_give_numbers(on, random_poses, skeleton, degenerate):
    poses = random_poses(1, 3).astype("float64")
    degenerate = np.broadcast_to(degenerate, poses.shape).copy()
    for pair in ((poses, degenerate), (degenerate, poses), (degenerate, degenerate)):
        for function in (
            functional.mpjpe,
            functional.p_mpjpe,
            functional.n_mpjpe,
            functional.mpjve,
            functional.acceleration_error,
            functional.pck,
            functional.auc,
        ):
            assert np.isfinite(on(function, *pair)).all(), function
        for function in (
            functional.limb_symmetry_error,
            functional.body_segment_length_error,
            functional.limb_length_error,
            functional.joint_angle_error,
            functional.mpsce,
            functional.part_errors,
        ):
            assert np.isfinite(on(function, *pair, skeleton)).all(), function
    # What coincides or lies on a line is still fitted as well as it can be.
    assert on(functional.p_mpjpe, degenerate, degenerate).max() < 1e-6


def test_a_row_of_nan_spoils_itself_alone(on, random_poses, skeleton):
    y_true, y_pred = random_poses(4), random_poses(4)
    y_pred[2] = np.nan
    for function, options in (
        (functional.mpjpe, {}),
        (functional.p_mpjpe, {}),
        (functional.limb_symmetry_error, {"skeleton": skeleton}),
        (functional.joint_angle_error, {"skeleton": skeleton}),
    ):
        values = on(function, y_true, y_pred, **options)
        np.testing.assert_array_equal(np.isnan(values[:, 0]), [False, False, True, False])


def test_skeletons_without_the_parts_are_told():
    hand = np.zeros((1, 1, 21, 3))
    with pytest.raises(ValueError, match=r"mirrored bones, but skeleton 'hand_21' has none"):
        functional.limb_symmetry_error(hand, hand, "hand_21")
    with pytest.raises(ValueError, match=r"same shape .* got \(1, 1, 21, 3\) and \(1, 1, 17, 3\)"):
        functional.mpjpe(hand, np.zeros((1, 1, 17, 3)))
    with pytest.raises(ValueError, match="for skeleton 'human36m_17'"):
        functional.body_segment_length_error(hand, hand, "human36m_17")
