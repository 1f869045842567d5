"""Compare KTPFormer with the public KTPFormer repository.

python benchmarks/parity/ktp_former.py --repo CHECKOUT    # at commit b961951

The original adds in place onto the output of a ReLU, which PyTorch refuses to differentiate: here
its ReLUs hand out copies, which changes no number.
"""

from __future__ import annotations

import numpy as np
import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets, skeletons
from keras_seal.interop import ktp_former


def published(adjacency: np.ndarray) -> torch.Tensor:
    """Normalise the rows, then put ones on the diagonal."""
    matrix = adjacency / adjacency.sum(1, keepdims=True)
    np.fill_diagonal(matrix, 1.0)
    return torch.tensor(matrix, dtype=torch.float32)


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm")
    with imports_from(options.repo, ("common",)) as load:
        original = load("common.model_ktpformer").KTPFormer
    joints = published(np.array(skeletons.get("human36m_17").adjacency))
    for frames in (9, 27):
        chain = published(np.eye(frames, k=1) + np.eye(frames, k=-1))
        module = original(joints, chain, num_frame=frames, embed_dim_ratio=512, depth=7)
        randomize(module)
        for part in module.modules():
            if isinstance(part, torch.nn.ReLU):
                part.register_forward_hook(lambda part, inputs, output: output.clone())
        net = pose_nets.KTPFormer("human36m_17", num_frames=frames)
        compare("ktp_former", net, ktp_former, module, with_root_at_zero(module), batch=1)


if __name__ == "__main__":
    main()
