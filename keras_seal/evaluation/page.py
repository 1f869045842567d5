"""The report of an evaluation: for programs, for terminals, and as a page with pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files, pages
from keras_seal.data import PoseSequences
from keras_seal.evaluation.figures import FIGURES, shown
from keras_seal.evaluation.h3wb import H3WB, submission
from keras_seal.evaluation.measuring import Measurements
from keras_seal.evaluation.scores import Scores, Table, sequence_rows
from keras_seal.geometry import root_relative

# Longer tables are cut for people; the JSON holds them whole.
_MOST_ROWS = 60
_MOST_FRAMES = 500
_RANKS = {
    "best": 0.0,
    "25 % are better": 0.25,
    "median": 0.5,
    "25 % are worse": 0.75,
    "5 % are worse": 0.95,
    "worst": 1.0,
}
# What poses are ranked by: the first that was measured.
_RANKED_BY = ("mpjpe", "reprojection")


def write_report(
    folder: str | Path,
    title: str,
    scores: Scores,
    facts: Mapping[str, Any],
) -> list[Path]:
    """Write `report.json`, `report.md`, `report.html` and `sequences.csv`.

    The page is one file that loads nothing. For H3WB the file to hand in (`2Dto3D_pred.json`) is
    written too.

    Args:
        folder: Where to; it is made where it is missing, and older files are replaced.
        title: The report's title.
        scores: What a protocol gave.
        facts: What else the report shall state, by name: the run, the backend, ...

    Returns:
        The files.

    Raises:
        UserError: A submission cannot be made of these predictions.
        OSError: A file cannot be written.
    """
    folder = Path(folder)
    content = {"title": title, **facts, **scores.to_dict()}
    texts = {
        "report.json": files.to_json(content),
        "report.md": to_markdown(title, scores, facts),
        "report.html": to_html(title, scores, facts),
        "sequences.csv": to_csv(sequence_rows(scores)),
    }
    samples = scores.data.labels.get("sample_id")
    if scores.protocol == H3WB.name and samples is not None and (samples >= 0).all():
        texts[submission_name(scores.data)] = submission(scores.poses, scores.data)
    for name, text in texts.items():
        files.write_text(folder / name, text)
    return [folder / name for name in texts]


def submission_name(sequences: PoseSequences) -> str:
    """Name the file to hand in to H3WB; its own script tells the task by the name.

    Args:
        sequences: The test set; incomplete keypoints have a third channel.

    Returns:
        The name.
    """
    return "I2Dto3D_pred.json" if sequences.num_channels == 3 else "2Dto3D_pred.json"


def headline(scores: Scores) -> list[tuple[str, str, str, str]]:
    """Lay out the figures.

    Args:
        scores: What a protocol gave.

    Returns:
        Title, value, value of the true poses themselves (empty where it says nothing) and unit.
    """
    return [
        (
            figure.title,
            shown(name, scores.figures[name]),
            shown(name, scores.truth.get(name)),
            figure.unit,
        )
        for name, figure in FIGURES.items()
        if name in scores.figures
    ]


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Lay out a table for people, cut where it is long.

    Args:
        table: The table.

    Returns:
        Headings, and rows of cells; the first column names the row.
    """
    counted = table.frames is not None
    headings = ["", *(["frames"] if counted else [])]
    headings += [f"{FIGURES[name].title}, {FIGURES[name].unit}" for name in table.columns]
    rows = []
    for name in list(table.rows)[:_MOST_ROWS]:
        row = [name.replace("_", " ")]
        if table.frames is not None:
            row.append(f"{table.frames[name]:,}")
        rows.append(row + [shown(column, table.rows[name].get(column)) for column in table.columns])
    return headings, rows


def to_markdown(title: str, scores: Scores, facts: Mapping[str, Any]) -> str:
    """Write the report as Markdown.

    Args:
        title: Its title.
        scores: What a protocol gave.
        facts: What else to state.

    Returns:
        The text.
    """
    lines = [f"# {title}", "", *_statement(scores, facts), ""]
    lines += markdown_table(
        ["figure", "prediction", "truth itself", "unit"], [list(row) for row in headline(scores)]
    )
    for table in scores.tables:
        headings, rows = cells(table)
        lines += [f"## {table.title.capitalize()}", "", *markdown_table(headings, rows)]
        if len(table.rows) > len(rows):
            lines += [f"The first {len(rows)} of {len(table.rows)}; all are in report.json.", ""]
    return "\n".join(lines)


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Write rows as CSV, every key a column.

    Args:
        rows: The rows; a key that one lacks is left empty.

    Returns:
        The text.

    Examples:
        >>> print(to_csv([{"name": "a", "mpjpe": 1.5}, {"name": "b"}]), end="")
        name,mpjpe
        a,1.5
        b,
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_html(title: str, scores: Scores, facts: Mapping[str, Any]) -> str:
    """Write the report as one HTML page with pictures, which loads nothing.

    Args:
        title: Its title.
        scores: What a protocol gave.
        facts: What else to state.

    Returns:
        The page.
    """
    return pages.render(
        "keras_seal.evaluation",
        "report.html",
        title,
        scores=scores,
        facts=facts,
        headline=headline(scores),
        tables=[(table, *cells(table)) for table in scores.tables],
        pictures=pictures(scores),
    )


