"""SemGCN's graph convolution."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.layers.graph_layer import BaseGraphConv, propagate_apart
from keras_seal.layers.initializers import InverseRootUniform, StackedXavierUniform

# Keeps non-edges out of the softmax; their exponential underflows to exactly 0.
_NO_EDGE = -1e9


@keras.saving.register_keras_serializable(package="keras_seal")
class SemanticGraphConv(BaseGraphConv):
    """Graph convolution that learns how much each edge of the graph counts.

    Each edge (self loops included) owns one logit, all 1 at first; a softmax over the edges of
    each joint makes the propagation matrix A. A joint and its neighbours have their own weights:

        outputs = diag(A) (inputs W_0) + offdiag(A) (inputs W_1) + bias

    Args:
        units: Number of output channels.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`; only which entries are not zero
            counts.
        kernel_initializer: Of the weights `(2, channels, units)`. None for the published one,
            `StackedXavierUniform`.
        bias_initializer: None for the published one, `InverseRootUniform`.
        **kwargs: `activation`, `use_bias`, `kernel_regularizer`, `bias_regularizer`,
            `kernel_constraint`, `bias_constraint`, `joint_axis` (-2 for inputs
            `(..., joints, channels)`, 0 for `(joints, ..., channels)`), and what
            `keras.layers.Layer` takes.

    Inputs `(..., joints, channels)`, outputs `(..., joints, units)`.

    Raises:
        ValueError: If the graph is missing or given twice, or inputs have another joint count.

    Examples:
        >>> layer = SemanticGraphConv(8, skeleton="human36m_17")
        >>> tuple(layer(ops.zeros((4, 17, 2))).shape)
        (4, 17, 8)

    Reference:
        Zhao et al., "Semantic graph convolutional networks for 3D human pose regression",
        CVPR 2019, equation 2.
    """

    def __init__(
        self,
        units: int,
        skeleton: Any = None,
        adjacency: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            skeleton,
            adjacency,
            kernel_initializer=kernel_initializer or StackedXavierUniform(),
            bias_initializer=bias_initializer or InverseRootUniform(),
            **kwargs,
        )
        edges = (self.adjacency > 0) | np.eye(self.num_joints, dtype=bool)
        # Position of every pair's logit; the one after the last stands for "no edge".
        self._edge_index = np.full(edges.shape, edges.sum(), dtype="int32")
        self._edge_index[edges] = np.arange(edges.sum())
        self.num_edges = int(edges.sum())

    @property
    def num_kernels(self) -> int:
        return 2

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.edge_logits = self.add_weight(
            name="edge_logits", shape=(self.num_edges,), initializer="ones", autocast=False
        )

    def propagation_matrix(self) -> Any:
        """The softmax-normalised edge weights A, `(joints, joints)` float32."""
        no_edge = ops.full((1,), _NO_EDGE, dtype=self.edge_logits.dtype)
        logits = ops.take(ops.concatenate([self.edge_logits, no_edge]), self._edge_index)
        return ops.softmax(logits, axis=-1)

    def call(self, inputs: Any) -> Any:
        matrix = ops.cast(self.propagation_matrix(), self.compute_dtype)
        return self.finish(propagate_apart(inputs, matrix, self.kernel, self.joint_axis))
