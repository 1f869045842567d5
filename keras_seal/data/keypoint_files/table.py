"""Plain tables: CSV with one row a joint or one row a person."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from keras_seal import skeletons
from keras_seal.data.keypoint_files.arrays import OPEN_LAYOUTS
from keras_seal.data.keypoint_files.collecting import Collector
from keras_seal.data.keypoint_files.people import KeypointFile
from keras_seal.data.keypoint_files.values import GREATEST
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError
from keras_seal.skeletons import Skeleton

_CHANNELS = ("x", "y", "confidence")
_DELIMITERS = ",;\t"
_FACT = re.compile(r"#\s*(fps|image_size|layout)\s*[:=]\s*(.{1,200})")
# Joints counted by number rather than by name.
_MOST_JOINTS = 1000
_LONGEST_LINE = 2**20


def is_header(line: str) -> bool:
    """Tell whether a line heads a table of keypoints.

    Args:
        line: The first line of a file that is no comment.

    Returns:
        Whether it names frames and coordinates.

    Examples:
        >>> is_header("frame,joint,x,y"), is_header("frame;nose_x;nose_y"), is_header("a,b")
        (True, True, False)
    """
    columns = _cells(line)
    return "frame" in columns and (
        {"joint", "x", "y"} <= set(columns) or any(name.endswith("_x") for name in columns)
    )


def _cells(line: str) -> list[str]:
    delimiter = max(_DELIMITERS, key=line.count)
    return [cell.strip().strip('"').lower() for cell in line.strip().split(delimiter)]


def read(path: Path, collector: Collector) -> KeypointFile:
    """Read a table.

    Either one row a joint with the columns `frame`, `joint` (name or number), `x`, `y`, or one
    row a person with `frame` and, for every joint, `NAME_x` and `NAME_y`. Optional columns are
    `confidence` (`NAME_confidence`) and `person`, the number of a person who is followed. Lines at
    the top may say `# fps: 30`, `# image_size: 1920x1080` and `# layout: coco_17`. Cells are split
    by commas, semicolons or tabs; empty ones and rows that are not there are undetected joints.

    Args:
        path: The file.
        collector: Collects what is found.

    Returns:
        What the file holds.

    Raises:
        UserError: The file is damaged or of no use.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _limited(file, path)
            header = _header(lines, collector, path)
            columns = _cells(header)
            if len(columns) > 2 + len(_CHANNELS) * _MOST_JOINTS:
                raise DamagedFileError(f"'{path}' has columns for more than {_MOST_JOINTS} joints.")
            for column, count in Counter(columns).items():
                if count > 1:
                    raise DamagedFileError(f"'{path}' has {count} columns '{column[:60]}'.")
            delimiter = max(_DELIMITERS, key=header.count)
            rows = _rows(path, lines, columns, delimiter)
            if "joint" in columns:
                _read_long(rows, columns, collector, path)
            else:
                _read_wide(rows, columns, collector, path)
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"'{path}' is no table: it is no text in UTF-8.") from error
    except OSError as error:
        raise DamagedFileError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    except csv.Error as error:
        raise DamagedFileError(f"'{path}' is no table ({error}).") from error
    return collector.finish()


def _limited(file: IO[str], path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), ""), 1):
        if len(line) > _LONGEST_LINE:
            raise DamagedFileError(f"'{path}', line {number} is too long for a row of a table.")
        yield number, line


def _header(lines: Iterator[tuple[int, str]], collector: Collector, path: Path) -> str:
    """Read up to the line that names the columns."""
    where = f"'{path}'"
    for number, line in lines:
        if line.startswith("#"):
            _note(line, collector, path)
        elif is_header(line):
            return line
        elif line.strip():
            where = f"'{path}', line {number}"
            break
    raise UserError(
        f"{where} is no header of a table of keypoints: it must name the columns frame, joint, x "
        "and y, or frame and NAME_x, NAME_y of every joint."
    )


def _note(line: str, collector: Collector, path: Path) -> None:
    match = _FACT.match(line.strip())
    if not match:
        return
    fact, value = match.group(1), match.group(2).strip()
    if fact == "layout":
        collector.set_layout(value)
    elif fact == "fps":
        collector.set_fps(_number(value, f"'{path}', fps"))
    else:
        sides = re.split(r"\s*[x,]\s*|\s+", value)
        if len(sides) != 2:
            raise DamagedFileError(f"'{path}': the image size must be WIDTHxHEIGHT, got '{value}'.")
        collector.set_image_size(*(_number(side, f"'{path}', image size") for side in sides))


