"""The plain graph convolution, with the options that pose nets use."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.layers.graph_layer import BaseGraphConv, propagate, propagate_apart
from keras_seal.layers.graphs import normalize_adjacency

_LEARNED_EDGES = (False, "scale", "offset")


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphConv(BaseGraphConv):
    """Graph convolution: each joint takes a weighted sum of itself and its neighbours.

        outputs = A (inputs W) + bias

    with A the normalised adjacency matrix; or, with `separate_self_weights`,

        outputs = diag(A) (inputs W_0) + offdiag(A) (inputs W_1) + bias

    Args:
        units: Number of output channels.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`; entry (i, j) is the weight with which
            joint i hears joint j.
        normalization: `"symmetric"`, `"row"`, `"column"` or `"none"`, see `normalize_adjacency`.
        self_loops: Whether joints are neighbours of themselves when A is normalised. Without, a
            joint does not hear itself; together with `separate_self_weights`, it hears itself
            with weight 1 beside its normalised neighbours.
        separate_self_weights: Whether a joint and its neighbours have their own weight matrices.
        learned_edges: False for a fixed A; `"scale"` to learn a factor for each edge (1 at
            first), which keeps the graph; `"offset"` to learn a full matrix that is added to A
            (1e-6 at first), so that new edges may grow.
        kernel_initializer: Of the weights `(1 or 2, channels, units)`.
        **kwargs: `activation`, `use_bias`, `bias_initializer`, `kernel_regularizer`,
            `bias_regularizer`, `kernel_constraint`, `bias_constraint`, `joint_axis` (-2 for
            inputs `(..., joints, channels)`, 0 for `(joints, ..., channels)`), and what
            `keras.layers.Layer` takes.

    Inputs `(..., joints, channels)`, outputs `(..., joints, units)`.

    Raises:
        ValueError: If the graph is missing or given twice, an option is unknown, or inputs have
            another joint count.

    Examples:
        >>> layer = GraphConv(8, skeleton="human36m_17", activation="relu")
        >>> tuple(layer(ops.zeros((4, 27, 17, 2))).shape)
        (4, 27, 17, 8)

    Reference:
        Kipf and Welling, "Semi-supervised classification with graph convolutional networks",
        ICLR 2017, equation 2.
    """

    def __init__(
        self,
        units: int,
        skeleton: Any = None,
        adjacency: Any = None,
        normalization: str = "symmetric",
        self_loops: bool = True,
        separate_self_weights: bool = False,
        learned_edges: bool | str = False,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, skeleton, adjacency, kernel_initializer=kernel_initializer, **kwargs
        )
        if learned_edges not in _LEARNED_EDGES:
            raise ValueError(f"`learned_edges` is one of {_LEARNED_EDGES}, got {learned_edges!r}.")
        self.normalization = normalization
        self.self_loops = self_loops
        self.separate_self_weights = separate_self_weights
        self.learned_edges = learned_edges
        self._matrix = normalize_adjacency(self.adjacency, normalization, self_loops)
        if separate_self_weights and not self_loops:
            np.fill_diagonal(self._matrix, 1.0)

    @property
    def num_kernels(self) -> int:
        return 2 if self.separate_self_weights else 1

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.edge_weights = None
        if self.learned_edges:
            scale = self.learned_edges == "scale"
            self.edge_weights = self.add_weight(
                name="edge_weights",
                shape=(int((self._matrix != 0).sum()),) if scale else self._matrix.shape,
                initializer="ones" if scale else keras.initializers.Constant(1e-6),
                autocast=False,
            )

    def propagation_matrix(self) -> Any:
        """The matrix A as it is now, `(joints, joints)` float32."""
        matrix = ops.convert_to_tensor(self._matrix, dtype="float32")
        if self.learned_edges == "scale":
            # Pairs without an edge read the first factor and multiply it by zero.
            index = np.zeros(self._matrix.shape, dtype="int32")
            index[self._matrix != 0] = np.arange((self._matrix != 0).sum())
            return matrix * ops.take(self.edge_weights, index)
        if self.learned_edges == "offset":
            return matrix + self.edge_weights
        return matrix

    def call(self, inputs: Any) -> Any:
        matrix = ops.cast(self.propagation_matrix(), self.compute_dtype)
        if self.separate_self_weights:
            return self.finish(propagate_apart(inputs, matrix, self.kernel, self.joint_axis))
        return self.finish(propagate(inputs, matrix[None], self.kernel, self.joint_axis))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "normalization": self.normalization,
            "self_loops": self.self_loops,
            "separate_self_weights": self.separate_self_weights,
            "learned_edges": self.learned_edges,
        }
