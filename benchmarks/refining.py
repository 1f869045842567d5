"""Measure what gradient-based inference gains and costs.

    python benchmarks/refining.py OUT [--set KEY=VALUE ...] [--loss-net FILE] [--rounds 3]
        [--steps 5,10,20,50] [--weights 0,1,100]

Trains a SEAL run on invented people (OUT, unless it is there; `quickstart` by default), then
refines its predictions on the test people with `keras_seal.inference.refine`: several numbers of
steps, with the keypoints' residual left out, beside the energy, and in its place. Prints MPJPE,
P-MPJPE, LSE and BSLE (mm) before and after, the share of poses that came nearer to the truth, and
milliseconds a pose: the median over rounds, compiling left out, and beside it what the pose-net
itself takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keras_seal import metrics, recipes, runs
from keras_seal.geometry import root_relative
from keras_seal.inference.loading import load_net
from keras_seal.inference.refining import Refiner
from keras_seal.recipes import building
from keras_seal.runs import RunFolder

NAMES = ("mpjpe", "p_mpjpe", "lse", "bsle")


def figures(poses: np.ndarray, truth: np.ndarray, skeleton: object) -> dict[str, float]:
    """Means over all poses, in millimetres."""
    found = {}
    for name in NAMES:
        metric = metrics.get(name, skeleton=skeleton)
        metric.update_state(truth[:, None], poses[:, None])
        found[name] = round(float(metric.result()), 2)
    return found


def timed(function, rounds: int) -> float:
    """Median seconds of a call, after one that compiles."""
    function()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--loss-net", type=Path, help="by default the run's own")
    parser.add_argument("--steps", default="5,10,20,50", help="numbers of steps")
    parser.add_argument(
        "--weights", default="0,1,100", help="of the keypoints' residual: the energy alone, "
        "both, next to nothing but the keypoints",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--poses", type=int, default=4096)
    options = parser.parse_args()
    if not RunFolder(options.out).finished:
        recipe = recipes.load(options.recipe, options.overrides)
        runs.start(recipe, options.out, note=lambda line: print(line, file=sys.stderr))
    recipe = RunFolder(options.out).recipe
    sequences = building.build_splits(recipe).test
    skeleton = sequences.skeleton
    pose_net, _ = load_net(options.out)
    loss_net, _ = load_net(options.loss_net or options.out, "loss_net")
    chosen = np.linspace(0, sequences.num_frames - 1, options.poses).astype(int)
    keypoints = sequences.keypoints[chosen]
    poses = runs.lift(pose_net, sequences, recipe.data.frame_stride)[chosen]
    truth = root_relative(sequences.poses[chosen], skeleton).astype("float32")
    errors = np.linalg.norm(poses - truth, axis=-1).mean(axis=-1)
    windows = np.repeat(keypoints[:, None], pose_net.input_shape[1], axis=1)
    lifted = timed(lambda: pose_net.predict(windows, batch_size=1024, verbose=0), options.rounds)
    lifted /= pose_net.output_shape[1] * len(poses)
    rows = [{"steps": 0, **figures(poses, truth, skeleton), "ms_a_pose": round(1000 * lifted, 4)}]
    for steps in map(int, options.steps.split(",")):
        for weight in map(float, options.weights.split(",")):
            refiner = Refiner(loss_net, steps=steps, reprojection=weight, skeleton=skeleton)

            def run(refiner: Refiner = refiner) -> np.ndarray:
                return refiner.refine(keypoints[:, None], poses[:, None])[:, 0]

            seconds, moved = timed(run, options.rounds), run()
            now = np.linalg.norm(moved - truth, axis=-1).mean(axis=-1)
            way = np.linalg.norm(moved - poses, axis=-1).mean(axis=-1)
            rows.append(
                {
                    "steps": steps,
                    "reprojection": weight,
                    **figures(moved, truth, skeleton),
                    "nearer": round(float((now < errors).mean()), 3),
                    "moved_mm": round(1000 * float(way.mean()), 2),
                    "ms_a_pose": round(1000 * seconds / len(poses), 4),
                }
            )
            print(rows[-1], file=sys.stderr)
    print(json.dumps({"backend": keras.backend.backend(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
