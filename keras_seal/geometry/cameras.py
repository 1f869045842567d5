"""Cameras: from the world to the camera, to pixels, to the normalised screen, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_seal.errors import UserError
from keras_seal.geometry._namespace import as_floats, check_last_axis, constant, coordinates
from keras_seal.geometry.kinematics import axis_angle_to_matrix, rotate

_VECTORS = {"position": 3, "focal": 2, "center": 2, "radial": 3, "tangential": 2}
# At 44 degrees from the axis of a strong lens a pass still leaves three quarters of the error.
_UNDISTORT_PASSES = 80


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera with Human3.6M's lens model.

    Args:
        rotation: World to camera, `(3, 3)`. Camera axes: x right, y down, z forward.
        position: Centre of the camera in the world `(3,)`, metres.
        focal: Focal lengths `(2,)`, pixels.
        center: Principal point `(2,)`, pixels.
        radial: Radial distortion `(3,)`: factors of r^2, r^4, r^6.
        tangential: Tangential distortion `(2,)`, in the order of `project` (VideoPose3D's order).
        width: Width of the image, pixels.
        height: Height of the image, pixels.
        name: What the camera is called.

    Raises:
        UserError: A shape or size is wrong, or `rotation` is no rotation.

    Examples:
        >>> import numpy as np
        >>> camera = Camera(np.eye(3), np.zeros(3), [1100, 1100], [500, 500])
        >>> camera.focal.tolist()
        [1100.0, 1100.0]
    """

    rotation: np.ndarray
    position: np.ndarray
    focal: np.ndarray
    center: np.ndarray
    radial: np.ndarray = field(default_factory=lambda: np.zeros(3))
    tangential: np.ndarray = field(default_factory=lambda: np.zeros(2))
    width: int = 1000
    height: int = 1000
    name: str = ""

    def __post_init__(self) -> None:
        for name, size in _VECTORS.items():
            self._set_array(name, (size,))
        self._set_array("rotation", (3, 3))
        error = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if error > 1e-3 or np.linalg.det(self.rotation) < 0:
            raise self._error(
                "`rotation` is no rotation matrix (its rows must be orthogonal unit vectors, "
                "right-handed)."
            )
        if (self.focal <= 0).any():
            raise self._error(f"`focal` must be positive, got {self.focal.tolist()}.")
        for name in ("width", "height"):
            size = getattr(self, name)
            if isinstance(size, bool) or int(size) != size or size <= 0:
                raise self._error(f"`{name}` must be a positive whole number, got {size!r}.")
            object.__setattr__(self, name, int(size))

    def _error(self, message: str) -> UserError:
        return UserError(f"Camera '{self.name}': {message}")

    def _set_array(self, attribute: str, shape: tuple[int, ...]) -> None:
        array = np.array(getattr(self, attribute), dtype=np.float64)
        if array.shape != shape:
            raise self._error(f"`{attribute}` must have shape {shape}, got {array.shape}.")
        if not np.isfinite(array).all():
            raise self._error(f"`{attribute}` holds a value that is not finite: {array.tolist()}.")
        array.flags.writeable = False
        object.__setattr__(self, attribute, array)

    def _key(self) -> tuple[Any, ...]:
        arrays = (getattr(self, name).tobytes() for name in ("rotation", *_VECTORS))
        return (*arrays, self.width, self.height, self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Camera) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def world_to_camera(points: Any, camera: Camera) -> Any:
    """Express world points in the camera's axes.

    Args:
        points: World points `(..., 3)`, metres.
        camera: The camera.

    Returns:
        Points `(..., 3)` in metres: x right, y down, z forward of the camera.

    Raises:
        ValueError: The last axis has not 3 entries.

    Examples:
        >>> camera = Camera(np.eye(3), [0.0, 0.0, -4.0], [1100, 1100], [500, 500])
        >>> world_to_camera(np.zeros(3), camera).tolist()
        [0.0, 0.0, 4.0]
    """
    xp, points = as_floats(points)
    check_last_axis(points, 3, "points")
    return rotate(
        points - constant(xp, camera.position, points), constant(xp, camera.rotation, points)
    )


def camera_to_world(points: Any, camera: Camera) -> Any:
    """Express points given in the camera's axes in the world's.

    Args:
        points: Camera-space points `(..., 3)`, metres.
        camera: The camera.

    Returns:
        World points `(..., 3)`, metres.

    Raises:
        ValueError: The last axis has not 3 entries.

    Examples:
        >>> camera = Camera(np.eye(3), [0.0, 0.0, -4.0], [1100, 1100], [500, 500])
        >>> camera_to_world(np.array([0.0, 0.0, 4.0]), camera).tolist()
        [0.0, 0.0, 0.0]
    """
    xp, points = as_floats(points)
    check_last_axis(points, 3, "points")
    turned = rotate(points, constant(xp, camera.rotation.T, points))
    return turned + constant(xp, camera.position, points)


def _lens(u: Any, v: Any, camera: Camera) -> tuple[Any, Any, Any]:
    """Factor and shift that the lens applies to a point of the plane z = 1."""
    k1, k2, k3 = (float(value) for value in camera.radial)
    p1, p2 = (float(value) for value in camera.tangential)
    squared = u * u + v * v
    factor = 1.0 + squared * (k1 + squared * (k2 + squared * k3)) + p1 * u + p2 * v
    return factor, p1 * squared, p2 * squared


