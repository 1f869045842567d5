"""MPI-INF-3DHP; see `keras_seal.data.sources.MPIInf3DHPSource`."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder


class Builder(PoseDatasetBuilder):
    """MPI-INF-3DHP in camera space: train on S1 to S7, validate on S8, test on TS1 to TS6."""

    name = "mpi_inf_3dhp"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    MPI-INF-3DHP is for research only; get it at https://vcai.mpi-inf.mpg.de/3dhp-dataset. Give as
    manual_dir the folder with S1/Seq1/annot.mat to S8 and TS1/annot_data.mat to TS6 (or with
    `train` and `test` that hold them), or a folder with P-STMO's data_train_3dhp.npz and
    data_test_3dhp.npz (variant univ_annot3), D3DP's data_train_3dhp_ori.npz and
    data_test_3dhp_ori.npz, or MMPose's mpi_inf_3dhp_train.npz and mpi_inf_3dhp_test_valid.npz
    (variant annot3).
    """
    SOURCE = "mpi_inf_3dhp"
    LABELS: ClassVar = {
        "frame_id": ((), np.int32),
        "activity": ((), np.int8),
        "universal": ((), np.int8),
    }
    LICENCE = "Research only; see vcai.mpi-inf.mpg.de/3dhp-dataset. Not to be passed on."
    HOMEPAGE = "https://vcai.mpi-inf.mpg.de/3dhp-dataset"
    CITATION = """@inproceedings{mono-3dhp2017,
  author = {Mehta, Dushyant and Rhodin, Helge and Casas, Dan and Fua, Pascal and Sotnychenko, Oleksandr and Xu, Weipeng and Theobalt, Christian},
  title = {Monocular 3D Human Pose Estimation In The Wild Using Improved CNN Supervision},
  booktitle = {3D Vision (3DV)},
  year = {2017}
}"""  # noqa: E501
    BUILDER_CONFIGS: ClassVar = [
        PoseConfig(
            name="annot3",
            description="Poses where the person was; 8 cameras.",
            options={"annotation": "annot3"},
            skeleton="mpi_inf_3dhp_17",
        ),
        PoseConfig(
            name="univ_annot3",
            description="Poses scaled to one body height; 8 cameras.",
            options={"annotation": "univ_annot3"},
            skeleton="mpi_inf_3dhp_17",
        ),
    ]
