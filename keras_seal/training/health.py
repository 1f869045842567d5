"""Figures that tell whether the game between the two networks is healthy."""

from __future__ import annotations

from typing import Any

from keras import ops

_TINY = 1e-12


def norm(gradient: Any) -> Any:
    """Euclidean norm over everything.

    Args:
        gradient: Any shape.

    Returns:
        A scalar.

    Examples:
        >>> import numpy as np
        >>> float(norm(np.array([[3.0], [4.0]], "float32")))
        5.0
    """
    return ops.sqrt(ops.sum(ops.square(gradient)))


def force_ratio(energy_gradient: Any, pose_gradient: Any) -> Any:
    """How hard the energy pulls, against the pose loss.

    Args:
        energy_gradient: Gradient of the weighted energy by the prediction, any shape.
        pose_gradient: Gradient of the pose loss by the prediction, the same shape.

    Returns:
        Ratio of their norms over the whole batch, a scalar; 0 without energy.

    Examples:
        >>> import numpy as np
        >>> round(float(force_ratio(np.full((2, 1, 3), 0.1), np.full((2, 1, 3), 0.4))), 3)
        0.25
    """
    return norm(energy_gradient) / (norm(pose_gradient) + _TINY)


def alignment(energy_gradient: Any, y_true: Any, y_pred: Any) -> Any:
    """Whether following the energy downhill leads towards the truth.

    The cosine between the negative gradient and the way from the prediction to the truth, each
    frame's pose taken as one vector. Chance is 0.

    Args:
        energy_gradient: Gradient of the energy by the prediction, `(..., joints, 3)`.
        y_true: True poses, `(..., joints, 3)`.
        y_pred: Predictions, `(..., joints, 3)`.

    Returns:
        One cosine a frame, `(...)`; 0 where either vector is zero.

    Examples:
        >>> import numpy as np
        >>> truth, guess = np.zeros((1, 17, 3)), np.ones((1, 17, 3))
        >>> round(float(alignment(guess - truth, truth, guess)[0]), 3)
        1.0
    """
    way = y_true - y_pred
    dot = -ops.sum(energy_gradient * way, axis=(-2, -1))
    squares = ops.sum(ops.square(energy_gradient), axis=(-2, -1)) * ops.sum(
        ops.square(way), axis=(-2, -1)
    )
    return dot / ops.sqrt(ops.maximum(squares, _TINY**2))


def limited(energy_gradient: Any, pose_gradient: Any, limit: float, weight: Any = 1.0) -> Any:
    """Shorten the energy's pull where it is too hard beside the pose loss's.

    Args:
        energy_gradient: Gradient of the energy by the prediction, `(..., joints, 3)`.
        pose_gradient: Gradient of the pose loss by the prediction, the same shape.
        limit: How many times as hard as the pose loss it may pull at a frame's pose.
        weight: Weight of the energy, a scalar.

    Returns:
        The energy's gradient, shorter at some poses; directions stay.

    Examples:
        >>> import numpy as np
        >>> pull, own = np.array([[[9.0]], [[1.0]]], "float32"), np.ones((2, 1, 1), "float32")
        >>> [round(float(value), 4) for value in limited(pull, own, limit=2.0)[:, 0, 0]]
        [2.0, 1.0]
    """
    hard, own = (
        ops.sqrt(ops.sum(ops.square(gradient), axis=(-2, -1), keepdims=True))
        for gradient in (energy_gradient, pose_gradient)
    )
    share = ops.minimum(1.0, limit * own / ops.maximum(weight * hard, _TINY))
    return ops.multiply(energy_gradient, share)
