"""The loss-net that sees a pose as a graph of joints."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import GraphToken, JointProjection, SkeletonTransformerBlock
from keras_seal.layers.arguments import check_integer
from keras_seal.loss_nets.base import LossNet, described, energy_inputs


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphLossNet(LossNet):
    """Score a pose by transformer blocks whose attention is biased by the skeleton.

    Each joint's keypoint, position and learned embedding are joined and projected; a graph token
    is put in front; `SkeletonTransformerBlock`s mix them; from the graph token, normalised, two
    dense layers with a GELU between make the energy.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        units: Channels of the tokens.
        num_blocks: Number of transformer blocks.
        num_heads: Attention heads of each block; divides `units`.
        mlp_ratio: Width of the blocks' MLPs as a multiple of `units`.
        embedding_dim: Length of the learned embedding of a joint.
        dropout: Dropout rate after each attention and each MLP.
        hard_mask: Whether joints attend to themselves, their neighbours and the graph token
            alone, instead of paying a learned penalty.
        edge_types: Whether attention has a learned weight for each kind of pair: the joint
            itself, its parent, its child, its mirror image.
        hop_bias: Whether attention has a learned bias by the distance on the skeleton.
        degree_bias: Whether attention has a learned bias by the numbers of neighbours.
        conditional: Whether the energy depends on the keypoints: False; True for the keypoints as
            they are; `"reprojection"` for how far the pose is from projecting to them
            (`keras_seal.layers.ReprojectionResiduals`).
        input_channels: 2, or 3 with the detector's confidence.
        pose_features: What the net sees of a pose: `"coordinates"`, `"bones"`, `"shape"` (blind to
            position, rotation and size), or several of them; see `keras_seal.layers.PoseFeatures`.
        frame_gap: With a number, each frame is scored together with how it changed since the frame
            so much earlier.
        spectral_norm: With a number, a bound on the largest singular value of every kernel.
        dtype: Dtype policy of the layers; the energy is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Inputs are the list [keypoints `(batch, frames, joints, input_channels)`, poses `(batch,
    frames, joints, 3)`]; outputs the energies `(batch, frames)`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = GraphLossNet("human36m_17", units=32, num_blocks=2, num_heads=4)
        >>> keypoints, poses = np.zeros((4, 3, 17, 2)), np.zeros((4, 3, 17, 3))
        >>> tuple(net([keypoints, poses]).shape)
        (4, 3)

    Reference:
        SEAL-pose, arXiv 2602.20051 (2026), the graph loss-net with early fusion.
    """

    def __init__(
        self,
        skeleton: Any,
        units: int = 256,
        num_blocks: int = 6,
        num_heads: int = 8,
        mlp_ratio: float = 1.0,
        embedding_dim: int = 32,
        dropout: float = 0.0,
        hard_mask: bool = False,
        edge_types: bool = False,
        hop_bias: bool = True,
        degree_bias: bool = True,
        conditional: bool | str = True,
        input_channels: int = 2,
        pose_features: Any = "coordinates",
        frame_gap: int | None = None,
        spectral_norm: float | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = energy_inputs(skeleton, input_channels)
        x = described(
            inputs,
            skeleton,
            conditional=conditional,
            pose_features=pose_features,
            frame_gap=frame_gap,
            dtype=dtype,
        )
        x = JointProjection(units, embedding_dim, dtype=dtype, name="projection")(x)
        x = GraphToken(dtype=dtype, name="graph_token")(x)
        for index in range(num_blocks):
            x = SkeletonTransformerBlock(
                num_heads,
                skeleton,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                graph_token=True,
                hard_mask=hard_mask,
                edge_types=edge_types,
                hop_bias=hop_bias,
                degree_bias=degree_bias,
                token_only=index == num_blocks - 1,
                dtype=dtype,
                name=f"block_{index}",
            )(x)
        x = layers.Flatten(dtype=dtype, name="read_token")(x)
        x = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="norm")(x)
        x = layers.Dense(units, dtype=dtype, name="hidden")(x)
        x = layers.Activation("gelu", dtype=dtype, name="gelu")(x)
        energy = layers.Dense(1, dtype="float32", name="score")(x)
        super().__init__(
            inputs,
            energy,
            skeleton=skeleton,
            conditional=conditional,
            input_channels=input_channels,
            pose_features=pose_features,
            frame_gap=frame_gap,
            spectral_norm=spectral_norm,
            dtype=dtype,
            **kwargs,
        )
        self.units = units
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.hard_mask = hard_mask
        self.edge_types = edge_types
        self.hop_bias = hop_bias
        self.degree_bias = degree_bias

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "hard_mask": self.hard_mask,
            "edge_types": self.edge_types,
            "hop_bias": self.hop_bias,
            "degree_bias": self.degree_bias,
        }
