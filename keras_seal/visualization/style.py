"""Colours and sizes that all pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal.skeletons import Skeleton

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From the palette of Okabe and Ito, which colour-blind readers tell apart as well.
LEFT = "#0072B2"
RIGHT = "#D55E00"
MIDDLE = "#3F4652"
TRUTH = "#6E7582"

INK = "#24292F"
FAINT_INK = "#5C6470"
GRID = "#DDE1E6"
PANEL = "#F4F6F8"

TITLE_SIZE = 15
HEADING_SIZE = 11.5
TEXT_SIZE = 10
SMALL_SIZE = 9


def bone_colours(skeleton: Skeleton) -> list[str]:
    """Colour of every bone: that of its child joint's side.

    Args:
        skeleton: The skeleton.

    Returns:
        One colour a bone, in the skeleton's order of bones.

    Examples:
        >>> from keras_seal import skeletons
        >>> bone_colours(skeletons.get("human36m_17"))[0] == RIGHT
        True
    """
    joints = joint_colours(skeleton)
    return [joints[child] for _, child in skeleton.bones]


def joint_colours(skeleton: Skeleton) -> list[str]:
    """Colour of every joint: that of its side.

    Args:
        skeleton: The skeleton.

    Returns:
        One colour a joint.

    Examples:
        >>> from keras_seal import skeletons
        >>> joint_colours(skeletons.get("human36m_17"))[0] == MIDDLE
        True
    """
    left, right = set(skeleton.left), set(skeleton.right)
    return [
        LEFT if joint in left else RIGHT if joint in right else MIDDLE
        for joint in range(skeleton.num_joints)
    ]


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """Make a white figure that no pyplot state knows of.

    Args:
        width: Inches.
        height: Inches.
        **options: Further arguments of `matplotlib.figure.Figure`.

    Returns:
        The figure.

    Examples:
        >>> new_figure(4, 3).get_size_inches().tolist()
        [4.0, 3.0]
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white", **options)


def add_headline(figure: Figure, title: str, left: float) -> None:
    """Write a title at the top left, small enough to fit.

    Args:
        figure: The figure.
        title: One line.
        left: Where it begins, inches.
    """
    width, height = figure.get_size_inches()
    # A bold letter is about 0.66 times as wide as its size; 72 points make an inch.
    fitting = 72 * (width - left - 0.1) / (0.66 * max(len(title), 1))
    figure.text(
        left / width,
        1 - 0.32 / height,
        title,
        va="center",
        fontsize=min(TITLE_SIZE, fitting),
        color=INK,
        weight="bold",
    )


def name_rows(
    figure: Figure, grid: Any, names: Sequence[str], left: float, size: float = HEADING_SIZE
) -> None:
    """Write beside each row of a grid what it shows, upwards.

    Args:
        figure: The figure.
        grid: Its grid of axes.
        names: A name for each row.
        left: Where they stand, inches.
        size: Of the letters, points.
    """
    for row, name in enumerate(names):
        box = grid[row, 0].get_position(figure)
        figure.text(
            left / figure.get_size_inches()[0],
            (box.y0 + box.y1) / 2,
            name,
            rotation=90,
            ha="center",
            va="center",
            fontsize=size,
            color=FAINT_INK,
        )


def plain_axes(ax: Any) -> None:
    """Strip axes of curves to a light grid and the lower left frame.

    Args:
        ax: Two-dimensional axes.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GRID)
    ax.tick_params(colors=FAINT_INK, labelsize=SMALL_SIZE, length=0, which="both")
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def skeleton_legend(skeleton: Skeleton, truth: bool = True) -> list[Any]:
    """Legend entries of the colours in use.

    Args:
        skeleton: The skeleton.
        truth: Whether a true pose is drawn as well.

    Returns:
        Handles for `legend(handles=...)`.

    Examples:
        >>> from keras_seal import skeletons
        >>> [entry.get_label() for entry in skeleton_legend(skeletons.get("human36m_17"))]
        ['left side', 'right side', 'middle', 'true pose']
    """
    from matplotlib.lines import Line2D

    used = set(bone_colours(skeleton))
    names = ((LEFT, "left side"), (RIGHT, "right side"), (MIDDLE, "middle"))
    entries = [
        Line2D([], [], color=colour, linewidth=3.5, solid_capstyle="round", label=name)
        for colour, name in names
        if colour in used
    ]
    if truth:
        entries.append(
            Line2D([], [], color=TRUTH, linewidth=1.8, dashes=(2.5, 1.5), label="true pose")
        )
    return entries


def checked_array(array: Any, name: str, skeleton: Skeleton, channels: Sequence[int]) -> np.ndarray:
    """Check an array of keypoints or poses that is to be drawn.

    Args:
        array: `(batch, frames, joints, channels)`.
        name: What messages call it.
        skeleton: The skeleton it must fit.
        channels: Allowed sizes of the last axis.

    Returns:
        The array as float64.

    Raises:
        ValueError: For another shape, no sample, or values that are not finite.

    Examples:
        >>> from keras_seal import skeletons
        >>> skeleton = skeletons.get("human36m_17")
        >>> checked_array(np.zeros((2, 3, 17, 2)), "keypoints", skeleton, (2, 3)).shape
        (2, 3, 17, 2)
    """
    array = np.asarray(array, "float64")
    if array.ndim != 4 or array.shape[2] != skeleton.num_joints or array.shape[3] not in channels:
        wanted = " or ".join(str(size) for size in channels)
        raise ValueError(
            f"{name} has shape {array.shape}: expected (batch, frames, {skeleton.num_joints}, "
            f"{wanted}) for the skeleton '{skeleton.name}'."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} has shape {array.shape}: there is nothing to draw.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values: they cannot be drawn.")
    return array
