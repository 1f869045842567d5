"""Train each pose-net with and without SEAL, several seeds, and tabulate the test errors.

    python benchmarks/real_motion.py real_motion.npz --out FOLDER [--seeds 0,1,2]
    python benchmarks/real_motion.py BVH_FOLDER --out FOLDER [--set KEY=VALUE ...]

The first argument is a file of `PoseSplits` (see real_motion_reader.py) or a folder of BVH files,
which goes through the source `mocap`. Every run is `keras-seal train` in a process of its own; what
is finished already is not run again, what was interrupted is resumed. Prints a Markdown table of
means and standard deviations over seeds, and writes it with all figures as JSON to FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RECIPES = ("simple_baseline", "simple_baseline_seal", "sem_gcn", "sem_gcn_seal")
METRICS = ("mpjpe", "p_mpjpe", "lse", "bsle")


def train(recipe: str, seed: int, folder: Path, settings: list[str], backend: str) -> None:
    """Run or resume one training, unless it is finished."""
    if (folder / "metrics.json").is_file():
        return
    if (folder / "recipe.yaml").is_file():
        arguments = ["--resume", str(folder)]
    else:
        given = [f"seed={seed}", *settings]
        arguments = [f"mocap_{recipe}", "--backend", backend, "--out", str(folder)]
        arguments += [part for setting in given for part in ("--set", setting)]
    start = time.perf_counter()
    command = "from keras_seal.cli import main; main()"
    subprocess.run([sys.executable, "-c", command, "train", *arguments], check=True)
    print(f"{folder.name}: {time.perf_counter() - start:.0f} s", flush=True)


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Mean and standard deviation over seeds, a row a recipe."""
    lines = [
        "| recipe | seeds | MPJPE mm | P-MPJPE mm | LSE mm | BSLE mm |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, scores in results.items():
        cells = []
        for metric in METRICS:
            values = [score[metric] for score in scores]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread}")
        lines.append(f"| {recipe} | {len(scores)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a file of splits, or a folder of BVH files")
    parser.add_argument("--out", type=Path, required=True, help="folder of run folders")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--backend", default=os.environ.get("KERAS_BACKEND", "tensorflow"))
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    data = options.data.resolve()
    if data.is_dir():
        source = [f"data.options.folder={data}"]
    else:
        source = ["data.source=file", f"data.options={{path: {data}}}"]

    results: dict[str, list[dict[str, float]]] = {}
    for seed in (int(seed) for seed in options.seeds.split(",")):
        for recipe in options.recipes.split(","):
            folder = options.out / f"{recipe}-{seed}"
            train(recipe, seed, folder, [*source, *options.settings], options.backend)
            metrics = json.loads((folder / "metrics.json").read_text())["test"]["metrics"]
            results.setdefault(recipe, []).append({name: metrics[name] for name in METRICS})
    text = table(results)
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "results.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
