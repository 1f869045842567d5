"""From a user's files to a prepared set, whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_seal.data.storage import DamagedFileError
from keras_seal.datasets import library
from keras_seal.datasets.manifest import Manifest, describe_inputs, describe_outputs
from keras_seal.errors import UserError
from keras_seal.quiet import import_tensorflow_quietly

if TYPE_CHECKING:
    from keras_seal.data import PoseSplits
    from keras_seal.data.sources.base import Source
    from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder

_UNFINISHED = ".preparing-"

Progress = Callable[[str, int, int], object]


def prepare(
    name: str,
    *,
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    manual_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    formats: Sequence[str] | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
    note: Callable[[str], object] = print,
) -> list[Path]:
    """Prepare a data set through its TensorFlow Datasets builder.

    What is there already and still right is left alone, so an interrupted preparation goes on
    where it stopped; a set appears whole, with checksums, or not at all. One that is damaged, of
    an older version, or made from other files is replaced.

    Args:
        name: One of `names()`.
        config: Name of a variant; by default the first one.
        options: Options of the data source to change.
        manual_dir: Folder of the files that you have fetched; the builder's
            `MANUAL_DOWNLOAD_INSTRUCTIONS` tell which.
        data_dir: Where prepared sets lie; by default `datasets` in the cache folder.
        formats: Some of `FORMATS`; by default both, or `array_record` alone where TensorFlow is
            not installed.
        cache_dir: Where what was read is kept, for recipes and for another attempt.
        progress: Told the format, and the number of sequences written and to be written.
        note: Told what goes on, line by line.

    Returns:
        The folders of the prepared set, one a format.

    Raises:
        UserError: There is no such set or variant, or its files cannot be used.
    """
    builder = library.get(name)
    chosen = library.config_of(builder, config, options)
    wanted = _checked_formats(formats)
    if builder.FOLDER_OPTION is not None and manual_dir is None:
        instructions = " ".join((builder.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
        raise UserError(f"The data set '{name}' needs files of yours. {instructions}")
    folder = Path(manual_dir).absolute() if manual_dir is not None else None
    if folder is not None and not folder.is_dir():
        raise UserError(f"There is no folder '{folder}' with the files of '{name}'.")

    source = builder.source(chosen, folder)
    places = {each: library.prepared_folder(builder, chosen, each, data_dir) for each in wanted}
    splits: PoseSplits | None = None
    for file_format, place in places.items():
        root = library.data_folder(data_dir) / file_format
        with _alone(root, name):
            for leftover in root.glob(f"{_UNFINISHED}{name}-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            if _is_right(builder, source, chosen, place, folder, note):
                note(f"{place} is there already.")
                continue
            splits = splits or source.load(cache_dir)
            manifest = _manifest(builder, source, chosen, folder)
            unfinished = root / f"{_UNFINISHED}{name}-{uuid.uuid4().hex}"
            try:
                written = _write(builder, chosen, file_format, splits, unfinished, progress)
                Manifest(**{**manifest, "outputs": describe_outputs(written)}).write(written)
                _replace(written, place)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            note(f"Prepared: {place}")
    return list(places.values())


def _checked_formats(formats: Sequence[str] | None) -> list[str]:
    has_tensorflow = importlib.util.find_spec("tensorflow") is not None
    if formats is None:
        return [each for each in library.FORMATS if has_tensorflow or each != "tfrecord"]
    for each in formats:
        if each not in library.FORMATS:
            raise UserError(
                f"There is no format '{each}'; there are {' and '.join(library.FORMATS)}."
            )
    if "tfrecord" in formats and not has_tensorflow:
        raise UserError("The format tfrecord needs TensorFlow, which is not installed.")
    return list(formats)


@contextmanager
def _alone(root: Path, name: str) -> Iterator[None]:
    """Let one process at a time prepare a set."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / f".{name}.lock").open("w")
    except OSError as error:
        raise UserError(f"Cannot write to '{root}': {error.strerror}.") from error
    with file:
        try:
            import fcntl
        except ImportError:  # Windows has no such lock; there a second process is not noticed.
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"Another process prepares '{name}' in '{root}'.") from error
        yield


def _is_right(
    builder: type[PoseDatasetBuilder],
    source: Source,
    config: PoseConfig,
    place: Path,
    folder: Path | None,
    note: Callable[[str], object],
) -> bool:
    if not place.exists():
        return False
    try:
        check(builder, config, place, folder)
        return True
    except DamagedFileError as error:
        note(f"Preparing anew: {error}")
        return False


def check(
    builder: type[PoseDatasetBuilder],
    config: PoseConfig,
    place: Path,
    folder: Path | None = None,
) -> Manifest:
    """Make sure that a prepared set may be used.

    Args:
        builder: Its builder.
        config: The variant.
        place: Its folder.
        folder: Where the user's files lie now; by default where they lay.

    Returns:
        Its record.

    Raises:
        DamagedFileError: It is damaged, or stale: of another version, or of files that have
            changed since.
    """
    manifest = Manifest.read(place)
    source = type(builder.source(config, folder or manifest.folder))
    if (manifest.version, manifest.source_version) != (str(builder.VERSION), source.version):
        raise DamagedFileError(
            f"'{place}' is stale: it was made by version {manifest.version} of the builder and"
            f" {manifest.source_version} of its reader, now they are {builder.VERSION} and"
            f" {source.version}."
        )
    manifest.check_outputs(place)
    changed = manifest.changed_inputs(folder)
    if changed:
        raise DamagedFileError(
            f"'{place}' is stale: {len(changed)} of the files it was made from have changed or"
            f" are missing, the first is '{changed[0]}'."
        )
    return manifest


def _manifest(
    builder: type[PoseDatasetBuilder], source: Source, config: PoseConfig, folder: Path | None
) -> dict[str, Any]:
    return {
        "builder": builder.name,
        "version": str(builder.VERSION),
        "source_version": type(source).version,
        "config": config.name,
        "options": source.model_dump(
            mode="json", exclude={builder.FOLDER_OPTION} if builder.FOLDER_OPTION else set()
        ),
        "folder": str(folder) if folder is not None else None,
        "inputs": describe_inputs(source.input_files(), folder),
    }


def _write(
    builder: type[PoseDatasetBuilder],
    config: PoseConfig,
    file_format: str,
    splits: PoseSplits,
    root: Path,
    progress: Progress | None,
) -> Path:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    if file_format == "tfrecord":
        import_tensorflow_quietly()
    with _quiet():
        writer = builder(data_dir=str(root), config=config, file_format=file_format)
        writer.splits_read = splits
        if progress is not None:
            writer.progress = lambda done, total: progress(file_format, done, total)
        writer.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                compute_stats=tfds.download.ComputeStatsMode.SKIP, try_download_gcs=False
            )
        )
    return Path(writer.data_dir)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TensorFlow Datasets tells about its steps from the screen."""
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def _replace(written: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        # Folders cannot be exchanged in one step; between the two there is none, never half.
        place.rename(written.with_name("replaced"))
    written.rename(place)
