"""The two dense layers of a transformer block."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.layers.exact_gelu import exact_gelu
from keras_seal.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable(package="keras_seal")
class FeedForward(keras.layers.Layer):
    """A dense layer, an activation, and a dense layer back to the channels of the inputs.

    Args:
        units: Width between the two.
        activation: `"gelu"` is the exact one (by the error function).
        dropout: Dropout rate after the activation.
        kernel_initializer: Of both; None for that of PyTorch's linear layers, biases included.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., channels)`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> tuple(FeedForward(64)(ops.zeros((4, 17, 32))).shape)
        (4, 17, 32)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "gelu",
        dropout: float = 0.0,
        kernel_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units)
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"{self.name} needs the number of channels, got {input_shape}.")

        def linear(units: int, inputs: int, name: str) -> keras.layers.Dense:
            if self.kernel_initializer is None:
                initializers = linear_initializers(inputs)
            else:
                # Keras' initialisers draw the same numbers each time they are used.
                initializers = {"kernel_initializer": self.kernel_initializer.clone()}
            layer = keras.layers.Dense(units, dtype=self.dtype_policy, name=name, **initializers)
            layer.build((None, inputs))
            return layer

        self.expand = linear(self.units, channels, "expand")
        self.contract = linear(channels, self.units, "contract")
        self.dropout_layer = (
            keras.layers.Dropout(self.dropout, dtype=self.dtype_policy) if self.dropout else None
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        # On two axes: XLA copies whole activations to transpose the gradient's operands otherwise.
        hidden = self.expand(ops.reshape(inputs, (-1, inputs.shape[-1])))
        if self.activation is keras.activations.gelu:
            hidden = exact_gelu(hidden)
        else:
            hidden = self.activation(hidden)
        if self.dropout_layer is not None:
            hidden = self.dropout_layer(hidden, training=training)
        return ops.reshape(self.contract(hidden), ops.shape(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)
            if self.kernel_initializer
            else None,
        }
