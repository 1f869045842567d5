"""Human3.6M in MotionBERT's pickles: poses in pixels, from which metres are computed.

Column `joint3d_image` holds, for every joint, its projection without distortion of the lens in
pixels, and its depth behind the pelvis in "pixels" too. With f the camera's focal length (of x), Z
the depth of the pelvis and e = 0.0005 px / mm, a pixel counts as F = 1 / (f / Z + e) mm:

    z_px = z_mm / F.

The makers of the files added e (a pixel in two metres) to the size of a box. With s = Z / f, then,

    joint = s (f + z_px / (1 + e s)) ((x_px - c_x) / f_x, (y_px - c_y) / f_y, 1),

so a pose is known up to one number per frame, s. Test rows have F, hence s. Training rows do not.
There s follows from the bones, which are rigid: the bone from nose to head measures 115.0 mm for
all actors that were measured (S1, S5, S7, S8). It gives the lengths of the actor's other bones
(medians over all frames), and these together give s of each frame by least squares.

From pixels in float32, exact otherwise, all poses come out right to 0.001 mm; from pixels rounded
to a tenth, root-relative joints to 0.3 mm on average. If the bone measured 1 % more in an actor
that was not measured (S6), this actor's poses would be 1 % too small. The bone is measured in the
test rows, where the factors are known, and a difference is told.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.data.sources.human36m.calibration import cameras
from keras_seal.data.sources.human36m.recording import (
    ACTIONS,
    CAMERAS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Recording,
    numbers,
    table,
    texts,
)
from keras_seal.data.unpickling import load_pickle
from keras_seal.errors import UserError
from keras_seal.geometry import Camera

PATTERN = "h36m_*_cam_source*.pkl"
_SOURCE = re.compile(r"s_(\d\d)_act_(\d\d)_subact_(\d\d)_ca_(\d\d)")
_SHIFTED = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")

_HEAD_BONE = 115.0  # mm
_EXTRA = 0.0005  # px / mm
_USUAL_SCALE = 4.5  # mm / px
# Factors that were made without the pixel in two metres would be off by 0.22 %.
_BONE_TOLERANCE, _BONE_LIMIT = 0.0015, 0.1
# Rigid bones vary by this share at most when the pixels are what they are taken for.
_RIGIDITY = 0.05
_PASSES = 4


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one recording, still in pixels."""

    source: str
    subject: str
    camera: Camera
    rows: slice
    image: np.ndarray  # (frames, 17, 3), a view of the file's

    def poses(self, scale: np.ndarray) -> np.ndarray:
        """Camera-space millimetres `(frames, 17, 3)` for the scale s of each frame."""
        scale = scale[:, None]
        image = self.image.astype(np.float64)
        depth = scale * (self.camera.focal[0] + image[..., 2] / (1 + _EXTRA * scale))
        across = (image[..., :2] - self.camera.center) / self.camera.focal
        return np.concatenate([across * depth[..., None], depth[..., None]], axis=-1)


def files(folder: Path, keypoints: str) -> dict[str, Path]:
    """Find the file.

    Args:
        folder: Where it lies.
        keypoints: `"gt"`, or the detector that the file is named after: `sh_conf` or `cpn`.

    Returns:
        The file.

    Raises:
        UserError: It is missing, or cannot be told from others.
    """
    pattern = PATTERN if keypoints == "gt" else PATTERN.replace("*", keypoints, 1)
    found = sorted(folder.glob(pattern))
    if len(found) > 1 and keypoints != "gt":
        raise UserError(
            f"The folder '{folder}' has {' and '.join(file.name for file in found)}; keep one of "
            "them there."
        )
    if not found:
        others = ", ".join(file.name for file in sorted(folder.glob(PATTERN)))
        raise UserError(
            f"The folder '{folder}' has no {pattern} for keypoints '{keypoints}'"
            + (f", but {others}; set `keypoints` accordingly." if others else ".")
        )
    # The true poses, and the keypoints projected from them, are the same in all of the files.
    return {"poses": found[0]}


def read(folder: Path, keypoints: str) -> Iterator[Recording]:
    """Read the recordings, one by one.

    Args:
        folder: Where the file lies.
        keypoints: `"gt"` for the projected poses, else the name of the detector.

    Yields:
        The recordings.

    Raises:
        UserError: Something is missing or wrong.
    """
    file = files(folder, keypoints)["poses"]
    where = f"'{file}'"
    content = table(load_pickle(file), where)
    test = _split(content, "test", TEST_SUBJECTS, where)
    yield from test.recordings(test.known_scales(), keypoints)
    train = _split(content, "train", TRAIN_SUBJECTS, where)
    yield from train.recordings(train.rigid_scales(), keypoints)


