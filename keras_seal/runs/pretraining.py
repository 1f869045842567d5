"""Training a recipe's loss-net alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_seal import files, losses
from keras_seal.errors import UserError
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import Recipe, building, schema
from keras_seal.recipes.negatives import build_negatives
from keras_seal.recipes.optimizers import build_optimizer
from keras_seal.runs.determinism import make_deterministic, set_seeds
from keras_seal.training.pretraining import Denoising, LossNetPretraining


def pretrain(
    recipe: Recipe,
    out: str | Path,
    *,
    cache_dir: str | Path | None = None,
    note: Callable[[str], object] = print,
) -> dict[str, list[float]]:
    """Train a recipe's loss-net on true poses, without a pose-net, and save it.

    The poses are those of the training split; the validation split is only looked at.

    Args:
        recipe: The recipe; its key `pretraining` says how, or else the defaults.
        out: The `.keras` file to write.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        note: Told what goes on, line by line.

    Returns:
        The logs of every epoch.

    Raises:
        UserError: If something in the recipe or its data is wrong, or the loss is no number any
            more.
    """
    backend = keras.backend.backend()
    if recipe.backend not in (None, backend):
        raise UserError(
            f"The recipe is for the {recipe.backend} backend, but Keras runs on {backend}."
        )
    if recipe.loss_net is None:
        raise UserError("loss_net: the recipe has none to train; give one.")
    if recipe.training.deterministic:
        make_deterministic()
    settings = recipe.pretraining or schema.Pretraining()
    skeleton = building.build_skeleton(recipe)
    splits = building.build_splits(recipe, cache_dir)
    set_seeds(recipe.seed)
    loss_net = building.build_loss_net(recipe)
    assert loss_net is not None  # The recipe has one: it was looked at above.
    # Every frame of a window is a true pose here, whatever a pose-net would predict of it.
    frames = recipe.data.num_frames
    windows = building.build_windows(recipe, splits.train, frames, training=True)
    validation = building.build_windows(recipe, splits.validation, frames, training=False)
    objective: Any
    if isinstance(settings.objective, schema.DenoisingObjective):
        chosen = settings.objective
        objective = Denoising(skeleton, chosen.low, chosen.high, chosen.unit, seed=recipe.seed)
        makers = None
    else:
        options = settings.objective.model_dump()
        objective = losses.get_objective(options.pop("name"), **options)
        makers = build_negatives(
            settings.negatives or (),
            skeleton,
            recipe.seed,
            settings.epochs,
            len(windows),
            "pretraining.negatives",
        )
        if any(maker.uses_prediction for maker in makers):
            raise UserError("pretraining.negatives: there is no pose-net here to predict anything.")
    optimizer = settings.optimizer or recipe.training.loss_net_optimizer or schema.Optimizer()
    training = recipe.training.model_copy(update={"epochs": settings.epochs})
    model = LossNetPretraining(loss_net, objective, makers)
    model.compile(
        optimizer=build_optimizer(optimizer, training, len(windows), "pretraining.optimizer"),
        jit_compile=recipe.training.jit_compile,
    )
    note(
        f"{recipe.name}: loss-net of {loss_net.count_params()} weights,"
        f" {splits.train.num_frames} training frames; Keras on {backend}."
    )
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: note(
            f"epoch {epoch + 1} of {settings.epochs}: "
            + ", ".join(f"{name} {value:.4g}" for name, value in sorted((logs or {}).items()))
        )
    )
    history = model.fit(
        windows,
        validation_data=validation,
        epochs=settings.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[windows.follow_epochs(), keras.callbacks.TerminateOnNaN(), show],
    ).history
    if len(history["loss"]) < settings.epochs or history["loss"][-1] != history["loss"][-1]:
        raise UserError("The loss is no number any more: lower the loss-net's learning rate.")
    with files.replacing(Path(out)) as unfinished, without_tensorflow_chatter():
        loss_net.save(unfinished)
    note(f"Loss-net: {out}")
    return history
