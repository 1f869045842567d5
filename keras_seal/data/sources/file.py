"""Poses that were saved before."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from keras_seal.data.sequences import SPLITS, PoseSequences, PoseSplits
from keras_seal.data.sources.base import Source
from keras_seal.errors import UserError


class FileSource(Source):
    """Splits that `PoseSplits.save` wrote, or a folder of what `PoseSequences.save` wrote.

    Args:
        path: An `.npz` file of splits, or a folder that holds `train.npz`, `validation.npz` and
            `test.npz`.

    Raises:
        UserError: There is no such option, or no path is given.

    Examples:
        >>> import pathlib, tempfile
        >>> from keras_seal.data import sources
        >>> made = sources.get("synthetic")(frames=20, validation_frames=10, test_frames=10,
        ...                                 duration=1, cameras=1).load(use_cache=False)
        >>> path = made.save(pathlib.Path(tempfile.mkdtemp()) / "made.npz")
        >>> sources.get("file")(path=path).load().train
        PoseSequences(1 sequences, 20 frames, 2 channels, skeleton 'human36m_17')
    """

    name: ClassVar[str] = "file"

    path: Path

    def prepare(self) -> PoseSplits:
        """Read the data.

        Returns:
            The data, checked.

        Raises:
            UserError: A file is missing, damaged, or of no use.
        """
        path = self.path
        if path.is_dir():
            missing = [f"{name}.npz" for name in SPLITS if not (path / f"{name}.npz").is_file()]
            if missing:
                raise UserError(
                    f"The folder '{path}' has no {', '.join(missing)}; a folder of saved poses "
                    "holds train.npz, validation.npz and test.npz."
                )
            parts = {name: PoseSequences.load(path / f"{name}.npz") for name in SPLITS}
            return PoseSplits(**parts).validate()
        if not path.exists():
            raise UserError(f"There is no file or folder '{path}' to read poses from.")
        return PoseSplits.load(path).validate()

    def load(self, cache_dir: str | Path | None = None, *, use_cache: bool = True) -> PoseSplits:
        """Read the data; what is a prepared file already is not copied to the cache.

        Args:
            cache_dir: Not used, since nothing is prepared.
            use_cache: Not used, since nothing is prepared.

        Returns:
            The data, checked.

        Raises:
            UserError: A file is missing, damaged, or of no use.
        """
        return self.prepare()
