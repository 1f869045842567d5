"""Data sets that were prepared before, through TensorFlow Datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from keras_seal.data.sequences import PoseSplits
from keras_seal.data.sources.base import Source


class PreparedSource(Source):
    """A set that `keras-seal datasets prepare` wrote.

    Args:
        dataset: Name of the data set.
        config: Name of its variant; by default the first one.
        options: Options of the data source that were changed when it was prepared.
        data_dir: Where prepared sets lie; by default `datasets` in the cache folder.

    Raises:
        UserError: There is no such option.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("prepared")(dataset="synthetic", data_dir="nowhere").load()
        Traceback (most recent call last):
        ...
        keras_seal.datasets.reading.NotPreparedError: The data set 'synthetic' ...
    """

    name: ClassVar[str] = "prepared"

    dataset: str
    config: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    data_dir: Path | None = None

    def prepare(self) -> PoseSplits:
        """Read the data.

        Returns:
            The data, checked.

        Raises:
            UserError: It is not prepared, damaged, or stale.
        """
        # Above this room in the house, and slow to import.
        from keras_seal import datasets

        return datasets.load(
            self.dataset, config=self.config, options=self.options, data_dir=self.data_dir
        ).validate()

    def load(self, cache_dir: str | Path | None = None, *, use_cache: bool = True) -> PoseSplits:
        """Read the data; what is prepared already is not copied to the cache.

        Args:
            cache_dir: Not used, since nothing is prepared.
            use_cache: Not used, since nothing is prepared.

        Returns:
            The data, checked.

        Raises:
            UserError: It is not prepared, damaged, or stale.
        """
        return self.prepare()
