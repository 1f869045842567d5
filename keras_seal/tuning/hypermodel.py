"""`SEALHyperModel`: a recipe's search space for any tuner of KerasTuner."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner import errors

from keras_seal import recipes
from keras_seal.data import PoseSequences
from keras_seal.recipes import Recipe, building
from keras_seal.recipes.search_space import SearchSpace
from keras_seal.runs.callbacks import LossGuard, RunFailedError
from keras_seal.runs.determinism import set_seeds
from keras_seal.runs.pretraining import train_loss_net
from keras_seal.training import SEALPose, averaging
from keras_seal.tuning.oracles import declare, objective_of


class SEALHyperModel(keras_tuner.HyperModel):
    """A pose-net and a loss-net whose settings any tuner of KerasTuner can search.

    What is searched stands in the recipe's `tune` block; everything else is as the recipe says:
    data, networks, optimizers, averaged weights, patience. The test split is let go as soon as the
    data is read: trials train on the training people and are measured on the validation people.

    Args:
        recipe: A `Recipe` with a `tune` block, its keys as a mapping, or a file or name of one.
        cache_dir: Where prepared data is kept; by default the user's cache folder.

    Raises:
        UserError: If there is no such recipe, it has no `tune` block, or its data is not there.

    Examples:
        >>> import keras_tuner, tempfile
        >>> hypermodel = SEALHyperModel({
        ...     "name": "tiny",
        ...     "data": {"source": "synthetic", "options": {
        ...         "frames": 30, "validation_frames": 10, "test_frames": 10, "duration": 1}},
        ...     "pose_net": {"name": "SimpleBaseline", "options": {"units": 4, "num_stages": 1}},
        ...     "loss_net": {"name": "MLPLossNet", "options": {"units": 4, "num_stages": 1}},
        ...     "training": {"epochs": 1},
        ...     "tune": {"parameters": {
        ...         "seal.energy_weight": {"low": 1e-4, "high": 1e-1, "scale": "log"}}},
        ... }, cache_dir=tempfile.mkdtemp())
        >>> tuner = keras_tuner.RandomSearch(
        ...     hypermodel, objective=hypermodel.objective, max_trials=1,
        ...     directory=tempfile.mkdtemp())
        >>> tuner.search(verbose=0)
        >>> best = tuner.get_best_hyperparameters()[0]
        >>> 1e-4 <= hypermodel.trial(best).seal.energy_weight <= 1e-1
        True
    """

    def __init__(
        self, recipe: Recipe | Mapping[str, Any] | str | Path, cache_dir: str | Path | None = None
    ) -> None:
        super().__init__()
        if isinstance(recipe, str | Path):
            recipe = recipes.load(recipe)
        elif not isinstance(recipe, Recipe):
            recipe = recipes.parse(_as_yaml(recipe))
        self.recipe: Recipe = recipe
        self.space = SearchSpace(recipe)
        self._cache_dir = cache_dir

    @property
    def objective(self) -> keras_tuner.Objective:
        """What a tuner goes by: the recipe's `tune.objective`."""
        return objective_of(self.space.tune)

    @cached_property
    def _parts(self) -> dict[str, PoseSequences]:
        parts = building.build_splits(self.recipe, self._cache_dir).parts
        del parts["test"]
        return parts

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the search space.

        Args:
            hp: Where to declare it.
        """
        declare(self.space, hp)

    def trial(self, hp: keras_tuner.HyperParameters) -> Recipe:
        """Make the recipe of a trial; `keras_seal.recipes.to_yaml` writes it.

        Args:
            hp: The trial's values.

        Returns:
            The recipe, without `tune`.

        Raises:
            UserError: If the values do not go together.
        """
        declare(self.space, hp)
        values = {key: hp.values[key] for key in self.space.parameters if hp.is_active(key)}
        return self.space.trial(values)

    def build(self, hp: keras_tuner.HyperParameters) -> SEALPose:
        """Make the model of a trial.

        Args:
            hp: The trial's values.

        Returns:
            The model, compiled.
        """
        recipe = self.trial(hp)
        set_seeds(recipe.seed)
        train = self._parts["train"]

        def steps(out_frames: int) -> int:
            return len(building.build_windows(recipe, train, out_frames, training=True))

        model = building.build_model(recipe, train.num_channels, steps)
        building.compile_model(model, recipe, steps(model.pose_net.output_shape[1]))
        return model

    def fit(
        self, hp: keras_tuner.HyperParameters, model: SEALPose, **kwargs: Any
    ) -> keras.callbacks.History:
        """Train the model of a trial as its recipe says, on the recipe's data.

        Args:
            hp: The trial's values.
            model: What `build` gave.
            **kwargs: Further arguments of `model.fit`, among them those that tuners set
                (`callbacks`, `epochs`, `initial_epoch`); data is not among them.

        Returns:
            The history.

        Raises:
            FailedTrialError: If a loss is no finite number any more; the search goes on.
        """
        recipe = self.trial(hp)
        out_frames = model.pose_net.output_shape[1]
        windows = building.build_windows(recipe, self._parts["train"], out_frames, training=True)
        validation = building.build_windows(
            recipe, self._parts["validation"], out_frames, training=False
        )
        callbacks = [LossGuard(len(windows)), *kwargs.pop("callbacks", [])]
        if averaging.averages_weights(model):
            statistics = building.StatisticsBatches(windows)
            callbacks.append(averaging.AveragedValidation(statistics))
        if recipe.training.patience is not None:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    recipe.evaluation.select, patience=recipe.training.patience, mode="min"
                )
            )
        try:
            if recipe.pretrains and not kwargs.get("initial_epoch"):
                train_loss_net(
                    recipe,
                    model.loss_net,
                    self._parts["train"],
                    self._parts["validation"],
                    out_frames,
                    note=lambda line: None,
                )
            return model.fit(
                windows,
                validation_data=validation,
                callbacks=callbacks,
                **{"epochs": recipe.training.epochs, "verbose": 0, **kwargs},
            )
        except RunFailedError as error:
            raise errors.FailedTrialError(str(error)) from error


def _as_yaml(values: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(values), sort_keys=False)
