"""Compare SemGCN, and SimpleBaseline as kept beside it, with the public SemGCN repository.

python benchmarks/parity/sem_gcn.py --repo CHECKOUT    # at commit 916aabd

The original is for Python 2, where an attribute may be called `nonlocal`: it is renamed while its
source is read.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import torch
from comparing import arguments, compare, imports_from, randomize

from keras_seal import pose_nets, skeletons
from keras_seal.interop import sem_gcn, simple_baseline

# Pairs of joints that the non-local block pools.
GROUPS = ([2, 3], [5, 6], [1, 4], [0, 7], [8, 9], [14, 15], [11, 12], [10, 13])


def read_python2(path: Path, name: str) -> types.ModuleType:
    """Import a module in which an attribute is called `nonlocal`."""
    source = path.read_text().replace(".nonlocal", ".non_local")
    module = types.ModuleType(name)
    exec(
        compile("from functools import reduce\n" + _future_first(source), path, "exec"),
        vars(module),
    )
    return module


def _future_first(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if "__future__" not in line)


class Renamed(torch.nn.Module):
    """The original with its own names in the state dict."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def state_dict(self, *args: object, **kwargs: object) -> dict:
        """Return the original's names, as a Python 2 program would have saved them."""
        state = self.module.state_dict()
        return {name.replace("non_local", "nonlocal"): array for name, array in state.items()}


def main() -> None:
    """Run the comparison."""
    repo = arguments(__doc__).repo
    with imports_from(repo, ("models", "common")) as load:
        load("models.sem_graph_conv")
        load("models.graph_non_local")
        original = read_python2(repo / "models" / "sem_gcn.py", "sem_gcn").SemGCN
        linear = load("models.linear_model").LinearModel
    graph = torch.tensor(np.array(skeletons.get("human36m_16").adjacency) + np.eye(16)).float()
    for non_local in (False, True):
        groups = list(GROUPS) if non_local else None
        torch.manual_seed(0)
        module = randomize(original(graph, 128, num_layers=4, nodes_group=groups), spread=0.4)

        def each_frame(x: torch.Tensor, module: torch.nn.Module = module) -> torch.Tensor:
            return module(x.flatten(0, 1)).reshape(*x.shape[:3], 3)

        for frames in (1, 3):
            preset = "sem_gcn_non_local" if non_local else "sem_gcn"
            net = pose_nets.from_preset(preset, "human36m_16", num_frames=frames)
            # The original makes matrices of float32, whatever its weights are.
            compare(preset, net, sem_gcn, Renamed(module), each_frame, double=False)

    module = randomize(linear(32, 45, 1024, 2), spread=0.3)

    def padded(x: torch.Tensor) -> torch.Tensor:
        poses = module(x.flatten(0, 1).flatten(1)).reshape(*x.shape[:2], 15, 3)
        return torch.nn.functional.pad(poses, (0, 0, 1, 0))

    net = pose_nets.from_preset("simple_baseline", "human36m_16")
    compare("simple_baseline (SemGCN's)", net, simple_baseline, module, padded)


if __name__ == "__main__":
    sys.exit(main())
