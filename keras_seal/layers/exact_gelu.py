"""The exact GELU, at its cheapest on each backend."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


def exact_gelu(x: Any) -> Any:
    """Gaussian error linear unit by the error function: `x / 2 * (1 + erf(x / sqrt(2)))`.

    Args:
        x: Tensor.

    Returns:
        Tensor of the same shape.

    Examples:
        >>> round(float(exact_gelu(ops.ones(()))), 4)
        0.8413

    Reference:
        Hendrycks and Gimpel, "Gaussian error linear units", 2016, section 2.
    """
    if keras.backend.backend() == "jax":
        # JAX's own takes the complement of the error function, and XLA on a CPU then spends more
        # time on it than on the matrices around it.
        return x * (0.5 + 0.5 * ops.erf(x * math.sqrt(0.5)))
    return keras.activations.gelu(x, approximate=False)
