"""MixSTE: attention between joints and between frames by turns, a pose for each frame."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import (
    PositionEmbedding,
    RootRelative,
    TransformerBlock,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


def alternate(
    x: Any,
    num_blocks: int,
    *,
    first: int = 0,
    embed: bool = True,
    num_heads: int = 8,
    mlp_ratio: float = 2.0,
    drop_path: Any = 0.0,
    norms: tuple[Any, Any] | None = None,
    dtype: Any = None,
) -> Any:
    """Pass tokens through transformer blocks between joints and between frames by turns.

    After every block comes a layer normalisation: the same one after all blocks over the joints,
    another after all blocks over the frames.

    Args:
        x: Tokens `(batch, frames, joints, channels)`, symbolic.
        num_blocks: Pairs of blocks.
        first: Number of the first pair, for the names.
        embed: Whether the first pair's inputs get embeddings of joints and of frames.
        num_heads: Heads of the attentions.
        mlp_ratio: Width of the feed-forward as a multiple of the channels.
        drop_path: Probability that a branch is dropped, for each pair.
        norms: The two normalisations; None for new ones.
        dtype: Dtype policy of the layers.

    Returns:
        Tokens of the same shape.
    """
    norms = norms or shared_norms(dtype)
    rates = np.broadcast_to(drop_path, num_blocks).tolist()
    for index, rate in enumerate(rates):
        for kind, axis, norm in (("joint", -2, norms[0]), ("frame", -3, norms[1])):
            if embed and index == 0:
                x = PositionEmbedding(axis=axis, dtype=dtype, name=f"{kind}_embedding")(x)
            x = TransformerBlock(
                num_heads,
                axis=axis,
                mlp_ratio=mlp_ratio,
                drop_path=rate,
                dtype=dtype,
                name=f"{kind}_block_{first + index}",
            )(x)
            x = norm(x)
    return x


def shared_norms(dtype: Any) -> tuple[Any, Any]:
    """Make the layer normalisations that all blocks share: of joints, of frames."""
    return tuple(
        layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name=f"{kind}_norm")
        for kind in ("joint", "frame")
    )


def linear(x: Any, units: int, name: str, dtype: Any, **options: Any) -> Any:
    """Apply a new dense layer to `(batch, frames, joints, channels)`, folded to two axes."""
    channels = x.shape[-1]
    folded = keras.ops.reshape(x, (-1, channels))
    options = {**linear_initializers(channels), **options}
    folded = layers.Dense(units, dtype=dtype, name=name, **options)(folded)
    return keras.ops.reshape(folded, (-1, *x.shape[1:-1], units))


def poses_from_tokens(x: Any, skeleton: skeletons.Skeleton, dtype: Any) -> Any:
    """Read poses off tokens `(batch, frames, joints, channels)`."""
    x = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="head_norm")(x)
    # Metres in half precision would be a few millimetres off: the coordinates are float32.
    x = linear(x, 3, "coordinates", "float32")
    return RootRelative(skeleton, mode="zero", dtype="float32", name="pose")(x)


@keras.saving.register_keras_serializable(package="keras_seal")
class MixSTE(PoseNet):
    """Lift all frames of a window with transformers over joints and over frames by turns.

    Every joint of every frame is a token. `num_blocks` times: a transformer block between the
    joints of each frame, then one between the frames of each joint. The layer normalisation after
    the blocks is one for all blocks over the joints and one for all over the frames.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; as many come out.
        channels: Channels of a token.
        num_blocks: Pairs of transformer blocks.
        num_heads: Heads of all attentions; divides `channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        drop_path: Probability that a branch of the last pair is dropped; rises from 0.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> net = MixSTE("human36m_17", num_frames=9, channels=16, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 9, 17, 3)

    Reference:
        Zhang et al., "MixSTE: Seq2seq mixed spatio-temporal encoder for 3D human pose estimation in
        video", CVPR 2022, section 3.
    """

    source = "Zhang et al., CVPR 2022 (arXiv 2203.00859)"
    presets = {  # noqa: RUF012
        f"mixste_{frames}": {
            "description": f"The published net for {frames} frames.",
            "published": published,
            "config": {"num_frames": frames},
        }
        for frames, published in (
            (27, "54.9 mm MPJPE on MPI-INF-3DHP"),
            (81, "42.4 mm MPJPE on Human3.6M with CPN keypoints, 25.9 with true ones"),
            (243, "40.9 mm MPJPE on Human3.6M with CPN keypoints, 21.6 with true ones"),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        channels: int = 512,
        num_blocks: int = 8,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        channels = check_integer("channels", channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        x = linear(inputs, channels, "stem", dtype)
        x = alternate(
            x,
            num_blocks,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            drop_path=np.linspace(0, drop_path, num_blocks),
            dtype=dtype,
        )
        super().__init__(
            inputs,
            poses_from_tokens(x, skeleton, dtype),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.channels = channels
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
            "input_channels": self.input_channels,
        }
