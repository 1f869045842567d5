"""Ask a loss-net that was trained beside a pose-net what it knows, on held-out real motion.

    python benchmarks/loss_net_health.py real_motion.npz [--loss-nets mlp,graph] [--out FILE]

The file is one of `PoseSplits` (see real_motion_reader.py). Each loss-net is trained dynamically
beside a SemGCN (64 filters, 4 blocks) on the training split, then asked about poses of the test
split, spread evenly over it. Prints JSON, for each loss-net:

- `energy_by_noise_mm`: mean energy of true poses whose joints were displaced by Gaussian noise of
  so many millimetres a coordinate, and `rises_monotonically`;
- `auroc`: the share of pairs of a true and a spoilt pose, of any two people, in which the true one
  has the lower energy: `scaled_bones` (each bone's length times 0.8 to 1.2), `joint_noise` (18 mm a
  coordinate), `rotated_bones` (3 to 15 degrees, 30 % of the bones), `swapped_sides` (arms, legs or
  the whole body), and the last also apart;
- `descent`: true poses with 30 mm noise are moved down the energy, `STEPS` steps whose length falls
  to zero, the same for all nets; mean distance to the truth before and after, and how much nearer;
- `alignment`: mean cosine between the way down the energy at the predictions and the way to the
  truth, its 95 % interval by a bootstrap over clips, and the `force_ratio` at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_seal as ks
from keras_seal import geometry, negatives
from keras_seal.data import PoseSequences, PoseSplits, PoseWindows
from keras_seal.loss_nets import GCNLossNet, GraphLossNet, LossNet, MLPLossNet
from keras_seal.training import AlignmentGuard, ForceRatio, SEALPose

NOISE = (5, 10, 20, 40, 80)
STEPS, FIRST_STEP = 60, 0.0015


def make_loss_net(name: str, skeleton: Any, features: list[str]) -> LossNet:
    """The loss-nets compared; small, so that two cores train them in minutes."""
    if name == "mlp":
        return MLPLossNet(skeleton, units=512, num_stages=2, dropout=0.0, pose_features=features)
    if name == "graph":
        return GraphLossNet(skeleton, units=64, num_blocks=3, num_heads=4, pose_features=features)
    return GCNLossNet(skeleton, units=64, num_blocks=4, pose_features=features)


def make_negatives(skeleton: Any) -> list[negatives.NegativeMaker]:
    """The prediction, and one more negative a pose shared among the synthetic kinds."""
    return [
        negatives.Prediction(),
        negatives.Mix(
            [
                negatives.GaussianJoints(skeleton, low=0.002, high=0.05, seed=1),
                negatives.ScaledBones(skeleton, seed=2),
                negatives.RotatedBones(skeleton, seed=3),
                negatives.SwappedSides(skeleton, seed=4),
            ],
            shares=[4, 2, 2, 1],
        ),
    ]


def train(part: PoseSequences, loss_net: LossNet, options: argparse.Namespace) -> tuple:
    """Train a SemGCN and the loss-net together; returns the model and the last logs."""
    windows = PoseWindows(
        part, batch_size=options.batch, shuffle=True, seed=options.seed, flip=True,
        drop_remainder=True,
    )  # fmt: skip
    pose_net = ks.pose_nets.SemGCN(part.skeleton, filters=64, num_blocks=4)
    model = SEALPose(pose_net, loss_net, negatives=make_negatives(part.skeleton))
    cosine = keras.optimizers.schedules.CosineDecay
    model.compile(
        keras.optimizers.Adam(cosine(5e-3, options.steps), global_clipnorm=1.0),
        loss="mpjpe",
        loss_net_optimizer=keras.optimizers.Adam(cosine(options.rate, options.steps)),
        energy_objective=ks.losses.get_objective(options.objective),
        energy_weight=AlignmentGuard(ForceRatio(options.force_ratio)),
    )
    # Epochs of a fixed number of steps, whatever the size of the data.
    epochs = max(1, options.steps // 250)
    history = model.fit(
        _Some(windows, options.steps // epochs), epochs=epochs, verbose=2, shuffle=False
    )
    return model, {name: values[-1] for name, values in history.history.items()}


class _Some(keras.utils.PyDataset):
    """The next so many batches of windows, epoch after epoch."""

    def __init__(self, windows: PoseWindows, count: int) -> None:
        super().__init__()
        self._windows, self._count, self._first = windows, count, 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        epoch, batch = divmod(self._first + index, len(self._windows))
        if batch == 0:
            self._windows.set_epoch(epoch)
        return self._windows[batch]

    def on_epoch_end(self) -> None:
        self._first += self._count


def by_batches(function: Any, *arrays: np.ndarray, size: int = 1000) -> np.ndarray:
    """Apply a function of tensors batch by batch."""
    parts = [
        keras.ops.convert_to_numpy(function(*[array[i : i + size] for array in arrays]))
        for i in range(0, len(arrays[0]), size)
    ]
    return np.concatenate(parts)


def auroc(low: np.ndarray, high: np.ndarray) -> float:
    """Share of pairs in which the second kind's value is the higher; ties count half."""
    values = np.concatenate([low.ravel(), high.ravel()])
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1, len(values) + 1)
    above = ranks[low.size :].sum() - high.size * (high.size + 1) / 2
    return float(above / (low.size * high.size))


def mean_distance(poses: np.ndarray, truth: np.ndarray) -> float:
    """MPJPE, millimetres."""
    return float(1000 * np.linalg.norm(poses - truth, axis=-1).mean())


