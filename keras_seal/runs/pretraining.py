"""Training a recipe's loss-net alone, for later or at the beginning of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras

from keras_seal import files, losses
from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import Recipe, building, schema
from keras_seal.recipes.negatives import build_negatives
from keras_seal.recipes.optimizers import build_optimizer
from keras_seal.runs.callbacks import RunFailedError
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
        The logs of every epoch, and its `seconds`.

    Raises:
        UserError: If something in the recipe or its data is wrong.
        RunFailedError: If the loss is no finite number any more.
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
    splits = building.build_splits(recipe, cache_dir)
    set_seeds(recipe.seed)
    loss_net = building.build_loss_net(recipe)
    assert loss_net is not None  # The recipe has one: it was looked at above.
    if getattr(loss_net, "frame_gap", None) is None:
        out_frames = building.build_pose_net(recipe, splits.train.num_channels).output_shape[1]
    else:  # It looks at pairs of frames, and a pose-net may predict but one.
        out_frames = recipe.data.num_frames
    history = train_loss_net(recipe, loss_net, splits.train, splits.validation, out_frames, note)
    with files.replacing(Path(out)) as unfinished, without_tensorflow_chatter():
        loss_net.save(unfinished)
    note(f"Loss-net: {out}")
    return history


def train_loss_net(
    recipe: Recipe,
    loss_net: keras.Model,
    train: PoseSequences,
    validation: PoseSequences,
    out_frames: int,
    note: Callable[[str], object],
) -> dict[str, list[float]]:
    """Train a loss-net alone, as a recipe's key `pretraining` says, or else by the defaults.

    Args:
        recipe: The recipe.
        loss_net: What is trained.
        train: What it learns from.
        validation: What it is only looked at with.
        out_frames: Frames that the pose-net predicts: so many of a window are seen, and no others.
        note: Told what goes on, line by line.

    Returns:
        The logs of every epoch, and its `seconds`.

    Raises:
        UserError: If an option does not fit.
        RunFailedError: If the loss is no finite number any more.
    """
    settings = recipe.pretraining or schema.Pretraining()
    skeleton = building.build_skeleton(recipe)
    seen = recipe.data.model_copy(update={"num_frames": out_frames})
    recipe = recipe.model_copy(update={"data": seen})
    windows = building.build_windows(recipe, train, out_frames, training=True)
    looked_at = building.build_windows(recipe, validation, out_frames, training=False)
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
        f"{recipe.name}: loss-net of {loss_net.count_params()} weights, trained alone on"
        f" {train.num_frames} frames; Keras on {keras.backend.backend()}."
    )
    ends: list[float] = [time.perf_counter()]

    def show(epoch: int, logs: dict[str, float] | None) -> None:
        ends.append(time.perf_counter())
        found = ", ".join(f"{name} {value:.4g}" for name, value in sorted((logs or {}).items()))
        note(f"loss-net, epoch {epoch + 1} of {settings.epochs}: {found}")

    history = model.fit(
        windows,
        validation_data=looked_at,
        epochs=settings.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            windows.follow_epochs(),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.LambdaCallback(on_epoch_end=show),
        ],
    ).history
    if len(history["loss"]) < settings.epochs or history["loss"][-1] != history["loss"][-1]:
        raise RunFailedError(
            "The loss of the loss-net, trained alone, is no finite number any more: lower"
            " pretraining.optimizer.learning_rate, or set clip_norm there."
        )
    return {**history, "seconds": [end - begin for begin, end in pairwise(ends)]}
