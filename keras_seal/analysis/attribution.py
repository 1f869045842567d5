"""Where on the skeleton a loss-net pulls, and where it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_seal import geometry
from keras_seal.analysis.probe import Probe
from keras_seal.layers import SkeletonTransformerBlock
from keras_seal.skeletons import Skeleton

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Attribution:
    """Mean forces of the energy, per metre.

    Args:
        joints: Length of the gradient by each joint's position `(joints,)`.
        stretch: Each bone's force along itself `(bones,)`, its size: the energy finds the bone too
            long or too short.
        longer: The same with its sign: above 0 where it would have the bone longer.
        turn: Each bone's force across itself `(bones,)`: the energy would turn it.
    """

    joints: np.ndarray
    stretch: np.ndarray
    longer: np.ndarray
    turn: np.ndarray


def attribute(probe: Probe) -> Attribution:
    """Ask where the energy pulls at the predictions.

    Args:
        probe: The loss-net and the samples.

    Returns:
        Means over the predictions.
    """
    joints, along, across = forces(probe.predicted_gradient, probe.predictions, probe.skeleton)
    return Attribution(
        joints.mean(axis=(0, 1)),
        np.abs(along).mean(axis=(0, 1)),
        along.mean(axis=(0, 1)),
        across.mean(axis=(0, 1)),
    )


def forces(
    gradients: np.ndarray, poses: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the gradients of an energy into what they do to joints and bones.

    A joint's share is the gradient by its position, all others staying where they are; for a
    joint of the skeleton's origin that means that all others move the other way. A bone's share
    is the gradient by its vector, all others keeping theirs: joints further out move along. So a
    force on a bone is the sum over all joints further out. It is split along the bone, which
    changes its length, and across it, which turns it.

    Args:
        gradients: Of the energy by root-relative poses, `(..., joints, 3)`.
        poses: `(..., joints, 3)`.
        skeleton: Their skeleton.

    Returns:
        Sizes at the joints `(..., joints)`; along the bones `(..., bones)`, above 0 where a longer
        bone has a lower energy; sizes across the bones `(..., bones)`.

    Examples:
        >>> from keras_seal import skeletons
        >>> arm = skeletons.Skeleton("arm", ("shoulder", "elbow", "wrist"), (-1, 0, 1))
        >>> pose = np.array([[0.0, 0, 0], [0.3, 0, 0], [0.5, 0, 0]])
        >>> pull = np.array([[0.0, 0, 0], [0, 0, 0], [1.0, 2, 0]])  # on the wrist alone
        >>> [each.round(3).tolist() for each in forces(pull, pose, arm)]
        [[2.236, 0.0, 2.236], [-1.0, -1.0], [2.0, 2.0]]
    """
    gradients, poses = gradients.astype("float64"), poses.astype("float64")
    origin = list(skeleton.origin)
    free = gradients.copy()
    # Poses are relative to the origin: it moves when one of its joints does.
    free[..., origin, :] -= gradients.sum(axis=-2, keepdims=True) / len(origin)
    further_out = free.copy()
    for joint in reversed(skeleton.topological_order[1:]):
        further_out[..., skeleton.parents[joint], :] += further_out[..., joint, :]
    downhill = -further_out[..., [child for _, child in skeleton.bones], :]
    vectors = geometry.bone_vectors(poses, skeleton)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directions = vectors / np.maximum(lengths, _TINY)
    along = (downhill * directions).sum(axis=-1)
    across = np.linalg.norm(downhill - along[..., None] * directions, axis=-1)
    return np.linalg.norm(free, axis=-1), along, across


@dataclass(frozen=True, eq=False)
class Attention:
    """How much the graph token of a graph loss-net hears of each joint.

    Args:
        blocks: Its mean attention to each joint in each block `(blocks, joints)`, over heads and
            poses; what is missing to 1 goes to the token itself.
        rollout: The same through all blocks, what passes by the attention counted in, as shares
            `(joints,)` of 1.
    """

    blocks: np.ndarray
    rollout: np.ndarray


def attend(probe: Probe) -> Attention | None:
    """Ask which joints a graph loss-net looks at, for the predictions.

    Attention says where information is read from, not what follows from it.

    Args:
        probe: The loss-net and the samples.

    Returns:
        The attention; `None` where the loss-net is not made of `SkeletonTransformerBlock`s with a
        graph token.

    Reference:
        Abnar and Zuidema, "Quantifying attention flow in transformers", ACL 2020 (the rollout).
    """
    net = probe.model.loss_net
    blocks = [layer for layer in net.layers if isinstance(layer, SkeletonTransformerBlock)]
    if not blocks or not all(block.attention.graph_token for block in blocks):
        return None
    inputs = keras.Model(net.inputs, {str(at): block.input for at, block in enumerate(blocks)})

    def look(keypoints: np.ndarray, poses: np.ndarray) -> Any:
        seen = inputs([keypoints, poses], training=False)
        flows, token = [], None
        for at, block in enumerate(blocks):
            weights = block.attention.attention_weights(block.attention_norm(seen[str(at)]))
            mean = keras.ops.convert_to_numpy(weights).mean(axis=1, dtype="float64")
            # Half of what a token says is what it knew before.
            kept = np.eye(mean.shape[1], mean.shape[2])
            flow = 0.5 * (mean + kept)
            token = flow if token is None else flow @ token
            flows.append(mean[:, 0, 1:])
        assert token is not None
        heard = token[:, 0, 1:]
        shares = heard / np.maximum(heard.sum(axis=-1, keepdims=True), _TINY)
        return np.stack([*flows, shares], axis=1)

    found = probe.by_batches(look, probe.condition, probe.predictions).mean(axis=0)
    return Attention(found[:-1], found[-1])
