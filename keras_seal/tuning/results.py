"""What a search leaves: its folder, the leaderboard, pictures and the best recipe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_seal import files, recipes
from keras_seal.errors import UserError
from keras_seal.recipes import Recipe
from keras_seal.recipes.schema import BEST_WHEN_HIGH, Range
from keras_seal.recipes.search_space import SearchSpace
from keras_seal.runs.folder import RunFolder


class SearchFolder:
    """Paths of the folder of a search.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.facts_file = self.path / "search.json"
        self.trials = self.path / "trials"
        self.workers = self.path / "workers"
        self.plots = self.path / "plots"
        self.table = self.path / "leaderboard.csv"
        self.page = self.path / "leaderboard.md"
        self.best = self.path / "best.yaml"

    @classmethod
    def open(cls, path: str | Path) -> SearchFolder:
        """Open the folder of a search that was begun.

        Args:
            path: The folder.

        Returns:
            The folder.

        Raises:
            UserError: If there is none.
        """
        folder = cls(path)
        if not folder.facts_file.is_file():
            raise UserError(f"{path} is no folder of a search: it holds no search.json.")
        return folder

    @property
    def recipe(self) -> Recipe:
        """The recipe of the search."""
        return recipes.load(self.recipe_file)

    def facts(self) -> dict[str, Any]:
        """Read how the search was begun."""
        return dict(json.loads(self.facts_file.read_text(encoding="utf-8")))

    def run(self, trial_id: str) -> Path:
        """Tell the run folder of a trial.

        Args:
            trial_id: The trial.

        Returns:
            The path.
        """
        return self.trials / trial_id

    def error_file(self, trial_id: str) -> Path:
        """Tell where it stands why a trial failed.

        Args:
            trial_id: The trial.

        Returns:
            The path.
        """
        return self.trials / f"{trial_id}-error.txt"


@dataclass(frozen=True)
class Outcome:
    """How far a trial's training came.

    Args:
        history: Logs of each epoch.
        epoch: The epoch that is kept, from 1.
    """

    history: Sequence[dict[str, float]]
    epoch: int

    @property
    def seconds(self) -> float:
        """Seconds of training, validation included."""
        return sum(row["seconds"] for row in self.history)

    def value(self, name: str) -> float:
        """Look up a log of the epoch that is kept.

        Args:
            name: The log.

        Returns:
            Its value.
        """
        return self.history[self.epoch - 1][name]


def outcome(run: RunFolder) -> Outcome:
    """Read how far a run has come.

    Args:
        run: Its folder.

    Returns:
        The logs, and the epoch that `evaluation.select` keeps.
    """
    from keras_seal.runs.callbacks import best_epoch

    with run.log.open(newline="", encoding="utf-8") as file:
        history = [
            {name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)
        ]
    return Outcome(history, best_epoch(history, run.recipe.evaluation.select))


@dataclass(frozen=True)
class Row:
    """A trial on the leaderboard.

    Args:
        trial: Its number.
        value: The objective, or `None` if it failed.
        epoch: The epoch that was kept.
        epochs: Epochs trained.
        seconds: Seconds of training.
        values: What was tried, by key.
        shown: The same in few letters.
        error: Why it failed.
    """

    trial: str
    value: float | None
    epoch: int
    epochs: int
    seconds: float
    values: dict[str, Any]
    shown: dict[str, str]
    error: str = ""


def row_of(trial: Any, folder: SearchFolder, space: SearchSpace) -> Row:
    """Read a trial that has ended.

    Args:
        trial: KerasTuner's trial.
        folder: The folder of the search.
        space: The search space.

    Returns:
        Its row.
    """
    tried = {k: v for k, v in trial.hyperparameters.values.items() if k in space.parameters}
    values = {key: space.value(key, value) for key, value in tried.items()}
    shown = {key: space.shown(key, value) for key, value in tried.items()}
    run = RunFolder(folder.run(trial.trial_id))
    if trial.status != "COMPLETED":
        file = folder.error_file(trial.trial_id)
        error = file.read_text(encoding="utf-8") if file.is_file() else str(trial.message or "")
        lines = [line for line in error.splitlines() if line.strip()]
        # The last line of a traceback says what happened; other errors are sentences.
        told = lines[-1] if lines[:1] == ["Traceback (most recent call last):"] else " ".join(lines)
        done = outcome(run).history if run.log.is_file() else []
        seconds = sum(row["seconds"] for row in done)
        return Row(trial.trial_id, None, 0, len(done), seconds, values, shown, told)
    end = outcome(run)
    return Row(
        trial.trial_id, float(trial.score), end.epoch, len(end.history), end.seconds, values, shown
    )