def _split(content: dict[str, Any], name: str, subjects: tuple[str, ...], where: str) -> _Split:
    if name not in content:
        raise UserError(
            f"{where} has no '{name}', only: {', '.join(sorted(content)) or 'nothing'}. "
            "MotionBERT's files have 'train' and 'test'."
        )
    place = f"{where}, '{name}'"
    columns = table(content[name], f"{place},")
    missing = [
        key for key in ("joint_2d", "joint3d_image", "camera_name", "source") if key not in columns
    ]
    if missing:
        raise UserError(
            f"{place}, has no {', '.join(missing)}, only: {', '.join(sorted(columns))}."
        )
    return _Split(columns, subjects, place)


class _Split:
    """The train or the test part of a file."""

    def __init__(self, columns: dict[str, Any], subjects: tuple[str, ...], where: str) -> None:
        self._columns, self._subjects, self._where = columns, subjects, where
        self._image = self._array("joint3d_image", (None, 17, 3))
        self._count = len(self._image)
        self._detected = self._array("joint_2d", (self._count, 17, 2))
        self._confidence = None
        if "confidence" in columns:
            self._confidence = self._array("confidence", (self._count, 17))
        if np.abs(self._image[:, 0, 2]).max() > 1e-3:
            raise UserError(
                f"{where}, 'joint3d_image': the pelvis must have depth 0, but has "
                f"{np.abs(self._image[:, 0, 2]).max():.4g}; MotionBERT's files measure depths from "
                "it."
            )
        self._parts = self._recordings()

    def _array(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        return numbers(self._columns[key], f"{self._where}, '{key}'", shape)

    def _recordings(self) -> list[_Rows]:
        """Cut the rows where the source changes."""
        sources = texts(self._columns["source"], f"{self._where}, 'source'", self._count)
        names = texts(self._columns["camera_name"], f"{self._where}, 'camera_name'", self._count)
        starts = [
            row
            for row in range(self._count)
            if row == 0 or sources[row] != sources[row - 1] or names[row] != names[row - 1]
        ]
        parts: list[_Rows] = []
        seen: set[str] = set()
        for start, end in zip(starts, [*starts[1:], self._count], strict=True):
            source, name = sources[start], names[start]
            match = _SOURCE.fullmatch(source)
            subject = f"S{int(match[1])}" if match else ""
            if not match or not 2 <= int(match[2]) <= len(ACTIONS) + 1:
                raise UserError(
                    f"{self._where}: the source of row {start} is '{source[:80]}', expected one "
                    "like 's_01_act_02_subact_01_ca_01'."
                )
            if subject not in self._subjects:
                raise UserError(
                    f"{self._where}: the source '{source}' of row {start} is of {subject}, but "
                    f"here belong {', '.join(self._subjects)} only."
                )
            if name not in CAMERAS or CAMERAS.index(name) != int(match[4]) - 1:
                raise UserError(
                    f"{self._where}: row {start} has the camera '{name[:20]}' and the source "
                    f"'{source}'; they must agree, cameras 1 to 4 being {', '.join(CAMERAS)}."
                )
            if source in seen:
                raise UserError(
                    f"{self._where}: rows of '{source}' lie apart, the second part from row "
                    f"{start}; rows must be in the order of the videos."
                )
            seen.add(source)
            rows = slice(start, end)
            parts.append(_Rows(source, subject, cameras(subject)[name], rows, self._image[rows]))
        missing = [
            subject for subject in self._subjects if subject not in {part.subject for part in parts}
        ]
        if missing:
            raise UserError(f"{self._where} has no rows of {', '.join(missing)}.")
        return parts

    def known_scales(self) -> list[np.ndarray]:
        """Millimetres per pixel of frames whose factor the file knows, for every recording."""
        for key in ("joints_2.5d_image", "2.5d_factor"):
            if key not in self._columns:
                raise UserError(
                    f"{self._where} has no '{key}', only: {', '.join(sorted(self._columns))}."
                )
        factor = self._array("2.5d_factor", (self._count,)).astype(np.float64)
        scaled = self._array("joints_2.5d_image", (self._count, 17, 3)).astype(np.float64)
        if not ((factor > 0.5) & (factor < 50)).all():
            raise UserError(
                f"{self._where}, '2.5d_factor' must be millimetres per pixel (about 4), but runs "
                f"from {factor.min():.4g} to {factor.max():.4g}."
            )
        error = np.abs(_relative(scaled) - _relative(self._image) * factor[:, None, None]).max()
        if error > 1:
            raise UserError(
                f"{self._where}: 'joints_2.5d_image' must be 'joint3d_image' times '2.5d_factor', "
                f"but is off by {error:.4g} mm. Use the published file."
            )
        scale = factor / (1 - _EXTRA * factor)
        scales = [scale[part.rows] for part in self._parts]
        heads = np.concatenate(
            [
                _bone_lengths(part.poses(own))[:, _HEAD]
                for part, own in zip(self._parts, scales, strict=True)
            ]
        )
        head = float(np.median(heads))
        if abs(head / _HEAD_BONE - 1) > _BONE_LIMIT:
            raise UserError(
                f"{self._where}: the bone from nose to head measures {head:.4g} mm, expected "
                f"{_HEAD_BONE:.4g}; the pixels do not fit the factors, or the joints are in "
                "another order than Human3.6M's."
            )
        if abs(head / _HEAD_BONE - 1) > _BONE_TOLERANCE:
            warnings.warn(
                f"{self._where}: the bone from nose to head measures {head:.4g} mm, not "
                f"{_HEAD_BONE:.4g} as in the published files. Training poses are scaled by that "
                "bone and may be off by as much.",
                UserWarning,
                stacklevel=2,
            )
        return scales

    def rigid_scales(self) -> list[np.ndarray]:
        """Millimetres per pixel of frames that only the bones tell, for every recording."""
        scales: list[np.ndarray] = [np.empty(0)] * len(self._parts)
        for subject in self._subjects:
            own = [index for index, part in enumerate(self._parts) if part.subject == subject]
            first = [_scaled_to(self._parts[index], {_HEAD: _HEAD_BONE}) for index in own]
            lengths = np.concatenate(
                [
                    _bone_lengths(self._parts[index].poses(scale))
                    for index, scale in zip(own, first, strict=True)
                ]
            )
            actor = np.median(lengths, axis=0)
            spread = np.median(np.abs(lengths / actor - 1), axis=0)
            if not spread.max() < _RIGIDITY:
                raise UserError(
                    f"{self._where}: bones of {subject} vary by {100 * spread.max():.3g} %, but "
                    "Human3.6M's do not vary at all; the pixels are no projections by Human3.6M's "
                    "cameras, or the joints are in another order."
                )
            for index in own:
                scales[index] = _scaled_to(self._parts[index], dict(enumerate(actor)))
        return scales

    def recordings(self, scales: list[np.ndarray], keypoints: str) -> Iterator[Recording]:
        """Put everything together."""
        for part, scale in zip(self._parts, scales, strict=True):
            if keypoints == "gt":
                pixels = self._image[part.rows, :, :2]
                confidence: np.ndarray | None = np.ones(pixels.shape[:2])
            else:
                pixels = self._detected[part.rows]
                confidence = None if self._confidence is None else self._confidence[part.rows]
            yield Recording(
                subject=part.subject,
                action=ACTIONS[int(part.source.split("_")[3]) - 2],
                camera=part.camera.name,
                name=part.source,
                pixels=pixels,
                confidence=confidence,
                poses=part.poses(scale) / 1000,
                poses_file=self._where,
                keypoints_file=self._where,
                shifted=part.source.startswith(_SHIFTED),
            )


_SKELETON = skeletons.get("human36m_17")
_HEAD = _SKELETON.bone_index(_SKELETON.joint_index("head"))


def _relative(points: np.ndarray) -> np.ndarray:
    return points - points[:, :1]


def _bone_lengths(poses: np.ndarray) -> np.ndarray:
    parents, children = np.array(_SKELETON.bones).T
    return np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)


def _scaled_to(part: _Rows, lengths: dict[int, float]) -> np.ndarray:
    """Find the scale of each frame at which bones have given lengths, by least squares."""
    bones, wanted = list(lengths), np.array(list(lengths.values()))
    scale = np.full(len(part.image), _USUAL_SCALE)
    # Poses are proportional to the scale but for the small term e s, so a few passes suffice.
    for _ in range(_PASSES):
        found = _bone_lengths(part.poses(scale))[:, bones]
        if not (found.max(axis=1) > 0).all():
            raise UserError(f"'{part.source}' has a frame in which bones have no length.")
        scale = scale * (found @ wanted) / (found * found).sum(axis=1)
    return scale
