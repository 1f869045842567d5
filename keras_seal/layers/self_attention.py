"""Multi-head self-attention between tokens on any axis."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.layers.initializers import linear_initializers


@keras.saving.register_keras_serializable(package="keras_seal")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with one fused projection to queries, keys and values.

    Tokens may lie on the joint axis or on the frame axis of the same `(batch, frames, joints,
    channels)`: all other axes count as batch, and nothing is rearranged before or after.
    The softmax is computed in float32 whatever the dtype policy.

    Args:
        num_heads: Number of heads.
        axis: Where the tokens lie: -2 for `(..., tokens, channels)`, -3 for
            `(..., tokens, others, channels)`.
        qkv_bias: Whether the fused projection has a bias.
        dropout: Dropout rate of the attention weights.
        head_channels: Channels of each head's queries, keys and values; None for those of the
            inputs divided by the number of heads.
        projection_bias: Whether the projection after the heads has a bias.
        kernel_initializer: Of the projections; None for that of PyTorch's linear layers, biases
            included.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., tokens, channels)`.

    Raises:
        ValueError: If heads do not divide channels though no `head_channels` are given, or inputs
            have too few axes.

    Examples:
        >>> layer = SelfAttention(4, axis=-3)
        >>> tuple(layer(ops.zeros((2, 27, 17, 32))).shape)
        (2, 27, 17, 32)

    Reference:
        Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.
    """

    def __init__(
        self,
        num_heads: int,
        axis: int = -2,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        head_channels: int | None = None,
        projection_bias: bool = True,
        kernel_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if axis not in (-2, -3):
            raise ValueError(f"`axis` is -2 or -3, got {axis!r}.")
        self.num_heads = check_integer("num_heads", num_heads)
        self.axis = axis
        self.qkv_bias = qkv_bias
        self.dropout = dropout
        self.head_channels = (
            None if head_channels is None else check_integer("head_channels", head_channels)
        )
        self.projection_bias = projection_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1] if len(input_shape) > -self.axis else None
        if channels is None or (self.head_channels is None and channels % self.num_heads):
            raise ValueError(
                f"{self.name} takes at least {1 - self.axis} axes and a number of channels that "
                f"its {self.num_heads} heads divide, got shape {tuple(input_shape)}."
            )
        inner = self.num_heads * (self.head_channels or channels // self.num_heads)

        def linear(inputs: int, units: int, use_bias: bool, name: str) -> keras.layers.Dense:
            if self.kernel_initializer is None:
                initializers = linear_initializers(inputs)
            else:
                # Keras' initialisers draw the same numbers each time they are used.
                initializers = {"kernel_initializer": self.kernel_initializer.clone()}
            layer = keras.layers.Dense(
                units, use_bias=use_bias, dtype=self.dtype_policy, name=name, **initializers
            )
            layer.build((None, inputs))
            return layer

        self.qkv = linear(channels, 3 * inner, self.qkv_bias, "qkv")
        self.projection = linear(inner, channels, self.projection_bias, "projection")
        self.dropout_layer = (
            keras.layers.Dropout(self.dropout, dtype=self.dtype_policy) if self.dropout else None
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        channels, heads = inputs.shape[-1], self.num_heads
        width, tokens = self.head_channels or channels // heads, inputs.shape[self.axis]
        others = inputs.shape[-2] if self.axis == -3 else 1
        # On two axes: XLA copies whole activations to transpose the gradient's operands otherwise.
        qkv = self.qkv(ops.reshape(inputs, (-1, channels)))
        qkv = ops.reshape(qkv, (-1, tokens, others, 3, heads, width))
        query, key, value = (
            ops.transpose(qkv[:, :, :, part], (0, 2, 3, 1, 4)) for part in range(3)
        )
        logits = ops.matmul(query * width**-0.5, ops.swapaxes(key, -1, -2))
        weights = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        weights = ops.cast(weights, self.compute_dtype)
        if self.dropout_layer is not None:
            weights = self.dropout_layer(weights, training=training)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 3, 1, 2, 4))
        outputs = self.projection(ops.reshape(mixed, (-1, heads * width)))
        return ops.reshape(outputs, ops.shape(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "axis": self.axis,
            "qkv_bias": self.qkv_bias,
            "dropout": self.dropout,
            "head_channels": self.head_channels,
            "projection_bias": self.projection_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)
            if self.kernel_initializer
            else None,
        }
