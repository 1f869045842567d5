"""Smoothing poses over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from keras_seal.errors import UserError, nearest

Smoothing = Literal["none", "savgol", "one-euro"]
METHODS = ("none", "savgol", "one-euro")

# Savitzky-Golay: polynomials of this degree over this many seconds.
_DEGREE, _SECONDS = 3, 0.3
# One-Euro: hertz at rest, hertz more for each metre a second, and the speed's own cutoff.
_LEAST_CUTOFF, _CUTOFF_PER_SPEED, _SPEED_CUTOFF = 1.5, 2.5, 1.0
_CHUNK = 4096


def smoother(method: str, fps: float) -> Callable[[np.ndarray], Iterator[np.ndarray]] | None:
    """Choose how poses are smoothed.

    `savgol` is the Savitzky-Golay filter of SciPy: a cubic fitted around every frame, over 0.3
    seconds. `one-euro` is the One-Euro filter, which looks at no later frame: it lags behind fast
    motion a little and suits live use.

    Args:
        method: `"none"`, `"savgol"` or `"one-euro"`.
        fps: Frames a second.

    Returns:
        A function from a motion `(frames, joints, 3)`, in memory or on the disk, to its smooth
        chunks; None for no smoothing.

    Raises:
        UserError: There is no such method.

    Examples:
        >>> smooth = smoother("savgol", fps=30)
        >>> np.concatenate(list(smooth(np.ones((50, 17, 3))))).shape
        (50, 17, 3)

    Reference:
        Casiez et al., "1€ filter: a simple speed-based low-pass filter for noisy input in
        interactive systems", CHI 2012.
    """
    if method not in METHODS:
        raise UserError(f"There is no smoothing '{method}'.{nearest(method, METHODS)}")
    if method == "none":
        return None
    if method == "savgol":
        half = max(round(_SECONDS * fps / 2), 2)
        return lambda poses: _savgol(poses, half)
    return lambda poses: _one_euro(poses, fps)


def _savgol(poses: np.ndarray, half: int) -> Iterator[np.ndarray]:
    from scipy.signal import savgol_filter

    count = len(poses)
    # A short motion gets a short window, a single frame none.
    window = min(2 * half + 1, count if count % 2 else count - 1)
    if window < 3:
        yield np.array(poses)
        return
    degree = min(_DEGREE, window - 1)
    for begin in range(0, count, _CHUNK):
        stop = min(begin + _CHUNK, count)
        # The ends of the motion are fitted over a whole window, so a chunk there needs one.
        low, high = max(0, min(begin, count - window) - half), min(count, max(stop, window) + half)
        smooth = savgol_filter(poses[low:high], window, degree, axis=0, mode="interp")
        yield smooth[begin - low : stop - low]


def _one_euro(poses: np.ndarray, fps: float) -> Iterator[np.ndarray]:
    def share(cutoff: np.ndarray | float) -> np.ndarray | float:
        turn = 2 * np.pi * cutoff / fps
        return turn / (turn + 1)

    place: np.ndarray | None = None
    speed: np.ndarray | None = None
    for begin in range(0, len(poses), _CHUNK):
        chunk = np.array(poses[begin : begin + _CHUNK])
        for pose in chunk:
            if place is None or speed is None:
                place, speed = pose.copy(), np.zeros_like(pose)
            change = (pose - place) * fps
            speed = speed + share(_SPEED_CUTOFF) * (change - speed)
            cutoff = _LEAST_CUTOFF + _CUTOFF_PER_SPEED * np.abs(speed)
            place = place + share(cutoff) * (pose - place)
            pose[:] = place
        yield chunk
