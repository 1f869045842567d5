"""Rigid bones: a person of constant bone lengths whose joints turn, fitted to poses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_seal.geometry import bone_vectors, forward_kinematics
from keras_seal.inference.motion import CHUNK, Motion
from keras_seal.skeletons import Skeleton

# Camera space has y down and z away from the viewer; animation programs have y up and z towards
# them.
TO_WORLD = np.diag([1.0, -1.0, -1.0])

_SWEEPS = 10
_SAMPLE = 1000
_TINY = 1e-9
# How much a joint with several bones would rather turn with the joint before it.
_INERTIA = 1e-3


@dataclass(frozen=True)
class Node:
    """A place of the rig that turns.

    Args:
        name: What it is called.
        parent: Index of the node it hangs on; -1 for the root.
        joint: Index of the skeleton's joint at this place; -1 for a node that only turns the one
            bone after it, at the place of its parent.
        offset: `(3,)` from the parent to here in the rest pose, metres.
    """

    name: str
    parent: int
    joint: int
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class Rig:
    """A person's bones and rest pose.

    A joint that several bones go out from turns them all; each of them then has a node of its own
    at the same place, so that bones need not keep the angles between them.

    Args:
        skeleton: The joints.
        lengths: `(bones,)` metres.
        rest: `(bones, 3)` directions of the bones in the rest pose: the person's mean posture,
            upright as filmed, looking along z.
        nodes: What turns, depth first.
    """

    skeleton: Skeleton
    lengths: np.ndarray
    rest: np.ndarray
    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, motion: Motion, person: int) -> Rig:
        """Measure a person.

        Args:
            motion: The motion.
            person: The person's number.

        Returns:
            The rig. Its lengths are the means over the person's poses, which fit them best.
        """
        skeleton = motion.skeleton
        spans = [span for span in motion.spans if span.id == person]
        totals, count = np.zeros(skeleton.num_bones), 0
        for span in spans:
            for begin in range(span.start, span.stop, CHUNK):
                poses = np.asarray(motion.poses[begin : min(begin + CHUNK, span.stop)], np.float64)
                vectors = bone_vectors(poses, skeleton)
                totals += np.linalg.norm(vectors, axis=-1).sum(axis=0)
                count += len(poses)
        rows = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        sample = motion.poses[rows[:: max(len(rows) // _SAMPLE, 1)]] @ TO_WORLD
        lengths = totals / count
        rest = _rest_pose(np.asarray(sample, np.float64), lengths, skeleton)
        return cls(skeleton, lengths, rest, _nodes(skeleton, lengths, rest))

    def turns(self, motion: Motion, person: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Fit the rig to a person's poses, chunk by chunk.

        Args:
            motion: The motion.
            person: The person's number.

        Yields:
            The first frame of a chunk, the root's places `(frames, 3)` in metres and the nodes'
            rotations within their parents `(frames, nodes, 3, 3)`.
        """
        for span in motion.spans:
            if span.id != person:
                continue
            for begin in range(span.start, span.stop, CHUNK):
                rows = slice(begin, min(begin + CHUNK, span.stop))
                poses = np.asarray(motion.poses[rows], np.float64)
                poses = (poses + motion.roots[rows][:, None]) @ TO_WORLD
                roots, directions = fit(poses, self.lengths, self.skeleton)
                yield span.first_frame + begin - span.start, roots, self._local(directions)

    def _local(self, directions: np.ndarray) -> np.ndarray:
        """Rotations of all nodes that lead from the rest pose to directions of the bones."""
        world = np.empty((len(directions), len(self.nodes), 3, 3))
        local = np.empty_like(world)
        for index, node in enumerate(self.nodes):
            before = (
                np.broadcast_to(np.eye(3), (len(directions), 3, 3))
                if node.parent < 0
                else world[:, node.parent]
            )
            bones = self._bones_of(index)
            if not bones:
                world[:, index] = before
            elif len(bones) == 1:
                rest = before @ self.rest[bones[0]]
                world[:, index] = swing(rest, directions[:, bones[0]]) @ before
            else:
                world[:, index] = _turn(self.rest[bones], directions[:, bones], before)
            local[:, index] = np.swapaxes(before, -1, -2) @ world[:, index]
        return local

    def _bones_of(self, index: int) -> list[int]:
        """The bones that a node is there to turn."""
        node, skeleton = self.nodes[index], self.skeleton
        if node.joint < 0:
            child = next(each for each in self.nodes if each.parent == index)
            return [skeleton.bone_index(child.joint)]
        return [skeleton.bone_index(child) for parent, child in skeleton.bones
                if parent == node.joint]  # fmt: skip


