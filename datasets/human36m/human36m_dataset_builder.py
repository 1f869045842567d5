"""Human3.6M; see `keras_seal.data.sources.Human36MSource`."""

from typing import ClassVar

import tensorflow_datasets as tfds

from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder


class Builder(PoseDatasetBuilder):
    """Human3.6M in camera space: train on S1, S5, S6, S7, validate on S8, test on S9 and S11."""

    name = "human36m"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Human3.6M is for academic use only, and its licence has to be signed at
    http://vision.imar.ro/human3.6m. Give as manual_dir a folder with VideoPose3D's data_3d_h36m.npz
    and data_2d_h36m_KEYPOINTS.npz (its repository, file DATASETS.md, tells how both are made from
    what you download there), or with MotionBERT's h36m_KEYPOINTS_cam_source*.pkl, or with mmpose's
    h36m_train.npz and h36m_test.npz.
    """
    SOURCE = "human36m"
    LICENCE = "Academic use only; to be signed at vision.imar.ro/human3.6m. Not to be passed on."
    HOMEPAGE = "http://vision.imar.ro/human3.6m"
    CITATION = """@article{h36m_pami,
  author = {Ionescu, Catalin and Papava, Dragos and Olaru, Vlad and Sminchisescu, Cristian},
  title = {Human3.6M: Large Scale Datasets and Predictive Methods for 3D Human Sensing in Natural Environments},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year = {2014}
}"""  # noqa: E501
    BUILDER_CONFIGS: ClassVar = [
        PoseConfig(name="gt", description="Keypoints projected from the truth."),
        PoseConfig(
            name="cpn",
            description="Keypoints of CPN, fine-tuned (VideoPose3D's cpn_ft_h36m_dbb).",
            options={"keypoints": "cpn_ft_h36m_dbb"},
        ),
        PoseConfig(
            name="detectron",
            description="Keypoints of Detectron, fine-tuned (VideoPose3D's detectron_ft_h36m).",
            options={"keypoints": "detectron_ft_h36m"},
        ),
        PoseConfig(
            name="sh_16",
            description="Keypoints of Stacked Hourglass, fine-tuned (sh_ft_h36m); 16 joints.",
            options={"keypoints": "sh_ft_h36m", "joints": 16},
            skeleton="human36m_16",
        ),
        PoseConfig(
            name="motionbert_sh",
            description="MotionBERT's file: Stacked Hourglass, with confidence; 17 joints.",
            options={"layout": "motionbert", "keypoints": "sh_conf", "confidence": True},
        ),
        PoseConfig(
            name="gt_16",
            description="Keypoints projected from the truth; 16 joints.",
            options={"joints": 16},
            skeleton="human36m_16",
        ),
    ]
