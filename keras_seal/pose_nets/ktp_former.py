"""KTPFormer: MixSTE's blocks after attention that knows the skeleton and the order of frames."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import FeedForward, ModulatedGraphConv, PositionEmbedding, SelfAttention
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input
from keras_seal.pose_nets.mix_ste import alternate, poses_from_tokens, shared_norms


@keras.saving.register_keras_serializable(package="keras_seal")
class KTPFormer(PoseNet):
    """Lift all frames of a window with graph convolutions in front of MixSTE's blocks.

    A modulated graph convolution over the skeleton makes the tokens of the joints, which pass an
    attention between the joints of each frame (kinematics prior); two over the chain of frames
    refine them for an attention between the frames of each joint (trajectory prior). Then come
    `num_blocks` pairs of blocks as in `MixSTE`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window, at least 2; as many come out.
        channels: Channels of a token.
        num_blocks: Pairs of transformer blocks after the two with priors.
        num_heads: Heads of all attentions; divides `channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        drop_path: Probability that a branch of the last pair is dropped; rises from 0 for the two
            blocks with priors.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> net = KTPFormer("human36m_17", num_frames=9, channels=16, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 9, 17, 3)

    Reference:
        Peng et al., "KTPFormer: Kinematics and trajectory prior knowledge-enhanced transformer for
        3D human pose estimation", CVPR 2024, section 3.
    """

    source = "Peng et al., CVPR 2024 (arXiv 2404.00658)"
    presets = {  # noqa: RUF012
        f"ktp_former_{frames}": {
            "description": f"The published net for {frames} frames.",
            "published": published,
            "config": {"num_frames": frames},
        }
        for frames, published in (
            (27, ""),
            (81, "16.7 mm MPJPE on MPI-INF-3DHP"),
            (243, "40.1 mm MPJPE on Human3.6M with CPN keypoints, 19.0 with true ones"),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        channels: int = 512,
        num_blocks: int = 7,
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
        check_integer("num_frames", num_frames, minimum=2)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        chain = np.eye(num_frames, k=1) + np.eye(num_frames, k=-1)

        def graph_block(x: Any, name: str, **graph: Any) -> Any:
            x = ModulatedGraphConv(channels, dtype=dtype, name=f"{name}_conv", **graph)(x)
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm"
            )(x)
            return layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)

        def attend(x: Any, name: str, axis: int) -> Any:
            x = PositionEmbedding(axis=axis, dtype=dtype, name=f"{name}_embedding")(x)
            h = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=f"{name}_attention_norm")(
                x
            )
            x = x + SelfAttention(num_heads, axis=axis, dtype=dtype, name=f"{name}_attention")(h)
            h = layers.LayerNormalization(
                epsilon=1e-6, dtype=dtype, name=f"{name}_feed_forward_norm"
            )(x)
            width = max(1, round(mlp_ratio * channels))
            return x + FeedForward(width, dtype=dtype, name=f"{name}_feed_forward")(h)

        norms = shared_norms(dtype)
        x = graph_block(inputs, "kinematics", skeleton=skeleton)
        x = norms[0](attend(x, "kinematics", -2))
        x = ops.transpose(x, (0, 2, 1, 3))
        h = graph_block(x, "trajectory_a", adjacency=chain)
        x = x + graph_block(h, "trajectory_b", adjacency=chain)
        x = ops.transpose(x, (0, 2, 1, 3))
        x = norms[1](attend(x, "trajectory", -3))
        x = alternate(
            x,
            num_blocks,
            embed=False,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            drop_path=np.linspace(0, drop_path, num_blocks + 1)[1:],
            norms=norms,
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
