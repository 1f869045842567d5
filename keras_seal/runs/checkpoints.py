"""Checkpoints: the whole state of a training run after an epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data.storage import DamagedFileError, read_arrays, write_arrays

_NAME = re.compile(r"epoch-(\d{5,})\.npz")


@dataclass(frozen=True)
class Checkpoint:
    """What one checkpoint holds.

    Args:
        epoch: Number of epochs that had been finished.
        arrays: Values of all variables, by name.
        progress: Whatever else a run needs to go on.
    """

    epoch: int
    arrays: Mapping[str, np.ndarray]
    progress: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of a run: written whole or not at all, read only if intact.

    A checkpoint is one file with a SHA-256 over its contents. It is written under a temporary
    name, flushed to the disk and then renamed; older ones are removed only after that. So
    whatever happens, and whenever, the last complete checkpoint stays.

    Args:
        folder: Where they lie.
        keep: How many of the latest are kept.

    Examples:
        >>> import numpy as np, tempfile
        >>> checkpoints = Checkpoints(tempfile.mkdtemp(), keep=2)
        >>> for epoch in (1, 2, 3, 4):
        ...     _ = checkpoints.save(epoch, {"w": np.full(2, epoch)}, {"best": 1}, keep_too=[1])
        >>> checkpoints.epochs()
        [1, 3, 4]
        >>> checkpoints.latest().arrays["w"].tolist()
        [4, 4]
    """

    def __init__(self, folder: str | Path, keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def path(self, epoch: int) -> Path:
        """Tell the file of a checkpoint.

        Args:
            epoch: Number of finished epochs.

        Returns:
            The path, whether there is a file or not.
        """
        return self.folder / f"epoch-{epoch:05d}.npz"

    def epochs(self) -> list[int]:
        """List the checkpoints that are there, intact or not.

        Returns:
            Their numbers of finished epochs, ascending.
        """
        matches = (_NAME.fullmatch(entry.name) for entry in self.folder.glob("*.npz"))
        return sorted(int(match[1]) for match in matches if match)

    def save(
        self,
        epoch: int,
        arrays: Mapping[str, np.ndarray],
        progress: Mapping[str, Any],
        keep_too: Iterable[int] = (),
    ) -> Path:
        """Write a checkpoint, then remove those that are no longer needed.

        Args:
            epoch: Number of finished epochs.
            arrays: Values by name.
            progress: What JSON can hold.
            keep_too: Checkpoints to keep beside the latest ones.

        Returns:
            The file.

        Raises:
            UserError: If it cannot be written; what was there stays as it was.
        """
        path = write_arrays(self.path(epoch), arrays, {"epoch": epoch, "progress": dict(progress)})
        kept = {*self.epochs()[-self.keep :], *keep_too, epoch}
        for other in self.epochs():
            if other not in kept:
                self.path(other).unlink(missing_ok=True)
        return path

    def load(self, epoch: int) -> Checkpoint:
        """Read one checkpoint.

        Args:
            epoch: Number of finished epochs.

        Returns:
            The checkpoint.

        Raises:
            FileNotFoundError: If there is none.
            DamagedFileError: If it is not what was written.
        """
        path = self.path(epoch)
        arrays, description = read_arrays(path)
        if description.get("epoch") != epoch or "progress" not in description:
            raise DamagedFileError(f"'{path}' is not the checkpoint that its name says.")
        return Checkpoint(epoch, arrays, description["progress"])

    def latest(self, note: Callable[[str], object] = print) -> Checkpoint | None:
        """Read the latest intact checkpoint.

        Args:
            note: Told about each damaged one that is passed over.

        Returns:
            The checkpoint, or `None` where there is none.
        """
        for epoch in reversed(self.epochs()):
            try:
                return self.load(epoch)
            except DamagedFileError as error:
                note(f"Passing over a damaged checkpoint: {error}")
        return None
