"""Time the evaluation of as many poses as Human3.6M's test set has, in every metric.

    python benchmarks/metrics.py

The poses are made up: S9 and S11 in 236 sequences, fifteen actions, 17 joints, float32. Beside
`keras_seal.evaluation` with its protocol runs what scripts of papers do: a loop over the frames,
each frame's metrics computed one after the other on arrays of that frame alone. The loop would
take minutes for all frames, so it gets some of them, in the same run; times are compared by frame.
Both must give the same figures on these frames.

The loop comes in two forms: `joints in arrays` treats all joints of a frame at once, `bone by bone`
loops over bones and angles as well.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_seal import evaluation, skeletons
from keras_seal.data import PoseSequences
from keras_seal.data.sources.human36m import ACTIONS
from keras_seal.skeletons import Skeleton

SEQUENCES = 236
THRESHOLDS = np.arange(31) * 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, default=570_000)
    parser.add_argument("--loop-frames", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest round is reported")
    arguments = parser.parse_args()
    data, predictions = make(arguments.frames)
    load = os.getloadavg()[0]
    arrays = sum(each.nbytes for each in (data.poses, data.keypoints, predictions)) / 2**20
    print(f"{arguments.frames:,} poses, arrays of {arrays:.0f} MiB; load before the run {load:.1f}")

    before = peak()
    seconds, cpu = [], []
    for _ in range(arguments.rounds):
        start, spent = time.perf_counter(), time.process_time()
        scores = evaluation.get("human36m").score(predictions, data)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - spent)
    beyond = peak() - before
    best = min(seconds)
    print(
        f"keras_seal: {best:.1f} s ({min(cpu):.1f} s of processor time), "
        f"{1e6 * best / arguments.frames:.1f} us a frame, {beyond:.0f} MiB beyond the arrays"
    )
    print(f"  all rounds: {', '.join(f'{each:.1f}' for each in seconds)} s")

    count = min(arguments.loop_frames, int(data.offsets[1]))
    skeleton = data.skeleton
    true, predicted = data.poses[:count].astype("f8"), predictions[:count].astype("f8")
    single = data.sequence(0)
    ours = evaluation.measure(predictions[: single.num_frames], single)
    for name, loop in (("joints in arrays", by_frame), ("bone by bone", by_bone)):
        start, spent = time.perf_counter(), time.process_time()
        found = [loop(t - t[0], p - p[0], skeleton) for t, p in zip(true, predicted, strict=True)]
        frame, frame_cpu = (
            (now - then) / count
            for now, then in ((time.perf_counter(), start), (time.process_time(), spent))
        )
        for figure in found[0]:
            mine = ours.series[figure].values[:count]
            np.testing.assert_allclose(mine, [each[figure] for each in found], rtol=1e-6, atol=1e-9)
        print(
            f"loop over frames, {name}: {1e6 * frame:.0f} us a frame ({count} frames), "
            f"{frame * arguments.frames:.0f} s for all: {frame * arguments.frames / best:.1f} "
            f"times as long; in processor time {frame_cpu * arguments.frames / min(cpu):.1f} times"
        )
    print({name: round(value, 2) for name, value in scores.figures.items()})


def make(frames: int) -> tuple[PoseSequences, np.ndarray]:
    """Standing people who tremble, and a prediction of them."""
    rng = np.random.default_rng(0)
    skeleton = skeletons.get("human36m_17")
    standing = rng.normal(0.0, 0.3, size=(17, 3))
    poses = np.empty((frames, 17, 3), np.float32)
    predictions = np.empty_like(poses)
    for start in range(0, frames, 50_000):
        part = slice(start, start + 50_000)
        size = poses[part].shape
        poses[part] = standing + 0.1 * rng.standard_normal(size, np.float32)
        predictions[part] = poses[part] + 0.04 * rng.standard_normal(size, np.float32)
        predictions[part] -= predictions[part, :1]
        poses[part, :, 2] += 5.0
    offsets = np.linspace(0, frames, SEQUENCES + 1).astype(int)
    subjects = np.where(np.arange(SEQUENCES) % 2 == 0, "S9", "S11")
    actions = [ACTIONS[index % len(ACTIONS)] for index in range(SEQUENCES)]
    names = [
        f"{subject}/{action} {index}/54138969"
        for index, (subject, action) in enumerate(zip(subjects, actions, strict=True))
    ]
    data = PoseSequences(
        skeleton,
        np.zeros((frames, 17, 2), np.float32),
        poses,
        offsets,
        subjects,
        actions,
        names=names,
    )
    return data, predictions


def by_frame(true: np.ndarray, predicted: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """One frame's metrics, its joints and bones in arrays."""
    figures = positions(true, predicted)
    parents, children = np.array(skeleton.bones).T
    bones = [pose[children] - pose[parents] for pose in (predicted, true)]
    lengths, truths = (np.linalg.norm(each, axis=1) for each in bones)
    left, right = np.array(skeleton.bone_mirror_pairs).T
    difference = np.abs(lengths[left] - lengths[right])
    figures["lse"] = 1000 * difference.mean()
    figures["lse_percent"] = 100 * (difference / (lengths[left] + lengths[right])).mean()
    error = np.abs(lengths - truths)
    figures["bsle"] = 1000 * error.mean()
    figures["bsle_percent"] = 100 * (error / truths).mean()
    limbs = [[skeleton.bone_index(child) for child in limb] for limb in skeleton.limbs.values()]
    limb, true_limb = (
        np.array([each[chain].sum() for chain in limbs]) for each in (lengths, truths)
    )
    figures["lle"] = 1000 * np.abs(limb - true_limb).mean()
    figures["lle_percent"] = 100 * (np.abs(limb - true_limb) / true_limb).mean()
    first, second = np.array(skeleton.adjacent_bones).T
    angles = [
        np.arctan2(
            np.linalg.norm(np.cross(each[first], each[second]), axis=1),
            (each[first] * each[second]).sum(axis=1),
        )
        for each in bones
    ]
    figures["jae"] = np.degrees(np.abs(angles[0] - angles[1]).mean())
    return figures


