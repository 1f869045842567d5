"""The loss-net that sees a pose as one flat vector."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers.arguments import check_integer
from keras_seal.loss_nets.base import LossNet, described, energy_inputs


@keras.saving.register_keras_serializable(package="keras_seal")
class MLPLossNet(LossNet):
    """Score a pose by a residual multilayer perceptron over all coordinates.

    Keypoints and pose, flattened and joined, go through a dense layer with activation and dropout,
    `num_stages` residual stages of two such layers each, and a last dense layer to one number.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        units: Width of the hidden layers.
        num_stages: Number of residual stages, two layers each.
        dropout: Dropout rate after every hidden layer.
        activation: Of the hidden layers. The energy of `"relu"` has a slope that jumps from piece
            to piece; what is taught its slope (denoising, gradient penalties) learns better with a
            smooth one, `"silu"`.
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
        >>> net = MLPLossNet("human36m_17", units=32)
        >>> keypoints, poses = np.zeros((4, 3, 17, 2)), np.zeros((4, 3, 17, 3))
        >>> tuple(net([keypoints, poses]).shape)
        (4, 3)

    Reference:
        SEAL-pose, arXiv 2602.20051 (2026), the loss-net without a graph.
    """

    def __init__(
        self,
        skeleton: Any,
        units: int = 1024,
        num_stages: int = 2,
        dropout: float = 0.5,
        activation: str = "relu",
        conditional: bool | str = True,
        input_channels: int = 2,
        pose_features: Any = "coordinates",
        frame_gap: int | None = None,
        spectral_norm: float | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        units = check_integer("units", units)
        num_stages = check_integer("num_stages", num_stages, minimum=0)
        inputs = energy_inputs(skeleton, input_channels)

        def block(x: Any, name: str) -> Any:
            x = layers.Dense(
                units,
                activation=activation,
                kernel_initializer="he_normal",
                dtype=dtype,
                name=f"{name}_dense",
            )(x)
            return layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)

        x = described(
            inputs,
            skeleton,
            conditional=conditional,
            pose_features=pose_features,
            frame_gap=frame_gap,
            dtype=dtype,
        )
        x = layers.Flatten(dtype=dtype, name="flatten")(x)
        x = block(x, "stem")
        for stage in range(num_stages):
            residual = block(x, f"stage_{stage}_a")
            residual = block(residual, f"stage_{stage}_b")
            x = layers.Add(dtype=dtype, name=f"stage_{stage}_add")([x, residual])
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
        self.num_stages = num_stages
        self.dropout = dropout
        self.activation = activation

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_stages": self.num_stages,
            "dropout": self.dropout,
            "activation": self.activation,
        }
