"""Compare VideoPose3D with the public VideoPose3D repository, dilated and strided.

python benchmarks/parity/video_pose_3d.py --repo CHECKOUT    # at commit 1afb1ca
"""

from __future__ import annotations

import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import video_pose_3d


def main() -> None:
    """Run the comparison."""
    with imports_from(arguments(__doc__).repo, ("common",)) as load:
        model = load("common.model")
    sizes = {27: ([3, 3, 3], 1024), 81: ([3, 3, 3, 3], 128), 9: ([3, 3], 64), 25: ([5, 5], 64)}
    for field, (widths, channels) in sizes.items():
        for causal in (False, True):
            torch.manual_seed(0)
            options = {"causal": causal, "channels": channels}
            dilated = randomize(model.TemporalModel(17, 2, 17, widths, **options), spread=0.5)
            strided = model.TemporalModelOptimized1f(17, 2, 17, widths, **options).eval()
            strided.load_state_dict(dilated.state_dict())

            def one_frame(x: torch.Tensor, module=strided, field=field) -> torch.Tensor:
                return module(x[:, :field])

            def all_frames(x: torch.Tensor, module=dilated, field=field, causal=causal):
                before, after = (field - 1, 0) if causal else (field // 2, field // 2)
                first, last = x[:, :1].expand(-1, before, -1, -1), x[:, -1:]
                return module(torch.cat([first, x, last.expand(-1, after, -1, -1)], dim=1))

            ours = {"filter_widths": widths, "filters": channels, "causal": causal}
            net = pose_nets.VideoPose3D("human36m_17", **ours)
            facts = {"causal": causal, "widths": widths}
            call = with_root_at_zero(one_frame)
            compare("video_pose_3d strided", net, video_pose_3d, strided, call, **facts)
            net = pose_nets.VideoPose3D("human36m_17", num_frames=5, out_frames=5, **ours)
            call = with_root_at_zero(all_frames)
            compare("video_pose_3d dilated", net, video_pose_3d, dilated, call, **facts)


if __name__ == "__main__":
    main()
