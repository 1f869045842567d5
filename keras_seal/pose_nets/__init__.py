"""Pose-nets: networks that lift 2D keypoints to 3D poses."""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.pose_nets.base import PoseNet
from keras_seal.pose_nets.graph_mlp import GraphMLP
from keras_seal.pose_nets.ktp_former import KTPFormer
from keras_seal.pose_nets.mix_ste import MixSTE
from keras_seal.pose_nets.modulated_gcn import ModulatedGCN
from keras_seal.pose_nets.pose_former import PoseFormer
from keras_seal.pose_nets.pose_former_v2 import PoseFormerV2
from keras_seal.pose_nets.pstmo import PSTMO
from keras_seal.pose_nets.pstmo_pretraining import MaskedKeypoints
from keras_seal.pose_nets.sem_gcn import SemGCN
from keras_seal.pose_nets.simple_baseline import SimpleBaseline
from keras_seal.pose_nets.video_pose_3d import VideoPose3D

__all__ = [
    "PSTMO",
    "GraphMLP",
    "KTPFormer",
    "MaskedKeypoints",
    "MixSTE",
    "ModulatedGCN",
    "PoseFormer",
    "PoseFormerV2",
    "PoseNet",
    "SemGCN",
    "SimpleBaseline",
    "VideoPose3D",
    "from_preset",
    "get",
    "names",
    "presets",
]

_CLASSES: dict[str, type[PoseNet]] = {
    net.__name__: net
    for net in (
        GraphMLP,
        PSTMO,
        KTPFormer,
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

    Example:
        >>> "SemGCN" in names()
        True
    """
    return sorted(_CLASSES)


def presets() -> dict[str, str]:
    """List the published configurations.

    Returns:
        A description by preset name.

    Example:
        >>> "sem_gcn" in presets()
        True
    """
    return {
        preset: entry["description"]
        for net in _CLASSES.values()
        for preset, entry in sorted(net.presets.items())
    }


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

    Example:
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

    Example:
        >>> get("SimpleBaseline", skeleton="human36m_17", units=32).num_frames
        1
    """
    if name in _CLASSES:
        return _CLASSES[name](**options)
    if name in presets():
        return from_preset(name, **options)
    known = [*names(), *presets()]
    raise UserError(f"No pose-net or preset is called '{name}'.{nearest(name, known)}")
