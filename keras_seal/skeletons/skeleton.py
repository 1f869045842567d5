"""The skeleton: which joints there are, how bones join them and which sides mirror each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.errors import UserError, nearest
from keras_seal.skeletons.description import (
    parse_yaml,
    refuse_repeated_joints,
    to_indices,
    write_yaml,
)


@dataclass(frozen=True)
class Skeleton:
    """A tree of named joints, with mirrored sides, limbs and groups.

    Layers, networks, metrics, augmentation and plots all take a skeleton, so that nothing else
    knows how many joints a person has. A bone is the link between a joint and its parent; bones
    are ordered by the index of their child joint, so there is one bone fewer than joints.

    Args:
        name: What the skeleton is called.
        joints: Joint names, in the order of the joint axis of every array.
        parents: Index of each joint's parent; -1 for the one root. A parent may come later.
        mirror_pairs: `(left, right)` joint indices. Joints in no pair lie on the midline.
        limbs: For each limb the chain of its bones, from the trunk outwards, each bone named by
            its child joint: `{"left_leg": (5, 6)}` is the thigh (ends at 5) and the shin (at 6).
        groups: Named sets of joint indices, such as `body`, `face` or `left_hand`.
        origin: Joints whose mean is the origin of a root-relative pose; none means the root.

    Raises:
        UserError: The joints are not one tree, an index is out of range, or a pair, limb or group
            makes no sense; the message names the joints.

    Examples:
        >>> from keras_seal import skeletons
        >>> skeleton = skeletons.get("human36m_17")
        >>> skeleton.num_joints, skeleton.num_bones
        (17, 16)
        >>> skeleton.joints[skeleton.root], skeleton.bones[:3]
        ('pelvis', ((0, 1), (1, 2), (2, 3)))
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    mirror_pairs: tuple[tuple[int, int], ...] = ()
    limbs: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    origin: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UserError(f"A skeleton's name must be a non-empty string, got {self.name!r}.")
        self._set("joints", self._checked_joints())
        self._set("parents", self._checked_parents())
        self._set("mirror_pairs", self._checked_pairs())
        self._set("limbs", self._checked_limbs())
        self._set("groups", self._checked_groups())
        self._set("origin", self._checked_indices(self.origin or (self.root,), "origin"))

    def _set(self, attribute: str, value: object) -> None:
        object.__setattr__(self, attribute, value)

    def _error(self, message: str) -> UserError:
        return UserError(f"Skeleton '{self.name}': {message}")

    def _named(self, indices: Iterable[int]) -> str:
        return ", ".join(f"'{self.joints[index]}'" for index in indices)

    def _checked_joints(self) -> tuple[str, ...]:
        if isinstance(self.joints, str) or not isinstance(self.joints, Sequence):
            raise self._error(f"`joints` must be a list of names, got {self.joints!r}.")
        for joint in self.joints:
            if not isinstance(joint, str) or not joint:
                raise self._error(f"a joint's name must be a non-empty string, got {joint!r}.")
        if len(self.joints) < 2:
            raise self._error(f"at least two joints are needed, got {len(self.joints)}.")
        refuse_repeated_joints(self.joints, f"Skeleton '{self.name}'")
        return tuple(self.joints)

    def _checked_indices(self, value: object, what: str) -> tuple[int, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise self._error(f"`{what}` must be a list of joints, got {value!r}.")
        indices = tuple(value)
        if not indices:
            raise self._error(f"`{what}` is empty; name at least one joint.")
        for index in indices:
            if isinstance(index, bool) or not isinstance(index, int | np.integer):
                raise self._error(f"`{what}` must hold joint indices, got {index!r}.")
            if not 0 <= index < len(self.joints):
                raise self._error(
                    f"`{what}` holds joint index {index}, but there are {len(self.joints)} "
                    f"joints (0 to {len(self.joints) - 1})."
                )
        indices = tuple(int(index) for index in indices)
        for index in indices:
            if indices.count(index) > 1:
                raise self._error(f"`{what}` holds joint '{self.joints[index]}' twice.")
        return indices

    def _checked_parents(self) -> tuple[int, ...]:
        parents = self.parents
        if isinstance(parents, str) or not isinstance(parents, Sequence):
            raise self._error(f"`parents` must hold one parent per joint, got {parents!r}.")
        count = len(self.joints)
        if len(parents) != count:
            raise self._error(
                f"`parents` has {len(parents)} entries for {count} joints; give one per joint, "
                "-1 for the root."
            )
        for joint, parent in zip(self.joints, parents, strict=True):
            if isinstance(parent, bool) or not isinstance(parent, int | np.integer):
                raise self._error(f"the parent of '{joint}' must be an index, got {parent!r}.")
            if not -1 <= parent < count:
                raise self._error(
                    f"the parent of '{joint}' is {parent}; expected -1 (root) or 0 to {count - 1}."
                )
        parents = tuple(int(parent) for parent in parents)
        for start in range(count):
            path = [start]
            while parents[path[-1]] >= 0:
                path.append(parents[path[-1]])
                if path[-1] in path[:-1]:
                    cycle = path[path.index(path[-1]) :]
                    names = " -> ".join(f"'{self.joints[index]}'" for index in cycle)
                    raise self._error(
                        f"the parents run in a cycle ({names}); exactly one joint must be the "
                        "root, and every other one must lead to it."
                    )
        roots = [joint for joint, parent in enumerate(parents) if parent < 0]
        if len(roots) > 1:
            raise self._error(
                f"{len(roots)} joints have no parent ({self._named(roots)}); exactly one may be "
                "the root. Give the others a parent."
            )
        return parents

    def _checked_pairs(self) -> tuple[tuple[int, int], ...]:
        if isinstance(self.mirror_pairs, str) or not isinstance(self.mirror_pairs, Iterable):
            raise self._error(
                f"`mirror_pairs` must be a list of (left, right) pairs, got {self.mirror_pairs!r}."
            )
        pairs: list[tuple[int, int]] = []
        seen: set[int] = set()
        for pair in self.mirror_pairs:
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                got = (
                    [self._describe(joint) for joint in pair]
                    if isinstance(pair, Sequence)
                    else pair
                )
                raise self._error(f"a mirror pair must be two joints [left, right], got {got}.")
            if pair[0] == pair[1]:
                raise self._error(
                    f"`mirror_pairs` pairs joint {self._describe(pair[0])} with itself; leave "
                    "joints of the midline out."
                )
            left, right = self._checked_indices(pair, "mirror_pairs")
            for index in (left, right):
                if index in seen:
                    raise self._error(
                        f"joint '{self.joints[index]}' is in two mirror pairs; it can mirror only "
                        "one joint."
                    )
                seen.add(index)
            pairs.append((left, right))
        return tuple(pairs)

    def _describe(self, index: object) -> str:
        if isinstance(index, int) and 0 <= index < len(self.joints):
            return f"'{self.joints[index]}'"
        return repr(index)

    def _checked_limbs(self) -> dict[str, tuple[int, ...]]:
        limbs = self._checked_mapping(self.limbs, "limbs")
        for limb, chain in limbs.items():
            for child in chain:
                if self.parents[child] < 0:
                    raise self._error(
                        f"limb '{limb}' names the root '{self.joints[child]}', where no bone ends; "
                        "a bone is named by its child joint."
                    )
            for previous, child in pairwise(chain):
                if self.parents[child] != previous:
                    raise self._error(
                        f"limb '{limb}' is not a chain: the bone ending at "
                        f"'{self.joints[child]}' starts at "
                        f"'{self.joints[self.parents[child]]}', not at '{self.joints[previous]}'."
                    )
        return limbs

    def _checked_groups(self) -> dict[str, tuple[int, ...]]:
        return self._checked_mapping(self.groups, "groups")

    def _checked_mapping(self, value: object, what: str) -> dict[str, tuple[int, ...]]:
        if not isinstance(value, Mapping):
            raise self._error(f"`{what}` must map names to lists of joints, got {value!r}.")
        checked = {}
        for key, indices in value.items():
            if not isinstance(key, str) or not key:
                raise self._error(f"a name in `{what}` must be a non-empty string, got {key!r}.")
            checked[key] = self._checked_indices(indices, f"{what}: {key}")
        return checked

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def num_bones(self) -> int:
        """Number of bones: one fewer than joints."""
        return len(self.joints) - 1

    @cached_property
    def root(self) -> int:
        """Index of the joint without a parent."""
        return self.parents.index(-1)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """`(parent, child)` joint indices of every bone, ordered by child."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @property
    def bone_names(self) -> tuple[str, ...]:
        """Names of the bones, by their joints: `"left_hip-left_knee"`."""
        return tuple(f"{self.joints[parent]}-{self.joints[child]}" for parent, child in self.bones)

    @cached_property
    def topological_order(self) -> tuple[int, ...]:
        """All joint indices, every parent before its children (breadth first)."""
        order = [self.root]
        for joint in order:
            order.extend(child for child, parent in enumerate(self.parents) if parent == joint)
        return tuple(order)

    @cached_property
    def left(self) -> tuple[int, ...]:
        """Joint indices of the left side, paired with `right`."""
        return tuple(left for left, _ in self.mirror_pairs)

    @cached_property
    def right(self) -> tuple[int, ...]:
        """Joint indices of the right side, paired with `left`."""
        return tuple(right for _, right in self.mirror_pairs)

    @property
    def mirror_permutation(self) -> np.ndarray:
        """Index of each joint's mirror image (itself on the midline), int32 `(joints,)`."""
        permutation = np.arange(self.num_joints, dtype=np.int32)
        for left, right in self.mirror_pairs:
            permutation[left], permutation[right] = right, left
        return permutation

    @cached_property
    def bone_mirror_pairs(self) -> tuple[tuple[int, int], ...]:
        """`(left, right)` bone indices: bones whose two ends mirror each other."""
        mirror = self.mirror_permutation
        return tuple(
            (self.bone_index(left), self.bone_index(right))
            for left, right in self.mirror_pairs
            if self.root not in (left, right) and mirror[self.parents[left]] == self.parents[right]
        )

    @cached_property
    def limb_mirror_pairs(self) -> tuple[tuple[str, str], ...]:
        """`(left, right)` names of limbs made of mirrored bones."""
        mirror = self.mirror_permutation
        left_joints = set(self.left)
        by_chain = {chain: limb for limb, chain in self.limbs.items()}
        pairs: list[tuple[str, str]] = []
        for chain, limb in by_chain.items():
            other = by_chain.get(tuple(int(mirror[child]) for child in chain))
            if other is not None and other != limb and chain[0] in left_joints:
                pairs.append((limb, other))
        return tuple(pairs)

    @cached_property
    def adjacent_bones(self) -> tuple[tuple[int, int], ...]:
        """Every pair of bone indices that share a joint, ordered by that joint."""
        pairs: list[tuple[int, int]] = []
        for joint in range(self.num_joints):
            touching = [index for index, bone in enumerate(self.bones) if joint in bone]
            pairs.extend(combinations(touching, 2))
        return tuple(pairs)

    @property
    def adjacency(self) -> np.ndarray:
        """Symmetric 0/1 matrix of joints linked by a bone, float32 `(joints, joints)`."""
        adjacency = np.zeros((self.num_joints, self.num_joints), dtype=np.float32)
        for parent, child in self.bones:
            adjacency[parent, child] = adjacency[child, parent] = 1.0
        return adjacency

    @property
    def hop_distances(self) -> np.ndarray:
        """Number of bones between every two joints, int32 `(joints, joints)`."""
        distances = np.zeros((self.num_joints, self.num_joints), dtype=np.int32)
        placed = [self.root]
        for joint in self.topological_order[1:]:
            to_placed = distances[self.parents[joint], placed] + 1
            distances[joint, placed] = to_placed
            distances[placed, joint] = to_placed
            placed.append(joint)
        return distances

    @property
    def degrees(self) -> np.ndarray:
        """Number of bones at each joint, int32 `(joints,)`."""
        return self.adjacency.sum(axis=1).astype(np.int32)

    def bone_index(self, child: int) -> int:
        """Find a bone by the joint it ends at.

        Args:
            child: Joint index, not the root.

        Returns:
            The index of the bone between `child` and its parent.

        Raises:
            UserError: `child` is the root or no joint.

        Examples:
            >>> from keras_seal import skeletons
            >>> skeletons.get("human36m_17").bone_index(5)
            4
        """
        if not 0 <= child < self.num_joints:
            raise self._error(f"no joint has index {child}; there are {self.num_joints} joints.")
        if child == self.root:
            raise self._error(f"no bone ends at the root '{self.joints[child]}'.")
        return child if child < self.root else child - 1

    def joint_index(self, name: str) -> int:
        """Find a joint by name.

        Args:
            name: The joint's name.

        Returns:
            Its index.

        Raises:
            UserError: There is no such joint.

        Examples:
            >>> from keras_seal import skeletons
            >>> skeletons.get("human36m_17").joint_index("left_knee")
            5
        """
        if name not in self.joints:
            raise self._error(f"there is no joint '{name}'.{nearest(name, self.joints)}")
        return self.joints.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Describe the skeleton with joint names, in types that JSON and YAML hold.

        Returns:
            A dictionary that `from_dict` turns back into an equal skeleton.

        Examples:
            >>> from keras_seal import Skeleton, skeletons
            >>> skeleton = skeletons.get("hand_21")
            >>> Skeleton.from_dict(skeleton.to_dict()) == skeleton
            True
        """

        def named(indices: Iterable[int]) -> list[str]:
            return [self.joints[index] for index in indices]

        return {
            "name": self.name,
            "joints": list(self.joints),
            "parents": {self.joints[child]: self.joints[parent] for parent, child in self.bones},
            "mirror_pairs": [named(pair) for pair in self.mirror_pairs],
            "limbs": {limb: named(chain) for limb, chain in self.limbs.items()},
            "groups": {group: named(members) for group, members in self.groups.items()},
            "origin": named(self.origin),
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Skeleton:
        """Build a skeleton from a description with joint names.

        Args:
            description: `name`, `joints` (list of names) and `parents` (child: parent, the root
                left out or mapped to null); optionally `mirror_pairs` ([left, right] lists),
                `limbs` (name: list of child joints), `groups` (name: list of joints) and `origin`
                (list of joints).

        Returns:
            The skeleton.

        Raises:
            UserError: A key is missing or unknown, a value has the wrong type, a name is no
                joint's, or the joints do not form one tree.

        Examples:
            >>> from keras_seal import Skeleton
            >>> arm = Skeleton.from_dict({
            ...     "name": "arm",
            ...     "joints": ["shoulder", "elbow", "wrist"],
            ...     "parents": {"elbow": "shoulder", "wrist": "elbow"},
            ... })
            >>> arm.parents
            (-1, 0, 1)
        """
        return cls(**to_indices(description))

    def to_yaml(self, path: str | Path) -> None:
        """Write the skeleton to a YAML file.

        Args:
            path: The file to write.

        Examples:
            >>> import tempfile, pathlib
            >>> from keras_seal import Skeleton, skeletons
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "hand.yaml"
            >>> skeletons.get("hand_21").to_yaml(path)
            >>> Skeleton.from_yaml(path).num_joints
            21
        """
        write_yaml(self.to_dict(), path)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Skeleton:
        """Read a skeleton from a YAML file (the built-in ones use the same format).

        Args:
            path: A file with the keys of `from_dict`.

        Returns:
            The skeleton.

        Raises:
            FileNotFoundError: There is no such file.
            UserError: The file is no YAML or describes no skeleton; the message says where.

        Examples:
            >>> import tempfile, pathlib
            >>> from keras_seal import Skeleton
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "stick.yaml"
            >>> text = "{name: stick, joints: [base, tip], parents: {tip: base}}"
            >>> _ = path.write_text(text)
            >>> Skeleton.from_yaml(path).bones
            ((0, 1),)
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No skeleton file at '{path}'.")
        return cls._from_yaml_text(path.read_text(encoding="utf-8"), str(path))

    @classmethod
    def _from_yaml_text(cls, text: str, source: str) -> Skeleton:
        description = parse_yaml(text, source)
        try:
            return cls.from_dict(description)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