def fit(
    poses: np.ndarray, lengths: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Fit bones of constant lengths to poses so that the squared distances of joints are least.

    Bone after bone is turned to where the joints behind it fit best, all others staying as they
    are, which never makes the fit worse; ten rounds are far more than enough.

    Args:
        poses: `(frames, joints, 3)`.
        lengths: `(bones,)`.
        skeleton: The joints.

    Returns:
        The root joint's places `(frames, 3)` and unit directions of the bones
        `(frames, bones, 3)`.

    Examples:
        >>> from keras_seal import skeletons
        >>> hand = skeletons.get("hand_21")
        >>> poses = np.random.default_rng(0).normal(size=(5, 21, 3))
        >>> root, directions = fit(poses, np.ones(20), hand)
        >>> bool(np.allclose(np.linalg.norm(directions, axis=-1), 1))
        True
    """
    vectors = bone_vectors(poses, skeleton)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directions = np.where(norms > _TINY, vectors / np.maximum(norms, _TINY), [0.0, 1.0, 0.0])
    root = poses[:, skeleton.root].copy()
    placed = forward_kinematics(root, directions * lengths[:, None], skeleton)
    behind = _behind(skeleton)
    order = [skeleton.bone_index(joint) for joint in skeleton.topological_order[1:]]
    for _ in range(_SWEEPS):
        shift = (poses - placed).mean(axis=1)
        root += shift
        placed += shift[:, None]
        for bone in order:
            joints = behind[bone]
            missing = (poses[:, joints] - placed[:, joints]).sum(axis=1)
            wanted = missing + len(joints) * lengths[bone] * directions[:, bone]
            norm = np.linalg.norm(wanted, axis=-1, keepdims=True)
            turned = np.where(norm > _TINY, wanted / np.maximum(norm, _TINY), directions[:, bone])
            placed[:, joints] += (lengths[bone] * (turned - directions[:, bone]))[:, None]
            directions[:, bone] = turned
    return root, directions


def _behind(skeleton: Skeleton) -> list[list[int]]:
    """For each bone the joints that move with its end."""
    result = []
    for _, child in skeleton.bones:
        joints = [child]
        for joint in joints:
            joints += [below for above, below in skeleton.bones if above == joint]
        result.append(joints)
    return result


def _rest_pose(poses: np.ndarray, lengths: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Directions of the bones in the mean posture of a person who looks along z."""
    _, directions = fit(poses, lengths, skeleton)
    near = [bone for bone, (parent, _) in enumerate(skeleton.bones) if parent == skeleton.root]
    used = near if len(near) > 1 else list(range(skeleton.num_bones))
    identity = np.broadcast_to(np.eye(3), (len(directions), 3, 3))
    turned = _turn(directions[0, used], directions[:, used], identity)
    mean = (np.swapaxes(turned, -1, -2) @ np.swapaxes(directions, -1, -2)).mean(axis=0).T
    norm = np.linalg.norm(mean, axis=-1, keepdims=True)
    rest = np.where(norm > 0.05, mean / np.maximum(norm, _TINY), directions[0])
    if skeleton.mirror_pairs:
        placed = forward_kinematics(np.zeros(3), rest * lengths[:, None], skeleton)
        aside = (placed[list(skeleton.left)] - placed[list(skeleton.right)]).sum(axis=0)
        if np.hypot(aside[0], aside[2]) > _TINY:
            angle = np.arctan2(aside[2], aside[0])
            cosine, sine = np.cos(angle), np.sin(angle)
            rest = rest @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    return rest


def _nodes(skeleton: Skeleton, lengths: np.ndarray, rest: np.ndarray) -> tuple[Node, ...]:
    nodes: list[Node] = []
    waiting = [(skeleton.root, -1)]
    while waiting:
        joint, parent = waiting.pop()
        offset = np.zeros(3)
        if joint != skeleton.root:
            bone = skeleton.bone_index(joint)
            offset = lengths[bone] * rest[bone]
            if sum(above == skeleton.parents[joint] for above, _ in skeleton.bones) > 1:
                nodes.append(Node(f"to_{skeleton.joints[joint]}", parent, -1, np.zeros(3)))
                parent = len(nodes) - 1
        nodes.append(Node(skeleton.joints[joint], parent, joint, offset))
        index = len(nodes) - 1
        children = [child for above, child in skeleton.bones if above == joint]
        waiting += [(child, index) for child in reversed(children)]
    return tuple(nodes)


def swing(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The least rotation from one unit vector to another: two half turns."""
    middle = first + second
    norm = np.linalg.norm(middle, axis=-1, keepdims=True)
    # Half a turn has any axis across.
    across = np.cross(first, np.where(np.abs(first[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    middle = np.where(norm > 1e-7, middle / np.maximum(norm, 1e-7), across)

    def half_turn(axis: np.ndarray) -> np.ndarray:
        return 2 * axis[..., :, None] * axis[..., None, :] - np.eye(3)

    return half_turn(middle) @ half_turn(first)


def _turn(rest: np.ndarray, directions: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The rotations that lead from some directions to others best (Kabsch)."""
    product = np.einsum("nbi,bj->nij", directions, rest) + _INERTIA * before
    left, _, right = np.linalg.svd(product)
    proper = np.sign(np.linalg.det(left @ right))
    left = left * np.stack([np.ones_like(proper), np.ones_like(proper), proper], axis=-1)[:, None]
    return left @ right
