"""How far validation swings away from where it ends, once the first fifth of training is over.

    python benchmarks/stability.py STUDY/runs/seal-*

For each run folder, from its `logs/metrics.csv`: the validation MPJPE of the last epoch, the
highest after any epoch that ended past a fifth of training, and their ratio; and by how much an
epoch was ever above the best one before it, which a falling curve never is. Prints a Markdown
table, the highest ratio last.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path

SHARE = 0.2


def curve(run: Path) -> list[float]:
    """Validation MPJPE by epoch, millimetres."""
    with (run / "logs" / "metrics.csv").open(newline="") as file:
        values = [float(row["val_mpjpe"]) for row in csv.DictReader(file) if row["val_mpjpe"]]
    if not values:
        raise SystemExit(f"{run}: logs/metrics.csv has no val_mpjpe; was the run validated?")
    return values


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    rows = []
    for run in parser.parse_args().runs:
        values = curve(run)
        worst = max(values[int(SHARE * len(values)) :])
        best = list(itertools.accumulate(values, min))
        swing = max(value - before for value, before in zip(values, best, strict=True))
        rows.append((worst / values[-1], run.name, len(values), values[-1], worst, swing))
    print("| run | epochs | last val_mpjpe mm | highest past a fifth | ratio | largest rise mm |")
    print("| --- | --- | --- | --- | --- | --- |")
    for ratio, name, epochs, last, worst, swing in sorted(rows):
        print(f"| {name} | {epochs} | {last:.2f} | {worst:.2f} | {ratio:.2f} | {swing:.2f} |")


if __name__ == "__main__":
    main()
