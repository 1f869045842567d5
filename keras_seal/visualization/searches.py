"""Figure of what a search found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal.visualization import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OTHERS = "#9AA2AE"


def search_figure(
    values: Sequence[Any],
    scores: Sequence[float],
    *,
    name: str,
    objective: str,
    log: bool = False,
    highest: bool = False,
) -> Figure:
    """Show how a score depends on one parameter: a dot a trial, the best one marked.

    Args:
        values: The parameter's value in each trial: numbers, or texts for choices.
        scores: The score of each trial.
        name: What the parameter is called.
        objective: What the score is called.
        log: Whether the parameter is shown on a logarithmic axis.
        highest: Whether the best score is the highest.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        ValueError: If there is nothing to draw, or the lengths differ.

    Examples:
        >>> figure = search_figure([1e-4, 1e-2], [80.0, 75.0], name="seal.energy_weight",
        ...                        objective="val_mpjpe", log=True)
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_xscale()
        ('seal.energy_weight', 'log')
    """
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    if not len(scores) or len(values) != len(scores):
        raise ValueError(f"Got {len(values)} values and {len(scores)} scores: nothing to draw.")
    figure = style.new_figure(6.4, 4.2, layout="constrained")
    ax = figure.add_subplot()
    style.plain_axes(ax)
    texts = isinstance(values[0], str)
    names = list(dict.fromkeys(values)) if texts else []
    places = np.array([names.index(v) for v in values] if texts else values, "float64")
    if texts:
        # Dots of equal score would lie on each other.
        spread = np.random.default_rng(0).uniform(-0.12, 0.12, len(places))
        drawn = places + spread
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
    else:
        drawn = places
        if log:
            ax.set_xscale("log")
    best = int(np.argmax(scores) if highest else np.argmin(scores))
    heights = np.asarray(scores, "float64")
    ax.plot(drawn, heights, "o", color=_OTHERS, markersize=6, alpha=0.9, markeredgewidth=0)
    ax.plot(drawn[best], heights[best], "o", color=style.LEFT, markersize=9)
    if heights.min() > 0 and heights.max() > 5 * heights.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.margins(y=0.16)
    low, high, here = (np.log(x) if log else x for x in (*ax.get_xlim(), drawn[best]))
    x = (here - low) / (high - low)
    # Beyond the best there are no dots.
    ax.annotate(
        f"{heights[best]:.4g} at {values[best] if texts else format(values[best], '.4g')}",
        (drawn[best], heights[best]),
        xytext=(0, 9 if highest else -9),
        textcoords="offset points",
        ha="left" if x < 0.15 else "right" if x > 0.85 else "center",
        va="bottom" if highest else "top",
        fontsize=style.SMALL_SIZE,
        color=style.LEFT,
        weight="bold",
    )
    ax.set_xlabel(name, fontsize=style.TEXT_SIZE, color=style.INK)
    ax.set_ylabel(objective, fontsize=style.TEXT_SIZE, color=style.INK)
    ax.set_title(
        f"{len(scores)} trials", fontsize=style.TEXT_SIZE, color=style.FAINT_INK, loc="left"
    )
    return figure
