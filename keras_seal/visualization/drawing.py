"""Skeletons drawn into matplotlib axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.visualization import style

# Azimuth and elevation in degrees: 0 and 0 is what the camera sees, 90 and 0 from its right.
FRONT_VIEW = (0.0, 6.0)
SIDE_VIEW = (90.0, 6.0)
TURNED_VIEW = (35.0, 12.0)


def draw_skeleton_2d(
    ax: Any, keypoints: Any, skeleton: Any, *, truth: bool = False, line_width: float | None = None
) -> None:
    """Draw keypoints into two-dimensional axes, as the camera sees them.

    The axes get equal scales, y downwards and limits around all that was drawn into them; their
    frame and ticks stay as they are.

    Args:
        ax: A matplotlib `Axes`.
        keypoints: `(joints, 2 or 3)`, x to the right and y down, pixels or normalised. A third
            channel is the detector's confidence in [0, 1]: doubtful joints fade.
        skeleton: A skeleton, a built-in name, or a path.
        truth: Draw in the manner of a reference: thin, grey and dashed.
        line_width: In points; by default it depends on the number of joints.

    Raises:
        ValueError: If the keypoints do not fit the skeleton or are not finite.

    Examples:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> ax = Figure().add_subplot()
        >>> draw_skeleton_2d(ax, np.random.default_rng(0).uniform(size=(17, 2)), "human36m_17")
        >>> len(ax.collections[0].get_segments())
        16
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    skeleton = skeletons.get(skeleton)
    keypoints = _checked(keypoints, "keypoints", skeleton, (2, 3))
    points, confidence = keypoints[:, :2], keypoints[:, 2:]
    segments = [points[list(bone)] for bone in skeleton.bones]
    ax.add_collection(LineCollection(segments, **_line_style(skeleton, truth, line_width)))
    if not truth:
        colours = to_rgba_array(style.joint_colours(skeleton))
        if confidence.size:
            colours[:, 3] = np.clip(confidence[:, 0], 0.15, 1.0)
        ax.scatter(*points.T, c=colours, **_marker_style(skeleton, line_width))
    ax.update_datalim(points)
    low, high = _cube(ax.dataLim.get_points())
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(high[1], low[1])
    ax.set_aspect("equal", adjustable="box")


def draw_skeleton_3d(
    ax: Any,
    pose: Any,
    skeleton: Any,
    *,
    truth: bool = False,
    view: tuple[float, float] = TURNED_VIEW,
    line_width: float | None = None,
) -> None:
    """Draw a pose upright into three-dimensional axes.

    Camera space has y down; the axes get depth as their second and up as their third direction.
    They show orthographically, with equal scales and limits around all that was drawn into them,
    so several poses may share them.

    Args:
        ax: A matplotlib `Axes3D` (`figure.add_subplot(projection="3d")`).
        pose: `(joints, 3)`, metres, camera space, y down.
        skeleton: A skeleton, a built-in name, or a path.
        truth: Draw in the manner of a reference: thin, grey and dashed.
        view: Azimuth and elevation in degrees. `(0, 0)` is what the camera sees, `(90, 0)` shows
            depth to the right.
        line_width: In points; by default it depends on the number of joints.

    Raises:
        ValueError: If the pose does not fit the skeleton or is not finite.

    Examples:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> ax = Figure().add_subplot(projection="3d")
        >>> draw_skeleton_3d(ax, np.random.default_rng(0).normal(size=(17, 3)), "human36m_17")
        >>> bool(np.ptp(ax.get_xlim()) == np.ptp(ax.get_zlim()))
        True
    """
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    skeleton = skeletons.get(skeleton)
    points = upright(_checked(pose, "pose", skeleton, (3,)))
    segments = [points[list(bone)] for bone in skeleton.bones]
    # The prediction lies over the truth even where it is farther away.
    ax.computed_zorder = False
    ax.add_collection3d(
        Line3DCollection(segments, **_line_style(skeleton, truth, line_width)), autolim=False
    )
    if not truth:
        ax.scatter(
            *points.T,
            c=style.joint_colours(skeleton),
            depthshade=False,
            **_marker_style(skeleton, line_width),
        )
    ax.auto_scale_xyz(*points.T, had_data=ax.has_data())
    data = np.stack([*ax.xy_dataLim.get_points().T, ax.zz_dataLim.get_points()[:, 0]], axis=1)
    set_cube(ax, *_cube(data))
    ax.set_proj_type("ortho")
    azimuth, elevation = view
    ax.view_init(elev=elevation, azim=azimuth - 90.0)


