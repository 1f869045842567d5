"""Compare PSTMO with the public P-STMO repository: poses of all frames, centre one gathered.

The masked pre-training is compared as well, with the same frames and joints hidden in both.

python benchmarks/parity/pstmo.py --repo CHECKOUT    # at commit aea43d0
"""

from __future__ import annotations

import json
import types
from typing import Any

import numpy as np
import torch
from comparing import arguments, compare, imports_from, randomize
from stand_ins import with_root_at_zero

from keras_seal import pose_nets
from keras_seal.interop import base, pstmo
from keras_seal.pose_nets.pstmo_pretraining import MaskedKeypoints


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


def compare_pretraining(original: Any, frames: int) -> None:
    """Compare the guessed keypoints and their gradient by those given."""
    args = types.SimpleNamespace(
        layers=4,
        channel=256,
        d_hid=512,
        frames=frames,
        stride_num=list(pose_nets.pstmo.default_strides(frames)),
        n_joints=17,
        out_joints=17,
        spatial_mask_num=2,
        temporal_mask_rate=0.6,
    )
    module = randomize(original(args))
    hidden = int(0.6 * frames)
    net = MaskedKeypoints("human36m_17", frames, hidden)
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    base.load_state_dict(net, state, pstmo.pretraining_targets(net), pstmo.IGNORED)
    rng = np.random.default_rng(0)
    frame_mask = rng.permutation(frames) < hidden
    joint_mask = np.stack([rng.permutation(16) < 2 for _ in range(frames)])
    joint_mask = np.pad(joint_mask, [(0, 0), (0, 1)])
    order = np.concatenate([np.flatnonzero(~frame_mask), np.flatnonzero(frame_mask)])
    keypoints = rng.uniform(-1, 1, (2, frames, 17, 2)).astype("float32")
    truth = torch.tensor(rng.uniform(-1, 1, keypoints.shape), dtype=torch.float32)

    def ours(x: torch.Tensor) -> torch.Tensor:
        orders = torch.tensor(np.repeat(order[None], len(x), 0), dtype=torch.int32)
        masks = torch.tensor(np.repeat(joint_mask[None], len(x), 0), dtype=torch.float32)
        return net.guesser([x, orders, masks], training=False)[:, order]

    def theirs(x: torch.Tensor) -> torch.Tensor:
        masks = torch.tensor(frame_mask), torch.tensor(joint_mask)
        return module(x.permute(0, 3, 1, 2)[..., None], *masks)[..., 0].permute(0, 2, 3, 1)

    results = []
    for run in (ours, theirs):
        x = torch.tensor(keypoints, requires_grad=True)
        guess = run(x)
        loss = torch.linalg.norm(guess - truth, dim=-1).mean()
        results.append((guess.detach(), torch.autograd.grad(loss, x)[0]))
    (guess, gradient), (their_guess, their_gradient) = results
    scale = max(1.0, float(their_guess.abs().max()))
    line = {
        "net": "pstmo pre-training",
        "frames": frames,
        "max_output_difference": float((guess - their_guess).abs().max()) / scale,
        "max_gradient_difference": float(
            (gradient - their_gradient).abs().max() / their_gradient.abs().max()
        ),
        "parameters": int(sum(np.prod(w.shape) for w in net.trainable_weights)),
        "original_parameters": sum(p.numel() for p in module.parameters()),
        "never_applied": sum(
            p.numel() for n, p in module.named_parameters() if ".model.norm." in n
        ),
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    with imports_from(options.repo, ("model",)) as load:
        original = load("model.stmo").Model
        pretraining = load("model.stmo_pretrain").Model_MAE
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
    for frames in (27, 81):
        compare_pretraining(pretraining, frames)


if __name__ == "__main__":
    main()