def by_bone(true: np.ndarray, predicted: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """One frame's metrics, bone after bone."""
    figures = positions(true, predicted)
    bones = [
        [pose[child] - pose[parent] for parent, child in skeleton.bones]
        for pose in (predicted, true)
    ]
    lengths, truths = ([np.linalg.norm(bone) for bone in each] for each in bones)
    pairs = [(lengths[left], lengths[right]) for left, right in skeleton.bone_mirror_pairs]
    figures["lse"] = 1000 * np.mean([abs(a - b) for a, b in pairs])
    figures["lse_percent"] = 100 * np.mean([abs(a - b) / (a + b) for a, b in pairs])
    figures["bsle"] = 1000 * np.mean([abs(a - b) for a, b in zip(lengths, truths, strict=True)])
    figures["bsle_percent"] = 100 * np.mean(
        [abs(a - b) / b for a, b in zip(lengths, truths, strict=True)]
    )
    limbs = list(limb_sums(lengths, truths, skeleton))
    figures["lle"] = 1000 * np.mean([abs(a - b) for a, b in limbs])
    figures["lle_percent"] = 100 * np.mean([abs(a - b) / b for a, b in limbs])
    angles = []
    for first, second in skeleton.adjacent_bones:
        both = [
            np.arctan2(
                np.linalg.norm(np.cross(each[first], each[second])), each[first] @ each[second]
            )
            for each in bones
        ]
        angles.append(abs(both[0] - both[1]))
    figures["jae"] = np.degrees(np.mean(angles))
    return figures


def limb_sums(lengths: Any, truths: Any, skeleton: Skeleton) -> Iterator[tuple[float, float]]:
    for limb in skeleton.limbs.values():
        chain = [skeleton.bone_index(child) for child in limb]
        yield sum(lengths[bone] for bone in chain), sum(truths[bone] for bone in chain)


def positions(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Position errors of one root-relative frame."""
    errors = np.linalg.norm(predicted - true, axis=1)
    moved, target = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
    u, singular, vt = np.linalg.svd(target.T @ moved)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * signs) @ vt
    scale = (singular * signs).sum() / (moved**2).sum()
    aligned = np.linalg.norm(scale * moved @ rotation.T - target, axis=1)
    factor = (predicted * true).sum() / (predicted**2).sum()
    return {
        "mpjpe": 1000 * errors.mean(),
        "p_mpjpe": 1000 * aligned.mean(),
        "n_mpjpe": 1000 * np.linalg.norm(factor * predicted - true, axis=1).mean(),
        "pck": 100 * (errors < 0.15).mean(),
        "auc": 100 * np.mean([(errors < limit).mean() for limit in THRESHOLDS]),
    }


def peak() -> float:
    """The most memory this process has held so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
