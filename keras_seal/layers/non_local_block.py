"""SemGCN's non-local block."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons


@keras.saving.register_keras_serializable(package="keras_seal")
class NonLocalBlock(keras.layers.Layer):
    """Let every joint see the whole pose, a few joints pooled together at a time.

    With theta, phi and g linear maps to half the channels, phi and g max-pooled over groups of
    joints, and n groups:

        affinity(i, k) = ReLU(w . [theta_i, phi_k])
        outputs_i = inputs_i + norm(sum over k of affinity(i, k) g_k / n, mapped back)

    The normalisation's scale starts at 0, so that the block starts as the identity.

    Args:
        skeleton: A `Skeleton`, its name, a YAML path or a dict.
        groups: Groups of one or two joint indices that are pooled; None for
            `pooling_groups(skeleton)`, which gives the published ones for 16 joints.
        joint_axis: -2 for inputs `(batch, joints, channels)`, 0 for `(joints, batch, channels)`.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs and outputs `(batch, joints, channels)`.

    Raises:
        ValueError: If inputs have other axes, an odd number of channels or another joint count.

    Examples:
        >>> tuple(NonLocalBlock("human36m_17")(ops.zeros((4, 17, 32))).shape)
        (4, 17, 32)

    Reference:
        Wang et al., "Non-local neural networks", CVPR 2018, equation 7 (concatenation), as in
        Zhao et al., CVPR 2019.
    """

    def __init__(
        self,
        skeleton: Any,
        groups: Any = None,
        joint_axis: int = -2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.skeleton = skeletons.get(skeleton)
        groups = pooling_groups(self.skeleton) if groups is None else groups
        self.groups = tuple(tuple(int(joint) for joint in group) for group in groups)
        joints = [joint for group in self.groups for joint in group]
        if any(len(group) not in (1, 2) for group in self.groups) or sorted(joints) != list(
            range(self.skeleton.num_joints)
        ):
            raise ValueError(
                f"`groups` puts each of the {self.skeleton.num_joints} joints of "
                f"'{self.skeleton.name}' in one group of one or two, got {self.groups}."
            )
        if joint_axis not in (-2, 0):
            raise ValueError(f"`joint_axis` is -2 or 0, got {joint_axis!r}.")
        self.joint_axis = joint_axis

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        joints = self.skeleton.num_joints
        if len(input_shape) != 3 or input_shape[self.joint_axis] != joints:
            layout = "(batch, joints, channels)" if self.joint_axis else "(joints, batch, channels)"
            raise ValueError(
                f"{self.name} takes {layout} of {joints} joints, got {tuple(input_shape)}."
            )
        channels = input_shape[-1]
        if channels is None or channels % 2:
            raise ValueError(f"{self.name} halves the channels: {channels} is not even.")
        half = channels // 2
        for name, shape in (
            ("theta", (channels, half)),
            ("phi", (channels, half)),
            ("g", (channels, half)),
            ("output", (half, channels)),
        ):
            kernel = self.add_weight(
                name=f"{name}_kernel", shape=shape, initializer="glorot_uniform"
            )
            bias = self.add_weight(name=f"{name}_bias", shape=shape[1:], initializer="zeros")
            setattr(self, f"{name}_kernel", kernel)
            setattr(self, f"{name}_bias", bias)
        self.affinity_kernel = self.add_weight(
            name="affinity_kernel", shape=(channels, 1), initializer="glorot_uniform"
        )
        self.norm = keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer="zeros",
            dtype=self.dtype_policy,
            name="norm",
        )
        self.norm.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        half = inputs.shape[-1] // 2
        first = np.asarray([group[0] for group in self.groups], dtype="int32")
        last = np.asarray([group[-1] for group in self.groups], dtype="int32")

        def pool(x: Any) -> Any:
            axis = 0 if self.joint_axis == 0 else 1
            return ops.maximum(ops.take(x, first, axis=axis), ops.take(x, last, axis=axis))

        # theta is only ever seen through the affinity's weights: both maps are one.
        theta_kernel = ops.matmul(self.theta_kernel, self.affinity_kernel[:half])
        theta_bias = ops.matmul(self.theta_bias[None], self.affinity_kernel[:half])
        theta = ops.matmul(inputs, theta_kernel) + theta_bias[0]
        phi = pool(ops.matmul(inputs, self.phi_kernel) + self.phi_bias)
        phi = ops.matmul(phi, self.affinity_kernel[half:])
        g = pool(ops.matmul(inputs, self.g_kernel) + self.g_bias)
        if self.joint_axis == 0:
            theta, phi, g = (ops.transpose(x, (1, 0, 2)) for x in (theta, phi, g))
        affinity = ops.relu(theta + ops.transpose(phi, (0, 2, 1))) / len(self.groups)
        mixed = ops.matmul(affinity, g)
        if self.joint_axis == 0:
            mixed = ops.transpose(mixed, (1, 0, 2))
        mixed = ops.matmul(mixed, self.output_kernel) + self.output_bias
        return inputs + self.norm(mixed, training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "skeleton": self.skeleton.to_dict(),
            "groups": [list(group) for group in self.groups],
            "joint_axis": self.joint_axis,
        }


def pooling_groups(skeleton: skeletons.Skeleton) -> tuple[tuple[int, ...], ...]:
    """Pair the joints of a skeleton for pooling.

    Ends of limbs go with their parents, then mirrored joints with each other, then what is left
    with its parent where that is free; a joint that finds nobody stays alone.

    Args:
        skeleton: The skeleton.

    Returns:
        Groups of one or two joint indices.

    Examples:
        >>> pooling_groups(skeletons.get("human36m_16"))
        ((0, 7), (1, 4), (2, 3), (5, 6), (8, 9), (10, 13), (11, 12), (14, 15))
    """
    free = set(range(skeleton.num_joints))
    groups = []

    def pair(one: int, other: int) -> None:
        if one in free and other in free:
            free.difference_update((one, other))
            groups.append((min(one, other), max(one, other)))

    parents = skeleton.parents
    leaves = [joint for joint in range(skeleton.num_joints) if joint not in parents]
    for joint in leaves:
        pair(parents[joint], joint)
    for left, right in skeleton.mirror_pairs:
        pair(left, right)
    for joint in reversed(skeleton.topological_order):
        pair(parents[joint], joint)
    return tuple(sorted([*groups, *((joint,) for joint in free)]))
