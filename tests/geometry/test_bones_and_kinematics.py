from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seal import Skeleton, geometry, skeletons


def gradient(function, array):
    """Gradient of a scalar function of one tensor, on any backend."""
    tensor = ops.convert_to_tensor(array)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = function(tensor)
        return ops.convert_to_numpy(tape.gradient(value, tensor))
    if backend == "jax":
        import jax

        return np.asarray(jax.jit(jax.grad(function))(tensor))
    tensor.requires_grad_(True)
    function(tensor).backward()
    return ops.convert_to_numpy(tensor.grad)


@pytest.fixture(params=["numpy", "tensors"])
def on(request):
    """Call a function on arrays, or on tensors, and get arrays back."""

    def call(function, *arrays):
        if request.param == "numpy":
            return function(*arrays)
        if keras.backend.backend() == "jax":  # op by op, jax compiles each of them
            import jax

            function = jax.jit(function)
        result = function(*(ops.convert_to_tensor(array) for array in arrays))
        assert ops.is_tensor(result)
        return ops.convert_to_numpy(result)

    return call


def test_bones_of_known_poses(on, random_poses, skeleton):
    poses = random_poses(3, 2)
    vectors = on(lambda p: geometry.bone_vectors(p, skeleton), poses)
    lengths = on(lambda p: geometry.bone_lengths(p, skeleton), poses)
    limbs = on(lambda p: geometry.limb_lengths(p, skeleton), poses)
    assert vectors.dtype == lengths.dtype == limbs.dtype == np.float32
    for bone, (parent, child) in enumerate(skeleton.bones):
        expected = poses[..., child, :] - poses[..., parent, :]
        np.testing.assert_array_equal(vectors[..., bone, :], expected)
        np.testing.assert_allclose(lengths[..., bone], np.linalg.norm(expected, axis=-1), rtol=1e-6)
    for index, chain in enumerate(skeleton.limbs.values()):
        bones = [skeleton.bone_index(child) for child in chain]
        np.testing.assert_allclose(limbs[..., index], lengths[..., bones].sum(-1), rtol=1e-6)


def test_angles_of_known_poses(on, random_poses, skeleton):
    chain = skeletons.get(
        {
            "name": "chain",
            "joints": ["a", "b", "c", "d", "e"],
            "parents": {"b": "a", "c": "b", "d": "c", "e": "d"},
        }
    )
    pose = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0], [2, -1, 0]], dtype="float32")
    angles = on(lambda p: geometry.joint_angles(p, chain), pose)
    np.testing.assert_allclose(angles, [0, np.pi / 2, np.pi], atol=1e-6)
    poses = random_poses(3, 2)
    angles = on(lambda p: geometry.joint_angles(p, skeleton), poses)
    vectors = geometry.bone_vectors(poses.astype("float64"), skeleton)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    for index, (first, second) in enumerate(skeleton.adjacent_bones):
        expected = np.arccos((unit[..., first, :] * unit[..., second, :]).sum(-1))
        np.testing.assert_allclose(angles[..., index], expected, atol=1e-5)


def test_no_limbs_and_wrong_joint_counts_are_told():
    bare = Skeleton("bare", ("a", "b"), (-1, 0))
    with pytest.raises(ValueError, match="'bare' names no limbs"):
        geometry.limb_lengths(np.zeros((2, 3)), bare)
    with pytest.raises(ValueError, match=r"\(\.\.\., 17, 3\) for skeleton 'human36m_17'"):
        geometry.bone_lengths(np.zeros((16, 3)), "human36m_17")


def test_gradients_are_finite_at_degenerate_poses(random_poses, skeleton):
    target = ops.convert_to_tensor(random_poses(3))
    collapsed = random_poses(3)
    collapsed[0] = 0.0  # every bone of length zero
    collapsed[1, :, 5] = collapsed[1, :, 4]  # one bone of length zero
    collapsed[2] *= [1, 0, 0]  # all on a line
    functions = [
        lambda p: geometry.bone_lengths(p, skeleton),
        lambda p: geometry.joint_angles(p, skeleton),
        lambda p: geometry.scale_align(p, target),
        lambda p: geometry.procrustes(p, target),
    ]
    for function in functions:
        slope = gradient(lambda p, f=function: ops.sum(ops.square(f(p))), collapsed)
        assert np.isfinite(slope).all()


def test_the_gradient_of_alignment_is_that_of_finite_differences(random_poses):
    target, pose = random_poses(1)[0, 0], random_poses(1)[0, 0] + 0.1

    def distance(p):
        return ((geometry.procrustes(p, target) - target) ** 2).sum()

    def tensor_distance(p):
        goal = ops.convert_to_tensor(target)
        return ops.sum(ops.square(geometry.procrustes(p, goal) - goal))

    slope = gradient(tensor_distance, pose)
    doubles, step = pose.astype("float64"), 1e-6
    for joint, axis in [(0, 0), (6, 1), (13, 2)]:
        moved = np.zeros((17, 3))
        moved[joint, axis] = step
        expected = (distance(doubles + moved) - distance(doubles - moved)) / (2 * step)
        assert abs(slope[joint, axis] - expected) < 1e-4


