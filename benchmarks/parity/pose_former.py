"""Compare PoseFormer with the public PoseFormer repository.

python benchmarks/parity/pose_former.py --repo CHECKOUT    # at commit a908b29
"""

from __future__ import annotations

from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import pose_former


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm")
    with imports_from(options.repo, ("common",)) as load:
        original = load("common.model_poseformer").PoseTransformer
    for frames in (9, 27, 81):
        module = original(num_frame=frames, qkv_bias=True, drop_path_rate=0)
        module = randomize(module)
        net = pose_nets.from_preset(f"pose_former_{frames}", "human36m_17")
        compare(f"pose_former_{frames}", net, pose_former, module, with_root_at_zero(module))


if __name__ == "__main__":
    main()
