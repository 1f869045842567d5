"""Figure of bone lengths and of how alike left and right are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import geometry, skeletons
from keras_seal.visualization import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def limb_length_figure(
    y_true: Any, y_pred: Any, skeleton: Any, *, title: str | None = None
) -> Figure:
    """Show how far predicted bone lengths are from the true ones, and left from right.

    On the left, for each bone, the mean of predicted less true length, with the standard
    deviation over all frames; the true mean length stands at the bone's name. On the right, for
    each mirrored pair, left less right: predicted (mean and standard deviation) and true (mean).

    Args:
        y_true: True poses, `(batch, frames, joints, 3)`, metres.
        y_pred: Predicted poses, the same shape.
        skeleton: A skeleton, a built-in name, or a path.
        title: A line over everything.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        ValueError: If the arrays do not fit each other or the skeleton, or are not finite.

    Examples:
        >>> import numpy as np
        >>> poses = np.random.default_rng(0).normal(size=(8, 1, 17, 3))
        >>> figure = limb_length_figure(poses, 1.1 * poses, "human36m_17")
        >>> len(figure.axes)
        2
    """
    skeleton = skeletons.get(skeleton)
    true, predicted = (
        _lengths(array, name, skeleton) for array, name in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if true.shape != predicted.shape:
        raise ValueError(
            f"y_true and y_pred hold {len(true)} and {len(predicted)} frames: they must hold the "
            "same ones."
        )
    order = _paired_order(skeleton)
    pairs = skeleton.bone_mirror_pairs
    heading = 0.5 if title else 0.0
    figure = style.new_figure(11.5 if pairs else 7.5, heading + 1.3 + 0.27 * len(order))
    height = figure.get_size_inches()[1]
    figure.set_layout_engine(
        "constrained", rect=(0, 0, 1, 1 - heading / height), w_pad=0.1, h_pad=0.08
    )
    panels = figure.subplots(1, 2, width_ratios=(1.25, 1)) if pairs else [figure.subplots()]
    _draw_bones(panels[0], true, predicted, order, skeleton)
    if pairs:
        _draw_pairs(panels[1], true, predicted, skeleton)
    if title:
        style.add_headline(figure, title, 0.12)
    return figure


def bone_drift_figure(drift: Any, epochs: Sequence[int], skeleton: Any) -> Figure:
    """Show how far the bones' mean lengths are from the true ones, epoch by epoch.

    Args:
        drift: Predicted less true mean lengths `(bones, epochs)`, millimetres.
        epochs: Numbers of the epochs.
        skeleton: A skeleton, a built-in name, or a path.

    Returns:
        The figure: blue where bones are too short, red where they are too long.

    Raises:
        ValueError: If the array does not fit the skeleton and the epochs.

    Examples:
        >>> figure = bone_drift_figure(np.zeros((16, 3)), [1, 2, 3], "human36m_17")
        >>> len(figure.axes[0].get_yticks())
        16
    """
    skeleton = skeletons.get(skeleton)
    drift = np.asarray(drift, "float64")
    if drift.shape != (skeleton.num_bones, len(epochs)):
        raise ValueError(
            f"drift has shape {drift.shape}: expected ({skeleton.num_bones}, {len(epochs)}), the "
            f"bones of '{skeleton.name}' and the epochs."
        )
    figure = style.new_figure(7.4, 1.4 + 0.24 * skeleton.num_bones, layout="constrained")
    ax = figure.subplots()
    reach = max(float(np.abs(drift).max()), 1.0)
    shown = ax.imshow(drift, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    ax.spines[:].set_visible(False)
    ax.tick_params(colors=style.FAINT_INK, labelsize=style.SMALL_SIZE, length=0)
    labels = [_readable(name.replace("-", " \N{EN DASH} ")) for name in skeleton.bone_names]
    ax.set_yticks(range(skeleton.num_bones), labels)
    places = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), 10)).astype(int))
    ax.set_xticks(places, [str(epochs[place]) for place in places])
    ax.set_xlabel("epoch", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    ax.set_title(
        "Mean bone lengths, predicted less true",
        fontsize=style.TEXT_SIZE,
        color=style.INK,
        loc="left",
    )
    bar = figure.colorbar(shown, ax=ax)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=style.FAINT_INK, labelsize=style.SMALL_SIZE, length=0)
    bar.set_label("mm", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    return figure


def _lengths(array: Any, name: str, skeleton: skeletons.Skeleton) -> np.ndarray:
    """Bone lengths in mm, `(frames of all samples, bones)`."""
    array = style.checked_array(array, name, skeleton, (3,))
    return 1e3 * geometry.bone_lengths(array.reshape(-1, *array.shape[2:]), skeleton)


def _paired_order(skeleton: skeletons.Skeleton) -> list[int]:
    """Bones in their own order, but the two of a pair together, left first."""
    pairs = {bone: pair for pair in skeleton.bone_mirror_pairs for bone in pair}
    order: list[int] = []
    for bone in range(skeleton.num_bones):
        if bone not in order:
            order.extend(pairs.get(bone, (bone,)))
    return order


def _readable(joint: str) -> str:
    return joint.replace("_", " ")


def _draw_bones(
    ax: Any,
    true: np.ndarray,
    predicted: np.ndarray,
    order: list[int],
    skeleton: skeletons.Skeleton,
) -> None:
    errors = predicted - true
    colours = style.bone_colours(skeleton)
    labels = []
    for row, bone in enumerate(order):
        _draw_spread(ax, errors[:, bone], row, colours[bone])
        parent, child = (_readable(skeleton.joints[joint]) for joint in skeleton.bones[bone])
        labels.append(f"{parent} \N{EN DASH} {child}  ({true[:, bone].mean():.0f} mm)")
    _finish(ax, labels, "predicted less true length, mm (bar: \N{PLUS-MINUS SIGN} one deviation)")
    ax.set_title(
        f"Bone lengths: mean error {np.abs(errors).mean():.1f} mm",
        fontsize=style.HEADING_SIZE,
        color=style.INK,
        loc="left",
    )


def _draw_pairs(
    ax: Any, true: np.ndarray, predicted: np.ndarray, skeleton: skeletons.Skeleton
) -> None:
    labels = []
    left, right = np.array(skeleton.bone_mirror_pairs).T
    difference, reference = (lengths[:, left] - lengths[:, right] for lengths in (predicted, true))
    for row in range(len(left)):
        _draw_spread(ax, difference[:, row], row, style.MIDDLE)
        parent, child = (_readable(skeleton.joints[j]) for j in skeleton.bones[left[row]])
        labels.append(f"{parent} \N{EN DASH} {child}".replace("left ", ""))
    ax.plot(
        reference.mean(axis=0),
        np.arange(len(left)),
        linestyle="",
        marker="D",
        markersize=6,
        markerfacecolor="white",
        markeredgecolor=style.TRUTH,
        markeredgewidth=1.5,
        zorder=4,
        label="true",
    )
    _finish(ax, labels, "left less right, mm (bar: \N{PLUS-MINUS SIGN} one deviation)")
    ax.set_title(
        f"Asymmetry: mean {np.abs(difference).mean():.1f} mm, true {np.abs(reference).mean():.1f}",
        fontsize=style.HEADING_SIZE,
        color=style.INK,
        loc="left",
    )
    ax.legend(frameon=False, fontsize=style.SMALL_SIZE, labelcolor=style.INK, loc="best")


def _draw_spread(ax: Any, values: np.ndarray, row: int, colour: str) -> None:
    mean, deviation = values.mean(), values.std()
    ax.plot(
        [mean - deviation, mean + deviation],
        [row, row],
        color=colour,
        alpha=0.35,
        linewidth=6,
        solid_capstyle="round",
    )
    ax.plot(mean, row, "o", color=colour, markersize=6, zorder=3)


def _finish(ax: Any, labels: list[str], quantity: str) -> None:
    style.plain_axes(ax)
    ax.grid(axis="y", visible=False)
    ax.axvline(0.0, color=style.FAINT_INK, linewidth=1)
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", labelcolor=style.INK)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    low, high = ax.get_xlim()
    reach = max(abs(low), abs(high))
    ax.set_xlim(-reach, reach)
    ax.set_xlabel(quantity, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
