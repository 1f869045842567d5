"""Compare GraphMLP with the public GraphMLP repository, one frame and several.

python benchmarks/parity/graph_mlp.py --repo CHECKOUT    # at commit 4b08600
"""

from __future__ import annotations

from types import SimpleNamespace

from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import graph_mlp


def main() -> None:
    """Run the comparison."""
    repo = arguments(__doc__).repo
    stand_in("timm")
    with imports_from(repo, ("model",)) as load:
        import torch

        block = load("model.block.mlp_gcn")
        # Inactive when testing; the package it comes from is not needed for that.
        block.DropPath = lambda rate: torch.nn.Identity()
        original = load("model.graphmlp").Model
    for frames in (1, 27, 81):
        options = SimpleNamespace(
            frames=frames, channel=512, layers=3, d_hid=1024, token_dim=256, n_joints=17
        )
        module = randomize(original(options), spread=0.3)
        net = pose_nets.from_preset(f"graph_mlp_{frames}", "human36m_17")
        compare("graph_mlp", net, graph_mlp, module, with_root_at_zero(module), batch=2)


if __name__ == "__main__":
    main()