def interval(values: np.ndarray, clips: np.ndarray, seed: int, draws: int = 2000) -> list[float]:
    """95 % interval of the mean by drawing whole clips with replacement."""
    kinds, inverse = np.unique(clips, return_inverse=True)
    sums, counts = np.bincount(inverse, values), np.bincount(inverse)
    picks = np.random.default_rng(seed).integers(0, len(kinds), (draws, len(kinds)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    return [float(x) for x in np.percentile(means, [2.5, 97.5])]


def ask(model: SEALPose, part: PoseSequences, count: int, seed: int) -> dict[str, Any]:
    """Everything that the benchmark asks about a trained loss-net."""
    skeleton = part.skeleton
    frames = np.unique(np.linspace(0, part.num_frames - 1, count).astype(int))
    clips = np.searchsorted(part.offsets, frames, side="right")
    x = part.keypoints[frames][:, None, :, :2]
    y = geometry.root_relative(part.poses[frames], skeleton)[:, None].astype("float32")
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(y.shape).astype("float32")
    noise[..., list(skeleton.origin), :] = 0.0

    def energy(poses: np.ndarray) -> np.ndarray:
        return by_batches(model.energy, x, poses.astype("float32"))[:, 0]

    def gradient(poses: np.ndarray) -> np.ndarray:
        return by_batches(model.energy_gradient, x, poses)

    true = energy(y)
    by_noise = {0: float(true.mean())}
    by_noise |= {sigma: float(energy(y + 1e-3 * sigma * noise).mean()) for sigma in NOISE}
    levels = list(by_noise.values())

    def spoilt(maker: negatives.NegativeMaker) -> np.ndarray:
        scene = negatives.Scene(x, keras.ops.convert_to_tensor(y), None, 0, gradient)
        return keras.ops.convert_to_numpy(maker.make(scene))

    mirrored = np.take(y, skeleton.mirror_permutation, axis=-2)

    def swapped(*limbs: str) -> np.ndarray:
        chains = [skeleton.limbs[limb] for limb in limbs]
        # With the hips or shoulders that they hang on.
        joints = [j for chain in chains for j in (skeleton.parents[chain[0]], *chain)]
        joints = [j for j in joints if skeleton.mirror_permutation[j] != j]
        poses = y.copy()
        poses[..., joints, :] = mirrored[..., joints, :]
        return poses

    kinds = {
        "scaled_bones": spoilt(negatives.ScaledBones(skeleton, 0.0, 0.2, seed=seed)),
        "joint_noise": y + 0.018 * noise,
        "rotated_bones": spoilt(negatives.RotatedBones(skeleton, seed=seed)),
        "swapped_sides": spoilt(negatives.SwappedSides(skeleton, seed=seed)),
        "swapped_arms": swapped("left_arm", "right_arm"),
        "swapped_legs": swapped("left_leg", "right_leg"),
        "swapped_body": mirrored,
    }
    ranked = {name: auroc(true, energy(poses)) for name, poses in kinds.items()}

    start = y + 0.03 * noise
    poses = start
    for step in range(STEPS):
        slope = gradient(poses)
        slope /= np.sqrt((slope**2).sum((-2, -1), keepdims=True) / y.shape[-2]) + 1e-12
        poses = poses - FIRST_STEP * (1 - step / STEPS) * slope
    before, after = mean_distance(start, y), mean_distance(poses, y)

    predicted = by_batches(lambda k: model.pose_net(k, training=False), x)
    pull, way = -gradient(predicted), y - predicted
    lengths = np.sqrt((pull**2).sum((1, 2, 3)) * (way**2).sum((1, 2, 3)))
    cosines = (pull * way).sum((1, 2, 3)) / np.maximum(lengths, 1e-12)
    low, high = interval(cosines, clips, seed)
    return {
        "poses": len(frames),
        "energy_by_noise_mm": by_noise,
        "rises_monotonically": all(a < b for a, b in pairwise(levels)),
        "auroc": ranked,
        "descent": {"before_mm": before, "after_mm": after, "nearer": 1 - after / before},
        "alignment": {"mean": float(cosines.mean()), "low": low, "high": high},
        "ranks_prediction": float((energy(predicted) > true).mean()),
        "mpjpe_mm": mean_distance(predicted, y),
    }


def main() -> None:
    """Train and ask each loss-net, and print the answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a file of splits")
    parser.add_argument("--loss-nets", default="mlp,graph", help="of mlp, graph, gcn")
    parser.add_argument("--pose-features", default="coordinates,shape")
    parser.add_argument("--objective", default="margin")
    parser.add_argument("--force-ratio", type=float, default=0.2)
    parser.add_argument("--rate", type=float, default=1e-3, help="the loss-net's learning rate")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--poses", type=int, default=4000, help="test poses asked about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    splits = PoseSplits.load(options.data)
    found: dict[str, Any] = {"options": {k: str(v) for k, v in vars(options).items()}}
    for name in options.loss_nets.split(","):
        keras.utils.set_random_seed(options.seed)
        features = options.pose_features.split(",")
        loss_net = make_loss_net(name, splits.train.skeleton, features)
        start = time.perf_counter()
        model, logs = train(splits.train, loss_net, options)
        seconds = time.perf_counter() - start
        answers = ask(model, splits.test, options.poses, options.seed)
        answers["training"] = {
            "seconds": round(seconds),
            "parameters": loss_net.count_params(),
            **{key: logs[key] for key in ("force_ratio", "alignment", "ranking_accuracy")},
        }
        found[name] = answers
    text = json.dumps(found, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
