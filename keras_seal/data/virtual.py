"""Virtual people and the virtual cameras that film them.

Motion, invented or captured, comes as directions of bones. Here it is given the bone lengths of a
drawn person, filmed by drawn cameras, and seen by a detector that makes a detector's errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.geometry import (
    Camera,
    forward_kinematics,
    look_at,
    normalize_screen,
    project,
    world_to_camera,
)
from keras_seal.skeletons import Skeleton

SKELETON = "human36m_17"

# Joints are this high, in metres, when they rest on the floor.
_ANKLE_HEIGHT = 0.08


@cache
def virtual_skeleton() -> Skeleton:
    """The skeleton of virtual people: `human36m_17`."""
    return skeletons.get(SKELETON)


# Length of each bone (named by its child joint) as a fraction of stature, and its standard
# deviation from person to person, relative to the length. Legs and arms after Drillis and Contini
# (1966); the bones of trunk and head are those of Human3.6M's joint definitions, whose four
# measured actors average 1.76 m of stature here.
_PROPORTIONS = {
    "hip": (0.0760, 0.070),
    "knee": (0.2515, 0.030),
    "ankle": (0.2520, 0.030),
    "spine": (0.1345, 0.050),
    "thorax": (0.1445, 0.035),
    "nose": (0.0660, 0.050),
    "head": (0.0655, 0.035),
    "shoulder": (0.0860, 0.065),
    "elbow": (0.1575, 0.032),
    "wrist": (0.1410, 0.032),
}
# Bones of one limb are long or short together.
_LIMB_DEVIATION = 0.022
_LIMBS = {"knee": "leg", "ankle": "leg", "elbow": "arm", "wrist": "arm"}
_STATURE_MEAN, _STATURE_DEVIATION = 1.71, 0.095
_STATURE_RANGE = (1.45, 2.00)
_DEVIATIONS_AT_MOST = 2.2

# Size of a detector's error by joint; hands and feet are small, fast and often hidden.
_DIFFICULTY = {"hip": 1.0, "knee": 1.1, "ankle": 1.4, "elbow": 1.2, "wrist": 1.6}
_OTHER_DIFFICULTY = 0.85
# Share of an error that is still there a frame later, at 50 frames a second.
_ERROR_PERSISTENCE = 0.8
_OUTLIER_SHARE, _OUTLIER_FACTOR = 0.015, 5.0

# Where Human3.6M's four cameras average; each lens is drawn around it.
_RADIAL, _TANGENTIAL = np.array([-0.20, 0.24, -0.002]), np.array([-0.0006, -0.0017])
# Everything seen must keep this far inside the image, as a fraction of its half width.
_SAFE_SCREEN = 0.95


def draw_bone_lengths(rng: np.random.Generator) -> np.ndarray:
    """Draw the bone lengths of one person, exactly alike on the left and on the right.

    Args:
        rng: Source of randomness.

    Returns:
        `(16,)` metres, in the order of `human36m_17`'s bones.

    Examples:
        >>> import numpy as np
        >>> lengths = draw_bone_lengths(np.random.default_rng(0))
        >>> lengths.shape, bool(lengths[0] == lengths[3])
        ((16,), True)

    Reference:
        Drillis and Contini, Body Segment Parameters, 1966.
    """

    def deviate() -> float:
        return float(np.clip(rng.standard_normal(), -_DEVIATIONS_AT_MOST, _DEVIATIONS_AT_MOST))

    stature = np.clip(_STATURE_MEAN + _STATURE_DEVIATION * deviate(), *_STATURE_RANGE)
    limbs = {limb: 1.0 + _LIMB_DEVIATION * deviate() for limb in ("leg", "arm")}
    lengths = {
        part: stature * mean * (1.0 + deviation * deviate()) * limbs.get(_LIMBS.get(part, ""), 1.0)
        for part, (mean, deviation) in _PROPORTIONS.items()
    }
    skeleton = virtual_skeleton()
    return np.array([lengths[_part(skeleton.joints[child])] for _, child in skeleton.bones])


def _part(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def pose_person(root: np.ndarray, directions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Give motion the body of a person.

    Args:
        root: Path of the pelvis `(frames, 3)`, metres.
        directions: Unit vectors along the bones `(frames, 16, 3)`, parent to child.
        lengths: The person's bone lengths `(16,)`, metres.

    Returns:
        Poses `(frames, 17, 3)`, metres.
    """
    return forward_kinematics(root, directions * lengths[:, None], virtual_skeleton())


