"""Invented human motion: what a person does with the joints of `body`, frame by frame.

A sequence is one activity. Each part of the body moves from one key posture to the next, with its
own timing; gaits add their cycle; every joint drifts a little. Postures are drawn from families
(an arm may hang, reach, wave, guard the face, ...), so that poses cover what people do rather than
what angles allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_seal.data.body import ANGLES, INDEX, bone_directions, mirror_angles, within_limits
from keras_seal.data.virtual import pose_person, smooth, stay_in_area

Posture = dict[str, float]
Spread = Mapping[str, tuple[float, float]]

# Families of postures: mean and standard deviation of angles, in degrees. Angles that a family
# does not name are zero. An arm's angles have no side here.
_ARMS: dict[str, Spread] = {
    name: dict(
        zip(
            ("shoulder_plane", "shoulder_elevation", "shoulder_rotation", "elbow_flexion"),
            angles,
            strict=True,
        )
    )
    for name, angles in {
        "hang": ((35, 35), (10, 7), (-2, 19), (16, 11)),
        "hip": ((-5, 18), (40, 9), (55, 14), (95, 14)),
        "hold": ((72, 18), (25, 14), (30, 20), (90, 22)),
        "reach": ((82, 16), (78, 22), (5, 25), (18, 16)),
        "point": ((45, 35), (85, 20), (0, 30), (15, 14)),
        "side": ((5, 14), (80, 22), (0, 35), (20, 20)),
        "raise": ((55, 35), (148, 18), (-10, 30), (25, 22)),
        "wave": ((22, 22), (75, 20), (-70, 18), (80, 28)),
        "head": ((50, 28), (60, 26), (-15, 30), (132, 14)),
        "across": ((118, 12), (55, 18), (35, 20), (75, 25)),
        "behind": ((-45, 14), (32, 12), (50, 20), (55, 25)),
        "guard": ((70, 14), (38, 14), (5, 20), (122, 14)),
        "punch": ((92, 12), (88, 12), (30, 25), (12, 10)),
        "swing": ((88, 20), (-28, 12), (0, 20), (22, 16)),
        "stroll": ((80, 14), (2, 8), (-4, 15), (20, 12)),
        "pump": ((84, 12), (2, 12), (4, 16), (82, 20)),
        "lean": ((60, 30), (50, 18), (20, 25), (70, 25)),
        "any": ((45, 50), (75, 45), (-5, 40), (65, 42)),
    }.items()
}

_LEGS: dict[str, Spread] = {
    "straight": {"hip_flexion": (4, 6), "hip_abduction": (5, 4), "hip_rotation": (8, 9),
                 "knee_flexion": (8, 7)},
    "wide": {"hip_flexion": (10, 9), "hip_abduction": (18, 7), "hip_rotation": (12, 10),
             "knee_flexion": (18, 12)},
    "front": {"hip_flexion": (48, 20), "hip_abduction": (6, 7), "hip_rotation": (4, 9),
              "knee_flexion": (58, 25)},
    "back": {"hip_flexion": (-12, 9), "hip_abduction": (6, 6), "hip_rotation": (6, 9),
             "knee_flexion": (30, 24)},
    "kick": {"hip_flexion": (72, 24), "hip_abduction": (14, 16), "hip_rotation": (5, 16),
             "knee_flexion": (38, 32)},
    "side_kick": {"hip_flexion": (40, 24), "hip_abduction": (38, 10), "hip_rotation": (0, 18),
                  "knee_flexion": (40, 35)},
    "lift": {"hip_flexion": (60, 24), "hip_abduction": (10, 10), "hip_rotation": (8, 14),
             "knee_flexion": (85, 26)},
    "chair": {"hip_flexion": (86, 10), "hip_abduction": (10, 9), "hip_rotation": (4, 12),
              "knee_flexion": (84, 17)},
    "long": {"hip_flexion": (78, 12), "hip_abduction": (10, 9), "hip_rotation": (6, 12),
             "knee_flexion": (14, 12)},
    "crossed": {"hip_flexion": (84, 12), "hip_abduction": (38, 8), "hip_rotation": (36, 10),
                "knee_flexion": (118, 14)},
    "hugged": {"hip_flexion": (108, 12), "hip_abduction": (6, 6), "hip_rotation": (4, 10),
               "knee_flexion": (115, 18)},
    "heels": {"hip_flexion": (60, 22), "hip_abduction": (8, 7), "hip_rotation": (0, 10),
              "knee_flexion": (132, 10)},
    "knee": {"hip_flexion": (8, 12), "hip_abduction": (7, 6), "hip_rotation": (0, 10),
             "knee_flexion": (95, 15)},
    "fours": {"hip_flexion": (86, 14), "hip_abduction": (7, 6), "hip_rotation": (0, 10),
              "knee_flexion": (90, 16)},
    "lying": {"hip_flexion": (18, 22), "hip_abduction": (8, 9), "hip_rotation": (10, 16),
              "knee_flexion": (28, 30)},
}  # fmt: skip

# Weights of arm families: at rest, while talking, while working with the hands, ...
_RESTING = {"hang": 6, "hip": 1, "hold": 1, "across": 0.5, "behind": 0.5}
_GESTURING = {"hang": 2, "hip": 1, "hold": 3, "reach": 1, "point": 1.5, "side": 0.7, "raise": 0.7,
              "wave": 1, "head": 1.2, "across": 1, "behind": 0.3, "any": 1}  # fmt: skip
_WORKING = {"hold": 3, "reach": 3, "lean": 2, "head": 1, "hang": 1, "across": 0.7, "any": 0.7}
_SPORTING = {"guard": 3, "punch": 2, "side": 1, "raise": 1.5, "any": 3, "across": 1, "swing": 1.5,
             "reach": 1, "hold": 1}  # fmt: skip
_WALKING = {"stroll": 8, "pump": 1, "hang": 1, "hold": 1, "hip": 0.5, "head": 0.5, "any": 0.5}

_TRUNK: dict[str, Spread] = {
    "upright": {"trunk_flexion": (3, 8), "trunk_side": (0, 5), "trunk_twist": (0, 8)},
    "loose": {"trunk_flexion": (8, 15), "trunk_side": (0, 11), "trunk_twist": (0, 17)},
    "bent": {"trunk_flexion": (38, 18), "trunk_side": (0, 9), "trunk_twist": (0, 13)},
}


@dataclass(frozen=True)
class _Activity:
    """What one kind of sequence is made of.

    Args:
        weight: How often it occurs, relative to others.
        legs: Pairs of leg families, one leg and the other, with their weights.
        arms: Weights of arm families.
        trunk: Family of the trunk.
        pitch: Mean and standard deviation of the pelvis's pitch.
        roll: The same of its roll.
        tempo: Seconds from one key posture to the next, least and greatest.
        planted: Whether the legs stay upright when the pelvis tips, as in a bow.
        cycle: Adds a gait to the angles; gets the angles, the frame rate and the randomness, and
            returns the speed in leg lengths a second.
    """

    weight: float
    legs: Mapping[tuple[str, str], float]
    arms: Mapping[str, float]
    trunk: str = "loose"
    pitch: tuple[float, float] = (2.0, 5.0)
    roll: tuple[float, float] = (0.0, 3.0)
    tempo: tuple[float, float] = (0.5, 1.8)
    planted: bool = True
    cycle: Callable[[np.ndarray, float, np.random.Generator], np.ndarray] | None = None


def _walk(angles: np.ndarray, fps: float, rng: np.random.Generator) -> np.ndarray:
    return _gait(angles, fps, rng, cadence=(0.6, 1.15), stride=(9, 34), swing=(30, 75), bounce=3)


def _run(angles: np.ndarray, fps: float, rng: np.random.Generator) -> np.ndarray:
    return _gait(angles, fps, rng, cadence=(1.1, 1.6), stride=(22, 55), swing=(65, 120), bounce=6)


def _gait(
    angles: np.ndarray,
    fps: float,
    rng: np.random.Generator,
    *,
    cadence: tuple[float, float],
    stride: tuple[float, float],
    swing: tuple[float, float],
    bounce: float,
) -> np.ndarray:
    """Add strides: thighs swing in opposition, knees bend in the air, arms go against the legs."""
    frames = len(angles)
    pace = drift(frames, fps, 0.3, rng)
    rate = rng.uniform(*cadence) * (1 + 0.12 * pace)
    reach, knee = rng.uniform(*stride), rng.uniform(*swing)
    arms = reach * rng.uniform(0.3, 2.0)
    phase = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(rate) / fps
    swing_width = rng.uniform(1.6, 2.8)
    for side, offset in (("left", 0.0), ("right", np.pi)):
        own = phase + offset
        # The knee bends most shortly before the thigh is furthest forward, and gives a little
        # when the foot is set down.
        bend = np.exp(swing_width * (np.cos(own + 1.15) - 1)) * knee
        bend += np.exp(3.0 * (np.cos(own - 0.6) - 1)) * 0.25 * reach
        angles[:, INDEX[f"{side}_hip_flexion"]] += reach * np.cos(own) + 0.25 * reach
        angles[:, INDEX[f"{side}_knee_flexion"]] += bend
        angles[:, INDEX[f"{side}_shoulder_elevation"]] -= 0.8 * arms * np.cos(own)
        angles[:, INDEX[f"{side}_elbow_flexion"]] -= 0.3 * arms * np.cos(own)
    angles[:, INDEX["trunk_twist"]] += rng.uniform(0.1, 0.5) * reach * np.cos(phase)
    angles[:, INDEX["yaw"]] -= rng.uniform(0.05, 0.25) * reach * np.cos(phase)
    angles[:, INDEX["roll"]] += rng.uniform(0.3, 1.2) * bounce * np.sin(phase)
    angles[:, INDEX["trunk_flexion"]] += 0.3 * bounce * np.cos(2 * phase)
    if rng.random() < 0.15:
        # Backwards.
        angles[:, INDEX["pitch"]] -= 3.0
        return -0.02 * reach * rate
    return 0.035 * reach * rate


_STAND = {("straight", "straight"): 6, ("wide", "wide"): 2, ("straight", "wide"): 1,
          ("front", "back"): 0.5}  # fmt: skip

ACTIVITIES: dict[str, _Activity] = {
    "stand": _Activity(3, _STAND, _GESTURING, "upright"),
    "wait": _Activity(1, _STAND, _RESTING, "upright", tempo=(1.0, 3.0)),
    "work": _Activity(1.5, {**_STAND, ("front", "back"): 2}, _WORKING, "loose", (6, 8)),
    "walk": _Activity(3, {("straight", "straight"): 1}, _WALKING, "upright", (4, 7), cycle=_walk),
    "stride": _Activity(1, {("straight", "straight"): 1}, _GESTURING, "loose", (6, 6), cycle=_walk),
    "run": _Activity(1.6, {("straight", "straight"): 1},
                     {"pump": 5, "hold": 1, "guard": 1, "stroll": 1}, "upright", (14, 10),
                     cycle=_run),
    "bow": _Activity(1.2, _STAND, {**_RESTING, "reach": 3, "lean": 2}, "bent", (28, 22)),
    "squat": _Activity(1, {("heels", "heels"): 1, ("chair", "chair"): 2, ("hugged", "hugged"): 1,
                           ("straight", "straight"): 2, ("lift", "back"): 0.5},
                       _WORKING, "loose", (12, 14)),
    "lunge": _Activity(1.2, {("front", "back"): 4, ("wide", "front"): 1, ("wide", "wide"): 1},
                       _SPORTING, "loose", (6, 9), tempo=(0.35, 1.1)),
    "kick": _Activity(1.2, {("kick", "straight"): 3, ("side_kick", "straight"): 2,
                            ("lift", "straight"): 2, ("straight", "straight"): 3,
                            ("front", "back"): 1},
                      _SPORTING, "loose", (-2, 10), (0, 7), (0.4, 1.0), planted=False),
    "fight": _Activity(1.2, {("wide", "wide"): 2, ("front", "back"): 3, ("lift", "straight"): 0.6},
                       _SPORTING, "loose", (5, 9), (0, 5), (0.3, 0.9)),
    "dance": _Activity(1.6, {("straight", "straight"): 2, ("wide", "wide"): 2, ("front", "back"): 2,
                             ("lift", "straight"): 1, ("kick", "straight"): 0.7},
                       {"any": 5, "raise": 2, "side": 2, "wave": 1, "hip": 1, "hold": 1},
                       "loose", (2, 8), (0, 6), (0.4, 1.1)),
    "chair": _Activity(2.2, {("chair", "chair"): 4, ("chair", "long"): 1,
                             ("chair", "crossed"): 0.7},
                       _GESTURING, "loose", (-2, 10), planted=False),
    "floor": _Activity(1, {("crossed", "crossed"): 2, ("long", "long"): 1, ("hugged", "hugged"): 1,
                           ("long", "hugged"): 1, ("heels", "heels"): 1},
                       {**_GESTURING, "swing": 1, "lean": 2}, "loose", (-8, 12), planted=False),
    "kneel": _Activity(0.7, {("knee", "knee"): 1, ("heels", "heels"): 1, ("knee", "chair"): 1},
                       _WORKING, "loose", (4, 12), planted=False),
    "crawl": _Activity(0.4, {("fours", "fours"): 3, ("fours", "long"): 1}, {"reach": 4, "lean": 1},
                       "upright", (78, 10), planted=False),
    "lie_back": _Activity(0.5, {("lying", "lying"): 2, ("lying", "hugged"): 1},
                          _GESTURING, "upright", (-86, 7), (0, 12), planted=False),
    "lie_front": _Activity(0.3, {("lying", "lying"): 1}, {"raise": 2, "any": 2, "hang": 1},
                           "upright", (86, 7), (0, 12), planted=False),
    "lie_side": _Activity(0.3, {("lying", "lying"): 2, ("lying", "hugged"): 1, ("long", "long"): 1},
                          _GESTURING, "loose", (0, 14), (86, 8), planted=False),
}  # fmt: skip


def draw_motion(
    frames: int,
    fps: float,
    lengths: np.ndarray,
    build: Mapping[str, float],
    rng: np.random.Generator,
    activity: str | None = None,
) -> tuple[np.ndarray, str]:
    """Invent one sequence of a person's motion.

    Args:
        frames: Number of frames.
        fps: Frames a second.
        lengths: The person's bone lengths `(16,)`, metres.
        build: The person's resting directions, from `body.draw_build`.
        rng: Source of randomness.
        activity: What to do, a key of `ACTIVITIES`; drawn by default.

    Returns:
        World positions of the joints `(frames, 17, 3)`, metres, z up, and the activity's name.
    """
    if activity is None:
        weights = np.array([kind.weight for kind in ACTIVITIES.values()])
        activity = str(rng.choice(list(ACTIVITIES), p=weights / weights.sum()))
    angles, speed = draw_angles(frames, fps, activity, rng)
    directions = bone_directions(angles, build)
    root = _path(angles, speed, fps, lengths, rng)
    poses = pose_person(root, directions, lengths)
    return _grounded(poses, fps), activity


def draw_angles(
    frames: int, fps: float, activity: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Invent the course of the joint angles.

    Args:
        frames: Number of frames.
        fps: Frames a second.
        activity: A key of `ACTIVITIES`.
        rng: Source of randomness.

    Returns:
        Angles within the limits of `body.LIMITS`, `(frames, len(body.ANGLES))` degrees, and the
        speed forward, `(frames,)` leg lengths a second.
    """
    kind = ACTIVITIES[activity]
    angles = np.zeros((frames, len(ANGLES)))
    tempo = rng.uniform(*kind.tempo)

    def add(draw: Callable[[], Posture], slowness: float = 1.0) -> None:
        _move(angles, draw, tempo * slowness, fps, rng)

    def draw_legs() -> Posture:
        one, other = _choose(kind.legs, rng)
        if rng.random() < 0.5:
            one, other = other, one
        share = rng.normal(size=len(_LEGS[one])) if one == other else None
        posture = _sided("left", _LEGS[one], rng, share) | _sided("right", _LEGS[other], rng, share)
        pitch, roll = (rng.normal(*spread) for spread in (kind.pitch, kind.roll))
        if kind.roll[0] and rng.random() < 0.5:
            roll = -roll
        if kind.planted:
            # Legs stay under the body when the pelvis tips.
            for side, sign in (("left", -1.0), ("right", 1.0)):
                posture[f"{side}_hip_flexion"] += pitch
                posture[f"{side}_hip_abduction"] += sign * roll
        return posture | {"pitch": pitch, "roll": roll}

    def draw_arms() -> Posture:
        names = _choose(kind.arms, rng), _choose(kind.arms, rng)
        alike = rng.random() < 0.35
        first = _ARMS[names[0]]
        second = first if alike else _ARMS[names[1]]
        share = rng.normal(size=len(first)) if alike else None
        return _sided("left", first, rng, share) | _sided("right", second, rng, share)

    def draw_arm(side: str) -> Posture:
        return _sided(side, _ARMS[_choose(kind.arms, rng)], rng, None)

    def draw_trunk() -> Posture:
        return _drawn(_TRUNK[kind.trunk], rng)

    def draw_head() -> Posture:
        return {
            "neck_flexion": rng.normal(5, 13),
            "neck_side": rng.normal(0, 7),
            "neck_twist": rng.normal(0, 20),
        }

    def draw_shoulders() -> Posture:
        return {
            f"{side}_{name}": rng.normal(mean, deviation)
            for side in ("left", "right")
            for name, mean, deviation in (
                ("clavicle_elevation", 2, 5),
                ("clavicle_protraction", 0, 7),
            )
        }

    add(draw_legs, 1.0 if kind.cycle is None else 4.0)
    add(draw_trunk)
    add(draw_head)
    add(draw_shoulders)
    if rng.random() < 0.5:
        add(draw_arms)
    else:
        add(lambda: draw_arm("left"))
        add(lambda: draw_arm("right"), rng.uniform(0.7, 1.4))

    # How this person holds themselves today.
    angles += rng.normal(0, 3.0, angles.shape[1])
    for side in ("left", "right"):
        # Shoulders follow raised arms.
        raised = angles[:, INDEX[f"{side}_shoulder_elevation"]]
        angles[:, INDEX[f"{side}_clavicle_elevation"]] += np.clip(raised - 30, 0, None) * 0.16
    angles += drift(frames, fps, 0.7, rng, angles.shape[1]) * rng.uniform(1.0, 4.0)
    turning = rng.choice([8.0, 40.0, 90.0], p=[0.5, 0.3, 0.2])
    angles[:, INDEX["yaw"]] = rng.uniform(-180, 180) + turning * drift(frames, fps, 0.25, rng)
    speed = kind.cycle(angles, fps, rng) if kind.cycle else np.zeros(frames)
    if rng.random() < 0.5:
        angles = mirror_angles(angles)
    return within_limits(angles), speed


