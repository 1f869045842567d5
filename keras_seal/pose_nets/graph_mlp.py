"""GraphMLP: multilayer perceptrons over joints and over channels, beside graph convolutions."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import DropPath, FeedForward, RootRelative
from keras_seal.layers.arguments import check_integer
from keras_seal.layers.exact_gelu import exact_gelu
from keras_seal.layers.initializers import linear_initializers
from keras_seal.pose_nets.base import PoseNet, keypoints_input

# Of the added normalisations inside the perceptron over joints; PyTorch's default.
_INNER_EPSILON = 1e-5


def relation_graphs(skeleton: skeletons.Skeleton) -> np.ndarray:
    """Split the edges of a skeleton by their relation to its centre.

    Edges are the bones, the pairs of mirrored joints and a loop at each joint, each divided by
    the number of edges into its target. The centre is the joint whose farthest joint is nearest.

    Args:
        skeleton: The skeleton.

    Returns:
        Array `(4, joints, joints)`, float32: the loops; edges towards the centre; edges away
        from it; mirrored pairs. Entry (k, i, j) is what joint j takes from joint i.

    Examples:
        >>> relation_graphs(skeletons.get("human36m_17")).sum(axis=(0, 1)).tolist() == [1.0] * 17
        True
    """
    joints = skeleton.num_joints
    hops = np.asarray(skeleton.hop_distances)
    center = min(range(joints), key=lambda joint: (hops[joint].max(), hops[joint].sum()))
    mirrored = np.zeros((joints, joints), dtype=bool)
    for left, right in skeleton.mirror_pairs:
        mirrored[left, right] = mirrored[right, left] = True
    loops = np.eye(joints, dtype=bool)
    edges = (np.asarray(skeleton.adjacency) > 0) | mirrored | loops
    weights = edges / edges.sum(axis=0, keepdims=True)
    far = hops[center]
    bones = edges & ~mirrored & ~loops
    kinds = (loops, bones & (far[:, None] > far), bones & (far[:, None] < far), mirrored)
    return np.stack([weights * kind for kind in kinds]).astype("float32")


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphMLPBlock(keras.layers.Layer):
    """Two residual branches: over the joints and over the channels, each beside a graph layer.

        x = x + drop_path(joint_mlp(norm_over_joints(x)) + graph(norm_over_joints(x)))
        x = x + drop_path(channel_mlp(norm(x)) + graph(norm(x)))

    The joints are on the first axis: what works over joints is then one matrix product.

    Args:
        skeleton: A `Skeleton`, its name, a YAML path or a dict.
        joint_units: Width of the perceptron over joints.
        channel_units: Width of the perceptron over channels.
        inner_norm: Whether to normalise after both dense layers of the perceptron over joints.
        dropout: Dropout rate inside and after the perceptrons.
        drop_path: Probability that a branch is dropped in training.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(joints, batch, channels)`.

    Raises:
        ValueError: If inputs have other axes or another joint count.

    Examples:
        >>> block = GraphMLPBlock("human36m_17", joint_units=8, channel_units=64)
        >>> tuple(block(ops.zeros((17, 4, 32))).shape)
        (17, 4, 32)

    Reference:
        Li et al., "GraphMLP: A graph MLP-like architecture for 3D human pose estimation",
        Pattern Recognition 2024, section 3.
    """

    def __init__(
        self,
        skeleton: Any,
        joint_units: int = 256,
        channel_units: int = 1024,
        inner_norm: bool = False,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        self.joint_units = check_integer("joint_units", joint_units)
        self.channel_units = check_integer("channel_units", channel_units)
        self.inner_norm = inner_norm
        self.dropout = dropout
        self.drop_path = drop_path
        # Targets in rows: what is multiplied from the left.
        self._graphs = relation_graphs(self.skeleton).transpose(0, 2, 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        joints, policy = self.skeleton.num_joints, self.dtype_policy
        channels = input_shape[-1]
        if len(input_shape) != 3 or input_shape[0] != joints or channels is None:
            raise ValueError(
                f"{self.name} takes ({joints}, batch, channels) of '{self.skeleton.name}', got "
                f"{tuple(input_shape)}."
            )

        def norm(name: str, size: int) -> tuple[Any, Any]:
            return (
                self.add_weight(name=f"{name}_gamma", shape=(size,), initializer="ones"),
                self.add_weight(name=f"{name}_beta", shape=(size,), initializer="zeros"),
            )

        def linear(name: str, shape: tuple[int, int], inputs: int) -> tuple[Any, Any]:
            start = linear_initializers(inputs)
            return (
                self.add_weight(
                    name=f"{name}_kernel", shape=shape, initializer=start["kernel_initializer"]
                ),
                self.add_weight(
                    name=f"{name}_bias",
                    shape=shape[1:] if name.startswith("graph") else shape[:1],
                    initializer=start["bias_initializer"],
                ),
            )

        units = self.joint_units
        self.joint_norm = norm("joint_norm", joints)
        # Matrices (out, in): they multiply the joints from the left.
        self.joint_expand = linear("joint_expand", (units, joints), joints)
        self.joint_contract = linear("joint_contract", (joints, units), units)
        if self.inner_norm:
            self.expand_norm = norm("expand_norm", units)
            self.contract_norm = norm("contract_norm", joints)
        self.joint_graph = linear("graph_joint", (channels, 4 * channels), channels)
        self.channel_graph = linear("graph_channel", (channels, 4 * channels), channels)
        self.channel_norm = layers.LayerNormalization(
            epsilon=1e-6, dtype=policy, name="channel_norm"
        )
        self.channel_norm.build((None, channels))
        self.channel_mlp = FeedForward(
            self.channel_units, dropout=self.dropout, dtype=policy, name="channel_mlp"
        )
        self.channel_mlp.build((None, channels))
        self.dropout_layer = layers.Dropout(self.dropout, dtype=policy) if self.dropout else None
        # One draw a sample: the joints are the tokens.
        self.drop_path_layer = (
            DropPath(self.drop_path, axis=-3, dtype=policy) if self.drop_path else None
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        def drop(x: Any, layer: Any) -> Any:
            return x if layer is None else layer(x, training=training)

        x = self._norm(inputs, self.joint_norm, 1e-6)
        mixed = self._over_joints(x, self.joint_expand)
        if self.inner_norm:
            mixed = self._norm(mixed, self.expand_norm, _INNER_EPSILON)
        mixed = drop(exact_gelu(mixed), self.dropout_layer)
        mixed = self._over_joints(mixed, self.joint_contract)
        if self.inner_norm:
            mixed = self._norm(mixed, self.contract_norm, _INNER_EPSILON)
        mixed = drop(mixed, self.dropout_layer)
        x = inputs + drop(mixed + self._graph(x, self.joint_graph), self.drop_path_layer)
        y = self.channel_norm(x)
        mixed = drop(self.channel_mlp(y, training=training), self.dropout_layer)
        return x + drop(mixed + self._graph(y, self.channel_graph), self.drop_path_layer)

    def _norm(self, inputs: Any, weights: tuple[Any, Any], epsilon: float) -> Any:
        """Normalise over the first axis, in float32."""
        gamma, beta = (ops.cast(weight, "float32")[:, None, None] for weight in weights)
        x = ops.cast(inputs, "float32")
        x = x - ops.mean(x, axis=0, keepdims=True)
        variance = ops.mean(ops.square(x), axis=0, keepdims=True)
        return ops.cast(x * ops.rsqrt(variance + epsilon) * gamma + beta, self.compute_dtype)

    def _over_joints(self, inputs: Any, weights: tuple[Any, Any]) -> Any:
        """A dense layer over the first axis."""
        kernel, bias = weights
        x = ops.matmul(kernel, ops.reshape(inputs, (inputs.shape[0], -1))) + bias[:, None]
        return ops.reshape(x, (kernel.shape[0], -1, inputs.shape[-1]))

    def _graph(self, inputs: Any, weights: tuple[Any, Any]) -> Any:
        """Sum over the four graphs of what each passes on, with weights of its own."""
        kernel, bias = weights
        joints, channels = len(self._graphs[0]), inputs.shape[-1]
        graphs = ops.convert_to_tensor(self._graphs, dtype=self.compute_dtype)
        # The graphs first: they mix joints, the weights channels, and the order is free. The bias
        # comes along by each graph's sum of weights.
        flat = ops.reshape(inputs, (joints, -1))
        outputs = None
        for index in range(4):
            passed = ops.reshape(ops.matmul(graphs[index], flat), (-1, channels))
            columns = slice(index * channels, (index + 1) * channels)
            term = ops.matmul(passed, kernel[:, columns])
            outputs = term if outputs is None else outputs + term
        constant = ops.matmul(ops.transpose(ops.sum(graphs, axis=2)), ops.reshape(bias, (4, -1)))
        return ops.reshape(outputs, (joints, -1, channels)) + constant[:, None]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "skeleton": self.skeleton.to_dict(),
            "joint_units": self.joint_units,
            "channel_units": self.channel_units,
            "inner_norm": self.inner_norm,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
        }


@keras.saving.register_keras_serializable(package="keras_seal")
class GraphMLP(PoseNet):
    """Lift the centre frame of a window by perceptrons over joints and channels and by graphs.

    The frames of a joint are its channels: all x, then all y. A dense layer, `num_blocks`
    `GraphMLPBlock`s, a layer normalisation, and a dense layer for the coordinates.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; the centre frame comes out.
        filters: Channels of the hidden layers.
        num_blocks: Number of blocks.
        joint_units: Width of the perceptrons over joints.
        channel_units: Width of the perceptrons over channels.
        dropout: Dropout rate of the perceptrons.
        drop_path: Probability that a branch of the last block is dropped; it rises to that
            linearly from 0.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> import numpy as np
        >>> net = GraphMLP("human36m_17", num_frames=9, filters=16, num_blocks=1)
        >>> tuple(net(np.zeros((4, 9, 17, 2), "float32")).shape)
        (4, 1, 17, 3)

    Reference:
        Li et al., "GraphMLP: A graph MLP-like architecture for 3D human pose estimation",
        Pattern Recognition 2024, figure 3.
    """

    source = "Li et al., Pattern Recognition 2024 (arXiv 2206.06420)"
    presets = {  # noqa: RUF012
        f"graph_mlp_{frames}": {
            "description": f"The published net over {frames} frame{'s' * (frames > 1)}.",
            "published": f"{error} mm MPJPE on Human3.6M with CPN keypoints",
            "config": {"num_frames": frames, "filters": 512, "num_blocks": 3},
        }
        for frames, error in ((1, 49.2), (27, 45.5), (81, 44.5), (243, 43.8))
    }

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 1,
        filters: int = 512,
        num_blocks: int = 3,
        joint_units: int = 256,
        channel_units: int = 1024,
        dropout: float = 0.1,
        drop_path: float = 0.2,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        joints = skeleton.num_joints
        filters = check_integer("filters", filters)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        features = num_frames * input_channels
        x = ops.transpose(inputs, (2, 0, 3, 1))
        x = layers.Dense(filters, dtype=dtype, name="stem", **linear_initializers(features))(
            ops.reshape(x, (-1, features))
        )
        x = ops.reshape(x, (joints, -1, filters))
        for index in range(num_blocks):
            x = GraphMLPBlock(
                skeleton,
                joint_units=joint_units,
                channel_units=channel_units,
                inner_norm=num_frames > 1,
                dropout=dropout,
                drop_path=drop_path * index / max(1, num_blocks - 1),
                dtype=dtype,
                name=f"block_{index}",
            )(x)
        x = layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="norm")(x)
        # Metres in half precision would be a few millimetres off: the coordinates are float32.
        x = layers.Dense(3, dtype="float32", name="coordinates", **linear_initializers(filters))(
            ops.reshape(x, (-1, filters))
        )
        x = ops.transpose(ops.reshape(x, (joints, -1, 3)), (1, 0, 2))
        x = ops.reshape(x, (-1, 1, joints, 3))
        # Published nets are trained and tested with the root put at zero.
        outputs = RootRelative(skeleton, mode="zero", dtype="float32", name="pose")(x)
        super().__init__(
            inputs,
            outputs,
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=1,
            dtype=dtype,
            **kwargs,
        )
        self.filters = filters
        self.num_blocks = num_blocks
        self.joint_units = joint_units
        self.channel_units = channel_units
        self.dropout = dropout
        self.drop_path = drop_path
        self.input_channels = input_channels

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_blocks": self.num_blocks,
            "joint_units": self.joint_units,
            "channel_units": self.channel_units,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
            "input_channels": self.input_channels,
        }
