"""Metrics of poses: position, velocity, and how well bones and limbs keep their lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_seal.errors import UserError, nearest
from keras_seal.metrics import functional
from keras_seal.metrics.streaming import (
    MPJPE,
    MPJVE,
    NMPJPE,
    PMPJPE,
    AccelerationError,
    BodySegmentLengthError,
    JointAngleError,
    LimbLengthError,
    LimbSymmetryError,
    PoseMetric,
)

__all__ = [
    "MPJPE",
    "MPJVE",
    "NMPJPE",
    "PMPJPE",
    "AccelerationError",
    "BodySegmentLengthError",
    "JointAngleError",
    "LimbLengthError",
    "LimbSymmetryError",
    "PoseMetric",
    "functional",
    "get",
    "names",
]

_PLAIN: dict[str, Any] = {
    "mpjpe": MPJPE,
    "p_mpjpe": PMPJPE,
    "n_mpjpe": NMPJPE,
    "mpjve": MPJVE,
    "acceleration_error": AccelerationError,
}
_STRUCTURAL: dict[str, tuple[Any, dict[str, Any]]] = {
    "lse": (LimbSymmetryError, {}),
    "lse_percent": (LimbSymmetryError, {"relative": True}),
    "bsle": (BodySegmentLengthError, {}),
    "bsle_percent": (BodySegmentLengthError, {"relative": True}),
    "lle": (LimbLengthError, {}),
    "lle_percent": (LimbLengthError, {"relative": True}),
    "jae": (JointAngleError, {}),
}


def names() -> list[str]:
    """List the short names of the metrics.

    Returns:
        The names that `get` takes; they are also the names in the logs.

    Example:
        >>> from keras_seal import metrics
        >>> metrics.names()[:3]
        ['mpjpe', 'p_mpjpe', 'n_mpjpe']
    """
    return [*_PLAIN, *_STRUCTURAL]


def get(identifier: Any, skeleton: Any = None) -> keras.metrics.Metric:
    """Turn any way of naming a metric into the metric.

    Args:
        identifier: A short name (see `names`), a metric, or a serialized metric.
        skeleton: What the structural metrics (lse, bsle, lle, jae) measure on: a `Skeleton`, or
            what `skeletons.get` takes.

    Returns:
        The metric.

    Raises:
        UserError: No metric has that name, or it needs a skeleton.
        TypeError: `identifier` is none of these.

    Example:
        >>> from keras_seal import metrics
        >>> metrics.get("lse_percent", skeleton="human36m_17").unit
        '%'
    """
    if isinstance(identifier, keras.metrics.Metric):
        return identifier
    if isinstance(identifier, Mapping):
        return keras.saving.deserialize_keras_object(dict(identifier))
    if not isinstance(identifier, str):
        raise TypeError(
            "A metric must be a short name, a keras metric or a serialized one; got "
            f"{type(identifier).__name__}."
        )
    if identifier in _PLAIN:
        return _PLAIN[identifier]()
    if identifier in _STRUCTURAL:
        if skeleton is None:
            raise UserError(f"Metric '{identifier}' measures bones: tell it the `skeleton`.")
        metric_class, options = _STRUCTURAL[identifier]
        return metric_class(skeleton, **options)
    raise UserError(f"There is no metric '{identifier}'.{nearest(identifier, names())}")
