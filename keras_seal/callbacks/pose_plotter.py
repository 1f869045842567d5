"""Pictures of predicted poses while a model trains."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files
from keras_seal.callbacks.event_file import ImageEvents
from keras_seal.callbacks.held_out import HeldOutCallback
from keras_seal.visualization import figure_to_png, pose_grid
from keras_seal.visualization.films import write_slides

_MOST_PICTURES = 60


class PosePlotter(HeldOutCallback):
    """Draw the same held-out samples after every epoch: input, and prediction over truth.

    `folder/epoch_0001.png` is the picture after the first epoch. TensorBoard shows the same
    pictures as the images `poses` of a run `poses`, one step an epoch. When training ends, the
    pictures of all epochs are put together to `folder/poses.gif`.

    Args:
        data: A `PoseWindows`, a `PyDataset` of `(keypoints, poses)` batches, or a tuple of arrays.
        skeleton: A skeleton, a built-in name, or a path.
        folder: Where the pictures go.
        every: Draw after every so many epochs, and after the last one.
        samples: How many samples to draw, spread evenly over the data.
        tensorboard_dir: TensorBoard's log folder; a folder `poses` is made in it. `None` writes
            nothing for TensorBoard.
        gif: Whether the pictures are put together at the end: at most 60 of them, spread evenly.

    Raises:
        ValueError: If `every` or `samples` is not at least 1; when training begins, if the data
            does not fit the skeleton.

    Examples:
        >>> import keras, numpy as np, tempfile
        >>> x, y = np.ones((8, 1, 17, 2)), np.ones((8, 1, 17, 3))
        >>> model = keras.Sequential([keras.Input((1, 17, 2)), keras.layers.Dense(3)])
        >>> model.compile("sgd", "mse")
        >>> plotter = PosePlotter((x, y), "human36m_17", tempfile.mkdtemp(), samples=2)
        >>> _ = model.fit(x, y, verbose=0, callbacks=[plotter])
        >>> sorted(picture.name for picture in plotter.folder.iterdir())
        ['epoch_0001.png', 'poses.gif']
    """

    def __init__(
        self,
        data: Any,
        skeleton: Any,
        folder: str | os.PathLike[str],
        *,
        every: int = 1,
        samples: int = 4,
        tensorboard_dir: str | os.PathLike[str] | None = None,
        gif: bool = True,
    ) -> None:
        super().__init__(data, skeleton, every=every, samples=samples)
        self.folder = Path(folder)
        self.tensorboard_dir = None if tensorboard_dir is None else Path(tensorboard_dir)
        self.gif = gif
        self._events: ImageEvents | None = None
        self._last = 0

    def begin(self, epoch: int) -> None:
        """Open the event file."""
        if self.tensorboard_dir is not None:
            self._events = ImageEvents(self.tensorboard_dir / "poses", first_step=epoch)

    def look(self, epoch: int) -> dict[str, float]:
        """Draw the samples."""
        predicted = self.predict()
        if not np.isfinite(predicted).all():
            warnings.warn(
                f"PosePlotter: after epoch {epoch} the predictions hold NaN or infinite values; "
                "there is no picture of them.",
                stacklevel=2,
            )
            return {}
        figure = pose_grid(
            self.keypoints, self.poses, predicted, self.skeleton, title=f"Epoch {epoch}"
        )
        png = figure_to_png(figure, dpi=90)
        files.write_bytes(self.folder / f"epoch_{epoch:04d}.png", png)
        self._last = epoch
        if self._events is not None:
            self._events.write("poses", png, step=epoch)
        return {}

    def on_train_end(self, logs: Any = None) -> None:
        """Close the event file, and put the pictures together."""
        if self._events is not None:
            self._events.close()
            self._events = None
        # Those of an earlier part of a resumed training too, but none that it has overtaken.
        names = [f"epoch_{epoch:04d}.png" for epoch in range(1, self._last + 1)]
        pictures = [path for name in names if (path := self.folder / name).is_file()]
        if self.gif and pictures:
            chosen = np.linspace(0, len(pictures) - 1, min(len(pictures), _MOST_PICTURES))
            write_slides([pictures[int(at)] for at in chosen], self.folder / "poses.gif")
