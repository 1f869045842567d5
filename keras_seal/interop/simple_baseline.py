"""Checkpoints of SimpleBaseline: of SemGCN's repository, 3d_pose_baseline_pytorch and H3WB's.

The first two have the same names and different units.

- SemGCN's repository: 16 joints, keypoints in [-1, 1], metres. They load as they are.
- 3d_pose_baseline_pytorch: 16 keypoints and 16 of 17 joints (no root), every coordinate
  standardised by the mean and deviation of its training set: pixels in, millimetres out. The
  statistics are not in the checkpoint, and without them its weights mean nothing to a net that
  works in metres. `to_metres` folds them into the first and the last matrix, exactly (and
  `keras-seal convert --statistics FILE.npz` calls it); weights that did not go through it are
  refused.
- H3WB's repository: other names, 133 joints, all of them predicted, no normalisation in the first
  block; what its units are is not known.

In the first two, the root is not predicted but put at zero: its row of the last matrix becomes
zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.interop import base
from keras_seal.interop.shapes import (
    METRES,
    SCALED_BY_AUTHORS,
    Shapes,
    count,
    published_skeleton,
    shape_of,
)

NAME = "SimpleBaseline"
LICENCE = "Apache-2.0 (SemGCN's repository)"
NORMALISATION = METRES
IGNORED: dict[str, str] = {}
# Of a file with statistics: as `Standardization` describes them.
STATISTICS = ("keypoint_mean", "keypoint_deviation", "pose_mean", "pose_deviation", "image_size")

# In front of the names that `to_metres` gives, so that its weights cannot be taken for others.
_METRES = "metres."


@dataclass(frozen=True)
class Standardization:
    """Statistics of the training set that a checkpoint's coordinates are standardised with.

    Args:
        keypoint_mean: `(16, 2)`, pixels.
        keypoint_deviation: `(16, 2)`, pixels.
        pose_mean: `(16, 3)`, millimetres: the joints of Human3.6M's 17 without the root.
        pose_deviation: `(16, 3)`, millimetres.
        image_size: Width and height of the images, pixels.
    """

    keypoint_mean: np.ndarray
    keypoint_deviation: np.ndarray
    pose_mean: np.ndarray
    pose_deviation: np.ndarray
    image_size: tuple[float, float] = (1000, 1000)

    def __post_init__(self) -> None:
        shapes = {"keypoint": (16, 2), "pose": (16, 3)}
        for kind, shape in shapes.items():
            for name in (f"{kind}_mean", f"{kind}_deviation"):
                array = np.asarray(getattr(self, name), dtype="float64")
                if array.shape != shape or not np.isfinite(array).all():
                    raise UserError(
                        f"`{name}` has shape {shape} and finite numbers, got shape {array.shape}."
                    )
                object.__setattr__(self, name, array)
            if (getattr(self, f"{kind}_deviation") <= 0).any():
                raise UserError(f"`{kind}_deviation` is positive everywhere.")


def to_metres(
    state_dict: Mapping[str, np.ndarray], standardization: Standardization
) -> dict[str, np.ndarray]:
    """Fold the standardisation of a checkpoint into its first and last layer.

    Args:
        state_dict: Weights of 3d_pose_baseline_pytorch, arrays by name.
        standardization: The statistics it was trained with.

    Returns:
        Weights of a net from keypoints in [-1, 1] to metres, for `load_state_dict`.

    Raises:
        UserError: If these are other weights.

    Examples:
        >>> ones = [np.ones((16, n)) for n in (2, 2, 3, 3)]
        >>> weights = {"w1.weight": np.ones((8, 32)), "w1.bias": np.zeros(8),
        ...            "w2.weight": np.ones((48, 8)), "w2.bias": np.zeros(48)}
        >>> float(to_metres(weights, Standardization(*ones))["metres.w2.weight"][0, 0])
        0.001
    """
    state_dict = {
        name: np.asarray(array, dtype="float64")
        for name, array in base.strip_prefix(state_dict).items()
    }
    shapes = {name: array.shape for name, array in state_dict.items()}
    if not _standardized(shapes):
        raise UserError(
            "Weights with standardised coordinates go from 32 numbers to 48, these from"
            f" {shapes.get('w1.weight', (0, 0))[1]} to {shapes.get('w2.weight', (0, 0))[0]}."
        )
    width, height = standardization.image_size
    # pixels = (keypoints + center) * width / 2
    center = np.array([1.0, height / width])
    deviation = standardization.keypoint_deviation
    scale = (width / 2 / deviation).reshape(-1)
    shift = ((center * width / 2 - standardization.keypoint_mean) / deviation).reshape(-1)
    pose_scale = standardization.pose_deviation.reshape(-1) / 1000
    pose_mean = standardization.pose_mean.reshape(-1) / 1000
    weight = state_dict["w1.weight"]
    folded = {
        **state_dict,
        "w1.weight": weight * scale,
        "w1.bias": state_dict["w1.bias"] + weight @ shift,
        "w2.weight": state_dict["w2.weight"] * pose_scale[:, None],
        "w2.bias": state_dict["w2.bias"] * pose_scale + pose_mean,
    }
    return {f"{_METRES}{name}": array for name, array in folded.items()}


def with_statistics(
    state_dict: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Fold the standardisation of a checkpoint in, statistics as a file holds them.

    Args:
        state_dict: Weights of 3d_pose_baseline_pytorch, arrays by name.
        arrays: The arrays that `STATISTICS` names.

    Returns:
        As `to_metres`.

    Raises:
        UserError: If these are other weights, or an array has another shape.
    """
    for name in STATISTICS:
        if np.asarray(arrays[name]).dtype.kind not in "fiu":
            raise UserError(f"`{name}` holds numbers, got {np.asarray(arrays[name]).dtype}.")
    size = np.asarray(arrays["image_size"])
    if size.shape != (2,) or not (size > 0).all():
        raise UserError(
            f"`image_size` is the width and height of the images, in pixels, got {size.tolist()}."
        )
    width, height = (float(length) for length in size)
    others = {name: arrays[name] for name in STATISTICS if name != "image_size"}
    return to_metres(state_dict, Standardization(**others, image_size=(width, height)))


