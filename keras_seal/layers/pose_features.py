"""What a loss-net sees of a pose: coordinates, bones, or shape alone."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import geometry, skeletons
from keras_seal.errors import nearest

KINDS = ("coordinates", "bones", "shape")
# Lengths vary by a few percent, directions by all they can: lengths are shown larger.
_LENGTH_GAIN = 5.0
# Bones shorter than a tenth of a millimetre have no direction.
_SHORTEST = 1e-4
_CHANNELS = {"coordinates": 3, "bones": 3, "shape": 8}


@keras.saving.register_keras_serializable(package="keras_seal")
class PoseFeatures(keras.layers.Layer):
    """Describe each joint of a pose by numbers that a loss-net can tell plausible poses by.

    Kinds of features, joined in the order in which they are given:

    - `"coordinates"` (3 channels): the position;
    - `"bones"` (3): the vector of the bone that ends in the joint; zero for the root;
    - `"shape"` (8): numbers of the bone that ends in the joint which depend neither on where the
      person is, nor on how it is turned, nor on its size: the logarithm of the bone's length less
      the mean over all bones, and that of its length over its mirrored bone's, both times 5; the
      cosines between the bone and its parent bone, the parent's parent, its mirrored bone, and the
      axis from the right to the left side of the body; the volumes spanned by the directions of
      the bone, its parent and the parent's parent, and of the bone, its parent and the axis.
      Cosines do not change when a pose is mirrored, volumes change sign: they tell left from right.

    A bone that starts at the root has no parent; a neighbour at the root takes its place. On a
    skeleton without mirrored joints what would need them is zero.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        kinds: One kind or several.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(..., joints, 3)`, metres; outputs `(..., joints, channels)`. Computed in float32
    whatever the dtype policy.

    Raises:
        ValueError: If there is no such kind, or inputs have another number of joints.

    Examples:
        >>> layer = PoseFeatures("human36m_17", kinds=["coordinates", "shape"])
        >>> tuple(layer(np.zeros((2, 17, 3), "float32")).shape)
        (2, 17, 11)

    Reference:
        The blindness to position, rotation and size is that of skeleton-based action recognition's
        view-invariant features, here with signed volumes so that mirror images differ.
    """

    def __init__(
        self, skeleton: Any, kinds: str | Sequence[str] = "coordinates", **kwargs: Any
    ) -> None:
        # Half precision is too coarse for metres: inputs come as they are.
        super().__init__(autocast=False, **kwargs)
        self.skeleton = skeletons.get(skeleton)
        self.kinds = feature_kinds(kinds)
        bones, count = self.skeleton.bones, self.skeleton.num_bones
        of_joint = np.full(self.skeleton.num_joints, count, "int32")  # the root gets a zero row
        for index, (_, child) in enumerate(bones):
            of_joint[child] = index
        self._of_joint = of_joint
        mirrored = np.arange(count, dtype="int32")
        has_mirror = np.zeros(count, "float32")
        for left, right in self.skeleton.bone_mirror_pairs:
            mirrored[left], mirrored[right] = right, left
            has_mirror[[left, right]] = 1.0
        self._mirrored, self._has_mirror = mirrored, has_mirror
        parents = [self._before(bone, [bone]) for bone in range(count)]
        self._parents = np.array(parents, "int32")
        self._grandparents = np.array(
            [self._before(parents[bone], [bone, parents[bone]]) for bone in range(count)], "int32"
        )
        self._left, self._right = self._axis_joints()

    def _before(self, bone: int, taken: list[int]) -> int:
        """The bone that a bone hangs on, or a neighbour at the same joint; never one taken."""
        start = self.skeleton.bones[bone][0]
        if start != self.skeleton.root:
            above = self.skeleton.bone_index(start)
            if above not in taken:
                return above
        beside = [
            index
            for index, (parent, _) in enumerate(self.skeleton.bones)
            if parent == start and index not in taken
        ]
        # A bone of the middle says more than a mirrored one.
        beside.sort(key=lambda index: (bool(self._has_mirror[index]), index))
        return beside[0] if beside else bone

    def _axis_joints(self) -> tuple[list[int], list[int]]:
        """Mirrored joints whose parents lie in the middle, such as hips and shoulders."""
        mirror = self.skeleton.mirror_permutation
        parents = self.skeleton.parents
        pairs = [
            (left, right)
            for left, right in self.skeleton.mirror_pairs
            if all(parents[j] < 0 or mirror[parents[j]] == parents[j] for j in (left, right))
        ]
        pairs = pairs or list(self.skeleton.mirror_pairs)
        return [left for left, _ in pairs], [right for _, right in pairs]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if tuple(input_shape[-2:]) != (self.skeleton.num_joints, 3):
            raise ValueError(
                f"{self.name} takes (..., {self.skeleton.num_joints}, 3), got {tuple(input_shape)}."
            )

    def call(self, inputs: Any) -> Any:
        poses = ops.cast(inputs, "float32")
        parts = []
        for kind in self.kinds:
            if kind == "coordinates":
                parts.append(poses)
            elif kind == "bones":
                parts.append(self._at_joints(geometry.bone_vectors(poses, self.skeleton)))
            else:
                parts.append(self._at_joints(self._shape(poses)))
        joined = ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return ops.cast(joined, self.compute_dtype)

    def _at_joints(self, of_bones: Any) -> Any:
        padded = ops.concatenate([of_bones, ops.zeros_like(of_bones[..., :1, :])], axis=-2)
        return ops.take(padded, self._of_joint, axis=-2)

    def _shape(self, poses: Any) -> Any:
        vectors = geometry.bone_vectors(poses, self.skeleton)
        lengths, bones = _length_and_direction(vectors)
        parents = ops.take(bones, self._parents, axis=-2)
        grandparents = ops.take(bones, self._grandparents, axis=-2)
        logs = ops.log(lengths)
        mirrored_logs = ops.take(logs, self._mirrored, axis=-1)
        has_mirror = ops.convert_to_tensor(self._has_mirror[:, None])
        mirrored = ops.take(bones, self._mirrored, axis=-2) * has_mirror
        if self._left:
            way = ops.sum(
                ops.take(poses, np.array(self._left, "int32"), axis=-2)
                - ops.take(poses, np.array(self._right, "int32"), axis=-2),
                axis=-2,
                keepdims=True,
            )
            axis = _length_and_direction(way)[1]
        else:
            axis = ops.zeros_like(bones[..., :1, :])
        normal = _cross(bones, parents)
        return ops.stack(
            [
                _LENGTH_GAIN * (logs - ops.mean(logs, axis=-1, keepdims=True)),
                _LENGTH_GAIN * (logs - mirrored_logs),
                ops.sum(bones * parents, axis=-1),
                ops.sum(bones * grandparents, axis=-1),
                ops.sum(bones * mirrored, axis=-1),
                ops.sum(bones * axis, axis=-1),
                ops.sum(normal * grandparents, axis=-1),
                ops.sum(normal * axis, axis=-1),
            ],
            axis=-1,
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], sum(_CHANNELS[kind] for kind in self.kinds))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "skeleton": self.skeleton.to_dict(),
            "kinds": list(self.kinds),
        }


def feature_kinds(kinds: str | Sequence[str]) -> tuple[str, ...]:
    """Check the kinds of features.

    Args:
        kinds: One kind or several.

    Returns:
        The kinds, as a tuple.

    Raises:
        ValueError: If there is no such kind, none at all, or one twice.

    Examples:
        >>> feature_kinds("shape")
        ('shape',)
    """
    chosen = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in chosen:
        if kind not in KINDS:
            raise ValueError(f"There are no pose features {kind!r}.{nearest(str(kind), KINDS)}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"pose_features is {kinds!r}: give one or more of {', '.join(KINDS)}.")
    return chosen


def _length_and_direction(vectors: Any) -> tuple[Any, Any]:
    lengths = ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1), _SHORTEST**2))
    return lengths, vectors / lengths[..., None]


def _cross(first: Any, second: Any) -> Any:
    ax, ay, az = first[..., 0], first[..., 1], first[..., 2]
    bx, by, bz = second[..., 0], second[..., 1], second[..., 2]
    return ops.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
