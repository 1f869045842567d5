"""Learned embeddings of where a token lies."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras

from keras_seal.layers.arguments import check_integer


@keras.saving.register_keras_serializable(package="keras_seal")
class PositionEmbedding(keras.layers.Layer):
    """Add a learned vector to each token, by its place on one axis.

    Args:
        axis: Where the tokens lie, from the end: -2 for `(..., tokens, channels)`, -3 for
            `(..., tokens, others, channels)`.
        length: Number of learned vectors, at least as many as tokens; the first ones are used.
            None for as many as there are tokens.
        initializer: Of the vectors.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(..., channels)`.

    Raises:
        ValueError: If inputs have more tokens than there are vectors.

    Examples:
        >>> layer = PositionEmbedding(axis=-3)
        >>> tuple(layer(keras.ops.zeros((2, 27, 17, 32))).shape), tuple(layer.embedding.shape)
        ((2, 27, 17, 32), (27, 32))
    """

    def __init__(
        self,
        axis: int = -2,
        length: int | None = None,
        initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if axis >= -1:
            raise ValueError(f"`axis` counts from the end, -2 or less, got {axis!r}.")
        self.axis = axis
        self.length = None if length is None else check_integer("length", length)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        rank = len(input_shape)
        tokens = input_shape[self.axis] if rank >= -self.axis else None
        if tokens is None or input_shape[-1] is None:
            raise ValueError(
                f"{self.name} needs the sizes of axis {self.axis} and of the last one, got shape "
                f"{tuple(input_shape)}."
            )
        length = tokens if self.length is None else self.length
        if tokens > length:
            raise ValueError(f"{self.name} has {length} vectors, too few for {tokens} tokens.")
        self.embedding = self.add_weight(
            name="embedding", shape=(length, input_shape[-1]), initializer=self.initializer
        )

    def call(self, inputs: Any) -> Any:
        vectors = self.embedding[: inputs.shape[self.axis]]
        ones = (1,) * (-self.axis - 2)
        return inputs + keras.ops.reshape(vectors, (vectors.shape[0], *ones, vectors.shape[1]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "length": self.length,
            "initializer": keras.initializers.serialize(self.initializer),
        }
