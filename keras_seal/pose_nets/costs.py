"""What a pose-net costs: its weights, and its products for one lifted frame."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import Any

import keras
import numpy as np


def flops_per_frame(net: keras.Model) -> int:
    """Count the floating-point operations of a pose-net's inference for each frame that it gives.

    What is counted are the products of matrices (convolutions among them), a multiplication and
    an addition as two; activations, norms and sums are left out, as published counts do. All
    backends give the same number, up to where Keras itself takes another algorithm.

    Args:
        net: A built pose-net, input `(batch, frames, joints, channels)`.

    Returns:
        The operations of a forward pass of one sample, by the frames of its output.

    Examples:
        >>> from keras_seal import pose_nets
        >>> net = pose_nets.SimpleBaseline("human36m_17", units=32, num_stages=1)
        >>> flops_per_frame(net) == 2 * 32 * (34 + 2 * 32 + 51)
        True
    """
    shape = (1, *net.input_shape[1:])
    count = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return round(count(net, shape) / net.output_shape[1])


@cache
def published_costs() -> dict[str, dict[str, int]]:
    """Read what the presets cost.

    Returns:
        By the name of a preset: `parameters` and `flops_per_frame`, on the preset's usual skeleton
        (`skeleton`).

    Examples:
        >>> published_costs()["sem_gcn"]["skeleton"]
        'human36m_17'
    """
    return json.loads(files("keras_seal.pose_nets").joinpath("costs.json").read_text("utf-8"))


def _tensorflow(net: keras.Model, shape: tuple[int, ...]) -> int:
    import tensorflow as tf

    function = tf.function(lambda x: net(x, training=False), jit_compile=False)
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))

    def of_graph(graph: Any) -> int:
        inner = {f.name: f.graph for f in graph._functions.values()} if graph._functions else {}
        total = 0
        for operation in graph.get_operations():
            total += _of_tensorflow_operation(operation)
            for name in ("f", "function"):
                if name in operation.node_def.attr:
                    called = operation.node_def.attr[name].func.name
                    if called in inner:
                        total += of_graph(inner[called])
        return total

    return of_graph(concrete.graph)


def _of_tensorflow_operation(operation: Any) -> int:
    def shape(tensor: Any) -> tuple[int, ...]:
        return tuple(tensor.shape.as_list())

    kind = operation.type
    if kind == "MatMul":
        inner = shape(operation.inputs[0])[0 if operation.get_attr("transpose_a") else 1]
        return 2 * math.prod(shape(operation.outputs[0])) * inner
    if kind in ("BatchMatMulV2", "BatchMatMulV3", "BatchMatMul"):
        inner = shape(operation.inputs[0])[-2 if operation.get_attr("adj_x") else -1]
        return 2 * math.prod(shape(operation.outputs[0])) * inner
    if kind == "Conv2D":
        kernel = shape(operation.inputs[1])
        return 2 * math.prod(shape(operation.outputs[0])) * math.prod(kernel[:3])
    if kind in ("Einsum", "XlaEinsum"):
        equation = operation.get_attr("equation").decode().partition("->")[0]
        sizes: dict[str, int] = {}
        for labels, tensor in zip(equation.split(","), operation.inputs, strict=True):
            dimensions = shape(tensor)
            free = len(dimensions) - len(labels.replace("...", ""))
            spread = "".join(chr(0x100 + i) for i in range(free))
            sizes.update(zip(labels.replace("...", spread), dimensions, strict=True))
        return 2 * math.prod(sizes.values())
    return 0


def _jax(net: keras.Model, shape: tuple[int, ...]) -> int:
    import jax

    def of_jaxpr(jaxpr: Any) -> int:
        total = 0
        for equation in jaxpr.eqns:
            result = equation.outvars[0].aval.shape if equation.outvars else ()
            if equation.primitive.name == "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
                total += 2 * math.prod(result) * inner
            elif equation.primitive.name == "conv_general_dilated":
                # The kernel's sizes but for its output channels.
                kernel = equation.invars[1].aval.shape
                outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
                total += 2 * math.prod(result) * math.prod(kernel) // outputs
            repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
            for value in equation.params.values():
                for part in value if isinstance(value, (list, tuple)) else [value]:
                    part = getattr(part, "jaxpr", part)
                    total += repeats * of_jaxpr(part) if hasattr(part, "eqns") else 0
        return total

    traced = jax.make_jaxpr(lambda x: net(x, training=False))(
        jax.ShapeDtypeStruct(shape, np.float32)
    )
    return of_jaxpr(traced.jaxpr)


def _torch(net: keras.Model, shape: tuple[int, ...]) -> int:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # The counter knows products, not every fused attention.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        net(torch.zeros(shape), training=False)
    return counter.get_total_flops()
