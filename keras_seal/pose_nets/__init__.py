"""Pose-nets: networks that lift 2D keypoints to 3D poses."""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.pose_nets.base import PoseNet
from keras_seal.pose_nets.costs import flops_per_frame, published_costs
from keras_seal.pose_nets.d3dp import D3DP
from keras_seal.pose_nets.dstformer import DSTformer
from keras_seal.pose_nets.graph_mlp import GraphMLP
from keras_seal.pose_nets.hypotheses import aggregate
from keras_seal.pose_nets.image_space import ImageSpaceAdapter
from keras_seal.pose_nets.joint_former import JointFormer
from keras_seal.pose_nets.ktp_former import KTPFormer
from keras_seal.pose_nets.large_simple_baseline import LargeSimpleBaseline
from keras_seal.pose_nets.mix_ste import MixSTE
from keras_seal.pose_nets.modulated_gcn import ModulatedGCN
from keras_seal.pose_nets.motion_ag_former import MotionAGFormer
from keras_seal.pose_nets.pose_former import PoseFormer
from keras_seal.pose_nets.pose_former_v2 import PoseFormerV2
from keras_seal.pose_nets.pstmo import PSTMO
from keras_seal.pose_nets.pstmo_pretraining import MaskedKeypoints
from keras_seal.pose_nets.sem_gcn import SemGCN
from keras_seal.pose_nets.simple_baseline import SimpleBaseline
from keras_seal.pose_nets.video_pose_3d import VideoPose3D

__all__ = [
    "D3DP",
    "PSTMO",
    "DSTformer",
    "GraphMLP",
    "ImageSpaceAdapter",
    "JointFormer",
    "KTPFormer",
    "LargeSimpleBaseline",
    "MaskedKeypoints",
    "MixSTE",
    "ModulatedGCN",
    "MotionAGFormer",
    "PoseFormer",
    "PoseFormerV2",
    "PoseNet",
    "SemGCN",
    "SimpleBaseline",
    "VideoPose3D",
    "aggregate",
    "catalogue",
    "flops_per_frame",
    "from_preset",
    "get",
    "names",
    "presets",
    "usual_skeleton",
]

_CLASSES: dict[str, type[PoseNet]] = {
    net.__name__: net
    for net in (
        GraphMLP,
        JointFormer,
        LargeSimpleBaseline,
        MotionAGFormer,
        DSTformer,
        PSTMO,
        KTPFormer,
        D3DP,
        PoseFormerV2,
        MixSTE,
        PoseFormer,
        ModulatedGCN,
        SemGCN,
        SimpleBaseline,
        VideoPose3D,
    )
}


def names() -> list[str]:
    """List the pose-nets.

    Returns:
        Class names, sorted.

    Examples:
        >>> "SemGCN" in names()
        True
    """
    return sorted(_CLASSES)


def presets() -> dict[str, str]:
    """List the published configurations.

    Returns:
        A description by preset name.

    Examples:
        >>> "sem_gcn" in presets()
        True
    """
    return {
        preset: entry["description"]
        for net in _CLASSES.values()
        for preset, entry in sorted(net.presets.items())
    }


def usual_skeleton(preset: str) -> str:
    """Name the skeleton that a published configuration was made for.

    Args:
        preset: One of `presets()`.

    Returns:
        The name of a built-in skeleton.

    Examples:
        >>> usual_skeleton("sem_gcn")
        'human36m_17'
    """
    entry = next(net.presets[preset] for net in _CLASSES.values() if preset in net.presets)
    return entry.get("skeleton", "human36m_17")


def catalogue() -> list[dict[str, Any]]:
    """List the published configurations with what is known of them.

    Returns:
        A dictionary a preset: `preset`, `pose_net`, `description`, `published` (an error that its
        paper or repository reports, or nothing), `source`, `skeleton`, `num_frames`, `out_frames`,
        `parameters` and `flops_per_frame` (see `keras_seal.pose_nets.costs`).

    Examples:
        >>> [row["parameters"] for row in catalogue() if row["preset"] == "simple_baseline"]
        [4296755]
    """
    costs = published_costs()
    return [
        {
            "preset": preset,
            "pose_net": net.__name__,
            "description": entry["description"],
            "published": entry.get("published", ""),
            "source": net.source,
            **costs[preset],
        }
        for net in sorted(_CLASSES.values(), key=lambda net: net.__name__)
        for preset, entry in net.presets.items()
    ]


def from_preset(preset: str, skeleton: Any, **options: Any) -> PoseNet:
    """Build a published configuration, with fresh weights.

    Args:
        preset: One of `presets()`.
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        **options: Constructor arguments that override the preset's.

    Returns:
        The net.

    Raises:
        UserError: If there is no such preset.

    Examples:
        >>> from_preset("sem_gcn", "human36m_17").filters
        128
    """
    for net in _CLASSES.values():
        if preset in net.presets:
            return net.from_preset(preset, skeleton, **options)
    raise UserError(f"No pose-net preset is called '{preset}'.{nearest(preset, presets())}")


def get(name: str, **options: Any) -> PoseNet:
    """Build a pose-net from the name of its class or of a preset.

    Args:
        name: One of `names()` or `presets()`.
        **options: Arguments of its constructor, `skeleton` among them.

    Returns:
        The net.

    Raises:
        UserError: If nothing has that name.

    Examples:
        >>> get("SimpleBaseline", skeleton="human36m_17", units=32).num_frames
        1
    """
    if name in _CLASSES:
        return _CLASSES[name](**options)
    if name in presets():
        return from_preset(name, **options)
    known = [*names(), *presets()]
    raise UserError(f"No pose-net or preset is called '{name}'.{nearest(name, known)}")