def origin(shapes: Shapes) -> tuple[str, str]:
    """Tell the licence and the units of weights, which three repositories published.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        What stands for `LICENCE` and for `NORMALISATION`.
    """
    if _of_h3wb(shapes):
        return "MIT (H3WB's repository)", SCALED_BY_AUTHORS
    if f"{_METRES}w1.weight" in shapes:
        return "MIT (3d_pose_baseline_pytorch)", METRES
    return LICENCE, NORMALISATION


def infer_config(shapes: Shapes) -> dict[str, Any]:
    """Read the constructor arguments off a state dict.

    Args:
        shapes: Shape by name, without `module.`.

    Returns:
        Arguments of `SimpleBaseline`, the published skeleton among them.

    Raises:
        UserError: If these are not the weights of a SimpleBaseline, or their coordinates are
            standardised.
    """
    if _standardized(shapes):
        raise UserError(
            "These weights take and give standardised coordinates, and the statistics they were"
            " trained with are not among them: give those along with --statistics, or fold them"
            " in first with keras_seal.interop.simple_baseline.to_metres."
        )
    if _of_h3wb(shapes):
        units, inputs = shape_of(shapes, "upscale.weight", NAME)
        outputs, _ = shape_of(shapes, "outputlayer.weight", NAME)
        return {
            "skeleton": published_skeleton(outputs // 3),
            "units": units,
            # Two layers a stage, numbered from 1.
            "num_stages": max(0, count(shapes, r"fc(\d+)\.") - 1) // 2,
            "input_channels": inputs // (outputs // 3),
            "linear_stem": True,
        }
    prefix = _METRES if f"{_METRES}w1.weight" in shapes else ""
    units, inputs = shape_of(shapes, f"{prefix}w1.weight", NAME)
    outputs, _ = shape_of(shapes, f"{prefix}w2.weight", NAME)
    joints = outputs // 3 + 1
    return {
        "skeleton": published_skeleton(joints),
        "units": units,
        "num_stages": count(shapes, rf"{prefix}linear_stages\.(\d+)"),
        # Fold-ins are for 16 keypoints of 17 joints.
        "input_channels": 2 if prefix else inputs // joints,
    }


def targets(net: Any) -> dict[str, base.Target]:
    """Say where each entry goes.

    Args:
        net: A `SimpleBaseline`; with 17 joints for weights that `to_metres` gave.

    Returns:
        Target by name.
    """
    return _h3wb_targets(net) if net.linear_stem else _semgcn_targets(net)


def _semgcn_targets(net: Any) -> dict[str, base.Target]:
    joints, root = net.skeleton.num_joints, net.skeleton.root
    folded = net.skeleton.name == "human36m_17"
    prefix = _METRES if folded else ""
    seen = list(range(joints))
    if folded:
        # The original sees all but the nose.
        names = set(skeletons.get("human36m_16").joints)
        seen = [joint for joint in seen if net.skeleton.joints[joint] in names]
    predicted = [joint for joint in range(joints) if joint != root]

    def first(array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or array.shape[1] != len(seen) * net.input_channels:
            return array
        kernel = np.zeros((joints, net.input_channels, len(array)))
        kernel[seen] = array.T.reshape(len(seen), net.input_channels, len(array))
        return kernel.reshape(-1, len(array))

    def last(array: np.ndarray) -> np.ndarray:
        if len(array) != len(predicted) * 3:
            return array
        rows = np.zeros((joints, 3, *array.shape[1:]))
        rows[predicted] = array.reshape(len(predicted), 3, *array.shape[1:])
        return rows.reshape(-1, *array.shape[1:]).T

    stem, coordinates = net.get_layer("stem_dense"), net.get_layer("coordinates")
    found = {
        "w1.weight": base.Target(stem.kernel, first),
        "w1.bias": base.as_is(stem.bias),
        **base.batch_norm(net.get_layer("stem_norm"), "batch_norm1"),
        "w2.weight": base.Target(coordinates.kernel, last),
        "w2.bias": base.Target(coordinates.bias, last),
    }
    for stage in range(net.num_stages):
        for number, half in ((1, "a"), (2, "b")):
            ours, theirs = f"stage_{stage}_{half}", f"linear_stages.{stage}"
            found |= base.dense(net.get_layer(f"{ours}_dense"), f"{theirs}.w{number}")
            found |= base.batch_norm(net.get_layer(f"{ours}_norm"), f"{theirs}.batch_norm{number}")
    return {f"{prefix}{name}": target for name, target in found.items()}


def _h3wb_targets(net: Any) -> dict[str, base.Target]:
    get = net.get_layer
    found = {
        **base.dense(get("stem_dense"), "upscale"),
        **base.dense(get("coordinates"), "outputlayer"),
    }
    for stage in range(net.num_stages):
        for number, half in ((2 * stage + 1, "a"), (2 * stage + 2, "b")):
            found |= base.dense(get(f"stage_{stage}_{half}_dense"), f"fc{number}")
            found |= base.batch_norm(get(f"stage_{stage}_{half}_norm"), f"bn{number}")
    return found


def _of_h3wb(shapes: Shapes) -> bool:
    return "upscale.weight" in shapes and "outputlayer.weight" in shapes


def _standardized(shapes: Shapes) -> bool:
    return tuple(shapes.get("w1.weight", ()))[1:] == (32,) and (
        tuple(shapes.get("w2.weight", ()))[:1] == (48,)
    )