def pictures(scores: Scores) -> list[tuple[str, str]]:
    """Draw what the page shows.

    Args:
        scores: What a protocol gave.

    Returns:
        A caption and an SVG element each.
    """
    from keras_seal import visualization
    from keras_seal.visualization import evaluation as figures

    measured, sequences = scores.measurements, scores.data
    skeleton = measured.skeleton
    drawn: list[tuple[str, Any]] = []
    if measured.joint_errors is not None and measured.aligned_joint_errors is not None:
        drawn.append(
            (
                "Mean error of each joint, in millimetres",
                figures.joint_error_figure(
                    np.stack(
                        [
                            measured.joint_errors.mean(axis=0, dtype="float64"),
                            measured.aligned_joint_errors.mean(axis=0, dtype="float64"),
                        ]
                    ),
                    figures.clearest(sequences.poses[measured.frames], skeleton),
                    skeleton,
                    titles=("MPJPE", "P-MPJPE"),
                ),
            )
        )
    drawn.append(("Distribution of errors", _distribution(measured)))
    poses = _ranked(scores)
    if poses is not None:
        drawn.append(("From the best to the worst pose", poses))
    owner = _typical_sequence(measured)
    if owner is not None:
        rows = np.flatnonzero(measured.owners == owner)
        gaps = np.flatnonzero(np.diff(measured.frames[rows]) > 1)
        rows = rows[: min(_MOST_FRAMES, int(gaps[0]) + 1 if len(gaps) else len(rows))]
        true = measured.true_bone_lengths
        figure = figures.lengths_over_time_figure(
            measured.bone_lengths[rows],
            None if true is None else true[rows],
            skeleton,
            fps=float(sequences.fps[owner]),
        )
        caption = f"Bone lengths over time, in a typical sequence: {sequences.names[owner]}"
        drawn.append((caption, figure))
    if skeleton.bone_mirror_pairs:
        figure = figures.symmetry_figure(
            measured.bone_lengths, measured.true_bone_lengths, skeleton
        )
        drawn.append(("Symmetry: left against right bones", figure))
    return [(caption, visualization.figure_to_svg(figure, caption)) for caption, figure in drawn]


def _statement(scores: Scores, facts: Mapping[str, Any]) -> list[str]:
    return [
        f"{scores.frames:,} frames in {scores.sequences:,} sequences. Protocol "
        f"`{scores.protocol}`:",
        "",
        *(f"- {sentence}" for sentence in scores.variant),
        *(f"- {name}: {value}" for name, value in facts.items()),
        *(f"- **Note:** {note}" for note in scores.notes),
    ]


def markdown_table(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out a table as Markdown, columns of numbers to the right.

    Args:
        headings: Its headings; the first column names the row.
        rows: Rows of cells.

    Returns:
        Lines, an empty one at the end.

    Examples:
        >>> markdown_table(["", "mm"], [["a", "1.5"]])
        ['|  | mm |', '| --- | ---: |', '| a | 1.5 |', '']
    """
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(headings))]
    marks = ["---:" if number and column else "---" for column, number in enumerate(numeric)]
    return [
        f"| {' | '.join(headings)} |",
        f"| {' | '.join(marks)} |",
        *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
        "",
    ]


def _is_number(cell: str) -> bool:
    return not cell or cell.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


def _distribution(measured: Measurements) -> Any:
    from keras_seal.visualization import evaluation as figures

    if measured.joint_errors is None or measured.aligned_joint_errors is None:
        if "reprojection_percent" not in measured.series:
            return figures.error_distribution_figure(
                {"relative LSE": measured.series["lse_percent"].values}, unit="%"
            )
        values = measured.series["reprojection_percent"].values
        return figures.error_distribution_figure(
            {"reprojection": values}, unit="% of the person's size"
        )
    titles = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE"}
    counted = list(measured.joints)
    return figures.error_distribution_figure(
        {title: measured.series[name].values for name, title in titles.items()},
        {
            "MPJPE": measured.joint_errors[:, counted],
            "P-MPJPE": measured.aligned_joint_errors[:, counted],
        },
    )


def _ranked(scores: Scores) -> Any:
    from keras_seal.visualization import evaluation as figures

    measured, sequences = scores.measurements, scores.data
    skeleton = sequences.skeleton
    name = next((name for name in _RANKED_BY if name in measured.series), None)
    if name is None:
        return None
    series = measured.series[name]
    order = np.argsort(series.values, kind="stable")
    places = [round(rank * (len(order) - 1)) for rank in _RANKS.values()]
    rows = series.rows[order[places]]
    frames, owners = measured.frames[rows], measured.owners[rows]
    labels = [
        f"{rank}\n{series.values[order[place]]:.1f} {FIGURES[name].unit}\n"
        f"{_short(sequences.subjects[owner], sequences.actions[owner])}"
        for rank, place, owner in zip(_RANKS, places, owners, strict=True)
    ]
    predicted = root_relative(scores.poses[frames].astype("float64"), skeleton)
    true = None
    if measured.true_bone_lengths is not None:
        true = root_relative(sequences.poses[frames].astype("float64"), skeleton)
    return figures.ranked_poses_figure(
        np.nan_to_num(sequences.keypoints[frames]), predicted, true, skeleton, labels
    )


def _short(subject: str, action: str) -> str:
    text = f"{subject} {action}".replace("_", " ")
    return text if len(text) <= 22 else text[:21] + "\N{HORIZONTAL ELLIPSIS}"


def _typical_sequence(measured: Measurements) -> int | None:
    """Find the sequence whose error is the median, among those that last a while."""
    name = next((name for name in _RANKED_BY if name in measured.series), None)
    if name is None:
        return None
    sums, counts = measured.by_sequence(name)
    long = np.flatnonzero(counts >= min(25, counts.max()))
    if counts.max() < 2:
        return None
    means = sums[long] / counts[long]
    return int(long[np.argsort(means, kind="stable")[len(long) // 2]])
