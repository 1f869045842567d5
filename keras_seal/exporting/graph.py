"""What is exported: the net alone, or with all that is around it."""

# ruff: noqa: D102 (call and compute_output_shape are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from keras_seal.geometry import normalize_screen
from keras_seal.layers import RootRelative
from keras_seal.skeletons.joint_maps import JointMap

KEYPOINTS, IMAGE_SIZE, POSES = "keypoints", "image_size", "poses"


class PixelsToScreen(layers.Layer):
    """A detector's keypoints in pixels to a lifter's keypoints on the screen, as `predict` does it.

    Args:
        joint_map: From the detector's joints to the lifter's.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are a list: keypoints `(batch, frames, source joints, 2 or 3)`, x and y in pixels and
    perhaps the confidence, and image sizes `(batch, 2)`, width and height in pixels. Outputs
    `(batch, frames, target joints, 2 or 3)`, x in [-1, 1], the aspect kept, confidences in [0, 1].

    Examples:
        >>> from keras_seal.skeletons import joint_maps
        >>> layer = PixelsToScreen(joint_maps.find("coco_17", "human36m_17"))
        >>> screen = layer([500 * ops.ones((1, 1, 17, 2)), ops.convert_to_tensor([[1000., 600.]])])
        >>> [round(float(value), 3) for value in screen[0, 0, 0]]
        [0.0, 0.4]
    """

    def __init__(self, joint_map: JointMap, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.joint_map = joint_map

    def call(self, inputs: Any) -> Any:
        keypoints, sizes = inputs
        weights = (self.joint_map.x, self.joint_map.y, self.joint_map.confidence)
        channels = [
            ops.matmul(
                ops.convert_to_tensor(weight.astype("float32")), keypoints[..., axis : axis + 1]
            )
            for axis, weight in zip(range(keypoints.shape[-1]), weights, strict=False)
        ]
        width, height = (ops.reshape(sizes[:, axis], (-1, 1, 1)) for axis in (0, 1))
        screen = normalize_screen(ops.concatenate(channels[:2], axis=-1), width, height)
        trust = [ops.clip(channel, 0.0, 1.0) for channel in channels[2:]]
        return ops.concatenate([screen, *trust], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, frames, _, channels = input_shape[0]
        return (batch, frames, self.joint_map.target.num_joints, channels)


def bare(net: keras.Model) -> keras.Model:
    """Give a net's input and output names.

    Args:
        net: A pose-net.

    Returns:
        A model from `keypoints` to a dictionary of `poses`.
    """
    keypoints = keras.Input(net.input_shape[1:], name=KEYPOINTS)
    return keras.Model([keypoints], {POSES: net(keypoints, training=False)}, name="lifter")


def with_processing(net: keras.Model, joint_map: JointMap) -> keras.Model:
    """Put what comes before and behind a net into one model with it.

    Args:
        net: A pose-net.
        joint_map: From the joints that come in to the net's.

    Returns:
        A model from `keypoints` in pixels and `image_size` to a dictionary of `poses`, metres
        relative to the root.
    """
    _, frames, _, channels = net.input_shape
    keypoints = keras.Input((frames, joint_map.source.num_joints, channels), name=KEYPOINTS)
    size = keras.Input((2,), name=IMAGE_SIZE)
    screen = PixelsToScreen(joint_map, name="screen")([keypoints, size])
    poses = RootRelative(joint_map.target, dtype="float32", name="root")(
        net(screen, training=False)
    )
    return keras.Model([keypoints, size], {POSES: poses}, name="lifter")
