"""A data set's description as a table, and as a page with pictures."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files, pages, visualization
from keras_seal.data import PoseSequences, PoseSplits
from keras_seal.datasets.description import FASTEST, reprojection_errors
from keras_seal.visualization.datasets import (
    keypoint_map_figure,
    pose_gallery,
    subject_bones_figure,
)

_POSES = 6
# Enough frames to see where keypoints lie.
_MOST_POINTS = 20_000
_MOST_BONES = 32
_MOST_ACTIONS = 40


def rows(description: Mapping[str, Any]) -> list[list[str]]:
    """Lay out a description, a column a split.

    Args:
        description: What `describe` gave.

    Returns:
        Rows of a heading and one cell a split.
    """
    parts = list(description["splits"].values())

    def cells(name: str, say: Any) -> list[str]:
        return [name, *(say(part) for part in parts)]

    def reprojection(part: Mapping[str, Any]) -> str:
        found = part["reprojection"]
        if found is None:
            return "no camera known"
        return (
            f"{found['mean']:.3f} / {found['median']:.3f} / {found['p99']:.2f} / {found['max']:.2f}"
        )

    return [
        cells("people", lambda part: str(len(part["subjects"]))),
        cells("actions", lambda part: str(len(part["actions"]))),
        cells("sequences", lambda part: f"{part['sequences']:,}"),
        cells("frames", lambda part: f"{part['frames']:,}"),
        cells("of them valid", lambda part: f"{part['valid_frames']:,}"),
        cells("frames of a sequence", lambda part: f"{part['shortest']} to {part['longest']}"),
        cells("frames a second", lambda part: ", ".join(part["fps"])),
        cells("image size, pixels", lambda part: ", ".join(part["image_sizes"])),
        cells("cameras", lambda part: str(part["cameras"])),
        cells("channels of the keypoints", lambda part: str(part["channels"])),
        cells(
            "left-right difference of the truth, mm",
            lambda part: "" if part["symmetry_mm"] is None else f"{part['symmetry_mm']:.2f}",
        ),
        cells("reprojection, px: mean / median / 99 % / max", reprojection),
        cells(
            "frames with a joint outside the image",
            lambda part: f"{part['outliers']['frames_beyond_image']:,}",
        ),
        cells(
            "frames with a joint far outside (2D diverged?)",
            lambda part: f"{part['outliers']['frames_far_beyond_image']:,}",
        ),
        cells(
            f"frames with a joint faster than {FASTEST:.0f} m/s",
            lambda part: f"{part['outliers']['frames_too_fast']:,}",
        ),
    ]


def write_page(
    path: str | Path, title: str, description: Mapping[str, Any], splits: PoseSplits
) -> Path:
    """Write one self-contained HTML file.

    Args:
        path: The file; an older one is replaced.
        title: Its title.
        description: What `describe` gave for the splits.
        splits: The data, for the pictures.

    Returns:
        The path.

    Raises:
        OSError: It cannot be written.
    """
    html = pages.render(
        "keras_seal.datasets",
        "description.html",
        title,
        description=description,
        rows=rows(description),
        pictures={
            name: _pictures(part, description["splits"][name])
            for name, part in splits.parts.items()
        },
        most_bones=_MOST_BONES,
        most_actions=_MOST_ACTIONS,
    )
    files.write_text(path, html)
    return Path(path)


def _pictures(sequences: PoseSequences, facts: Mapping[str, Any]) -> dict[str, str]:
    chosen = np.linspace(0, sequences.num_frames - 1, min(_POSES, sequences.num_frames)).astype(int)
    owners = np.searchsorted(sequences.offsets, chosen, side="right") - 1
    labels = [
        "\n".join(
            textwrap.shorten(str(text).replace("_", " "), 24, placeholder="…") for text in row
        )
        for row in zip(sequences.subjects[owners], sequences.actions[owners], strict=True)
    ]
    step = max(1, sequences.num_frames // _MOST_POINTS)
    people = facts["subjects"]
    figures = {
        "gallery": pose_gallery(
            sequences.keypoints[chosen], sequences.poses[chosen], sequences.skeleton, labels
        ),
        "map": keypoint_map_figure(sequences.keypoints[::step], reprojection_errors(sequences)),
        "bones": subject_bones_figure(
            {name: each["bone_lengths_mm"] for name, each in people.items()},
            {name: each["bone_spreads_mm"] for name, each in people.items()},
            facts["bones"],
        ),
    }
    return {
        name: "data:image/png;base64,"
        + base64.b64encode(visualization.figure_to_png(figure, dpi=100)).decode()
        for name, figure in figures.items()
    }
