"""Each builder writes what its source reads from published files; `tfds build` finds the same."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from keras_seal import datasets, skeletons
from keras_seal.data import DamagedFileError, sources
from keras_seal.datasets import library
from tests.data.published import h3wb, human36m, mpi_inf_3dhp
from tests.datasets.test_preparing import assert_same


def write_human36m(folder):
    return human36m.write_videopose3d(folder, human36m.make_takes(frames=4))


def write_mpi_inf_3dhp(folder):
    return mpi_inf_3dhp.write_raw(folder, mpi_inf_3dhp.make(4))


def write_h3wb(folder):
    return h3wb.write_tasks(folder, h3wb.make(2), h3wb.make_test("I2Dto3D", 2), "I2Dto3D")


@pytest.mark.parametrize(
    ("name", "config", "write"),
    [
        ("human36m", "gt_16", write_human36m),
        ("mpi_inf_3dhp", "univ_annot3", write_mpi_inf_3dhp),
        ("h3wb", "incomplete_2d_to_3d", write_h3wb),
    ],
)
def test_published_files_go_in_and_come_out(name, config, write, tmp_path):
    folder = write(tmp_path / "files")
    where = {"config": config, "data_dir": tmp_path / "data"}
    datasets.prepare(
        name,
        **where,
        manual_dir=folder,
        formats=["array_record"],
        cache_dir=tmp_path / "cache",
        note=lambda line: None,
    )
    builder = datasets.get(name)
    options = library.config_of(builder, config).options
    truth = sources.get(builder.SOURCE)(folder=folder, **options).load(use_cache=False)
    loaded = datasets.load(name, **where)
    for split, part in truth.parts.items():
        assert_same(loaded.parts[split], part)
    # A source file that changes later makes the prepared set stale.
    changed = sources.get(builder.SOURCE)(folder=folder, **options).input_files()[0]
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(DamagedFileError, match="is stale: 1 of the files it was made from"):
        datasets.load(name, **where)
    # Without the files nothing can be compared, and the prepared set stands for itself.
    shutil.rmtree(folder)
    datasets.load(name, **where)


@pytest.mark.parametrize("name", datasets.names())
def test_builders_say_what_they_hold(name, tmp_path):
    builder = datasets.get(name)
    for config in builder.BUILDER_CONFIGS:
        made = builder(data_dir=str(tmp_path), config=config)
        joints = skeletons.get(config.skeleton).num_joints
        assert made.info.features["poses"].shape == (None, joints, 3)
        assert made.info.metadata["skeleton"]["name"] == config.skeleton
        assert config.name in made.info.description
        assert made.info.redistribution_info.license == builder.LICENCE
        assert set(made.info.features["labels"]) == set(builder.LABELS)
        assert sources.get(builder.SOURCE).model_fields.keys() >= config.options.keys()
    assert (builder.FOLDER_OPTION is None) == (builder.MANUAL_DOWNLOAD_INSTRUCTIONS is None)
    assert library.get(name) is builder


def test_tfds_itself_prepares_a_set(tmp_path):
    """What `tfds build` does, without the command's own further dependencies."""
    import tensorflow_datasets as tfds

    folder = write_human36m(tmp_path / "files")
    builder = datasets.get("human36m")(data_dir=str(tmp_path / "data"), config="gt")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=str(folder)),
        file_format="array_record",
    )
    read = builder.as_data_source("test")
    truth = sources.get("human36m")(folder=folder).load(use_cache=False)
    assert len(read) == truth.test.num_sequences
    np.testing.assert_array_equal(read[0]["poses"], truth.test.sequence(0).poses)