def stay_in_area(path: np.ndarray, radius: float, period: int) -> np.ndarray:
    """Keep an actor near the middle of the scene, where cameras can see them.

    A path that leads too far loses part of its slow course and keeps its quick movements, so the
    steps stay as they were.

    Args:
        path: Positions on the ground `(frames, 2)`, metres.
        radius: How far from the middle the slow course may lead, metres.
        period: Frames over which movement counts as quick.

    Returns:
        The path `(frames, 2)` around the origin.

    Examples:
        >>> import numpy as np
        >>> walk = np.stack([np.linspace(0, 30, 200), np.zeros(200)], axis=1)
        >>> bool(np.abs(stay_in_area(walk, 1.0, 20)).max() < 2.5)
        True
    """
    path = path - (path.max(axis=0) + path.min(axis=0)) / 2
    if np.linalg.norm(path, axis=1).max() <= radius:
        return path
    slow = smooth(path, period / 2)
    slow_radius = np.linalg.norm(slow, axis=1).max()
    return path - slow + slow * min(1.0, radius / max(slow_radius, 1e-6))


def stand_somehow(poses: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn a motion about the vertical by a drawn angle, and put its feet on the floor.

    Args:
        poses: `(frames, joints, 3)`, metres, Z up.
        rng: Draws the angle.

    Returns:
        The poses, of the same shape; in all but a twentieth of the frames the lowest joint is at
        least as high as an ankle of somebody who stands.

    Examples:
        >>> feet = np.array([[[1.0, 0.0, 0.5]]])
        >>> round(float(stand_somehow(feet, np.random.default_rng(0))[0, 0, 2]), 6)
        0.08
    """
    angle = rng.uniform(-np.pi, np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    turned = poses @ turn.T
    turned[..., 2] += _ANKLE_HEIGHT - np.quantile(turned[..., 2].min(axis=1), 0.05)
    return turned


def smooth(values: np.ndarray, deviation: float) -> np.ndarray:
    """Smooth along the first axis with a Gaussian; ends go on with the slope they have.

    Args:
        values: `(frames, ...)`.
        deviation: Standard deviation of the Gaussian, frames.

    Returns:
        Smoothed values of the same shape.
    """
    reach = int(np.ceil(3 * deviation))
    if reach == 0 or len(values) < 2:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    # Odd reflection about the end point keeps straight lines straight.
    flat = values.reshape(len(values), -1)
    flat = np.pad(flat, [(reach, reach), (0, 0)], mode="reflect", reflect_type="odd")
    columns = [np.convolve(flat[:, column], kernel, "valid") for column in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(values.shape)


@dataclass(frozen=True)
class Studio:
    """How virtual actors are filmed.

    Args:
        cameras: Cameras around the actor.
        distance: Least and greatest distance of a camera, metres. A camera that would cut off
            part of the actor steps back until it sees everything.
        height: Least and greatest height of a camera, metres.
        focal: Least and greatest focal length, in image widths (Human3.6M: 1.15).
        image_size: Width and height of the images, pixels.
        distortion: Give the cameras Human3.6M-like lenses instead of perfect ones.
        noise: Standard deviation of the detector's error in pixels of an image 1000 wide; 0 gives
            the true keypoints.
        confidence: Add the detector's confidence as a third channel of the keypoints.
    """

    cameras: int = 4
    distance: tuple[float, float] = (3.5, 6.5)
    height: tuple[float, float] = (0.5, 2.5)
    focal: tuple[float, float] = (1.0, 1.3)
    image_size: tuple[int, int] = (1000, 1000)
    distortion: bool = True
    noise: float = 0.0
    confidence: bool = False

    def film(
        self, poses: np.ndarray, fps: float, rng: np.random.Generator
    ) -> list[tuple[np.ndarray, np.ndarray, Camera]]:
        """Film one actor with every camera.

        Args:
            poses: World positions of the joints `(frames, 17, 3)`, metres, z up.
            fps: Frames a second.
            rng: Source of randomness.

        Returns:
            For each camera the keypoints `(frames, 17, 2 or 3)` and the poses in camera space
            `(frames, 17, 3)`, both float32, and the camera.
        """
        # Cameras stand all around, each in its own sector.
        sector = 2 * np.pi / self.cameras
        start = rng.uniform(0, 2 * np.pi)
        return [
            self._shoot(poses, fps, start + sector * (index + rng.uniform(-0.35, 0.35)), rng)
            for index in range(self.cameras)
        ]

    def _shoot(
        self, poses: np.ndarray, fps: float, azimuth: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, Camera]:
        middle = (poses.max(axis=(0, 1)) + poses.min(axis=(0, 1))) / 2
        target = middle + rng.normal(0, [0.12, 0.12, 0.06])
        away = rng.uniform(*self.distance)
        height = rng.uniform(*self.height)
        width, tall = self.image_size
        focal = width * rng.uniform(*self.focal)
        lens = rng.normal(0, 0.02, 3), rng.normal(0, 0.2, 2)
        drawn: dict[str, Any] = {
            "focal": focal * np.array([1.0, 1.0 - rng.uniform(0, 0.002)]),
            "center": np.array([width, tall]) * (0.5 + rng.normal([0.012, 0.007], 0.005)),
            "radial": _RADIAL * (1 + lens[0]) * self.distortion,
            "tangential": _TANGENTIAL * (1 + lens[1]) * self.distortion,
            "width": width,
            "height": tall,
            "name": f"virtual-{np.degrees(azimuth) % 360:.0f}",
        }
        roll = np.radians(rng.normal(0, 1.0))
        while True:
            ground = target[:2] + away * np.array([np.cos(azimuth), np.sin(azimuth)])
            position = np.array([*ground, height])
            camera = Camera(look_at(position, target, roll), position, **drawn)
            seen = world_to_camera(poses, camera)
            # Judged without the lens, which folds over far outside of the image.
            edge = np.array([1.0, tall / width]) * width / (2 * focal)
            if (seen[..., 2] > 0.5).all():
                outside = np.abs(seen[..., :2] / seen[..., 2:]) / edge
                if outside.max() <= _SAFE_SCREEN:
                    break
            away *= 1.1
        pixels = project(seen, camera)
        trust = np.ones(pixels.shape[:-1])
        if self.noise:
            pixels, trust = detect(pixels, self.noise * width / 1000, fps, rng)
        keypoints = normalize_screen(pixels, width, tall)
        if self.confidence:
            keypoints = np.concatenate([keypoints, trust[..., None]], axis=-1)
        return keypoints.astype(np.float32), seen.astype(np.float32), camera


def detect(
    pixels: np.ndarray, deviation: float, fps: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Add the errors of a 2D pose detector.

    Errors last for some frames, hands and feet suffer most, and now and then a joint is missed
    altogether.

    Args:
        pixels: True keypoints of one sequence `(frames, 17, 2)`.
        deviation: Standard deviation of the error of an average joint, pixels.
        fps: Frames a second.
        rng: Source of randomness.

    Returns:
        Detected keypoints `(frames, 17, 2)`, and the detector's confidence `(frames, 17)` in
        [0, 1], which falls with the error but does not tell it exactly.

    Examples:
        >>> import numpy as np
        >>> pixels, confidence = detect(np.zeros((500, 17, 2)), 3.0, 50, np.random.default_rng(0))
        >>> bool(2.5 < pixels.std() < 5.0), bool(confidence.max() <= 1)
        (True, True)
    """
    joints = virtual_skeleton().joints
    difficulty = np.array([_DIFFICULTY.get(_part(joint), _OTHER_DIFFICULTY) for joint in joints])
    persistence = _ERROR_PERSISTENCE ** (50 / fps)
    error = _persistent(rng.standard_normal(pixels.shape), persistence)
    outlier = rng.random(pixels.shape[:-1]) < _OUTLIER_SHARE
    size = difficulty * np.where(outlier, _OUTLIER_FACTOR, 1.0)
    distance = size * np.linalg.norm(error, axis=-1)
    trust = np.exp(-0.08 * distance**2) * 0.95 + rng.normal(0, 0.05, distance.shape)
    return pixels + deviation * size[..., None] * error, np.clip(trust, 0.0, 1.0)


def _persistent(noise: np.ndarray, persistence: float) -> np.ndarray:
    """Turn white noise `(frames, ...)` into first-order autoregressive noise of variance one."""
    result = noise.copy()
    result[1:] *= np.sqrt(1 - persistence**2)
    # x_t = w_t + p x_(t-1), summed by doubling: after k passes the last 2^k terms are in.
    step = 1
    while step < len(result) and persistence**step > 1e-9:
        result[step:] = result[step:] + persistence**step * result[:-step]
        step *= 2
    return result
