"""Compare JointFormer and both SimpleBaselines of H3WB with its public repository.

python benchmarks/parity/joint_former.py --repo CHECKOUT    # at commit 0713f74

Both stages of JointFormer for 17 and for 133 joints, the coarse one alone as well; weights that
the last pose does not depend on are counted (`never_used`): ours has none of them. The smaller
SimpleBaseline is for 133 joints only, and makes its dropout while it runs, hence drops in
evaluation too: its dropout is taken out here.
"""

from __future__ import annotations

import types

import torch
from comparing import arguments, compare, imports_from, randomize

from keras_seal import pose_nets, skeletons
from keras_seal.interop import joint_former, large_simple_baseline, simple_baseline


def without(p: float) -> torch.nn.Module:
    """Stand in for a dropout layer."""
    return torch.nn.Identity()


class Stages(torch.nn.Module):
    """The two original stages, joined as the repository's example joins them."""

    def __init__(self, coarse: torch.nn.Module, fine: torch.nn.Module | None) -> None:
        super().__init__()
        self.coarse, self.fine = coarse, fine

    def forward(self, keypoints: torch.Tensor) -> torch.Tensor:
        """Map `(batch, frames, joints, 2)` to the last pose."""
        x = keypoints.flatten(0, 1)
        poses, _, errors, _ = self.coarse(x, return_attns=True)
        if self.fine is not None:
            poses = self.fine(torch.cat([x, poses[-1], errors[-1]], dim=-1))
        return poses[-1].reshape(*keypoints.shape[:3], 3)


def unused(stages: Stages) -> int:
    """Count the weights without which the last pose would be the same."""
    last = len(stages.coarse.layer_stack) - 1
    idle = [stages.coarse.intermediate_enc[last], *stages.coarse.intermediate_error[:last]]
    if stages.fine is None:
        idle.append(stages.coarse.intermediate_error[last])
    else:
        idle.append(stages.fine.intermediate_enc[last])
    return sum(p.numel() for module in idle for p in module.parameters())


def main() -> None:
    """Run the comparison."""
    with imports_from(arguments(__doc__).repo, ("models",)) as load:
        jointformer = load("models.Jointformer")
        large = load("models.LargeSimpleBaseline").model_LargeSimpleBaseline
        plain = load("models.SimpleBaseline")
    for skeleton, preset in (("human36m_17", "joint_former"), ("h3wb_133", "joint_former_h3wb")):
        joints = skeletons.get(skeleton).num_joints
        for seed in range(3 if joints == 17 else 1):
            coarse = jointformer.model_jf_JointTransformer(joints, intermediate=True)
            fine = jointformer.model_jf_ErrorRefinement(joints, intermediate=True)
            stages = Stages(randomize(coarse, seed, 0.5), randomize(fine, seed, 0.5))
            # Half a gigabyte of weights for 133 joints: once each.
            variants = (
                ((True, 1), (False, 3)) if joints == 133 else ((True, 1), (True, 3), (False, 1))
            )
            for refine, frames in variants:
                used = stages if refine else Stages(coarse, None)
                net = pose_nets.from_preset(preset, skeleton, num_frames=frames, refine=refine)
                original = {"coarse.": coarse, **({"fine.": fine} if refine else {})}
                facts = {"joints": joints, "seed": seed, "refine": refine}
                compare(preset, net, joint_former, original, used, never_used=unused(used), **facts)
        for frames in (1, 3):
            module = randomize(large(2 * joints, 3 * joints), spread=0.5)
            preset = "large_simple_baseline_h3wb"
            net = pose_nets.from_preset(preset, skeleton, num_frames=frames)

            def call(x: torch.Tensor, module: torch.nn.Module = module) -> torch.Tensor:
                return module(x.flatten(0, 1).flatten(1)).reshape(*x.shape[:3], 3)

            compare(preset, net, large_simple_baseline, module, call, joints=joints)
    without_dropout = types.SimpleNamespace(**{**vars(torch.nn), "Dropout": without})
    plain.nn = without_dropout
    original = plain.model_A_simple_yet_effective_baseline_for_3d_human_pose_estimation
    for frames in (1, 3):
        module = randomize(original(), spread=0.5).eval()
        preset = "simple_baseline_h3wb"
        net = pose_nets.from_preset(preset, "h3wb_133", num_frames=frames)

        def call_plain(x: torch.Tensor, module: torch.nn.Module = module) -> torch.Tensor:
            return module(x.flatten(0, 1).flatten(1)).reshape(*x.shape[:3], 3)

        compare(preset, net, simple_baseline, module, call_plain, joints=133)


if __name__ == "__main__":
    main()
