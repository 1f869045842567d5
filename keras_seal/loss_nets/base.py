"""The base of all loss-nets."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_seal import skeletons
from keras_seal.layers import (
    FoldFrames,
    FramePairs,
    PoseFeatures,
    ReprojectionResiduals,
    UnfoldFrames,
)
from keras_seal.layers.pose_features import feature_kinds
from keras_seal.loss_nets.spectral import SpectralLimit

REPROJECTION = "reprojection"


class LossNet(keras.Model):
    """A network that scores how well a 3D pose fits 2D keypoints: the energy.

    A loss-net is a Functional model, built when it is made. Its inputs are a list: keypoints
    `(batch, frames, joints, input_channels)` and poses `(batch, frames, joints, 3)` in metres
    relative to the skeleton's origin; its output is the energy `(batch, frames)`, float32, low
    for plausible poses. Each frame is scored on its own, or beside an earlier one with
    `frame_gap`; any number of frames will do. An unconditional net takes both inputs too, but does
    not look at the keypoints.

    A subclass builds its graph from `energy_inputs` and `described` in its constructor, makes one
    energy a frame, hands both to this constructor, and adds its own arguments to `get_config`.

    Args:
        inputs: The two `keras.Input`, keypoints and poses.
        energy: Energies `(batch * frames, 1)`, float32.
        skeleton: The `Skeleton` of both inputs.
        conditional: Whether the energy depends on the keypoints: False; True for the keypoints as
            they are; `"reprojection"` for how far the pose is from projecting to them
            (`keras_seal.layers.ReprojectionResiduals`).
        input_channels: Channels of the keypoints.
        pose_features: What the net sees of a pose: `"coordinates"`, `"bones"`, `"shape"`, or
            several of them; see `keras_seal.layers.PoseFeatures`.
        frame_gap: With a number, each frame is scored together with how it changed since the frame
            so much earlier; the first frames, which have none, since the very first.
        spectral_norm: With a number, the largest singular value of every kernel is kept at that or
            below, which bounds how steep the energy can be.
        dtype: Dtype policy of the layers, as Keras takes it.
        **kwargs: Passed on to `keras.Model`.
    """

    def __init__(
        self,
        inputs: list[Any],
        energy: Any,
        *,
        skeleton: skeletons.Skeleton,
        conditional: bool | str,
        input_channels: int,
        pose_features: Any = "coordinates",
        frame_gap: int | None = None,
        spectral_norm: float | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        energy = keras.ops.squeeze(energy, axis=-1)
        outputs = UnfoldFrames(dtype="float32", name="energy")([energy, inputs[1]])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dtype_policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        self.skeleton = skeleton
        self.conditional = conditional
        self.input_channels = input_channels
        self.pose_features = feature_kinds(pose_features)
        self.frame_gap = frame_gap
        self.spectral_norm = spectral_norm
        if spectral_norm is not None:
            for weight in self.trainable_weights:
                if weight.name.endswith("kernel"):
                    weight.constraint = SpectralLimit(spectral_norm)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "skeleton": self.skeleton.to_dict(),
            "conditional": self.conditional,
            "input_channels": self.input_channels,
            "pose_features": list(self.pose_features),
            "frame_gap": self.frame_gap,
            "spectral_norm": self.spectral_norm,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LossNet:
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)


def energy_inputs(skeleton: skeletons.Skeleton, input_channels: int = 2) -> list[keras.KerasTensor]:
    """Make the two inputs of a loss-net, with free numbers of samples and frames.

    Args:
        skeleton: The skeleton.
        input_channels: 2, or 3 where the detector's confidence comes with x and y.

    Returns:
        Symbolic tensors `(None, None, joints, input_channels)` named "keypoints" and
        `(None, None, joints, 3)` named "poses".

    Raises:
        ValueError: If `input_channels` is neither 2 nor 3.

    Examples:
        >>> [tensor.shape for tensor in energy_inputs(skeletons.get("human36m_17"))]
        [(None, None, 17, 2), (None, None, 17, 3)]
    """
    if input_channels not in (2, 3):
        raise ValueError(
            f"`input_channels` is 2 (x, y) or 3 (x, y, confidence), got {input_channels!r}."
        )
    joints = skeleton.num_joints
    return [
        keras.Input((None, joints, input_channels), name="keypoints"),
        keras.Input((None, joints, 3), name="poses"),
    ]


def described(
    inputs: list[Any],
    skeleton: skeletons.Skeleton,
    *,
    conditional: bool | str,
    pose_features: Any,
    frame_gap: int | None,
    dtype: Any,
) -> Any:
    """Turn the two inputs of a loss-net into features of each joint.

    Args:
        inputs: From `energy_inputs`.
        skeleton: The skeleton.
        conditional: What of the keypoints is among the features, see `LossNet`.
        pose_features: Kinds of features of the pose, see `keras_seal.layers.PoseFeatures`.
        frame_gap: See `LossNet`.
        dtype: Dtype policy.

    Returns:
        Symbolic tensor `(batch * frames, joints, channels)`.

    Raises:
        ValueError: If `conditional` or `pose_features` is none of what there is.
    """
    if conditional not in (True, False, REPROJECTION):
        raise ValueError(f"conditional is {conditional!r}: give True, False or '{REPROJECTION}'.")
    keypoints, poses = inputs
    x = poses
    kinds = feature_kinds(pose_features)
    if kinds != ("coordinates",):
        x = PoseFeatures(skeleton, kinds, dtype=dtype, name="pose_features")(x)
    if conditional == REPROJECTION:
        keypoints = ReprojectionResiduals(dtype=dtype, name="reprojection")([keypoints, poses])
    if conditional:
        x = layers.Concatenate(dtype=dtype, name="join")([keypoints, x])
    if frame_gap is not None:
        x = FramePairs(frame_gap, dtype=dtype, name="frame_pairs")(x)
    return FoldFrames(dtype=dtype, name="fold_frames")(x)
