"""Bone lengths while a model trains."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import geometry
from keras_seal.callbacks.epoch_table import EpochTable
from keras_seal.callbacks.held_out import HeldOutCallback
from keras_seal.visualization import save_figure
from keras_seal.visualization.lengths import bone_drift_figure

_COLUMNS = (
    "bone",
    "true_mm",
    "predicted_mm",
    "error_mm",
    "true_std_mm",
    "predicted_std_mm",
    "asymmetry_mm",
)


class LimbLengthLogger(HeldOutCallback):
    """Write predicted and true bone lengths of held-out samples to a CSV file every epoch.

    One row an epoch and bone, which is named by its joints. All are means over the frames of the
    samples, in mm: true and predicted length; `error_mm`, the absolute difference; the standard
    deviations of both lengths over the frames; and `asymmetry_mm`, the absolute difference of the
    predicted length from that of the mirrored bone, empty for bones of the middle. A training
    that is resumed goes on in the same file.

    Three values come into the logs, means over the bones in mm: `bone_length_drift`, how far the
    mean predicted length is from the mean true one; `bone_length_std`, the standard deviation of
    the predicted lengths; and, if the skeleton has mirrored bones, `bone_asymmetry`.

    With `plot`, a picture of how far each bone's mean length is from the true one, epoch by epoch,
    is drawn when training ends.

    Args:
        data: A `PoseWindows`, a `PyDataset` of `(keypoints, poses)` batches, or a tuple of arrays.
        skeleton: A skeleton, a built-in name, or a path.
        path: The CSV file.
        every: Measure after every so many epochs, and after the last one.
        samples: How many samples to measure, spread evenly over the data.
        plot: The picture, ending in `.png`; `None` draws none.

    Raises:
        ValueError: If `every` or `samples` is not at least 1; when training begins, if the data
            does not fit the skeleton, or the file holds another table.

    Examples:
        >>> import keras, numpy as np, tempfile
        >>> x, y = np.ones((8, 1, 17, 2)), np.ones((8, 1, 17, 3))
        >>> model = keras.Sequential([keras.Input((1, 17, 2)), keras.layers.Dense(3)])
        >>> model.compile("sgd", "mse")
        >>> logger = LimbLengthLogger((x, y), "human36m_17", tempfile.mkdtemp() + "/bones.csv")
        >>> sorted(model.fit(x, y, verbose=0, callbacks=[logger]).history)
        ['bone_asymmetry', 'bone_length_drift', 'bone_length_std', 'loss']
        >>> logger.path.read_text().splitlines()[1]
        '1,pelvis-right_hip,0,0,0,0,0,0'
    """

    def __init__(
        self,
        data: Any,
        skeleton: Any,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        samples: int = 2048,
        plot: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(data, skeleton, every=every, samples=samples)
        self.path = Path(path)
        self.plot = None if plot is None else Path(plot)
        self._table = EpochTable(path, _COLUMNS)
        self._mirrored = bool(self.skeleton.bone_mirror_pairs)
        self.log_names = ("bone_length_drift", "bone_length_std")
        if self._mirrored:
            self.log_names += ("bone_asymmetry",)

    def begin(self, epoch: int) -> None:
        """Drop what an interrupted training left for the epochs to come."""
        self._table.write(epoch, [])

    def look(self, epoch: int) -> dict[str, float]:
        """Measure the samples."""
        true, predicted = self._lengths(self.poses), self._lengths(self.predict())
        asymmetry = np.full(self.skeleton.num_bones, np.nan)
        if self._mirrored:
            left, right = np.array(self.skeleton.bone_mirror_pairs).T
            asymmetry[left] = np.abs(predicted[:, left] - predicted[:, right]).mean(axis=0)
            asymmetry[right] = asymmetry[left]
        figures = np.stack(
            [
                true.mean(axis=0),
                predicted.mean(axis=0),
                np.abs(predicted - true).mean(axis=0),
                true.std(axis=0),
                predicted.std(axis=0),
                asymmetry,
            ],
            axis=-1,
        )
        names = self.skeleton.bone_names
        rows = [[name, *row.tolist()] for name, row in zip(names, figures, strict=True)]
        self._table.write(epoch, rows)
        seen = {
            "bone_length_drift": float(np.abs(figures[:, 1] - figures[:, 0]).mean()),
            "bone_length_std": float(figures[:, 4].mean()),
        }
        if self._mirrored:
            seen["bone_asymmetry"] = float(asymmetry[left].mean())
        return seen

    def on_train_end(self, logs: Any = None) -> None:
        """Draw how the lengths drifted."""
        if self.plot is None or not self.path.is_file():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        epochs = list(dict.fromkeys(int(row["epoch"]) for row in rows))
        drift = [float(row["predicted_mm"] or "nan") - float(row["true_mm"]) for row in rows]
        bones = np.reshape(drift, (len(epochs), -1)).T
        if bones.size and np.isfinite(bones).all():
            save_figure(bone_drift_figure(bones, epochs, self.skeleton), self.plot)

    def _lengths(self, poses: np.ndarray) -> np.ndarray:
        poses = poses.reshape(-1, *poses.shape[2:]).astype("float64")
        return 1e3 * geometry.bone_lengths(poses, self.skeleton)
