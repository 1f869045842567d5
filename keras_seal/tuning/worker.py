"""A worker process of a search: trains one trial after the other, as its chief says."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import keras
from keras_tuner import errors
from keras_tuner.engine.base_tuner import BaseTuner

from keras_seal import files, runs
from keras_seal.errors import UserError
from keras_seal.recipes import Recipe
from keras_seal.recipes.search_space import SearchSpace
from keras_seal.runs.folder import RunFolder
from keras_seal.tuning.oracles import STATE, make_oracle, objective_of
from keras_seal.tuning.results import SearchFolder, outcome

# Between two questions whether there is a trial, where the answer was to wait.
_PATIENCE_SECONDS = 0.5


class Worker(BaseTuner):
    """Runs trials as ordinary trainings, each in a run folder of its own.

    A trial that was begun before, by a process that died, goes on from its last checkpoint.

    Args:
        folder: The folder of the search.
    """

    def __init__(self, folder: SearchFolder) -> None:
        facts = folder.facts()
        self._folder = folder
        self._cache_dir = facts["cache_dir"]
        self._space = SearchSpace(folder.recipe)
        self._waited = False
        # It tells what is searched; what has been tried is known to the chief's alone.
        oracle = make_oracle(
            self._space, facts["tuner"], facts["max_trials"], folder.path, goes_on=False
        )
        super().__init__(oracle, directory=str(folder.path), project_name=STATE)

    def save(self) -> None:
        """Nothing to save: all state is the chief's, or in run folders."""

    def reload(self) -> None:
        """Nothing to reload."""

    def pre_create_trial(self) -> None:
        """Take a breath before asking again."""
        if self._waited:
            time.sleep(_PATIENCE_SECONDS)
        self._waited = True

    def on_trial_begin(self, trial: Any) -> None:
        """There was a trial."""
        self._waited = False

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Train a trial, or what is left of it.

        Args:
            trial: The trial.
            *args: None.
            **kwargs: None.

        Returns:
            The objective.

        Raises:
            FailedTrialError: If it cannot be trained; the reason is in its `error.txt`.
        """
        print(f"Trial {trial.trial_id}", flush=True)
        # What earlier trials compiled is of no use to this one.
        keras.backend.clear_session()
        values = trial.hyperparameters.values
        until = values.get("tuner/epochs")
        error_file = self._folder.error_file(trial.trial_id)
        error_file.unlink(missing_ok=True)
        try:
            run = self._train(trial.trial_id, self._recipe(trial), values, until)
        except UserError as error:
            files.write_text(error_file, str(error))
            raise errors.FailedTrialError(str(error)) from error
        except Exception:
            files.write_text(error_file, traceback.format_exc())
            raise
        if run.finished:
            # A finished run needs them no more, and a search of large nets would fill the disk.
            for checkpoint in run.checkpoints.iterdir():
                checkpoint.unlink()
        name = objective_of(self._space.tune).name
        return {name: outcome(run).value(name)}

    def _recipe(self, trial: Any) -> Recipe:
        hp = trial.hyperparameters
        recipe = self._space.trial(
            {key: hp.values[key] for key in self._space.parameters if key in hp.values}
        )
        return recipe.model_copy(
            update={
                "name": f"{recipe.name}-trial-{trial.trial_id}",
                "evaluation": recipe.evaluation.model_copy(update={"test": False}),
            }
        )

    def _train(
        self, trial_id: str, recipe: Recipe, values: dict[str, Any], until: int | None
    ) -> RunFolder:
        path = self._folder.run(trial_id)
        earlier = values.get("tuner/trial_id")
        if earlier is not None and not path.is_dir():
            # Hyperband goes on with a configuration that did well.
            unfinished = path.with_name(f".{path.name}.copying")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(
                self._folder.run(earlier), unfinished, ignore=shutil.ignore_patterns(".lock")
            )
            unfinished.rename(path)
        options: dict[str, Any] = {"cache_dir": self._cache_dir, "until": until, "note": _tell}
        if path.is_dir():
            return runs.resume(path, **options)
        return runs.start(recipe, path, **options)


def _tell(line: str) -> None:
    print(line, flush=True)


def _end_with_parent() -> None:
    """The chief holds the other end of this pipe; when it is gone there is nothing left to do."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Work until the chief says that the search is over."""
    _end_with_parent()
    Worker(SearchFolder(Path(sys.argv[1]))).search()


if __name__ == "__main__":
    main()
