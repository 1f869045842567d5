"""Detectors that other libraries make, with weights that lie on the disk."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data import cache
from keras_seal.errors import UserError, nearest
from keras_seal.inference.video.detecting import Detector
from keras_seal.recipes.constructing import first_line

_RTM = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk"


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Args:
        name: The file's name.
        address: Where it is published.
        inside: Name of the file in the archive that lies there; empty where it is no archive.
        size: Width and height of the pictures that go in.
    """

    name: str
    address: str
    inside: str
    size: tuple[int, int]


def _rtm(stem: str, size: tuple[int, int]) -> Weights:
    return Weights(f"{stem}.onnx", f"{_RTM}/{stem}.zip", "end2end.onnx", size)


# Finder of people and finder of joints, as rtmlib pairs them.
_RTMPOSE: Mapping[str, tuple[Weights, Weights]] = {
    "rtmpose-s": (
        _rtm("yolox_tiny_8xb8-300e_humanart-6f3252f9", (416, 416)),
        _rtm("rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504", (192, 256)),
    ),
    "rtmpose-m": (
        _rtm("yolox_m_8xb8-300e_humanart-c2c7a14a", (640, 640)),
        _rtm("rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504", (192, 256)),
    ),
    "rtmpose-x": (
        _rtm("yolox_x_8xb8-300e_humanart-a39d44ed", (640, 640)),
        _rtm("rtmpose-x_simcc-body7_pt-body7_700e-384x288-71d7b7e9_20230629", (288, 384)),
    ),
}


def names() -> list[str]:
    """List the detectors.

    Returns:
        Their names.

    Examples:
        >>> names()
        ['rtmpose-s', 'rtmpose-m', 'rtmpose-x']
    """
    return list(_RTMPOSE)


def default_folder() -> Path:
    """Find the folder where detectors' weights are looked for.

    Returns:
        `detectors` in the folder that the environment variable `KERAS_SEAL_CACHE` names, else in
        the user's cache folder.
    """
    return cache.default_folder() / "detectors"


def get(name: str, folder: str | Path | None = None) -> Detector:
    """Make a detector from weights on the disk; nothing is downloaded.

    Args:
        name: One of `names()`: RTMPose small, medium or extra large, behind the YOLOX that rtmlib
            pairs it with; 17 joints in COCO's order. The larger, the better and slower. Or a
            detector of one's own as `module:name`, a class or function without arguments that
            makes one.
        folder: Where the weights lie; by default `default_folder()`.

    Returns:
        The detector.

    Raises:
        UserError: There is no such detector, weights are missing (the message says which file to
            put where), or rtmlib is not installed.
    """
    if ":" in name:
        return _own(name)
    if name not in _RTMPOSE:
        raise UserError(f"There is no detector '{name}'.{nearest(name, _RTMPOSE)}")
    folder = default_folder() if folder is None else Path(folder)
    missing = [each for each in _RTMPOSE[name] if not (folder / each.name).is_file()]
    if missing:
        lines = [
            f"- {folder / each.name}: the file {each.inside} out of {each.address}"
            for each in missing
        ]
        raise UserError(
            f"The detector {name} needs weights that are not there, and nothing is downloaded. "
            "Put them there under these names:\n" + "\n".join(lines)
        )
    if importlib.util.find_spec("rtmlib") is None:
        raise UserError(f'The detector {name} needs rtmlib: pip install "keras-seal[detector]".')
    people, joints = _RTMPOSE[name]
    return RTMPose(folder / people.name, people.size, folder / joints.name, joints.size)


def _own(name: str) -> Detector:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise UserError(f"There is no detector '{name}': {first_line(error)}.") from error


class RTMPose:
    """RTMPose behind YOLOX, run by ONNX Runtime on the processor; needs the library rtmlib.

    Args:
        people: Weights of YOLOX, a file.
        people_size: Width and height of what goes into it.
        joints: Weights of RTMPose, a file.
        joints_size: Width and height of what goes into it.

    Reference:
        Jiang et al., "RTMPose: Real-time multi-person pose estimation based on MMPose",
        arXiv 2303.07399.
    """

    layout = "coco_17"

    def __init__(
        self,
        people: Path,
        people_size: tuple[int, int],
        joints: Path,
        joints_size: tuple[int, int],
    ) -> None:
        import rtmlib

        # rtmlib prints what it loads.
        with contextlib.redirect_stdout(io.StringIO()):
            self._people: Any = rtmlib.YOLOX(
                str(people), model_input_size=people_size, backend="onnxruntime"
            )
            self._joints: Any = rtmlib.RTMPose(
                str(joints), model_input_size=joints_size, backend="onnxruntime"
            )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Find the people in a picture.

        Args:
            image: `(height, width, 3)` uint8: red, green, blue.

        Returns:
            `(people, 17, 3)`: x, y in pixels and confidence.
        """
        # OpenCV's order of the colours.
        image = np.ascontiguousarray(image[..., ::-1])
        boxes = self._people(image)
        if not len(boxes):
            # Without boxes RTMPose would take the whole picture for a person.
            return np.zeros((0, 17, 3))
        places, trust = self._joints(image, bboxes=boxes)
        return np.concatenate([places, trust[..., None]], axis=-1)
