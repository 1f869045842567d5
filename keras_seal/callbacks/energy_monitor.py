"""The health of a loss-net while it trains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal.callbacks.epoch_table import EpochTable
from keras_seal.callbacks.held_out import HeldOutCallback

_LOGGED = (
    "energy_true",
    "energy_pred",
    "energy_gap",
    "ranking_accuracy",
    "force_ratio",
    "alignment",
)
_NEEDED = ("energy", "energy_pull", "pose_loss_gradient", "energy_weight")


class EnergyMonitor(HeldOutCallback):
    """Ask a loss-net on held-out samples whether it still knows what is plausible.

    One row an epoch in a CSV file, all in inference mode:

    - `energy_true`, `energy_pred`, `energy_gap`: mean energies of true poses and predictions, and
      prediction less truth;
    - `ranking_accuracy`: share of predictions whose energy is above their truth's;
    - `force_ratio`: how hard the energy pulls at the predictions against the pose loss,
      `||energy_weight * dE/dy|| / ||dL/dy||`; a few percent is a sane start. E is what the pose-net
      minimises of the energy, as everywhere the energy itself but for some discriminators;
    - `alignment`, `alignment_error`: mean cosine between the way down the energy and the way from
      prediction to truth, and its standard error. Chance is 0: a mean within two errors of it
      says that the energy pulls nowhere useful;
    - `energy_weight`;
    - `energy_noise_20mm` and so on: mean energy of true poses whose joints were displaced by
      Gaussian noise of that standard deviation, the same noise at every epoch. It should rise.

    The first six also come into the logs, as `held_out_energy_true` and so on. A training that is
    resumed goes on in the same file.

    Args:
        data: A `PoseWindows`, a `PyDataset` of `(keypoints, poses)` batches, or a tuple of arrays.
        skeleton: A skeleton, a built-in name, or a path.
        path: The CSV file.
        every: Ask after every so many epochs, and after the last one.
        samples: How many samples to ask about, spread evenly over the data.
        noise: Standard deviations of the joint noise, mm for each coordinate.
        seed: Seed of the noise.

    Raises:
        ValueError: If an argument makes no sense; when training begins, if the data does not fit
            the skeleton, the model has no loss-net, or the file holds another table.
        TypeError: When training begins, if the model gives no energies.

    Example:
        >>> import keras, numpy as np, tempfile, keras_seal as ks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(8, 1, 17, 2)).astype("float32")
        >>> y = rng.normal(size=(8, 1, 17, 3)).astype("float32")
        >>> model = ks.SEALPose(
        ...     ks.pose_nets.SimpleBaseline("human36m_17", units=16),
        ...     ks.loss_nets.MLPLossNet("human36m_17", units=16),
        ... )
        >>> model.compile(keras.optimizers.Adam(1e-3), energy_weight=1e-3)
        >>> path = tempfile.mkdtemp() + "/energy.csv"
        >>> monitor = EnergyMonitor((x, y), "human36m_17", path, noise=(10, 20))
        >>> history = model.fit(x, y, verbose=0, callbacks=[monitor]).history
        >>> 0 <= history["held_out_ranking_accuracy"][0] <= 1
        True

    Reference:
        SEAL-pose (arXiv 2602.20051).
    """

    log_names = tuple(f"held_out_{name}" for name in _LOGGED)

    def __init__(
        self,
        data: Any,
        skeleton: Any,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        samples: int = 512,
        noise: Sequence[float] = (5.0, 10.0, 20.0, 40.0, 80.0),
        seed: int = 0,
    ) -> None:
        super().__init__(data, skeleton, every=every, samples=samples)
        self.path = Path(path)
        self.noise = tuple(float(deviation) for deviation in noise)
        if not all(0 < deviation < np.inf for deviation in self.noise):
            raise ValueError(f"noise is {noise!r}: give standard deviations above 0, in mm.")
        self.seed = seed
        self._noise_names = [f"energy_noise_{deviation:g}mm" for deviation in self.noise]
        columns = [*_LOGGED, "alignment_error", "energy_weight", *self._noise_names]
        self._table = EpochTable(path, columns)

    def on_train_begin(self, logs: Any = None) -> None:
        """Check the model, read the samples and draw the noise."""
        missing = [name for name in _NEEDED if not hasattr(self.model, name)]
        if missing:
            raise TypeError(
                f"EnergyMonitor watches a SEALPose; a {type(self.model).__name__} has no "
                f"{', '.join(missing)}."
            )
        if getattr(self.model, "loss_net", self.model) is None:
            raise ValueError(
                "EnergyMonitor watches a loss-net, but this SEALPose has none (loss_net=None): "
                "leave the callback out, or give the model a loss-net."
            )
        super().on_train_begin(logs)
        # A generator of its own: no other random number of the run may depend on this one.
        displaced = np.random.default_rng(self.seed).standard_normal(self.poses.shape)
        # The origin of a root-relative pose stays where it is.
        origin = list(self.skeleton.origin)
        displaced[..., origin, :] -= displaced[..., origin, :].mean(axis=-2, keepdims=True)
        self._displacements = displaced.astype("float32")

    def begin(self, epoch: int) -> None:
        """Drop what an interrupted training left for the epochs to come."""
        self._table.write(epoch, [])

    def look(self, epoch: int) -> dict[str, float]:
        """Ask about the samples."""
        figures = self._figures(self.predict())
        for name, deviation in zip(self._noise_names, self.noise, strict=True):
            displaced = self.poses + 1e-3 * deviation * self._displacements
            figures[name] = float(self._energies(displaced).mean())
        self._table.write(epoch, [[figures[name] for name in self._table.columns[1:]]])
        return {f"held_out_{name}": figures[name] for name in _LOGGED}

    def _energies(self, poses: np.ndarray) -> np.ndarray:
        return self.by_batches(self.model.energy, self.keypoints, poses)

    def _figures(self, predicted: np.ndarray) -> dict[str, float]:
        true, pred = self._energies(self.poses), self._energies(predicted)
        pull = self.by_batches(self.model.energy_pull, self.keypoints, predicted)
        # In one batch, as in a training step: the pose loss may be any reduction over it.
        push = keras.ops.convert_to_numpy(self.model.pose_loss_gradient(self.poses, predicted))
        weight = float(keras.ops.convert_to_numpy(self.model.energy_weight))
        # The model's gradient is of each frame's energy; the training loss takes their mean.
        force = weight * _norm(pull) / pred.size
        cosines = _cosines(-pull, self.poses - predicted).mean(axis=-1)
        return {
            "energy_true": float(true.mean()),
            "energy_pred": float(pred.mean()),
            "energy_gap": float(pred.mean() - true.mean()),
            "ranking_accuracy": float((pred > true).mean()),
            "force_ratio": force / max(_norm(push), 1e-12),
            "alignment": float(cosines.mean()),
            "alignment_error": _standard_error(cosines),
            "energy_weight": weight,
        }


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.astype("float64")))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine between poses taken as vectors, `(samples, frames)`; 0 where one has no length."""
    first, second = first.astype("float64"), second.astype("float64")
    dot = (first * second).sum(axis=(-2, -1))
    squares = np.square(first).sum(axis=(-2, -1)) * np.square(second).sum(axis=(-2, -1))
    return dot / np.sqrt(np.maximum(squares, 1e-24))


def _standard_error(values: np.ndarray) -> float:
    """Standard error of a mean; NaN for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
