"""Compare SimpleBaseline with the public 3d_pose_baseline_pytorch repository.

python benchmarks/parity/simple_baseline.py --repo CHECKOUT    # at commit a03094b

The original works on standardised coordinates: it is given ours standardised by random
statistics, which `to_metres` folds into our net.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in

from keras_seal import pose_nets
from keras_seal.interop import simple_baseline

SEEN = [joint for joint in range(17) if joint != 9]


def main() -> None:
    """Run the comparison."""
    stand_in("progress", "h5py")
    with imports_from(arguments(__doc__).repo, ("src",)) as load:
        original = load("src.model").LinearModel
    rng = np.random.default_rng(2)
    size = (1000, 1002)
    statistics = simple_baseline.Standardization(
        rng.uniform(400, 600, (16, 2)),
        rng.uniform(50, 120, (16, 2)),
        rng.uniform(-200, 200, (16, 3)),
        rng.uniform(100, 900, (16, 3)),
        size,
    )
    mean, deviation, pose_mean, pose_deviation = (
        torch.tensor(array, dtype=torch.float32)
        for array in (
            statistics.keypoint_mean,
            statistics.keypoint_deviation,
            statistics.pose_mean,
            statistics.pose_deviation,
        )
    )
    for preset, width, stages in (
        ("simple_baseline", 1024, 2),
        ("simple_baseline_large", 2048, 3),
    ):
        module = randomize(original(width, stages), spread=0.3)

        def call(x: torch.Tensor, module: torch.nn.Module = module) -> torch.Tensor:
            pixels = (x[:, :, SEEN] + torch.tensor([1.0, size[1] / size[0]])) * size[0] / 2
            standardised = ((pixels - mean) / deviation).flatten(0, 1).flatten(1)
            poses = module(standardised).reshape(*x.shape[:2], 16, 3)
            poses = (poses * pose_deviation + pose_mean) / 1000
            return torch.nn.functional.pad(poses, (0, 0, 1, 0))

        for frames in (1, 3):
            net = pose_nets.from_preset(preset, "human36m_17", num_frames=frames)
            converter = SimpleNamespace(targets=simple_baseline.targets, IGNORED={})
            compare(
                preset,
                net,
                converter,
                module,
                call,
                prepare=lambda state: simple_baseline.to_metres(state, statistics),
            )


if __name__ == "__main__":
    main()
