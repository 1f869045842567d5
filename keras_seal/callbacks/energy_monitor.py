"""The health of a loss-net while it trains."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal import files
from keras_seal.analysis import forces, landscape, pose_cosines
from keras_seal.callbacks.epoch_table import EpochTable
from keras_seal.callbacks.event_file import ImageEvents
from keras_seal.callbacks.held_out import HeldOutCallback, whole
from keras_seal.visualization import figure_to_png
from keras_seal.visualization.analysis import energy_health_figure
from keras_seal.visualization.curves import read_table
from keras_seal.visualization.evaluation import clearest

_LOGGED = (
    "energy_true",
    "energy_pred",
    "energy_gap",
    "ranking_accuracy",
    "force_ratio",
    "alignment",
)
# Samples whose energies around the truth are asked for: 81 each.
_PLANE_SAMPLES = 16
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
    resumed goes on in the same file. A second table beside it, named `..._bones.csv`, tells which
    bones are penalised, one row an epoch and bone, see `keras_seal.analysis.Attribution`: mean
    forces per metre of the energy at the predictions, `stretch` and `turn`, and `longer`, the
    first with its sign.

    With `plots`, `energy_epoch_0005.png` shows the state after the fifth epoch on one sheet:
    the energy on a plane through the truth, towards the prediction and along other bone lengths;
    histograms of the alignment and of the force ratio of each sample; the bones that are
    penalised; gap and ranking over the epochs. TensorBoard shows the same sheets as the images
    `energy` of a run `energy`.

    Args:
        data: A `PoseWindows`, a `PyDataset` of `(keypoints, poses)` batches, or a tuple of arrays.
        skeleton: A skeleton, a built-in name, or a path.
        path: The CSV file.
        every: Ask after every so many epochs, and after the last one.
        samples: How many samples to ask about, spread evenly over the data.
        noise: Standard deviations of the joint noise, mm for each coordinate.
        seed: Seed of the noise.
        plots: Folder of the pictures; `None` draws none.
        plot_every: Draw after every so many epochs, and after the last one, as far as these are
            looked at.
        tensorboard_dir: TensorBoard's log folder; a folder `energy` is made in it. `None` writes
            nothing for TensorBoard.

    Raises:
        ValueError: If an argument makes no sense; when training begins, if the data does not fit
            the skeleton, the model has no loss-net, or the file holds another table.
        TypeError: When training begins, if the model gives no energies.

    Examples:
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
        plots: str | os.PathLike[str] | None = None,
        plot_every: int = 5,
        tensorboard_dir: str | os.PathLike[str] | None = None,
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
        bones = self.path.with_name(f"{self.path.stem}_bones{self.path.suffix}")
        self._bones = EpochTable(bones, ["bone", "stretch", "longer", "turn"])
        self.plots = None if plots is None else Path(plots)
        self.plot_every = whole("plot_every", plot_every)
        self.tensorboard_dir = None if tensorboard_dir is None else Path(tensorboard_dir)
        self._events: ImageEvents | None = None

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
        self._bones.write(epoch, [])
        if self.plots is not None and self.tensorboard_dir is not None:
            self._events = ImageEvents(self.tensorboard_dir / "energy", first_step=epoch)

    def look(self, epoch: int) -> dict[str, float]:
        """Ask about the samples."""
        seen = self._seen(self.predict())
        figures = seen.figures
        for name, deviation in zip(self._noise_names, self.noise, strict=True):
            displaced = self.poses + 1e-3 * deviation * self._displacements
            figures[name] = float(self._energies(displaced).mean())
        self._table.write(epoch, [[figures[name] for name in self._table.columns[1:]]])
        _, along, across = forces(seen.pull, seen.predicted, self.skeleton)
        stretch, turn = np.abs(along).mean(axis=(0, 1)), across.mean(axis=(0, 1))
        rows = zip(
            self.skeleton.bone_names,
            stretch.tolist(),
            along.mean(axis=(0, 1)).tolist(),
            turn.tolist(),
            strict=True,
        )
        self._bones.write(epoch, [list(row) for row in rows])
        last = (self.params or {}).get("epochs")
        if self.plots is not None and (epoch % self.plot_every == 0 or epoch == last):
            self._draw(epoch, self.plots, seen, stretch + turn)
        return {f"held_out_{name}": figures[name] for name in _LOGGED}

    def on_train_end(self, logs: Any = None) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _draw(self, epoch: int, plots: Path, seen: _Seen, bones: np.ndarray) -> None:
        found = landscape(
            lambda rows, poses: self.by_batches(
                self.model.energy, self.keypoints[rows], poses.astype("float32")
            ),
            self.poses[:_PLANE_SAMPLES],
            seen.predicted[:_PLANE_SAMPLES],
            self.skeleton,
        )
        energies = [seen.pull, seen.predicted, found.excess]
        if not all(np.isfinite(each).all() for each in energies):
            warnings.warn(
                f"EnergyMonitor: after epoch {epoch} energies or predictions hold NaN or infinite "
                "values; there is no picture of them.",
                stacklevel=2,
            )
            return
        table = read_table(self.path)
        figure = energy_health_figure(
            cosines=seen.cosines,
            forces=seen.forces,
            bones=100 * bones / max(bones.sum(), 1e-12),
            pose=clearest(self.poses[:, self.poses.shape[1] // 2], self.skeleton),
            skeleton=self.skeleton,
            landscape=found,
            epochs=table,
            title=f"The loss-net after epoch {epoch}",
        )
        png = figure_to_png(figure, dpi=80)
        files.write_bytes(plots / f"energy_epoch_{epoch:04d}.png", png)
        if self._events is not None:
            self._events.write("energy", png, step=epoch)

    def _energies(self, poses: np.ndarray) -> np.ndarray:
        return self.by_batches(self.model.energy, self.keypoints, poses)

    def _seen(self, predicted: np.ndarray) -> _Seen:
        true, pred = self._energies(self.poses), self._energies(predicted)
        pull = self.by_batches(self.model.energy_pull, self.keypoints, predicted)
        # In one batch, as in a training step: the pose loss may be any reduction over it.
        push = keras.ops.convert_to_numpy(self.model.pose_loss_gradient(self.poses, predicted))
        weight = float(keras.ops.convert_to_numpy(self.model.energy_weight))
        # The model's gradient is of each frame's energy; the training loss takes their mean.
        share = weight / pred.size
        cosines = pose_cosines(-pull, self.poses - predicted)
        means = cosines.mean(axis=-1)
        figures = {
            "energy_true": float(true.mean()),
            "energy_pred": float(pred.mean()),
            "energy_gap": float(pred.mean() - true.mean()),
            "ranking_accuracy": float((pred > true).mean()),
            "force_ratio": share * _norm(pull) / max(_norm(push), 1e-12),
            "alignment": float(means.mean()),
            "alignment_error": _standard_error(means),
            "energy_weight": weight,
        }
        each = [
            np.linalg.norm(g.reshape(len(g), -1).astype("float64"), axis=1) for g in (pull, push)
        ]
        return _Seen(
            predicted, pull, cosines, share * each[0] / np.maximum(each[1], 1e-12), figures
        )


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was asked after an epoch: poses, gradients, and figures of each sample and of all."""

    predicted: np.ndarray
    pull: np.ndarray
    cosines: np.ndarray
    forces: np.ndarray
    figures: dict[str, float]


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.astype("float64")))


def _standard_error(values: np.ndarray) -> float:
    """Standard error of a mean; NaN for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
