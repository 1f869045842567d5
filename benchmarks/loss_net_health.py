"""Ask a loss-net that was trained beside a pose-net what it knows, on held-out real motion.

    python benchmarks/loss_net_health.py real_motion.npz [--loss-nets mlp,graph] [--out FILE]

The file is one of `PoseSplits` (see real_motion_reader.py). Each loss-net is trained dynamically
beside a SemGCN (64 filters, 4 blocks) on the training split, then asked about poses of the test
split, spread evenly over it, what `keras_seal.analysis.explain` asks. Prints JSON, for each
loss-net:

- `energy_by_noise_mm`: mean energy of true poses whose joints were displaced by Gaussian noise of
  so many millimetres a coordinate, and `rises_monotonically`;
- `auroc`: the share of pairs of a true and a spoilt pose, of any two people, in which the true one
  has the lower energy, by kind of corruption (see `keras_seal.analysis.corruptions`), and
  `auroc_low`, the lower end of its 95 % interval by a bootstrap over sequences, as all intervals;
- `descent`: true poses with 30 mm noise are moved down the energy; mean distance to the truth
  before and after, and by which share it became smaller (`value`, `low`, `high`);
- `alignment`: mean cosine between the way down the energy at the predictions and the way to the
  truth;
- `ranks_prediction`: share of predictions with an energy above their own truth's;
- `correlations` of the energy with structural metrics, `forces_per_metre` on joints and bones, and
  `attention` of a graph loss-net;
- `training`: its seconds, and the last logs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_seal as ks
from keras_seal import analysis, negatives
from keras_seal.data import PoseSequences, PoseSplits, PoseWindows
from keras_seal.loss_nets import GCNLossNet, GraphLossNet, LossNet, MLPLossNet
from keras_seal.training import AlignmentGuard, ForceRatio, SEALPose

CONDITIONS: dict[str, bool | str] = {
    "nothing": False,
    "keypoints": True,
    "reprojection": "reprojection",
}


def make_loss_net(name: str, skeleton: Any, options: argparse.Namespace) -> LossNet:
    """The loss-nets compared; small, so that two cores train them in minutes."""
    seen: dict[str, Any] = {
        "pose_features": options.pose_features.split(","),
        "conditional": CONDITIONS[options.conditional],
    }
    if name == "mlp":
        return MLPLossNet(skeleton, units=512, num_stages=2, dropout=0.0, **seen)
    if name == "graph":
        return GraphLossNet(skeleton, units=64, num_blocks=3, num_heads=4, **seen)
    return GCNLossNet(skeleton, units=64, num_blocks=4, **seen)


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
        energy_objective=ks.losses.get_objective(options.objective, **options.objective_options),
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


def ask(model: SEALPose, part: PoseSequences, count: int, seed: int) -> dict[str, Any]:
    """Everything that the benchmark asks about a trained loss-net."""
    probe = analysis.Probe(model, analysis.Samples.of(part, count), seed=seed)
    found = analysis.explain(probe, descent_poses=count).to_dict()
    noise, descent = found["energy"]["joint_noise"], found["descent"]
    return {
        "poses": found["poses"],
        "sequences": found["sequences"],
        "energy_by_noise_mm": dict(zip(noise["sizes"], noise["energy"], strict=True)),
        "rises_monotonically": noise["rises_monotonically"],
        "auroc": {name: each["auroc"]["value"] for name, each in found["ranking"].items()},
        "auroc_low": {name: each["auroc"]["low"] for name, each in found["ranking"].items()},
        "descent": {
            "before_mm": descent["distances_mm"][0],
            "after_mm": descent["distances_mm"][-1],
            **descent["nearer"],
        },
        "alignment": found["alignment"]["cosine"],
        "ranks_prediction": found["ranking"]["prediction"]["above_own_truth"],
        "mpjpe_mm": found["alignment"]["mpjpe_mm"],
        "correlations": found["correlations"],
        "forces_per_metre": found["forces_per_metre"],
        "attention": found["attention"],
    }


def main() -> None:
    """Train and ask each loss-net, and print the answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a file of splits")
    parser.add_argument("--loss-nets", default="mlp,graph", help="of mlp, graph, gcn")
    parser.add_argument("--pose-features", default="coordinates")
    parser.add_argument("--conditional", choices=list(CONDITIONS), default="reprojection")
    parser.add_argument("--objective", default="margin")
    parser.add_argument("--objective-options", type=json.loads, default={}, help="JSON")
    parser.add_argument("--force-ratio", type=float, default=0.2)
    parser.add_argument("--rate", type=float, default=1e-3, help="the loss-net's learning rate")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--poses", type=int, default=2000, help="test poses asked about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    splits = PoseSplits.load(options.data)
    found: dict[str, Any] = {"options": {k: str(v) for k, v in vars(options).items()}}
    for name in options.loss_nets.split(","):
        keras.utils.set_random_seed(options.seed)
        loss_net = make_loss_net(name, splits.train.skeleton, options)
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
