"""The text files that hold the cameras of the training sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_seal.errors import UserError
from keras_seal.geometry import Camera

# 14 cameras take 4 kB; whatever is much longer is no calibration.
_LONGEST = 1_000_000


def read_calibration(path: Path, name: str) -> dict[int, Camera]:
    """Read a `camera.calibration`: blocks of lines, one block per camera.

    Args:
        path: The file.
        name: Name of the sequence; each camera is called by it and its number.

    Returns:
        The cameras by number. Their world is the file's, in metres.

    Raises:
        UserError: The file is something else.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError("it is far too long")
        blocks: dict[int, dict[str, list[float]]] = {}
        current: dict[str, list[float]] = {}
        for line in path.read_text("ascii").splitlines():
            key, *values = line.split() or [""]
            if key == "name":
                current = blocks.setdefault(int(values[0]), {})
            elif key in ("size", "intrinsic", "extrinsic"):
                current[key] = [float(value) for value in values]
        if not blocks:
            raise ValueError("it names no camera")
        return {
            number: _camera(block, f"{name} camera {number}") for number, block in blocks.items()
        }
    except (IndexError, KeyError, OSError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"'{path}' is no camera calibration of MPI-INF-3DHP ({reason}). Use the published "
            "file, or remove it: cameras are not needed to train."
        ) from error


def _camera(block: dict[str, list[float]], name: str) -> Camera:
    intrinsic = np.array(block["intrinsic"]).reshape(4, 4)
    extrinsic = np.array(block["extrinsic"]).reshape(4, 4)
    return camera_of(
        rotation=extrinsic[:3, :3],
        translation=extrinsic[:3, 3] / 1000.0,
        focal=intrinsic[[0, 1], [0, 1]],
        center=intrinsic[:2, 2],
        size=(int(block["size"][0]), int(block["size"][1])),
        name=name,
    )


def camera_of(
    rotation: np.ndarray,
    translation: np.ndarray,
    focal: np.ndarray,
    center: np.ndarray,
    size: tuple[int, int],
    name: str,
) -> Camera:
    """Make a camera of x_camera = R X + t.

    Args:
        rotation: World to camera `(3, 3)`, near enough to a rotation.
        translation: The world's origin seen by the camera `(3,)`, metres.
        focal: Focal lengths `(2,)`, pixels.
        center: Principal point `(2,)`, pixels.
        size: Width and height, pixels.
        name: What it is called.

    Returns:
        The camera; without distortion, since the data set's 2D has none.

    Raises:
        UserError: Something is no camera's.
    """
    return Camera(
        rotation=rotation,
        position=-np.asarray(rotation).T @ translation,
        focal=focal,
        center=center,
        width=size[0],
        height=size[1],
        name=name,
    )
