from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_seal import geometry
from keras_seal.errors import UserError
from keras_seal.geometry import Camera


def make_camera(**changes):
    # Of the size of a real studio lens, but no camera that exists.
    options = {
        "rotation": geometry.look_at([3.0, -4.0, 1.5], [0.0, 0.2, 0.9], roll=0.03),
        "position": [3.0, -4.0, 1.5],
        "focal": [1145.0, 1143.0],
        "center": [512.0, 515.0],
        "radial": [-0.2, 0.25, -0.004],
        "tangential": [-0.001, -0.0015],
        "width": 1000,
        "height": 1002,
    }
    return Camera(**{**options, **changes})


def slow_projection(point, camera):
    """The lens of the facts sheet, in scalars: u' = u (1 + k.r2 + p.u) + p r2."""
    difference = [point[i] - camera.position[i] for i in range(3)]
    x, y, z = (sum(camera.rotation[i][j] * difference[j] for j in range(3)) for i in range(3))
    u = (x / z, y / z)
    r2 = u[0] ** 2 + u[1] ** 2
    k, p = camera.radial, camera.tangential
    factor = 1 + k[0] * r2 + k[1] * r2**2 + k[2] * r2**3 + (p[0] * u[0] + p[1] * u[1])
    return [camera.focal[i] * (u[i] * factor + p[i] * r2) + camera.center[i] for i in range(2)]


def test_projection_is_the_published_lens(rng):
    camera = make_camera()
    points = rng.uniform([-1, -1, 0], [1, 1, 2], (50, 3))
    expected = [slow_projection(point, camera) for point in points]
    pixels = geometry.project(geometry.world_to_camera(points, camera), camera)
    np.testing.assert_allclose(pixels, expected, atol=1e-9)
    tensor = ops.convert_to_tensor(points.astype("float32"))
    pixels = geometry.project(geometry.world_to_camera(tensor, camera), camera)
    np.testing.assert_allclose(ops.convert_to_numpy(pixels), expected, atol=2e-3)


def test_a_plain_lens_is_the_pinhole():
    camera = Camera(np.eye(3), np.zeros(3), [1000, 900], [500, 400])
    assert geometry.project(np.array([0.5, -0.5, 2.0]), camera).tolist() == [750.0, 175.0]


def test_points_behind_the_camera_have_no_pixel():
    camera = make_camera()
    points = np.array([[0.1, 0.1, 2.0], [0.1, 0.1, 0.0], [0.1, 0.1, -2.0]])
    for given_points in (points, ops.convert_to_tensor(points)):
        pixels = np.asarray(ops.convert_to_numpy(geometry.project(given_points, camera)))
        assert np.isfinite(pixels[0]).all() and np.isnan(pixels[1:]).all()


@given(
    st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7)),
    st.floats(0.5, 20.0),
    st.floats(-0.25, 0.1),
)
def test_unproject_inverts_project(direction, depth, k1):
    camera = make_camera(radial=[k1, 0.25, -0.004])
    point = np.array([direction[0] * depth, direction[1] * depth, depth])
    again = geometry.unproject(geometry.project(point, camera), depth, camera)
    np.testing.assert_allclose(again, point, atol=1e-6)


def test_unproject_works_on_tensors_too(rng):
    camera = make_camera()
    points = rng.uniform([-1, -1, 3], [1, 1, 5], (4, 5, 3)).astype("float32")
    pixels = geometry.project(ops.convert_to_tensor(points), camera)
    again = geometry.unproject(pixels, ops.convert_to_tensor(points[..., 2]), camera)
    np.testing.assert_allclose(ops.convert_to_numpy(again), points, atol=1e-5)


def test_world_and_camera_are_inverse(rng):
    camera = make_camera()
    points = rng.normal(size=(4, 17, 3))
    seen = geometry.world_to_camera(points, camera)
    np.testing.assert_allclose(geometry.camera_to_world(seen, camera), points, atol=1e-12)


def test_look_at_puts_the_target_in_the_middle_and_up_up():
    position, target = np.array([3.0, -4.0, 1.5]), np.array([0.0, 0.2, 0.9])
    camera = make_camera(rotation=geometry.look_at(position, target), radial=[0, 0, 0])
    x, y, z = geometry.world_to_camera(target, camera)
    assert abs(x) < 1e-12 and abs(y) < 1e-12
    assert math.isclose(z, np.linalg.norm(target - position))
    higher = target + np.array([0, 0, 0.1])
    _, above, _ = geometry.world_to_camera(higher, camera)
    assert above < 0  # y points down
    x, _, _ = geometry.world_to_camera(target + np.cross(target - position, [0, 0, 1]), camera)
    assert x > 0
    # A camera rolled clockwise by a quarter turn sees what is up on its left.
    rolled = make_camera(rotation=geometry.look_at(position, target, roll=np.pi / 2))
    x, _, _ = geometry.world_to_camera(higher, rolled)
    assert x < 0
    with pytest.raises(ValueError, match="straight above or below"):
        geometry.look_at([0, 0, 3], [0, 0, 1])


@given(st.floats(-2000, 3000), st.floats(-2000, 3000), st.integers(1, 4000), st.integers(1, 4000))
def test_screen_round_trip(x, y, width, height):
    pixels = np.array([x, y])
    screen = geometry.normalize_screen(pixels, width, height)
    np.testing.assert_allclose(
        geometry.denormalize_screen(screen, width, height), pixels, atol=1e-6
    )


def test_screen_keeps_the_aspect_and_the_dtype(rng):
    corners = np.array([[0, 0], [1000, 1002]], dtype=np.float32)
    screen = geometry.normalize_screen(corners, 1000, 1002)
    np.testing.assert_allclose(screen, [[-1, -1.002], [1, 1.002]], atol=1e-6)
    assert screen.dtype == np.float32
    sizes = np.array([[1000, 1002], [2048, 2048]])
    pixels = rng.uniform(0, 1000, (2, 5, 17, 2))
    both = geometry.normalize_screen(pixels, *sizes.T.reshape(2, 2, 1, 1))
    for index, (width, height) in enumerate(sizes):
        np.testing.assert_allclose(
            both[index], geometry.normalize_screen(pixels[index], width, height)
        )
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\), got \(5, 17, 3\)"):
        geometry.normalize_screen(np.zeros((5, 17, 3)), 1000, 1000)


def test_camera_is_a_value_and_checks_itself():
    camera = make_camera(name="left")
    assert camera == make_camera(name="left") and hash(camera) == hash(make_camera(name="left"))
    assert camera != make_camera(name="right")
    with pytest.raises(ValueError, match="read-only"):
        camera.focal[0] = 1.0
    with pytest.raises(UserError, match=r"Camera 'c': `focal` must have shape \(2,\), got \(3,\)"):
        make_camera(name="c", focal=[1, 2, 3])
    with pytest.raises(UserError, match="no rotation matrix"):
        make_camera(rotation=np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(UserError, match="`width` must be a positive whole number"):
        make_camera(width=0)
    with pytest.raises(UserError, match="not finite"):
        make_camera(position=[0, np.nan, 0])
