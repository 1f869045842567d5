"""Compare DSTformer with the public MotionBERT repository.

python benchmarks/parity/dstformer.py --repo CHECKOUT    # at commit dccfe7b
"""

from __future__ import annotations

from functools import partial

import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import dstformer


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    with imports_from(options.repo, ("lib",)) as load:
        original = load("lib.model.DSTformer").DSTformer
    for preset in ("dstformer", "dstformer_lite"):
        for frames in (9, 27):
            net = pose_nets.from_preset(preset, "human36m_17", num_frames=frames)
            module = original(
                dim_in=3,
                dim_feat=net.channels,
                dim_rep=512,
                depth=5,
                num_heads=8,
                mlp_ratio=int(net.mlp_ratio),
                maxlen=243,
                norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            )
            randomize(module)
            compare(preset, net, dstformer, module, with_root_at_zero(module), batch=1)


if __name__ == "__main__":
    main()
