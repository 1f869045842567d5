"""Initialisers that the published graph nets use and Keras does not have."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_seal")
class StackedXavierUniform(keras.initializers.RandomUniform):
    """Xavier uniform with the fans of a stack of matrices `(count, inputs, outputs)`.

    SemGCN stacks its two weight matrices in one tensor before drawing them, so that the fans are
    those of a three-dimensional tensor: `inputs * outputs` and `count * outputs`. The range is a
    good deal narrower than that of each matrix alone.

    Args:
        gain: Factor of the range.
        seed: Integer or `keras.random.SeedGenerator`.

    Examples:
        >>> StackedXavierUniform(seed=0)((2, 8, 16)).shape == (2, 8, 16)
        True

    Reference:
        Zhao et al., "Semantic graph convolutional networks for 3D human pose regression",
        CVPR 2019 (its public implementation).
    """

    def __init__(self, gain: float = 1.414, seed: Any = None) -> None:
        super().__init__(seed=seed)
        self.gain = gain

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        if len(shape) != 3:
            raise ValueError(f"Expected a shape (count, inputs, outputs), got {tuple(shape)}.")
        count, inputs, outputs = shape
        limit = self.gain * math.sqrt(6.0 / (inputs * outputs + count * outputs))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": super().get_config()["seed"]}


@keras.saving.register_keras_serializable(package="keras_seal")
class InverseRootUniform(keras.initializers.RandomUniform):
    """Uniform in plus or minus 1 / sqrt(size of the last axis), for biases.

    Args:
        seed: Integer or `keras.random.SeedGenerator`.

    Examples:
        >>> float(abs(keras.ops.max(InverseRootUniform(seed=0)((16,))))) <= 0.25
        True
    """

    def __init__(self, seed: Any = None) -> None:
        super().__init__(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        limit = 1.0 / math.sqrt(shape[-1])
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": super().get_config()["seed"]}


def linear_initializers(inputs: int) -> dict[str, Any]:
    """The initialisers of PyTorch's linear layers and convolutions: weights and biases alike.

    Both are uniform in plus or minus 1 / sqrt(`inputs`).

    Args:
        inputs: Numbers that each output is made of: channels, times the width of a convolution.

    Returns:
        Arguments `kernel_initializer` and `bias_initializer` of `keras.layers.Dense`.

    Examples:
        >>> layer = keras.layers.Dense(8, **linear_initializers(4))
        >>> layer.build((None, 4))
        >>> float(keras.ops.max(keras.ops.abs(layer.bias))) <= 0.5
        True
    """
    limit = 1.0 / math.sqrt(inputs)
    return {
        f"{weight}_initializer": keras.initializers.RandomUniform(-limit, limit)
        for weight in ("kernel", "bias")
    }
