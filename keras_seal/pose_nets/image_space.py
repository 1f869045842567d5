"""Nets that say positions in the image, made to say metres."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from keras_seal import geometry, skeletons
from keras_seal.errors import UserError
from keras_seal.layers import RootRelative
from keras_seal.pose_nets.base import PoseNet, keypoints_input

# Two ways to the scale, of which one has to be taken.
SCALES = ("metres_per_unit", "mean_bone_length")
OPTIONS = (*SCALES, "focal_length")


def check_scale(
    metres_per_unit: float | None = None,
    mean_bone_length: float | None = None,
    focal_length: float | None = None,
) -> None:
    """Raise a `UserError` unless poses in the image can become metres by these numbers.

    Args:
        metres_per_unit: As `ImageSpaceAdapter` has it.
        mean_bone_length: As `ImageSpaceAdapter` has it.
        focal_length: As `ImageSpaceAdapter` has it.

    Raises:
        UserError: If not exactly one scale is given, or a number makes no sense.

    Examples:
        >>> check_scale(mean_bone_length=0.25)
    """
    if (metres_per_unit is None) == (mean_bone_length is None):
        raise UserError(
            "Such a net says positions in the image, and no image tells how large a body is. Give"
            " one of: mean_bone_length, the mean length in metres of the skeleton's bones in the"
            " person seen (about 0.26 for an adult on human36m_17); or metres_per_unit, what half"
            " the image's width measures at the person's distance, in metres."
        )
    given = {
        "metres_per_unit": metres_per_unit,
        "mean_bone_length": mean_bone_length,
        "focal_length": focal_length,
    }
    for name, value in given.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < math.inf):
            raise UserError(f"`{name}` is a positive number, got {value!r}.")


@keras.saving.register_keras_serializable(package="keras_seal")
class ImageToMetres(layers.Layer):
    """Positions in the image, with depth in the same unit, to metres in camera space.

    Half the image's width is the unit of all three coordinates. With s the metres of such a unit
    at the distance of the skeleton's origin, k the keypoint of the origin, f the focal length and
    (u, d) the position and depth of a joint relative to the origin, the joint lies at

        s (u + (k + u) d / f, d)

    relative to the origin: what is farther away is larger than it looks. Without f the second term
    is left out. s is given, or such that the bones of each frame are as long as is given.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        metres_per_unit: As `ImageSpaceAdapter` has it.
        mean_bone_length: As `ImageSpaceAdapter` has it.
        focal_length: As `ImageSpaceAdapter` has it.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs are a list: positions `(batch, frames, joints, 3)` relative to the origin, and keypoints
    `(batch, frames, joints, 2 or 3)`. Outputs `(batch, frames, joints, 3)` in metres.

    Raises:
        UserError: If not exactly one scale is given, or a number makes no sense.

    Examples:
        >>> layer = ImageToMetres("human36m_17", metres_per_unit=2.0)
        >>> positions, keypoints = ops.ones((1, 1, 17, 3)), ops.ones((1, 1, 17, 2))
        >>> float(ops.max(layer([positions, keypoints])))
        2.0
    """

    def __init__(
        self,
        skeleton: Any,
        metres_per_unit: float | None = None,
        mean_bone_length: float | None = None,
        focal_length: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_scale(metres_per_unit, mean_bone_length, focal_length)
        self.skeleton = skeletons.get(skeleton)
        self.metres_per_unit = metres_per_unit
        self.mean_bone_length = mean_bone_length
        self.focal_length = focal_length

    def call(self, inputs: Any) -> Any:
        positions, keypoints = inputs
        if self.focal_length is not None:
            origin = list(self.skeleton.origin)
            center = keypoints[..., origin[0] : origin[0] + 1, :2]
            for joint in origin[1:]:
                center = center + keypoints[..., joint : joint + 1, :2]
            across, depth = positions[..., :2], positions[..., 2:]
            farther = (center / len(origin) + across) * depth / self.focal_length
            positions = ops.concatenate([across + farther, depth], axis=-1)
        if self.metres_per_unit is not None:
            return positions * self.metres_per_unit
        lengths = geometry.bone_lengths(positions, self.skeleton)
        mean = ops.reshape(ops.mean(lengths, axis=-1), (*ops.shape(positions)[:-2], 1, 1))
        # A body without any size stays at the origin, with finite gradients.
        return positions * (self.mean_bone_length / ops.maximum(mean, 1e-6))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "skeleton": self.skeleton.to_dict(),
            **{name: getattr(self, name) for name in OPTIONS},
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class ImageSpaceAdapter(PoseNet):
    """A pose-net that says positions in the image, made one that says metres.

    The published weights of MotionBERT and MotionAGFormer for Human3.6M say where a joint is in
    the image relative to the root, and how far behind the root it is, in units of half the image's
    width. How many metres such a unit has, `(distance of the body) / (focal length)`, no net can
    know from keypoints: a child near by looks like a giant far away. Their published errors take
    that number from the true poses, frame by frame. Here it has to be given, in one of two ways:

    - `mean_bone_length`: each frame is scaled so that its bones are this long on average. The
      distance may change from frame to frame; an error of 5 % in the length makes poses 5 % too
      large or too small.
    - `metres_per_unit`: one factor for all frames, for a camera at a known distance. With 1 the
      poses stay in units of half the image's width.

    The published errors also count every joint's place in the image as if it were as far away as
    the root, which off the image's centre is centimetres away from camera space. With
    `focal_length` the adapter undoes that; without, poses are what the published errors are of.

    Args:
        net: The net, a `PoseNet` whose positions are in the image.
        metres_per_unit: Metres that half the image's width measures at the distance of the body.
        mean_bone_length: Mean length of all of the skeleton's bones in the person seen, metres;
            about 0.26 for an adult on "human36m_17".
        focal_length: Of the camera, in units of half the image's width (2.3 for Human3.6M's). The
            principal point is taken to be in the middle of the image.
        input_channels: Of the keypoints; None for those of the net. With 2, a net that takes the
            detector's confidence too is told full confidence in all keypoints.
        **kwargs: Passed on to `PoseNet`.

    Raises:
        UserError: If not exactly one scale is given, a number makes no sense, or the channels do
            not fit the net.

    Examples:
        >>> from keras_seal.pose_nets import DSTformer
        >>> net = DSTformer("human36m_17", num_frames=9, channels=16, num_layers=1)
        >>> adapter = ImageSpaceAdapter(net, mean_bone_length=0.25, focal_length=2.3)
        >>> poses = adapter.predict_on_batch(ops.ones((1, 9, 17, 2)))
        >>> round(float(geometry.bone_lengths(poses, "human36m_17").mean()), 3)
        0.25

    Reference:
        Zhu et al., "MotionBERT: A unified perspective on learning human motion representations",
        ICCV 2023, section 4.1.
    """

    def __init__(
        self,
        net: Any,
        metres_per_unit: float | None = None,
        mean_bone_length: float | None = None,
        focal_length: float | None = None,
        input_channels: int | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(net, dict):
            net = keras.saving.deserialize_keras_object(net)
        takes = net.input_shape[-1]
        input_channels = takes if input_channels is None else input_channels
        if input_channels not in (2, takes):
            raise UserError(
                f"The net takes {takes} channels, got input_channels={input_channels!r}: give 2 or"
                " none at all."
            )
        inputs = keypoints_input(net.skeleton, net.num_frames, input_channels)
        x = inputs
        if input_channels < takes:
            x = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
        convert = ImageToMetres(
            net.skeleton,
            metres_per_unit,
            mean_bone_length,
            focal_length,
            dtype="float32",
            name="metres",
        )
        finish = RootRelative(net.skeleton, dtype="float32", name="pose")
        seen = inputs
        if net.out_frames < net.num_frames:
            middle = net.num_frames // 2
            seen = inputs[:, middle : middle + 1]
        super().__init__(
            inputs,
            finish(convert([net(x), seen])),
            skeleton=net.skeleton,
            num_frames=net.num_frames,
            out_frames=net.out_frames,
            **{"dtype": net.dtype_policy, **kwargs},
        )
        self.net = net
        self.metres_per_unit = metres_per_unit
        self.mean_bone_length = mean_bone_length
        self.focal_length = focal_length
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # These two are the net's.
        del config["skeleton"], config["num_frames"]
        return {
            **config,
            "net": keras.saving.serialize_keras_object(self.net),
            **{name: getattr(self, name) for name in OPTIONS},
            "input_channels": self.input_channels,
        }
