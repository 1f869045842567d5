"""The loss-net that passes messages along the bones."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import GraphConv, JointProjection
from keras_seal.layers.arguments import check_integer
from keras_seal.loss_nets.base import LossNet, described, energy_inputs


@keras.saving.register_keras_serializable(package="keras_seal")
class GCNLossNet(LossNet):
    """Score a pose by graph convolutions over its joints.

    Each joint's features and a learned embedding of the joint are joined and projected; residual
    blocks of a layer normalisation, a graph convolution with learned edge weights, GELU and a dense
    layer mix neighbours; from the mean over the joints two dense layers make the energy.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        units: Channels of the joints.
        num_blocks: Number of residual blocks: how many bones far a joint hears.
        embedding_dim: Length of the learned embedding of a joint.
        dropout: Dropout rate after each block.
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
        >>> net = GCNLossNet("human36m_17", units=16, num_blocks=2)
        >>> keypoints, poses = np.zeros((4, 3, 17, 2)), np.zeros((4, 3, 17, 3))
        >>> tuple(net([keypoints, poses]).shape)
        (4, 3)
    """

    def __init__(
        self,
        skeleton: Any,
        units: int = 128,
        num_blocks: int = 4,
        embedding_dim: int = 32,
        dropout: float = 0.0,
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
        for index in range(num_blocks):
            name = f"block_{index}"
            y = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name=f"{name}_norm")(x)
            y = GraphConv(
                units,
                skeleton,
                separate_self_weights=True,
                learned_edges="scale",
                activation="gelu",
                dtype=dtype,
                name=f"{name}_conv",
            )(y)
            y = layers.Dense(units, dtype=dtype, name=f"{name}_dense")(y)
            if dropout:
                y = layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(y)
            x = layers.Add(dtype=dtype, name=f"{name}_add")([x, y])
        x = layers.LayerNormalization(epsilon=1e-5, dtype=dtype, name="norm")(x)
        x = layers.GlobalAveragePooling1D(dtype=dtype, name="mean_of_joints")(x)
        x = layers.Dense(units, activation="gelu", dtype=dtype, name="hidden")(x)
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
        self.embedding_dim = embedding_dim
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_blocks": self.num_blocks,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
        }
