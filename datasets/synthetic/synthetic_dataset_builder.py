"""Generated motion of virtual people; see `keras_seal.data.sources.SyntheticSource`."""

from typing import ClassVar

import tensorflow_datasets as tfds

from keras_seal.datasets.builder import PoseConfig, PoseDatasetBuilder


class Builder(PoseDatasetBuilder):
    """Generated motion of virtual people, filmed by virtual cameras. Nothing has to be fetched."""

    name = "synthetic"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First version."}
    SOURCE = "synthetic"
    FOLDER_OPTION = None
    LICENCE = "Apache-2.0, as keras-seal."
    HOMEPAGE = "https://arxiv.org/abs/2602.20051"
    BUILDER_CONFIGS: ClassVar = [
        PoseConfig(name="true_2d", description="True keypoints."),
        PoseConfig(
            name="noisy_2d",
            description="Keypoints with a detector's error of 4 pixels, and its confidence.",
            options={"noise": 4.0, "confidence": True},
        ),
    ]
