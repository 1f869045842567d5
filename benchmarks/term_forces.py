"""How hard each term of a pose loss pulls at predictions that are wrong by some 40 mm.

    python benchmarks/term_forces.py real_motion.npz

The file is one of `PoseSplits` (see real_motion_reader.py). True windows of it are disturbed as a
pose-net would: each joint by an error that stays through the window and a little that does not.
Prints each term's norm of the gradient by the prediction over that of MPJPE, and the weight with
which it would be a fifth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from keras_seal.data import PoseSplits
from keras_seal.geometry import root_relative
from keras_seal.losses import TERMS, TERMS_OF_SEVERAL_FRAMES, PoseTerms
from tests.backend_gradients import gradients

# Standard deviations of the errors, metres a coordinate.
STAYING, CHANGING = 0.021, 0.004


def windows(path: Path, count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Cut windows at random places of the training sequences."""
    sequences = PoseSplits.load(path).train
    long = np.flatnonzero(sequences.lengths >= frames)
    chosen = []
    for index in rng.choice(long, count):
        start = sequences.offsets[index] + rng.integers(sequences.lengths[index] - frames + 1)
        chosen.append(sequences.poses[start : start + frames])
    return root_relative(np.stack(chosen), sequences.skeleton).astype("float32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a file of splits")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--frames", type=int, default=27)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    skeleton = PoseSplits.load(options.data).skeleton
    truth = windows(options.data, options.windows, options.frames, rng)
    error = STAYING * rng.normal(size=(len(truth), 1, *truth.shape[2:]))
    error = error + CHANGING * rng.normal(size=truth.shape)
    predicted = (truth + error - error[:, :, :1]).astype("float32")

    def force(name: str) -> tuple[float, float]:
        loss = PoseTerms([name], skeleton)
        y_true = keras.ops.convert_to_tensor(truth)
        value, (slope,), _ = gradients(lambda p: loss(y_true, p), [predicted])
        return value, float(np.linalg.norm(slope))

    error_mm, base = force("mpjpe")
    print(f"MPJPE {1000 * error_mm:.1f} mm; {len(truth)} windows of {options.frames} frames")
    print("| term | value | force at weight 1 | weight for a fifth |")
    print("| --- | --- | --- | --- |")
    for name in TERMS:
        if options.frames == 1 and name in TERMS_OF_SEVERAL_FRAMES:
            continue
        value, slope = force(name)
        print(f"| {name} | {value:.4f} | {slope / base:.2f} | {0.2 * base / slope:.3f} |")


if __name__ == "__main__":
    main()