@pytest.mark.parametrize("name", ["human36m_17", "mpi_inf_3dhp_17", "coco_17"])
def test_kinematics_inverts_bone_vectors(on, rng, name):
    skeleton = skeletons.get(name)
    poses = rng.normal(size=(3, 2, 17, 3)).astype("float32")
    vectors = geometry.bone_vectors(poses, skeleton)
    root = poses[..., skeleton.root, :]
    again = on(lambda r, v: geometry.forward_kinematics(r, v, skeleton), root, vectors)
    np.testing.assert_allclose(again, poses, atol=1e-5)


def test_geometry_works_on_the_symbols_of_functional_models(random_poses, skeleton):
    poses = keras.Input((None, 17, 3))
    outputs = [
        geometry.root_relative(poses, skeleton),
        geometry.bone_lengths(poses, skeleton),
        geometry.limb_lengths(poses, skeleton),
        geometry.joint_angles(poses, skeleton),
    ]
    given_poses = random_poses(2, 3)
    results = keras.Model(poses, outputs)(given_poses)
    functions = (
        geometry.root_relative,
        geometry.bone_lengths,
        geometry.limb_lengths,
        geometry.joint_angles,
    )
    for result, function in zip(results, functions, strict=True):
        expected = function(given_poses, skeleton)
        np.testing.assert_allclose(ops.convert_to_numpy(result), expected, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["human36m_17", "hand_21", "h3wb_133"]))
def test_rotated_bones_keep_their_lengths(seed, name):
    rng, skeleton = np.random.default_rng(seed), skeletons.get(name)
    poses = rng.normal(size=(2, skeleton.num_joints, 3))
    axis, angle = (
        rng.normal(size=(2, skeleton.num_bones, 3)),
        rng.uniform(0, 6, (2, skeleton.num_bones)),
    )
    turned = geometry.rotate_bones(poses, geometry.axis_angle_to_matrix(axis, angle), skeleton)
    np.testing.assert_allclose(
        geometry.bone_lengths(turned, skeleton), geometry.bone_lengths(poses, skeleton), atol=1e-9
    )
    np.testing.assert_allclose(turned[:, skeleton.root], poses[:, skeleton.root])
    back = geometry.rotate_bones(turned, geometry.axis_angle_to_matrix(axis, -angle), skeleton)
    np.testing.assert_allclose(back, poses, atol=1e-9)


def test_turning_one_bone_carries_what_hangs_on_it(on, random_poses, skeleton):
    poses = random_poses(2, 3)
    rotations = np.tile(np.eye(3, dtype="float32"), (skeleton.num_bones, 1, 1))
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype="float32")
    rotations[skeleton.bone_index(5)] = quarter
    turned = on(lambda p, r: geometry.rotate_bones(p, r, skeleton), poses, rotations)
    expected = poses.copy()
    thigh = poses[..., 5, :] - poses[..., 4, :]
    shift = thigh @ quarter.T - thigh
    expected[..., 5, :] += shift
    expected[..., 6, :] += shift
    np.testing.assert_allclose(turned, expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"\(\.\.\., 16, 3, 3\) for the bones"):
        geometry.rotate_bones(poses, rotations[:3], skeleton)


@given(st.integers(0, 2**32 - 1), st.floats(-10, 10))
def test_rotations_turn_about_their_axis_by_their_angle(seed, angle):
    axis = np.random.default_rng(seed).normal(size=3)
    matrix = geometry.axis_angle_to_matrix(axis, angle)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix @ axis, axis, atol=1e-12)
    np.testing.assert_allclose(np.trace(matrix), 1 + 2 * np.cos(angle), atol=1e-12)
    half = np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis / np.linalg.norm(axis)])
    np.testing.assert_allclose(geometry.quaternion_to_matrix(3 * half), matrix, atol=1e-12)


def test_a_rotation_about_no_axis_is_none():
    np.testing.assert_array_equal(geometry.axis_angle_to_matrix(np.zeros(3), 1.0), np.eye(3))


def test_arrays_stay_arrays_and_keep_their_dtype(random_poses, skeleton):
    poses = random_poses(2)
    for dtype in ("float16", "float32", "float64"):
        assert geometry.bone_lengths(poses.astype(dtype), skeleton).dtype == dtype
        assert geometry.rotate(poses.astype(dtype), np.eye(3).tolist()).dtype == dtype
    mixed = geometry.rotate(ops.convert_to_tensor(poses), np.eye(3))
    assert keras.backend.standardize_dtype(mixed.dtype) == "float32"