def _rows(
    path: Path, lines: Iterator[tuple[int, str]], columns: Sequence[str], delimiter: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row stands, and its cells by column."""
    for number, line in lines:
        if not line.strip():
            continue
        cells = next(csv.reader([line], delimiter=delimiter))
        where = f"'{path}', line {number}"
        if len(cells) != len(columns):
            raise DamagedFileError(
                f"{where} has {len(cells)} cells, but the header names {len(columns)} columns."
            )
        yield where, dict(zip(columns, (cell.strip() for cell in cells), strict=True))


def _read_long(
    rows: Iterator[tuple[str, dict[str, str]]],
    columns: Sequence[str],
    collector: Collector,
    path: Path,
) -> None:
    order: dict[str, int] = {}
    people: dict[tuple[int, int], dict[int, tuple[float, float, float]]] = {}
    for where, row in rows:
        joint = row["joint"].lower()
        place = order.setdefault(joint, len(order))
        if len(order) > _MOST_JOINTS:
            raise DamagedFileError(f"{where}: there are more than {_MOST_JOINTS} joints.")
        person = people.setdefault(_who(row, where), {})
        if place in person:
            raise DamagedFileError(
                f"{where}: the joint '{row['joint'][:60]}' appears twice in this frame; a column "
                "`person` must tell several people apart."
            )
        person[place] = _point(row, "", where)
    layout, places = _layout_of(list(order), collector, path)
    for (frame, id), joints in sorted(people.items()):
        keypoints = np.full((layout.num_joints, 3), np.nan)
        for place, point in joints.items():
            keypoints[places[place]] = point
        collector.add(frame, keypoints, f"'{path}', frame {frame}", id=id)


def _read_wide(
    rows: Iterator[tuple[str, dict[str, str]]],
    columns: Sequence[str],
    collector: Collector,
    path: Path,
) -> None:
    names = [column.removesuffix("_x") for column in columns if column.endswith("_x")]
    known = {f"{name}_{channel}" for name in names for channel in _CHANNELS} | {"frame", "person"}
    for column in columns:
        if column not in known:
            raise UserError(
                f"'{path}' has a column '{column[:60]}', which is not understood; columns are "
                "frame, person and NAME_x, NAME_y, NAME_confidence."
            )
    for name in names:
        if f"{name}_y" not in columns:
            raise DamagedFileError(f"'{path}' has a column '{name}_x', but no '{name}_y'.")
    layout, places = _layout_of(names, collector, path)
    followed = "person" in columns
    found: list[tuple[int, int, np.ndarray, str]] = []
    for where, row in rows:
        frame, id = _who(row, where)
        keypoints = np.full((layout.num_joints, 3), np.nan)
        for name, place in zip(names, places, strict=True):
            keypoints[place] = _point(row, f"{name}_", where)
        found.append((frame, id, keypoints, where))
    # Without a column for it, people who share a frame cannot be followed.
    alone = followed or len({frame for frame, *_ in found}) == len(found)
    for frame, id, keypoints, where in found:
        collector.add(frame, keypoints, where, id=id if alone else None)


def _layout_of(
    names: Sequence[str], collector: Collector, path: Path
) -> tuple[Skeleton, list[int]]:
    """The joint order, and the place of each name in it."""
    layout = collector.request.layout or collector.layout
    if all(name.isdecimal() and len(name) < 5 for name in names):
        numbers = [int(name) for name in names]
        if layout is None:
            count = max(numbers, default=-1) + 1
            if count not in OPEN_LAYOUTS:
                raise UserError(
                    f"'{path}' numbers {count} joints, which does not tell their order. Name the "
                    "joints, or the skeleton (--layout, or `layout` in Python)."
                )
            layout = skeletons.get(OPEN_LAYOUTS[count])
        if max(numbers, default=0) >= layout.num_joints or len(set(numbers)) < len(numbers):
            raise UserError(
                f"'{path}' numbers joints up to {max(numbers)}, but the layout '{layout.name}' "
                f"has {layout.num_joints}, from 0 on."
            )
        collector.layout = layout
        return layout, numbers
    if layout is None:
        layout = _recognized(names, path)
    for name in names:
        if name not in layout.joints:
            raise UserError(
                f"'{path}' names a joint '{name[:60]}', which the layout '{layout.name}' does not "
                "have. Name the layout of the detector that made the file."
            )
    collector.layout = layout
    return layout, [layout.joints.index(name) for name in names]


def _recognized(names: Sequence[str], path: Path) -> Skeleton:
    known = [skeletons.get(name) for name in skeletons.names()]
    exact = [each for each in known if set(each.joints) == set(names)]
    fitting = exact or [each for each in known if set(names) <= set(each.joints)]
    if len(fitting) != 1:
        listed = ", ".join(f"'{each.name}'" for each in fitting) or "none"
        raise UserError(
            f"'{path}' names {len(names)} joints ('{names[0][:60]}'...), which fit more than one "
            f"joint order or none ({listed}). "
            "Name the skeleton (--layout, or `layout` in Python)."
        )
    return fitting[0]


def _who(row: dict[str, str], where: str) -> tuple[int, int]:
    return _whole(row["frame"], f"{where}, frame"), _whole(
        row.get("person", "0"), f"{where}, person"
    )


def _point(row: dict[str, str], prefix: str, where: str) -> tuple[float, float, float]:
    x, y = (_number(row[f"{prefix}{axis}"], where) for axis in "xy")
    trust = row.get(f"{prefix}confidence")
    return x, y, 1.0 if trust is None else _number(trust, where)


def _number(cell: str, where: str) -> float:
    if not cell:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise DamagedFileError(f"{where}: '{cell[:60]}' is no number.") from None


def _whole(cell: str, where: str) -> int:
    value = _number(cell, where)
    if not (value == np.floor(value) and 0 <= value <= GREATEST):
        raise DamagedFileError(f"{where} must be a whole number from 0 on, got '{cell[:60]}'.")
    return int(value)
