"""Streaming metrics of poses for `compile(metrics=[...])`, in millimetres, percent and degrees."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import keras
from keras import ops

from keras_seal import skeletons
from keras_seal.errors import UserError, nearest
from keras_seal.geometry import bone_lengths
from keras_seal.metrics import functional

_Metric = TypeVar("_Metric")

_FACTORS = {
    "mm": 1000.0,
    "mm/frame": 1000.0,
    "mm/frame^2": 1000.0,
    "%": 100.0,
    "deg": 180.0 / math.pi,
}


def _serializable(metric_class: type[_Metric]) -> type[_Metric]:
    # There is a loss called MPJPE too: under one name a saved model would get the wrong one back.
    name = f"metrics.{metric_class.__name__}"
    return keras.saving.register_keras_serializable(package="keras_seal", name=name)(metric_class)


class PoseMetric(keras.metrics.Metric, ABC):
    """Base of metrics that are a mean over frames, the same for every batch size.

    A subclass says in `frame_values` what each frame is worth, in metres, fractions or radians.
    Half-precision predictions are measured in float32.

    Args:
        unit: Reported unit: `"mm"`, `"mm/frame"`, `"mm/frame^2"`, `"%"` or `"deg"`.
        name: Name in the logs.
        dtype: Floating type of the sums: float32 unless `"float64"` is asked for.

    Examples:
        >>> from keras_seal.metrics import PoseMetric
        >>> class Drop(PoseMetric):
        ...     def frame_values(self, y_true, y_pred):
        ...         return y_pred[:, :, 0, 1] - y_true[:, :, 0, 1]
        >>> metric = Drop(unit="mm", name="drop")
        >>> import numpy as np
        >>> metric.update_state(np.zeros((2, 1, 17, 3)), np.ones((2, 1, 17, 3)))
        >>> float(metric.result())
        1000.0
    """

    #: How many consecutive frames one value of `frame_values` compares.
    frames_per_value = 1

    def __init__(self, unit: str, name: str, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        if unit not in _FACTORS:
            raise ValueError(f"`unit` must be one of {', '.join(_FACTORS)}; got {unit!r}.")
        self.unit = unit
        self._precision = "float64" if self.dtype == "float64" else "float32"
        self.total = self.add_variable((), "zeros", dtype=self._precision, name="total")
        self.count = self.add_variable((), "zeros", dtype=self._precision, name="count")

    @abstractmethod
    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame.

        Args:
            y_true: True poses `(batch, frames, joints, 3)`, metres.
            y_pred: Predicted poses of the same shape.

        Returns:
            One value for each frame `(batch, frames - frames_per_value + 1)`.
        """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: True poses `(batch, frames, joints, 3)`, metres, root-relative.
            y_pred: Predicted poses of the same shape.
            sample_weight: Weights of samples `(batch,)` or of frames `(batch, frames)`. A value
                that compares several frames takes the least of their weights. What a frame of
                weight zero holds does not matter, NaN included.

        Raises:
            ValueError: A shape does not fit.
        """
        y_true = ops.stop_gradient(ops.cast(y_true, self._precision))
        y_pred = ops.stop_gradient(ops.cast(y_pred, self._precision))
        values = self.frame_values(y_true, y_pred)
        if sample_weight is None:
            weights = ops.ones_like(values)
        else:
            weights = self._weights(ops.cast(sample_weight, self._precision), y_pred, values)
            values = ops.where(weights > 0, values, ops.zeros_like(values))
        self.total.assign(self.total + ops.sum(weights * values))
        self.count.assign(self.count + ops.sum(weights))

    def _weights(self, weights: Any, poses: Any, values: Any) -> Any:
        shape, frames = tuple(weights.shape), poses.shape[1]
        if len(shape) == 1:
            weights = weights[:, None]
        elif len(shape) != 2 or (None not in (shape[1], frames) and shape[1] not in (1, frames)):
            raise ValueError(
                "`sample_weight` must have shape (batch,) or (batch, frames); got "
                f"{shape} for poses of shape {tuple(poses.shape)}."
            )
        if weights.shape[1] != 1:
            for _ in range(self.frames_per_value - 1):
                weights = ops.minimum(weights[:, 1:], weights[:, :-1])
        return weights * ops.ones_like(values)

    def result(self) -> Any:
        """Return the mean over all frames so far, in `unit` (0 before any)."""
        return _FACTORS[self.unit] * ops.divide_no_nan(self.total, self.count)


@_serializable
class MPJPE(PoseMetric):
    """Mean per-joint position error (protocol 1), in millimetres.

    Args:
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> metric = MPJPE()
        >>> metric.update_state(np.zeros((2, 1, 17, 3)), np.full((2, 1, 17, 3), [0.03, 0, 0.04]))
        >>> round(float(metric.result()), 3)
        50.0
    """

    def __init__(self, name: str = "mpjpe", dtype: Any = None):
        super().__init__(unit="mm", name=name, dtype=dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.mpjpe`."""
        return functional.mpjpe(y_true, y_pred)


