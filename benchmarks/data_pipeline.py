"""Measure the data path at Human3.6M's size: memory, an epoch's start, and samples a second.

    python benchmarks/data_pipeline.py [--frames 1559752] [--seconds 10] [--out data_pipeline.json]

Prints JSON. As many frames as Human3.6M has for training, made up, in 600 sequences; windows of 1,
27, 81 and 243 frames, shuffled and mirrored. Each row runs in a process of its own:

- `memory_ratio`: the process's peak memory, less what it had before the arrays were made, over
  the size of the flat arrays, after windows were drawn for `seconds`;
- `epoch_start_ms`: a new epoch, from `set_epoch` to its first batch, median of five;
- `plain`, `tf_data`: samples a second that a `for` loop over the windows, and over their
  `tf.data.Dataset`, get, with nothing else to do;
- `dataloader`: the same windows from a PyTorch `DataLoader` with two workers, shuffled and mirrored
  one by one as is usual, where torch is installed;
- `consumed`: samples a second that a training step of the fastest pose-net here takes at that
  window and batch, under tensorflow; `plain / consumed` shall be ten or more.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time

BATCHES = {1: 1024, 27: 256, 81: 128, 243: 64}
SEQUENCES = 600
# The fastest nets by the times of their originals; slower ones take minutes to compile.
FAST_PRESETS = ("simple_baseline", "sem_gcn", "pose_former_v2", "video_pose_3d")
ANY_LENGTH = ("simple_baseline", "sem_gcn")


def memory() -> float:
    """Peak memory of this process so far, bytes."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def make_sequences(frames: int):
    """Made-up sequences of Human3.6M's shape."""
    import numpy as np

    from keras_seal.data import PoseSequences

    rng = np.random.default_rng(0)
    keypoints = rng.random((frames, 17, 2), np.float32)
    poses = rng.random((frames, 17, 3), np.float32)
    offsets = np.linspace(0, frames, SEQUENCES + 1).astype(int)
    names = ["S1"] * SEQUENCES
    return PoseSequences("human36m_17", keypoints, poses, offsets, names, names)


def rate(batches, seconds: float) -> float:
    """Samples a second of an endless iterator of batches, after a warm start."""
    for _ in range(3):
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += len(next(batches)[0])
    return count / (time.perf_counter() - start)


def endless(make):
    """Start anew whenever an iterable ends."""
    while True:
        yield from make()


def measure_windows(num_frames: int, frames: int, seconds: float) -> dict[str, float]:
    """Memory, epoch start and rates of `PoseWindows`."""
    from keras_seal.data import PoseWindows

    before = memory()
    sequences = make_sequences(frames)
    arrays = sequences.keypoints.nbytes + sequences.poses.nbytes
    windows = PoseWindows(
        sequences, batch_size=BATCHES[num_frames], num_frames=num_frames, shuffle=True, flip=True
    )
    found = {"plain": rate(endless(lambda: windows), seconds)}
    starts = []
    for epoch in range(5):
        start = time.perf_counter()
        windows.set_epoch(100 + epoch)
        windows[0]
        starts.append(time.perf_counter() - start)
    found["epoch_start_ms"] = 1e3 * statistics.median(starts)
    found["memory_ratio"] = (memory() - before) / arrays
    found["tf_data"] = rate(endless(lambda: windows.to_tf_dataset().as_numpy_iterator()), seconds)
    return found


def measure_dataloader(num_frames: int, frames: int, seconds: float) -> dict[str, float]:
    """The same windows as PyTorch programs usually make them."""
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset

    sequences = make_sequences(frames)
    swap = sequences.skeleton.mirror_permutation

    class Windows(Dataset):
        def __len__(self):
            return sequences.num_frames

        def __getitem__(self, index):
            owner = np.searchsorted(sequences.offsets, index, side="right") - 1
            first, end = sequences.offsets[owner : owner + 2]
            rows = np.clip(index + np.arange(num_frames) - num_frames // 2, first, end - 1)
            x, y = sequences.keypoints[rows], sequences.poses[index][None]
            y = y - y[:, :1]
            if np.random.random() < 0.5:
                x, y = x[:, swap].copy(), y[:, swap].copy()
                x[..., 0] *= -1
                y[..., 0] *= -1
            return torch.from_numpy(x), torch.from_numpy(y)

    loader = DataLoader(Windows(), batch_size=BATCHES[num_frames], shuffle=True, num_workers=2)
    return {"dataloader": rate(endless(lambda: loader), seconds)}


def measure_consumption(num_frames: int, frames: int, seconds: float) -> dict[str, object]:
    """What a training step of the fastest pose-net consumes."""
    import keras
    import numpy as np

    import keras_seal as ks

    rng = np.random.default_rng(0)

    def lifter(preset: str):
        frames_option = {"num_frames": num_frames} if preset.startswith(ANY_LENGTH) else {}
        return ks.pose_nets.get(preset, skeleton="human36m_17", **frames_option)

    def consumed(preset: str, batch: int, steps: int) -> float:
        net = lifter(preset)
        model = ks.SEALPose(net)
        model.compile(keras.optimizers.Adam(1e-3))
        x = rng.random((batch, num_frames, 17, 2), np.float32)
        y = rng.random((batch, net.output_shape[1], 17, 3), np.float32)
        times = []
        for _ in range(steps + 1):
            start = time.perf_counter()
            model.train_on_batch(x, y)
            times.append(time.perf_counter() - start)
        return batch / statistics.median(times[1:])

    rates = {
        preset: consumed(preset, 4, 3)
        for preset in ks.pose_nets.presets()
        if preset.startswith(FAST_PRESETS) and lifter(preset).num_frames == num_frames
    }
    fastest = max(rates, key=rates.__getitem__)
    return {"consumed": consumed(fastest, BATCHES[num_frames], 3), "fastest_pose_net": fastest}


MEASURES = {
    "windows": measure_windows,
    "dataloader": measure_dataloader,
    "consumption": measure_consumption,
}


def main() -> None:
    """Run each measurement in a process of its own and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_559_752)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", help="also write the JSON here")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        what, num_frames = options.worker
        found = MEASURES[what](int(num_frames), options.frames, options.seconds)
        print(json.dumps(found))
        return

    names = [name for name in MEASURES if name != "dataloader" or importlib.util.find_spec("torch")]
    report: dict = {"frames": options.frames, "cores": os.cpu_count(), "windows": {}}
    for num_frames, batch in BATCHES.items():
        row: dict = {"batch": batch}
        for name in names:
            print(f"{num_frames} frames: {name}", file=sys.stderr)
            arguments = [f"--frames={options.frames}", f"--seconds={options.seconds}"]
            done = subprocess.run(
                [sys.executable, __file__, "--worker", name, str(num_frames), *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
                check=True,
            )
            row.update(json.loads(done.stdout.splitlines()[-1]))
        row["plain / consumed"] = row["plain"] / row["consumed"]
        row["tf_data / consumed"] = row["tf_data"] / row["consumed"]
        if "dataloader" in row:
            row["plain / dataloader"] = row["plain"] / row["dataloader"]
        report["windows"][str(num_frames)] = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in row.items()
        }
    text = json.dumps(report, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
