"""Multi-head attention between joints, biased by where they sit on the skeleton."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons
from keras_seal.layers.graph_layer import GraphLayer
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
            the whole graph. Three learned scalars (0 at first) are its bias towards the joints,
            theirs towards it, and its own towards itself.
        hard_mask: Whether joints attend to themselves and their neighbours (and the graph token)
            alone, instead of paying the penalty.
        edge_types: Whether to add a learned weight (0 at first) for each kind of pair: the joint
            itself, its parent, its child, its mirror image. Needs `skeleton`.
        dropout: Dropout rate of the attention weights.
        use_bias: Whether the projections have biases.
        kernel_initializer: Of the projections.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., tokens, channels)`, tokens being the joints, or one more with
    `graph_token`. Call arguments: `inputs`; `token_only`, to compute the graph token's output
    alone, `(..., 1, channels)`; `training`.

    Raises:
        ValueError: If the graph is missing or given twice, heads do not divide channels, or
            inputs have another number of tokens.

    Example:
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
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton=skeleton, adjacency=adjacency, **kwargs)
        if not isinstance(num_heads, int) or num_heads < 1:
            raise ValueError(f"`num_heads` is a positive integer, got {num_heads!r}.")
        if edge_types and self.skeleton is None:
            raise ValueError("`edge_types` needs `skeleton`: an adjacency matrix has no parents.")
        self.num_heads = num_heads
        self.graph_token = graph_token
        self.hard_mask = hard_mask
        self.edge_types = edge_types
        self.dropout = dropout
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        edges = (self.adjacency > 0).astype("float32")
        np.fill_diagonal(edges, 0.0)
        degrees = edges.sum(1)
        self._hops = hop_distances(edges).astype("float32")
        self._distant = (self._hops > 1).astype("float32")
        self._degrees = (degrees[:, None] + degrees[None, :]) / max(degrees.max(), 1.0)
        self._edge_types = pair_types(self.skeleton) if edge_types else None
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
        if channels % self.num_heads:
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

        def scalars(name: str, start: float, shape: tuple[int, ...] = ()) -> Any:
            initializer = keras.initializers.Constant(start)
            return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

        self.gamma = scalars("gamma", 0.8)
        self.penalty = None if self.hard_mask else scalars("penalty", -2.0)
        self.degree_weight = scalars("degree_weight", 0.2)
        self.edge_type_weights = (
            scalars("edge_type_weights", 0.0, (len(EDGE_TYPES),)) if self.edge_types else None
        )
        self.token_weights = scalars("token_weights", 0.0, (3,)) if self.graph_token else None
        if self.dropout_layer is not None:
            self.dropout_layer.build((*input_shape[:-2], self.num_heads, *[self.num_tokens] * 2))

    def attention_bias(self) -> Any:
        """What is added to the logits, `(tokens, tokens)` float32; entry (i, j) is i to j."""

        def constant(array: np.ndarray) -> Any:
            return ops.convert_to_tensor(array, dtype="float32")

        bias = self.degree_weight * constant(self._degrees) - self.gamma * constant(self._hops)
        if self.hard_mask:
            bias = ops.where(constant(self._distant) > 0, _MASKED, bias)
        else:
            bias = bias + self.penalty * constant(self._distant)
        if self.edge_types:
            for index in range(len(EDGE_TYPES)):
                pairs = constant((self._edge_types == index).astype("float32"))
                bias = bias + self.edge_type_weights[index] * pairs
        if self.graph_token:
            row = np.zeros((self.num_tokens, self.num_tokens), "float32")
            row[0, 1:] = 1.0
            itself = np.zeros_like(row)
            itself[0, 0] = 1.0
            bias = (
                ops.pad(bias, ((1, 0), (1, 0)))
                + self.token_weights[0] * constant(row)
                + self.token_weights[1] * constant(row.T)
                + self.token_weights[2] * constant(itself)
            )
        return bias

    def call(self, inputs: Any, token_only: bool = False, training: bool | None = None) -> Any:
        tokens, channels = inputs.shape[-2:]
        x = ops.reshape(inputs, (-1, tokens, channels))
        bias = self.attention_bias()
        if token_only:
            if not self.graph_token:
                raise ValueError(f"{self.name} has no graph token: `token_only` needs one.")
            queries, bias = x[:, :1], bias[:1]
        else:
            queries = x

        def heads(tensor: Any) -> Any:
            shape = (-1, tensor.shape[1], self.num_heads, tensor.shape[2] // self.num_heads)
            return ops.transpose(ops.reshape(tensor, shape), (0, 2, 1, 3))

        query = heads(self._project(queries, self.query_kernel, self.query_bias))
        key_value = self._project(x, self.key_value_kernel, self.key_value_bias)
        key, value = heads(key_value[..., :channels]), heads(key_value[..., channels:])
        scale = (channels // self.num_heads) ** -0.5
        logits = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
        weights = ops.softmax(ops.cast(logits, "float32") + bias, axis=-1)
        weights = ops.cast(weights, self.compute_dtype)
        if self.dropout_layer is not None:
            weights = self.dropout_layer(weights, training=training)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        mixed = ops.reshape(mixed, (-1, queries.shape[1], channels))
        outputs = self._project(mixed, self.output_kernel, self.output_bias)
        return ops.reshape(outputs, (*ops.shape(inputs)[:-2], queries.shape[1], channels))

    def _project(self, inputs: Any, kernel: Any, bias: Any) -> Any:
        outputs = ops.matmul(inputs, kernel)
        return outputs if bias is None else outputs + bias

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...], token_only: bool = False
    ) -> tuple[int | None, ...]:
        return (*input_shape[:-2], 1, input_shape[-1]) if token_only else input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["joint_axis"]
        return {
            **config,
            "num_heads": self.num_heads,
            "graph_token": self.graph_token,
            "hard_mask": self.hard_mask,
            "edge_types": self.edge_types,
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
        `EDGE_TYPES`, or -1.

    Example:
        >>> pair_types(skeletons.get("human36m_17"))[1, :5].tolist()
        [1, 0, 2, -1, 3]
    """
    types = np.full((skeleton.num_joints, skeleton.num_joints), -1, dtype="int32")
    np.fill_diagonal(types, EDGE_TYPES.index("self"))
    for left, right in skeleton.mirror_pairs:
        types[left, right] = types[right, left] = EDGE_TYPES.index("mirror")
    for parent, child in skeleton.bones:
        types[child, parent] = EDGE_TYPES.index("parent")
        types[parent, child] = EDGE_TYPES.index("child")
    return types
