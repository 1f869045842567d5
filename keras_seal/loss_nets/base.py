"""The base of all loss-nets."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras

from keras_seal import skeletons
from keras_seal.layers import UnfoldFrames


class LossNet(keras.Model):
    """A network that scores how well a 3D pose fits 2D keypoints: the energy.

    A loss-net is a Functional model, built when it is made. Its inputs are a list: keypoints
    `(batch, frames, joints, input_channels)` and poses `(batch, frames, joints, 3)` in metres
    relative to the skeleton's origin; its output is the energy `(batch, frames)`, float32, low
    for plausible poses. Each frame is scored on its own, so any number of frames will do. An
    unconditional net takes both inputs too, but does not look at the keypoints.

    A subclass builds its graph from `energy_inputs` in its constructor, makes one energy a frame,
    hands both to this constructor, and adds its own arguments to `get_config`.

    Args:
        inputs: The two `keras.Input`, keypoints and poses.
        energy: Energies `(batch * frames, 1)`, float32.
        skeleton: The `Skeleton` of both inputs.
        conditional: Whether the energy depends on the keypoints.
        input_channels: Channels of the keypoints.
        dtype: Dtype policy of the layers, as Keras takes it.
        **kwargs: Passed on to `keras.Model`.
    """

    def __init__(
        self,
        inputs: list[Any],
        energy: Any,
        *,
        skeleton: skeletons.Skeleton,
        conditional: bool,
        input_channels: int,
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

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "skeleton": self.skeleton.to_dict(),
            "conditional": self.conditional,
            "input_channels": self.input_channels,
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

    Example:
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
