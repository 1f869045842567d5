"""Motion capture in BVH files; see `keras_seal.data.sources.MocapSource`."""

from typing import ClassVar

import tensorflow_datasets as tfds

from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder


class Builder(PoseDatasetBuilder):
    """A folder of BVH files: the motion is put on virtual people and filmed by virtual cameras."""

    name = "mocap"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Give as manual_dir a folder that holds BVH files, also in folders of its own. Free ones: CMU's
    motion capture (mocap.cs.cmu.edu; BVH conversions by cgspeed), the Bandai-Namco-Research-
    Motiondataset (CC BY-NC 4.0), LAFAN1 (CC BY-NC-ND 4.0). The licence is that of your files.
    """
    SOURCE = "mocap"
    LICENCE = "That of the BVH files."
    HOMEPAGE = "https://arxiv.org/abs/2602.20051"
    BUILDER_CONFIGS: ClassVar = [
        PoseConfig(name="true_2d", description="True keypoints."),
        PoseConfig(
            name="noisy_2d",
            description="Keypoints with a detector's error of 4 pixels, and its confidence.",
            options={"noise": 4.0, "confidence": True},
        ),
    ]
