"""JointFormer: transformers over the joints of one frame, the second of which refines the first."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import FeedForward, RootRelative, SelfAttention
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input


def lift(
    x: Any,
    stage: str,
    *,
    predict_errors: bool,
    channels: int,
    num_blocks: int,
    num_heads: int,
    head_channels: int,
    hidden: int,
    dropout: float,
    attention_dropout: float,
    dtype: Any,
) -> tuple[Any, ...]:
    """Lift joints by transformer blocks that each look at the pose they would give.

    Args:
        x: What is known of the joints, `(batch, joints, features)`, symbolic.
        stage: Start of the layers' names.
        predict_errors: Whether to predict the errors of the pose as well.
        channels: Channels of a joint.
        num_blocks: Number of blocks.
        num_heads: Heads of the attentions.
        head_channels: Channels of a head.
        hidden: Width of the feed-forwards.
        dropout: Dropout rate in front of the predictions.
        attention_dropout: Dropout rate of the attention weights.
        dtype: Dtype policy of the layers.

    Returns:
        The pose `(batch, joints, 3)` in float32, and its errors likewise if asked for.
    """
    joints = x.shape[1]

    def norm(x: Any, name: str, epsilon: float = 1e-6) -> Any:
        return layers.LayerNormalization(epsilon=epsilon, dtype=dtype, name=f"{stage}_{name}")(x)

    def linear(x: Any, units: int, name: str, dtype: Any = dtype) -> Any:
        return layers.Dense(units, dtype=dtype, name=f"{stage}_{name}")(x)

    def predict(flat: Any, name: str, dtype: Any = dtype) -> Any:
        flat = layers.Dropout(dropout, dtype=dtype, name=f"{stage}_{name}_dropout")(
            norm(flat, f"{name}_norm", 1e-5)
        )
        return linear(flat, joints * 3, name, dtype)

    # Xavier's rule for each of the three maps by itself, not for the fused one.
    limit = math.sqrt(6.0 / (channels + num_heads * head_channels))
    x = linear(ops.reshape(x, (-1, x.shape[-1])), channels, "stem")
    x = norm(ops.reshape(x, (-1, joints, channels)), "stem_norm")
    for index in range(num_blocks):
        name = f"{index}"
        attended = SelfAttention(
            num_heads,
            qkv_bias=False,
            dropout=attention_dropout,
            head_channels=head_channels,
            projection_bias=False,
            kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
            dtype=dtype,
            name=f"{stage}_{name}_attention",
        )(x)
        h = norm(x + attended, f"{name}_attention_norm")
        fed = FeedForward(
            hidden,
            activation="relu",
            kernel_initializer="glorot_uniform",
            dtype=dtype,
            name=f"{stage}_{name}_feed_forward",
        )(h)
        h = norm(h + fed, f"{name}_feed_forward_norm")
        flat = ops.reshape(h, (-1, joints * channels))
        if index < num_blocks - 1:
            pose = predict(flat, f"{name}_pose")
            seen = ops.reshape(
                linear(pose, joints * channels, f"{name}_feedback"), (-1, joints, channels)
            )
            x = ops.relu(h + seen + x)
    # Metres in half precision would be a few millimetres off: the coordinates are float32.
    last = [f"{num_blocks - 1}_pose", *([f"{num_blocks - 1}_error"] if predict_errors else [])]
    return tuple(ops.reshape(predict(flat, name, "float32"), (-1, joints, 3)) for name in last)


@keras.saving.register_keras_serializable(package="keras_seal")
class JointFormer(PoseNet):
    """Lift each frame by transformers between its joints, first coarsely, then finely.

    A stage embeds each joint and passes `num_blocks` post-norm transformer blocks. After every
    block a dense layer predicts the whole pose from all joints' channels together, and another
    one feeds that pose back into the channels; the last block's pose counts. The coarse stage
    sees the keypoints and predicts the errors of its pose beside it; the fine stage sees
    keypoints, pose and errors, and gives the final pose. Nearly all parameters are in the dense
    layers over all joints, which grow with the square of their number.

    The published training supervises the poses of all blocks and, against the actual errors, the
    predicted ones, and trains the fine stage after the coarse one. Here the final pose is all
    that a loss sees: the poses between and the errors are features that the final pose teaches.
    Heads that the final pose does not depend on are left out: the error heads of all blocks but
    the coarse stage's last, and the feedback of each stage's last block. The option of embedding
    joints by their position or by a graph, which no published figure uses, is left out too. With
    several frames, each is lifted on its own.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; as many come out.
        refine: Whether the fine stage follows the coarse one.
        channels: Channels of a joint.
        num_blocks: Transformer blocks of a stage.
        num_heads: Heads of the attentions.
        head_channels: Channels of a head.
        hidden: Width of the blocks' feed-forward.
        dropout: Dropout rate in front of the predictions.
        attention_dropout: Dropout rate of the attention weights.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = JointFormer("human36m_17", channels=8, num_blocks=1, head_channels=4, hidden=16)
        >>> tuple(net(np.zeros((4, 1, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Lutz et al., "Jointformer: Single-frame lifting transformer with error prediction and
        refinement for 3D human pose estimation", ICPR 2022, section III.
    """

    source = "Lutz et al., ICPR 2022 (arXiv 2208.03704); H3WB: Zhu et al., ICCV 2023"
    presets = {  # noqa: RUF012
        "joint_former": {
            "description": "The published net: coarse and fine stage.",
            "published": "50.5 mm MPJPE on Human3.6M with CPN keypoints",
            "config": {"refine": True},
        },
        "joint_former_coarse": {
            "description": "The published coarse stage alone.",
            "published": "no figure known",
            "config": {"refine": False},
        },
        "joint_former_h3wb": {
            "description": "H3WB's baseline, for 133 joints: coarse and fine stage.",
            "published": "88.3 mm over the 133 joints of H3WB, 2D to 3D",
            "skeleton": "h3wb_133",
            "config": {"refine": True},
        },
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 1,
        refine: bool = True,
        channels: int = 128,
        num_blocks: int = 4,
        num_heads: int = 8,
        head_channels: int = 64,
        hidden: int = 512,
        dropout: float = 0.2,
        attention_dropout: float = 0.1,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        options: dict[str, Any] = {
            "channels": check_integer("channels", channels),
            "num_blocks": check_integer("num_blocks", num_blocks),
            "num_heads": check_integer("num_heads", num_heads),
            "head_channels": check_integer("head_channels", head_channels),
            "hidden": check_integer("hidden", hidden),
            "dropout": dropout,
            "attention_dropout": attention_dropout,
        }
        # Frames are folded into the batch: each is lifted on its own.
        keypoints = ops.reshape(inputs, (-1, joints, input_channels))
        pose, *errors = lift(keypoints, "coarse", predict_errors=refine, dtype=dtype, **options)
        if refine:
            known = layers.Concatenate(dtype="float32", name="fine_inputs")(
                [keypoints, pose, *errors]
            )
            (pose,) = lift(known, "fine", predict_errors=False, dtype=dtype, **options)
        pose = ops.reshape(pose, (-1, num_frames, joints, 3))
        super().__init__(
            inputs,
            RootRelative(skeleton, dtype="float32", name="pose")(pose),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.refine = refine
        self.channels = channels
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.head_channels = head_channels
        self.hidden = hidden
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "refine": self.refine,
            "channels": self.channels,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "head_channels": self.head_channels,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "input_channels": self.input_channels,
        }
