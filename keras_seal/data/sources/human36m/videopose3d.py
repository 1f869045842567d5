"""Human3.6M in VideoPose3D's files: 3D in the world, 2D of one detector in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.sources.human36m.calibration import cameras
from keras_seal.data.sources.human36m.recording import (
    CAMERAS,
    SUBJECTS,
    Recording,
    canonical_action,
    canonical_take,
    is_dropped,
    is_shifted,
    numbers,
    table,
)
from keras_seal.data.unpickling import load_npz
from keras_seal.errors import UserError, nearest
from keras_seal.geometry import world_to_camera

POSES = "data_3d_h36m.npz"
_KEYPOINTS = "data_2d_h36m_{}.npz"

# Of the 32 joints of the recordings, those that are joints of a person and no doubles.
KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
_JOINTS = 32
# Human3.6M's 16 joints among MPII's, as the hourglass networks give them.
_FROM_MPII = (6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10)

# Joints on the left and on the right tell in which order the joints of a file are.
_ORDERS = {
    "h36m": ((4, 5, 6, 11, 12, 13), (1, 2, 3, 14, 15, 16), 17),
    "h36m_16": ((4, 5, 6, 10, 11, 12), (1, 2, 3, 13, 14, 15), 16),
    "mpii": ((3, 4, 5, 13, 14, 15), (0, 1, 2, 10, 11, 12), 16),
    "coco": ((1, 3, 5, 7, 9, 11, 13, 15), (2, 4, 6, 8, 10, 12, 14, 16), 17),
}


def files(folder: Path, keypoints: str) -> dict[str, Path]:
    """Find the files.

    Args:
        folder: Where they lie.
        keypoints: Which keypoints: what follows `data_2d_h36m_` in the file's name.

    Returns:
        The file of poses and the file of keypoints.

    Raises:
        UserError: One of them is missing.
    """
    poses, detections = folder / POSES, folder / _KEYPOINTS.format(keypoints)
    if not poses.is_file():
        raise UserError(f"The folder '{folder}' has no {POSES}, which holds the poses.")
    if not detections.is_file():
        prefix, suffix = _KEYPOINTS.split("{}")
        found = [
            path.name.removeprefix(prefix).removesuffix(suffix)
            for path in folder.glob(_KEYPOINTS.format("*"))
        ]
        hint = nearest(keypoints, found) if found else " It has no other keypoints either."
        raise UserError(
            f"The folder '{folder}' has no {detections.name} for keypoints '{keypoints}'.{hint}"
        )
    return {"poses": poses, "keypoints": detections}


def read(folder: Path, keypoints: str) -> Iterator[Recording]:
    """Read the recordings of all subjects of the protocol, one by one.

    Args:
        folder: Where the files lie.
        keypoints: Which keypoints.

    Yields:
        The recordings.

    Raises:
        UserError: Something is missing or wrong.
    """
    paths = files(folder, keypoints)
    where_2d, where_3d = f"'{paths['keypoints']}'", f"'{paths['poses']}'"
    content = load_npz(paths["keypoints"])
    order = _joint_order(content.get("metadata"), where_2d)
    positions_2d = _subjects(content, "positions_2d", where_2d)
    positions_3d = _subjects(load_npz(paths["poses"]), "positions_3d", where_3d)
    certain = keypoints == "gt"
    for subject in SUBJECTS:
        takes_2d = _takes(positions_2d, subject, where_2d)
        takes_3d = _takes(positions_3d, subject, where_3d)
        for take, (name, value) in takes_3d.items():
            if is_dropped(subject, take):
                continue
            place = f"{where_3d}, {subject}, '{name}'"
            world = numbers(value, place, (None, _JOINTS, 3))[:, KEPT].astype(np.float64)
            if take not in takes_2d:
                raise UserError(
                    f"{where_2d} has no keypoints of {subject}, '{name}', which {POSES} has poses "
                    "of. Use files that belong together."
                )
            views = takes_2d[take][1]
            place = f"{where_2d}, {subject}, '{name}'"
            if not isinstance(views, list | tuple | np.ndarray) or len(views) != len(CAMERAS):
                raise UserError(
                    f"{place} must be a list of the {len(CAMERAS)} cameras' keypoints, but is "
                    f"{_length(views)}."
                )
            for camera, seen in zip(CAMERAS, views, strict=True):
                pixels, confidence = _detections(
                    seen, f"{place}, camera {camera}", len(world), order, certain
                )
                yield Recording(
                    subject=subject,
                    action=canonical_action(name, where_3d),
                    camera=camera,
                    name=f"{subject}/{name}/{camera}",
                    pixels=pixels,
                    confidence=confidence,
                    poses=world_to_camera(world, cameras(subject)[camera]),
                    poses_file=where_3d,
                    keypoints_file=where_2d,
                    shifted=is_shifted(subject, take),
                )


def _length(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of {len(value)}" if hasattr(value, "__len__") else kind


def _subjects(content: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    if key not in content:
        raise UserError(
            f"{where} has no '{key}', only: {', '.join(sorted(content)) or 'nothing'}. Use the "
            "file that VideoPose3D's scripts make."
        )
    found = table(content[key], f"{where}, '{key}',")
    missing = [subject for subject in SUBJECTS if subject not in found]
    if missing:
        raise UserError(
            f"{where} has no subject {', '.join(missing)}, only {', '.join(sorted(found))}; the "
            f"protocol trains and tests on {', '.join(SUBJECTS)}."
        )
    return found


def _takes(subjects: dict[str, Any], subject: str, where: str) -> dict[str, tuple[str, Any]]:
    """The takes by canonical name: their own name, and what the file holds of them."""
    takes: dict[str, tuple[str, Any]] = {}
    for name, value in table(subjects[subject], f"{where}, {subject},").items():
        take = canonical_take(name, f"{where}, {subject},")
        if take in takes:
            raise UserError(f"{where}, {subject}, has '{name}' and '{takes[take][0]}': one take.")
        takes[take] = (name, value)
    return takes


def _joint_order(metadata: Any, where: str) -> str:
    facts = table(metadata, f"{where}, 'metadata',")
    try:
        joints = int(facts["num_joints"])
        left, right = (
            tuple(sorted(int(joint) for joint in side)) for side in facts["keypoints_symmetry"]
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        raise UserError(
            f"{where}: its metadata must tell 'num_joints' and 'keypoints_symmetry' (the joints on "
            "the left and those on the right), without which the order of the joints is unknown."
        ) from None
    name = facts.get("layout_name")
    for order, (order_left, order_right, count) in _ORDERS.items():
        if (left, right) == (order_left, order_right):
            if joints != count:
                break
            if isinstance(name, str) and name.lower()[:4] != order[:4]:
                raise UserError(
                    f"{where}: its metadata call the joints '{name[:40]}', but list the left and "
                    f"right joints of {order}; its order is not certain."
                )
            if order == "coco":
                raise UserError(
                    f"{where} holds COCO's joints, among which Human3.6M's spine, thorax, nose and "
                    "head are missing. What can be computed for them lies centimetres off, so they "
                    "do not belong to the poses. Use keypoints of a detector that was trained on "
                    "Human3.6M, as cpn_ft_h36m_dbb."
                )
            return order
    raise UserError(
        f"{where}: its metadata say {joints} joints, left {str(left)[:80]}, right "
        f"{str(right)[:80]}; that is "
        f"no order known here ({', '.join(_ORDERS)})."
    )


def _detections(
    value: Any, where: str, frames: int, order: str, certain: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    count = _ORDERS[order][2]
    channels = value.shape[-1] if isinstance(value, np.ndarray) and value.ndim == 3 else 2
    seen = numbers(value, where, (None, count, 3 if channels == 3 else 2))
    if len(seen) < frames:
        raise UserError(
            f"{where} has keypoints of {len(seen)} frames, but there are {frames} of poses; use "
            "files that belong together."
        )
    # Videos run on for some frames after the motion capture has ended.
    seen = seen[:frames]
    if order == "mpii":
        seen = seen[:, _FROM_MPII]
    if channels == 3:
        return seen[..., :2], seen[..., 2]
    return seen, np.ones(seen.shape[:2]) if certain else None
