"""Compare D3DP with the public D3DP repository: training form, sampling, aggregation.

python benchmarks/parity/d3dp.py --repo CHECKOUT    # at commit afcdd05

The original's noise, which it draws on a GPU, comes from here. Our net puts the root of what it
says at zero in every step, as the original's training asks of it; so does the original here.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from comparing import arguments, imports_from, randomize  # isort: skip (sets the backend)

import numpy as np
import torch
from stand_ins import stand_in
from torch.overrides import TorchFunctionMode

from keras_seal import pose_nets, skeletons
from keras_seal.interop import d3dp
from keras_seal.interop.base import load_state_dict


class GivenNoise(TorchFunctionMode):
    """Hand out given arrays where noise is drawn, and stay on the CPU."""

    def __init__(self, draws: list[np.ndarray]) -> None:
        super().__init__()
        self.draws = [torch.tensor(draw) for draw in draws]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace what is drawn; leave the rest alone."""
        kwargs = dict(kwargs or {})
        if func in (torch.randn, torch.randn_like):
            return self.draws.pop(0)
        if func is torch.Tensor.cuda:
            return args[0]
        if str(kwargs.get("device", "")).startswith("cuda"):
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


class RootAtZero(torch.nn.Module):
    """The original's denoiser with the root of its poses at zero."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the denoiser."""
        poses = self.module(*inputs)
        keep = torch.ones(poses.shape[-2], 1)
        keep[0] = 0.0
        return poses * keep


def difference(ours: Any, theirs: Any) -> float:
    """Largest difference, by the size of what is compared."""
    ours, theirs = (np.asarray(x.detach()) for x in (ours, theirs))
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__)
    stand_in("timm")
    # The original's einops looks whether there is one, and would not understand this one.
    if sys.modules.get("tensorflow", ...) is None:
        del sys.modules["tensorflow"]
    with imports_from(options.repo, ("common",)) as load:
        original = load("common.diffusionpose").D3DP
        errors = load("common.loss")
    skeleton = skeletons.get("human36m_17")
    sides = [list(side) for side in (skeleton.left, skeleton.right)]
    count, steps, batch = 3, 4, 2
    for frames in (9, 27):
        config = argparse.Namespace(
            number_of_frames=frames,
            test_time_augmentation=True,
            timestep=1000,
            timestep_eval=1000,
            scale=1.0,
            cs=512,
            dep=8,
        )
        trains = randomize(original(config, *sides, is_train=True))
        samples = original(
            config, *sides, is_train=False, num_proposals=count, sampling_timesteps=steps
        ).eval()
        samples.load_state_dict(trains.state_dict())
        net = pose_nets.D3DP(skeleton, num_frames=frames)
        state = {name: value.numpy() for name, value in trains.state_dict().items()}
        report = load_state_dict(net, state, d3dp.targets(net), d3dp.IGNORED)

        rng = np.random.default_rng(1)

        def draw(*shape: int, rng: Any = rng) -> np.ndarray:
            return rng.standard_normal(shape).astype("float32")

        keypoints = rng.uniform(-1, 1, (batch, frames, 17, 2)).astype("float32")
        truth = torch.tensor(0.4 * draw(batch, frames, 17, 3))
        truth[:, :, 0] = 0.0
        line: dict[str, Any] = {"net": "d3dp", "frames": frames}

        # What noise makes of poses, at several levels.
        levels = torch.tensor([3, 731])
        noise = draw(batch, frames, 17, 3)
        theirs = trains.q_sample(truth, levels, torch.tensor(noise)).clamp(-1.1, 1.1)
        noisy = net.diffusion.noisy(truth, levels, torch.tensor(noise))
        line["max_noisy_pose_difference"] = difference(noisy, theirs.float())

        # The training form: the clean poses, and how they depend on keypoints and noisy poses.
        target = torch.tensor(draw(batch, frames, 17, 3))
        theirs_estimator = RootAtZero(trains.pose_estimator)
        found = []
        for run in (
            lambda x, p, t, net=net: net.denoiser([x, p, t.float()], training=False),
            theirs_estimator,
        ):
            x = torch.tensor(keypoints, requires_grad=True)
            p = theirs.float().detach().requires_grad_(True)
            poses = run(x, p, levels)
            loss = torch.linalg.norm(poses - target, dim=-1).mean()
            found.append((poses, *torch.autograd.grad(loss, [x, p])))
        line["max_output_difference"] = difference(found[0][0], found[1][0])
        line["max_gradient_difference"] = max(
            float((a - b).abs().max() / b.abs().max())
            for a, b in zip(found[0][1:], found[1][1:], strict=True)
        )

        # Sampling with its mirrored pass, every step of it.
        samples.pose_estimator = RootAtZero(samples.pose_estimator)
        shape = (batch, count, frames, 17, 3)
        draws = [draw(*shape) for _ in range(steps)]
        mirrored = keypoints[:, :, skeleton.mirror_permutation] * np.float32([-1, 1])
        with torch.no_grad(), GivenNoise(draws):
            theirs = samples(
                torch.tensor(keypoints), truth, input_2d_flip=torch.tensor(mirrored)
            ).float()
        with torch.no_grad():
            ours = net.hypotheses(
                keypoints, count, steps, noise=np.stack(draws), flip=True, every_step=True
            )
        keep = torch.ones(17, 1)
        keep[0] = 0.0
        line["max_sampling_difference"] = difference(ours, theirs * keep)

        # Errors of the aggregated poses.
        last, poses = ours[:, -1].numpy(), truth.numpy()
        published = {
            "mean": errors.mpjpe_diffusion(ours, truth, mean_pos=True),
            "best_joints": errors.mpjpe_diffusion_all_min(ours, truth),
            "best_window": torch.stack(
                [errors.mpjpe_diffusion(ours[i : i + 1], truth[i : i + 1]) for i in range(batch)]
            ).mean(0),
        }
        line["max_aggregation_difference"] = max(
            abs(
                float(np.linalg.norm(aggregated - poses, axis=-1).mean())
                - float(published[how][-1])
            )
            for how in published
            for aggregated in [
                pose_nets.aggregate(last, how, **({} if how == "mean" else {"poses": poses}))
            ]
        )
        line |= {
            "parameters": int(sum(np.prod(w.shape) for w in net.trainable_weights)),
            "original_parameters": sum(p.numel() for p in trains.parameters()),
            "missing": list(report.missing),
            "skipped": len(report.skipped),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