@_serializable
class PMPJPE(PoseMetric):
    """MPJPE after Procrustes alignment of each frame (protocol 2), in millimetres.

    Args:
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(2, 1, 17, 3))
        >>> metric = PMPJPE()
        >>> metric.update_state(y_true, 0.5 * y_true + 1.0)
        >>> bool(metric.result() < 0.1)
        True
    """

    def __init__(self, name: str = "p_mpjpe", dtype: Any = None):
        super().__init__(unit="mm", name=name, dtype=dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.p_mpjpe`."""
        return functional.p_mpjpe(y_true, y_pred)


@_serializable
class NMPJPE(PoseMetric):
    """MPJPE after the best scaling of each frame, in millimetres.

    Args:
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(2, 1, 17, 3))
        >>> metric = NMPJPE()
        >>> metric.update_state(y_true, 0.5 * y_true)
        >>> bool(metric.result() < 0.1)
        True
    """

    def __init__(self, name: str = "n_mpjpe", dtype: Any = None):
        super().__init__(unit="mm", name=name, dtype=dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.n_mpjpe`."""
        return functional.n_mpjpe(y_true, y_pred)


class _JointsMetric(PoseMetric):
    """A metric of some of the joints."""

    def __init__(self, unit: str, name: str, joints: Sequence[int] | None, dtype: Any):
        super().__init__(unit=unit, name=name, dtype=dtype)
        self.joints = None if joints is None else tuple(int(joint) for joint in joints)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        joints = None if self.joints is None else list(self.joints)
        return {**super().get_config(), "joints": joints}


@_serializable
class PCK(_JointsMetric):
    """Share of joints nearer to the truth than a threshold (3D PCK), in percent. More is better.

    Args:
        threshold: Millimetres.
        joints: Indices of the joints that are looked at; all by default.
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> metric = PCK()
        >>> metric.update_state(np.zeros((2, 1, 17, 3)), np.full((2, 1, 17, 3), 0.01))
        >>> float(metric.result())
        100.0

    Reference:
        Mehta et al., Monocular 3D human pose estimation in the wild using improved CNN
        supervision, 3DV 2017.
    """

    def __init__(
        self,
        threshold: float = 150.0,
        joints: Sequence[int] | None = None,
        name: str = "pck",
        dtype: Any = None,
    ):
        super().__init__("%", name, joints, dtype)
        self.threshold = float(threshold)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.pck`."""
        return functional.pck(y_true, y_pred, threshold=self.threshold / 1000.0, joints=self.joints)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "threshold": self.threshold}


