"""Figure of how training went."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal.visualization import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
# Where a column's name begins so, it tells of other data than the training data.
_SERIES = {"": "training", "val_": "validation", "held_out_": "held out"}
_COLOURS = {"training": "#9AA2AE", "validation": style.LEFT, "held out": "#009E73"}
_TITLES = {
    "loss": "Total loss",
    "pose_loss": "Pose loss",
    "loss_net_loss": "Loss-net loss",
    "mpjpe": "MPJPE, mm",
    "p_mpjpe": "P-MPJPE, mm",
    "n_mpjpe": "N-MPJPE, mm",
    "mpjve": "MPJVE, mm a frame",
    "lse": "Limb symmetry error, mm",
    "lse_percent": "Limb symmetry error, %",
    "bsle": "Body-segment length error, mm",
    "bsle_percent": "Body-segment length error, %",
    "lle": "Limb length error, mm",
    "lle_percent": "Limb length error, %",
    "jae": "Joint angle error, degrees",
    "energy": "Energy: prediction (solid), truth (dashed)",
    "energy_gap": "Energy gap: prediction less truth",
    "ranking_accuracy": "Ranking: predictions above the truth",
    "force_ratio": "Force ratio: energy over pose loss",
    "alignment": "Alignment of energy with the error",
    "bone_length_drift": "Bone-length drift, mm",
    "bone_length_std": "Bone-length spread, mm",
    "bone_asymmetry": "Bone asymmetry, mm",
    "energy_weight": "Energy weight",
    "learning_rate": "Learning rate",
    "learning_rate_pose_net_optimizer": "Learning rate of the pose-net",
    "learning_rate_loss_net_optimizer": "Learning rate of the loss-net",
    "seconds": "Seconds an epoch",
}
_ENERGIES = {"energy_true": "truth", "energy_pred": "prediction"}
# Values that mean something by themselves: chance.
_REFERENCES = {"ranking_accuracy": 0.5, "alignment": 0.0, "energy_gap": 0.0}
# Errors to be minimised: their lowest validation value is worth a mark.
_ERRORS = tuple(name for name in _TITLES if name.startswith(("mpj", "p_", "n_", "ls", "bsl", "ll")))


def training_curves(
    history: Mapping[str, Sequence[float]] | str | os.PathLike[str], *, title: str | None = None
) -> Figure:
    """Show losses, errors and the health of the loss-net over the epochs.

    One panel a quantity, with training, validation (`val_...`) and held-out (`held_out_...`, of
    `EnergyMonitor`) values. A mark shows the lowest validation error. Ranking accuracy and
    alignment come with a line at chance. Quantities that were not logged get no panel.

    Args:
        history: The CSV file of `keras.callbacks.CSVLogger`, or a dictionary of one list a
            quantity such as `model.fit(...).history`. An `"epoch"` column is used as it stands;
            without one, epochs count from 1.
        title: A line over everything.

    Returns:
        The figure; `save_figure` writes it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is nothing to draw, or the columns have different lengths.

    Examples:
        >>> history = {"loss": [3.0, 2.0], "val_loss": [3.1, 2.4], "mpjpe": [90, 80]}
        >>> figure = training_curves(history)
        >>> [ax.get_title(loc="left") for ax in figure.axes]
        ['Total loss', 'MPJPE, mm']
    """
    columns = _columns(history)
    length = len(next(iter(columns.values())))
    epochs = columns.pop("epoch", np.arange(1.0, length + 1))
    panels = _panels(columns)
    if not panels:
        raise ValueError("The history holds no finite value of any quantity: nothing to draw.")
    rows = -(-len(panels) // _COLUMNS)
    heading = 0.55 if title else 0.1
    figure = style.new_figure(4.1 * min(len(panels), _COLUMNS), heading + 2.75 * rows + 0.3)
    height = figure.get_size_inches()[1]
    figure.set_layout_engine(
        "constrained",
        rect=(0, 0.3 / height, 1, 1 - (heading + 0.3) / height),
        w_pad=0.12,
        h_pad=0.12,
    )
    shown: dict[str, Any] = {}
    for place, (name, lines) in enumerate(panels.items()):
        ax = figure.add_subplot(rows, min(len(panels), _COLUMNS), place + 1)
        _draw_panel(ax, name, lines, epochs)
        for line in ax.get_lines():
            label = str(line.get_label())
            if not label.startswith("_"):
                shown.setdefault(label, line)
        if place + _COLUMNS >= len(panels):
            ax.set_xlabel("epoch", fontsize=style.SMALL_SIZE, color=style.FAINT_INK)
    if title:
        style.add_headline(figure, title, 0.15)
    figure.legend(
        handles=list(shown.values()),
        loc="lower center",
        ncols=len(shown),
        frameon=False,
        fontsize=style.TEXT_SIZE,
        labelcolor=style.INK,
    )
    return figure


def _columns(history: Any) -> dict[str, np.ndarray]:
    if not isinstance(history, Mapping):
        history = read_table(history)
    columns = {name: np.asarray(values, "float64") for name, values in history.items()}
    lengths = {name: column.shape for name, column in columns.items()}
    if not columns or any(len(shape) != 1 or not shape[0] for shape in lengths.values()):
        raise ValueError(f"The history must hold one list of numbers a quantity, got {lengths}.")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The columns of the history differ in length: {lengths}.")
    return columns


def read_table(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Read a CSV file of numbers.

    Args:
        path: The file.

    Returns:
        Numbers by column; NaN where a cell holds none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no row.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no history at '{path}'.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"'{path}' holds no epoch.")
    return {name: [_number(row[name]) for row in rows] for name in rows[0] if name is not None}


def _number(cell: str | None) -> float:
    """A cell's number; NaN where Keras wrote `NA` or the line was cut off."""
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        return float("nan")


