"""What all graph layers share: the graph, the joint axis, and propagation along edges."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.layers.graphs import resolve_graph


class GraphLayer(keras.layers.Layer):
    """Base of the layers that work on the joints of one fixed graph.

    Args:
        skeleton: The graph as a `Skeleton`, its name, a YAML path or a dict. Give this or
            `adjacency`.
        adjacency: The graph as a matrix `(joints, joints)`.
        joint_axis: Where inputs hold the joints: -2 for `(..., joints, channels)`, 0 for
            `(joints, ..., channels)`. With 0, passing messages along the edges is one matrix
            product over the whole batch, the faster layout inside a net.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(
        self, skeleton: Any = None, adjacency: Any = None, joint_axis: int = -2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.skeleton, self.adjacency = resolve_graph(skeleton, adjacency)
        if joint_axis not in (-2, 0):
            raise ValueError(f"`joint_axis` is -2 or 0, got {joint_axis!r}.")
        self.joint_axis = joint_axis

    @property
    def num_joints(self) -> int:
        """Number of joints of the graph."""
        return len(self.adjacency)

    def check_input(self, shape: tuple[int | None, ...]) -> None:
        """Raise a `ValueError` unless inputs of `shape` fit this layer's graph."""
        layout = "(..., joints, channels)" if self.joint_axis == -2 else "(joints, ..., channels)"
        if len(shape) < 2 or shape[-1] is None:
            raise ValueError(f"{self.name} takes inputs {layout}, got shape {tuple(shape)}.")
        if shape[self.joint_axis] != self.num_joints:
            raise ValueError(
                f"{self.name} has a graph of {self.num_joints} joints but got "
                f"{shape[self.joint_axis]} on axis {self.joint_axis} of an input of shape "
                f"{tuple(shape)}. Its inputs are {layout}."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "skeleton": self.skeleton.to_dict() if self.skeleton is not None else None,
            "adjacency": self.adjacency.tolist() if self.skeleton is None else None,
            "joint_axis": self.joint_axis,
        }


class BaseGraphConv(GraphLayer):
    """Base of the graph convolutions: weights `(count, channels, units)`, bias and activation.

    Args:
        units: Number of output channels.
        skeleton: As in `GraphLayer`.
        adjacency: As in `GraphLayer`.
        activation: Activation function.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the weights.
        bias_initializer: Of the bias.
        kernel_regularizer: Regulariser of the weights.
        bias_regularizer: Regulariser of the bias.
        kernel_constraint: Constraint of the weights.
        bias_constraint: Constraint of the bias.
        joint_axis: As in `GraphLayer`.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        skeleton: Any = None,
        adjacency: Any = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        joint_axis: int = -2,
        **kwargs: Any,
    ) -> None:
        super().__init__(skeleton=skeleton, adjacency=adjacency, joint_axis=joint_axis, **kwargs)
        self.units = check_integer("units", units)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    @property
    def num_kernels(self) -> int:
        """How many weight matrices are stacked in the kernel."""
        raise TypeError(f"{type(self).__name__} must define num_kernels.")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_input(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_kernels, input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def finish(self, outputs: Any) -> Any:
        """Add the bias and apply the activation."""
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


def transform(inputs: Any, kernel: Any) -> Any:
    """Multiply the channels of `inputs` by a matrix `(channels, units)`."""
    # On two axes: XLA copies whole activations to transpose the gradient's operands otherwise.
    outputs = ops.matmul(ops.reshape(inputs, (-1, inputs.shape[-1])), kernel)
    return ops.reshape(outputs, (*ops.shape(inputs)[:-1], kernel.shape[-1]))


def mix(inputs: Any, matrix: Any, joint_axis: int) -> Any:
    """Multiply a matrix `(joints, joints)` with `inputs` along their joints."""
    joints, shape = matrix.shape[0], ops.shape(inputs)
    if joint_axis == 0:
        return ops.reshape(ops.matmul(matrix, ops.reshape(inputs, (joints, -1))), shape)
    x = ops.reshape(inputs, (-1, joints, inputs.shape[-1]))
    # Repeating the matrix costs less than the backends' own broadcasting.
    matrix = ops.broadcast_to(matrix, (ops.shape(x)[0], joints, joints))
    return ops.reshape(ops.matmul(matrix, x), shape)


def scale_joints(inputs: Any, factors: Any, joint_axis: int) -> Any:
    """Multiply each joint of `inputs` by its factor: `(joints,)` or `(joints, channels)`."""
    if len(factors.shape) == 1:
        factors = factors[:, None]
    if joint_axis == 0:
        ones = [1] * (len(inputs.shape) - 2)
        factors = ops.reshape(factors, (factors.shape[0], *ones, factors.shape[1]))
    return inputs * factors


def propagate(inputs: Any, matrices: Any, kernel: Any, joint_axis: int) -> Any:
    """Sum over k of `matrices[k] (inputs kernel[k])`.

    Args:
        inputs: `(..., joints, channels)`, or `(joints, ..., channels)` with `joint_axis` 0.
        matrices: `(count, joints, joints)`; entry (k, i, j) is what joint i takes from joint j.
        kernel: `(count, channels, units)`.
        joint_axis: -2 or 0.

    Returns:
        Tensor shaped as `inputs` with `units` channels.
    """
    narrow_first = inputs.shape[-1] < kernel.shape[-1]
    outputs = None
    for k in range(kernel.shape[0]):
        if narrow_first:
            term = transform(mix(inputs, matrices[k], joint_axis), kernel[k])
        else:
            term = mix(transform(inputs, kernel[k]), matrices[k], joint_axis)
        outputs = term if outputs is None else outputs + term
    return outputs


def propagate_apart(inputs: Any, matrix: Any, kernel: Any, joint_axis: int) -> Any:
    """Propagate with weights of their own for a joint and for its neighbours.

    That is `diag(matrix) (inputs kernel[0]) + offdiag(matrix) (inputs kernel[1])`.

    Args:
        inputs: `(..., joints, channels)`, or `(joints, ..., channels)` with `joint_axis` 0.
        matrix: `(joints, joints)`; entry (i, j) is what joint i takes from joint j.
        kernel: `(2, channels, units)`.
        joint_axis: -2 or 0.

    Returns:
        Tensor shaped as `inputs` with `units` channels.
    """
    if inputs.shape[-1] < kernel.shape[-1]:
        own, neighbors = gather_apart(inputs, inputs, matrix, joint_axis)
        return transform(own, kernel[0]) + transform(neighbors, kernel[1])
    own, neighbors = transform(inputs, kernel[0]), transform(inputs, kernel[1])
    return ops.add(*gather_apart(own, neighbors, matrix, joint_axis))


def gather_apart(own: Any, neighbors: Any, matrix: Any, joint_axis: int) -> tuple[Any, Any]:
    """Return `diag(matrix) own` and `offdiag(matrix) neighbors`."""
    # A constant: not every converter knows how TensorFlow makes an identity matrix.
    identity = ops.convert_to_tensor(np.eye(matrix.shape[0], dtype="float32"), matrix.dtype)
    diagonal = ops.sum(matrix * identity, axis=1)
    return (
        scale_joints(own, diagonal, joint_axis),
        mix(neighbors, matrix * (1.0 - identity), joint_axis),
    )
