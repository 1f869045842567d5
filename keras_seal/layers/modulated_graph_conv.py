"""Modulated-GCN's graph convolution."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.layers.graph_layer import BaseGraphConv, gather_apart, scale_joints, transform
from keras_seal.layers.graphs import normalize_adjacency
from keras_seal.layers.initializers import InverseRootUniform, StackedXavierUniform


@keras.saving.register_keras_serializable(package="keras_seal")
class ModulatedGraphConv(BaseGraphConv):
    """Graph convolution that modulates weights by joint and learns new edges.

    With the row-normalised adjacency matrix A (no self loops, then ones on the diagonal), a
    learned offset of it made symmetric, A' = sym(A + offset), sym(X) = (X + X^T) / 2, and a
    learned modulation M `(joints, units)`:

        outputs = diag(A') (M * inputs W_0) + offdiag(A') (M * inputs W_1) + bias

    Args:
        units: Number of output channels.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`.
        modulation_initializer: Of M. Published with `"ones"` and with Xavier uniform.
        offset_initializer: Of the offset of A; None for the published constant 1e-6.
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
        >>> layer = ModulatedGraphConv(8, skeleton="human36m_17")
        >>> tuple(layer(ops.zeros((4, 17, 2))).shape)
        (4, 17, 8)

    Reference:
        Zou and Tang, "Modulated graph convolutional network for 3D human pose estimation",
        ICCV 2021, sections 3.2 and 3.3.
    """

    def __init__(
        self,
        units: int,
        skeleton: Any = None,
        adjacency: Any = None,
        modulation_initializer: Any = "ones",
        offset_initializer: Any = None,
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
        self.modulation_initializer = keras.initializers.get(modulation_initializer)
        self.offset_initializer = keras.initializers.get(
            offset_initializer or keras.initializers.Constant(1e-6)
        )
        self._matrix = normalize_adjacency(self.adjacency, "row", self_loops=False)
        np.fill_diagonal(self._matrix, 1.0)

    @property
    def num_kernels(self) -> int:
        return 2

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.modulation = self.add_weight(
            name="modulation",
            shape=(self.num_joints, self.units),
            initializer=self.modulation_initializer,
        )
        self.adjacency_offset = self.add_weight(
            name="adjacency_offset",
            shape=(self.num_joints, self.num_joints),
            initializer=self.offset_initializer,
            autocast=False,
        )

    def propagation_matrix(self) -> Any:
        """The symmetric matrix A' as it is now, `(joints, joints)` float32."""
        matrix = ops.convert_to_tensor(self._matrix, dtype="float32") + self.adjacency_offset
        return 0.5 * (matrix + ops.transpose(matrix))

    def call(self, inputs: Any) -> Any:
        matrix = ops.cast(self.propagation_matrix(), self.compute_dtype)
        own, neighbors = (
            scale_joints(transform(inputs, self.kernel[k]), self.modulation, self.joint_axis)
            for k in range(2)
        )
        return self.finish(ops.add(*gather_apart(own, neighbors, matrix, self.joint_axis)))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "modulation_initializer": keras.initializers.serialize(self.modulation_initializer),
            "offset_initializer": keras.initializers.serialize(self.offset_initializer),
        }
