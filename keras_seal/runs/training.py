"""Training runs: begin, go on, and end with weights, figures and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras

from keras_seal import files
from keras_seal.data import PoseSequences, PoseWindows
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError
from keras_seal.evaluation import AllFrames, usual
from keras_seal.evaluation.page import to_csv
from keras_seal.evaluation.scores import sequence_rows
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import Recipe, building
from keras_seal.runs import environment, evaluation, report, state
from keras_seal.runs.callbacks import (
    DivergedError,
    LossGuard,
    Recorder,
    RunFailedError,
    best_epoch,
)
from keras_seal.runs.checkpoints import Checkpoint, Checkpoints
from keras_seal.runs.determinism import make_deterministic, set_seeds
from keras_seal.runs.folder import RunFolder
from keras_seal.runs.pretraining import train_loss_net
from keras_seal.training import SEALPose, averaging

Note = Callable[[str], object]


def start(
    recipe: Recipe,
    out: str | Path | None = None,
    *,
    command: Sequence[str] | None = None,
    cache_dir: str | Path | None = None,
    until: int | None = None,
    note: Note = print,
) -> RunFolder:
    """Train as a recipe says.

    Args:
        recipe: The recipe; its backend, if it names one, must be the one that Keras runs on.
        out: The run folder; by default `runs/NAME-YYYYMMDD-HHMMSS`. Nothing may be there yet.
        command: The command line, for the record.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        until: Epochs after which to pause; `resume` goes on. By default the run goes to its end.
        note: Told what goes on, line by line.

    Returns:
        The run folder, with everything in it.

    Raises:
        UserError: If something in the recipe or its data is wrong; then nothing is written.
        RunFailedError: If a loss is no number any more, or the disk is full.
    """
    backend = _set_up_backend(recipe)
    path = RunFolder.unused(out if out is not None else RunFolder.default_path(recipe.name))
    recipe = recipe.model_copy(update={"backend": backend})
    # Preparing data can take long: what is wrong with the rest is found first.
    building.check(recipe)
    run = _Run(recipe, cache_dir, note)
    folder = RunFolder.create(path, recipe, [environment.describe(recipe.seed, command)])
    note(f"Run folder: {folder.path}")
    with folder.lock(), _explaining(folder, run):
        if run.train(folder, None, until):
            run.finish(folder)
    return folder


def resume(
    path: str | Path,
    *,
    cache_dir: str | Path | None = None,
    until: int | None = None,
    note: Note = print,
) -> RunFolder:
    """Go on with a run that was interrupted; it ends as if it never had been.

    Args:
        path: The run folder.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        until: Epochs after which to pause; `resume` goes on. By default the run goes to its end.
        note: Told what goes on, line by line.

    Returns:
        The run folder, with everything in it.

    Raises:
        UserError: If there is no such run, or another process is at work on it.
        RunFailedError: If a loss is no number any more, or the disk is full.
    """
    folder = RunFolder.open(path)
    recipe = folder.recipe
    _set_up_backend(recipe)
    with folder.lock():
        if folder.finished:
            note(f"{folder.path} has come to its end already.")
            return folder
        files.remove_unfinished(folder.path)
        checkpoint = Checkpoints(folder.checkpoints).latest(note)
        environment.add_session(folder.environment, environment.describe(recipe.seed), note)
        run = _Run(recipe, cache_dir, note)
        finished = checkpoint.epoch if checkpoint else 0
        note(f"Going on in {folder.path} after epoch {finished} of {recipe.training.epochs}.")
        with _explaining(folder, run):
            if run.train(folder, checkpoint, until):
                run.finish(folder)
    return folder


class _Run:
    """Data and model of a run, ready to train."""

    def __init__(self, recipe: Recipe, cache_dir: str | Path | None, note: Note) -> None:
        self.recipe = recipe
        self.note = note
        self.parts: dict[str, PoseSequences] = building.build_splits(recipe, cache_dir).parts
        if not recipe.evaluation.test:
            del self.parts["test"]
        # Only now, so that initial weights do not depend on whether the data was cached.
        set_seeds(recipe.seed)

        def steps(out_frames: int) -> int:
            return len(
                building.build_windows(recipe, self.parts["train"], out_frames, training=True)
            )

        self.model: SEALPose = building.build_model(recipe, self.parts["train"].num_channels, steps)
        out_frames = self.model.pose_net.output_shape[1]
        self.windows: PoseWindows = building.build_windows(
            recipe, self.parts["train"], out_frames, training=True
        )
        self.validation: PoseWindows = building.build_windows(
            recipe, self.parts["validation"], out_frames, training=False
        )
        self.statistics = building.StatisticsBatches(self.windows)
        building.compile_model(self.model, recipe, len(self.windows))
        self.guard = LossGuard(len(self.windows))
        parts = [f"{part.num_frames} {name}" for name, part in self.parts.items()]
        nets = [f"pose-net of {self.model.pose_net.count_params()} weights"]
        if self.model.loss_net is not None:
            nets.append(f"loss-net of {self.model.loss_net.count_params()}")
        note(
            f"{recipe.name}: {', '.join(parts)} frames; {', '.join(nets)}; Keras on"
            f" {keras.backend.backend()}."
        )

    def train(self, folder: RunFolder, start: Checkpoint | None, until: int | None) -> bool:
        """Train from a checkpoint, or from the beginning; whether the end is reached."""
        recorder = Recorder(folder, self.recipe, Checkpoints(folder.checkpoints), start, self.note)
        if start is not None:
            state.restore(self.model, start.arrays)
        elif self.recipe.pretrains:
            self._train_loss_net(folder)
        finished = len(recorder.history)
        epochs = self.recipe.training.epochs
        last = epochs if until is None else min(until, epochs)
        if finished >= last or recorder.patience_is_over:
            recorder.close()
            return finished >= epochs or recorder.patience_is_over
        callbacks = [self.windows.follow_epochs()]
        if averaging.averages_weights(self.model):
            callbacks.append(averaging.AveragedValidation(self.statistics))
        callbacks += building.build_callbacks(
            self.recipe, self.validation, folder.log.parent, folder.plots, folder.tensorboard
        )
        try:
            self.model.fit(
                self.windows,
                validation_data=self.validation,
                epochs=last,
                initial_epoch=finished,
                shuffle=False,  # the windows have an order of their own
                verbose=0,
                callbacks=[*callbacks, self.guard, recorder],
            )
        finally:
            recorder.close()
        return last == epochs or recorder.patience_is_over

    def _train_loss_net(self, folder: RunFolder) -> None:
        logs = train_loss_net(
            self.recipe,
            self.model.loss_net,
            self.parts["train"],
            self.parts["validation"],
            self.model.pose_net.output_shape[1],
            self.note,
        )
        rows = [
            {"epoch": epoch, **dict(zip(logs, values, strict=True))}
            for epoch, values in enumerate(zip(*logs.values(), strict=True), start=1)
        ]
        files.write_text(folder.pretraining_log, to_csv(rows))

    def finish(self, folder: RunFolder) -> None:
        """Measure the weights that validation chose, save them, and write the report."""
        history, best = _choose_checkpoint(folder, self.recipe, self.note)
        state.restore(self.model, best.arrays)
        scores, data = {}, self.recipe.data
        with averaging.averaged_weights(self.model, self.statistics):
            for name in [name for name in self.parts if name != "train"]:
                part = self.parts[name]
                poses = evaluation.lift(
                    self.model.pose_net, part, data.frame_stride, data.batch_size
                )
                found = AllFrames().score(poses, part)
                scores[name] = evaluation.summary(found)
                if name == "test" and usual(data.source) == AllFrames.name:
                    # What `evaluate` would write again; comparisons of runs read it.
                    files.write_text(folder.sequences(name), to_csv(sequence_rows(found)))
            report.draw_results(folder.plots, name, part, poses)
            with without_tensorflow_chatter():
                _save(folder.pose_net, self.model.pose_net)
                if self.model.loss_net is not None:
                    _save(folder.loss_net, self.model.loss_net)
                _save(folder.model, self.model)
        report.draw_history(folder.plots, folder.log)
        result = {
            "name": self.recipe.name,
            "seed": self.recipe.seed,
            "backend": keras.backend.backend(),
            "selected_by": self.recipe.evaluation.select,
            "selected_epoch": best.epoch,
            "epochs": len(history),
            **scores,
        }
        report.write_report(folder, self.recipe, result, history)
        # Last, for it marks the run as finished.
        files.write_json(folder.metrics, result)
        self.note(f"Report: {folder.report}")


def _save(path: Path, model: keras.Model) -> None:
    with files.replacing(path) as unfinished:
        model.save(unfinished)


def _choose_checkpoint(
    folder: RunFolder, recipe: Recipe, note: Note
) -> tuple[list[dict[str, float]], Checkpoint]:
    """Read the logs of all epochs, and the checkpoint of the best or the best that is intact."""
    checkpoints, select = Checkpoints(folder.checkpoints), recipe.evaluation.select
    latest = checkpoints.latest(note)
    if latest is None:
        raise RunFailedError(f"There is no intact checkpoint in {folder.checkpoints}.")
    history = latest.progress["history"]
    best = best_epoch(history, select)
    there = [epoch for epoch in checkpoints.epochs() if epoch <= len(history)]
    for epoch in sorted(there, key=lambda epoch: (history[epoch - 1][select], epoch)):
        try:
            checkpoint = checkpoints.load(epoch)
        except DamagedFileError as error:
            note(f"Passing over a damaged checkpoint: {error}")
            continue
        if epoch != best:
            note(f"The weights of the best epoch, {best}, are lost: epoch {epoch} takes its place.")
        return history, checkpoint
    return history, latest


def _set_up_backend(recipe: Recipe) -> str:
    backend = keras.backend.backend()
    if recipe.backend not in (None, backend):
        raise UserError(
            f"The recipe is for the {recipe.backend} backend, but Keras runs on {backend}: set"
            f" KERAS_BACKEND={recipe.backend} before Keras is imported."
        )
    if recipe.training.deterministic:
        make_deterministic()
    return backend


@contextmanager
def _explaining(folder: RunFolder, run: _Run) -> Iterator[None]:
    """Say what went wrong, and what of the run is safe."""
    try:
        yield
    except DivergedError as error:
        reason = run.guard.explain(run.model) or str(error)
        raise DivergedError(
            f"{reason} {_what_is_safe(folder)} Lower the learning rates or the energy weight, or"
            " set clip_norm."
        ) from error
    except (OSError, UserError) as error:
        # Keras cuts the chain of causes when it shortens tracebacks, but leaves the context.
        cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
        if not isinstance(cause, OSError):
            raise
        raise RunFailedError(
            f"Cannot write to {folder.path}: {cause.strerror or cause}. {_what_is_safe(folder)}"
            f" When there is room, go on by --resume {folder.path}."
        ) from error


def _what_is_safe(folder: RunFolder) -> str:
    epochs = Checkpoints(folder.checkpoints).epochs()
    if not epochs:
        return "There is no checkpoint yet."
    return f"The checkpoint of epoch {epochs[-1]} is kept."
