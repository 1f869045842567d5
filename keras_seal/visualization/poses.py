"""Figures of predicted poses beside their input and over the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import skeletons
from keras_seal.visualization import drawing, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pose_grid(
    keypoints: Any, y_true: Any, y_pred: Any, skeleton: Any, *, title: str | None = None
) -> Figure:
    """Show some samples, one a column: the 2D input, and the 3D poses from two sides.

    Where a sample has several frames, its centre frame is drawn. The people of one row share one
    scale. Each column is headed by the error of the frame drawn.

    Args:
        keypoints: `(batch, frames, joints, 2 or 3)`, y down.
        y_true: True poses, `(batch, out_frames, joints, 3)`, metres, camera space.
        y_pred: Predicted poses, the same shape.
        skeleton: A skeleton, a built-in name, or a path.
        title: A line over everything, such as the epoch.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        ValueError: If the arrays do not fit each other or the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(2, 1, 17, 2)), rng.normal(size=(2, 1, 17, 3))
        >>> figure = pose_grid(x, y, y + 0.01, "human36m_17")
        >>> len(figure.axes), figure.axes[0].get_title()
        (6, 'MPJPE 17 mm')
    """
    skeleton = skeletons.get(skeleton)
    keypoints, y_true, y_pred = _centre_frames(keypoints, y_true, y_pred, skeleton)
    count = len(keypoints)
    heading = 0.5 if title else 0.1
    figure = style.new_figure(0.5 + 2.6 * count, heading + 7.9 + 0.5)
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        3,
        count,
        left=0.5 / width,
        right=0.99,
        bottom=0.5 / height,
        top=1 - (heading + 0.3) / height,
        hspace=0.04,
        wspace=0.04,
    )
    errors = _mpjpe(y_true, y_pred)
    for column in range(count):
        ax = figure.add_subplot(grid[0, column])
        _draw_input(ax, keypoints[column], skeleton)
        ax.set_title(
            f"MPJPE {errors[column]:.0f} mm",
            fontsize=style.HEADING_SIZE,
            color=style.INK,
            pad=8,
        )
        for row, view in ((1, drawing.FRONT_VIEW), (2, drawing.SIDE_VIEW)):
            ax = figure.add_subplot(grid[row, column], projection="3d")
            _draw_poses(ax, y_true, y_pred, column, skeleton, view)
    style.name_rows(figure, grid, ("2D input", "3D, from the camera", "3D, from the side"), 0.22)
    if title:
        style.add_headline(figure, title, 0.5)
    _legend(figure, skeleton, columns=4 if count > 1 else 2)
    return figure


def comparison_figure(
    keypoints: Any,
    y_true: Any,
    y_pred: Any,
    skeleton: Any,
    *,
    title: str | None = "From 2D keypoints to 3D poses",
) -> Figure:
    """Show what lifting does: the 2D input above, the predicted pose over the true one below.

    The 3D poses are turned away from the camera, so that their depth is seen. Where a sample has
    several frames, its centre frame is drawn.

    Args:
        keypoints: `(batch, frames, joints, 2 or 3)`, y down.
        y_true: True poses, `(batch, out_frames, joints, 3)`, metres, camera space.
        y_pred: Predicted poses, the same shape.
        skeleton: A skeleton, a built-in name, or a path.
        title: A line over everything; `None` for none.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        ValueError: If the arrays do not fit each other or the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(3, 1, 17, 2)), rng.normal(size=(3, 1, 17, 3))
        >>> len(comparison_figure(x, y, y + 0.01, "human36m_17").axes)
        6
    """
    skeleton = skeletons.get(skeleton)
    keypoints, y_true, y_pred = _centre_frames(keypoints, y_true, y_pred, skeleton)
    count = len(keypoints)
    heading = 0.65 if title else 0.1
    figure = style.new_figure(0.55 + 2.5 * count, heading + 5.9 + 0.55)
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        2,
        count,
        left=0.55 / width,
        right=1 - 0.1 / width,
        bottom=0.55 / height,
        top=1 - heading / height,
        hspace=0.13,
        wspace=0.05,
        height_ratios=(2.4, 2.9),
    )
    errors = _mpjpe(y_true, y_pred)
    for column in range(count):
        above = figure.add_subplot(grid[0, column])
        _draw_input(above, keypoints[column], skeleton)
        below = figure.add_subplot(grid[1, column], projection="3d")
        _draw_poses(below, y_true, y_pred, column, skeleton, drawing.TURNED_VIEW)
        box, upper = grid[1, column].get_position(figure), grid[0, column].get_position(figure)
        middle = (box.x0 + box.x1) / 2
        figure.text(
            middle,
            (box.y1 + upper.y0) / 2,
            "\N{BLACK DOWN-POINTING TRIANGLE}",
            ha="center",
            va="center",
            fontsize=style.TEXT_SIZE,
            color=style.TRUTH,
        )
        figure.text(
            middle,
            box.y0,
            f"error {errors[column]:.0f} mm",
            ha="center",
            va="bottom",
            fontsize=style.TEXT_SIZE,
            color=style.FAINT_INK,
        )
    style.name_rows(figure, grid, ("2D keypoints", "3D pose"), 0.27)
    if title:
        style.add_headline(figure, title, 0.55)
    _legend(figure, skeleton, columns=4 if count > 1 else 2)
    return figure


def _centre_frames(
    keypoints: Any, y_true: Any, y_pred: Any, skeleton: skeletons.Skeleton
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = (
        style.checked_array(keypoints, "keypoints", skeleton, (2, 3)),
        style.checked_array(y_true, "y_true", skeleton, (3,)),
        style.checked_array(y_pred, "y_pred", skeleton, (3,)),
    )
    if len({len(array) for array in arrays}) > 1:
        sizes = ", ".join(str(len(array)) for array in arrays)
        raise ValueError(
            f"keypoints, y_true and y_pred hold {sizes} samples: they must hold the same ones."
        )
    keypoints, y_true, y_pred = (array[:, array.shape[1] // 2] for array in arrays)
    return keypoints, y_true, y_pred


def _mpjpe(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    return 1e3 * np.linalg.norm(y_pred - y_true, axis=-1).mean(axis=-1)


def _draw_input(ax: Any, keypoints: np.ndarray, skeleton: skeletons.Skeleton) -> None:
    drawing.draw_skeleton_2d(ax, keypoints, skeleton)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_facecolor(style.PANEL)
    ax.spines[:].set_visible(False)


def _draw_poses(
    ax: Any,
    y_true: np.ndarray,
    y_pred: np.ndarray,
    sample: int,
    skeleton: skeletons.Skeleton,
    view: tuple[float, float],
) -> None:
    drawing.draw_skeleton_3d(ax, y_true[sample], skeleton, truth=True, view=view)
    drawing.draw_skeleton_3d(ax, y_pred[sample], skeleton, view=view)
    # One scale for all samples, so that a child beside an adult looks small.
    both = drawing.upright(np.stack([y_true, y_pred], axis=1)).reshape(len(y_true), -1, 3)
    low, high = both.min(axis=1), both.max(axis=1)
    radius = 1.05 * float((high - low).max()) / 2
    centre = (low[sample] + high[sample]) / 2
    # All stand at the same height, also those who bow or kneel.
    centre[2] = low[sample, 2] + radius / 1.05
    drawing.set_cube(ax, centre - radius, centre + radius)
    drawing.draw_floor(ax, low[sample, 2], centre[:2], 0.66 * radius)
    ax.set_axis_off()


def _legend(figure: Figure, skeleton: skeletons.Skeleton, columns: int) -> None:
    figure.legend(
        handles=style.skeleton_legend(skeleton),
        loc="lower center",
        ncols=columns,
        frameon=False,
        fontsize=style.TEXT_SIZE,
        labelcolor=style.INK,
        handlelength=2.4,
        columnspacing=1.8,
    )