def project(points: Any, camera: Camera) -> Any:
    """Project camera-space points to pixels, with the lens of Human3.6M.

    With u = (x, y) / z and r = |u|: pixel = f (u (1 + k1 r^2 + k2 r^4 + k3 r^6 + p.u) + p r^2) + c.
    This reproduces the official 2D; OpenCV's formula, which doubles the cross terms, does not.

    Args:
        points: Camera-space points `(..., 3)`, metres.
        camera: The camera.

    Returns:
        Pixels `(..., 2)`; NaN for points that are not in front of the camera (z <= 0).

    Raises:
        ValueError: The last axis has not 3 entries.

    Examples:
        >>> camera = Camera(np.eye(3), np.zeros(3), [1100, 1100], [500, 500])
        >>> project(np.array([0.5, 0.0, 5.0]), camera).tolist()
        [610.0, 500.0]

    Reference:
        Ionescu et al., Human3.6M, TPAMI 2014.
    """
    xp, points = as_floats(points)
    check_last_axis(points, 3, "points")
    x, y, z = coordinates(points)
    in_front = z > 0
    depth = xp.where(in_front, z, xp.ones_like(z))
    u, v = x / depth, y / depth
    factor, shift_u, shift_v = _lens(u, v, camera)
    pixels = xp.stack([u * factor + shift_u, v * factor + shift_v], axis=-1)
    pixels = pixels * constant(xp, camera.focal, points) + constant(xp, camera.center, points)
    return xp.where(in_front[..., None], pixels, constant(xp, np.nan, points))


def unproject(pixels: Any, depth: Any, camera: Camera) -> Any:
    """Lift pixels of known depth to camera space: the inverse of `project`.

    The lens is undone by fixed-point iteration, which converges wherever the lens is not folded
    over (well beyond the image, for real lenses).

    Args:
        pixels: Pixels `(..., 2)`.
        depth: The z coordinate of each point `(...)`, metres.
        camera: The camera.

    Returns:
        Camera-space points `(..., 3)`, metres.

    Raises:
        ValueError: The last axis of `pixels` has not 2 entries.

    Examples:
        >>> camera = Camera(np.eye(3), np.zeros(3), [1100, 1100], [500, 500])
        >>> unproject(np.array([610.0, 500.0]), 5.0, camera).round(6).tolist()
        [0.5, 0.0, 5.0]
    """
    xp, pixels, depth = as_floats(pixels, depth)
    check_last_axis(pixels, 2, "pixels")
    pixels = (pixels - constant(xp, camera.center, pixels)) / constant(xp, camera.focal, pixels)
    distorted_u, distorted_v = coordinates(pixels)
    u, v = distorted_u, distorted_v
    if camera.radial.any() or camera.tangential.any():
        for _ in range(_UNDISTORT_PASSES):
            factor, shift_u, shift_v = _lens(u, v, camera)
            u, v = (distorted_u - shift_u) / factor, (distorted_v - shift_v) / factor
    return xp.stack([u * depth, v * depth, depth + xp.zeros_like(u)], axis=-1)


def normalize_screen(pixels: Any, width: Any, height: Any) -> Any:
    """Map pixels so that the width of the image spans [-1, 1], keeping the aspect.

    Args:
        pixels: Pixels `(..., 2)`.
        width: Width of the image in pixels: a number, or an array that broadcasts against the
            leading axes of `pixels`.
        height: Height of the image in pixels, likewise.

    Returns:
        Screen coordinates `(..., 2)`: x in [-1, 1], y in [-height / width, height / width].

    Raises:
        ValueError: The last axis has not 2 entries (strip a confidence channel first).

    Examples:
        >>> normalize_screen(np.array([1000.0, 0.0]), 1000, 500).tolist()
        [1.0, -0.5]
    """
    xp, pixels, width, height = as_floats(pixels, width, height)
    check_last_axis(pixels, 2, "pixels")
    x, y = coordinates(pixels)
    return xp.stack([2.0 * x / width - 1.0, (2.0 * y - height) / width], axis=-1)


def denormalize_screen(screen: Any, width: Any, height: Any) -> Any:
    """Map screen coordinates back to pixels: the inverse of `normalize_screen`.

    Args:
        screen: Screen coordinates `(..., 2)`.
        width: Width of the image in pixels, as for `normalize_screen`.
        height: Height of the image in pixels, likewise.

    Returns:
        Pixels `(..., 2)`.

    Raises:
        ValueError: The last axis has not 2 entries.

    Examples:
        >>> denormalize_screen(np.array([1.0, -0.5]), 1000, 500).tolist()
        [1000.0, 0.0]
    """
    xp, screen, width, height = as_floats(screen, width, height)
    check_last_axis(screen, 2, "screen")
    x, y = coordinates(screen)
    return xp.stack([0.5 * (x + 1.0) * width, 0.5 * (y * width + height)], axis=-1)


def look_at(position: Any, target: Any, roll: float = 0.0) -> np.ndarray:
    """Turn a camera towards a point of a world whose z axis points up.

    Args:
        position: Centre of the camera in the world `(3,)`, metres.
        target: Point that lies in the middle of the image `(3,)`, metres.
        roll: Turn about the viewing axis in radians; positive turns the camera clockwise, so that
            the image turns anticlockwise.

    Returns:
        The rotation from world to camera `(3, 3)`, as `Camera` takes it.

    Raises:
        ValueError: The target is straight above or below the camera, or in it, where no direction
            of the image is up.

    Examples:
        >>> look_at([0.0, -4.0, 1.0], [0.0, 0.0, 1.0]).round(6).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    forward = np.asarray(target, dtype=np.float64) - np.asarray(position, dtype=np.float64)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) <= 1e-9 * np.linalg.norm(forward):
        raise ValueError(
            f"A camera at {np.asarray(position).tolist()} cannot look at "
            f"{np.asarray(target).tolist()}: the target must not be straight above or below it."
        )
    forward = forward / np.linalg.norm(forward)
    right = right / np.linalg.norm(right)
    level = np.stack([right, np.cross(forward, right), forward])
    return axis_angle_to_matrix([0.0, 0.0, 1.0], -roll) @ level
