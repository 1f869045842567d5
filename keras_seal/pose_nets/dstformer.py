"""DSTformer, MotionBERT's net: joints before frames and frames before joints, side by side."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import AdaptiveFusion, PositionEmbedding, RootRelative, TransformerBlock
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input
from keras_seal.pose_nets.mix_ste import linear


def representation_to_poses(
    x: Any,
    skeleton: skeletons.Skeleton,
    units: int,
    root: str = "zero",
    epsilon: float = 1e-6,
    dtype: Any = None,
    start: Callable[[], dict[str, Any]] = dict,
) -> Any:
    """Read poses off tokens `(batch, frames, joints, channels)` by way of a representation.

    Args:
        x: The tokens, symbolic.
        skeleton: The skeleton.
        units: Channels of the representation.
        root: What becomes of the origin, as the `mode` of `RootRelative`.
        epsilon: Of the layer normalisation in front.
        dtype: Dtype policy of the layers.
        start: Makes the initialisers of a dense layer, where they are not PyTorch's.

    Returns:
        Poses `(batch, frames, joints, 3)`, symbolic.
    """
    x = layers.LayerNormalization(epsilon=epsilon, dtype=dtype, name="head_norm")(x)
    x = linear(x, units, "representation", dtype, **start())
    x = layers.Activation("tanh", dtype=dtype, name="representation_tanh")(x)
    # Metres in half precision would be a few millimetres off: the coordinates are float32.
    x = linear(x, 3, "coordinates", "float32", **start())
    return RootRelative(skeleton, mode=root, dtype="float32", name="pose")(x)


def _normal_start() -> dict[str, Any]:
    # New ones for each layer: Keras' initialisers draw the same numbers each time they are used.
    # The published draws are cut off at a hundred deviations, which never happens.
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.02),
        "bias_initializer": "zeros",
    }


@keras.saving.register_keras_serializable(package="keras_seal")
class DSTformer(PoseNet):
    """Lift all frames of a window with two streams of attention that differ in their order.

    Every joint of every frame is a token. `num_layers` times, two streams start from the same
    tokens, and `AdaptiveFusion` joins them: one has a transformer block between the joints of each
    frame, then one between the frames of each joint; the other has them the other way round. A
    tanh of a wide representation gives the poses.

    Trained here, it says metres. Its published weights say positions in the image instead:
    `keras-seal convert` wraps them in an `ImageSpaceAdapter`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; as many come out.
        channels: Channels of a token.
        num_layers: Layers of two streams.
        num_heads: Heads of all attentions; divides `channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        max_frames: How many frames have an embedding; at least `num_frames`.
        representation: Channels of the representation in front of the coordinates.
        root: `"zero"` if the net says positions relative to the origin, whose own is put at zero
            as its training does; `"subtract"` if it says where the body is in the image as well,
            which is then taken away (published weights called "global").
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> net = DSTformer("human36m_17", num_frames=9, channels=16, num_layers=1)
        >>> tuple(net(keras.ops.zeros((4, 9, 17, 2))).shape)
        (4, 9, 17, 3)

    Reference:
        Zhu et al., "MotionBERT: A unified perspective on learning human motion representations",
        ICCV 2023, section 3.2.
    """

    source = "Zhu et al., ICCV 2023 (arXiv 2210.06551)"
    presets = {  # noqa: RUF012
        "dstformer": {
            "description": "The published net for up to 243 frames.",
            "published": "39.2 mm MPJPE on Human3.6M (SH keypoints), 37.2 after pre-training",
            "config": {"num_frames": 243, "input_channels": 3},
        },
        "dstformer_lite": {
            "description": "The published small net for up to 243 frames.",
            "published": "",
            "config": {"num_frames": 243, "channels": 256, "mlp_ratio": 4.0, "input_channels": 3},
        },
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        channels: int = 512,
        num_layers: int = 5,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        max_frames: int = 243,
        representation: int = 512,
        root: str = "zero",
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        channels = check_integer("channels", channels)
        num_layers = check_integer("num_layers", num_layers)
        check_integer("representation", representation)
        check_integer("num_frames", num_frames)
        check_integer("max_frames", max_frames, minimum=num_frames)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        x = linear(inputs, channels, "stem", dtype, **_normal_start())
        for kind, axis, length in (("joint", -2, None), ("frame", -3, max_frames)):
            x = PositionEmbedding(
                axis=axis,
                length=length,
                initializer=_normal_start()["kernel_initializer"],
                dtype=dtype,
                name=f"{kind}_embedding",
            )(x)
        for index in range(num_layers):
            streams = []
            for order in (("joint", "frame"), ("frame", "joint")):
                stream = x
                for kind in order:
                    stream = TransformerBlock(
                        num_heads,
                        axis=-2 if kind == "joint" else -3,
                        mlp_ratio=mlp_ratio,
                        kernel_initializer=_normal_start()["kernel_initializer"],
                        dtype=dtype,
                        name=f"{order[0]}s_first_{kind}_block_{index}",
                    )(stream)
                streams.append(stream)
            x = AdaptiveFusion(dtype=dtype, name=f"fusion_{index}")(streams)
        super().__init__(
            inputs,
            representation_to_poses(
                x, skeleton, representation, root, dtype=dtype, start=_normal_start
            ),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.channels = channels
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.max_frames = max_frames
        self.representation = representation
        self.root = root
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "max_frames": self.max_frames,
            "representation": self.representation,
            "root": self.root,
            "input_channels": self.input_channels,
        }
