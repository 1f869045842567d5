"""A jointed body: angles of its joints, their limits, and the directions of bones they give.

Axes of the body: x forward, y to its left, z up. An angle of zero everywhere is a person standing
upright with hanging arms. Left and right angles have the same meaning: a positive abduction leads
away from the midline on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_seal.data.virtual import virtual_skeleton

# Range of every angle in degrees: what healthy adults reach, after the norms of the American
# Academy of Orthopaedic Surgeons. The trunk's angles are those between pelvis and shoulders.
_MIDLINE = {
    "yaw": (-np.inf, np.inf),  # of the whole body, about the vertical
    "pitch": (-100.0, 100.0),  # of the pelvis, forward; 90 is lying on the belly
    "roll": (-100.0, 100.0),  # of the pelvis, to the right
    "trunk_flexion": (-25.0, 75.0),  # forward
    "trunk_side": (-35.0, 35.0),  # to the right
    "trunk_twist": (-45.0, 45.0),  # to the left
    "neck_flexion": (-45.0, 50.0),
    "neck_side": (-40.0, 40.0),
    "neck_twist": (-70.0, 70.0),
}
_SIDED = {
    "clavicle_elevation": (-10.0, 35.0),
    "clavicle_protraction": (-20.0, 25.0),
    "shoulder_plane": (-60.0, 130.0),  # where the arm is raised: 0 sideways, 90 forwards
    "shoulder_elevation": (-50.0, 175.0),  # how far it is raised, from hanging
    "shoulder_rotation": (-85.0, 75.0),  # of the upper arm about itself, inwards
    "elbow_flexion": (0.0, 148.0),
    "hip_flexion": (-25.0, 122.0),
    "hip_abduction": (-25.0, 48.0),
    "hip_rotation": (-40.0, 45.0),  # of the thigh about itself, outwards
    "knee_flexion": (0.0, 145.0),
}
LIMITS: dict[str, tuple[float, float]] = {
    **_MIDLINE,
    **{f"{side}_{angle}": limits for side in ("left", "right") for angle, limits in _SIDED.items()},
}
ANGLES = tuple(LIMITS)
INDEX = {angle: index for index, angle in enumerate(ANGLES)}
# Angles that change sign when left and right are exchanged.
_ODD = ("yaw", "roll", "trunk_side", "trunk_twist", "neck_side", "neck_twist")

# Angles near a limit are bent towards it over this many degrees instead of stopping dead.
_SOFTNESS = 8.0
# Share of the trunk's angles that lies below the middle of the back, and of the neck's below the
# head's own joint.
_LOWER_TRUNK, _LOWER_NECK = 0.4, 0.6

# How people are put together differently, in degrees: mean and standard deviation.
_BUILD = {
    "spine_tilt": (-4.0, 5.0),  # of the lower trunk bone at rest, forward
    "thorax_tilt": (4.0, 6.0),
    "nose_tilt": (32.0, 14.0),  # the face is in front of the neck
    "head_tilt": (-18.0, 12.0),
    "clavicle_drop": (19.0, 5.0),  # shoulders are below the base of the neck
    "clavicle_back": (2.0, 4.0),
    "elbow_carry": (6.0, 4.0),  # forearms point outwards a little
}


def draw_build(rng: np.random.Generator) -> dict[str, float]:
    """Draw how one person is put together: resting directions of bones.

    Args:
        rng: Source of randomness.

    Returns:
        Angles in degrees, for `bone_directions`.
    """
    return {name: float(rng.normal(mean, sd)) for name, (mean, sd) in _BUILD.items()}


def within_limits(angles: np.ndarray) -> np.ndarray:
    """Bring angles within what joints can do, without a kink in their course.

    Besides each angle's own range, an arm behind the body or far across the chest cannot be
    raised high, and a straight leg cannot be raised as far as a bent one.

    Args:
        angles: `(..., len(ANGLES))` degrees.

    Returns:
        Angles within the limits; those far from a limit are unchanged.

    Examples:
        >>> import numpy as np
        >>> angles = np.zeros(len(ANGLES))
        >>> angles[INDEX["left_knee_flexion"]] = -30              # the wrong way
        >>> round(float(within_limits(angles)[INDEX["left_knee_flexion"]]), 2) >= 0
        True
    """
    low, high = np.array(list(LIMITS.values())).T
    bounded = _bounded(np.asarray(angles, np.float64), low, high)
    for side in ("left", "right"):
        plane = bounded[..., INDEX[f"{side}_shoulder_plane"]]
        highest = np.interp(plane, [-60, -10, 90, 130], [55, 175, 175, 110])
        _cap(bounded, f"{side}_shoulder_elevation", highest)
        knee = bounded[..., INDEX[f"{side}_knee_flexion"]]
        _cap(bounded, f"{side}_hip_flexion", np.interp(knee, [0, 70], [95, 122]))
    return bounded


def _bounded(angles: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    over, under = angles - (high - _SOFTNESS), (low + _SOFTNESS) - angles
    with np.errstate(invalid="ignore"):
        soft_high = high - _SOFTNESS + _SOFTNESS * np.tanh(over / _SOFTNESS)
        soft_low = low + _SOFTNESS - _SOFTNESS * np.tanh(under / _SOFTNESS)
    return np.where(over > 0, soft_high, np.where(under > 0, soft_low, angles))


def _cap(angles: np.ndarray, name: str, highest: np.ndarray) -> None:
    column = angles[..., INDEX[name]]
    over = column - (highest - _SOFTNESS)
    capped = highest - _SOFTNESS + _SOFTNESS * np.tanh(over / _SOFTNESS)
    angles[..., INDEX[name]] = np.where(over > 0, capped, column)


def mirror_angles(angles: np.ndarray) -> np.ndarray:
    """Exchange left and right.

    Args:
        angles: `(..., len(ANGLES))` degrees.

    Returns:
        The angles of the mirrored body.
    """
    swapped = [
        INDEX[name.replace("left", "right") if "left" in name else name.replace("right", "left")]
        for name in ANGLES
    ]
    mirrored = angles[..., swapped]
    mirrored[..., [INDEX[name] for name in _ODD]] *= -1
    return mirrored


def bone_directions(angles: np.ndarray, build: Mapping[str, float]) -> np.ndarray:
    """Compute where the bones point.

    Args:
        angles: `(frames, len(ANGLES))` degrees.
        build: The person's resting directions, from `draw_build`.

    Returns:
        Unit vectors `(frames, 16, 3)` in the world (z up), in the order of `human36m_17`'s bones.

    Examples:
        >>> import numpy as np
        >>> upright = bone_directions(np.zeros((1, len(ANGLES))), dict.fromkeys(_BUILD, 0.0))
        >>> (upright[0, 1] + 0).round(6).tolist()                 # the thigh hangs down
        [0.0, 0.0, -1.0]
    """
    angles = np.radians(np.asarray(angles, np.float64))

    def angle(name: str) -> np.ndarray:
        return angles[..., INDEX[name]]

    def rest(name: str) -> float:
        return float(np.radians(build[name]))

    pelvis = _chain(("z", angle("yaw")), ("y", angle("pitch")), ("x", angle("roll")))
    bend = [("z", "twist"), ("y", "flexion"), ("x", "side")]
    trunk = [(axis, angle(f"trunk_{name}")) for axis, name in bend]
    neck = [(axis, angle(f"neck_{name}")) for axis, name in bend]
    waist = pelvis @ _chain(*((axis, _LOWER_TRUNK * value) for axis, value in trunk))
    chest = waist @ _chain(*((axis, (1 - _LOWER_TRUNK) * value) for axis, value in trunk))
    throat = chest @ _chain(*((axis, _LOWER_NECK * value) for axis, value in neck))
    head = throat @ _chain(*((axis, (1 - _LOWER_NECK) * value) for axis, value in neck))

    bones = {
        "spine": _tilted(waist, rest("spine_tilt")),
        "thorax": _tilted(chest, rest("thorax_tilt")),
        "nose": _tilted(throat, rest("nose_tilt")),
        "head": _tilted(head, rest("head_tilt")),
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        bones[f"{side}_hip"] = sign * pelvis[..., 1]

        thigh = pelvis @ _chain(
            ("y", -angle(f"{side}_hip_flexion")),
            ("x", sign * angle(f"{side}_hip_abduction")),
            ("z", sign * angle(f"{side}_hip_rotation")),
        )
        shin = thigh @ _chain(("y", angle(f"{side}_knee_flexion")))
        bones[f"{side}_knee"], bones[f"{side}_ankle"] = -thigh[..., 2], -shin[..., 2]

        clavicle = chest @ _chain(
            ("z", sign * (rest("clavicle_back") - angle(f"{side}_clavicle_protraction"))),
            ("x", sign * (angle(f"{side}_clavicle_elevation") - rest("clavicle_drop"))),
        )
        bones[f"{side}_shoulder"] = sign * clavicle[..., 1]

        # The arm swings away from hanging about the axis that is level in its plane.
        plane = ("z", -sign * angle(f"{side}_shoulder_plane"))
        back = ("z", sign * angle(f"{side}_shoulder_plane"))
        upper = chest @ _chain(
            plane,
            ("x", sign * angle(f"{side}_shoulder_elevation")),
            back,
            ("z", -sign * angle(f"{side}_shoulder_rotation")),
        )
        fore = upper @ _chain(
            ("x", sign * rest("elbow_carry") * np.cos(0.5 * angle(f"{side}_elbow_flexion"))),
            ("y", -angle(f"{side}_elbow_flexion")),
        )
        bones[f"{side}_elbow"], bones[f"{side}_wrist"] = -upper[..., 2], -fore[..., 2]
    skeleton = virtual_skeleton()
    return np.stack([bones[skeleton.joints[child]] for _, child in skeleton.bones], axis=-2)


def _tilted(rotation: np.ndarray, tilt: float) -> np.ndarray:
    """The up axis of a rotated part, tilted forward."""
    return np.sin(tilt) * rotation[..., 0] + np.cos(tilt) * rotation[..., 2]


def _chain(*turns: tuple[str, np.ndarray | float]) -> np.ndarray:
    result: np.ndarray | None = None
    for axis, angle in turns:
        matrix = turn(axis, np.asarray(angle))
        result = matrix if result is None else result @ matrix
    assert result is not None
    return result


def turn(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotate about an axis of the coordinates.

    Args:
        axis: `"x"`, `"y"` or `"z"`.
        angle: `(...)` radians, right-handed.

    Returns:
        Rotation matrices `(..., 3, 3)`.

    Examples:
        >>> import numpy as np
        >>> (turn("z", np.array(np.pi / 2)) @ [1.0, 0.0, 0.0]).round(6).tolist()
        [0.0, 1.0, 0.0]
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*angle.shape, 3, 3))
    index = "xyz".index(axis)
    first, second = (index + 1) % 3, (index + 2) % 3
    matrix[..., index, index] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., second, first], matrix[..., first, second] = sine, -sine
    return matrix
