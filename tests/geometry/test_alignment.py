from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seal import geometry, skeletons


def compiled(function):
    """The function as the backend's compiler makes it, on NumPy arrays."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(function, jit_compile=True)
    elif keras.backend.backend() == "jax":
        import jax

        function = jax.jit(function)
    return lambda *arrays: ops.convert_to_numpy(
        function(*(ops.convert_to_tensor(array) for array in arrays))
    )


aligned_by_tensors = compiled(geometry.procrustes)


def slow_procrustes(predicted, target, scale=True):
    """The facts sheet's P-MPJPE alignment of one pose, in double precision."""
    predicted, target = predicted.astype("float64"), target.astype("float64")
    centred, centred_target = predicted - predicted.mean(0), target - target.mean(0)
    left, values, right = np.linalg.svd(centred_target.T @ centred)
    sign = np.sign(np.linalg.det(left @ right))
    rotation = left @ np.diag([1, 1, sign]) @ right
    values[2] *= sign
    factor = values.sum() / (centred**2).sum() if scale else 1.0
    return factor * centred @ rotation.T + target.mean(0)


def random_rotation(rng):
    return geometry.quaternion_to_matrix(rng.normal(size=4))


def test_procrustes_agrees_with_singular_values(random_poses, rng):
    target = random_poses(48)[:, 0]
    predicted = target.copy()
    predicted[:16] += 0.05 * rng.standard_normal((16, 17, 3))
    predicted[16:32] = rng.standard_normal((16, 17, 3))  # nothing in common
    predicted[32:] *= [-1, 1, 1]  # mirrored: a reflection would fit, a rotation must not
    predicted = (1.7 * predicted @ random_rotation(rng).T + [0.3, -2.0, 4.0]).astype("float32")
    expected = np.stack([slow_procrustes(p, t) for p, t in zip(predicted, target, strict=True)])
    for aligned in (geometry.procrustes(predicted, target), aligned_by_tensors(predicted, target)):
        assert aligned.dtype == np.float32
        np.testing.assert_allclose(aligned, expected, atol=1e-5)
    doubles = geometry.procrustes(predicted.astype("float64"), target.astype("float64"))
    np.testing.assert_allclose(doubles, expected, atol=1e-9)
    rigid = geometry.procrustes(predicted.astype("float64"), target.astype("float64"), scale=False)
    expected = np.stack(
        [slow_procrustes(p, t, scale=False) for p, t in zip(predicted, target, strict=True)]
    )
    np.testing.assert_allclose(rigid, expected, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_procrustes_undoes_any_similarity(seed, scale):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(17, 3))
    predicted = scale * target @ random_rotation(rng).T + rng.normal(size=3)
    np.testing.assert_allclose(geometry.procrustes(predicted, target), target, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(-12, 0))
def test_procrustes_fits_flat_and_thin_shapes_in_double(seed, exponent):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(17, 3)) * [1.0, 10.0**exponent, 10.0 ** (exponent / 2)]
    predicted = target @ random_rotation(rng).T
    np.testing.assert_allclose(geometry.procrustes(predicted, target), target, atol=1e-6)


def degenerate_pairs():
    rng = np.random.default_rng(0)
    pose, line = rng.normal(size=(17, 3)), np.outer(np.linspace(-1, 1, 17), [1.0, 2.0, 3.0])
    point, plane = np.ones((17, 3)), rng.normal(size=(17, 3)) * [1, 1, 0]
    return [
        (line, pose),
        (pose, line),
        (line, line[:, ::-1]),
        (line, -line),
        (plane, plane * [-1, 1, 1]),
        (point, pose),
        (pose, point),
        (point, point),
        (1e-12 * pose, pose),
    ]


@pytest.mark.parametrize("scale", [True, False])
def test_procrustes_is_defined_and_best_for_degenerate_shapes(scale):
    pairs = np.stack(degenerate_pairs()).astype("float32")
    predicted, target = pairs[:, 0], pairs[:, 1]
    results = [geometry.procrustes(predicted, target, scale=scale)]
    results.append(compiled(lambda p, t: geometry.procrustes(p, t, scale=scale))(predicted, target))
    for aligned in results:
        assert np.isfinite(aligned).all()
        for ours, p, t in zip(aligned, predicted, target, strict=True):
            if (p - p.mean(0)).any():
                best = slow_procrustes(p, t, scale)
                error = np.linalg.norm(ours - t)
                assert error <= np.linalg.norm(best - t) + 1e-5
            else:  # a prediction without shape is moved to the centre
                np.testing.assert_allclose(ours, np.tile(t.mean(0), (17, 1)), atol=1e-6)
            # Proper: the volume of any four points keeps its sign, whatever the scale.
            if not scale:
                before = np.linalg.det((p - p[:1])[1:4])
                after = np.linalg.det((ours - ours[:1])[1:4])
                assert abs(before - after) < 1e-4


def test_procrustes_takes_any_leading_axes(random_poses):
    target, predicted = random_poses(6, 4), random_poses(6, 4)
    whole = geometry.procrustes(predicted, target)
    assert whole.shape == (6, 4, 17, 3)
    np.testing.assert_allclose(
        whole[2, 3], geometry.procrustes(predicted[2, 3], target[2, 3]), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"predicted must have shape \(\.\.\., 3\)"):
        geometry.procrustes(predicted[..., :2], target[..., :2])


def test_scale_align_is_the_least_squares_scale(random_poses, rng):
    target, predicted = random_poses(5), random_poses(5)
    scales = (predicted * target).sum((2, 3)) / (predicted**2).sum((2, 3))
    expected = scales[..., None, None] * predicted
    np.testing.assert_allclose(geometry.scale_align(predicted, target), expected, atol=1e-6)
    tensors = geometry.scale_align(ops.convert_to_tensor(predicted), target)
    np.testing.assert_allclose(ops.convert_to_numpy(tensors), expected, atol=1e-6)
    assert not geometry.scale_align(np.zeros((17, 3)), target[0, 0]).any()


def test_root_relative_uses_the_origin_of_the_skeleton(rng):
    poses = rng.normal(size=(4, 5, 133, 3))
    centred = geometry.root_relative(poses, "h3wb_133")
    np.testing.assert_allclose(centred[..., [11, 12], :].mean(-2), 0, atol=1e-12)
    np.testing.assert_allclose(
        centred[..., 3, :] - centred[..., 4, :], poses[..., 3, :] - poses[..., 4, :]
    )
    body = skeletons.get("mpi_inf_3dhp_17")
    centred = geometry.root_relative(ops.convert_to_tensor(poses[..., :17, :]), body)
    assert not ops.convert_to_numpy(centred)[..., body.root, :].any()
    with pytest.raises(ValueError, match="for skeleton 'human36m_17', got"):
        geometry.root_relative(poses, "human36m_17")
