"""What can be said about poses without a 3D truth."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from keras_seal.data import PoseSequences
from keras_seal.data.keypoint_files import KeypointFile
from keras_seal.errors import UserError
from keras_seal.evaluation.base import Protocol
from keras_seal.evaluation.measuring import Measurements, Series, valid_frames
from keras_seal.evaluation.scores import Scores, group_table, groups_of
from keras_seal.geometry import (
    Camera,
    bone_lengths,
    denormalize_screen,
    normalize_screen,
    project,
    root_relative,
    unproject,
)
from keras_seal.metrics import functional
from keras_seal.skeletons import Skeleton

_CHUNK = 16_384
_FEWEST_JOINTS = 3


class InTheWild(Protocol):
    """2D reprojection, bone-length spread over time and symmetry, of poses without a truth.

    The pose is put where it covers the keypoints best, then projected: with the sequence's camera
    the position is fitted (least squares; the size of a person cannot be told from one image),
    without one its size and place in the image. Keypoints of confidence 0, or that are not finite,
    do not count. None of these figures says that a pose is right: a flat pose reprojects best.

    Args:
        camera: `"known"` uses the sequences' cameras, `"weak"` fits size and place in the image,
            `"auto"` takes what there is.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> poses = np.random.default_rng(0).normal(size=(5, 17, 3))
        >>> seen = 0.2 * poses[..., :2] + 0.1
        >>> sequences = PoseSequences("human36m_17", seen, np.zeros((5, 17, 3)), [0, 5], ["me"],
        ...                           ["dance"], valid=np.zeros(5, bool))
        >>> round(InTheWild().score(poses, sequences).figures["reprojection"], 3)
        0.0
    """

    name: ClassVar[str] = "in_the_wild"
    columns: ClassVar[tuple[str, ...]] = (
        "reprojection", "reprojection_percent", "lse", "lse_percent", "length_spread",
        "length_spread_percent",
    )  # fmt: skip

    camera: Literal["auto", "known", "weak"] = "auto"

    def score(self, predictions: np.ndarray, sequences: PoseSequences) -> Scores:
        """Measure predicted poses, see `Protocol.score`; the sequences' poses are not looked at."""
        predictions = np.asarray(predictions)
        frames = valid_frames(predictions, sequences, with_truth=False)
        owners = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
        known = sequences.views >= 0
        if self.camera == "known" and not known.all():
            raise UserError(
                f"The camera of '{sequences.names[np.argmin(known)]}' is not known; use "
                "camera=weak."
            )
        if self.camera == "weak":
            known = np.zeros_like(known)
        pixels, seen = _pixels(sequences)
        projected = np.full(pixels.shape, np.nan)
        weak = ~known[owners]
        for begin in range(0, len(frames), _CHUNK):
            rows = np.flatnonzero(weak[begin : begin + _CHUNK]) + begin
            projected[rows] = _weakly_projected(predictions[rows], pixels[rows], seen[rows])
        for index in np.flatnonzero(known):
            rows = np.arange(*sequences.offsets[index : index + 2])
            projected[rows] = _projected(
                predictions[rows],
                pixels[rows],
                seen[rows],
                sequences.cameras[sequences.views[index]],
                sequences.skeleton,
            )
        series, lost = _reprojection(projected, pixels, seen)
        lengths = 1000.0 * np.concatenate(
            [
                bone_lengths(
                    predictions[begin : begin + _CHUNK].astype(np.float64), sequences.skeleton
                )
                for begin in range(0, len(frames), _CHUNK)
            ]
        )
        if sequences.skeleton.bone_mirror_pairs:
            for name, relative, factor in (("lse", False, 1000.0), ("lse_percent", True, 100.0)):
                deviations = functional.symmetry_deviations(
                    lengths / 1000.0, sequences.skeleton, relative=relative
                )
                series[name] = Series(frames, factor * deviations.mean(axis=-1))
        measured = Measurements(
            skeleton=sequences.skeleton,
            frames=frames,
            owners=owners,
            joints=tuple(range(sequences.skeleton.num_joints)),
            series=series,
            bone_lengths=lengths.astype(np.float32),
        )
        table = group_table(
            "sequences", measured, groups_of(sequences.names, measured), self.columns
        )
        fitted = []
        if known.any():
            fitted.append("with the known camera the position is fitted")
        if not known.all():
            fitted.append("without a camera size and place in the image are fitted")
        variant = (
            "no 3D truth",
            "; ".join(fitted),
            "lengths are those of the prediction, whose size nothing confirms",
        )
        notes = []
        if lost:
            notes.append(
                f"{lost} frames have fewer than {_FEWEST_JOINTS} joints found, or cannot be placed "
                "before the camera; their reprojection is not counted."
            )
        return self._scores(measured, variant, [table], predictions, sequences, notes=notes)