def drift(
    frames: int, fps: float, frequency: float, rng: np.random.Generator, channels: int | None = None
) -> np.ndarray:
    """Draw smooth random courses of standard deviation one.

    Args:
        frames: Number of frames.
        fps: Frames a second.
        frequency: Where the spectrum has fallen to a tenth, hertz.
        rng: Source of randomness.
        channels: Number of independent courses; None for one without an axis.

    Returns:
        `(frames,)` or `(frames, channels)`.
    """
    # Twice the length is drawn and half of it thrown away: the transform's course is periodic.
    frequencies = np.fft.rfftfreq(2 * frames, 1 / fps)
    envelope = np.exp(-np.log(10) * (frequencies / frequency) ** 2)
    shape = (len(frequencies), channels or 1)
    spectrum = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    spectrum *= envelope[:, None]
    scale = np.sqrt(2 * np.sum(envelope[1:] ** 2) * 2 + envelope[0] ** 2) / (2 * frames)
    course = np.fft.irfft(spectrum, 2 * frames, axis=0)[:frames] / scale
    return course if channels else course[:, 0]


def _choose(weights: Mapping, rng: np.random.Generator):
    values = np.array(list(weights.values()), float)
    return list(weights)[int(rng.choice(len(values), p=values / values.sum()))]


