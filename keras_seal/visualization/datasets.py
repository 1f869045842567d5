"""Figures of what a data set holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import skeletons
from keras_seal.visualization import drawing, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELLS = 100


def pose_gallery(keypoints: Any, poses: Any, skeleton: Any, labels: Any = None) -> Figure:
    """Show some frames, one a column: the keypoints above, the true pose below.

    Args:
        keypoints: `(n, joints, 2 or 3)`, y down.
        poses: `(n, joints, 3)`, metres, camera space.
        skeleton: A skeleton, a built-in name, or a path.
        labels: A line over each column.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        ValueError: If the arrays do not fit the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> len(pose_gallery(rng.normal(size=(3, 17, 2)), rng.normal(size=(3, 17, 3)),
        ...                  "human36m_17").axes)
        6
    """
    skeleton = skeletons.get(skeleton)
    keypoints, poses = np.asarray(keypoints), np.asarray(poses)
    count = len(poses)
    figure = style.new_figure(2.3 * count, 5.4)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.92, 0.04, 0.04)
    for column in range(count):
        above = figure.add_subplot(2, count, column + 1)
        drawing.draw_skeleton_2d(above, keypoints[column], skeleton)
        above.set(xticks=[], yticks=[], facecolor=style.PANEL)
        above.spines[:].set_visible(False)
        if labels is not None:
            above.set_title(str(labels[column]), fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
        below = figure.add_subplot(2, count, count + column + 1, projection="3d")
        drawing.draw_skeleton_3d(below, poses[column] - poses[column, :1], skeleton)
        below.set_axis_off()
    return figure


def subject_bones_figure(
    lengths: Mapping[str, Any], spreads: Mapping[str, Any], bones: list[str]
) -> Figure:
    """Show the bone lengths of each person, and how far they vary over time.

    Args:
        lengths: Mean lengths `(bones,)` in millimetres, by person.
        spreads: Standard deviations over time, likewise.
        bones: A name for each bone.

    Returns:
        The figure; `save_figure` writes it.

    Examples:
        >>> figure = subject_bones_figure({"S1": [1.0, 2.0]}, {"S1": [0.0, 0.1]}, ["a", "b"])
        >>> figure.axes[0].get_xlabel()
        'length, mm'
    """
    figure = style.new_figure(8.5, 1.1 + 0.25 * len(bones), layout="constrained")
    ax = figure.subplots()
    style.plain_axes(ax)
    rows = np.arange(len(bones))
    for index, subject in enumerate(lengths):
        shift = 0.5 * (index / max(len(lengths) - 1, 1) - 0.5)
        ax.errorbar(
            lengths[subject],
            rows + shift,
            xerr=spreads[subject],
            fmt="o",
            markersize=3.5,
            linewidth=1,
            label=subject,
        )
    ax.set_yticks(rows, [bone.replace("_", " ") for bone in bones])
    ax.invert_yaxis()
    ax.set_xlabel("length, mm", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    if len(lengths) <= 12:
        ax.legend(frameon=False, fontsize=style.SMALL_SIZE, labelcolor=style.INK)
    return figure


def keypoint_map_figure(keypoints: Any, errors: Any = None) -> Figure:
    """Show where keypoints lie in the image, and how far projected poses lie from them.

    Args:
        keypoints: `(n, joints, 2 or 3)`, normalised.
        errors: Reprojection errors in pixels, any shape; no panel where there are none.

    Returns:
        The figure; `save_figure` writes it.

    Examples:
        >>> import numpy as np
        >>> len(keypoint_map_figure(np.zeros((4, 17, 2)), np.ones(9)).axes)
        2
    """
    errors = np.ravel(errors) if errors is not None else np.zeros(0)
    figure = style.new_figure(8.5 if errors.size else 4.2, 3.6, layout="constrained")
    panels = figure.subplots(1, 2 if errors.size else 1, squeeze=False)[0]
    points = np.asarray(keypoints)[..., :2].reshape(-1, 2)
    edge = 1.25
    counts, _, _ = np.histogram2d(
        points[:, 1], points[:, 0], bins=_CELLS, range=[[-edge, edge], [-edge, edge]]
    )
    panels[0].imshow(
        np.log1p(counts), extent=(-edge, edge, edge, -edge), cmap="Blues", aspect="equal"
    )
    panels[0].add_patch(_rectangle())
    panels[0].set_xlabel("x, the image reaches from -1 to 1", **_faint())
    panels[0].set_ylabel("y, downwards", **_faint())
    if errors.size:
        style.plain_axes(panels[1])
        panels[1].hist(np.log10(np.maximum(errors, 1e-6)), bins=60, color=style.LEFT)
        panels[1].set_xlabel("log10 of the reprojection error in pixels", **_faint())
        panels[1].set_ylabel("joints", **_faint())
    return figure


def _rectangle() -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((-1, -1), 2, 2, fill=False, edgecolor=style.FAINT_INK, linewidth=0.8)


def _faint() -> dict[str, Any]:
    return {"fontsize": style.SMALL_SIZE, "color": style.FAINT_INK}
