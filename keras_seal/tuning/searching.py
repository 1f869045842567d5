"""A search: one chief, which this process is, and worker processes that train.

The chief serves KerasTuner's oracle to the workers as KerasTuner's own distributed mode does. What
that mode leaves open is done here. Its chief never learns that a worker has died: the trial of that
worker would run for ever, and the chief would wait for it. It does give a worker that comes under a
known name the trial which that name had. So a worker that dies is started again under its name, and
its trial goes on from the run's last checkpoint.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal import files, recipes
from keras_seal.errors import UserError
from keras_seal.recipes import Recipe, building
from keras_seal.recipes.search_space import SearchSpace
from keras_seal.runs.callbacks import RunFailedError
from keras_seal.runs.folder import RunFolder
from keras_seal.tuning import results
from keras_seal.tuning.oracles import TUNERS, make_oracle
from keras_seal.tuning.results import Row, SearchFolder

Note = Callable[[str], object]

_LOOK_SECONDS = 0.1
# A trial whose process dies so often is a failure; so is a search whose workers do not even begin.
_MOST_DEATHS = 3
# Where all of the first trials fail, the others will too.
_MOST_FAILURES = 3


def search(
    recipe: Recipe,
    tuner: str,
    max_trials: int,
    out: str | Path | None = None,
    *,
    workers: int = 1,
    cache_dir: str | Path | None = None,
    note: Note = print,
) -> Path:
    """Search the keys that a recipe's `tune` block names.

    Each trial is an ordinary training with a run folder of its own. It is measured on the people of
    the validation split, who are held out of training; the test split is not looked at.

    Args:
        recipe: The recipe.
        tuner: `"random"`, `"bayesian"` or `"hyperband"`.
        max_trials: Trials after which the search ends.
        out: The folder of the search; by default `runs/NAME-tune-YYYYMMDD-HHMMSS`.
        workers: Processes that train at the same time.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        note: Told what goes on, line by line.

    Returns:
        The folder: `leaderboard.csv` and `.md`, `best.yaml`, `plots/`, `trials/`.

    Raises:
        UserError: If something in the recipe or its data is wrong; then nothing is written.
        RunFailedError: If no trial can be trained.
    """
    space = SearchSpace(recipe)
    _check_numbers(max_trials, workers)
    if tuner not in TUNERS:
        raise UserError(f"There is no tuner '{tuner}', expected one of {', '.join(TUNERS)}.")
    backend = keras.backend.backend()
    if recipe.backend not in (None, backend):
        raise UserError(f"The recipe is for {recipe.backend}, but Keras runs on {backend}.")
    path = RunFolder.unused(
        out if out is not None else RunFolder.default_path(f"{recipe.name}-tune")
    )
    held_out = _check(space, cache_dir)
    folder = SearchFolder(path)
    files.write_text(folder.recipe_file, recipes.to_yaml(recipe))
    # Last, for it marks the folder as that of a search.
    files.write_json(
        folder.facts_file,
        {
            "tuner": tuner,
            "max_trials": max_trials,
            "backend": backend,
            "held_out": held_out,
            "cache_dir": None if cache_dir is None else str(Path(cache_dir).absolute()),
        },
    )
    people = "1 person" if len(held_out) == 1 else f"{len(held_out)} people"
    note(
        f"{recipe.name}: {max_trials} trials, {tuner}, over {', '.join(space.parameters)};"
        f" {space.tune.objective} on {people} held out of training."
    )
    note(f"Folder: {folder.path}")
    return _go_on(folder, space, workers, note)


def resume(
    path: str | Path,
    *,
    max_trials: int | None = None,
    workers: int = 1,
    note: Note = print,
) -> Path:
    """Go on with a search that was interrupted, or add trials to one that has ended.

    Args:
        path: The folder of the search.
        max_trials: Trials after which the search ends; by default as many as it was begun with.
        workers: Processes that train at the same time.
        note: Told what goes on, line by line.

    Returns:
        The folder.

    Raises:
        UserError: If there is no such search, or another process is at work on it.
        RunFailedError: If no trial can be trained.
    """
    folder = SearchFolder.open(path)
    facts = folder.facts()
    if facts["backend"] != keras.backend.backend():
        raise UserError(
            f"The search {path} is on {facts['backend']} and cannot go on with"
            f" {keras.backend.backend()}."
        )
    _check_numbers(facts["max_trials"] if max_trials is None else max_trials, workers)
    if max_trials is not None:
        files.write_json(folder.facts_file, {**facts, "max_trials": max_trials})
    return _go_on(folder, SearchSpace(folder.recipe), workers, note)


def _check_numbers(max_trials: int, workers: int) -> None:
    if max_trials < 1:
        raise UserError(f"A search has at least 1 trial, got {max_trials}.")
    if workers < 1:
        raise UserError(f"A search has at least 1 worker, got {workers}.")


def _check(space: SearchSpace, cache_dir: str | Path | None) -> list[str]:
    """Build what each choice and bound describes, and read the data; who is held out."""
    recipe = space.recipe
    if recipe.data.options.get("validation_fold") is not None:
        raise UserError(
            "data.options.validation_fold: a fold of the training people's own frames says little"
            " about other people, so nothing is searched on it; give validation_subjects instead."
        )
    building.check(recipe)
    for key in space.parameters:
        for values in space.candidates(key):
            try:
                building.check(space.trial(values))
            except UserError as error:
                shown = space.shown(key, values[key])
                raise UserError(f"tune.parameters.{key}: {shown}: {error}") from error
    # Workers find it in the cache.
    held_out = building.build_splits(recipe, cache_dir).validation.subjects
    return [str(name) for name in np.unique(held_out)]


def _go_on(folder: SearchFolder, space: SearchSpace, workers: int, note: Note) -> Path:
    facts = folder.facts()
    with RunFolder(folder.path).lock():
        oracle = make_oracle(space, facts["tuner"], facts["max_trials"], folder.path)
        board = _Board(folder, space, oracle, note)
        if board.rows:
            note(f"{len(board.rows)} trials have ended before.")
        with _served(oracle) as port:
            team = _Team(folder, port, workers, facts, note)
            try:
                while team.at_work(oracle, board):
                    board.look()
                    time.sleep(_LOOK_SECONDS)
            finally:
                team.end()
        board.look()
        board.finish(facts["max_trials"])
    return folder.path


@contextmanager
def _served(oracle: Any) -> Iterator[int]:
    """Serve the oracle to the workers, on a port of this machine."""
    # The threads that serve do not outlive a fork, and need not.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()


class _Team:
    """The worker processes."""

    def __init__(
        self, folder: SearchFolder, port: int, workers: int, facts: dict[str, Any], note: Note
    ) -> None:
        self._folder = folder
        self._note = note
        # Processes that share the cores and take all of them each would wait for one another.
        threads = str(max(1, (os.cpu_count() or 1) // workers))
        self._environment = {
            "OMP_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            # Several processes share a graphics card, each taking what it needs.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **os.environ,
            "KERAS_BACKEND": facts["backend"],
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
            "no_grpc_proxy": "127.0.0.1",
        }
        self._deaths: dict[str, int] = {}
        self._failed_starts = 0
        folder.workers.mkdir(exist_ok=True)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for number in range(1, workers + 1):
            self._start(f"worker-{number}")

    def _log(self, name: str) -> Path:
        return self._folder.workers / f"{name}.log"

    def _start(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "keras_seal.tuning.worker", str(self._folder.path)],
                # It ends when this process does, however that ends.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self._environment, "KERASTUNER_TUNER_ID": name},
                start_new_session=True,
            )
        self._processes[name] = process
        self._note(f"{name} is process {process.pid}.")

    def at_work(self, oracle: Any, board: _Board) -> bool:
        """Look after the workers; whether any of them is still at work."""
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[name]
            trial = oracle.ongoing_trials.get(name)
            if code == 0 and trial is None:
                continue
            self._note(f"{name} has died ({_cause(code)}).")
            if trial is None:
                self._failed_starts += 1
                if self._failed_starts >= _MOST_DEATHS:
                    raise RunFailedError(
                        f"Workers die before they train anything; {self._log(name)} ends with:\n"
                        f"{_end_of(self._log(name))}"
                    )
            else:
                deaths = self._deaths[trial.trial_id] = self._deaths.get(trial.trial_id, 0) + 1
                if deaths >= _MOST_DEATHS:
                    reason = f"Its process died {deaths} times ({_cause(code)})."
                    files.write_text(self._folder.error_file(trial.trial_id), reason)
                    trial.status = "FAILED"
                    oracle.end_trial(trial)
                else:
                    self._note(f"Trial {trial.trial_id} goes on from its last checkpoint.")
            self._start(name)
        board.give_up_if_hopeless()
        return bool(self._processes)

    def end(self) -> None:
        """End those that are still at work."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()


