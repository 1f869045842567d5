"""Distances between poses, one number a frame: the task errors that losses are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_seal.errors import nearest

# Below this squared length (10 nanometres) an error counts as zero: the gradient of a norm is
# undefined there, and one NaN in it would poison a whole batch.
_TINY = 1e-16


def mpjpe(y_true: Any, y_pred: Any) -> Any:
    """Mean per-joint position error of each frame.

    Args:
        y_true: True poses, metres, `(..., joints, 3)`.
        y_pred: Predicted poses, metres, `(..., joints, 3)`.

    Returns:
        Mean Euclidean distance over the joints, metres, `(...)`.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((1, 1, 17, 3), "float32")
        >>> round(float(mpjpe(truth, truth + [0.3, 0.4, 0.0])[0, 0]), 3)
        0.5
    """
    squared = ops.sum(ops.square(y_pred - y_true), axis=-1)
    return ops.mean(ops.sqrt(ops.maximum(squared, _TINY)), axis=-1)


def mse(y_true: Any, y_pred: Any) -> Any:
    """Mean squared coordinate error of each frame, square metres.

    Args:
        y_true: True poses, metres, `(..., joints, 3)`.
        y_pred: Predicted poses, metres, `(..., joints, 3)`.

    Returns:
        Mean over joints and coordinates, `(...)`.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((1, 1, 17, 3), "float32")
        >>> round(float(mse(truth, truth + [0.3, 0.0, 0.0])[0, 0]), 3)
        0.03
    """
    return ops.mean(ops.square(y_pred - y_true), axis=(-2, -1))


def l1(y_true: Any, y_pred: Any) -> Any:
    """Mean absolute coordinate error of each frame, metres.

    Args:
        y_true: True poses, metres, `(..., joints, 3)`.
        y_pred: Predicted poses, metres, `(..., joints, 3)`.

    Returns:
        Mean over joints and coordinates, `(...)`.

    Examples:
        >>> import numpy as np
        >>> truth = np.zeros((1, 1, 17, 3), "float32")
        >>> round(float(l1(truth, truth + [0.3, 0.0, 0.0])[0, 0]), 3)
        0.1
    """
    return ops.mean(ops.abs(y_pred - y_true), axis=(-2, -1))


DISTANCES: dict[str, Callable[[Any, Any], Any]] = {"mpjpe": mpjpe, "mse": mse, "l1": l1}


def get_distance(name: str) -> Callable[[Any, Any], Any]:
    """Look a distance up by its name.

    Args:
        name: `"mpjpe"`, `"mse"` or `"l1"`.

    Returns:
        The function `(y_true, y_pred) -> (batch, frames)`.

    Raises:
        ValueError: If there is no distance of that name.
    """
    if name not in DISTANCES:
        raise ValueError(f"There is no distance {name!r}.{nearest(str(name), DISTANCES)}")
    return DISTANCES[name]
