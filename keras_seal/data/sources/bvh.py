"""BVH files of motion capture, as joint positions.

`bvhio` reads the hierarchy; NumPy reads the numbers, much faster than one keyframe object each.
They may move every joint of the hierarchy, not the root alone.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_seal.data.body import turn
from keras_seal.errors import UserError

if TYPE_CHECKING:
    from bvhio import BvhJoint


@dataclass(frozen=True, eq=False)
class Bvh:
    """The motion of a BVH file.

    Args:
        joints: Names of the joints, parents first. The end of a chain is called like its joint
            with `_end` behind it.
        positions: World positions `(frames, joints, 3)`, in the file's own unit and axes.
        rotations: World rotations `(frames, joints, 3, 3)`: a joint's own axes as columns.
        fps: Frames a second.
    """

    joints: tuple[str, ...]
    positions: np.ndarray
    rotations: np.ndarray
    fps: float


@dataclass
class _Joint:
    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[str, ...]


def read_bvh(path: str | Path) -> Bvh:
    """Read a BVH file.

    Args:
        path: The file.

    Returns:
        Its motion.

    Raises:
        UserError: The file is missing, cut short or no BVH file; the message is one sentence that
            names the file and the place.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UserError(f"There is no file '{path}'.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' cannot be read as text ({error}); it is no BVH file.") from error
    start, frames, frame_time = _read_header(path, lines)
    joints = _read_hierarchy(path)
    values = _read_values(path, lines, start, frames, sum(len(joint.channels) for joint in joints))
    positions, rotations = _place(joints, values)
    return Bvh(tuple(joint.name for joint in joints), positions, rotations, _rate(frame_time))


def _read_header(path: Path, lines: list[str]) -> tuple[int, int, float]:
    filled = [number for number, line in enumerate(lines) if line.strip()]
    if not filled or lines[filled[0]].split() != ["HIERARCHY"]:
        raise UserError(f"'{path}' is no BVH file: its first line is not HIERARCHY.")
    places = [place for place, number in enumerate(filled) if lines[number].split() == ["MOTION"]]
    if not places or len(filled) < places[0] + 3:
        raise UserError(f"'{path}' is cut short: it has no complete MOTION part.")
    count_line, time_line = (filled[places[0] + step] for step in (1, 2))
    try:
        word, count = lines[count_line].split()
        frames = int(count)
        first, second, seconds = lines[time_line].split()
        frame_time = float(seconds)
        if (word, first, second) != ("Frames:", "Frame", "Time:"):
            raise ValueError
    except ValueError:
        raise UserError(
            f"'{path}' is damaged: lines {count_line + 1} and {time_line + 1} should be "
            "'Frames: NUMBER' and 'Frame Time: SECONDS'."
        ) from None
    if frames < 1:
        raise UserError(f"'{path}' holds no frames.")
    if not (math.isfinite(frame_time) and frame_time > 0):
        raise UserError(f"'{path}' has the frame time {seconds}; it must be positive.")
    return time_line + 1, frames, frame_time


def _read_hierarchy(path: Path) -> list[_Joint]:
    with warnings.catch_warnings():
        # bvhio imports its mathematics by a name that is to go.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import bvhio

    # A part without MOTION would keep bvhio waiting for the end of the file for ever; the header
    # is checked before.
    try:
        root = bvhio.readAsBvh(str(path), loadKeyFrames=False).Root
    except SyntaxError as error:
        raise UserError(
            f"'{path}' has a damaged hierarchy: {error.msg} (line {error.lineno})."
        ) from error
    except (ValueError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"'{path}' has a damaged hierarchy ({error}).") from error
    joints: list[_Joint] = []
    ends: list[_Joint] = []
    waiting = [(root, -1)]
    while waiting:
        joint, parent = waiting.pop()
        index = len(joints)
        joints.append(_Joint(joint.Name, parent, tuple(joint.Offset), _channels(path, joint)))
        # The last to come is the first to go: children keep their order, depth first.
        waiting.extend((child, index) for child in reversed(joint.Children))
        if not joint.Children:
            ends.append(_Joint(f"{joint.Name}_end", index, tuple(joint.EndSite), ()))
    return joints + ends


def _channels(path: Path, joint: BvhJoint) -> tuple[str, ...]:
    channels = tuple(channel.lower() for channel in joint.Channels)
    for channel in channels:
        if channel[0] not in "xyz" or channel[1:] not in ("position", "rotation"):
            raise UserError(
                f"'{path}' gives joint '{joint.Name}' a channel '{channel}'; channels are "
                "positions and rotations of X, Y and Z."
            )
    return channels


def _read_values(
    path: Path, lines: list[str], start: int, frames: int, channels: int
) -> np.ndarray:
    rows = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line.strip()]
    if len(rows) != frames:
        state = "is cut short" if len(rows) < frames else "is damaged"
        raise UserError(f"'{path}' {state}: it announces {frames} frames and holds {len(rows)}.")
    try:
        values = np.loadtxt([line for _, line in rows], ndmin=2)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (frames, channels):
        raise UserError(f"'{path}' is damaged: {_first_fault(rows, channels)}.")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise UserError(f"'{path}' is damaged: line {rows[row][0]} holds a NaN or an infinity.")
    return values


def _first_fault(rows: list[tuple[int, str]], channels: int) -> str:
    for number, line in rows:
        words = line.split()
        for word in words:
            try:
                float(word)
            except ValueError:
                return f"line {number} holds '{word}', which is no number"
        if len(words) != channels:
            return f"line {number} holds {len(words)} numbers, but the joints need {channels}"
    return "its numbers cannot be read"


def _place(joints: list[_Joint], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow the chains: every joint's place and axes in the world."""
    frames = len(values)
    positions = np.empty((frames, len(joints), 3))
    rotations = np.empty((frames, len(joints), 3, 3))
    column = 0
    for index, joint in enumerate(joints):
        local = np.tile(np.asarray(joint.offset, float), (frames, 1))
        rotation = np.broadcast_to(np.eye(3), (frames, 3, 3))
        for channel in joint.channels:
            value = values[:, column]
            column += 1
            if channel.endswith("position"):
                # A position channel takes the place of the offset, it is not added to it.
                local[:, "xyz".index(channel[0])] = value
            else:
                rotation = rotation @ turn(channel[0], np.radians(value))
        if joint.parent < 0:
            positions[:, index], rotations[:, index] = local, rotation
        else:
            around = rotations[:, joint.parent]
            moved = (around @ local[..., None])[..., 0]
            positions[:, index] = positions[:, joint.parent] + moved
            rotations[:, index] = around @ rotation
    return positions, rotations


def _rate(frame_time: float) -> float:
    """Frames a second; files cut 1/30 to 0.0333333, so rates next to a whole number are it."""
    rate = 1.0 / frame_time
    return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate
