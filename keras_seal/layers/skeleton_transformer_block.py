"""A transformer block whose attention knows the skeleton."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any, cast

import keras
from keras import ops

from keras_seal.layers.exact_gelu import exact_gelu
from keras_seal.layers.skeleton_attention import SkeletonAttention


@keras.saving.register_keras_serializable(package="keras_seal")
class SkeletonTransformerBlock(keras.layers.Layer):
    """Pre-norm transformer block with `SkeletonAttention` between the joints.

        x = x + attention(norm(x))
        x = x + mlp(norm(x))

    with the MLP a dense layer, GELU and a dense layer back.

    Args:
        num_heads: Number of attention heads; divides the channels of the inputs.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`.
        mlp_ratio: Width of the MLP as a multiple of the channels.
        dropout: Dropout rate after the attention and after the MLP.
        attention_dropout: Dropout rate of the attention weights.
        graph_token: Whether inputs hold a graph token in front of the joints.
        hard_mask: Whether joints attend to themselves and their neighbours alone.
        edge_types: Whether attention has a learned weight for each kind of pair.
        hop_bias: Whether attention depends on the distance on the graph.
        degree_bias: Whether attention depends on the numbers of neighbours.
        token_only: Whether to return the graph token alone, `(..., 1, channels)`, for a fraction of
            the work: for the last block of a net that reads nothing else.
        epsilon: Of the layer normalisations.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., tokens, channels)`.

    Raises:
        ValueError: As `SkeletonAttention`; or if `token_only` comes without `graph_token`.

    Examples:
        >>> block = SkeletonTransformerBlock(4, skeleton="human36m_17")
        >>> tuple(block(keras.ops.zeros((2, 17, 32))).shape)
        (2, 17, 32)
    """

    def __init__(
        self,
        num_heads: int,
        skeleton: Any = None,
        adjacency: Any = None,
        mlp_ratio: float = 1.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        graph_token: bool = False,
        hard_mask: bool = False,
        edge_types: bool = False,
        hop_bias: bool = True,
        degree_bias: bool = True,
        token_only: bool = False,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.attention = SkeletonAttention(
            num_heads,
            skeleton,
            adjacency,
            graph_token=graph_token,
            hard_mask=hard_mask,
            edge_types=edge_types,
            hop_bias=hop_bias,
            degree_bias=degree_bias,
            token_only=token_only,
            dropout=attention_dropout,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.attention.build(input_shape)
        channels = cast(int, input_shape[-1])
        policy = self.dtype_policy
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=self.epsilon, dtype=policy, name="attention_norm"
        )
        self.mlp_norm = keras.layers.LayerNormalization(
            epsilon=self.epsilon, dtype=policy, name="mlp_norm"
        )
        self.expand = keras.layers.Dense(
            max(1, round(self.mlp_ratio * channels)), dtype=policy, name="expand"
        )
        self.contract = keras.layers.Dense(channels, dtype=policy, name="contract")
        self.dropout_layer = (
            keras.layers.Dropout(self.dropout, dtype=policy) if self.dropout else None
        )
        self.attention_norm.build(input_shape)
        self.mlp_norm.build(input_shape)
        self.expand.build((None, channels))
        self.contract.build((None, self.expand.units))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        def drop(x: Any) -> Any:
            return x if self.dropout_layer is None else self.dropout_layer(x, training=training)

        attended = self.attention(self.attention_norm(inputs), training=training)
        x = (inputs[..., :1, :] if self.attention.token_only else inputs) + drop(attended)
        # On two axes: XLA copies whole activations to transpose the gradient's operands otherwise.
        tokens = ops.reshape(self.mlp_norm(x), (-1, x.shape[-1]))
        hidden = exact_gelu(self.expand(tokens))
        return x + drop(ops.reshape(self.contract(hidden), ops.shape(x)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-2], 1, input_shape[-1]) if self.attention.token_only else input_shape

    def get_config(self) -> dict[str, Any]:
        attention = self.attention.get_config()
        return {
            **super().get_config(),
            "num_heads": attention["num_heads"],
            "skeleton": attention["skeleton"],
            "adjacency": attention["adjacency"],
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "attention_dropout": attention["dropout"],
            "graph_token": attention["graph_token"],
            "hard_mask": attention["hard_mask"],
            "edge_types": attention["edge_types"],
            "hop_bias": attention["hop_bias"],
            "degree_bias": attention["degree_bias"],
            "token_only": attention["token_only"],
            "epsilon": self.epsilon,
        }
