"""Turn the real-motion benchmark into a file that the data source `file` reads.

The benchmark's own script writes one `.npz` of camera-space poses and pixels; this one keeps the
people and clips of its test split, sets some of its training people aside for validation, and saves
a `PoseSplits`:

    python benchmarks/real_motion_reader.py benchmark.npz real_motion.npz [--validation S8]
        [--validation-every 8]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from keras_seal.data import PoseSequences, PoseSplits
from keras_seal.geometry import Camera, normalize_screen


def read_benchmark(
    path: str | Path, validation: list[str], *, detections: bool, every: int = 1
) -> PoseSplits:
    """Read the benchmark's file.

    Args:
        path: What `make_benchmark.py` wrote.
        validation: Training subjects to validate on instead.
        detections: Use the keypoints with a detector's error, not the true ones.
        every: Validate on one clip in so many, to spend less time on it.

    Returns:
        The splits.
    """
    with np.load(path, allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    if detections and "detections" not in data:
        raise SystemExit(f"'{path}' holds no detections; make it with --noise.")
    lengths = np.diff(data["offsets"])
    sizes = np.repeat(data["wh"], lengths, axis=0)[:, None]
    pixels = data["detections" if detections else "pose2d"]
    # The same camera films many clips.
    fields = ("R", "t", "f", "c", "k", "p", "wh")
    rows = np.concatenate([data[name].reshape(len(lengths), -1) for name in fields], axis=1)
    _, first, views = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    cameras = tuple(_camera(data, int(index)) for index in first)
    everything = PoseSequences(
        skeleton="human36m_17",
        keypoints=normalize_screen(pixels, sizes[..., 0], sizes[..., 1]),
        poses=data["pose3d"],
        offsets=data["offsets"],
        subjects=data["subject"],
        actions=data["content"],
        views=views.reshape(-1),
        fps=data["fps"],
        image_sizes=data["wh"],
        cameras=cameras,
    )
    test = data["split"] == "test"
    aside = np.isin(data["subject"], validation)
    kept = ~test & aside & (np.cumsum(~test & aside) % every == 0)
    return PoseSplits(
        train=everything.select(mask=~test & ~aside),
        validation=everything.select(mask=kept),
        test=everything.select(mask=test),
    ).validate()


def _camera(data: dict[str, np.ndarray], index: int) -> Camera:
    # Single precision is too coarse for a rotation; the nearest rotation is the one that was meant.
    left, _, right = np.linalg.svd(data["R"][index].astype(np.float64))
    return Camera(
        rotation=left @ right,
        position=data["t"][index],
        focal=data["f"][index],
        center=data["c"][index],
        radial=data["k"][index],
        tangential=data["p"][index],
        width=int(data["wh"][index, 0]),
        height=int(data["wh"][index, 1]),
        name=f"{data['subject'][index]}-{data['camera'][index]}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", help="what make_benchmark.py wrote")
    parser.add_argument("out", help="the .npz file to write")
    parser.add_argument("--validation", default="S8", help="training people to validate on, a,b")
    parser.add_argument("--validation-every", type=int, default=1, help="one clip in so many")
    parser.add_argument("--detections", action="store_true", help="keypoints with errors")
    given = parser.parse_args()
    splits = read_benchmark(
        given.benchmark,
        given.validation.split(","),
        detections=given.detections,
        every=given.validation_every,
    )
    splits.save(given.out)
    for name, part in splits.parts.items():
        print(f"{name}: {part}")


if __name__ == "__main__":
    main()
