"""What watches and records a run while Keras trains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_seal.errors import UserError
from keras_seal.recipes import Recipe
from keras_seal.runs import state
from keras_seal.runs.checkpoints import Checkpoint, Checkpoints
from keras_seal.runs.folder import RunFolder
from keras_seal.runs.logs import CsvLog, TensorBoardLog


class RunFailedError(UserError):
    """A run that was asked for rightly could not be brought to its end."""

    exit_status = 1


class DivergedError(RunFailedError):
    """Losses or weights are no finite numbers any more."""


class LossGuard(keras.callbacks.Callback):
    """Stop as soon as a loss is no number any more, and say whose and when.

    Args:
        steps_per_epoch: Batches an epoch.
    """

    # Keras then calls it from a thread of its own, and training does not wait for the logs.
    async_safe = True

    def __init__(self, steps_per_epoch: int) -> None:
        super().__init__()
        self._steps_per_epoch = steps_per_epoch
        # Whether the pose loss was finite in each batch with a loss that was not.
        self._pose_loss_was_finite: dict[int, bool] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the losses of a step; their running means keep a NaN."""
        logs = logs or {}
        found = [logs[name] for name in ("loss", "pose_loss", "loss_net_loss") if name in logs]
        if not all(math.isfinite(value) for value in found):
            self._pose_loss_was_finite[batch] = math.isfinite(logs.get("pose_loss", math.nan))
            raise DivergedError("A loss is no longer a finite number.")

    def explain(self, model: Any) -> str | None:
        """Say which network's loss was the first to fail, and at which step.

        Args:
            model: The model, after training has ended one way or the other.

        Returns:
            A sentence, or `None` if no loss has failed.
        """
        steps = [step for step in model.first_non_finite_step().values() if step is not None]
        if not steps:
            return None
        # A prediction that is no number spoils every loss of its step. An energy that is none
        # spoils the pose-net's total loss as well, but not its pose loss.
        seen = self._pose_loss_was_finite
        fooled = model.loss_net is not None and bool(seen) and seen[min(seen)]
        epoch, batch = divmod(min(steps), self._steps_per_epoch)
        return (
            f"The {'loss-net' if fooled else 'pose-net'}'s loss became NaN or infinite at step"
            f" {min(steps) + 1} (epoch {epoch + 1}, batch {batch + 1} of {self._steps_per_epoch})."
        )


class Recorder(keras.callbacks.Callback):
    """Write logs and a checkpoint after every epoch, and keep track of the best one.

    Args:
        folder: The run folder.
        recipe: Its recipe.
        checkpoints: Its checkpoints.
        start: The checkpoint from which training goes on.
        note: Told one line an epoch.
    """

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        checkpoints: Checkpoints,
        start: Checkpoint | None = None,
        note: Callable[[str], object] = print,
    ) -> None:
        super().__init__()
        self._recipe = recipe
        self._checkpoints = checkpoints
        self._note = note
        self._start = start
        self.history: list[dict[str, float]] = list(start.progress["history"]) if start else []
        self._csv = CsvLog(folder.log)
        self._csv.rewrite(self.history)
        self._tensorboard = None
        if recipe.callbacks.tensorboard:
            self._tensorboard = TensorBoardLog(folder.tensorboard, len(self.history))
        self._began = time.perf_counter()

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest value of the selection metric, from 1."""
        return best_epoch(self.history, self._recipe.evaluation.select)

    @property
    def patience_is_over(self) -> bool:
        """Whether too many epochs have passed since the best one."""
        patience = self._recipe.training.patience
        return (
            patience is not None
            and bool(self.history)
            and len(self.history) - self.best_epoch >= patience
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the state back once more: building the model has drawn random numbers under torch."""
        if self._start is not None:
            state.restore(self.model, self._start.arrays)
            self._start = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        # Not the optimizers' own names: Keras numbers those through a whole process.
        for network, optimizer in zip(
            ("pose_net", "loss_net"), self.model.optimizer.optimizers, strict=False
        ):
            row[f"learning_rate_{network}_optimizer"] = _number(optimizer.learning_rate)
        if self.model.loss_net is not None:
            row["energy_weight"] = _number(self.model.energy_weight)
        row["seconds"] = round(time.perf_counter() - self._began, 3)
        row = dict(sorted(row.items()))
        self._check(epoch, row)
        self.history.append(row)
        finished = len(self.history)
        self._csv.append(finished, row)
        if self._tensorboard is not None:
            self._tensorboard.write(finished, row)
        self._note(self._line(row))
        self._save(finished)
        if self.patience_is_over:
            self._note(
                f"No better {self._recipe.evaluation.select} for"
                f" {self._recipe.training.patience} epochs: training stops."
            )
            self.model.stop_training = True

    def close(self) -> None:
        """Close the logs."""
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _save(self, finished: int) -> None:
        arrays = state.capture(self.model)
        network = state.non_finite_network(self.model, arrays)
        if network is not None:
            raise DivergedError(
                f"The {network.replace('_', '-')}'s weights are NaN or infinite after epoch"
                f" {finished}."
            )
        self._checkpoints.save(
            finished, arrays, {"history": self.history}, keep_too=[self.best_epoch]
        )

    def _check(self, epoch: int, row: dict[str, float]) -> None:
        select = self._recipe.evaluation.select
        if select not in row:
            raise RunFailedError(
                f"evaluation.select: there is no log '{select}'; logged are {', '.join(row)}."
            )
        if not math.isfinite(row[select]):
            raise DivergedError(f"{select} is {row[select]} after epoch {epoch + 1}.")

    def _line(self, row: dict[str, float]) -> str:
        finished = len(self.history)
        parts = [f"epoch {finished}/{self._recipe.training.epochs}", f"{row['seconds']:.1f} s"]
        shown = ("pose_loss", "loss_net_loss", "ranking_accuracy", "force_ratio", "alignment")
        parts += [f"{name} {row[name]:.4f}" for name in shown if name in row]
        parts += [
            f"{name} {row[name]:.2f}"
            for name in (f"val_{name}" for name in self._recipe.evaluation.metrics)
        ]
        return "  ".join(parts) + ("  (best so far)" if self.best_epoch == finished else "")


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))


def best_epoch(history: Sequence[dict[str, float]], select: str) -> int:
    """Find the epoch to keep.

    Args:
        history: Logs of each epoch.
        select: The log whose lowest value wins; of equals, the first.

    Returns:
        Its number, from 1.

    Examples:
        >>> best_epoch([{"val_mpjpe": 50.0}, {"val_mpjpe": 40.0}, {"val_mpjpe": 40.0}], "val_mpjpe")
        2
    """
    return 1 + min(range(len(history)), key=lambda index: history[index][select])
