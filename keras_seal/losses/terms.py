"""A pose loss that is the weighted sum of named terms, as papers about videos train with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons
from keras_seal.errors import nearest
from keras_seal.geometry import bone_lengths, bone_vectors, joint_angles, scale_align
from keras_seal.losses.distances import _TINY, l1, mpjpe, mse
from keras_seal.losses.pose import PoseLoss

# Every term gives one value a frame. What belongs to pairs of frames stands at the later one; it
# is scaled so that the mean over the frames is the mean over what there is. What belongs to a whole
# window stands at each of its frames.

# Bones shorter than this, metres, point nowhere in particular: without a floor the gradient of
# their direction has no bound.
_SHORT = 1e-3


def _lengths(vectors: Any) -> Any:
    return ops.sqrt(ops.maximum(ops.sum(ops.square(vectors), axis=-1), _TINY))


def _steps(poses: Any) -> Any:
    return poses[:, 1:] - poses[:, :-1]


def _of_pairs(values: Any) -> Any:
    pairs = values.shape[1]
    return ops.pad(values * ((pairs + 1) / pairs), [[0, 0], [1, 0]])


def _mpjpe(y_true: Any, y_pred: Any, factors: Any) -> Any:
    return mpjpe(y_true, y_pred) if factors is None else _weighted_mpjpe(y_true, y_pred, factors)


def _weighted_mpjpe(y_true: Any, y_pred: Any, factors: Any) -> Any:
    return ops.mean(_lengths(y_pred - y_true) * factors, axis=-1)


def _center_mpjpe(y_true: Any, y_pred: Any, factors: Any) -> Any:
    frames = y_pred.shape[1]
    center = np.zeros((1, frames), "float32")
    center[0, (frames - 1) // 2] = frames
    return _mpjpe(y_true, y_pred, factors) * ops.convert_to_tensor(center)


def _velocity(y_true: Any, y_pred: Any, factors: Any) -> Any:
    return _of_pairs(_mpjpe(_steps(y_true), _steps(y_pred), factors))


def _smoothness(y_true: Any, y_pred: Any, factors: Any) -> Any:
    squared = ops.mean(ops.square(_steps(y_pred)), axis=-1)
    return _of_pairs(ops.mean(squared if factors is None else squared * factors, axis=-1))


def _n_mpjpe(y_true: Any, y_pred: Any, factors: Any) -> Any:
    return _mpjpe(y_true, scale_align(y_pred, y_true), factors)


# Those that take factors of joints.
_OF_JOINTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "mpjpe": _mpjpe,
    "center_mpjpe": _center_mpjpe,
    "n_mpjpe": _n_mpjpe,
    "velocity": _velocity,
    "smoothness": _smoothness,
}
_OF_COORDINATES: dict[str, Callable[[Any, Any], Any]] = {"mse": mse, "l1": l1}


def _bone_length(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    difference = bone_lengths(y_pred, skeleton) - bone_lengths(y_true, skeleton)
    return ops.mean(ops.abs(difference), axis=-1)


def _angle(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    difference = joint_angles(y_pred, skeleton) - joint_angles(y_true, skeleton)
    return ops.mean(ops.abs(difference), axis=-1)


def _angle_velocity(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    steps = [_steps(joint_angles(poses, skeleton)) for poses in (y_pred, y_true)]
    return _of_pairs(ops.mean(ops.abs(steps[0] - steps[1]), axis=-1))


def _symmetry(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    left, right = np.array(skeleton.bone_mirror_pairs, dtype="int32").T
    lengths = bone_lengths(y_pred, skeleton)
    difference = ops.take(lengths, left, axis=-1) - ops.take(lengths, right, axis=-1)
    return ops.mean(ops.abs(difference), axis=-1)


def _directions(poses: Any, skeleton: Any) -> Any:
    vectors = bone_vectors(poses, skeleton)
    return vectors / ops.maximum(_lengths(vectors), _SHORT)[..., None]


def _bone_direction(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    difference = _directions(y_pred, skeleton) - _directions(y_true, skeleton)
    return ops.mean(_lengths(difference), axis=-1)


def _bone_constancy(y_true: Any, y_pred: Any, skeleton: Any) -> Any:
    lengths = bone_lengths(y_pred, skeleton)
    off = lengths - ops.mean(lengths, axis=1, keepdims=True)
    variance = ops.mean(ops.square(off), axis=1, keepdims=True)
    spread = ops.mean(ops.sqrt(ops.maximum(variance, _TINY)), axis=-1)
    return ops.broadcast_to(spread, ops.shape(lengths)[:2])


_OF_SKELETONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "bone_length": _bone_length,
    "bone_direction": _bone_direction,
    "bone_constancy": _bone_constancy,
    "symmetry": _symmetry,
    "angle": _angle,
    "angle_velocity": _angle_velocity,
}
TERMS = (*_OF_JOINTS, *_OF_COORDINATES, *_OF_SKELETONS)
#: Terms that compare the frames of a window.
TERMS_OF_SEVERAL_FRAMES = ("velocity", "smoothness", "bone_constancy", "angle_velocity")


@keras.saving.register_keras_serializable(package="keras_seal")
class PoseTerms(PoseLoss):
    """The weighted sum of named terms.

    - `mpjpe`: mean distance of the joints, metres; `center_mpjpe`: that of the centre frame alone;
      `n_mpjpe`: after each predicted pose was scaled to fit best.
    - `mse`, `l1`: mean squared and absolute error of the coordinates.
    - `velocity`: mean distance of the joints' steps from frame to frame from the true steps.
    - `smoothness`: mean square of the coordinates of the predicted steps, whatever the truth.
    - `bone_length`: mean absolute error of the bones' lengths, metres; `bone_direction`: mean
      distance of the bones' unit vectors from the true ones (bones under a millimetre count as
      shorter ones); `angle`: mean absolute error of the angles between adjacent bones, radians;
      `angle_velocity`: that of their steps from frame to frame.
    - `symmetry`: mean absolute difference between the predicted lengths of left and right bones,
      metres, whatever the truth; `bone_constancy`: standard deviation of each predicted bone's
      length over the frames of a window, metres, mean over the bones.

    `velocity`, `smoothness`, `angle_velocity` and `bone_constancy` need several frames.

    Args:
        terms: Names, or for each term a mapping with its `name`, `weight` (1 unless given), and
            for `mpjpe`, `center_mpjpe`, `n_mpjpe`, `velocity` and `smoothness` perhaps `joints`:
            factors by the names of joints, 1 for the others.
        skeleton: Needed for `joints` and what is about bones and angles: a `Skeleton`, its name, a
            YAML path or a dict.
        name: Name of the loss.
        reduction: One of Keras' reductions.

    Raises:
        ValueError: If there is no such term, joint or weight, or the skeleton is missing.

    Examples:
        >>> truth = np.zeros((2, 3, 17, 3), "float32")
        >>> moving = truth + np.array([0.0, 0.1, 0.2], "float32")[:, None, None] * [1.0, 0.0, 0.0]
        >>> loss = PoseTerms(["mpjpe", {"name": "velocity", "weight": 20.0}])
        >>> round(float(loss(truth, moving)), 3)  # 0.1 + 20 * 0.1
        2.1

    Reference:
        Pavllo et al., CVPR 2019 (velocity); Hossain & Little, ECCV 2018 (smoothness); Zhang et al.,
        CVPR 2022 (factors of joints); Zhu et al., ICCV 2023 (scale, velocity); Sun et al., ICCV
        2017 (bones); Dabral et al., ECCV 2018 (symmetry).
    """

    def __init__(
        self,
        terms: Iterable[str | Mapping[str, Any]],
        skeleton: Any = None,
        name: str | None = None,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__("mpjpe", name or "pose_terms", reduction)
        self.skeleton = None if skeleton is None else skeletons.get(skeleton)
        self.terms = [_checked(term, self.skeleton) for term in terms]
        if not self.terms:
            raise ValueError("A pose loss needs one term at least.")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One value a frame.

        Args:
            y_true: True poses, metres, `(batch, frames, joints, 3)`.
            y_pred: Predicted poses, metres, the same shape.

        Returns:
            `(batch, frames)`.

        Raises:
            ValueError: If a term needs more than one frame.
        """
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        total: Any = 0.0
        for term in self.terms:
            name = term["name"]
            if name in TERMS_OF_SEVERAL_FRAMES and y_pred.shape[1] < 2:
                raise ValueError(
                    f"The term '{name}' compares frames, but the pose-net predicts one at a time."
                )
            if name in _OF_COORDINATES:
                value = _OF_COORDINATES[name](y_true, y_pred)
            elif name in _OF_SKELETONS:
                value = _OF_SKELETONS[name](y_true, y_pred, self.skeleton)
            else:
                value = _OF_JOINTS[name](y_true, y_pred, self._factors(term["joints"]))
            total = total + term["weight"] * value
        return total

    def _factors(self, joints: Mapping[str, float]) -> Any:
        if not joints or self.skeleton is None:
            return None
        factors = np.ones(self.skeleton.num_joints, "float32")
        for name, factor in joints.items():
            factors[self.skeleton.joint_index(name)] = factor
        return ops.convert_to_tensor(factors)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the loss."""
        return {
            **super().get_config(),
            "terms": [{**term, "joints": dict(term["joints"])} for term in self.terms],
            "skeleton": None if self.skeleton is None else self.skeleton.to_dict(),
        }


def _checked(term: str | Mapping[str, Any], skeleton: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"name": term} if isinstance(term, str) else dict(term)
    unknown = set(given) - {"name", "weight", "joints"}
    if unknown or "name" not in given:
        raise ValueError(f"A term has name, weight and joints, got {sorted(given)}.")
    name, weight, joints = given["name"], given.get("weight", 1.0), given.get("joints") or {}
    if name not in TERMS:
        raise ValueError(f"There is no term {name!r}.{nearest(str(name), TERMS)}")
    if not weight > 0:
        raise ValueError(f"The weight of the term '{name}' is {weight!r}: more than 0 is wanted.")
    if joints and name not in _OF_JOINTS:
        raise ValueError(
            f"The term '{name}' takes no factors of joints; {', '.join(_OF_JOINTS)} do."
        )
    if skeleton is None and (joints or name in _OF_SKELETONS):
        raise ValueError(f"The term '{name}' needs the skeleton.")
    if name == "symmetry" and not skeleton.bone_mirror_pairs:
        raise ValueError(
            f"The term 'symmetry' needs mirrored bones: the skeleton '{skeleton.name}' has none."
        )
    for joint in joints:
        skeleton.joint_index(joint)
    return {"name": name, "weight": float(weight), "joints": dict(joints)}
