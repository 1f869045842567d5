"""How fast keypoints become motion, and how much memory that takes.

    python benchmarks/predict.py --backend tensorflow

Three questions, each in a process of its own: how many poses a second go from a keypoint file
(.npz) to a motion file; how much longer the whole takes than the bare forward pass of the same
windows; how much memory an hour of video takes above the loaded model. `--only` asks one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_JOINTS, _SIZE = 17, (1920, 1080)


def main() -> None:
    """Ask all questions, or answer one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--frames", type=int, default=60_000, help="frames for a frame's net")
    parser.add_argument("--windows", type=int, default=24, help="windows for MixSTE")
    parser.add_argument("--channels", type=int, default=512, help="channels of MixSTE")
    parser.add_argument("--filters", type=int, nargs="+", default=[128, 64], help="of SemGCN")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--only", choices=["sem_gcn", "mix_ste", "memory"])
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ["KERAS_BACKEND"] = given.backend
    if given.answer:
        question, _, number = given.answer.partition(":")
        answers = {"sem_gcn": sem_gcn, "mix_ste": mix_ste, "memory": memory}
        print(json.dumps(answers[question](given, int(number or 0))), flush=True)
        return
    questions = [f"sem_gcn:{filters}" for filters in given.filters] + ["mix_ste", "memory"]
    for question in questions:
        if given.only in (None, question.partition(":")[0]):
            command = [sys.executable, __file__, *sys.argv[1:], "--answer", question]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            print(done.stdout.splitlines()[-1], flush=True)


def keypoints(folder: Path, frames: int):
    """One person who moves about, as a file of plain arrays."""
    import numpy as np

    rng = np.random.default_rng(0)
    body = rng.uniform(-150, 150, (_JOINTS, 2))
    course = 200 * np.sin(np.arange(frames) / 40)[:, None, None]
    pixels = np.array(_SIZE) / 2 + body + course * rng.uniform(0.2, 1, (_JOINTS, 2))
    path = folder / "in.npz"
    np.savez(path, keypoints=pixels, image_size=_SIZE, fps=30, layout="human36m_17")
    return path


def end_to_end(lifter, source, folder: Path) -> None:
    """Read, lift, measure and write, as `keras-seal predict` does."""
    from keras_seal.inference import predict, writing

    motion = predict(lifter, source, folder=folder, note=lambda line: None)
    writing.write_npz(motion, folder / "out.npz")


def timed(function) -> tuple[float, float]:
    """Seconds by the clock and by all cores together; the latter bear a busy machine better."""
    start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def compare(net, frames: int, rounds: int) -> dict:
    """Time the whole and the bare forward pass of the same windows, by turns."""
    import numpy as np

    from keras_seal.inference import Lifter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = keypoints(folder, frames)
        lifter = Lifter(net)
        windows = [
            rng_batch(lifter.batch_size, net.input_shape[1])
            for _ in range(-(-windows_of(lifter, frames) // lifter.batch_size))
        ]

        def bare() -> None:
            for batch in windows:
                np.asarray(net.predict_on_batch(batch))

        net.predict_on_batch(windows[0])
        end_to_end(lifter, source, folder)
        whole, passes = [], []
        for _ in range(rounds):
            whole.append(timed(lambda: end_to_end(lifter, source, folder)))
            passes.append(timed(bare))
    clock, cores = (min(each) for each in zip(*whole, strict=True))
    bare_clock, bare_cores = (min(each) for each in zip(*passes, strict=True))
    return {
        "backend": os.environ["KERAS_BACKEND"],
        "frames": frames,
        "batches": f"{len(windows)} x {lifter.batch_size}",
        "poses_per_second": round(frames / clock),
        "bare_poses_per_second": round(frames / bare_clock),
        "times_the_bare_forward_pass": round(clock / bare_clock, 3),
        "poses_per_core_second": round(frames / cores),
        "bare_poses_per_core_second": round(frames / bare_cores),
        "times_the_bare_forward_pass_in_core_seconds": round(cores / bare_cores, 3),
    }


def rng_batch(size: int, frames: int):
    """Random keypoints."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(size, frames, _JOINTS, 2)).astype("float32")


def windows_of(lifter, frames: int) -> int:
    """Count the windows that cover a motion side by side, as a bare pass would have it."""
    return -(-frames // (lifter.num_frames if lifter.out_frames > 1 else 1))


def sem_gcn(given, filters: int) -> dict:
    """Poses a second of SemGCN, from file to file."""
    from keras_seal import pose_nets

    net = pose_nets.SemGCN("human36m_17", filters=filters)
    return {"net": f"SemGCN-{filters}", **compare(net, given.frames, given.rounds)}


def mix_ste(given, _: int) -> dict:
    """What all that is around a MixSTE over 243 frames costs."""
    from keras_seal import pose_nets

    net = pose_nets.MixSTE("human36m_17", num_frames=243, channels=given.channels)
    result = compare(net, 243 * given.windows, given.rounds)
    return {"net": f"MixSTE-243, {given.channels} channels", **result}


def memory(given, _: int) -> dict:
    """Greatest memory above that of the loaded model while an hour of video is lifted."""
    import psutil

    from keras_seal import pose_nets
    from keras_seal.inference import Lifter

    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = round(given.hours * 3600 * 30)
        long = keypoints(folder, frames)
        lifter = Lifter(pose_nets.VideoPose3D("human36m_17", (3, 3, 3), filters=256))
        lifter(rng_batch(1, 400)[0])
        loaded = process.memory_info().rss
        greatest, over = [loaded], threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                greatest[0] = max(greatest[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        end_to_end(lifter, long, folder)
        taken = time.perf_counter() - start
        over.set()
        watcher.join()
    return {
        "backend": os.environ["KERAS_BACKEND"],
        "frames": frames,
        "seconds": round(taken, 1),
        "loaded_mib": round(loaded / 2**20),
        "above_that_mib": round((greatest[0] - loaded) / 2**20),
    }


if __name__ == "__main__":
    main()
