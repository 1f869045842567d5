"""Graph convolution with Chebyshev filters."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.graph_layer import BaseGraphConv, propagate
from keras_seal.layers.graphs import chebyshev_polynomials


@keras.saving.register_keras_serializable(package="keras_seal")
class ChebGraphConv(BaseGraphConv):
    """Graph convolution with a polynomial of the graph's Laplacian as its filter.

        outputs = sum over k < order of T_k(L) (inputs W_k) + bias

    with T_k the Chebyshev polynomials and L the normalised Laplacian rescaled to [-1, 1]. A joint
    sees joints up to `order` - 1 hops away.

    Args:
        units: Number of output channels.
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a symmetric matrix `(joints, joints)`.
        order: Number of polynomials; 1 is a dense layer that sees each joint alone.
        kernel_initializer: Of the weights `(order, channels, units)`.
        **kwargs: `activation`, `use_bias`, `bias_initializer`, `kernel_regularizer`,
            `bias_regularizer`, `kernel_constraint`, `bias_constraint`, `joint_axis` (-2 for
            inputs `(..., joints, channels)`, 0 for `(joints, ..., channels)`), and what
            `keras.layers.Layer` takes.

    Inputs `(..., joints, channels)`, outputs `(..., joints, units)`.

    Raises:
        ValueError: If the graph is missing, given twice or not symmetric, `order` < 1, or inputs
            have another joint count.

    Examples:
        >>> layer = ChebGraphConv(8, skeleton="human36m_17", order=3)
        >>> tuple(layer(ops.zeros((4, 17, 2))).shape)
        (4, 17, 8)

    Reference:
        Defferrard et al., "Convolutional neural networks on graphs with fast localized spectral
        filtering", NeurIPS 2016, equation 4.
    """

    def __init__(
        self,
        units: int,
        skeleton: Any = None,
        adjacency: Any = None,
        order: int = 2,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units, skeleton, adjacency, kernel_initializer=kernel_initializer, **kwargs
        )
        self.order = order
        self._polynomials = chebyshev_polynomials(self.adjacency, order)

    @property
    def num_kernels(self) -> int:
        return self.order

    def call(self, inputs: Any) -> Any:
        matrices = ops.convert_to_tensor(self._polynomials, dtype=self.compute_dtype)
        return self.finish(propagate(inputs, matrices, self.kernel, self.joint_axis))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order}
