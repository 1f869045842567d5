"""The joint map: every joint of one skeleton as a mixture of the joints of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keras_seal.errors import UserError
from keras_seal.skeletons.joint_maps.rules import to_rules, to_weights
from keras_seal.skeletons.skeleton import Skeleton

# Weights smaller than this are what rounding left of a 0.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class JointMap:
    """A rule for each joint of a target skeleton: a weighted mean of the source's joints.

    The weights of a joint sum to 1 on each axis, so a person who moves takes the mapped joints
    along; they may be negative, and may differ between x and y. Confidences have weights of their
    own, by default the plain mean over the joints that the rule uses.

    Args:
        name: What the map is called.
        source: The skeleton, or a detector's joint order, that is mapped.
        target: The skeleton that comes out.
        x: Weights `(target joints, source joints)` of horizontal coordinates.
        y: Weights of vertical coordinates.
        confidence: Weights of confidences.
        about: Where the map comes from and what it is for.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.skeletons import joint_maps
        >>> joint_map = joint_maps.get("coco_17_to_human36m_17_plain")
        >>> pixels = np.arange(34.0).reshape(17, 2)
        >>> joint_map.apply(pixels)[0].tolist()  # the pelvis: between the hips
        [23.0, 24.0]

    Raises:
        UserError: The weights do not fit the skeletons, or do not sum to 1.
    """

    name: str
    source: Skeleton
    target: Skeleton
    x: np.ndarray
    y: np.ndarray
    confidence: np.ndarray
    about: str = ""

    def __post_init__(self) -> None:
        shape = (self.target.num_joints, self.source.num_joints)
        for axis in ("x", "y", "confidence"):
            weights = np.array(getattr(self, axis), np.float64)
            if weights.shape != shape:
                raise UserError(
                    f"Joint map '{self.name}': the weights of {axis} must have the shape {shape} "
                    f"({self.target.name} from {self.source.name}), got {weights.shape}."
                )
            sums = weights.sum(axis=1)
            wrong = np.flatnonzero(~(np.abs(sums - 1) < 1e-6))
            if wrong.size:
                joint = int(wrong[0])
                raise UserError(
                    f"Joint map '{self.name}': the weights of {axis} of "
                    f"'{self.target.joints[joint]}' sum to {sums[joint]:.6g}; they must sum to 1."
                )
            weights[np.abs(weights) < _NOTHING] = 0.0
            weights.flags.writeable = False
            object.__setattr__(self, axis, weights)

    def __repr__(self) -> str:
        return f"JointMap('{self.name}': {self.source.name} -> {self.target.name})"

    @property
    def for_poses(self) -> bool:
        """Whether all axes have the same weights, so that 3D poses can be mapped too."""
        return bool(np.array_equal(self.x, self.y))

    @cached_property
    def _same(self) -> bool:
        """Whether every joint stays what and where it is."""
        # Arrays of other shapes are never equal: a map to the first few joints is none of these.
        same = np.eye(self.source.num_joints)
        return all(np.array_equal(each, same) for each in (self.x, self.y, self.confidence))

    def apply(self, keypoints: np.ndarray) -> np.ndarray:
        """Map keypoints in an image.

        A joint is missing where a coordinate is NaN or infinite or the confidence is 0 or less,
        and so is every joint that would be made of it.

        Args:
            keypoints: `(..., source joints, 2)` x and y, pixels or normalised; or
                `(..., source joints, 3)` with the detector's confidence.

        Returns:
            `(..., target joints, 2 or 3)` of the same float type. Missing joints have x and y NaN
            and confidence 0.

        Raises:
            UserError: The array has another shape.

        Examples:
            >>> import numpy as np
            >>> from keras_seal.skeletons import joint_maps
            >>> joint_map = joint_maps.find("body_25", "human36m_17")
            >>> keypoints = np.ones((100, 25, 3))
            >>> keypoints[3, 0] = 0  # the nose is not detected in one frame
            >>> mapped = joint_map.apply(keypoints)
            >>> mapped.shape, mapped[3, 9].tolist()
            ((100, 17, 3), [nan, nan, 0.0])
        """
        points = self._checked(keypoints, (2, 3), "keypoints")
        has_confidence = points.shape[-1] == 3
        finite = np.isfinite(points)
        missing = ~(finite[..., 0] & finite[..., 1])
        if has_confidence:
            missing |= ~(finite[..., 2] & (points[..., 2] > 0))
        some = bool(missing.any())
        if some:
            points = np.where(missing[..., None], 0.0, points)
        # Products of arrays with gaps between their numbers are ten times slower.
        apart = np.ascontiguousarray(np.moveaxis(points, -1, 0))
        channels = list(apart)
        if not self._same:
            weights = (self.x, self.y, self.confidence)
            channels = [part @ each.T for part, each in zip(apart, weights, strict=False)]
        if some:
            lost = self._lost(missing)
            for channel, nothing in zip(channels, (np.nan, np.nan, 0.0), strict=False):
                channel[lost] = nothing
        return np.stack(channels, axis=-1).astype(_float_type(keypoints), copy=False)

    def apply_poses(self, poses: np.ndarray) -> np.ndarray:
        """Map poses in space.

        Args:
            poses: `(..., source joints, 3)` positions, any unit; NaN where a joint is missing.

        Returns:
            `(..., target joints, 3)` of the same float type; NaN where a joint is made of a
            missing one.

        Raises:
            UserError: The array has another shape, or the map treats x and y differently, so that
                it makes sense in images only.

        Examples:
            >>> import numpy as np
            >>> from keras_seal.skeletons import joint_maps
            >>> joint_map = joint_maps.find("mpi_inf_3dhp_17", "human36m_17")
            >>> joint_map.apply_poses(np.zeros((8, 17, 3))).shape
            (8, 17, 3)
        """
        if not self.for_poses:
            raise UserError(
                f"The joint map '{self.name}' treats x and y differently: it maps keypoints in "
                "images, not poses. Use another map for poses."
            )
        points = self._checked(poses, (3,), "poses")
        missing = ~np.isfinite(points).all(axis=-1)
        points = np.where(missing[..., None], 0.0, points)
        mapped = self.x @ points
        mapped[self._lost(missing)] = np.nan
        return mapped.astype(_float_type(poses))

    def _checked(self, points: np.ndarray, channels: tuple[int, ...], what: str) -> np.ndarray:
        points = np.asarray(points)
        joints = self.source.num_joints
        if (
            points.ndim < 2
            or points.shape[-2] != joints
            or points.shape[-1] not in channels
            or points.dtype.kind not in "fiu"
        ):
            wanted = " or ".join(map(str, channels))
            raise UserError(
                f"The joint map '{self.name}' takes {what} of the shape (..., {joints}, {wanted}) "
                f"in the order of '{self.source.name}', got {points.dtype} of shape "
                f"{points.shape}."
            )
        return points.astype(np.float64, copy=False)

    def _lost(self, missing: np.ndarray) -> np.ndarray:
        used = (self.x != 0) | (self.y != 0)
        return missing.astype(np.float64) @ used.T.astype(np.float64) > 0

    def then(self, other: JointMap) -> JointMap:
        """Join two maps to one.

        Args:
            other: What is applied to the outcome of this one.

        Returns:
            The map from this one's source to the other's target.

        Raises:
            UserError: The other map does not start with this one's target.

        Examples:
            >>> from keras_seal.skeletons import joint_maps
            >>> first = joint_maps.get("coco_17_to_human36m_17_plain")
            >>> first.then(joint_maps.get("human36m_17_to_human36m_16")).target.name
            'human36m_16'
        """
        if other.source.joints != self.target.joints:
            raise UserError(
                f"The joint map '{other.name}' starts from '{other.source.name}', but "
                f"'{self.name}' gives '{self.target.name}'."
            )
        return JointMap(
            f"{self.name}, {other.name}",
            self.source,
            other.target,
            other.x @ self.x,
            other.y @ self.y,
            other.confidence @ self.confidence,
            f"{self.about} Then: {other.about}".strip(),
        )

    @classmethod
    def identity(cls, skeleton: Skeleton) -> JointMap:
        """Make the map that changes nothing.

        Args:
            skeleton: Source and target.

        Returns:
            The map.
        """
        same = np.eye(skeleton.num_joints)
        return cls("identity", skeleton, skeleton, same, same, same, "Nothing changes.")

    def to_dict(self) -> dict[str, Any]:
        """Describe the map in types that JSON and YAML hold.

        Returns:
            A dictionary that `joint_maps.get` turns back into an equal map.

        Examples:
            >>> from keras_seal.skeletons import joint_maps
            >>> joint_map = joint_maps.get("mpii_16_to_human36m_17")
            >>> joint_map.to_dict()["rules"]["nose"]
            'upper_neck'
        """
        return {
            "name": self.name,
            "about": self.about,
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "rules": to_rules(
                self.source.joints, self.target.joints, self.x, self.y, self.confidence
            ),
        }

    @classmethod
    def from_rules(
        cls,
        name: str,
        source: Skeleton,
        target: Skeleton,
        rules: Mapping[str, Any],
        about: str = "",
    ) -> JointMap:
        """Build a map from rules in words.

        Args:
            name: What to call the map.
            source: The skeleton to map from.
            target: The skeleton to map to.
            rules: For each joint of the target: a joint of the source, a list of joints (their
                mean is meant), joints with weights, or a dictionary of such values with the keys
                `x` and `y` (or `at` for both) and `confidence`. Weights are numbers or fractions
                like `"1/3"`. A joint without a rule is the source's joint of the same name.
            about: Where the map comes from and what it is for.

        Returns:
            The map.

        Raises:
            UserError: A rule makes no sense; the message names it.

        Examples:
            >>> from keras_seal import Skeleton
            >>> from keras_seal.skeletons.joint_maps import JointMap
            >>> one = Skeleton("one", ("left_eye", "right_eye"), (-1, 0))
            >>> other = Skeleton("other", ("eyes", "left_eye"), (-1, 0))
            >>> joint_map = JointMap.from_rules(
            ...     "mine", one, other, {"eyes": ["left_eye", "right_eye"]})
            >>> joint_map.x.tolist()
            [[0.5, 0.5], [1.0, 0.0]]
        """
        weights = to_weights(f"Joint map '{name}'", source, target, rules)
        return cls(name, source, target, *weights, about)


def _float_type(points: np.ndarray) -> np.dtype:
    dtype = np.asarray(points).dtype
    return dtype if dtype.kind == "f" else np.dtype(np.float64)
