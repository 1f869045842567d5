"""A bound on how much a kernel can stretch its input."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

_TINY = 1e-12


@keras.saving.register_keras_serializable(package="keras_seal")
class SpectralLimit(keras.constraints.Constraint):
    """Keep the largest singular value of a kernel at a limit or below.

    After each update a kernel that stretches more is scaled down. The singular value is found by
    power iteration from a fixed start, which comes within a few percent of it from below.

    Args:
        limit: Largest singular value.
        iterations: Power iterations an update.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> kernel = np.diag([4.0, 1.0]).astype("float32")
        >>> ops.convert_to_numpy(SpectralLimit(2.0, iterations=20)(kernel)).round(3).tolist()
        [[2.0, 0.0], [0.0, 0.5]]

    Reference:
        Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018; here
        a projection after the update, not a reparametrisation.
    """

    def __init__(self, limit: float = 1.0, iterations: int = 8) -> None:
        if not limit > 0 or iterations < 1:
            raise ValueError(
                f"limit is {limit} and iterations {iterations}: expected more than 0, and at least"
                " 1."
            )
        self.limit = float(limit)
        self.iterations = int(iterations)

    def __call__(self, w: Any) -> Any:
        """Scale a kernel down where it stretches more than `limit`."""
        kernel = ops.convert_to_tensor(w)
        matrix = ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1]))
        start = np.random.default_rng(0).standard_normal((matrix.shape[-1], 1)).astype("float32")
        vector = ops.convert_to_tensor(start)
        stretched = ops.matmul(matrix, vector)
        for _ in range(self.iterations):
            vector = _unit(ops.matmul(ops.transpose(matrix), stretched))
            stretched = ops.matmul(matrix, vector)
        largest = ops.sqrt(ops.sum(ops.square(stretched)))
        factor = self.limit / ops.maximum(largest, self.limit)
        return kernel * ops.cast(factor, kernel.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the constraint."""
        return {"limit": self.limit, "iterations": self.iterations}


def _unit(vector: Any) -> Any:
    return vector / ops.sqrt(ops.maximum(ops.sum(ops.square(vector)), _TINY))
