"""Which data sets can be prepared, and where prepared ones lie."""

from __future__ import annotations

import importlib.resources
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_seal.data.cache import default_folder
from keras_seal.errors import UserError, nearest

if TYPE_CHECKING:
    from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder

FORMATS = ("array_record", "tfrecord")
"""Random access, also without TensorFlow; and `tf.data`. No one format serves both."""


def builders_folder() -> Path:
    """Find the builders that come with the package.

    Returns:
        The folder: inside an installed package, or beside the package in a source checkout.
    """
    package = Path(str(importlib.resources.files("keras_seal")))
    installed = package / "datasets" / "builders"
    return installed if installed.is_dir() else package.parent / "datasets"


def names() -> list[str]:
    """List the data sets that have a builder.

    Examples:
        >>> from keras_seal import datasets
        >>> datasets.names()
        ['h3wb', 'human36m', 'mocap', 'mpi_inf_3dhp', 'synthetic']
    """
    suffix = "_dataset_builder.py"
    return sorted(path.name.removesuffix(suffix) for path in builders_folder().glob(f"*/*{suffix}"))


def get(name: str) -> type[PoseDatasetBuilder]:
    """Find a data set's builder.

    Args:
        name: One of `names()`.

    Returns:
        The builder's class.

    Raises:
        UserError: There is none of that name.
    """
    if name not in names():
        raise UserError(f"There is no data set '{name}'.{nearest(name, names())}")
    module_name = f"keras_seal.datasets.builders.{name}.{name}_dataset_builder"
    if module_name not in sys.modules:
        path = builders_folder() / name / f"{name}_dataset_builder.py"
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
    return sys.modules[module_name].Builder


def config_of(
    builder: type[PoseDatasetBuilder],
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> PoseConfig:
    """Find a variant of a data set.

    Args:
        builder: The builder's class.
        config: Name of the variant; by default the first one.
        options: Options of the data source to change.

    Returns:
        The variant.

    Raises:
        UserError: There is no such variant.
    """
    configs = {each.name: each for each in builder.BUILDER_CONFIGS}
    if config is None:
        config = next(iter(configs))
    if config not in configs:
        raise UserError(
            f"The data set '{builder.name}' has no variant '{config}'.{nearest(config, configs)}"
            f" There are: {', '.join(configs)}."
        )
    return configs[config].with_options(options or {})


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Tell where prepared sets lie.

    Args:
        data_dir: The folder, if not the default one.

    Returns:
        That folder, or `datasets` in the cache folder (`KERAS_SEAL_CACHE`).
    """
    return Path(data_dir) if data_dir is not None else default_folder() / "datasets"


def prepared_folder(
    builder: type[PoseDatasetBuilder],
    config: PoseConfig,
    file_format: str,
    data_dir: str | Path | None = None,
) -> Path:
    """Tell where a prepared set lies, or would lie.

    Args:
        builder: The builder's class.
        config: The variant.
        file_format: One of `FORMATS`.
        data_dir: Where prepared sets lie.

    Returns:
        `DATA_DIR/FORMAT/NAME/CONFIG/VERSION`, as TensorFlow Datasets lays it out for the data
        directory `DATA_DIR/FORMAT`.
    """
    inside = Path(builder.name, config.name, str(builder.VERSION))
    return data_folder(data_dir) / file_format / inside


def prepared_variants(
    builder: type[PoseDatasetBuilder], data_dir: str | Path | None = None
) -> dict[str, list[str]]:
    """List what is prepared of a data set, variants with changed options among them.

    Args:
        builder: The builder's class.
        data_dir: Where prepared sets lie.

    Returns:
        The formats by the name of the variant.
    """
    found: dict[str, list[str]] = {}
    for file_format in FORMATS:
        places = (data_folder(data_dir) / file_format / builder.name).glob(f"*/{builder.VERSION}")
        for place in sorted(places):
            found.setdefault(place.parent.name, []).append(file_format)
    return found


def not_prepared(
    builder: type[PoseDatasetBuilder],
    config: PoseConfig,
    data_dir: str | Path | None = None,
    file_format: str | None = None,
) -> str:
    """Say that a variant is not prepared, and what is.

    Args:
        builder: The builder's class.
        config: The variant.
        data_dir: Where prepared sets lie.
        file_format: The format that was looked for, if only one counts.

    Returns:
        Sentences for the user.
    """
    form = f" as {file_format}" if file_format else ""
    others = [name for name in prepared_variants(builder, data_dir) if name != config.name]
    hint = (
        f" Prepared are {', '.join(others)}; a variant with a number is found by the options that "
        "it was prepared with (--set)."
        if others
        else ""
    )
    return (
        f"The data set '{builder.name}' (variant '{config.name}') is not prepared{form} in "
        f"'{data_folder(data_dir)}': run `keras-seal datasets prepare {builder.name}`.{hint}"
    )
