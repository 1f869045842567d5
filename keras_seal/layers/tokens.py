"""From joints to tokens: a learned embedding of each joint, and a token for the whole graph."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.layers.arguments import check_integer
from keras_seal.layers.graph_layer import transform


@keras.saving.register_keras_serializable(package="keras_seal")
class JointProjection(keras.layers.Layer):
    """Join each joint's features with a learned embedding of that joint, and project both.

    It is `concatenate([inputs, embedding]) kernel + bias`, computed without the concatenation:
    the embedding's part is the same for all samples.

    Args:
        units: Number of output channels.
        embedding_dim: Length of the embedding of a joint.
        kernel_initializer: Of the weights `(channels + embedding_dim, units)`.
        embedding_initializer: Of the embeddings; None for normal with deviation 0.1, so that
            they weigh about as much as coordinates in metres.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(..., joints, channels)`, outputs `(..., joints, units)`.

    Raises:
        ValueError: If inputs have no fixed number of joints.

    Examples:
        >>> tuple(JointProjection(64)(ops.zeros((4, 17, 5))).shape)
        (4, 17, 64)
    """

    def __init__(
        self,
        units: int,
        embedding_dim: int = 32,
        kernel_initializer: Any = "glorot_uniform",
        embedding_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units)
        self.embedding_dim = check_integer("embedding_dim", embedding_dim)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.embedding_initializer = keras.initializers.get(
            embedding_initializer or keras.initializers.RandomNormal(stddev=0.1)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        joints, channels = input_shape[-2:] if len(input_shape) > 1 else (None, None)
        if joints is None or channels is None:
            raise ValueError(
                f"{self.name} takes (..., joints, channels) with both fixed, got "
                f"{tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels + self.embedding_dim, self.units),
            initializer=self.kernel_initializer,
        )
        self.embedding = self.add_weight(
            name="embedding",
            shape=(joints, self.embedding_dim),
            initializer=self.embedding_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        channels = inputs.shape[-1]
        constant = ops.matmul(self.embedding, self.kernel[channels:]) + self.bias
        return transform(inputs, self.kernel[:channels]) + constant

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "embedding_dim": self.embedding_dim,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "embedding_initializer": keras.initializers.serialize(self.embedding_initializer),
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphToken(keras.layers.Layer):
    """Put a learned token, standing for the whole graph, in front of the joints.

    Args:
        initializer: Of the token; None for normal with deviation 0.02.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(batch, joints, channels)`, outputs `(batch, 1 + joints, channels)`.

    Raises:
        ValueError: If inputs have other than three axes.

    Examples:
        >>> tuple(GraphToken()(ops.zeros((4, 17, 64))).shape)
        (4, 18, 64)
    """

    def __init__(self, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(
            initializer or keras.initializers.RandomNormal(stddev=0.02)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 3:
            raise ValueError(
                f"{self.name} takes (batch, joints, channels), got {tuple(input_shape)}."
            )
        self.token = self.add_weight(
            name="token", shape=(input_shape[-1],), initializer=self.initializer
        )

    def call(self, inputs: Any) -> Any:
        shape = (ops.shape(inputs)[0], 1, inputs.shape[-1])
        return ops.concatenate([ops.broadcast_to(self.token, shape), inputs], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, joints, channels = input_shape
        return (batch, None if joints is None else joints + 1, channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initializer": keras.initializers.serialize(self.initializer),
        }