def from_keypoint_file(
    file: KeypointFile, image_size: tuple[int, int] | None = None
) -> PoseSequences:
    r"""Make sequences of the people that a detector followed, for lifting and this protocol.

    A track is cut where its person is lost. Joints that were not found lie where the person's
    found ones lie on average, with confidence 0.

    Args:
        file: People with the model's joints (`KeypointFile.to_skeleton`).
        image_size: Width and height in pixels, where the file does not tell.

    Returns:
        One sequence for each stretch of each person, with confidences, and no valid frame: there
        is no truth.

    Raises:
        UserError: Nobody is followed, or the size of the images is not known.

    Examples:
        >>> import pathlib, tempfile
        >>> from keras_seal.data import keypoint_files
        >>> path = pathlib.Path(tempfile.mkdtemp(), "people.csv")
        >>> _ = path.write_text("frame,person,nose_x,nose_y\n0,1,310,200\n1,1,312,201\n")
        >>> file = keypoint_files.read(path, layout="coco_17")
        >>> from_keypoint_file(file, image_size=(640, 480)).lengths.tolist()
        [2]
    """
    size = image_size or file.image_size
    if size is None:
        raise UserError(
            f"'{file.path}' does not tell the size of the images; give it (image_size)."
        )
    if not file.people:
        found = len(file.untracked)
        raise UserError(
            f"'{file.path}' follows nobody"
            + (f": its {found} detections have no identities." if found else ".")
        )
    keypoints, names, people = [], [], []
    for track in file.people:
        for part in np.split(np.arange(len(track)), np.flatnonzero(np.diff(track.frames) > 1) + 1):
            values = track.keypoints[part]
            found = (values[..., 2:] > 0) & np.isfinite(values[..., :2]).all(-1, keepdims=True)
            counts = np.maximum(found.sum(axis=1, keepdims=True), 1)
            middle = np.where(found, values[..., :2], 0.0).sum(axis=1, keepdims=True) / counts
            screen = normalize_screen(np.where(found, values[..., :2], middle), *size)
            confidence = np.where(found, np.minimum(values[..., 2:], 1.0), 0.0)
            keypoints.append(np.concatenate([screen, confidence], axis=-1))
            first, last = track.frames[part[[0, -1]]]
            names.append(f"person {track.id} frames {first}-{last}")
            people.append(f"person {track.id}")
    total = sum(map(len, keypoints))
    return PoseSequences.from_list(
        file.layout,
        keypoints,
        [np.zeros((*each.shape[:2], 3)) for each in keypoints],
        subjects=people,
        actions=["in the wild"] * len(people),
        names=names,
        image_sizes=np.array(size),
        fps=np.array(file.fps or 25.0),
        valid=np.zeros(total, bool),
    )


def _pixels(sequences: PoseSequences) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.repeat(sequences.image_sizes, sequences.lengths, axis=0)[:, None].astype(np.float64)
    keypoints = sequences.keypoints.astype(np.float64)
    seen = np.asarray(np.isfinite(keypoints[..., :2]).all(axis=-1))
    if sequences.num_channels == 3:
        seen = np.asarray(seen & (keypoints[..., 2] > 0))
    screen = np.where(seen[..., None], keypoints[..., :2], 0.0)
    return denormalize_screen(screen, sizes[..., 0], sizes[..., 1]), seen


def _weakly_projected(poses: np.ndarray, pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Scale and move each pose in the image to cover its keypoints best."""
    flat = poses[..., :2].astype(np.float64)
    weights = seen / np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    middle, target = (
        np.einsum("nj,njd->nd", weights, points)[:, None] for points in (flat, pixels)
    )
    centred = flat - middle
    fit = np.einsum("nj,njd,njd->n", weights, centred, pixels - target)
    size = np.einsum("nj,njd,njd->n", weights, centred, centred)
    scale = np.where(size > 0, fit / np.where(size > 0, size, 1.0), 0.0)
    # A mirrored person would be no fit at all.
    return np.maximum(scale, 0.0)[:, None, None] * centred + target


def _projected(
    poses: np.ndarray, pixels: np.ndarray, seen: np.ndarray, camera: Camera, skeleton: Skeleton
) -> np.ndarray:
    """Put each pose where its projection lies nearest to the rays of its keypoints."""
    poses = root_relative(poses.astype(np.float64), skeleton)
    rays = unproject(pixels, np.ones(pixels.shape[:-1]), camera)[..., :2]
    # (X + Tx) = u (Z + Tz) for each joint and axis: linear in T.
    rows = np.zeros((*rays.shape, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -rays
    sides = rays * poses[..., 2:] - poses[..., :2]
    rows, sides = rows * seen[..., None, None], sides * seen[..., None]
    normal = np.einsum("njai,njak->nik", rows, rows)
    right = np.einsum("njai,nja->ni", rows, sides)
    solvable = (seen.sum(axis=-1) >= _FEWEST_JOINTS) & (np.linalg.cond(normal) < 1e12)
    normal[~solvable] = np.eye(3)
    position = np.linalg.solve(normal, right[..., None])[..., 0]
    position[~solvable] = np.nan
    return project(poses + position[:, None], camera)


def _reprojection(
    projected: np.ndarray, pixels: np.ndarray, seen: np.ndarray
) -> tuple[dict[str, Series], int]:
    distances = np.linalg.norm(projected - pixels, axis=-1)
    enough = seen.sum(axis=-1) >= _FEWEST_JOINTS
    good = enough & (np.isfinite(distances) | ~seen).all(axis=-1)
    rows = np.flatnonzero(good)
    errors = np.where(seen, distances, 0.0)[rows].sum(axis=-1) / seen[rows].sum(axis=-1)
    points = np.where(seen[..., None], pixels, np.nan)[rows]
    if not len(rows):
        return {}, len(good)
    extent = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    sizes = np.linalg.norm(extent, axis=-1)
    series = {"reprojection": Series(rows, errors)}
    wide = sizes > 0
    series["reprojection_percent"] = Series(rows[wide], 100.0 * errors[wide] / sizes[wide])
    return series, int((~good).sum())