@_serializable
class AUC(_JointsMetric):
    """Mean of `PCK` over the thresholds 0, 5, ... 150 mm, in percent. More is better.

    Args:
        joints: Indices of the joints that are looked at; all by default.
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> metric = AUC()
        >>> metric.update_state(np.zeros((2, 1, 17, 3)), np.zeros((2, 1, 17, 3)))
        >>> round(float(metric.result()), 2)
        96.77

    Reference:
        Mehta et al., Monocular 3D human pose estimation in the wild using improved CNN
        supervision, 3DV 2017.
    """

    def __init__(self, joints: Sequence[int] | None = None, name: str = "auc", dtype: Any = None):
        super().__init__("%", name, joints, dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.auc`."""
        return functional.auc(y_true, y_pred, joints=self.joints)


@_serializable
class PartError(PoseMetric):
    """MPJPE of one joint, or of the joints of one part of the body, in millimetres.

    Args:
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        part: A joint, or one of the skeleton's groups.
        name: Name in the logs; `"mpjpe_"` and the part.
        dtype: As for `PoseMetric`.

    Raises:
        UserError: The skeleton has no such joint or group.

    Examples:
        >>> import numpy as np
        >>> moved = np.zeros((1, 1, 17, 3))
        >>> moved[..., 16, 0] = 0.03  # the right wrist
        >>> metric = PartError("human36m_17", "right_arm")
        >>> metric.update_state(np.zeros((1, 1, 17, 3)), moved)
        >>> metric.name, round(float(metric.result()), 3)
        ('mpjpe_right_arm', 10.0)
    """

    def __init__(self, skeleton: Any, part: str, name: str | None = None, dtype: Any = None):
        super().__init__(unit="mm", name=name or f"mpjpe_{part}", dtype=dtype)
        self.skeleton = skeletons.get(skeleton)
        self.part = part
        if part in self.skeleton.joints:
            self._joints = [self.skeleton.joint_index(part)]
        elif part in self.skeleton.groups:
            self._joints = list(self.skeleton.groups[part])
        else:
            known = [*self.skeleton.joints, *self.skeleton.groups]
            raise UserError(
                f"Skeleton '{self.skeleton.name}' has no joint or group '{part}'."
                f"{nearest(part, known)}"
            )

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.mpjpe` of the part's joints."""
        joints = ops.convert_to_tensor(self._joints, dtype="int32")
        return functional.mpjpe(
            ops.take(y_true, joints, axis=-2), ops.take(y_pred, joints, axis=-2)
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        skeleton = self.skeleton.to_dict()
        return {**super().get_config(), "skeleton": skeleton, "part": self.part}


@_serializable
class MPJVE(PoseMetric):
    """Mean per-joint velocity error inside each window, in millimetres per frame.

    Needs a network that predicts two consecutive frames or more.

    Args:
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> still, jumping = np.zeros((1, 2, 17, 3)), np.zeros((1, 2, 17, 3))
        >>> jumping[0, 1, :, 2] = 0.01
        >>> metric = MPJVE()
        >>> metric.update_state(still, jumping)
        >>> round(float(metric.result()), 3)
        10.0
    """

    frames_per_value = 2

    def __init__(self, name: str = "mpjve", dtype: Any = None):
        super().__init__(unit="mm/frame", name=name, dtype=dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame but the first with `functional.mpjve`."""
        return functional.mpjve(y_true, y_pred)


@_serializable
class AccelerationError(PoseMetric):
    """Mean per-joint acceleration error inside each window, in millimetres per frame squared.

    Needs a network that predicts three consecutive frames or more.

    Args:
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> still, jumping = np.zeros((1, 3, 17, 3)), np.zeros((1, 3, 17, 3))
        >>> jumping[0, 1, :, 2] = 0.01
        >>> metric = AccelerationError()
        >>> metric.update_state(still, jumping)
        >>> round(float(metric.result()), 3)
        20.0
    """

    frames_per_value = 3

    def __init__(self, name: str = "acceleration_error", dtype: Any = None):
        super().__init__(unit="mm/frame^2", name=name, dtype=dtype)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame but the outer two with `functional.acceleration_error`."""
        return functional.acceleration_error(y_true, y_pred)


class _LengthMetric(PoseMetric):
    """A metric of lengths on a skeleton, in millimetres or, relative, in percent."""

    _short_name = ""

    def __init__(
        self, skeleton: Any, relative: bool = False, name: str | None = None, dtype: Any = None
    ):
        default_name = f"{self._short_name}_percent" if relative else self._short_name
        super().__init__(unit="%" if relative else "mm", name=name or default_name, dtype=dtype)
        self.skeleton = skeletons.get(skeleton)
        self.relative = bool(relative)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        config = super().get_config()
        return {**config, "skeleton": self.skeleton.to_dict(), "relative": self.relative}


@_serializable
class LimbSymmetryError(_LengthMetric):
    """LSE: how much the predicted left and right bones differ in length, in millimetres or %.

    Args:
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.
        relative: Whether to divide by the sum of both lengths and report percent.
        name: Name in the logs; `"lse"`, or `"lse_percent"` if relative.
        dtype: As for `PoseMetric`.

    Raises:
        ValueError: The skeleton has no mirrored bones.

    Examples:
        >>> import numpy as np
        >>> pose = np.zeros((1, 1, 17, 3))
        >>> pose[..., [1, 2, 3], 0] = 0.06  # a right hip bone, and no left one
        >>> metric = LimbSymmetryError("human36m_17")
        >>> metric.update_state(pose, pose)
        >>> round(float(metric.result()), 3)
        10.0

    Reference:
        SEAL-pose, arXiv:2602.20051.
    """

    _short_name = "lse"

    def __init__(
        self, skeleton: Any, relative: bool = False, name: str | None = None, dtype: Any = None
    ):
        super().__init__(skeleton, relative=relative, name=name, dtype=dtype)
        functional.require_mirrored_bones(self.skeleton)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.limb_symmetry_error`."""
        return functional.limb_symmetry_error(y_true, y_pred, self.skeleton, relative=self.relative)


@_serializable
class BodySegmentLengthError(_LengthMetric):
    """BSLE: error of the lengths of the predicted bones, in millimetres or %.

    Args:
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        relative: Whether to divide by the true length and report percent.
        name: Name in the logs; `"bsle"`, or `"bsle_percent"` if relative.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(2, 1, 17, 3))
        >>> metric = BodySegmentLengthError("human36m_17", relative=True)
        >>> metric.update_state(y_true, 1.1 * y_true)
        >>> metric.name, round(float(metric.result()), 2)
        ('bsle_percent', 10.0)

    Reference:
        SEAL-pose, arXiv:2602.20051.
    """

    _short_name = "bsle"

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.body_segment_length_error`."""
        return functional.body_segment_length_error(
            y_true, y_pred, self.skeleton, relative=self.relative
        )


@_serializable
class LimbLengthError(_LengthMetric):
    """LLE: error of the lengths of the predicted limbs, in millimetres or %.

    Args:
        skeleton: A `Skeleton` with limbs, or what `skeletons.get` takes.
        relative: Whether to divide by the true length and report percent.
        name: Name in the logs; `"lle"`, `"lle_percent"` if relative, and `"lle_"` and the limb
            where one is chosen.
        dtype: As for `PoseMetric`.
        limb: The limb to measure; the mean over all by default.

    Raises:
        ValueError: The skeleton names no limbs, or not this one.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(2, 1, 17, 3))
        >>> metric = LimbLengthError("human36m_17", relative=True)
        >>> metric.update_state(y_true, 1.1 * y_true)
        >>> metric.name, round(float(metric.result()), 2)
        ('lle_percent', 10.0)

    Reference:
        SEAL-pose, arXiv:2602.20051.
    """

    _short_name = "lle"

    def __init__(
        self,
        skeleton: Any,
        relative: bool = False,
        name: str | None = None,
        dtype: Any = None,
        limb: str | None = None,
    ):
        if name is None and limb is not None:
            name = f"lle_{limb}_percent" if relative else f"lle_{limb}"
        super().__init__(skeleton, relative=relative, name=name, dtype=dtype)
        functional.require_limbs(self.skeleton)
        limbs = list(self.skeleton.limbs)
        if limb is not None and limb not in limbs:
            raise UserError(
                f"Skeleton '{self.skeleton.name}' has no limb '{limb}'.{nearest(limb, limbs)}"
            )
        self.limb = limb

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.limb_length_error`."""
        values = functional.limb_length_error(
            y_true, y_pred, self.skeleton, relative=self.relative, average=self.limb is None
        )
        if self.limb is None:
            return values
        return values[..., list(self.skeleton.limbs).index(self.limb)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "limb": self.limb}


@_serializable
class MPSSE(PoseMetric):
    """ManiPose's symmetry error, in millimetres: the same as `LimbSymmetryError`.

    Args:
        skeleton: A `Skeleton` with mirrored bones, or what `skeletons.get` takes.
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Raises:
        ValueError: The skeleton has no mirrored bones.

    Examples:
        >>> import numpy as np
        >>> metric = MPSSE("human36m_17")
        >>> metric.update_state(np.zeros((1, 1, 17, 3)), np.zeros((1, 1, 17, 3)))
        >>> float(metric.result())
        0.0

    Reference:
        Rommel et al., ManiPose: manifold-constrained multi-hypothesis 3D human pose estimation,
        NeurIPS 2024.
    """

    def __init__(self, skeleton: Any, name: str = "mpsse", dtype: Any = None):
        super().__init__(unit="mm", name=name, dtype=dtype)
        self.skeleton = skeletons.get(skeleton)
        functional.require_mirrored_bones(self.skeleton)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.mpsse`."""
        return functional.mpsse(y_true, y_pred, self.skeleton)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "skeleton": self.skeleton.to_dict()}


@_serializable
class MPSCE(keras.metrics.Metric):
    """ManiPose's consistency error: the spread of the predicted bone lengths, in millimetres.

    The standard deviation of each bone's length over all frames so far, the mean over the bones.
    Frames of several people count as one set, so that even the truth of them has a spread. Means
    and squares are joined batch by batch in Chan's way, which float32 stands.

    Args:
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Examples:
        >>> import numpy as np
        >>> poses = np.random.default_rng(0).normal(size=(1, 1, 17, 3))
        >>> metric = MPSCE("human36m_17")
        >>> metric.update_state(poses, np.concatenate([poses, poses + 1.0]))
        >>> bool(metric.result() < 1e-3)
        True

    Reference:
        Rommel et al., ManiPose: manifold-constrained multi-hypothesis 3D human pose estimation,
        NeurIPS 2024; Chan et al., Updating formulae and a pairwise algorithm for computing sample
        variances, COMPSTAT 1982.
    """

    #: How many consecutive frames one value compares: a batch of single frames will do.
    frames_per_value = 1
    unit = "mm"

    def __init__(self, skeleton: Any, name: str = "mpsce", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.skeleton = skeletons.get(skeleton)
        self._precision = "float64" if self.dtype == "float64" else "float32"
        bones = (self.skeleton.num_bones,)
        self.count = self.add_variable((), "zeros", dtype=self._precision, name="count")
        self.mean = self.add_variable(bones, "zeros", dtype=self._precision, name="mean")
        self.squares = self.add_variable(bones, "zeros", dtype=self._precision, name="squares")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: Not looked at; taken so that all metrics are called alike.
            y_pred: Predicted poses `(batch, frames, joints, 3)`, metres.
            sample_weight: Weights of samples `(batch,)` or of frames `(batch, frames)`; a frame
                whose weight is not above zero is left out, others count alike.

        Raises:
            ValueError: A shape does not fit.
        """
        y_pred = ops.stop_gradient(ops.cast(y_pred, self._precision))
        lengths = bone_lengths(y_pred, self.skeleton)
        counts = ops.ones_like(lengths[..., :1])
        if sample_weight is not None:
            weights = ops.cast(sample_weight, self._precision)
            if len(weights.shape) == 1:
                weights = weights[:, None]
            counts = counts * ops.cast(weights > 0, self._precision)[..., None]
            lengths = ops.where(counts > 0, lengths, ops.zeros_like(lengths))
        axes = tuple(range(len(lengths.shape) - 1))
        added = ops.sum(counts)
        one = ops.ones_like(added)
        mean = ops.sum(counts * lengths, axis=axes) / ops.maximum(added, one)
        squares = ops.sum(counts * ops.square(lengths - mean), axis=axes)
        total = self.count + added
        share = added / ops.maximum(total, one)
        shift = mean - self.mean
        self.squares.assign(self.squares + squares + ops.square(shift) * self.count * share)
        self.mean.assign(self.mean + shift * share)
        self.count.assign(total)

    def result(self) -> Any:
        """Return the mean spread of all frames so far (0 before there are two)."""
        variances = self.squares / ops.maximum(self.count - 1.0, 1.0)
        return _FACTORS[self.unit] * ops.mean(ops.sqrt(variances))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "skeleton": self.skeleton.to_dict()}


@_serializable
class JointAngleError(PoseMetric):
    """JAE: error of the angles between adjacent bones, in degrees.

    Args:
        skeleton: A `Skeleton`, or what `skeletons.get` takes.
        name: Name in the logs.
        dtype: As for `PoseMetric`.

    Raises:
        ValueError: The skeleton has a single bone.

    Examples:
        >>> import numpy as np
        >>> y_true = np.random.default_rng(0).normal(size=(2, 1, 17, 3))
        >>> metric = JointAngleError("human36m_17")
        >>> metric.update_state(y_true, 3.0 * y_true)
        >>> bool(metric.result() < 0.01)
        True
    """

    def __init__(self, skeleton: Any, name: str = "jae", dtype: Any = None):
        super().__init__(unit="deg", name=name, dtype=dtype)
        self.skeleton = skeletons.get(skeleton)
        functional.require_adjacent_bones(self.skeleton)

    def frame_values(self, y_true: Any, y_pred: Any) -> Any:
        """Measure every frame with `functional.joint_angle_error`."""
        return functional.joint_angle_error(y_true, y_pred, self.skeleton)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "skeleton": self.skeleton.to_dict()}
