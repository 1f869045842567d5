"""The search spaces and search algorithms of KerasTuner, from a recipe."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.src.engine import conditions

from keras_seal import files
from keras_seal.errors import UserError, nearest
from keras_seal.recipes.schema import BEST_WHEN_HIGH, Choices, Tune
from keras_seal.recipes.search_space import SearchSpace

TUNERS = ("random", "bayesian", "hyperband")
# Folder of the search algorithm's state, inside that of a search.
STATE = "oracle"

# It prints every condition that goes to a worker.
conditions.print = lambda *values: None


def declare(space: SearchSpace, hp: keras_tuner.HyperParameters) -> None:
    """Declare a recipe's search space.

    Args:
        space: The search space.
        hp: Where to declare it.
    """
    for key, section in space.parameters.items():
        with ExitStack() as conditions:
            for parent, names in space.conditions(key):
                conditions.enter_context(hp.conditional_scope(parent, names))
            if isinstance(section, Choices):
                # By name: KerasTuner's choices are all of one type, and its messages between
                # processes round numbers, which then are no choices any more.
                hp.Choice(key, list(section.by_name))
                continue
            kind = hp.Int if space.is_whole(key) else hp.Float
            kind(key, section.low, section.high, step=section.step, sampling=section.scale)


def objective_of(tune: Tune) -> keras_tuner.Objective:
    """Say what is to be as low, or as high, as possible.

    Args:
        tune: The recipe's `tune` block.

    Returns:
        The objective.
    """
    return keras_tuner.Objective(
        tune.objective, "max" if tune.objective in BEST_WHEN_HIGH else "min"
    )


class _Durable:
    """An oracle whose files are whole at any moment, so that a search survives a crash."""

    _project_dir: str

    def save(self: Any) -> None:
        """Write the state of the search."""
        files.write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self: Any, trial: Any) -> None:
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        files.write_json(path, trial.get_state())


class RandomOracle(_Durable, keras_tuner.oracles.RandomSearchOracle):
    """Random search."""


class BayesianOracle(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Bayesian optimisation with a Gaussian process."""


class HyperbandOracle(_Durable, keras_tuner.oracles.HyperbandOracle):
    """Hyperband: many short trials, the best of which go on."""


def make_oracle(
    space: SearchSpace, tuner: str, max_trials: int, folder: Path, *, goes_on: bool = True
) -> Any:
    """Make a search algorithm.

    Args:
        space: The search space.
        tuner: One of `TUNERS`.
        max_trials: Trials after which the search ends.
        folder: The folder of the search.
        goes_on: Whether the state that lies in the folder is read, if there is one.

    Returns:
        The oracle.

    Raises:
        UserError: If there is no such tuner.
    """
    if tuner not in TUNERS:
        raise UserError(f"There is no tuner '{tuner}'.{nearest(tuner, TUNERS)}")
    hp = keras_tuner.HyperParameters()
    declare(space, hp)
    arguments: dict[str, Any] = {
        "objective": objective_of(space.tune),
        "hyperparameters": hp,
        # KerasTuner takes 0 for none given.
        "seed": space.recipe.seed + 1,
        # A trial that failed says nothing about the next one.
        "max_consecutive_failed_trials": None,
    }
    if tuner == "hyperband":
        # It would end after one round of its brackets; the number of trials ends it here.
        oracle: Any = HyperbandOracle(
            max_epochs=space.recipe.training.epochs, hyperband_iterations=10**6, **arguments
        )
        oracle.max_trials = max_trials
    else:
        kind = RandomOracle if tuner == "random" else BayesianOracle
        oracle = kind(max_trials=max_trials, **arguments)
    oracle.verbose = 0
    oracle._set_project_dir(str(folder), STATE)
    if goes_on and (folder / STATE / "oracle.json").is_file():
        oracle.reload()
        # It writes its state while the trial that has just ended still counts as ongoing, and
        # would run that one again.
        oracle._retry_queue = [
            trial for trial in oracle._retry_queue if trial not in oracle.end_order
        ]
    return oracle
