"""The transformer block of vision transformers, over joints or over frames."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any, cast

import keras

from keras_seal.layers.drop_path import DropPath
from keras_seal.layers.feed_forward import FeedForward
from keras_seal.layers.self_attention import SelfAttention


@keras.saving.register_keras_serializable(package="keras_seal")
class TransformerBlock(keras.layers.Layer):
    """Pre-norm transformer block: attention and feed-forward, each a residual branch.

        x = x + drop_path(scale_1 * attention(norm(x)))
        x = x + drop_path(scale_2 * feed_forward(norm(x)))

    Args:
        num_heads: Number of attention heads; divides the channels of the inputs.
        axis: Where the tokens lie: -2 for `(..., tokens, channels)`, -3 for
            `(..., tokens, others, channels)`. All other axes count as batch.
        mlp_ratio: Width of the feed-forward as a multiple of the channels.
        activation: Of the feed-forward; `"gelu"` is the exact one.
        qkv_bias: Whether queries, keys and values have biases.
        layer_scale: Start of a learned factor of each channel of each branch; None for no such
            factors.
        dropout: Dropout rate after the attention and inside the feed-forward.
        attention_dropout: Dropout rate of the attention weights.
        drop_path: Probability that a branch is dropped in training, `DropPath`.
        epsilon: Of the layer normalisations.
        kernel_initializer: Of all matrices; None for that of PyTorch's linear layers.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., tokens, channels)`.

    Raises:
        ValueError: As `SelfAttention`, `FeedForward` and `DropPath`.

    Examples:
        >>> block = TransformerBlock(4, axis=-3, drop_path=0.1)
        >>> tuple(block(keras.ops.zeros((2, 27, 17, 32))).shape)
        (2, 27, 17, 32)

    Reference:
        Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, equations 2 and 3; Touvron
        et al., "Going deeper with image transformers", ICCV 2021 (the factors).
    """

    def __init__(
        self,
        num_heads: int,
        axis: int = -2,
        mlp_ratio: float = 2.0,
        activation: Any = "gelu",
        qkv_bias: bool = True,
        layer_scale: float | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        drop_path: float = 0.0,
        epsilon: float = 1e-6,
        kernel_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention = SelfAttention(
            num_heads,
            axis=axis,
            qkv_bias=qkv_bias,
            dropout=attention_dropout,
            kernel_initializer=kernel_initializer,
            dtype=policy,
            name="attention",
        )
        self.mlp_ratio = mlp_ratio
        self.activation = keras.activations.get(activation)
        self.layer_scale = layer_scale
        self.dropout = dropout
        self.drop_path = drop_path
        self.epsilon = epsilon
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=policy) if dropout else None
        self.drop_path_layer = DropPath(drop_path, axis=axis, dtype=policy) if drop_path else None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.attention.build(input_shape)
        channels = cast(int, input_shape[-1])
        policy = self.dtype_policy

        def norm(name: str) -> keras.layers.LayerNormalization:
            layer = keras.layers.LayerNormalization(epsilon=self.epsilon, dtype=policy, name=name)
            layer.build(input_shape)
            return layer

        self.attention_norm = norm("attention_norm")
        self.feed_forward_norm = norm("feed_forward_norm")
        self.feed_forward = FeedForward(
            max(1, round(self.mlp_ratio * channels)),
            activation=self.activation,
            dropout=self.dropout,
            kernel_initializer=self.attention.kernel_initializer,
            dtype=policy,
            name="feed_forward",
        )
        self.feed_forward.build(input_shape)
        self.attention_scale = self.feed_forward_scale = None
        if self.layer_scale is not None:
            start = keras.initializers.Constant(self.layer_scale)
            self.attention_scale = self.add_weight(
                name="attention_scale", shape=(channels,), initializer=start
            )
            self.feed_forward_scale = self.add_weight(
                name="feed_forward_scale", shape=(channels,), initializer=start
            )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        def branch(x: Any, scale: Any) -> Any:
            if scale is not None:
                x = x * scale
            return x if self.drop_path_layer is None else self.drop_path_layer(x, training=training)

        attended = self.attention(self.attention_norm(inputs), training=training)
        if self.dropout_layer is not None:
            attended = self.dropout_layer(attended, training=training)
        x = inputs + branch(attended, self.attention_scale)
        hidden = self.feed_forward(self.feed_forward_norm(x), training=training)
        if self.dropout_layer is not None:
            hidden = self.dropout_layer(hidden, training=training)
        return x + branch(hidden, self.feed_forward_scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        attention = self.attention.get_config()
        return {
            **super().get_config(),
            "num_heads": attention["num_heads"],
            "axis": attention["axis"],
            "mlp_ratio": self.mlp_ratio,
            "activation": keras.activations.serialize(self.activation),
            "qkv_bias": attention["qkv_bias"],
            "layer_scale": self.layer_scale,
            "dropout": self.dropout,
            "attention_dropout": attention["dropout"],
            "drop_path": self.drop_path,
            "epsilon": self.epsilon,
            "kernel_initializer": attention["kernel_initializer"],
        }