def _drawn(spread: Spread, rng: np.random.Generator, share: np.ndarray | None = None) -> Posture:
    own = rng.normal(size=len(spread))
    # Two limbs that do the same do it almost alike.
    deviates = own if share is None else 0.95 * share + 0.3 * own
    return {
        name: mean + deviation * deviate
        for (name, (mean, deviation)), deviate in zip(spread.items(), deviates, strict=True)
    }


def _sided(
    side: str, spread: Spread, rng: np.random.Generator, share: np.ndarray | None
) -> Posture:
    return {f"{side}_{name}": value for name, value in _drawn(spread, rng, share).items()}


def _move(
    angles: np.ndarray,
    draw: Callable[[], Posture],
    tempo: float,
    fps: float,
    rng: np.random.Generator,
) -> None:
    """Move a part of the body from one drawn posture to the next, resting in between."""
    frames = len(angles)
    times, keys = [-rng.uniform(0, tempo) * fps], [draw()]
    while times[-1] < frames:
        times.append(times[-1] + tempo * rng.uniform(0.6, 1.6) * fps)
        keys.append(draw())
    names = list(keys[0])
    values = np.array([[key[name] for name in names] for key in keys])
    now = np.arange(frames)
    segment = np.clip(np.searchsorted(times, now, side="right") - 1, 0, len(times) - 2)
    start, stop = np.array(times)[segment], np.array(times)[segment + 1]
    rest = rng.uniform(0.0, 0.45, len(times))[segment]
    progress = np.clip((now - start) / (stop - start) / (1 - rest), 0, 1)
    # The course of least jerk between two rests.
    eased = progress**3 * (10 - 15 * progress + 6 * progress**2)
    columns = [INDEX[name] for name in names]
    change = values[segment + 1] - values[segment]
    angles[:, columns] += values[segment] + eased[:, None] * change


def _path(
    angles: np.ndarray,
    speed: np.ndarray,
    fps: float,
    lengths: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lead the pelvis over the ground."""
    heading = np.radians(angles[:, INDEX["yaw"]])
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    path = np.cumsum(speed[:, None] * forward, axis=0) / fps * lengths[1:3].sum()
    path += 0.06 * drift(len(angles), fps, 0.5, rng, 2)
    path = stay_in_area(path, 0.8, max(2, round(fps)))
    return np.concatenate([path, np.zeros((len(path), 1))], axis=1)


def _grounded(poses: np.ndarray, fps: float) -> np.ndarray:
    """Lower the body until its lowest joint is as high as a joint that rests on the floor."""
    lowest = poses[..., 2].min(axis=1)
    poses[..., 2] += 0.08 - smooth(lowest, 0.06 * fps)[:, None]
    return poses
