"""P-STMO's pre-training: keypoints of masked frames and joints, guessed from what is left."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import re
from typing import Any

import keras
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import (
    DeviationNormalization,
    FeedForward,
    PositionEmbedding,
    SelfAttention,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import keypoints_input
from keras_seal.pose_nets.pstmo import PSTMO, encode_frames


@keras.saving.register_keras_serializable(package="keras_seal")
class MaskedKeypoints(keras.Model):
    """Guess the keypoints of hidden frames and hidden joints: the pre-training of `PSTMO`.

    In training and otherwise alike, `masked_frames` frames of a window and `masked_joints` joints
    of each frame are hidden, the same for all windows of a batch. The encoder and the transformer
    of `PSTMO` see the other frames; a small transformer half as wide guesses all frames. Train it
    with the keypoints themselves as targets, then hand what it learnt to a `PSTMO` of the same size
    by `transfer`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window.
        masked_frames: Number of frames to hide, less than `num_frames`.
        masked_joints: Number of joints to hide in each frame. The last joint is never hidden, as
            published.
        channels: As in `PSTMO`; even.
        hidden: As in `PSTMO`; even.
        num_blocks: As in `PSTMO`; the guessing transformer has one layer less.
        num_heads: As in `PSTMO`; divides half of the channels.
        dropout: Dropout rate everywhere.
        seed: Integer, for what is hidden.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Inputs and outputs `(batch, num_frames, joints, 2)`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = MaskedKeypoints("human36m_17", 9, masked_frames=6, channels=16, hidden=16)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 9, 17, 2)

    Reference:
        Shan et al., "P-STMO: Pre-trained spatial temporal many-to-one model for 3D human pose
        estimation", ECCV 2022, section 3.1.
    """

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        masked_frames: int = 194,
        masked_joints: int = 2,
        channels: int = 256,
        hidden: int = 512,
        num_blocks: int = 4,
        num_heads: int = 8,
        dropout: float = 0.1,
        seed: int | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        for name, value, limit in (
            ("masked_frames", masked_frames, num_frames),
            ("masked_joints", masked_joints, joints),
        ):
            if check_integer(name, value, minimum=0) >= limit:
                raise ValueError(f"`{name}` is less than {limit}, got {value}.")
        check_integer("num_blocks", num_blocks)
        if channels % 2 or hidden % 2:
            raise ValueError(f"`channels` and `hidden` are even, got {channels} and {hidden}.")
        inputs = keypoints_input(skeleton, num_frames, 2)
        order, joint_mask = HiddenParts(masked_joints, seed=seed, name="hidden_parts")(inputs)
        guesser = _guesser(
            skeleton,
            num_frames,
            num_frames - masked_frames,
            channels,
            hidden,
            num_blocks,
            num_heads,
            dropout,
            dtype,
        )
        super().__init__(inputs, guesser([inputs, order, joint_mask]), **kwargs)
        self.guesser = guesser
        self.dtype_policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        self.skeleton = skeleton
        self.num_frames = num_frames
        self.masked_frames = masked_frames
        self.masked_joints = masked_joints
        self.channels = channels
        self.hidden = hidden
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.dropout = dropout
        self.seed = seed

    def transfer(self, net: PSTMO) -> None:
        """Give a pose-net the encoder and the transformer over the frames.

        Args:
            net: A `PSTMO` with the same skeleton, frames, channels, hidden channels and blocks.

        Raises:
            ValueError: If a layer is missing there or has another shape.
        """
        for layer in self.guesser.layers:
            # The token of hidden frames stays behind: a pose-net sees all of them.
            if layer.weights and re.match(r"encoder|frame_(embedding|\d)", layer.name):
                net.get_layer(layer.name).set_weights(layer.get_weights())

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "skeleton": self.skeleton.to_dict(),
            "num_frames": self.num_frames,
            "masked_frames": self.masked_frames,
            "masked_joints": self.masked_joints,
            "channels": self.channels,
            "hidden": self.hidden,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MaskedKeypoints:
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_seal")
class HiddenParts(layers.Layer):
    """Draw which frames and joints are hidden, once for a whole batch.

    Args:
        masked_joints: Joints to hide in each frame, never the last one.
        seed: Integer, for the draws.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(batch, frames, joints, channels)`. Outputs: a random order of the frames `(batch,
    frames)`, int32, whose last ones are to be hidden; and `(batch, frames, joints)`, 1 where a
    joint is hidden.

    Examples:
        >>> order, joints = HiddenParts(2)(ops.zeros((4, 9, 17, 2)))
        >>> float(ops.sum(joints)) / (4 * 9)
        2.0
    """

    def __init__(self, masked_joints: int, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.masked_joints = check_integer("masked_joints", masked_joints, minimum=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any) -> tuple[Any, Any]:
        frames, joints = inputs.shape[1:3]
        batch = ops.shape(inputs)[0]

        def draw(*shape: int) -> Any:
            return keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)

        order = ops.cast(ops.argsort(draw(frames), axis=0), "int32")
        ranks = ops.argsort(ops.argsort(draw(frames, joints - 1), axis=1), axis=1)
        mask = ops.cast(ranks < self.masked_joints, self.compute_dtype)
        mask = ops.pad(mask, [[0, 0], [0, 1]])
        return (
            ops.broadcast_to(order, (batch, frames)),
            ops.broadcast_to(mask, (batch, frames, joints)),
        )

    def compute_output_spec(self, inputs: Any) -> tuple[Any, Any]:
        batch, frames, joints = inputs.shape[:3]
        return (
            keras.KerasTensor((batch, frames), "int32"),
            keras.KerasTensor((batch, frames, joints), self.compute_dtype),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "masked_joints": self.masked_joints, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_seal")
class MaskToken(layers.Layer):
    """Put a learned vector in the place of masked ones.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are a list: `(..., channels)` and a mask `(...)`, 1 where the vector goes. Outputs like
    the first.

    Examples:
        >>> layer = MaskToken()
        >>> tuple(layer([ops.zeros((4, 9, 2)), ops.ones((4, 9))]).shape)
        (4, 9, 2)
    """

    def build(self, input_shape: Any) -> None:
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.token = self.add_weight(name="token", shape=(input_shape[0][-1],), initializer=normal)

    def call(self, inputs: Any) -> Any:
        x, mask = inputs
        mask = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return x * (1.0 - mask) + self.token * mask

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])


def _guesser(
    skeleton: skeletons.Skeleton,
    num_frames: int,
    visible: int,
    channels: int,
    hidden: int,
    num_blocks: int,
    num_heads: int,
    dropout: float,
    dtype: Any,
) -> keras.Model:
    """Build the model of keypoints, order of frames and mask of joints."""
    joints = skeleton.num_joints
    inputs = keypoints_input(skeleton, num_frames, 2)
    order = keras.Input((num_frames,), dtype="int32", name="order")
    joint_mask = keras.Input((num_frames, joints), name="joint_mask")
    normal = keras.initializers.RandomNormal(stddev=1.0)

    def drop(x: Any) -> Any:
        return layers.Dropout(dropout, dtype=dtype)(x) if dropout else x

    def transformer(x: Any, count: int, inner: int, name: str) -> Any:
        for index in range(count):
            h = DeviationNormalization(dtype=dtype, name=f"{name}_{index}_attention_norm")(x)
            attention = SelfAttention(
                num_heads, dropout=dropout, dtype=dtype, name=f"{name}_{index}_attention"
            )
            x = x + drop(attention(h))
            h = DeviationNormalization(dtype=dtype, name=f"{name}_{index}_feed_forward_norm")(x)
            feed_forward = FeedForward(
                inner,
                activation="relu",
                dropout=dropout,
                dtype=dtype,
                name=f"{name}_{index}_feed_forward",
            )
            x = x + drop(feed_forward(h))
        return x

    def by_frame(x: Any, frames: Any) -> Any:
        return ops.take_along_axis(x, ops.expand_dims(frames, -1), axis=1)

    x = MaskToken(dtype=dtype, name="joint_token")([inputs, joint_mask])
    x = encode_frames(x, channels, dropout, dtype)
    x = PositionEmbedding(initializer=normal, dtype=dtype, name="frame_embedding")(x)
    x = transformer(by_frame(x, order[:, :visible]), num_blocks, hidden, "frame")
    x = DeviationNormalization(dtype=dtype, name="guess_norm")(x)
    x = layers.Dense(
        channels // 2,
        use_bias=False,
        kernel_initializer=linear_initializers(channels)["kernel_initializer"],
        dtype=dtype,
        name="guess_stem",
    )(x)
    # Back in the order of time, hidden frames a token: attention knows no order anyway.
    places = ops.argsort(order, axis=1)
    gone = ops.cast(places >= visible, "float32")
    x = by_frame(ops.pad(x, [[0, 0], [0, num_frames - visible], [0, 0]]), places)
    x = MaskToken(dtype=dtype, name="frame_token")([x, gone])
    x = PositionEmbedding(initializer=normal, dtype=dtype, name="guess_embedding")(x)
    x = transformer(x, num_blocks - 1, hidden // 2, "guess")
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype, name="guessed_norm")(
        ops.reshape(x, (-1, channels // 2))
    )
    x = layers.Dense(
        joints * 2, dtype="float32", name="guessed", **linear_initializers(channels // 2)
    )(x)
    x = ops.reshape(x, (-1, num_frames, joints, 2))
    return keras.Model([inputs, order, joint_mask], x, name="guesser")
