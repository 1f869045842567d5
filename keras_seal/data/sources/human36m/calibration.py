"""The four cameras of Human3.6M, which stood in other places for every subject."""

from __future__ import annotations

import importlib.resources
import json
from functools import cache
from typing import Any

import numpy as np

from keras_seal.errors import UserError, nearest
from keras_seal.geometry import Camera, quaternion_to_matrix


def cameras(subject: str) -> dict[str, Camera]:
    """Give the cameras that filmed a subject.

    The lenses are the same for all subjects. Images of the first and the last camera are two
    pixels higher than wide.

    Args:
        subject: `S1` to `S11`.

    Returns:
        Cameras by name, in the order in which all published files list them.

    Raises:
        UserError: There is no such subject.

    Examples:
        >>> from keras_seal.data.sources.human36m import cameras
        >>> {name: (camera.width, camera.height) for name, camera in cameras("S1").items()}
        {'54138969': (1000, 1002), '55011271': (1000, 1000), '58860488': (1000, 1000),
         '60457274': (1000, 1002)}

    Reference:
        Ionescu et al., Human3.6M, TPAMI 2014 (the numbers are its calibration's).
    """
    places = _numbers()["places"]
    if subject not in places:
        raise UserError(f"Human3.6M has no subject '{subject}'.{nearest(subject, places)}")
    return {name: _camera(subject, name) for name in _numbers()["lenses"]}


@cache
def _numbers() -> dict[str, Any]:
    file = importlib.resources.files(__package__) / "cameras.json"
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def _camera(subject: str, name: str) -> Camera:
    lens, place = _numbers()["lenses"][name], _numbers()["places"][subject][name]
    turn = quaternion_to_matrix(np.array(place["quaternion"]))
    return Camera(rotation=turn.T, position=np.array(place["position"]) / 1000, name=name, **lens)
