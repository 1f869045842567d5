"""Multi-head attention between joints, biased by where they sit on the skeleton."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons
from keras_seal.layers.arguments import check_integer
from keras_seal.layers.graph_layer import GraphLayer, transform
from keras_seal.layers.graphs import hop_distances

# Low enough that the softmax gives exactly 0.
_MASKED = -1e9
EDGE_TYPES = ("self", "parent", "child", "mirror")


@keras.saving.register_keras_serializable(package="keras_seal")
class SkeletonAttention(GraphLayer):
    """Multi-head self-attention over joints with an additive bias made from the skeleton.

    The logit of joint i attending to joint j gets

        - gamma hops(i, j) + penalty [hops(i, j) > 1] + degree_weight (deg i + deg j) / max deg

    with gamma, penalty and degree_weight learned scalars (0.8, -2 and 0.2 at first), the same for
    all heads. Softmax and bias are computed in float32 whatever the dtype policy.

    Args:
        num_heads: Number of heads; divides the channels of the inputs.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`; only which entries are not zero
            counts.
        graph_token: Whether inputs hold one token more, in front of the joints, that stands for
            the whole graph. Learned scalars (0 at first) are its bias towards the joints, theirs
            towards it, and its own towards itself.
        hard_mask: Whether joints attend to themselves and their neighbours (and the graph token)
            alone, instead of paying the penalty.
        edge_types: Whether to add a learned weight (0 at first) for each kind of pair: the joint
            itself, its parent, its child, its mirror image. Needs `skeleton`.
        hop_bias: Whether the distance on the graph counts: gamma and the penalty.
        degree_bias: Whether the number of neighbours counts: degree_weight.
        token_only: Whether to compute the graph token's output alone, `(..., 1, channels)`. What
            biases the joints is left out then.
        dropout: Dropout rate of the attention weights.
        use_bias: Whether the projections have biases.
        kernel_initializer: Of the projections.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., tokens, channels)`, tokens being the joints, or one more with
    `graph_token`.

    Raises:
        ValueError: If the graph is missing or given twice, heads do not divide channels, or
            inputs have another number of tokens.

    Examples:
        >>> layer = SkeletonAttention(4, skeleton="human36m_17")
        >>> tuple(layer(ops.zeros((2, 17, 32))).shape)
        (2, 17, 32)

    Reference:
        Ying et al., "Do transformers really perform bad for graph representation?", NeurIPS 2021,
        section 3.1 (biases from the graph); SEAL-pose, arXiv 2602.20051 (these biases).
    """

    def __init__(
        self,
        num_heads: int,
        skeleton: Any = None,
        adjacency: Any = None,
        graph_token: bool = False,
        hard_mask: bool = False,
        edge_types: bool = False,
        hop_bias: bool = True,
        degree_bias: bool = True,
        token_only: bool = False,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton=skeleton, adjacency=adjacency, **kwargs)
        if token_only and not graph_token:
            raise ValueError("`token_only` returns the graph token: it needs `graph_token=True`.")
        if edge_types and self.skeleton is None:
            raise ValueError("`edge_types` needs `skeleton`: an adjacency matrix has no parents.")
        self.num_heads = check_integer("num_heads", num_heads)
        self.graph_token = graph_token
        self.hard_mask = hard_mask
        self.edge_types = edge_types
        self.hop_bias = hop_bias
        self.degree_bias = degree_bias
        self.token_only = token_only
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        edges = (self.adjacency > 0).astype("float32")
        np.fill_diagonal(edges, 0.0)
        degrees = edges.sum(1)
        self._hops = hop_distances(edges).astype("float32")
        self._distant = (self._hops > 1).astype("float32")
        self._degrees = (degrees[:, None] + degrees[None, :]) / max(degrees.max(), 1.0)
        self._edge_types = pair_types(self.skeleton) if edge_types and self.skeleton else None
        self.dropout_layer = (
            keras.layers.Dropout(dropout, dtype=self.dtype_policy) if dropout else None
        )

    @property
    def num_tokens(self) -> int:
        """Number of tokens in the inputs: the joints, and the graph token if there is one."""
        return self.num_joints + int(self.graph_token)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 3 or input_shape[-2] != self.num_tokens:
            token = "a graph token and " if self.graph_token else ""
            raise ValueError(
                f"{self.name} takes (..., {self.num_tokens}, channels), {token}{self.num_joints} "
                f"joints, got shape {tuple(input_shape)}."
            )
        channels = input_shape[-1]
        if channels is None or channels % self.num_heads:
            raise ValueError(
                f"{self.name}: {self.num_heads} heads do not divide {channels} channels."
            )
        for name, units in (("query", channels), ("key_value", 2 * channels), ("output", channels)):
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(channels, units),
                initializer=self.kernel_initializer,
            )
            bias = None
            if self.use_bias:
                bias = self.add_weight(name=f"{name}_bias", shape=(units,), initializer="zeros")
            setattr(self, f"{name}_kernel", kernel)
            setattr(self, f"{name}_bias", bias)

        def scalar(name: str, start: float, shape: tuple[int, ...] = ()) -> None:
            initializer = keras.initializers.Constant(start)
            weight = self.add_weight(
                name=name, shape=shape, initializer=initializer, autocast=False
            )
            setattr(self, name, weight)

        if not self.token_only:
            if self.hop_bias:
                scalar("gamma", 0.8)
            if self.degree_bias:
                scalar("degree_weight", 0.2)
            if self.hop_bias and not self.hard_mask:
                scalar("penalty", -2.0)
            if self.edge_types:
                scalar("edge_type_weights", 0.0, (len(EDGE_TYPES),))
        if self.graph_token:
            scalar("token_to_joints", 0.0)
            scalar("token_to_token", 0.0)
            if not self.token_only:
                scalar("joints_to_token", 0.0)
        if self.dropout_layer is not None:
            self.dropout_layer.build((None, self.num_heads, self.num_tokens, self.num_tokens))

    def attention_bias(self) -> Any:
        """What is added to the logits, `(tokens, tokens)` float32; entry (i, j) is i to j.

        With `token_only` just the graph token's row, `(1, tokens)`.
        """
        if not self.graph_token:
            return self._joint_bias()
        first = ops.eye(1, self.num_tokens, dtype="float32")
        token = self.token_to_token * first + self.token_to_joints * (1.0 - first)
        if self.token_only:
            return token
        column = ops.broadcast_to(self.joints_to_token, (self.num_joints, 1))
        return ops.concatenate([token, ops.concatenate([column, self._joint_bias()], axis=1)])

    def _joint_bias(self) -> Any:
        hops, distant, degrees = (
            ops.convert_to_tensor(array, dtype="float32")
            for array in (self._hops, self._distant, self._degrees)
        )
        bias = ops.zeros_like(hops)
        if self.degree_bias:
            bias = bias + self.degree_weight * degrees
        if self.hop_bias:
            bias = bias - self.gamma * hops
        if self.hard_mask:
            bias = ops.where(distant > 0, _MASKED, bias)
        elif self.hop_bias:
            bias = bias + self.penalty * distant
        if self.edge_types:
            # The last weight is that of all other pairs.
            weights = ops.concatenate([self.edge_type_weights, ops.zeros((1,))])
            bias = bias + ops.take(weights, self._edge_types)
        return bias

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        tokens, channels = inputs.shape[-2:]
        weights, value = self._attend(ops.reshape(inputs, (-1, tokens, channels)))
        weights = ops.cast(weights, self.compute_dtype)
        if self.dropout_layer is not None:
            weights = self.dropout_layer(weights, training=training)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        queries = 1 if self.token_only else tokens
        mixed = ops.reshape(mixed, (-1, queries, channels))
        outputs = self._project(mixed, self.output_kernel, self.output_bias)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-2], queries, channels))

    def attention_weights(self, inputs: Any) -> Any:
        """How much each token attends to each other one.

        Args:
            inputs: As for a call, with one batch axis: `(batch, tokens, channels)`.

        Returns:
            `(batch, heads, tokens, tokens)` float32, rows summing to 1; with `token_only` just
            the graph token's row, `(batch, heads, 1, tokens)`.
        """
        return self._attend(ops.convert_to_tensor(inputs))[0]

    def _attend(self, x: Any) -> tuple[Any, Any]:
        """Attention weights, and the values they mix, `(batch, heads, tokens, width)`."""
        channels = x.shape[-1]
        queries = x[:, :1] if self.token_only else x

        def heads(tensor: Any) -> Any:
            shape = (-1, tensor.shape[1], self.num_heads, tensor.shape[2] // self.num_heads)
            return ops.transpose(ops.reshape(tensor, shape), (0, 2, 1, 3))

        query = heads(self._project(queries, self.query_kernel, self.query_bias))
        key_value = self._project(x, self.key_value_kernel, self.key_value_bias)
        key, value = heads(key_value[..., :channels]), heads(key_value[..., channels:])
        scale = (channels // self.num_heads) ** -0.5
        logits = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
        return ops.softmax(ops.cast(logits, "float32") + self.attention_bias(), axis=-1), value

    def _project(self, inputs: Any, kernel: Any, bias: Any) -> Any:
        outputs = transform(inputs, kernel)
        return outputs if bias is None else outputs + bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-2], 1, input_shape[-1]) if self.token_only else input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["joint_axis"]
        return {
            **config,
            "num_heads": self.num_heads,
            "graph_token": self.graph_token,
            "hard_mask": self.hard_mask,
            "edge_types": self.edge_types,
            "hop_bias": self.hop_bias,
            "degree_bias": self.degree_bias,
            "token_only": self.token_only,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def pair_types(skeleton: skeletons.Skeleton) -> np.ndarray:
    """Say for each pair of joints which of `EDGE_TYPES` it is.

    Args:
        skeleton: The skeleton.

    Returns:
        Array `(joints, joints)`, int32: entry (i, j) is what j is to i, as an index into
        `EDGE_TYPES`, or its length for none of them.

    Examples:
        >>> pair_types(skeletons.get("human36m_17"))[1, :5].tolist()
        [1, 0, 2, 4, 3]
    """
    types = np.full((skeleton.num_joints,) * 2, len(EDGE_TYPES), dtype="int32")
    np.fill_diagonal(types, EDGE_TYPES.index("self"))
    for left, right in skeleton.mirror_pairs:
        types[left, right] = types[right, left] = EDGE_TYPES.index("mirror")
    for parent, child in skeleton.bones:
        types[child, parent] = EDGE_TYPES.index("parent")
        types[parent, child] = EDGE_TYPES.index("child")
    return types
