"""Compare ModulatedGCN with the public Modulated-GCN repository (both of its trees).

    python benchmarks/parity/modulated_gcn.py --repo CHECKOUT    # at commit fd15af1

Loads the checkpoint that the repository holds as well, and reports what became of its names.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from comparing import arguments, compare, imports_from, randomize

from keras_seal import pose_nets, skeletons
from keras_seal.interop import base, modulated_gcn

CHECKPOINT = "checkpoint/ckpt_Modulated_GCN_128_38.25_30.06.pth.tar"


def published_graph(skeleton: str) -> torch.Tensor:
    """Row-normalised neighbours, then ones on the diagonal."""
    graph = np.array(skeletons.get(skeleton).adjacency, dtype="float64")
    graph /= graph.sum(axis=1, keepdims=True)
    np.fill_diagonal(graph, 1.0)
    return torch.tensor(graph, dtype=torch.float32)


def main() -> None:
    trees = arguments(__doc__).repo / "Modulated_GCN"
    packages = ("models", "nets", "utils")

    with imports_from(trees / "Modulated_GCN_gt", packages) as load:
        module = load("models.modulated_gcn").ModulatedGCN(published_graph("human36m_16"), 128)
    randomize(module)

    def each_frame(x: torch.Tensor) -> torch.Tensor:
        return module(x.flatten(0, 1)).reshape(*x.shape[:3], 3)

    for frames in (1, 3):
        net = pose_nets.from_preset("modulated_gcn", "human36m_16", num_frames=frames)
        compare("modulated_gcn", net, modulated_gcn, module, each_frame)

    with imports_from(trees / "Modulated-GCN_benchmark", packages) as load:
        module = load("models.modulated_gcn").ModulatedGCN(
            published_graph("human36m_17"), 384, num_layers=4, p_dropout=0.2
        )
    # With full noise poses reach 97 m, and rounding in float32 reaches 1.7e-4 of the gradient.
    randomize(module, spread=0.4)
    with torch.no_grad():
        # They start small here; sizes that training leads to let the input through.
        for name, parameter in module.named_parameters():
            if name.endswith(".M"):
                parameter.add_(1.0)

    def laid_out(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone(memory_format=torch.contiguous_format)

    # Observed with PyTorch 2.13 on a CPU: the original's gradient by its input differs from central
    # differences of its own output, in float64, by about a percent, and agrees with them to nine
    # digits once the gradient that enters the non-local block is laid out anew, which changes no
    # number. Which operation reads the other layout wrongly was not found out.
    module.non_local.register_forward_hook(
        lambda block, inputs, outputs: outputs.register_hook(laid_out) and None
    )

    def packed(x: torch.Tensor) -> torch.Tensor:
        poses = module(x.flatten(0, 1).permute(0, 2, 1)[:, :, None, :, None])
        return poses[:, :, 0, :, 0].permute(0, 2, 1).reshape(*x.shape[:3], 3)

    for frames in (1, 2):
        net = pose_nets.from_preset("modulated_gcn_cpn", "human36m_17", num_frames=frames)
        compare("modulated_gcn_cpn", net, modulated_gcn, module, packed)

    checkpoint = torch.load(
        trees / "Modulated_GCN_gt" / CHECKPOINT, weights_only=True, map_location="cpu"
    )
    state = {name: value.numpy() for name, value in checkpoint["state_dict"].items()}
    config = modulated_gcn.infer_config({name: value.shape for name, value in state.items()})
    net = pose_nets.ModulatedGCN(**config)
    report = base.load_state_dict(net, state, modulated_gcn.targets(net), modulated_gcn.IGNORED)
    with imports_from(trees / "Modulated_GCN_gt", packages) as load:
        module = load("models.modulated_gcn").ModulatedGCN(published_graph("human36m_16"), 128)
    module.load_state_dict(checkpoint["state_dict"])
    module.eval()
    compare("modulated_gcn published checkpoint", net, modulated_gcn, module, each_frame)
    print(
        json.dumps(
            {
                "checkpoint": CHECKPOINT,
                "used": len(report.used),
                "skipped": report.skipped,
                "missing": list(report.missing),
                "config": {k: v for k, v in config.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
