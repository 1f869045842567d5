"""The base of all pose-nets."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras

from keras_seal import skeletons
from keras_seal.errors import UserError, nearest
from keras_seal.layers.arguments import check_integer


class PoseNet(keras.Model):
    """A network that lifts 2D keypoints to 3D poses.

    A pose-net is a Functional model, built when it is made: inputs `(batch, num_frames, joints,
    input_channels)`, outputs `(batch, out_frames, joints, 3)` in metres relative to the
    skeleton's origin, always float32. A subclass builds its graph from `keypoints_input` in its
    constructor, hands inputs and outputs to this constructor, and adds its own arguments to
    `get_config`. Published configurations are data: `presets`, from the paper `source`.

    A net that trains on the true poses themselves, as diffusion does, sets `needs_poses` and takes
    them as an argument of its call: `SEALPose` then trains by `net(keypoints, training=True,
    poses=poses)`. Nothing else hands it any. This holds for any `keras.Model`.

    Args:
        inputs: The `keras.Input` of the keypoints.
        outputs: The poses.
        skeleton: The `Skeleton` that inputs and outputs share.
        num_frames: Frames of the input.
        out_frames: Frames of the output: 1 (the centre frame) or `num_frames`.
        dtype: Dtype policy of the layers, as Keras takes it.
        provenance: Where converted weights come from, as texts and numbers; a `.keras` file keeps
            it.
        **kwargs: Passed on to `keras.Model`.
    """

    # The paper, and its configurations: `description`, `config`, and, where one was checked, the
    # figure that it reports (`published`).
    source = ""
    needs_poses = False
    presets: dict[str, dict[str, Any]] = {}  # noqa: RUF012 (typing.ClassVar upsets Keras' tracker)

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        *,
        skeleton: skeletons.Skeleton,
        num_frames: int,
        out_frames: int,
        dtype: Any = None,
        provenance: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # A view: Keras would wrap a plain dict for its tracking, and JSON could not hold that.
        self.provenance = MappingProxyType(dict(provenance or {}))
        self.dtype_policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        self.skeleton = skeleton
        self.num_frames = num_frames
        self.out_frames = out_frames

    @classmethod
    def from_preset(cls, preset: str, skeleton: Any, **options: Any) -> PoseNet:
        """Build a published configuration, with fresh weights.

        Args:
            preset: One of the names in `presets`.
            skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
            **options: Constructor arguments that override the preset's.

        Returns:
            The net.

        Raises:
            UserError: If there is no such preset.
        """
        if preset not in cls.presets:
            raise UserError(
                f"{cls.__name__} has no preset '{preset}'.{nearest(preset, cls.presets)}"
            )
        return cls(skeleton, **{**cls.presets[preset]["config"], **options})

    def get_config(self) -> dict[str, Any]:
        provenance = {"provenance": dict(self.provenance)} if self.provenance else {}
        return {
            **provenance,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "skeleton": self.skeleton.to_dict(),
            "num_frames": self.num_frames,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> PoseNet:
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)


def keypoints_input(
    skeleton: skeletons.Skeleton, num_frames: int, input_channels: int
) -> keras.KerasTensor:
    """Make the input of a pose-net.

    Args:
        skeleton: The skeleton.
        num_frames: Frames of a window, at least 1.
        input_channels: 2, or 3 where the detector's confidence comes with x and y.

    Returns:
        Symbolic tensor `(None, num_frames, joints, input_channels)`, named "keypoints".

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> keypoints_input(skeletons.get("human36m_17"), 27, 2).shape
        (None, 27, 17, 2)
    """
    check_integer("num_frames", num_frames)
    if input_channels not in (2, 3):
        raise ValueError(
            f"`input_channels` is 2 (x, y) or 3 (x, y, confidence), got {input_channels!r}."
        )
    return keras.Input((num_frames, skeleton.num_joints, input_channels), name="keypoints")
