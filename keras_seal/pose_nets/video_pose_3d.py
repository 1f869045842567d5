"""VideoPose3D: residual temporal convolutions."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import RootRelative
from keras_seal.layers.arguments import check_integer
from keras_seal.layers.initializers import linear_initializers
from keras_seal.pose_nets.base import PoseNet, keypoints_input


@keras.saving.register_keras_serializable(package="keras_seal")
class VideoPose3D(PoseNet):
    """Lift a clip by temporal convolutions with growing dilation.

    A convolution over `filter_widths[0]` frames (batch normalisation, ReLU, dropout), then for
    each further width w a residual block: a convolution over w frames, spread by the product of
    the widths before, and one over single frames. Every output frame sees `receptive_field`
    frames, the product of the widths.

    With one output frame the convolutions skip all frames that it does not depend on, as in
    published training: strides in place of dilations. With all frames, the clip is padded by
    repeating its first and last frame, as in published testing. The weights are the same.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        filter_widths: Frames each convolution spans, odd.
        filters: Channels of the hidden layers.
        causal: Whether a frame sees itself and frames before it alone.
        dropout: Dropout rate after every hidden ReLU.
        input_channels: 2, or 3 with the detector's confidence.
        num_frames: Frames of a window. None for what one output frame needs: the receptive field;
            of a causal net twice that less one, whose later half is not looked at. With all
            frames as output, any number.
        out_frames: 1 for the centre frame, or `num_frames` for all.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = VideoPose3D("human36m_17", filter_widths=(3, 3), filters=16)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Pavllo et al., "3D human pose estimation in video with temporal convolutions and
        semi-supervised training", CVPR 2019, section 3.
    """

    source = "Pavllo et al., CVPR 2019 (arXiv 1811.11742)"
    presets = {  # noqa: RUF012
        f"video_pose_3d_{3**count}": {
            "description": f"The published net over {3**count} frames.",
            "published": published,
            "config": {"filter_widths": [3] * count, "filters": 1024, "dropout": 0.25},
        }
        for count, published in (
            (3, "48.8 mm MPJPE on Human3.6M with CPN keypoints"),
            (4, "47.7 mm MPJPE on Human3.6M with CPN keypoints"),
            (5, "46.8 mm MPJPE on Human3.6M with CPN keypoints, 37.2 with true ones"),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        filter_widths: Sequence[int] = (3, 3, 3),
        filters: int = 1024,
        causal: bool = False,
        dropout: float = 0.25,
        input_channels: int = 2,
        num_frames: int | None = None,
        out_frames: int = 1,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        filters = check_integer("filters", filters)
        widths = tuple(check_integer("filter_widths", width) for width in filter_widths)
        if not widths or any(width % 2 == 0 for width in widths):
            raise ValueError(f"`filter_widths` are odd, one or more, got {filter_widths!r}.")
        field = math.prod(widths)
        needed = 2 * field - 1 if causal else field
        num_frames = needed if num_frames is None else check_integer("num_frames", num_frames)
        if out_frames not in (1, num_frames):
            raise ValueError(f"`out_frames` is 1 or {num_frames}, got {out_frames!r}.")
        # A net over single frames has one output frame and all of them at once.
        strided = out_frames == 1
        if strided and num_frames != needed:
            raise ValueError(
                f"`num_frames` is {needed} for one output frame of filters {widths}"
                f"{', causal' if causal else ''}; got {num_frames}. Set `out_frames` to it for "
                "all frames of any window."
            )
        inputs = keypoints_input(skeleton, num_frames, input_channels)

        def span(x: Any, width: int, dilation: int) -> Any:
            """Put the frames that one output frame sees side by side in its channels."""
            frames, channels = x.shape[1:]
            if strided:
                return ops.reshape(x, (-1, frames // width, width * channels))
            left = frames - (width - 1) * dilation
            taps = [x[:, tap * dilation : tap * dilation + left] for tap in range(width)]
            return ops.concatenate(taps, axis=-1)

        def kept(x: Any, width: int, dilation: int) -> Any:
            """The frames of `x` that the output frames stand for: the middle ones, or the last."""
            frames, channels = x.shape[1:]
            tap = width - 1 if causal else width // 2
            if strided:
                x = ops.reshape(x, (-1, frames // width, width, channels))
                return x[:, :, tap]
            return x[:, tap * dilation : tap * dilation + frames - (width - 1) * dilation]

        def block(x: Any, name: str) -> Any:
            frames, channels = x.shape[1:]
            # On two axes, frames folded into the batch: one plain matrix product.
            x = ops.reshape(x, (-1, channels))
            x = layers.Dense(
                filters,
                use_bias=False,
                kernel_initializer=linear_initializers(channels)["kernel_initializer"],
                dtype=dtype,
                name=f"{name}_conv",
            )(x)
            x = layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=dtype, name=f"{name}_norm"
            )(x)
            x = layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)
            x = layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout")(x)
            return ops.reshape(x, (-1, frames, filters))

        x = ops.reshape(inputs, (-1, num_frames, joints * input_channels))
        if strided:
            x = x[:, :field]
        elif field > 1:
            before = field - 1 if causal else field // 2
            first = [ops.repeat(x[:, :1], before, axis=1)]
            last = [] if causal else [ops.repeat(x[:, -1:], field // 2, axis=1)]
            x = ops.concatenate([*first, x, *last], axis=1)
        x = block(span(x, widths[0], 1), "stem")
        for index in range(1, len(widths)):
            width, dilation = widths[index], math.prod(widths[:index])
            residual = block(span(x, width, dilation), f"block_{index}_a")
            residual = block(residual, f"block_{index}_b")
            x = layers.Add(dtype=dtype, name=f"block_{index}_add")(
                [kept(x, width, dilation), residual]
            )
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = ops.reshape(x, (-1, filters))
        x = layers.Dense(
            joints * 3, dtype="float32", name="coordinates", **linear_initializers(filters)
        )(x)
        x = ops.reshape(x, (-1, out_frames, joints, 3))
        # Published nets are trained with a root at zero and tested without subtracting it.
        outputs = RootRelative(skeleton, mode="zero", dtype="float32", name="pose")(x)
        super().__init__(
            inputs,
            outputs,
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=out_frames,
            dtype=dtype,
            **kwargs,
        )
        self.filter_widths = widths
        self.filters = filters
        self.causal = causal
        self.dropout = dropout
        self.input_channels = input_channels
        self.receptive_field = field

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filter_widths": list(self.filter_widths),
            "filters": self.filters,
            "causal": self.causal,
            "dropout": self.dropout,
            "input_channels": self.input_channels,
            "out_frames": self.out_frames,
        }
