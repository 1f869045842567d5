"""Windows over a motion of any length, and poses blended where windows overlap.

Everything goes from the beginning to the end and holds a few windows' worth of frames only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WindowShape:
    """What a net sees at once, and what it tells of it.

    Args:
        frames: Frames of a window.
        first: The first of them that a pose comes out for and is used.
        kept: How many are used, from there on.
        overlap: Used frames that a window shares with the one before.
    """

    frames: int
    first: int
    kept: int
    overlap: int = 0

    @property
    def whole(self) -> bool:
        """Whether all frames of a window are used."""
        return self.kept == self.frames


@dataclass(frozen=True, eq=False)
class Plan:
    """Windows that cover a motion, in order of their first frames.

    Args:
        rows: `(windows, frames)` which row of the motion each frame of a window is.
        targets: `(windows, kept)` the row that each used frame tells of; -1 for none.
        settled: `(windows,)` rows before this one are told of by no later window.
    """

    rows: np.ndarray
    targets: np.ndarray
    settled: np.ndarray


def plan(length: int, shape: WindowShape, stride: int, block: int) -> Iterator[Plan]:
    """Cover a motion by windows.

    Where a window reaches over an end of the motion, the first or last frame is repeated; a
    window that is used as a whole reaches back instead if it can.

    Args:
        length: Frames of the motion, at least 1.
        shape: The windows.
        stride: Steps from one frame of a window to the next.
        block: Windows to plan at a time.

    Yields:
        The windows.

    Examples:
        >>> first, = plan(5, WindowShape(frames=3, first=0, kept=3), stride=1, block=8)
        >>> first.rows.tolist()
        [[0, 1, 2], [2, 3, 4]]
        >>> first, = plan(2, WindowShape(frames=3, first=1, kept=1), stride=1, block=8)
        >>> first.rows.tolist(), first.targets.tolist()
        ([[0, 0, 1], [0, 1, 1]], [[0], [1]])
    """
    stride = min(stride, length)
    # Every so-manieth frame is a motion of its own: the phases of the stride.
    phases = np.arange(stride)
    lengths = -(-(length - phases) // stride)
    step = max(shape.kept - shape.overlap, 1)
    starts = np.arange(0, max(int(lengths[0]) - (shape.overlap if shape.whole else 0), 1), step)
    starts = np.repeat(starts[:, None], stride, axis=1)
    needed = (starts == 0) | (starts + (shape.overlap if shape.whole else 0) < lengths)
    if shape.whole:
        starts = np.minimum(starts, np.maximum(lengths - shape.frames, 0))
    begins, owners = starts[needed], np.broadcast_to(phases, starts.shape)[needed]
    order = np.argsort(owners + stride * begins, kind="stable")
    begins, owners = begins[order], owners[order]
    firsts = owners + stride * begins
    settled = np.append(firsts[1:], length)
    inside, used = np.arange(shape.frames) - shape.first, np.arange(shape.kept)
    for begin in range(0, len(begins), block):
        chosen = slice(begin, begin + block)
        start, owner = begins[chosen, None], owners[chosen, None]
        last = lengths[owner] - 1
        rows = owner + stride * np.clip(start + inside, 0, last)
        aims = start + used
        targets = np.where(aims <= last, owner + stride * aims, -1)
        yield Plan(rows, targets, settled[chosen])


class Rows:
    """A motion that arrives in chunks and is looked at from front to back.

    Args:
        chunks: Arrays whose first axes join to the motion.
    """

    def __init__(self, chunks: Iterable[np.ndarray]) -> None:
        self._chunks = iter(chunks)
        self._held: np.ndarray | None = None
        self._first = 0

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Get rows, none before those that were let go.

        Args:
            rows: Numbers of the rows, any shape.

        Returns:
            The rows, `rows.shape` and what a row has.
        """
        needed = int(rows.max()) + 1
        parts = [] if self._held is None else [self._held]
        held = 0 if self._held is None else len(self._held)
        while self._first + held < needed:
            part = next(self._chunks)
            parts.append(part)
            held += len(part)
        if len(parts) > 1 or self._held is None:
            self._held = np.concatenate(parts)
        assert self._held is not None
        return self._held[rows - self._first]

    def let_go(self, before: int) -> None:
        """Forget rows.

        Args:
            before: The first row that is still needed.
        """
        gone = min(before - self._first, 0 if self._held is None else len(self._held))
        if gone > 0 and self._held is not None:
            self._held = self._held[gone:]
            self._first += gone


