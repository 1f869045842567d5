"""What the TensorFlow Datasets builders have in common: one sequence an example."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from keras_seal import skeletons
from keras_seal.data import PoseSequences, PoseSplits, sources
from keras_seal.data.cache import digest
from keras_seal.data.sequences import SPLITS
from keras_seal.data.sources.base import Source
from keras_seal.geometry import Camera

CAMERA_SHAPES = {
    "rotation": (3, 3),
    "position": (3,),
    "focal": (2,),
    "center": (2,),
    "radial": (3,),
    "tangential": (2,),
}


@dataclasses.dataclass(eq=False)
class PoseConfig(tfds.core.BuilderConfig):
    """A variant of a data set: options of its source, and the skeleton they give.

    Args:
        options: Options of the data source.
        skeleton: Name of the skeleton.
    """

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    skeleton: str = "human36m_17"

    def with_options(self, options: Mapping[str, Any]) -> PoseConfig:
        """Change options; the variant gets a name of its own.

        Args:
            options: Options to add or to replace.

        Returns:
            The changed variant, or this one where nothing is changed.
        """
        changed = {**self.options, **options}
        if changed == self.options:
            return self
        return dataclasses.replace(  # type: ignore[call-arg]
            self, name=f"{self.name}-{digest(changed)[:8]}", options=changed
        )


class PoseDatasetBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Writes what a data source of keras-seal reads, one sequence an example.

    Subclasses say which source, where its files come from, and which variants there are. The
    splits are `train`, `validation` and `test`; no person is in two of them.

    Attributes:
        SOURCE: Name of the data source.
        FOLDER_OPTION: The source's option that takes the folder of the user's files, or `None`
            where nothing has to be fetched.
        LABELS: Shape and type of further facts about each frame.
        LICENCE: Under which terms the files may be used, in one line.
    """

    SOURCE: ClassVar[str]
    FOLDER_OPTION: ClassVar[str | None] = "folder"
    LABELS: ClassVar[Mapping[str, tuple[tuple[int, ...], Any]]] = {}
    LICENCE: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    CITATION: ClassVar[str] = ""

    # Set by `prepare`, which reads the data first: TensorFlow Datasets would wrap its errors.
    splits_read: PoseSplits | None = None
    progress: Callable[[int, int], object] | None = None

    @classmethod
    def source(cls, config: PoseConfig, manual_dir: str | Path | None) -> Source:
        """Make the data source of a variant.

        Args:
            config: The variant.
            manual_dir: Folder of the files that the user has fetched.

        Returns:
            The source.
        """
        options = dict(config.options)
        if cls.FOLDER_OPTION is not None and manual_dir is not None:
            options[cls.FOLDER_OPTION] = Path(manual_dir)
        return sources.get(cls.SOURCE)(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        skeleton = skeletons.get(self.builder_config.skeleton)
        config = self.builder_config
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{type(self).__doc__}\n\nVariant {config.name}: {config.description}",
            features=_features(skeleton.num_joints, self.LABELS),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
            license=self.LICENCE,
            disable_shuffling=True,  # sequences keep the order of their source
            metadata=tfds.core.MetadataDict(skeleton=skeleton.to_dict()),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        splits = self.splits_read
        if splits is None:
            folder = None if self.FOLDER_OPTION is None else dl_manager.manual_dir
            splits = self.source(self.builder_config, folder).load()
        total = sum(part.num_sequences for part in splits.parts.values())
        done = 0
        generators = {}
        for name in SPLITS:
            generators[name] = self._generate_examples(splits.parts[name], done, total)
            done += splits.parts[name].num_sequences
        return generators

    def _generate_examples(
        self, sequences: PoseSequences, done: int, total: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(sequences.num_sequences):
            yield index, to_example(sequences.sequence(index))
            if self.progress is not None:
                self.progress(done + index + 1, total)


def _features(joints: int, labels: Mapping[str, tuple[tuple[int, ...], Any]]) -> Any:
    features = tfds.features

    def tensor(shape: tuple[int | None, ...], dtype: Any, doc: str) -> Any:
        # Bytes are read much faster than lists of numbers, and keep float64.
        return features.Tensor(shape=shape, dtype=dtype, doc=doc, encoding=features.Encoding.BYTES)

    camera = {
        name: tensor(shape, np.float64, "see keras_seal.geometry.Camera")
        for name, shape in CAMERA_SHAPES.items()
    }
    return features.FeaturesDict(
        {
            "keypoints": tensor(
                (None, joints, None),
                np.float32,
                "(frames, joints, 2 or 3): x in [-1, 1] over the image's width, y by the same"
                " scale, downwards; the detector's confidence where there are three channels",
            ),
            "poses": tensor(
                (None, joints, 3), np.float32, "(frames, joints, 3): camera space, metres, y down"
            ),
            "valid": tensor((None,), np.bool_, "(frames,): whether a frame may be a target"),
            "labels": {
                name: tensor((None, *shape), dtype, "a further fact about each frame")
                for name, (shape, dtype) in labels.items()
            },
            "name": features.Text(doc="what the data set calls the sequence"),
            "subject": features.Text(doc="who is seen"),
            "action": features.Text(doc="what they do"),
            "fps": features.Scalar(dtype=np.float32, doc="frames a second"),
            "image_size": features.Tensor(shape=(2,), dtype=np.int32, doc="width, height, pixels"),
            "camera": {
                "known": features.Scalar(dtype=np.bool_, doc="if false, the rest is zero"),
                "name": features.Text(),
                **camera,
            },
        }
    )


def to_example(sequence: PoseSequences) -> dict[str, Any]:
    """Describe one sequence as an example of TensorFlow Datasets.

    Args:
        sequence: One sequence.

    Returns:
        The example.
    """
    view = int(sequence.views[0])
    camera = sequence.cameras[view] if view >= 0 else None
    return {
        "keypoints": sequence.keypoints,
        "poses": sequence.poses,
        "valid": np.ascontiguousarray(sequence.valid),
        "labels": dict(sequence.labels),
        "name": str(sequence.names[0]),
        "subject": str(sequence.subjects[0]),
        "action": str(sequence.actions[0]),
        "fps": sequence.fps[0],
        "image_size": sequence.image_sizes[0],
        "camera": {
            "known": camera is not None,
            "name": camera.name if camera else "",
            **{
                key: np.asarray(getattr(camera, key), np.float64) if camera else np.zeros(shape)
                for key, shape in CAMERA_SHAPES.items()
            },
        },
    }


def from_examples(examples: Iterator[Mapping[str, Any]], skeleton: Any) -> PoseSequences:
    """Join examples into sequences.

    Args:
        examples: What `to_example` made, as arrays.
        skeleton: Their skeleton.

    Returns:
        The sequences; cameras that are alike are one camera.
    """
    parts = [dict(example) for example in examples]
    known: dict[bytes, int] = {}
    cameras: list[Camera] = []
    views = []
    for part in parts:
        described = part["camera"]
        if not described["known"]:
            views.append(-1)
            continue
        arrays = {key: np.asarray(described[key], np.float64) for key in CAMERA_SHAPES}
        width, height = (int(value) for value in part["image_size"])
        name = _text(described["name"])
        key = b"".join([*(array.tobytes() for array in arrays.values()), name.encode()])
        key += bytes(str((width, height)), "ascii")
        if key not in known:
            known[key] = len(cameras)
            cameras.append(Camera(**arrays, width=width, height=height, name=name))
        views.append(known[key])
    labels = parts[0]["labels"] if parts else {}
    return PoseSequences.from_list(
        skeleton,
        [part["keypoints"] for part in parts],
        [part["poses"] for part in parts],
        subjects=[_text(part["subject"]) for part in parts],
        actions=[_text(part["action"]) for part in parts],
        names=[_text(part["name"]) for part in parts],
        views=views,
        fps=[part["fps"] for part in parts],
        image_sizes=[part["image_size"] for part in parts],
        cameras=tuple(cameras),
        valid=np.concatenate([part["valid"] for part in parts]),
        labels={key: np.concatenate([part["labels"][key] for part in parts]) for key in labels},
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
