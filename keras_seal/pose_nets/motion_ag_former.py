"""MotionAGFormer: attention and graph convolutions side by side, a pose for each frame."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any, cast

import keras
import numpy as np
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.layers import (
    AdaptiveFusion,
    FeedForward,
    PositionEmbedding,
    TransformerBlock,
    linear_initializers,
)
from keras_seal.layers.arguments import check_integer
from keras_seal.layers.graphs import check_adjacency, normalize_adjacency
from keras_seal.pose_nets.base import PoseNet, keypoints_input
from keras_seal.pose_nets.dstformer import representation_to_poses
from keras_seal.pose_nets.mix_ste import linear

# Whom each joint hears in the public implementation: on the skeleton of Human3.6M all of its
# neighbours, save that the pelvis does not hear the left hip nor the thorax the shoulders.
PUBLISHED_NEIGHBORS: tuple[tuple[int, ...], ...] = (
    (1, 7),
    (0, 2),
    (1, 3),
    (2,),
    (0, 5),
    (4, 6),
    (5,),
    (0, 8),
    (7, 9),
    (8, 10),
    (9,),
    (8, 12),
    (11, 13),
    (12,),
    (8, 15),
    (14, 16),
    (15,),
)


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphMixer(layers.Layer):
    """Graph convolution over joints by a fixed graph, or over frames by their likeness.

        outputs = relu(inputs + norm(A (inputs V) + inputs U))

    with a batch normalisation of one mean and deviation for each node (joint or frame). Over
    joints, A is a given matrix. Over frames, each joint has a graph of its own: a frame hears
    those whose product with it is at least its `num_neighbors`-th largest (itself among them, as
    a rule), and A is D^-1/2 of that D^-1/2 with D how many it hears. No gradient goes through the
    choice.

    The joints come first: passing messages between them is one matrix product over the batch.

    Args:
        matrix: The matrix A `(joints, joints)` for a graph of joints; None for one of frames.
        num_neighbors: How many frames each frame hears at least; with `matrix` without a meaning.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(joints, batch, frames, channels)`.

    Raises:
        ValueError: If there are fewer frames than neighbours, or another number of joints.

    Examples:
        >>> mixer = GraphMixer(num_neighbors=2)
        >>> tuple(mixer(np.ones((17, 4, 9, 8), "float32")).shape)
        (17, 4, 9, 8)

    Reference:
        Mehraban et al., "MotionAGFormer: Enhancing 3D human pose estimation with a transformer-GCN
        network", WACV 2024, section 3.3.
    """

    def __init__(self, matrix: Any = None, num_neighbors: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.matrix = None if matrix is None else check_adjacency(matrix)
        self.num_neighbors = check_integer("num_neighbors", num_neighbors)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        joints, _, frames, channels = input_shape
        if self.matrix is not None and joints != len(self.matrix):
            raise ValueError(
                f"{self.name} has a graph of {len(self.matrix)} joints, got {tuple(input_shape)}."
            )
        if self.matrix is None and frames is not None and frames < self.num_neighbors:
            raise ValueError(
                f"{self.name} lets each frame hear {self.num_neighbors}, got {frames} frames."
            )
        if channels is None:
            raise ValueError(f"{self.name} needs the number of channels, got {input_shape}.")
        for name in ("own", "message"):
            start = linear_initializers(channels)
            start["kernel_initializer"] = keras.initializers.RandomNormal(
                stddev=math.sqrt(2 / channels)
            )
            layer = layers.Dense(channels, dtype=self.dtype_policy, name=name, **start)
            layer.build((None, channels))
            setattr(self, name, layer)
        # Nodes on the second axis of three, statistics over the others.
        self.norm = layers.BatchNormalization(
            axis=1, momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build((None, joints if self.matrix is not None else frames, channels))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        joints, _, frames, channels = inputs.shape
        folded = ops.reshape(inputs, (-1, channels))
        own, message = self.own(folded), self.message(folded)
        if self.matrix is not None:
            nodes = (1, joints, -1)
            matrix = ops.convert_to_tensor(self.matrix, dtype=message.dtype)
            heard = ops.matmul(matrix, ops.reshape(message, (joints, -1)))
        else:
            nodes = (-1, frames, channels)
            matrix = ops.cast(self.frame_matrix(inputs), message.dtype)
            heard = ops.matmul(matrix, ops.reshape(message, nodes))
        mixed = ops.reshape(heard, nodes) + ops.reshape(own, nodes)
        mixed = ops.reshape(self.norm(mixed, training=training), ops.shape(inputs))
        return ops.relu(inputs + mixed)

    def frame_matrix(self, inputs: Any) -> Any:
        """The matrix A between the frames of each joint of each sample, float32.

        Args:
            inputs: Tensor `(joints, batch, frames, channels)`.

        Returns:
            Tensor `(joints * batch, frames, frames)`.
        """
        frames, channels = inputs.shape[-2:]
        # Half precision would make frames equal that are not.
        x = ops.cast(ops.stop_gradient(inputs), "float32")
        x = ops.reshape(x, (-1, frames, channels))
        likeness = ops.matmul(x, ops.swapaxes(x, -1, -2))
        # From one distinct value of the row to the next, until enough frames reach it: faster
        # than sorting for the few neighbours there are.
        least = ops.max(likeness, axis=-1, keepdims=True)
        for _ in range(self.num_neighbors - 1):
            reached = ops.sum(ops.cast(likeness >= least, "float32"), axis=-1, keepdims=True)
            lower = ops.where(likeness < least, likeness, -float("inf"))
            lower = ops.max(lower, axis=-1, keepdims=True)
            least = ops.where(reached >= self.num_neighbors, least, lower)
        heard = ops.cast(likeness >= least, "float32")
        root = ops.rsqrt(ops.sum(heard, axis=-1, keepdims=True))
        return heard * root * ops.swapaxes(root, -1, -2)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "matrix": None if self.matrix is None else self.matrix.tolist(),
            "num_neighbors": self.num_neighbors,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphBlock(layers.Layer):
    """A transformer block with a `GraphMixer` in the place of attention.

        x = x + scale_1 * graph_mixer(norm(x))
        x = x + scale_2 * feed_forward(norm(x))

    Args:
        matrix: As `GraphMixer` has it.
        num_neighbors: As `GraphMixer` has it.
        mlp_ratio: Width of the feed-forward as a multiple of the channels.
        layer_scale: Start of the learned factors of each channel of each branch.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(joints, batch, frames, channels)`.

    Raises:
        ValueError: As `GraphMixer`.

    Examples:
        >>> block = GraphBlock(matrix=np.eye(17))
        >>> tuple(block(np.ones((17, 4, 9, 8), "float32")).shape)
        (17, 4, 9, 8)
    """

    def __init__(
        self,
        matrix: Any = None,
        num_neighbors: int = 2,
        mlp_ratio: float = 4.0,
        layer_scale: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mixer = GraphMixer(matrix, num_neighbors, dtype=self.dtype_policy, name="mixer")
        self.mlp_ratio = mlp_ratio
        self.layer_scale = layer_scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels, policy = cast(int, input_shape[-1]), self.dtype_policy
        self.mixer.build(input_shape)
        self.mixer_norm = layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="mixer_norm")
        self.feed_forward_norm = layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="feed_forward_norm"
        )
        self.feed_forward = FeedForward(
            max(1, round(self.mlp_ratio * channels)), dtype=policy, name="feed_forward"
        )
        for layer in (self.mixer_norm, self.feed_forward_norm, self.feed_forward):
            layer.build(input_shape)
        start = keras.initializers.Constant(self.layer_scale)
        self.mixer_scale = self.add_weight(name="mixer_scale", shape=(channels,), initializer=start)
        self.feed_forward_scale = self.add_weight(
            name="feed_forward_scale", shape=(channels,), initializer=start
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        mixed = self.mixer(self.mixer_norm(inputs), training=training)
        x = inputs + mixed * self.mixer_scale
        return x + self.feed_forward(self.feed_forward_norm(x)) * self.feed_forward_scale

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        mixer = self.mixer.get_config()
        return {
            **super().get_config(),
            "matrix": mixer["matrix"],
            "num_neighbors": mixer["num_neighbors"],
            "mlp_ratio": self.mlp_ratio,
            "layer_scale": self.layer_scale,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class MotionAGFormer(PoseNet):
    """Lift all frames of a window with two streams, one of attention and one of graphs.

    Every joint of every frame is a token. `num_layers` times, two streams start from the same
    tokens, and `AdaptiveFusion` joins them: in one, a transformer block between the joints of each
    frame and one between the frames of each joint; in the other, a `GraphBlock` over the skeleton
    and one over the frames that are most alike. A tanh of a wide representation gives the poses.

    Trained here, it says metres. Its published weights say positions in the image instead:
    `keras-seal convert` wraps them in an `ImageSpaceAdapter`.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; as many come out.
        channels: Channels of a token.
        num_layers: Layers of two streams.
        num_heads: Heads of all attentions; divides `channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        num_neighbors: How many frames each frame hears in the graph of frames.
        graph: Who hears whom in the graph of joints: `"skeleton"` for all neighbours;
            `"published"` for those of the public implementation, where on 17 joints in
            Human3.6M's order the pelvis does not hear the left hip nor the thorax the shoulders.
            Converted weights need that one, whatever the order of their joints.
        representation: Channels of the representation in front of the coordinates.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.
        UserError: If `graph` is neither of the two, or the published one on other than 17 joints.

    Examples:
        >>> net = MotionAGFormer("human36m_17", num_frames=9, channels=16, num_layers=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 9, 17, 3)

    Reference:
        Mehraban et al., "MotionAGFormer: Enhancing 3D human pose estimation with a transformer-GCN
        network", WACV 2024, section 3.
    """

    source = "Mehraban et al., WACV 2024 (arXiv 2310.16288)"
    presets = {  # noqa: RUF012
        f"motion_ag_former_{size}": {
            "description": f"The published net {size.upper()} for {frames} frames.",
            "published": published,
            "config": {
                "num_frames": frames,
                "channels": channels,
                "num_layers": num_layers,
                "input_channels": 3,
            },
        }
        for size, frames, channels, num_layers, published in (
            ("xs", 27, 64, 12, "19.2 mm MPJPE on MPI-INF-3DHP"),
            ("s", 81, 64, 26, "17.1 mm MPJPE on MPI-INF-3DHP"),
            ("b", 243, 128, 16, "38.4 mm MPJPE on Human3.6M (SH keypoints), 19.4 (true ones)"),
            ("l", 243, 128, 26, "16.2 mm MPJPE on MPI-INF-3DHP (with 81 frames)"),
        )
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        channels: int = 128,
        num_layers: int = 16,
        num_heads: int = 8,
        mlp_ratio: float = 4.0,
        num_neighbors: int = 2,
        graph: str = "skeleton",
        representation: int = 512,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        channels = check_integer("channels", channels)
        num_layers = check_integer("num_layers", num_layers)
        check_integer("representation", representation)
        check_integer("num_frames", num_frames, minimum=num_neighbors)
        matrix = joint_matrix(skeleton, graph)
        inputs = keypoints_input(skeleton, num_frames, input_channels)

        def attend(x: Any, name: str, axis: int) -> Any:
            return TransformerBlock(
                num_heads,
                axis=axis,
                mlp_ratio=mlp_ratio,
                qkv_bias=False,
                layer_scale=1e-5,
                epsilon=1e-5,
                dtype=dtype,
                name=name,
            )(x)

        x = linear(inputs, channels, "stem", dtype)
        x = PositionEmbedding(dtype=dtype, name="joint_embedding")(x)
        for index in range(num_layers):
            attended = attend(x, f"joint_block_{index}", -2)
            attended = attend(attended, f"frame_block_{index}", -3)
            shared = {"mlp_ratio": mlp_ratio, "dtype": dtype}
            heard = ops.transpose(x, (2, 0, 1, 3))
            of_joints = GraphBlock(matrix, name=f"joint_graph_{index}", **shared)
            heard = of_joints(heard)
            of_frames = GraphBlock(None, num_neighbors, name=f"frame_graph_{index}", **shared)
            heard = of_frames(heard)
            heard = ops.transpose(heard, (1, 2, 0, 3))
            x = AdaptiveFusion(dtype=dtype, name=f"fusion_{index}")([attended, heard])
        super().__init__(
            inputs,
            representation_to_poses(x, skeleton, representation, epsilon=1e-5, dtype=dtype),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.channels = channels
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.num_neighbors = num_neighbors
        self.graph = graph
        self.representation = representation
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "num_neighbors": self.num_neighbors,
            "graph": self.graph,
            "representation": self.representation,
            "input_channels": self.input_channels,
        }


def joint_matrix(skeleton: skeletons.Skeleton, graph: str) -> np.ndarray:
    """Make the matrix of the graph of joints, D^-1/2 A D^-1/2 by how many each joint hears.

    Args:
        skeleton: The skeleton.
        graph: `"skeleton"` or `"published"`, as `MotionAGFormer` has it.

    Returns:
        Array `(joints, joints)`, float32.

    Raises:
        UserError: If there is no such graph, or not for this skeleton.

    Examples:
        >>> matrix = joint_matrix(skeletons.get("human36m_17"), "published")
        >>> matrix[0].nonzero()[0].tolist()
        [1, 7]
    """
    if graph == "skeleton":
        return normalize_adjacency(skeleton.adjacency, "symmetric", self_loops=False)
    if graph != "published":
        raise UserError(f"`graph` is 'skeleton' or 'published', got {graph!r}.")
    joints = len(PUBLISHED_NEIGHBORS)
    if skeleton.num_joints != joints:
        raise UserError(
            f"The published graph has {joints} joints, '{skeleton.name}' has "
            f"{skeleton.num_joints}: take graph='skeleton'."
        )
    heard = np.zeros((joints, joints))
    for joint, neighbors in enumerate(PUBLISHED_NEIGHBORS):
        heard[joint, list(neighbors)] = 1.0
    root = heard.sum(1) ** -0.5
    return (root[:, None] * heard * root).astype("float32")
