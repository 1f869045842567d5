"""Metrics by their short names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_seal import skeletons
from keras_seal.errors import UserError, nearest
from keras_seal.metrics.streaming import (
    AUC,
    MPJPE,
    MPJVE,
    MPSCE,
    MPSSE,
    NMPJPE,
    PCK,
    PMPJPE,
    AccelerationError,
    BodySegmentLengthError,
    JointAngleError,
    LimbLengthError,
    LimbSymmetryError,
    PartError,
)

_PLAIN: dict[str, Any] = {
    "mpjpe": MPJPE,
    "p_mpjpe": PMPJPE,
    "n_mpjpe": NMPJPE,
    "mpjve": MPJVE,
    "acceleration_error": AccelerationError,
    "pck": PCK,
    "auc": AUC,
}
_STRUCTURAL: dict[str, tuple[Any, dict[str, Any]]] = {
    "lse": (LimbSymmetryError, {}),
    "lse_percent": (LimbSymmetryError, {"relative": True}),
    "bsle": (BodySegmentLengthError, {}),
    "bsle_percent": (BodySegmentLengthError, {"relative": True}),
    "lle": (LimbLengthError, {}),
    "lle_percent": (LimbLengthError, {"relative": True}),
    "jae": (JointAngleError, {}),
    "mpsse": (MPSSE, {}),
    "mpsce": (MPSCE, {}),
}
# Before the name of a joint or group, and before that of a limb.
_OF_A_PART, _OF_A_LIMB = "mpjpe_", "lle_"


def names() -> list[str]:
    """List the short names of the metrics.

    Returns:
        The names that `get` takes; they are also the names in the logs. Names of single parts
        (`"mpjpe_left_wrist"`, `"mpjpe_left_arm"`, `"lle_left_leg"`) depend on the skeleton and are
        not among them.

    Examples:
        >>> from keras_seal import metrics
        >>> metrics.names()[:3]
        ['mpjpe', 'p_mpjpe', 'n_mpjpe']
    """
    return [*_PLAIN, *_STRUCTURAL]


def get(identifier: Any, skeleton: Any = None) -> keras.metrics.Metric:
    """Turn any way of naming a metric into the metric.

    Args:
        identifier: A short name (see `names`), `"mpjpe_"` and a joint or a group of the skeleton,
            `"lle_"` and a limb, a metric, or a serialized metric.
        skeleton: What the structural metrics (lse, bsle, lle, jae, mpsse, mpsce) and those of parts
            measure on: a `Skeleton`, or what `skeletons.get` takes.

    Returns:
        The metric.

    Raises:
        UserError: No metric has that name, or it needs a skeleton.
        TypeError: `identifier` is none of these.

    Examples:
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
    if skeleton is not None:
        skeleton = skeletons.get(skeleton)
        part, limb = identifier.removeprefix(_OF_A_PART), identifier.removeprefix(_OF_A_LIMB)
        if part != identifier and (part in skeleton.joints or part in skeleton.groups):
            return PartError(skeleton, part)
        if limb != identifier and limb in skeleton.limbs:
            return LimbLengthError(skeleton, limb=limb)
    raise UserError(f"There is no metric '{identifier}'.{nearest(identifier, names())}")
