"""The public PyTorch modules, from checkouts of their repositories, ready for a training step.

Only for timing beside ours; nothing of theirs is kept here. What the runners in `parity/` know of
how to import them is used again.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "parity"))

# Folder of each net's repository among the checkouts.
FOLDERS = {
    "simple_baseline": "3d_pose_baseline_pytorch",
    "simple_baseline_large": "3d_pose_baseline_pytorch",
    "sem_gcn": "SemGCN",
    "sem_gcn_non_local": "SemGCN",
    "modulated_gcn": "Modulated-GCN",
    "modulated_gcn_cpn": "Modulated-GCN",
    "graph_mlp": "GraphMLP",
    "graph_mlp_27": "GraphMLP",
    "video_pose_3d": "VideoPose3D",
    "pose_former": "PoseFormer",
    "pose_former_v2": "PoseFormerV2",
    "pstmo": "P-STMO",
    "mix_ste": "MixSTE",
    "ktp_former": "KTPFormer",
    "joint_former": "wholebody3d",
    "large_simple_baseline": "wholebody3d",
    "motion_ag_former_xs": "MotionAGFormer",
    "motion_ag_former_b": "MotionAGFormer",
    "dstformer": "MotionBERT",
    "dstformer_lite": "MotionBERT",
    "d3dp": "D3DP",
}


def build(net: str, checkouts: Path, batch: int) -> tuple[Any, Callable, Any, Any]:
    """Build an original.

    Args:
        net: One of `FOLDERS`.
        checkouts: The folder of the checkouts.
        batch: Samples.

    Returns:
        The module, a function that calls it, an input, and poses to learn.
    """
    import comparing  # noqa: F401
    import torch

    # That keeps TensorFlow away, in a way that einops would not understand.
    if sys.modules.get("tensorflow", ...) is None:
        del sys.modules["tensorflow"]
    torch.manual_seed(0)
    module, call, frames, joints, out_frames = _BUILDERS[net](checkouts / FOLDERS[net], net)
    x = torch.rand(batch, frames, joints, 2) * 2 - 1
    y = 0.3 * torch.randn(batch, out_frames, joints, 3)
    assert call(x).shape == y.shape, (call(x).shape, y.shape)
    return module, call, x, y


def _simple_baseline(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from stand_ins import stand_in

    stand_in("progress", "h5py")
    with imports_from(repo, ("src",)) as load:
        original = load("src.model").LinearModel
    module = original(2048, 3) if net.endswith("large") else original(1024, 2)
    return module, lambda x: module(x.flatten(1)).reshape(-1, 1, 16, 3), 1, 16, 1


def _sem_gcn(repo: Path, net: str) -> tuple:
    import torch
    from comparing import imports_from
    from sem_gcn import GROUPS, read_python2

    with imports_from(repo, ("models", "common")) as load:
        load("models.sem_graph_conv")
        load("models.graph_non_local")
        original = read_python2(repo / "models" / "sem_gcn.py", "sem_gcn").SemGCN
    graph = torch.tensor(_adjacency("human36m_16") + np.eye(16)).float()
    groups = list(GROUPS) if net.endswith("non_local") else None
    module = original(graph, 128, num_layers=4, nodes_group=groups)
    return module, lambda x: module(x[:, 0])[:, None], 1, 16, 1


def _modulated_gcn(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from modulated_gcn import published_graph

    packages = ("models", "nets", "utils")
    if net == "modulated_gcn":
        with imports_from(repo / "Modulated_GCN" / "Modulated_GCN_gt", packages) as load:
            original = load("models.modulated_gcn").ModulatedGCN
        module = original(published_graph("human36m_16"), 128)
        return module, lambda x: module(x[:, 0])[:, None], 1, 16, 1
    with imports_from(repo / "Modulated_GCN" / "Modulated-GCN_benchmark", packages) as load:
        original = load("models.modulated_gcn").ModulatedGCN
    module = original(published_graph("human36m_17"), 384, num_layers=4, p_dropout=0.2)

    def call(x: Any) -> Any:
        return module(x[:, 0].permute(0, 2, 1)[:, :, None, :, None])[..., 0].permute(0, 2, 3, 1)

    return module, call, 1, 17, 1


def _graph_mlp(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from stand_ins import stand_in

    stand_in("timm")
    with imports_from(repo, ("model",)) as load:
        load("model.block.mlp_gcn").DropPath = _drop_path()
        original = load("model.graphmlp").Model
    frames = 27 if net.endswith("27") else 1
    module = original(
        types.SimpleNamespace(
            frames=frames, channel=512, layers=3, d_hid=1024, token_dim=256, n_joints=17
        )
    )
    return module, module, frames, 17, 1


def _video_pose_3d(repo: Path, net: str) -> tuple:
    from comparing import imports_from

    with imports_from(repo, ("common",)) as load:
        original = load("common.model").TemporalModelOptimized1f
    module = original(17, 2, 17, [3] * 5, channels=1024)
    return module, module, 243, 17, 1


def _pose_former(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from stand_ins import stand_in

    stand_in("timm")
    with imports_from(repo, ("common",)) as load:
        file = load("common.model_poseformer")
    file.DropPath = _drop_path()
    module = file.PoseTransformer(num_frame=81, qkv_bias=True, drop_path_rate=0.1)
    return module, module, 81, 17, 1


def _pose_former_v2(repo: Path, net: str) -> tuple:
    import scipy.fft
    from comparing import imports_from
    from pose_former_v2 import _along_the_last_axis
    from stand_ins import stand_in

    stand_in("timm", "torchsummary", "ptflops", "thop")
    transforms = types.ModuleType("torch_dct")
    transforms.dct = _along_the_last_axis(scipy.fft.dct)
    transforms.idct = _along_the_last_axis(scipy.fft.idct)
    sys.modules["torch_dct"] = transforms
    with imports_from(repo, ("common",)) as load:
        file = load("common.model_poseformer")
    file.DropPath = _drop_path()
    options = types.SimpleNamespace(
        embed_dim_ratio=32, depth=4, number_of_kept_frames=3, number_of_kept_coeffs=3
    )
    module = file.PoseTransformerV2(num_frame=81, drop_path_rate=0.1, args=options)
    return module, module, 81, 17, 1


def _pstmo(repo: Path, net: str) -> tuple:
    import pstmo
    from comparing import imports_from

    from keras_seal import pose_nets

    with imports_from(repo, ("model",)) as load:
        original = load("model.stmo").Model
    options = types.SimpleNamespace(
        layers=4,
        channel=256,
        d_hid=512,
        frames=243,
        stride_num=list(pose_nets.pstmo.default_strides(243)),
        n_joints=17,
        out_joints=17,
    )
    module = pstmo.AllFrames(original(options))
    return module, module, 243, 17, 243


def _mix_ste(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from stand_ins import stand_in

    stand_in("timm", "local_attention")
    with imports_from(repo, ("common",)) as load:
        file = load("common.model_cross")
    file.DropPath = _drop_path()
    module = file.MixSTE2(
        num_frame=27, embed_dim_ratio=512, depth=8, qkv_bias=True, drop_path_rate=0.1
    )
    return module, module, 27, 17, 27


def _ktp_former(repo: Path, net: str) -> tuple:
    import torch
    from comparing import imports_from
    from ktp_former import published
    from stand_ins import stand_in

    stand_in("timm")
    with imports_from(repo, ("common",)) as load:
        file = load("common.model_ktpformer")
    file.DropPath = _drop_path()
    joints = published(_adjacency("human36m_17"))
    chain = published(np.eye(27, k=1) + np.eye(27, k=-1))
    module = file.KTPFormer(joints, chain, num_frame=27, embed_dim_ratio=512, depth=7)
    for part in module.modules():
        # It adds in place onto a ReLU's output, which cannot be differentiated.
        if isinstance(part, torch.nn.ReLU):
            part.register_forward_hook(lambda part, inputs, output: output.clone())
    return module, module, 27, 17, 27


def _joint_former(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from joint_former import Stages

    with imports_from(repo, ("models",)) as load:
        file = load("models.Jointformer")
    module = Stages(
        file.model_jf_JointTransformer(17, intermediate=True),
        file.model_jf_ErrorRefinement(17, intermediate=True),
    )
    return module, module, 1, 17, 1


def _large_simple_baseline(repo: Path, net: str) -> tuple:
    from comparing import imports_from

    with imports_from(repo, ("models",)) as load:
        module = load("models.LargeSimpleBaseline").model_LargeSimpleBaseline(266, 399)
    return module, lambda x: module(x.flatten(1)).reshape(-1, 1, 133, 3), 1, 133, 1


def _motion_ag_former(repo: Path, net: str) -> tuple:
    from comparing import imports_from
    from stand_ins import stand_in

    stand_in("timm")
    with imports_from(repo, ("model",)) as load:
        original = load("model.MotionAGFormer").MotionAGFormer
    layers, features = (12, 64) if net.endswith("xs") else (16, 128)
    module = original(
        n_layers=layers, dim_in=2, dim_feat=features, num_heads=8, neighbour_num=2, n_frames=27
    )
    return module, module, 27, 17, 27


def _dstformer(repo: Path, net: str) -> tuple:
    from functools import partial

    import torch
    from comparing import imports_from

    with imports_from(repo, ("lib",)) as load:
        original = load("lib.model.DSTformer").DSTformer
    module = original(
        dim_in=2,
        dim_feat=256 if net.endswith("lite") else 512,
        dim_rep=512,
        depth=5,
        num_heads=8,
        mlp_ratio=4 if net.endswith("lite") else 2,
        maxlen=243,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    return module, module, 27, 17, 27


def _d3dp(repo: Path, net: str) -> tuple:
    import torch
    from comparing import imports_from
    from stand_ins import stand_in

    from keras_seal import skeletons

    stand_in("timm")
    with imports_from(repo, ("common",)) as load:
        original = load("common.diffusionpose").D3DP
    options = types.SimpleNamespace(
        number_of_frames=27,
        test_time_augmentation=True,
        timestep=1000,
        timestep_eval=1000,
        scale=1.0,
        cs=512,
        dep=8,
    )
    skeleton = skeletons.get("human36m_17")
    sides = [list(side) for side in (skeleton.left, skeleton.right)]
    module = original(options, *sides, is_train=True).pose_estimator

    def denoise(x: Any) -> Any:
        """One pass of the denoiser: what a training step needs, and a sampling step."""
        levels = torch.randint(0, 1000, (len(x),))
        noisy = torch.randn(*x.shape[:3], 3)
        return module(x, noisy, levels)

    return module, denoise, 27, 17, 27


_BUILDERS = {
    "simple_baseline": _simple_baseline,
    "simple_baseline_large": _simple_baseline,
    "sem_gcn": _sem_gcn,
    "sem_gcn_non_local": _sem_gcn,
    "modulated_gcn": _modulated_gcn,
    "modulated_gcn_cpn": _modulated_gcn,
    "graph_mlp": _graph_mlp,
    "graph_mlp_27": _graph_mlp,
    "video_pose_3d": _video_pose_3d,
    "pose_former": _pose_former,
    "pose_former_v2": _pose_former_v2,
    "pstmo": _pstmo,
    "mix_ste": _mix_ste,
    "ktp_former": _ktp_former,
    "joint_former": _joint_former,
    "large_simple_baseline": _large_simple_baseline,
    "motion_ag_former_xs": _motion_ag_former,
    "motion_ag_former_b": _motion_ag_former,
    "dstformer": _dstformer,
    "dstformer_lite": _dstformer,
    "d3dp": _d3dp,
}


def _adjacency(skeleton: str) -> np.ndarray:
    from keras_seal import skeletons

    return np.array(skeletons.get(skeleton).adjacency, dtype="float64")


def _drop_path() -> type:
    """Make the layer that timm would bring: drops a sample's branch, and scales the others up."""
    import torch

    class DropPath(torch.nn.Module):
        def __init__(self, rate: float = 0.0) -> None:
            super().__init__()
            self.rate = rate or 0.0

        def forward(self, x: Any) -> Any:
            if not self.training or not self.rate:
                return x
            keep = torch.rand(len(x), *[1] * (x.ndim - 1)) >= self.rate
            return x * keep / (1 - self.rate)

    return DropPath