class Blender:
    """Adds up what windows tell of a motion's frames, and gives the means.

    In the overlap of two windows the weight goes over from one to the other.

    Args:
        shape: The windows.
        joints: Joints of a pose.
    """

    def __init__(self, shape: WindowShape, joints: int) -> None:
        self._shape = shape
        self._first = 0
        self._sums = np.zeros((0, joints, 3), np.float32)
        self._weights = np.zeros(0, np.float32)
        ramp = np.arange(1, shape.kept + 1) / (shape.overlap + 1)
        self._ramp = np.minimum(1, np.minimum(ramp, ramp[::-1])).astype(np.float32)

    def add(self, targets: np.ndarray, poses: np.ndarray) -> None:
        """Take what some windows tell.

        Args:
            targets: `(windows, kept)` rows of the motion, -1 for none.
            poses: `(windows, kept, joints, 3)`.
        """
        self._reach(int(targets.max()) + 1)
        if self._shape.whole and self._shape.kept > 1:
            # A row is in several windows: one window after the other.
            for rows, told in zip(targets - self._first, poses, strict=True):
                used = rows >= 0
                weights = self._ramp[used]
                self._sums[rows[used]] += weights[:, None, None] * told[used]
                self._weights[rows[used]] += weights
        else:
            used = targets >= 0
            rows = targets[used] - self._first
            self._sums[rows] = poses[used]
            self._weights[rows] = 1

    def _reach(self, stop: int) -> None:
        missing = stop - self._first - len(self._sums)
        if missing > 0:
            self._sums = np.concatenate(
                [self._sums, np.zeros((missing, *self._sums.shape[1:]), np.float32)]
            )
            self._weights = np.concatenate([self._weights, np.zeros(missing, np.float32)])

    def settle(self, before: int) -> np.ndarray:
        """Give the poses that nothing will change any more.

        Args:
            before: The first row that may still change.

        Returns:
            The next poses of the motion `(rows, joints, 3)`, perhaps none.
        """
        count = max(before - self._first, 0)
        done = self._sums[:count] / self._weights[:count, None, None]
        self._sums, self._weights = self._sums[count:], self._weights[count:]
        self._first += count
        return done


class Retimer:
    """Brings a motion to another frame rate by straight lines between its frames.

    Args:
        length: Frames of the motion.
        step: Old frames from one new frame to the next.
        new_length: Frames that come out; those after the end repeat the last one.

    Examples:
        >>> retimer = Retimer(length=3, step=0.5, new_length=5)
        >>> [retimer.push(np.array(part)).tolist() for part in ([0.0, 1.0], [2.0])]
        [[0.0, 0.5], [1.0, 1.5, 2.0]]
    """

    def __init__(self, length: int, step: float, new_length: int) -> None:
        self._length = length
        self._step = step
        self._new_length = new_length
        self._held: np.ndarray | None = None
        self._first = 0
        self._made = 0

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Take the next frames of the motion.

        Args:
            chunk: `(frames, ...)`.

        Returns:
            The next frames of the new motion that can be told by now, perhaps none.
        """
        held = chunk if self._held is None else np.concatenate([self._held, chunk])
        known = self._first + len(held)
        ready = self._new_length
        if known < self._length:
            ready = min(ready, int(np.ceil((known - 1) / self._step)))
        ready = max(ready, self._made)
        places = np.minimum(np.arange(self._made, ready) * self._step, self._length - 1)
        below = np.floor(places).astype(np.int64)
        above = np.minimum(below + 1, self._length - 1)
        share = (places - below).astype(held.dtype).reshape(-1, *[1] * (held.ndim - 1))
        first, second = held[below - self._first], held[above - self._first]
        self._made = ready
        gone = min(max(int(ready * self._step) - self._first, 0), len(held))
        self._held = held[gone:]
        self._first += gone
        return first + share * (second - first)