def set_cube(ax: Any, low: np.ndarray, high: np.ndarray) -> None:
    """Give three-dimensional axes limits of equal scale.

    Args:
        ax: A matplotlib `Axes3D`.
        low: Lower corner of a cube, `(3,)`.
        high: Upper corner, `(3,)`.
    """
    ax.set_xlim3d(low[0], high[0])
    ax.set_ylim3d(low[1], high[1])
    ax.set_zlim3d(low[2], high[2])
    ax.set_box_aspect((1, 1, 1), zoom=1.52)


def draw_floor(ax: Any, height: float, centre: np.ndarray, radius: float = 0.6) -> None:
    """Draw a patch of floor, which lets the eye see depth.

    Args:
        ax: A matplotlib `Axes3D`.
        height: Where it lies, metres upwards.
        centre: Its middle, `(2,)`: right and depth, metres.
        radius: Half its side, metres.
    """
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    ticks = np.linspace(-radius, radius, 5)
    lines = []
    for tick in ticks:
        for ends in (((tick, -radius), (tick, radius)), ((-radius, tick), (radius, tick))):
            lines.append([(*(centre + end), height) for end in ends])
    ax.add_collection3d(
        Line3DCollection(lines, colors=style.GRID, linewidths=0.9, zorder=0, clip_on=False),
        autolim=False,
    )


def upright(poses: np.ndarray) -> np.ndarray:
    """Turn camera space (right, down, forward) into plot space (right, forward, up).

    Args:
        poses: `(..., 3)`.

    Returns:
        `(..., 3)`.

    Examples:
        >>> upright(np.array([1.0, 2.0, 3.0])).tolist()
        [1.0, 3.0, -2.0]
    """
    return np.stack([poses[..., 0], poses[..., 2], -poses[..., 1]], axis=-1)


def _checked(
    array: Any, name: str, skeleton: skeletons.Skeleton, channels: tuple[int, ...]
) -> np.ndarray:
    array = np.asarray(array, "float64")
    if array.ndim != 2 or array.shape[0] != skeleton.num_joints or array.shape[1] not in channels:
        wanted = " or ".join(str(size) for size in channels)
        raise ValueError(
            f"{name} has shape {array.shape}: one skeleton is drawn at a time, so expected "
            f"({skeleton.num_joints}, {wanted}) for the skeleton '{skeleton.name}'."
        )
    return style.checked_array(array[None, None], name, skeleton, channels)[0, 0]


def _cube(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the smallest cube around points, with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, radius = (low + high) / 2, max(float((high - low).max()) / 2, 1e-3) * 1.08
    return centre - radius, centre + radius


def _width(skeleton: skeletons.Skeleton, line_width: float | None) -> float:
    if line_width is not None:
        return line_width
    return 2.8 if skeleton.num_joints <= 30 else 1.3


def _line_style(
    skeleton: skeletons.Skeleton, truth: bool, line_width: float | None
) -> dict[str, Any]:
    width = _width(skeleton, line_width)
    if truth:
        return {
            "colors": style.TRUTH,
            "linewidths": 0.55 * width,
            "linestyles": [(0, (2.5, 1.5))],
            "clip_on": False,
            "zorder": 2,
        }
    return {
        "colors": style.bone_colours(skeleton),
        "linewidths": width,
        "capstyle": "round",
        "clip_on": False,
        "zorder": 3,
    }


def _marker_style(skeleton: skeletons.Skeleton, line_width: float | None) -> dict[str, Any]:
    width = _width(skeleton, line_width)
    return {
        "s": (1.7 * width) ** 2,
        "linewidths": 0.25 * width,
        "edgecolors": "white",
        "clip_on": False,
        "zorder": 4,
    }
