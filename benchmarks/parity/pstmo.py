"""Compare PSTMO with the public P-STMO repository: poses of all frames, centre one gathered.

python benchmarks/parity/pstmo.py --repo CHECKOUT    # at commit aea43d0
"""

from __future__ import annotations

import types

import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import pstmo


class AllFrames(torch.nn.Module):
    """The original, with its two outputs joined as ours are."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(batch, frames, joints, 2)` to poses of all frames."""
        center, frames = self.model(x.permute(0, 3, 1, 2)[..., None])
        center, frames = (each[..., 0].permute(0, 2, 3, 1) for each in (center, frames))
        middle = frames.shape[1] // 2
        return torch.cat([frames[:, :middle], center, frames[:, middle + 1 :]], dim=1)


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    with imports_from(options.repo, ("model",)) as load:
        original = load("model.stmo").Model
    for frames, layers in ((9, 4), (27, 3), (81, 4), (243, 4)):
        strides = pose_nets.pstmo.default_strides(frames)
        args = types.SimpleNamespace(
            layers=layers,
            channel=256,
            d_hid=512,
            frames=frames,
            stride_num=list(strides),
            n_joints=17,
            out_joints=17,
        )
        module = randomize(original(args))
        net = pose_nets.PSTMO("human36m_17", frames, out_frames=frames, num_blocks=layers)
        call = with_root_at_zero(AllFrames(module).eval())
        unused = sum(p.numel() for n, p in module.named_parameters() if ".model.norm." in n)
        compare("pstmo", net, pstmo, module, call, never_applied=unused)


if __name__ == "__main__":
    main()
