"""Compare PoseFormerV2 with the public PoseFormerV2 repository.

python benchmarks/parity/pose_former_v2.py --repo CHECKOUT    # at commit 008036a

The package torch_dct is replaced by SciPy's transforms, written as matrices.
"""

from __future__ import annotations

import sys
import types

import scipy.fft
import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import pose_former_v2


def _along_the_last_axis(transform):
    def apply(x):
        eye = torch.eye(x.shape[-1], dtype=torch.float64).numpy()
        return x @ torch.tensor(transform(eye, axis=-1), dtype=x.dtype)

    return apply


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm", "torchsummary", "ptflops", "thop")
    transforms = types.ModuleType("torch_dct")
    transforms.dct = _along_the_last_axis(scipy.fft.dct)
    transforms.idct = _along_the_last_axis(scipy.fft.idct)
    sys.modules["torch_dct"] = transforms
    with imports_from(options.repo, ("common",)) as load:
        original = load("common.model_poseformer").PoseTransformerV2
    for preset in ("27_1_3", "81_3_3", "243_27_27"):
        frames, kept, coefficients = map(int, preset.split("_"))
        args = types.SimpleNamespace(
            embed_dim_ratio=32,
            depth=4,
            number_of_kept_frames=kept,
            number_of_kept_coeffs=coefficients,
        )
        module = randomize(original(num_frame=frames, drop_path_rate=0, args=args))
        net = pose_nets.from_preset(f"pose_former_v2_{preset}", "human36m_17")
        call = with_root_at_zero(module)
        compare(f"pose_former_v2_{preset}", net, pose_former_v2, module, call)


if __name__ == "__main__":
    main()
