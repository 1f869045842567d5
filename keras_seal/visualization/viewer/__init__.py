"""The interactive viewer: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from keras_seal import files
from keras_seal.visualization import stage, style

if TYPE_CHECKING:
    from keras_seal.inference.motion import Motion

# A multiple of 3, so that encoded chunks join.
_CHUNK = 3 * 2**14
_GREATEST = 32767
_NO_TRUTH = -32768
_SIDES = {style.LEFT: "left", style.RIGHT: "right", style.MIDDLE: "middle"}


def write_viewer(
    motion: Motion,
    path: str | Path,
    truth: np.ndarray | None = None,
    *,
    title: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write a page that shows a motion: 2D beside 3D, to turn, to play, with the bones' lengths.

    The page holds everything it needs and works offline, on a phone too. Poses are rounded to 16
    bits, to a tenth of a millimetre or so.

    Args:
        motion: The motion.
        path: The file, `.html`; an older one is replaced.
        truth: True poses `(N, joints, 3)`, rows as the motion's, metres, root-relative; NaN where
            there is none.
        title: The page's title; by default the input's name.
        progress: Told how many rows are written, and how many there are.

    Returns:
        The path.
    """
    path = Path(path)
    scene = stage.Scene.of(motion)
    scale = max(scene.greatest, 1e-3) / _GREATEST
    pixel_scale = max(scene.greatest_pixel, 1.0) / _GREATEST
    title = title or f"{Path(str(motion.about.get('input', 'motion'))).name} in 3D"
    skeleton = motion.skeleton
    content = {
        "joints": list(skeleton.joints),
        "bones": [list(bone) for bone in skeleton.bones],
        "sides": [_SIDES[colour] for colour in style.bone_colours(skeleton)],
        "fps": motion.fps,
        "frames": int(motion.frames.max()) + 1,
        "imageSize": list(motion.image_size),
        "people": motion.people,
        "spans": [
            {"id": span.id, "start": span.start, "count": len(span), "first": span.first_frame}
            for span in motion.spans
        ],
        "scale": scale,
        "pixelScale": pixel_scale,
        "centre": scene.centre.tolist(),
        "radius": scene.radius,
        "floor": scene.floor,
        "about": f"{len(motion.people)} people, {len(motion)} poses, {motion.fps:g} frames a second"
        f"; lifted by {motion.about.get('net', 'a net')}",
    }

    def rounded(values: np.ndarray, unit: float) -> np.ndarray:
        return np.clip(np.round(values / unit), -_GREATEST, _GREATEST).astype("<i2")

    def true_rows(rows: slice) -> np.ndarray:
        assert truth is not None
        true = scene.upright(truth[rows])
        known = np.isfinite(true)
        return np.where(known, rounded(np.where(known, true, 0), scale), _NO_TRUTH).astype("<i2")

    blobs: dict[str, Callable[[slice], np.ndarray]] = {
        "poses": lambda rows: rounded(scene.upright(motion.poses[rows]), scale),
        "roots": lambda rows: scene.upright(motion.roots[rows]).astype("<f4"),
        "keypoints": lambda rows: rounded(motion.keypoints[rows][..., :2], pixel_scale),
        "states": lambda rows: motion.states[rows],
    }
    if truth is not None:
        blobs["truth"] = true_rows
    page = _template("viewer.html")
    for mark, text in (
        ("@TITLE@", html.escape(title)),
        ("@STYLE@", _template("viewer.css")),
        ("@DATA@", _in_script(content)),
        ("@SCRIPT@", _template("viewer.js")),
    ):
        page = page.replace(mark, text)
    before, after = page.split("@BLOBS@")
    with files.replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(before)
        for index, (name, rows_of) in enumerate(blobs.items()):
            file.write(f'<script id="blob-{name}" type="text/plain">\n')
            _write_base64(file, (rows_of(rows).tobytes() for rows in motion.chunks()))
            file.write("</script>\n")
            if progress is not None:
                progress(len(motion) * (index + 1) // len(blobs), len(motion))
        file.write(after)
    return path


def _template(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _in_script(content: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(content).replace("<", "\\u003c")


def _write_base64(file: IO[str], parts: Iterator[bytes]) -> None:
    held = b""
    for part in parts:
        held += part
        while len(held) >= _CHUNK:
            file.write(base64.b64encode(held[:_CHUNK]).decode("ascii") + "\n")
            held = held[_CHUNK:]
    file.write(base64.b64encode(held).decode("ascii") + "\n")
