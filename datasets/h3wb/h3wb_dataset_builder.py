"""H3WB; see `keras_seal.data.sources.H3WBSource`."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder


class Builder(PoseDatasetBuilder):
    """H3WB, the whole body in 133 joints: train on S1, S5, S6, validate on S7, test on S8."""

    name = "h3wb"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    H3WB's annotations are at https://github.com/wholebody3d/wholebody3d (its README links the
    files; MIT licence, images under Human3.6M's own). Give as manual_dir a folder with
    2Dto3D_train.json and, for the variant's task, 2Dto3D_test_2d.json and 2Dto3D_test_3d.json, or
    I2Dto3D_test_2d.json and I2Dto3D_test_3d.json.
    """
    SOURCE = "h3wb"
    LABELS: ClassVar = {"sample_id": ((), np.int32), "frame_id": ((), np.int32)}
    LICENCE = "MIT (annotations); images under the licence of Human3.6M."
    HOMEPAGE = "https://github.com/wholebody3d/wholebody3d"
    CITATION = """@inproceedings{Zhu_2023_ICCV,
  author = {Zhu, Yue and Samet, Nermin and Picard, David},
  title = {H3WB: Human3.6M 3D WholeBody Dataset and Benchmark},
  booktitle = {ICCV},
  year = {2023}
}"""
    BUILDER_CONFIGS: ClassVar = [
        PoseConfig(
            name="2d_to_3d",
            description="All keypoints.",
            options={"task": "2Dto3D"},
            skeleton="h3wb_133",
        ),
        PoseConfig(
            name="incomplete_2d_to_3d",
            description="Incomplete keypoints, with a channel that tells which are seen.",
            options={"task": "I2Dto3D"},
            skeleton="h3wb_133",
        ),
    ]
