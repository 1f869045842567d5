"""Loss-nets: networks that score how plausible a 3D pose is, given the 2D keypoints."""

from __future__ import annotations

from typing import Any

from keras_seal.errors import UserError, nearest
from keras_seal.loss_nets.base import LossNet
from keras_seal.loss_nets.gcn import GCNLossNet
from keras_seal.loss_nets.graph import GraphLossNet
from keras_seal.loss_nets.mlp import MLPLossNet
from keras_seal.loss_nets.spectral import SpectralLimit

__all__ = ["GCNLossNet", "GraphLossNet", "LossNet", "MLPLossNet", "SpectralLimit", "get", "names"]

_CLASSES: dict[str, type[LossNet]] = {
    net.__name__: net for net in (GCNLossNet, GraphLossNet, MLPLossNet)
}


def names() -> list[str]:
    """List the loss-nets.

    Returns:
        Class names, sorted.

    Examples:
        >>> "MLPLossNet" in names()
        True
    """
    return sorted(_CLASSES)


def get(name: str, **options: Any) -> LossNet:
    """Build a loss-net from the name of its class.

    Args:
        name: One of `names()`.
        **options: Arguments of its constructor, `skeleton` among them.

    Returns:
        The net.

    Raises:
        UserError: If nothing has that name.

    Examples:
        >>> get("MLPLossNet", skeleton="human36m_17", units=32).conditional
        True
    """
    if name not in _CLASSES:
        raise UserError(f"No loss-net is called '{name}'.{nearest(name, _CLASSES)}")
    return _CLASSES[name](**options)