class _Board:
    """Follows the trials, and keeps the leaderboard up to date."""

    def __init__(self, folder: SearchFolder, space: SearchSpace, oracle: Any, note: Note) -> None:
        self._folder = folder
        self._space = space
        self._oracle = oracle
        self._note = note
        self.rows: list[Row] = [self._row(trial) for trial in oracle.end_order]

    def _row(self, trial_id: str) -> Row:
        return results.row_of(self._oracle.trials[trial_id], self._folder, self._space)

    def look(self) -> None:
        """Tell of each trial that has ended since the last look."""
        # A trial is listed a moment before its state is complete, and is taken off the ongoing
        # ones after that.
        ongoing = {trial.trial_id for trial in list(self._oracle.ongoing_trials.values())}
        for trial_id in self._oracle.end_order[len(self.rows) :]:
            if trial_id in ongoing:
                break
            row = self._row(trial_id)
            self.rows.append(row)
            results.write(self._folder, self._space, self.rows)
            self._note(self._line(row))

    def _line(self, row: Row) -> str:
        objective = self._space.tune.objective
        values = "  ".join(f"{key}={value}" for key, value in row.shown.items())
        count = f"{len(self.rows)}/{self._oracle.max_trials}"
        if row.value is None:
            return f"trial {row.trial} ({count}) failed  {values}  {row.error}"
        best = results.ranked(self.rows, objective)[0] is row
        return (
            f"trial {row.trial} ({count})  {objective} {row.value:.2f}  {row.epochs} epochs"
            f"  {row.seconds:.1f} s  {values}{'  (best so far)' if best else ''}"
        )

    def give_up_if_hopeless(self) -> None:
        """End a search all of whose trials fail."""
        if len(self.rows) >= _MOST_FAILURES and all(row.value is None for row in self.rows):
            raise RunFailedError(
                f"The first {len(self.rows)} trials have all failed; the last one: "
                f"{self.rows[-1].error}"
            )

    def finish(self, max_trials: int) -> None:
        """Write and draw the end of the search."""
        if len(self.rows) < max_trials:
            self._note(f"There are no more than {len(self.rows)} combinations to try.")
        results.write(self._folder, self._space, self.rows)
        results.draw(self._folder, self._space, self.rows)
        best = results.ranked(self.rows, self._space.tune.objective)[:1]
        if not best or best[0].value is None:
            raise RunFailedError(f"No trial has come to its end; see {self._folder.page}.")
        self._note(f"Leaderboard: {self._folder.page}")
        self._note(f"The best, trial {best[0].trial}: keras-seal train {self._folder.best}")


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _end_of(log: Path, lines: int = 12) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
