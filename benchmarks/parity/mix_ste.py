"""Compare MixSTE with the public MixSTE repository.

python benchmarks/parity/mix_ste.py --repo CHECKOUT    # at commit 72a36be
"""

from __future__ import annotations

from comparing import arguments, compare, imports_from, randomize
from stand_ins import stand_in, with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import mix_ste


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm", "local_attention")
    with imports_from(options.repo, ("common",)) as load:
        original = load("common.model_cross").MixSTE2
    for frames in (9, 27):
        module = randomize(original(num_frame=frames, embed_dim_ratio=512, depth=8, qkv_bias=True))
        net = pose_nets.MixSTE("human36m_17", num_frames=frames)
        compare("mixste", net, mix_ste, module, with_root_at_zero(module), batch=1)


if __name__ == "__main__":
    main()
