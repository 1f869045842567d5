"""What the callbacks that look at training cost, against the epoch they look at.

    python benchmarks/callbacks.py [--epoch-steps 1500] [--loss-net mlp|graph]

Trains a SemGCN (128 filters, 4 blocks) with SEAL at batch 1024 on synthetic motion, with
`EnergyMonitor`, `PosePlotter` and `LimbLengthLogger` looking and drawing after every epoch, and
times both in the same run: a training step, and everything that the callbacks do at an epoch's
end. Few steps are timed, and an epoch counted as so many of them: 1500 is Human3.6M's training set
(1.56 million frames). What the callbacks do once, at the beginning and the end of a training, is
shared among 50 epochs. Prints JSON: medians in seconds, and `share`, their part of the epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_seal as ks

BATCH, TRAINING_EPOCHS = 1024, 50


class Stopwatch(keras.callbacks.Callback):
    """Notes when Keras comes by; one before and one after the callbacks to be timed."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []
        self.epochs: list[float] = []
        self.once: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Training begins."""
        self.once.append(time.perf_counter())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is over."""
        self.steps.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch is over."""
        self.epochs.append(time.perf_counter())

    def on_train_end(self, logs: Any = None) -> None:
        """Training is over."""
        self.once.append(time.perf_counter())


def main() -> None:
    """Train, and print what took how long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epoch-steps", type=int, default=1500, help="steps of a real epoch")
    parser.add_argument("--loss-net", choices=["mlp", "graph"], default="mlp")
    parser.add_argument("--steps", type=int, default=6, help="steps timed an epoch")
    parser.add_argument("--epochs", type=int, default=4, help="the first one, which compiles, "
                        "does not count")  # fmt: skip
    options = parser.parse_args()
    frames = options.steps * BATCH
    splits = ks.data.sources.get("synthetic")(
        frames=frames, validation_frames=4096, test_frames=1024
    ).load(use_cache=False)
    skeleton = splits.skeleton
    windows = ks.PoseWindows(splits.train, BATCH, shuffle=True, flip=True, drop_remainder=True)
    held_out = ks.PoseWindows(splits.validation, BATCH)
    net = {"mlp": ks.loss_nets.MLPLossNet, "graph": ks.loss_nets.GraphLossNet}[options.loss_net]
    model = ks.SEALPose(ks.pose_nets.SemGCN(skeleton, filters=128, num_blocks=4), net(skeleton))
    model.compile(keras.optimizers.Adam(1e-3), loss_net_optimizer=keras.optimizers.Adam(1e-3))
    before, after = Stopwatch(), Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        watching = [
            ks.callbacks.EnergyMonitor(
                held_out, skeleton, path / "energy.csv", plots=path, plot_every=1,
                tensorboard_dir=path,
            ),
            ks.callbacks.LimbLengthLogger(
                held_out, skeleton, path / "bones.csv", plot=path / "bones.png"
            ),
            ks.callbacks.PosePlotter(held_out, skeleton, path, tensorboard_dir=path),
        ]  # fmt: skip
        model.fit(windows, epochs=options.epochs, verbose=0, callbacks=[before, *watching, after])
    steps = len(windows)
    gaps = [
        later - earlier
        for epoch in range(1, options.epochs)
        for earlier, later in zip(
            before.steps[epoch * steps : (epoch + 1) * steps - 1],
            before.steps[epoch * steps + 1 : (epoch + 1) * steps],
            strict=True,
        )
    ]
    step = statistics.median(gaps)
    looks = [b - a for a, b in zip(before.epochs, after.epochs, strict=True)][1:]
    once = sum(b - a for a, b in zip(before.once, after.once, strict=True))
    each = statistics.median(looks) + once / TRAINING_EPOCHS
    epoch = options.epoch_steps * step
    print(
        json.dumps(
            {
                "loss_net": options.loss_net,
                "backend": keras.backend.backend(),
                "step": round(step, 4),
                "epoch": round(epoch, 1),
                "callbacks_an_epoch": round(each, 2),
                "share": round(each / (epoch + each), 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
