"""Compare a search over the energy's weight with a grid of as many points.

    python benchmarks/tuning.py OUT [--trials 20] [--seeds 5] [--workers 1] [--set KEY=VALUE ...]

Trains the recipe `tune_energy_weight` (invented people, small nets, seconds a training) at a grid
of weights evenly spaced on a logarithmic scale, then lets `keras_seal.tuning` search the same range
with as many trials. Both go by the validation people. What is noise is seen by training the best
of both again, each with other seeds: prints the values of each seed, their mean and standard
deviation, and the difference of the means with its 95 % interval (Welch). Runs that are finished
in OUT are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from scipy import stats

from keras_seal import recipes, runs, tuning
from keras_seal.recipes.search_space import SearchSpace
from keras_seal.runs import RunFolder
from keras_seal.tuning.results import outcome

KEY = "seal.energy_weight"


def train(recipe: recipes.Recipe, folder: Path) -> float:
    """Train as a trial is trained; returns its value."""
    evaluation = recipe.evaluation.model_copy(update={"test": False})
    recipe = recipe.model_copy(update={"evaluation": evaluation})
    run = RunFolder(folder)
    silent: dict[str, Any] = {"note": lambda line: None}
    if not run.finished:
        keras.backend.clear_session()
        run = runs.resume(folder, **silent) if folder.is_dir() else runs.start(
            recipe, folder, **silent
        )  # fmt: skip
    return outcome(run).value("val_mpjpe")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--tuner", default="bayesian")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    recipe = recipes.load("tune_energy_weight", options.overrides)
    space = SearchSpace(recipe)
    bounds = space.parameters[KEY]

    began = time.perf_counter()
    grid = {}
    for weight in np.geomspace(bounds.low, bounds.high, options.trials):
        weight = space.value(KEY, float(weight))
        grid[weight] = train(space.trial({KEY: weight}), options.out / "grid" / str(weight))
        say(f"grid {KEY}={weight}: {grid[weight]:.2f}")
    grid_seconds = time.perf_counter() - began

    began, folder = time.perf_counter(), options.out / "search"
    if (folder / "search.json").is_file():
        tuning.resume(folder, workers=options.workers, note=say)
    else:
        tuning.search(
            recipe, options.tuner, options.trials, folder, workers=options.workers, note=say
        )
    search_seconds = time.perf_counter() - began
    with (folder / "leaderboard.csv").open(newline="", encoding="utf-8") as file:
        board = list(csv.DictReader(file))
    found = {float(row[KEY]): float(row["val_mpjpe"]) for row in board if row["val_mpjpe"]}

    best = {"grid": min(grid, key=grid.__getitem__), "search": min(found, key=found.__getitem__)}
    seeds: dict[str, list[float]] = {}
    for name, weight in best.items():
        seeds[name] = []
        for seed in range(1, options.seeds + 1):
            again = space.trial({KEY: weight}).model_copy(update={"seed": seed})
            value = train(again, options.out / "seeds" / f"{weight}-{seed}")
            seeds[name].append(value)
            say(f"{name}'s best {KEY}={weight}, seed {seed}: {value:.2f}")
    one, two = np.array(seeds["search"]), np.array(seeds["grid"])
    interval = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    report = {
        "backend": keras.backend.backend(),
        "trials": options.trials,
        "tuner": options.tuner,
        "grid": grid,
        "search": found,
        "best": {name: {KEY: weight, "val_mpjpe_by_seed": seeds[name]} for name, weight in
                 best.items()},
        "mean": {name: float(np.mean(values)) for name, values in seeds.items()},
        "standard_deviation": {name: float(np.std(v, ddof=1)) for name, v in seeds.items()},
        "search_less_grid": float(one.mean() - two.mean()),
        "interval": [float(interval.low), float(interval.high)],
        "no_worse_within_noise": bool(math.isnan(interval.low) or interval.low <= 0),
        "seconds": {"grid": round(grid_seconds), "search": round(search_seconds)},
    }  # fmt: skip
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
