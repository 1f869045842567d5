"""Figures of what a loss-net knows, and where it pulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import skeletons
from keras_seal.visualization import style
from keras_seal.visualization.evaluation import facing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_seal.analysis import Curve, Descent, Landscape, Ranking

_SCALE, _SCALE_START = "YlOrRd", 0.18


def energy_curves_figure(curves: Mapping[str, Curve]) -> Figure:
    """Show how the energy rises as true poses are spoilt more and more.

    Args:
        curves: From `keras_seal.analysis.energy_curves`.

    Returns:
        The figure: a panel each, with the median and the middle half of the energies above the
        truth's own, and the share of poses above their truth at each point.
    """
    figure = style.new_figure(3.6 * len(curves), 3.3, layout="constrained")
    for ax, curve in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.values(), strict=True
    ):
        style.plain_axes(ax)
        low, middle, high = curve.excess
        # Sizes double from one to the next: they stand at equal distances.
        places = np.arange(len(curve.sizes))
        ax.fill_between(places, low, high, color=style.LEFT, alpha=0.15, linewidth=0)
        ax.plot(places, middle, color=style.LEFT, linewidth=2, marker="o", markersize=4)
        ax.axhline(0.0, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.set_xticks(places, [f"{size:g}" for size in curve.sizes])
        for place, value, share in zip(places[1:], middle[1:], curve.above, strict=True):
            ax.annotate(
                f"{100 * share:.0f} %",
                (place, value),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=style.SMALL_SIZE - 1,
                color=style.INK,
            )
        ax.margins(x=0.08, y=0.15)
        _title(ax, curve.title)
        _labels(ax, curve.unit, "energy above the truth's")
    return figure


def ranking_figure(ranking: Mapping[str, Ranking]) -> Figure:
    """Show how well true poses are told from spoilt ones.

    Args:
        ranking: From `keras_seal.analysis.ranking`.

    Returns:
        The figure: a bar each, from chance (0.5) to its AUROC, with its interval.
    """
    figure = style.new_figure(7.6, 0.9 + 0.32 * len(ranking), layout="constrained")
    ax = figure.subplots()
    style.plain_axes(ax)
    ax.grid(axis="y", visible=False)
    for place, each in enumerate(ranking.values()):
        value, low, high = each.auroc.value, each.auroc.low, each.auroc.high
        colour = style.LEFT if value >= 0.5 else style.RIGHT
        ax.barh(place, value - 0.5, left=0.5, height=0.62, color=colour, alpha=0.8)
        if np.isfinite(low):
            ax.plot([low, high], [place, place], color=style.INK, linewidth=1.4)
        ax.text(
            1.02, place, f"{value:.3f}", va="center", fontsize=style.SMALL_SIZE, color=style.INK
        )
    ax.axvline(0.5, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_yticks(range(len(ranking)), [each.title for each in ranking.values()])
    ax.tick_params(axis="y", labelsize=style.TEXT_SIZE, labelcolor=style.INK)
    ax.invert_yaxis()
    least = min(each.auroc.value for each in ranking.values())
    ax.set_xlim(min(0.4, least - 0.05), 1.0)
    _labels(ax, "AUROC: the true pose has the lower energy (0.5: chance)", "")
    return figure


def descent_figure(descent: Descent) -> Figure:
    """Show how distance and energy fall when noised poses follow the energy downhill.

    Args:
        descent: From `keras_seal.analysis.descend`.

    Returns:
        The figure.
    """
    figure = style.new_figure(8.4, 3.0, layout="constrained")
    left, right = figure.subplots(1, 2)
    for ax, values, name in (
        (left, descent.distances, "distance to the truth, mm"),
        (right, descent.energy, "energy"),
    ):
        style.plain_axes(ax)
        ax.plot(values, color=style.LEFT, linewidth=2)
        _labels(ax, "step", name)
    left.set_ylim(0.0, 1.08 * max(float(descent.distances.max()), 1e-9))
    right.axhline(
        descent.true_energy,
        color=style.TRUTH,
        linewidth=1.4,
        linestyle=(0, (3, 1.5)),
        label="truth",
    )
    right.legend(frameon=False, fontsize=style.SMALL_SIZE, labelcolor=style.INK)
    return figure


def alignment_figure(cosines: Any) -> Figure:
    """Show how often the energy pulls towards the truth.

    Args:
        cosines: One a pose.

    Returns:
        The figure: a histogram, with chance and the mean.

    Examples:
        >>> len(alignment_figure([0.1, 0.2, -0.1]).axes)
        1
    """
    figure = style.new_figure(6.4, 2.8, layout="constrained")
    draw_alignment(figure.subplots(), cosines)
    return figure


def landscape_figure(found: Landscape) -> Figure:
    """Show the energy on a plane through the truth.

    Args:
        found: From `keras_seal.analysis.landscape`.

    Returns:
        The figure.
    """
    figure = style.new_figure(5.6, 3.8, layout="constrained")
    draw_landscape(figure, figure.subplots(), found)
    return figure


def bone_values_figure(
    values: Any, pose: Any, skeleton: Any, *, titles: Sequence[str], unit: str
) -> Figure:
    """Draw a number of each bone on the skeleton, as its colour and its width.

    Args:
        values: `(panels, bones)`, at least 0.
        pose: A pose `(joints, 3)` to draw them on, metres, y down; it is turned to the front.
        skeleton: A skeleton, a built-in name, or a path.
        titles: A title for each panel.
        unit: What the numbers are in.

    Returns:
        The figure.

    Raises:
        ValueError: The arrays do not fit the skeleton, or are not finite.

    Examples:
        >>> pose = np.random.default_rng(0).normal(size=(17, 3))
        >>> figure = bone_values_figure(np.ones((1, 16)), pose, "human36m_17", titles=["a"],
        ...                             unit="%")
        >>> figure.axes[0].get_title(loc="left")
        'a'
    """
    skeleton = skeletons.get(skeleton)
    values = np.asarray(values, "float64")
    if values.ndim != 2 or values.shape[1] != skeleton.num_bones or not np.isfinite(values).all():
        raise ValueError(
            f"values has shape {values.shape}: expected finite numbers of the shape (panels, "
            f"{skeleton.num_bones}) for the skeleton '{skeleton.name}'."
        )
    figure = style.new_figure(4.4 * len(values), 5.0, layout="constrained")
    for ax, numbers, title in zip(
        figure.subplots(1, len(values), squeeze=False)[0], values, titles, strict=True
    ):
        draw_bone_values(figure, ax, numbers, pose, skeleton, unit)
        _title(ax, title, style.HEADING_SIZE)
    return figure


def energy_health_figure(
    *,
    cosines: Any,
    forces: Any,
    bones: Any,
    pose: Any,
    skeleton: Any,
    landscape: Landscape,
    epochs: Mapping[str, Any],
    title: str,
) -> Figure:
    """Show the health of a loss-net after an epoch on one sheet.

    Args:
        cosines: Alignment of each sample's pull with the way to its truth.
        forces: Force ratio of each sample.
        bones: Share of the force on each bone `(bones,)`, %.
        pose: A pose `(joints, 3)` to draw them on, metres, y down.
        skeleton: Its skeleton.
        landscape: The energy around the truth.
        epochs: `epoch`, `energy_gap` and `ranking_accuracy` of all epochs so far.
        title: A line over everything.

    Returns:
        The figure.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    skeleton = skeletons.get(skeleton)
    figure = style.new_figure(12.6, 7.6)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 0.93), w_pad=0.1, h_pad=0.1)
    panels = figure.subplots(2, 3)
    style.add_headline(figure, title, 0.15)
    draw_landscape(figure, panels[0, 0], landscape)
    draw_alignment(panels[0, 1], cosines)
    bones = np.asarray(bones, "float64")
    draw_bone_values(figure, panels[0, 2], bones, pose, skeleton, "% of the force", labels=False)
    _title(panels[0, 2], "Bones that are penalised")
    forces = np.asarray(forces, "float64")
    ax = panels[1, 0]
    style.plain_axes(ax)
    positive = forces[forces > 0]
    if len(positive):
        low, high = np.log10(positive.min()), np.log10(positive.max())
        bins = np.logspace(low - 0.05, high + 0.05, 41)
        ax.hist(positive, bins, color=style.LEFT, alpha=0.7)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.axvline(np.median(positive), color=style.INK, linewidth=1.2)
    _title(ax, "Force ratio of each sample")
    _labels(ax, "pull of the energy over that of the pose loss", "samples")
    for ax, name, heading, chance in (
        (panels[1, 1], "energy_gap", "Energy gap: prediction less truth", 0.0),
        (panels[1, 2], "ranking_accuracy", "Ranking: predictions above the truth", 0.5),
    ):
        style.plain_axes(ax)
        ax.axhline(chance, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
        ax.plot(
            epochs["epoch"], epochs[name], color=style.LEFT, linewidth=2, marker="o", markersize=3
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        _title(ax, heading)
        _labels(ax, "epoch", "")
    return figure


def draw_alignment(ax: Any, cosines: Any) -> None:
    """Draw a histogram of alignments.

    Args:
        ax: Where.
        cosines: One a pose.
    """
    cosines = np.ravel(np.asarray(cosines, "float64"))
    style.plain_axes(ax)
    ax.axvline(0.0, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.axvline(cosines.mean(), color=style.INK, linewidth=1.4)
    reach = min(1.0, max(0.25, 1.2 * float(np.abs(cosines).max())))
    ax.hist(cosines, np.linspace(-reach, reach, 41), color=style.LEFT, alpha=0.7)
    ax.set_xlim(-reach, reach)
    _title(ax, f"Alignment with the error: mean {cosines.mean():.3f}")
    _labels(ax, "cosine of the pull and the way to the truth (0: chance)", "poses")


def draw_landscape(figure: Any, ax: Any, found: Landscape) -> None:
    """Draw an energy landscape.

    Args:
        figure: The figure.
        ax: Where.
        found: The landscape.
    """
    height = np.asarray(found.excess, "float64")
    if np.ptp(height) > 0:
        filled = ax.contourf(found.towards, found.scaled, height, levels=14, cmap="viridis")
        bar = figure.colorbar(filled, ax=ax, shrink=0.9)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=style.FAINT_INK, labelsize=style.SMALL_SIZE, length=0)
    style.plain_axes(ax)
    ax.grid(visible=False)
    for place, name in ((0.0, "truth"), (1.0, "prediction")):
        ax.plot(place, 0.0, "o", color="white", markersize=6, markeredgecolor="black")
        ax.annotate(
            name,
            (place, 0.0),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=style.SMALL_SIZE,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
            color=style.INK,
        )
    _title(ax, "Energy around the truth, above the truth's")
    _labels(ax, "from the truth to the prediction", "bones longer or shorter, %")


def draw_bone_values(
    figure: Any,
    ax: Any,
    values: np.ndarray,
    pose: Any,
    skeleton: skeletons.Skeleton,
    unit: str,
    *,
    labels: bool = True,
) -> None:
    """Draw a number of each bone on the skeleton.

    Args:
        figure: The figure.
        ax: Where.
        values: `(bones,)`, at least 0.
        pose: `(joints, 3)`, metres, y down.
        skeleton: Its skeleton.
        unit: What the numbers are in.
        labels: Whether the numbers stand beside the bones, as far as there are not too many.
    """
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    checked = style.checked_array(np.asarray(pose)[None, None], "pose", skeleton, (3,))[0, 0]
    points = facing(checked, skeleton)[:, :2]
    spread = max(float(np.ptp(points)), 1e-3)
    colours = LinearSegmentedColormap.from_list(
        "values", colormaps[_SCALE](np.linspace(_SCALE_START, 1.0, 64))
    )
    norm = Normalize(0.0, max(float(values.max()), 1e-12))
    few = skeleton.num_bones <= 30
    segments = [points[list(bone)] for bone in skeleton.bones]
    outline = LineCollection(
        segments,
        colors=style.FAINT_INK,
        linewidths=(5.4 + 6 * norm(values)) * (1 if few else 0.3),
        capstyle="round",
    )
    lines = LineCollection(
        segments,
        cmap=colours,
        norm=norm,
        linewidths=(4 + 6 * norm(values)) * (1 if few else 0.3),
        capstyle="round",
    )
    lines.set_array(values)
    ax.add_collection(outline)
    ax.add_collection(lines)
    if few and labels:
        for (start, end), value in zip(segments, values, strict=True):
            # To the right of an upright bone, below a level one, where others seldom are.
            right, down = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
            beside = np.array([-down, -right])
            points_there = beside[0] > 0 if abs(beside[0]) > 0.5 else beside[1] < 0
            beside = beside if points_there else -beside
            ax.annotate(
                f"{value:.1f}",
                (start + end) / 2,
                xytext=tuple(15 * beside),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=style.SMALL_SIZE - 1,
                color=style.INK,
            )
    ax.set_aspect("equal")
    ax.set_xlim(points[:, 0].min() - 0.14 * spread, points[:, 0].max() + 0.18 * spread)
    ax.set_ylim(points[:, 1].max() + 0.06 * spread, points[:, 1].min() - 0.06 * spread)
    ax.set_axis_off()
    bar = figure.colorbar(lines, ax=ax, orientation="horizontal", shrink=0.7, aspect=34, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=style.FAINT_INK, labelsize=style.SMALL_SIZE, length=0)
    bar.set_label(unit, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)


def _title(ax: Any, text: str, size: float = style.TEXT_SIZE) -> None:
    ax.set_title(text, fontsize=size, color=style.INK, loc="left")


def _labels(ax: Any, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    ax.set_ylabel(y, fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
