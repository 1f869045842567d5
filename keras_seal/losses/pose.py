"""Pose losses for `compile(loss=...)`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.errors import nearest
from keras_seal.losses.distances import get_distance


class PoseLoss(keras.losses.Loss):
    """Mean of a distance over batch and frames.

    `call` returns one value a frame, so a `sample_weight` of shape `(batch,)` or
    `(batch, frames)` weighs whole poses. The mean is Keras' `"sum_over_batch_size"`. Distances
    are computed in float32 whatever the precision of the prediction.

    Args:
        distance: `"mpjpe"`, `"mse"` or `"l1"`.
        name: Name of the loss.
        reduction: One of Keras' reductions.
    """

    def __init__(
        self, distance: str, name: str | None = None, reduction: str = "sum_over_batch_size"
    ) -> None:
        self._distance = get_distance(distance)
        super().__init__(name=name or distance, reduction=reduction, dtype="float32")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Mean over batch and frames.

        Args:
            y_true: True poses, metres, `(batch, frames, joints, 3)`.
            y_pred: Predicted poses, metres, the same shape.
            sample_weight: Weight of each sample, `(batch,)`, or of each frame, `(batch, frames)`.

        Returns:
            A scalar.
        """
        # Keras would not spread a weight a sample over that sample's frames.
        if sample_weight is not None and len(sample_weight.shape) == 1:
            sample_weight = ops.expand_dims(ops.convert_to_tensor(sample_weight), -1)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One value a frame.

        Args:
            y_true: True poses, metres, `(batch, frames, joints, 3)`.
            y_pred: Predicted poses, metres, the same shape.

        Returns:
            `(batch, frames)`.
        """
        return self._distance(ops.cast(y_true, "float32"), ops.cast(y_pred, "float32"))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the loss."""
        return {"name": self.name, "reduction": self.reduction}


@keras.saving.register_keras_serializable(package="keras_seal")
class MPJPE(PoseLoss):
    """Mean per-joint position error, metres: the loss that lifting papers train with.

    Args:
        name: Name of the loss.
        reduction: One of Keras' reductions.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((2, 1, 17, 3), "float32")
        >>> round(float(MPJPE()(truth, truth + [0.0, 0.0, 0.1])), 3)
        0.1
    """

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        super().__init__("mpjpe", name, reduction)


@keras.saving.register_keras_serializable(package="keras_seal")
class MSE(PoseLoss):
    """Mean squared coordinate error, square metres.

    Args:
        name: Name of the loss.
        reduction: One of Keras' reductions.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((2, 1, 17, 3), "float32")
        >>> round(float(MSE()(truth, truth + [0.0, 0.0, 0.3])), 3)
        0.03
    """

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        super().__init__("mse", name, reduction)


@keras.saving.register_keras_serializable(package="keras_seal")
class L1(PoseLoss):
    """Mean absolute coordinate error, metres.

    Args:
        name: Name of the loss.
        reduction: One of Keras' reductions.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((2, 1, 17, 3), "float32")
        >>> round(float(L1()(truth, truth + [0.0, 0.0, 0.3])), 3)
        0.1
    """

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        super().__init__("l1", name, reduction)


_LOSSES = {"mpjpe": MPJPE, "mse": MSE, "l1": L1}


def get(identifier: Any) -> Any:
    """Turn a name into a pose loss; anything that is not a name passes through to Keras.

    Args:
        identifier: `"mpjpe"`, `"mse"`, `"l1"`, a Keras loss or a function.

    Returns:
        A loss for `compile`.

    Raises:
        ValueError: If there is no pose loss of that name.

    Examples:
        >>> get("mpjpe").name
        'mpjpe'
    """
    if not isinstance(identifier, str):
        return identifier
    if identifier not in _LOSSES:
        raise ValueError(f"There is no pose loss {identifier!r}.{nearest(identifier, _LOSSES)}")
    return _LOSSES[identifier]()