def ranked(rows: Sequence[Row], objective: str) -> list[Row]:
    """Order trials, the best first and those that failed last.

    Args:
        rows: The trials.
        objective: What was measured.

    Returns:
        The same rows.
    """
    sign = -1 if objective in BEST_WHEN_HIGH else 1
    return sorted(rows, key=lambda row: (row.value is None, sign * (row.value or 0.0), row.trial))


def write(folder: SearchFolder, space: SearchSpace, rows: Sequence[Row]) -> None:
    """Write the leaderboard and the best recipe.

    Args:
        folder: The folder of the search.
        space: The search space.
        rows: Trials that have ended.
    """
    objective, facts = space.tune.objective, folder.facts()
    order = ranked(rows, objective)
    keys = list(space.parameters)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["rank", "trial", objective, "epoch", "epochs", "seconds", *keys, "error"])
    for rank, row in enumerate(order, start=1):
        value = "" if row.value is None else repr(row.value)
        values = [_cell(row, key) for key in keys]
        table.writerow(
            [
                rank,
                row.trial,
                value,
                row.epoch,
                row.epochs,
                round(row.seconds, 1),
                *values,
                row.error,
            ]
        )
    files.write_text(folder.table, text.getvalue())
    failed = [row for row in order if row.value is None]
    lines = [
        f"# {space.recipe.name}: {len(rows)} trials, {facts['tuner']}",
        "",
        f"{objective} on the validation people ({_several(facts['held_out'])}), who are held out of"
        f" training, at the epoch with the lowest {space.recipe.evaluation.select}. The test split"
        " was not looked at. `best.yaml` trains the first of these;"
        " the run of each trial is in `trials/`.",
        "",
        f"| rank | trial | {objective} | epoch | epochs | s | {' | '.join(keys)} |",
        f"| ---: | --- | ---: | ---: | ---: | ---: |{' --- |' * len(keys)}",
        *(
            f"| {rank} | {row.trial} | {'failed' if row.value is None else f'{row.value:.3f}'} |"
            f" {row.epoch or ''} | {row.epochs} | {row.seconds:.1f} |"
            f" {' | '.join(row.shown.get(key, '') for key in keys)} |"
            for rank, row in enumerate(order, start=1)
        ),
        "",
        *(f"- Trial {row.trial} failed: {row.error}" for row in failed),
        *([""] if failed else []),
    ]
    files.write_text(folder.page, "\n".join(lines))
    if order and order[0].value is not None:
        files.write_text(folder.best, _best(folder, space, order[0], facts))


def _best(folder: SearchFolder, space: SearchSpace, row: Row, facts: dict[str, Any]) -> str:
    recipe = RunFolder(folder.run(row.trial)).recipe
    recipe = recipe.model_copy(
        update={
            "name": f"{space.recipe.name}_tuned",
            "backend": facts["backend"],
            "evaluation": space.recipe.evaluation,
        }
    )
    head = (
        f"# The best of a search: trial {row.trial}, {space.tune.objective} {row.value:.3f} on"
        " people held out of training.\n"
    )
    return head + recipes.to_yaml(recipe)


def draw(folder: SearchFolder, space: SearchSpace, rows: Sequence[Row]) -> list[Path]:
    """Draw the objective against each key that was searched.

    Args:
        folder: The folder of the search.
        space: The search space.
        rows: Trials that have ended.

    Returns:
        The pictures.
    """
    from keras_seal import visualization

    written = []
    for key, section in space.parameters.items():
        found = [row for row in rows if row.value is not None and key in row.values]
        if not found:
            continue
        numbers = isinstance(section, Range)
        figure = visualization.search_figure(
            [row.values[key] if numbers else row.shown[key] for row in found],
            [row.value for row in found if row.value is not None],
            name=key,
            objective=space.tune.objective,
            log=isinstance(section, Range) and section.scale == "log",
            highest=space.tune.objective in BEST_WHEN_HIGH,
        )
        written.append(visualization.save_figure(figure, folder.plots / f"{key}.png"))
    return written


def _cell(row: Row, key: str) -> Any:
    value = row.values.get(key, "")
    return row.shown[key] if isinstance(value, dict | list) else value


def _several(names: Sequence[str]) -> str:
    most = 4
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
