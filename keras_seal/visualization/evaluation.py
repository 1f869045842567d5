"""Figures of how well poses were predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import skeletons
from keras_seal.visualization import drawing, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LABELS = 30
_MOST_POINTS = 3000
_PANELS = 6
_SCALE = "YlOrRd"
# Light yellow would not show on white.
_SCALE_START = 0.18
_FARTHEST = 300.0
_MOST_PAIRS = 150_000
_PAIR_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#7A5CB8")


def joint_error_figure(
    errors: Any, pose: Any, skeleton: Any, *, titles: Sequence[str], unit: str = "mm"
) -> Figure:
    """Draw each joint's error on the skeleton, as the colour and the size of a dot.

    Args:
        errors: Mean errors `(panels, joints)`, or other numbers of at least 0.
        pose: A pose `(joints, 3)` to draw them on, metres, y down; it is turned to the front.
        skeleton: A skeleton, a built-in name, or a path.
        titles: A title for each panel.
        unit: What the numbers are in.

    Returns:
        The figure.

    Raises:
        ValueError: The arrays do not fit the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> pose = np.random.default_rng(0).normal(size=(17, 3))
        >>> figure = joint_error_figure(np.ones((2, 17)), pose, "human36m_17", titles=["a", "b"])
        >>> figure.axes[0].get_title(loc="left")
        'a'
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    skeleton = skeletons.get(skeleton)
    errors = np.asarray(errors, "float64")
    if errors.ndim != 2 or errors.shape[1] != skeleton.num_joints or not np.isfinite(errors).all():
        raise ValueError(
            f"errors has shape {errors.shape}: expected finite numbers of the shape (panels, "
            f"{skeleton.num_joints}) for the skeleton '{skeleton.name}'."
        )
    checked = style.checked_array(np.asarray(pose)[None, None], "pose", skeleton, (3,))[0, 0]
    points = facing(checked, skeleton)[:, :2]
    spread = max(float(np.ptp(points)), 1e-3)
    colours = LinearSegmentedColormap.from_list(
        "errors", colormaps[_SCALE](np.linspace(_SCALE_START, 1.0, 64))
    )
    figure = style.new_figure(4.4 * len(errors), 5.0, layout="constrained")
    labelled = skeleton.num_joints <= _MOST_LABELS
    for place, values in enumerate(errors):
        ax = figure.add_subplot(1, len(errors), place + 1)
        segments = [points[list(bone)] for bone in skeleton.bones]
        ax.add_collection(LineCollection(segments, colors=style.GRID, linewidths=3, zorder=1))
        norm = Normalize(0.0, max(float(values.max()), 1e-9))
        sizes = (40 + 200 * norm(values)) * (1.0 if labelled else 0.25)
        marks = ax.scatter(
            points[:, 0],
            points[:, 1],
            c=values,
            s=sizes,
            cmap=colours,
            norm=norm,
            edgecolors=style.INK,
            linewidths=0.5,
            zorder=3,
        )
        if labelled:
            for joint, (x, y) in enumerate(points):
                side = -1 if joint in skeleton.right else 1
                ax.annotate(
                    f"{values[joint]:.0f}",
                    (x, y),
                    xytext=(side * (5 + 0.5 * float(sizes[joint]) ** 0.5), 0),
                    textcoords="offset points",
                    ha="right" if side < 0 else "left",
                    va="center",
                    fontsize=style.SMALL_SIZE,
                    color=style.INK,
                )
        ax.set_aspect("equal")
        ax.set_xlim(points[:, 0].min() - 0.14 * spread, points[:, 0].max() + 0.14 * spread)
        ax.set_ylim(points[:, 1].max() + 0.06 * spread, points[:, 1].min() - 0.06 * spread)
        ax.set_axis_off()
        ax.set_title(titles[place], fontsize=style.HEADING_SIZE, color=style.INK, loc="left")
        bar = figure.colorbar(
            marks, ax=ax, orientation="horizontal", shrink=0.7, aspect=34, pad=0.02
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=style.FAINT_INK, labelsize=style.SMALL_SIZE, length=0)
        bar.set_label(unit, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    return figure


def error_distribution_figure(
    frame_errors: dict[str, Any], joint_errors: dict[str, Any] | None = None, *, unit: str = "mm"
) -> Figure:
    """Show how errors are distributed: over frames, and as the share of joints within a distance.

    Args:
        frame_errors: Errors `(frames,)` by name, in `unit`.
        joint_errors: Errors of joints, any shape, by name, millimetres; no second panel where
            there are none.
        unit: What the errors of frames are in.

    Returns:
        The figure.

    Raises:
        ValueError: There is nothing to draw.

    Examples:
        >>> import numpy as np
        >>> errors = np.arange(100.0)
        >>> len(error_distribution_figure({"MPJPE": errors}, {"MPJPE": errors}).axes)
        2
    """
    if not frame_errors or any(not np.size(values) for values in frame_errors.values()):
        raise ValueError("There are no errors to draw.")
    figure = style.new_figure(9.6 if joint_errors else 5.4, 3.4, layout="constrained")
    panels = figure.subplots(1, 2 if joint_errors else 1, squeeze=False)[0]
    colours = (style.LEFT, style.RIGHT, "#009E73")
    for ax in panels:
        style.plain_axes(ax)
    top = max(float(np.quantile(values, 0.995)) for values in frame_errors.values())
    bins = np.linspace(0.0, max(top, 1e-6), 61)
    for (name, values), colour in zip(frame_errors.items(), colours, strict=False):
        values = np.asarray(values, "float64")
        shares = 100.0 * np.histogram(values, bins)[0] / len(values)
        median = float(np.median(values))
        label = f"{name}: median {median:.1f}, 95 % below {np.quantile(values, 0.95):.1f}"
        panels[0].stairs(shares, bins, color=colour, linewidth=1.6, label=label)
        panels[0].stairs(shares, bins, color=colour, alpha=0.13, fill=True)
        panels[0].axvline(median, color=colour, linewidth=1, linestyle=(0, (4, 3)))
    panels[0].set_xlim(0.0, bins[-1])
    panels[0].set_ylim(bottom=0.0)
    _labels(panels[0], f"error of a frame, {unit}", "share of frames, %")
    panels[0].legend(
        frameon=False,
        fontsize=style.SMALL_SIZE,
        labelcolor=style.INK,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
    )
    if joint_errors:
        limits = np.linspace(0.0, _FARTHEST, 121)
        for (name, values), colour in zip(joint_errors.items(), colours, strict=False):
            ordered = np.sort(np.ravel(values))
            within = 100.0 * np.searchsorted(ordered, limits, side="left") / len(ordered)
            panels[1].plot(limits, within, color=colour, linewidth=1.8, label=name)
        panels[1].axvline(150.0, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
        panels[1].set_xlim(0.0, _FARTHEST)
        panels[1].set_ylim(0.0, 101.0)
        _labels(panels[1], "distance, mm (dashed: PCK's 150)", "share of joints within it, %")
        panels[1].legend(
            frameon=False, fontsize=style.SMALL_SIZE, labelcolor=style.INK, loc="lower right"
        )
    return figure


def lengths_over_time_figure(
    lengths: Any, true: Any, skeleton: Any, *, fps: float = 50.0
) -> Figure:
    """Show how bone lengths change along a sequence, left and right in one panel.

    Args:
        lengths: Predicted lengths `(frames, bones)`, millimetres.
        true: True lengths likewise, or `None`.
        skeleton: A skeleton, a built-in name, or a path.
        fps: Frames a second.

    Returns:
        The figure: the mirrored bones (the first six), else the first six bones.

    Raises:
        ValueError: The arrays do not fit the skeleton.

    Examples:
        >>> import numpy as np
        >>> figure = lengths_over_time_figure(np.ones((9, 16)), np.ones((9, 16)), "human36m_17")
        >>> figure.axes[1].get_title(loc="left")
        'hip – knee'
    """
    skeleton = skeletons.get(skeleton)
    lengths = np.asarray(lengths, "float64")
    if lengths.ndim != 2 or lengths.shape[1] != skeleton.num_bones or not len(lengths):
        raise ValueError(
            f"lengths has shape {lengths.shape}: expected (frames, {skeleton.num_bones}) for the "
            f"skeleton '{skeleton.name}'."
        )
    pairs = skeleton.bone_mirror_pairs[:_PANELS]
    groups: list[tuple[tuple[int, str, str], ...]] = [
        ((left, style.LEFT, "left"), (right, style.RIGHT, "right")) for left, right in pairs
    ]
    if not groups:
        bones = range(min(_PANELS, skeleton.num_bones))
        groups = [((bone, style.LEFT, "predicted"),) for bone in bones]
    columns = min(3, len(groups))
    rows = -(-len(groups) // columns)
    figure = style.new_figure(3.2 * columns, 2.1 * rows + 0.4)
    height = figure.get_size_inches()[1]
    figure.set_layout_engine("constrained", rect=(0, 0.32 / height, 1, 1 - 0.32 / height))
    seconds = np.arange(len(lengths)) / fps
    marker = "o" if len(lengths) == 1 else ""
    handles: dict[str, Any] = {}
    for place, group in enumerate(groups):
        ax = figure.add_subplot(rows, columns, place + 1)
        style.plain_axes(ax)
        for bone, colour, label in group:
            (handles[label],) = ax.plot(
                seconds, lengths[:, bone], color=colour, linewidth=1.4, marker=marker
            )
        if true is not None:
            reference = np.asarray(true, "float64")[:, [bone for bone, _, _ in group]]
            handles["true"], *_ = ax.plot(
                seconds,
                reference,
                color=style.TRUTH,
                linewidth=1.3,
                linestyle=(0, (3, 1.5)),
                marker=marker,
            )
        parent, child = (skeleton.joints[joint] for joint in skeleton.bones[group[0][0]])
        name = f"{parent} \N{EN DASH} {child}".replace("_", " ")
        ax.set_title(
            name.replace("left ", "") if pairs else name,
            fontsize=style.TEXT_SIZE,
            color=style.INK,
            loc="left",
        )
        # A millimetre is no drama: panels show 40 of them at least.
        low, high = ax.get_ylim()
        middle, half = (low + high) / 2, max((high - low) / 2, 20.0)
        ax.set_ylim(middle - half, middle + half)
        if place >= len(groups) - columns:
            ax.set_xlabel("seconds", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
        if place % columns == 0:
            ax.set_ylabel("mm", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=style.TEXT_SIZE,
        labelcolor=style.INK,
    )
    return figure


def symmetry_figure(lengths: Any, true: Any, skeleton: Any) -> Figure:
    """Scatter the left-right difference of mirrored bones over their length.

    Args:
        lengths: Predicted lengths `(frames, bones)`, millimetres.
        true: True lengths likewise, or `None`; their means are drawn as white diamonds.
        skeleton: A skeleton with mirrored bones.

    Returns:
        The figure.

    Raises:
        ValueError: The skeleton has no mirrored bones.

    Examples:
        >>> import numpy as np
        >>> figure = symmetry_figure(np.ones((9, 16)), np.ones((9, 16)), "human36m_17")
        >>> figure.axes[0].get_xlabel()
        'mean of left and right, mm'
    """
    skeleton = skeletons.get(skeleton)
    if not skeleton.bone_mirror_pairs:
        raise ValueError(f"The skeleton '{skeleton.name}' has no mirrored bones to compare.")
    lengths = np.asarray(lengths, "float64")
    pairs = skeleton.bone_mirror_pairs
    step = -(-len(lengths) * len(pairs) // (_MOST_POINTS * max(1, len(pairs) // _PANELS)))
    chosen = lengths[:: max(1, step)]
    figure = style.new_figure(8.4, 3.8, layout="constrained")
    ax = figure.subplots()
    style.plain_axes(ax)
    ax.axhline(0.0, color=style.FAINT_INK, linewidth=1)
    for place, (left, right) in enumerate(pairs):
        colour = _PAIR_COLOURS[place % len(_PAIR_COLOURS)]
        child = skeleton.joints[skeleton.bones[left][1]].replace("left_", "").replace("_", " ")
        ax.scatter(
            (chosen[:, left] + chosen[:, right]) / 2,
            chosen[:, left] - chosen[:, right],
            s=7,
            color=colour,
            alpha=0.35,
            linewidths=0,
            rasterized=True,
        )
        if place < len(_PAIR_COLOURS):
            ax.scatter([], [], s=24, color=colour, label=f"to the {child}")
        if true is not None:
            reference = np.asarray(true, "float64")
            ax.plot(
                (reference[:, left] + reference[:, right]).mean() / 2,
                (reference[:, left] - reference[:, right]).mean(),
                "D",
                markersize=6,
                markerfacecolor="white",
                markeredgecolor=style.INK,
                markeredgewidth=1.3,
                zorder=4,
                label="mean of the truth" if place == 0 else None,
            )
    both = np.concatenate([chosen[:, left] - chosen[:, right] for left, right in pairs])
    reach = max(1.15 * float(np.quantile(np.abs(both), 0.995)), 5.0)
    ax.set_ylim(-reach, reach)
    _labels(ax, "mean of left and right, mm", "left less right, mm")
    ax.legend(
        frameon=False,
        fontsize=style.SMALL_SIZE,
        labelcolor=style.INK,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
    return figure


def ranked_poses_figure(
    keypoints: Any, y_pred: Any, y_true: Any, skeleton: Any, labels: Sequence[str]
) -> Figure:
    """Show poses, one a column: the 2D input, the prediction, and the truth below it.

    Args:
        keypoints: `(n, joints, 2 or 3)`, y down.
        y_pred: Predicted poses `(n, joints, 3)`, metres, root-relative.
        y_true: True poses likewise, or `None`; then the prediction is shown from the side too.
        skeleton: A skeleton, a built-in name, or a path.
        labels: A heading for each column.

    Returns:
        The figure.

    Raises:
        ValueError: The arrays do not fit the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> poses = rng.normal(size=(2, 17, 3))
        >>> figure = ranked_poses_figure(poses[..., :2], poses, poses, "human36m_17", ["a", "b"])
        >>> len(figure.axes)
        6
    """
    skeleton = skeletons.get(skeleton)
    count = len(labels)
    figure = style.new_figure(0.35 + 1.75 * count, 6.6)
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        3,
        count,
        left=0.35 / width,
        right=0.995,
        bottom=0.02,
        top=1 - 0.5 / height,
        hspace=0.05,
        wspace=0.06,
        height_ratios=(1.0, 1.2, 1.2),
    )
    known = [y_pred] if y_true is None else [y_pred, y_true]
    both = drawing.upright(np.stack([np.asarray(each, "float64") for each in known], axis=1))
    flat = both.reshape(count, -1, 3)
    low, high = flat.min(axis=1), flat.max(axis=1)
    radius = 1.05 * max(float((high - low).max()) / 2, 1e-3)
    for column in range(count):
        above = figure.add_subplot(grid[0, column])
        drawing.draw_skeleton_2d(above, keypoints[column], skeleton, line_width=1.8)
        above.set(xticks=[], yticks=[], facecolor=style.PANEL)
        above.spines[:].set_visible(False)
        above.set_title(labels[column], fontsize=style.SMALL_SIZE, color=style.INK)
        centre = (low[column] + high[column]) / 2
        centre[2] = low[column, 2] + radius / 1.05
        for row in (1, 2):
            ax = figure.add_subplot(grid[row, column], projection="3d")
            view = drawing.TURNED_VIEW
            if y_true is None:
                pose = y_pred[column]
                view = drawing.FRONT_VIEW if row == 1 else drawing.SIDE_VIEW
            elif row == 1:
                pose = y_pred[column]
                drawing.draw_skeleton_3d(
                    ax, y_true[column], skeleton, truth=True, view=view, line_width=1.8
                )
            else:
                pose = y_true[column]
            drawing.draw_skeleton_3d(ax, pose, skeleton, view=view, line_width=1.8)
            drawing.set_cube(ax, centre - radius, centre + radius)
            drawing.draw_floor(ax, low[column, 2], centre[:2], 0.66 * radius)
            ax.set_axis_off()
    names = ("2D input", "prediction (dashed: truth)", "truth")
    if y_true is None:
        names = ("2D input", "from the camera", "from the side")
    style.name_rows(figure, grid, names, 0.16, style.TEXT_SIZE)
    return figure


def facing(pose: np.ndarray, skeleton: skeletons.Skeleton) -> np.ndarray:
    """Turn poses about the vertical so that their left side is on the right, as if they faced us.

    Args:
        pose: `(..., joints, 3)`, y down.
        skeleton: Its skeleton; without mirrored joints the pose stays.

    Returns:
        The turned poses.

    Examples:
        >>> import numpy as np
        >>> pose = np.zeros((17, 3))
        >>> pose[4, 2] = pose[11, 2] = 0.1  # the left side is far from the camera
        >>> bool(facing(pose, skeletons.get("human36m_17"))[4, 0] > 0.09)
        True
    """
    if not skeleton.mirror_pairs:
        return pose
    left, right = np.array(skeleton.mirror_pairs).T
    across = (pose[..., left, :] - pose[..., right, :]).mean(axis=-2, keepdims=True)
    angle = np.arctan2(across[..., 2], across[..., 0])
    x, y, z = np.moveaxis(pose, -1, 0)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=-1)


def clearest(poses: np.ndarray, skeleton: skeletons.Skeleton) -> np.ndarray:
    """Choose a pose to draw on: somebody upright, whose joints do not hide each other.

    Args:
        poses: `(n, joints, 3)`, metres, y down.
        skeleton: Their skeleton.

    Returns:
        One of them, `(joints, 3)` float64.

    Examples:
        >>> import numpy as np
        >>> poses = np.random.default_rng(0).normal(size=(9, 17, 3))
        >>> clearest(poses, skeletons.get("human36m_17")).shape
        (17, 3)
    """
    # The distances of all pairs of joints are looked at: fewer poses where there are many.
    count = int(np.clip(_MOST_PAIRS // skeleton.num_joints**2, 10, 500))
    rows = np.unique(np.linspace(0, len(poses) - 1, count).astype(int))
    chosen = poses[rows].astype("float64")
    seen = facing(chosen, skeleton)[..., :2]
    distances = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
    distances[:, *np.diag_indices(seen.shape[1])] = np.inf
    # Those that lie closest together decide.
    crowded = np.sort(distances.min(axis=-1), axis=-1)[:, : max(1, seen.shape[1] // 3)]
    heights = np.ptp(seen[..., 1], axis=1)
    upright = heights >= 0.85 * np.quantile(heights, 0.9)
    return chosen[int(np.where(upright, crowded.mean(axis=-1), -1.0).argmax())]


def _labels(ax: Any, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    ax.set_ylabel(y, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
