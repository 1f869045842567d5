"""Compare MotionAGFormer with the public MotionAGFormer repository.

python benchmarks/parity/motion_ag_former.py --repo CHECKOUT    # at commit 4756fd1

All four sizes, with fewer frames than published where that saves minutes. Which frames are most
alike is the same in both as long as no two are equally alike to within rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import motion_ag_former


def in_any_precision(module: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Call the module in the precision of its inputs; its graphs are float32 by themselves."""
    call = with_root_at_zero(module)

    def with_graphs(x: torch.Tensor) -> torch.Tensor:
        for part in module.modules():
            if hasattr(part, "adj"):
                part.adj = part.adj.to(x.dtype)
        with mock.patch.object(torch.Tensor, "float", lambda tensor: tensor.to(x.dtype)):
            return call(x)

    return with_graphs


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm")
    with imports_from(options.repo, ("model",)) as load:
        original = load("model.MotionAGFormer").MotionAGFormer
    for size, frames in (("xs", 9), ("xs", 27), ("s", 27), ("b", 27), ("b", 81), ("l", 27)):
        preset = f"motion_ag_former_{size}"
        net = pose_nets.from_preset(
            preset, "human36m_17", num_frames=frames, graph="published", input_channels=3
        )
        module = original(
            n_layers=net.num_layers,
            dim_in=3,
            dim_feat=net.channels,
            num_heads=8,
            neighbour_num=2,
            n_frames=frames,
        )
        randomize(module, spread=0.5)
        compare(preset, net, motion_ag_former, module, in_any_precision(module), batch=1)


if __name__ == "__main__":
    main()
