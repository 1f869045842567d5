"""Prepared sets as sequences, as a random-access source, and as `tf.data`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_seal.data import PoseSplits
from keras_seal.data.sequences import SPLITS
from keras_seal.datasets import library
from keras_seal.datasets.preparing import check
from keras_seal.errors import UserError

if TYPE_CHECKING:
    import tensorflow


def load(
    name: str,
    *,
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
) -> PoseSplits:
    """Read a prepared set into memory, for `PoseWindows`.

    Args:
        name: One of `names()`.
        config: Name of a variant; by default the first one.
        options: Options of the data source that were changed when it was prepared.
        data_dir: Where prepared sets lie.

    Returns:
        Train, validation and test sequences.

    Raises:
        UserError: It is not prepared.
        DamagedFileError: It is damaged or stale.
    """
    from keras_seal.datasets.builder import from_examples

    opened = {}
    for file_format in library.FORMATS:
        try:
            opened = _open(name, config, options, data_dir, file_format)
            break
        except NotPreparedError as error:
            missing = error
    if not opened:
        raise missing
    reader, skeleton = opened["reader"], opened["skeleton"]
    if opened["format"] == "array_record":
        parts = {split: iter(reader.as_data_source(split)) for split in SPLITS}
    else:
        parts = {split: reader.as_dataset(split=split).as_numpy_iterator() for split in SPLITS}
    return PoseSplits(**{split: from_examples(part, skeleton) for split, part in parts.items()})


def as_data_source(
    name: str,
    split: str,
    *,
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
) -> Any:
    """Open a prepared set for random access; works without TensorFlow.

    Args:
        name: One of `names()`.
        split: `"train"`, `"validation"` or `"test"`.
        config: Name of a variant; by default the first one.
        options: Options of the data source that were changed when it was prepared.
        data_dir: Where prepared sets lie.

    Returns:
        A sequence of examples, dictionaries of arrays.

    Raises:
        UserError: It is not prepared, or there is no such split.
        DamagedFileError: It is damaged or stale.
    """
    opened = _open(name, config, options, data_dir, "array_record")
    return opened["reader"].as_data_source(_checked(split))


def as_dataset(
    name: str,
    split: str,
    *,
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
) -> tensorflow.data.Dataset:
    """Open a prepared set as `tf.data`, one sequence an element.

    Args:
        name: One of `names()`.
        split: `"train"`, `"validation"` or `"test"`.
        config: Name of a variant; by default the first one.
        options: Options of the data source that were changed when it was prepared.
        data_dir: Where prepared sets lie.

    Returns:
        The data set.

    Raises:
        UserError: It is not prepared, or there is no such split.
        DamagedFileError: It is damaged or stale.
    """
    opened = _open(name, config, options, data_dir, "tfrecord")
    return opened["reader"].as_dataset(split=_checked(split), shuffle_files=False)


class NotPreparedError(UserError):
    """There is no such prepared set."""


def _checked(split: str) -> str:
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}'; there are {', '.join(SPLITS)}.")
    return split


def _open(
    name: str,
    config: str | None,
    options: Mapping[str, Any] | None,
    data_dir: str | Path | None,
    file_format: str,
) -> dict[str, Any]:
    import tensorflow_datasets as tfds

    from keras_seal import skeletons

    builder = library.get(name)
    chosen = library.config_of(builder, config, options)
    place = library.prepared_folder(builder, chosen, file_format, data_dir)
    if not place.is_dir():
        raise NotPreparedError(library.not_prepared(builder, chosen, data_dir, file_format))
    check(builder, chosen, place)
    return {
        "reader": tfds.builder_from_directory(str(place)),
        "skeleton": skeletons.get(chosen.skeleton),
        "format": file_format,
    }