def _panels(columns: Mapping[str, np.ndarray]) -> dict[str, dict[tuple[str, str], np.ndarray]]:
    """Lines by panel; a line is known by its series and, among energies, by whose it is."""
    panels: dict[str, dict[tuple[str, str], np.ndarray]] = {}
    for column, values in columns.items():
        if not np.isfinite(values).any():
            continue
        prefix = next(p for p in ("val_", "held_out_", "") if column.startswith(p))
        name, whose = column.removeprefix(prefix), ""
        if name in _ENERGIES:
            name, whose = "energy", _ENERGIES[name]
        panels.setdefault(name, {})[_SERIES[prefix], whose] = values
    order = list(_TITLES)
    known = [name for name in order if name in panels]
    return {name: panels[name] for name in [*known, *sorted(set(panels) - set(known))]}


def _draw_panel(
    ax: Any, name: str, lines: Mapping[tuple[str, str], np.ndarray], epochs: np.ndarray
) -> None:
    from matplotlib.ticker import MaxNLocator

    style.plain_axes(ax)
    ax.set_title(
        _TITLES.get(name, name.replace("_", " ")),
        fontsize=style.TEXT_SIZE,
        color=style.INK,
        loc="left",
    )
    reference = _REFERENCES.get(name)
    if reference is not None:
        ax.axhline(reference, color=style.FAINT_INK, linewidth=1, linestyle=(0, (4, 3)))
    for (series, whose), values in lines.items():
        # One epoch is no line: a dot shows it.
        marker = "o" if np.isfinite(values).sum() == 1 else ""
        drawn = np.isfinite(values)
        ax.plot(
            epochs[drawn],
            values[drawn],
            color=_COLOURS[series],
            linestyle=(0, (3, 1.5)) if whose == "truth" else "-",
            linewidth=1.6 if series == "training" else 2.0,
            marker=marker,
            label="_truth" if whose == "truth" else series,
        )
    every = np.concatenate([values[np.isfinite(values)] for values in lines.values()])
    falls = name in _ERRORS or name.endswith("loss")
    if falls and every.min() > 0 and every.max() > 5 * every.min():
        _use_log_scale(ax)
    if name in _ERRORS and ("validation", "") in lines:
        _mark_lowest(ax, epochs, lines["validation", ""])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    ax.margins(x=0.03, y=0.12)


def _use_log_scale(ax: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _mark_lowest(ax: Any, epochs: np.ndarray, values: np.ndarray) -> None:
    from matplotlib.patheffects import withStroke

    place = int(np.nanargmin(values))
    colour = _COLOURS["validation"]
    ax.plot(epochs[place], values[place], "o", color=colour, markersize=6, label="_lowest")
    ax.annotate(
        f"{values[place]:.1f}",
        (epochs[place], values[place]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if place > len(values) / 2 else "left",
        fontsize=style.SMALL_SIZE,
        color=colour,
        weight="bold",
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
