"""Poses and their keypoints: many sequences held in flat arrays, and the three splits of a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons
from keras_seal.data import checks
from keras_seal.data.storage import DamagedFileError, read_arrays, write_arrays
from keras_seal.errors import UserError, nearest
from keras_seal.geometry import Camera
from keras_seal.skeletons import Skeleton

FORMAT = "keras-seal poses"
FORMAT_VERSION = 2
SPLITS = ("train", "validation", "test")

_CAMERA_ARRAYS = {
    "rotation": (3, 3),
    "position": (3,),
    "focal": (2,),
    "center": (2,),
    "radial": (3,),
    "tangential": (2,),
}
_PER_FRAME = ("keypoints", "poses", "valid")
_PER_SEQUENCE = ("subjects", "actions", "names", "views", "fps", "image_sizes")
_LABEL = "label_"


@dataclass(eq=False)
class PoseSequences:
    """Sequences of 3D poses with the 2D keypoints a camera saw, in flat arrays.

    All frames of all sequences lie one after the other; sequence `s` holds the frames
    `offsets[s]` to `offsets[s + 1] - 1`. One actor filmed by four cameras is four sequences. The
    shapes and types are checked when the object is made, the values by `validate`.

    Args:
        skeleton: The skeleton of keypoints and poses: a `Skeleton`, its name, a file or a
            dictionary.
        keypoints: `(N, joints, 2 or 3)` float32: x in [-1, 1] across the image's width, y by the
            same scale, and the detector's confidence where there are three channels.
        poses: `(N, joints, 3)` float32, metres in camera space (x right, y down, z forward), not
            root-relative.
        offsets: `(S + 1,)` first frame of every sequence, and N at the end.
        subjects: `(S,)` who is seen.
        actions: `(S,)` what they do.
        views: `(S,)` index of each sequence's camera in `cameras`, -1 where it is unknown; by
            default it is unknown everywhere.
        fps: `(S,)` frames a second, or one number for all.
        image_sizes: `(S, 2)` width and height in pixels, or one pair for all.
        cameras: The cameras that `views` points at.
        names: `(S,)` what the data set calls each sequence; by default subject, action and view.
        valid: `(N,)` whether a frame may be a target, in training and in scores; by default all
            may. Where a window is wider, other frames still lie in it, so they hold sane values.
        labels: Further facts about each frame, arrays of N rows by name.

    Raises:
        UserError: Shapes do not fit each other or the skeleton, or the offsets are no offsets.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences
        >>> sequences = PoseSequences(
        ...     skeleton="human36m_17",
        ...     keypoints=np.zeros((5, 17, 2)),
        ...     poses=np.zeros((5, 17, 3)),
        ...     offsets=[0, 2, 5],
        ...     subjects=["S1", "S5"],
        ...     actions=["Walking", "Eating"],
        ... )
        >>> sequences.num_sequences, sequences.num_frames, sequences.lengths.tolist()
        (2, 5, [2, 3])
        >>> sequences.select(subjects=["S5"]).poses.shape
        (3, 17, 3)
    """

    skeleton: Skeleton
    keypoints: np.ndarray
    poses: np.ndarray
    offsets: np.ndarray
    subjects: np.ndarray
    actions: np.ndarray
    # Without an axis for the sequences a value counts for all of them.
    views: np.ndarray = field(default_factory=lambda: np.array(-1))
    fps: np.ndarray = field(default_factory=lambda: np.array(50.0))
    image_sizes: np.ndarray = field(default_factory=lambda: np.array([1000, 1000]))
    cameras: tuple[Camera, ...] = ()
    # By default made of subject, action and view.
    names: np.ndarray = None  # type: ignore[assignment]
    valid: np.ndarray = field(default_factory=lambda: np.array(True))
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._validated = False
        self.skeleton = skeletons.get(self.skeleton)
        self.keypoints = np.asarray(self.keypoints, np.float32)
        self.poses = np.asarray(self.poses, np.float32)
        self.cameras = tuple(self.cameras)
        self._check_frames()
        self.offsets = self._checked_offsets()
        count = len(self.offsets) - 1
        self.subjects = _one_per_sequence("subjects", self.subjects, np.str_, count)
        self.actions = _one_per_sequence("actions", self.actions, np.str_, count)
        self.views = _one_per_sequence("views", self.views, np.int32, count)
        self.fps = _one_per_sequence("fps", self.fps, np.float32, count)
        self.image_sizes = _one_per_sequence("image_sizes", self.image_sizes, np.int32, count, (2,))
        if count and not -1 <= self.views.min() <= self.views.max() < len(self.cameras):
            raise UserError(
                f"`views` must be -1 or an index of one of the {len(self.cameras)} cameras, got "
                f"values from {self.views.min()} to {self.views.max()}."
            )
        if self.names is None:
            columns = zip(self.subjects, self.actions, self.views, strict=True)
            self.names = np.array(["/".join(map(str, row)) for row in columns], np.str_)
        self.names = _one_per_sequence("names", self.names, np.str_, count)
        self.valid, self.labels = self._checked_valid(), self._checked_labels()

    def _checked_valid(self) -> np.ndarray:
        valid = np.asarray(self.valid)
        if valid.dtype != bool or valid.shape not in ((), (self.num_frames,)):
            raise UserError(
                f"`valid` must be {self.num_frames} booleans, one per frame, got {valid.dtype} of "
                f"shape {valid.shape}."
            )
        return np.broadcast_to(valid, (self.num_frames,))

    def _checked_labels(self) -> dict[str, np.ndarray]:
        labels = {name: np.asarray(values) for name, values in self.labels.items()}
        for name, values in labels.items():
            if values.ndim < 1 or len(values) != self.num_frames or values.dtype == object:
                raise UserError(
                    f"The label '{name}' must be an array of {self.num_frames} rows, one per "
                    f"frame, got {values.dtype} of shape {values.shape}."
                )
        return labels

    def _check_frames(self) -> None:
        joints = self.skeleton.num_joints
        for name, channels in (("keypoints", (2, 3)), ("poses", (3,))):
            shape = getattr(self, name).shape
            if len(shape) != 3 or shape[-1] not in channels:
                wanted = " or ".join(map(str, channels))
                raise UserError(
                    f"`{name}` must have the shape (frames, joints, {wanted}), got {shape}."
                )
            if shape[1] != joints:
                raise UserError(
                    f"`{name}` have {shape[1]} joints, but the skeleton '{self.skeleton.name}' "
                    f"has {joints}. Name the skeleton that the data was made for, or map its "
                    "joints."
                )
        if len(self.keypoints) != len(self.poses):
            raise UserError(
                f"There are {len(self.keypoints)} frames of keypoints, but {len(self.poses)} of "
                "poses; each pose needs its keypoints."
            )

    def _checked_offsets(self) -> np.ndarray:
        offsets = np.asarray(self.offsets)
        if offsets.ndim != 1 or not len(offsets) or not np.issubdtype(offsets.dtype, np.integer):
            raise UserError(
                "`offsets` must be a list of whole numbers (first frame of each sequence, then "
                f"the number of frames), got {self.offsets!r}."
            )
        offsets = offsets.astype(np.int64)
        if offsets[0] != 0 or offsets[-1] != len(self.poses):
            raise UserError(
                f"`offsets` must run from 0 to the number of frames ({len(self.poses)}), but run "
                f"from {offsets[0]} to {offsets[-1]}."
            )
        lengths = np.diff(offsets)
        if (lengths < 1).any():
            index = int(np.flatnonzero(lengths < 1)[0])
            raise UserError(
                f"`offsets` must grow, but sequence {index} would run from frame "
                f"{offsets[index]} to {offsets[index + 1]}. Leave out sequences without frames."
            )
        return offsets

    @classmethod
    def from_list(
        cls,
        skeleton: Skeleton | str,
        keypoints: Sequence[np.ndarray],
        poses: Sequence[np.ndarray],
        **others: Any,
    ) -> PoseSequences:
        """Join a list of sequences.

        Args:
            skeleton: The skeleton of all of them.
            keypoints: One array `(frames, joints, 2 or 3)` per sequence.
            poses: One array `(frames, joints, 3)` per sequence.
            **others: `subjects`, `actions` and the other arguments of the class, one value per
                sequence.

        Returns:
            The joined sequences.

        Raises:
            UserError: The lists differ in length, or a sequence's two arrays do.

        Examples:
            >>> import numpy as np
            >>> PoseSequences.from_list(
            ...     "human36m_17",
            ...     [np.zeros((2, 17, 2)), np.zeros((3, 17, 2))],
            ...     [np.zeros((2, 17, 3)), np.zeros((3, 17, 3))],
            ...     subjects=["S1", "S1"],
            ...     actions=["Walking", "Eating"],
            ... ).offsets.tolist()
            [0, 2, 5]
        """
        lengths = [[len(array) for array in arrays] for arrays in (keypoints, poses)]
        if not lengths[0] or lengths[0] != lengths[1]:
            raise UserError(
                "Keypoints and poses must be lists of sequences, as many of one as of the other "
                f"and equally long, got lengths {lengths[0]} and {lengths[1]}."
            )
        return cls(
            skeleton=skeletons.get(skeleton),
            keypoints=np.concatenate(keypoints),
            poses=np.concatenate(poses),
            offsets=np.cumsum([0, *lengths[0]]),
            **others,
        )

    @property
    def num_sequences(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    @property
    def num_frames(self) -> int:
        """Number of frames of all sequences together."""
        return len(self.poses)

    @property
    def num_channels(self) -> int:
        """Channels of the keypoints: 2, or 3 with the detector's confidence."""
        return self.keypoints.shape[-1]

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each sequence, int64 `(S,)`."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return self.num_sequences

    def __repr__(self) -> str:
        return (
            f"PoseSequences({self.num_sequences} sequences, {self.num_frames} frames, "
            f"{self.num_channels} channels, skeleton '{self.skeleton.name}')"
        )

    def validate(self) -> PoseSequences:
        """Check the values: finite, poses in metres, keypoints normalised.

        The arrays are looked at once; a later call returns at once.

        Returns:
            The object itself.

        Raises:
            UserError: Something is wrong; the message says what, where, and what to do.

        Examples:
            >>> import numpy as np
            >>> PoseSequences("human36m_17", np.full((1, 17, 2), np.nan), np.zeros((1, 17, 3)),
            ...               [0, 1], ["S1"], ["Walking"]).validate()
            Traceback (most recent call last):
            ...
            keras_seal.errors.UserError: The keypoints hold 34 values that are not finite; ...
        """
        if self._validated:
            return self
        if not self.num_sequences:
            raise UserError("There is no sequence at all; at least one is needed.")
        checks.check_finite(self)
        checks.check_metres(self)
        checks.check_normalized(self)
        self._validated = True
        return self

    def sequence(self, index: int) -> PoseSequences:
        """View one sequence, without copying its frames.

        Args:
            index: Which sequence; negative ones count from the end.

        Returns:
            A `PoseSequences` of that one sequence, sharing memory with this one.

        Raises:
            IndexError: There is no such sequence.
        """
        if not -self.num_sequences <= index < self.num_sequences:
            raise IndexError(f"There is no sequence {index}; there are {self.num_sequences}.")
        index %= self.num_sequences
        frames = slice(*self.offsets[index : index + 2])
        one = slice(index, index + 1)
        return self._with(
            offsets=np.array([0, frames.stop - frames.start]),
            **self._frames(frames),
            **{name: getattr(self, name)[one] for name in _PER_SEQUENCE},
        )

    def select(
        self,
        subjects: Iterable[str] | None = None,
        actions: Iterable[str] | None = None,
        mask: np.ndarray | None = None,
    ) -> PoseSequences:
        """Take some of the sequences.

        Args:
            subjects: Keep only these subjects.
            actions: Keep only these actions, compared in full ("Walk" is not "WalkDog").
            mask: `(S,)` booleans; keep where true.

        Returns:
            The sequences that pass all conditions, in their order, perhaps none.

        Raises:
            UserError: A subject or an action does not exist, or the mask has the wrong shape.
        """
        keep = np.ones(self.num_sequences, bool)
        for what, wanted in (("subjects", subjects), ("actions", actions)):
            if wanted is None:
                continue
            present: np.ndarray = getattr(self, what)
            wanted = [wanted] if isinstance(wanted, str) else list(wanted)
            for name in wanted:
                if name not in present:
                    raise UserError(
                        f"There is no sequence with the {what[:-1]} '{name}'."
                        f"{nearest(name, np.unique(present).tolist())}"
                    )
            keep &= np.isin(present, wanted)
        if mask is not None:
            mask = np.asarray(mask)
            if mask.dtype != bool or mask.shape != keep.shape:
                raise UserError(
                    f"`mask` must be {self.num_sequences} booleans, one per sequence, got "
                    f"{mask.dtype} of shape {mask.shape}."
                )
            keep &= mask
        if keep.all():
            return self._with()
        frames = np.repeat(keep, self.lengths)
        return self._with(
            offsets=np.concatenate([[0], np.cumsum(self.lengths[keep])]),
            **self._frames(frames),
            **{name: getattr(self, name)[keep] for name in _PER_SEQUENCE},
        )

    def _frames(self, chosen: slice | np.ndarray) -> dict[str, Any]:
        return {
            **{name: getattr(self, name)[chosen] for name in _PER_FRAME},
            "labels": {name: values[chosen] for name, values in self.labels.items()},
        }

    @staticmethod
    def concatenate(parts: Iterable[PoseSequences]) -> PoseSequences:
        """Join several objects into one.

        Args:
            parts: Sequences of the same skeleton and with the same number of channels.

        Returns:
            All their sequences, in order, with all their cameras.

        Raises:
            UserError: There are none, or they do not fit each other.
        """
        parts = list(parts)
        if not parts:
            raise UserError("There is nothing to concatenate; give at least one PoseSequences.")
        first = parts[0]
        for part in parts[1:]:
            if part.skeleton != first.skeleton or part.num_channels != first.num_channels:
                raise UserError(f"Cannot concatenate {first!r} and {part!r}: they must agree.")
            if set(part.labels) != set(first.labels):
                raise UserError(
                    "Cannot concatenate sequences with different labels: "
                    f"{sorted(first.labels)} and {sorted(part.labels)}."
                )
        frames = np.cumsum([0, *(part.num_frames for part in parts)])
        cameras = np.cumsum([0, *(len(part.cameras) for part in parts)])
        offsets = [part.offsets[1:] + start for part, start in zip(parts, frames, strict=False)]
        views = [
            np.where(part.views < 0, -1, part.views + start)
            for part, start in zip(parts, cameras, strict=False)
        ]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in (*_PER_FRAME, *_PER_SEQUENCE)
        }
        labels = {
            name: np.concatenate([part.labels[name] for part in parts]) for name in first.labels
        }
        return first._with(
            **{**joined, "views": np.concatenate(views)},
            offsets=np.concatenate([[0], *offsets]),
            cameras=tuple(camera for part in parts for camera in part.cameras),
            labels=labels,
        )

    def _with(self, **changes: Any) -> PoseSequences:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return PoseSequences(**{**values, **changes})

    def save(self, path: str | Path, *, compress: bool = False) -> Path:
        """Write the sequences to an `.npz` file, whole or not at all.

        Args:
            path: The file to write.
            compress: Deflate it: a tenth smaller, ten times slower to write.

        Returns:
            The path written.

        Raises:
            UserError: The path does not end in `.npz` or cannot be written.
        """
        arrays, description = self._to_arrays()
        return write_arrays(
            _npz(path),
            arrays,
            {"format": FORMAT, "version": FORMAT_VERSION, "sequences": {"": description}},
            compress=compress,
        )

    @classmethod
    def load(cls, path: str | Path) -> PoseSequences:
        """Read a file that `save` wrote.

        Args:
            path: The `.npz` file.

        Returns:
            The sequences.

        Raises:
            FileNotFoundError: There is no such file.
            DamagedFileError: The file is damaged or something else.
            UserError: It holds splits, or was written by a newer version.
        """
        parts = _read(path)
        if set(parts) != {""}:
            raise UserError(
                f"'{path}' holds the splits {', '.join(parts)}; read it with PoseSplits.load."
            )
        return parts[""]

    def _to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {name: getattr(self, name) for name in ("offsets", *_PER_FRAME, *_PER_SEQUENCE)}
        arrays |= {f"{_LABEL}{name}": values for name, values in self.labels.items()}
        for name, shape in _CAMERA_ARRAYS.items():
            stacked = [np.asarray(getattr(camera, name)) for camera in self.cameras]
            arrays[f"camera_{name}"] = np.array(stacked, np.float64).reshape(-1, *shape)
        sizes = [(camera.width, camera.height) for camera in self.cameras]
        arrays["camera_size"] = np.array(sizes, np.int32).reshape(-1, 2)
        description = {
            "skeleton": self.skeleton.to_dict(),
            "cameras": [camera.name for camera in self.cameras],
        }
        return arrays, description

    @classmethod
    def _from_arrays(
        cls, arrays: dict[str, np.ndarray], description: dict[str, Any]
    ) -> PoseSequences:
        cameras = tuple(
            Camera(
                **{key: arrays[f"camera_{key}"][index] for key in _CAMERA_ARRAYS},
                width=int(arrays["camera_size"][index, 0]),
                height=int(arrays["camera_size"][index, 1]),
                name=name,
            )
            for index, name in enumerate(description["cameras"])
        )
        return cls(
            skeleton=skeletons.get(description["skeleton"]),
            cameras=cameras,
            labels={
                name.removeprefix(_LABEL): values
                for name, values in arrays.items()
                if name.startswith(_LABEL)
            },
            **{name: arrays[name] for name in ("offsets", *_PER_FRAME, *_PER_SEQUENCE)},
        )


@dataclass(eq=False)
class PoseSplits:
    """The three splits of a data set: who to learn from, who to choose by, who to report.

    Args:
        train: Sequences to train on.
        validation: Sequences of other people, to choose models and settings by.
        test: Sequences of yet other people, for the numbers that are reported.

    Raises:
        UserError: A split is empty, two share a subject, or skeletons or channels differ.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences, PoseSplits
        >>> def person(name):
        ...     return PoseSequences("human36m_17", np.zeros((2, 17, 2)), np.zeros((2, 17, 3)),
        ...                          [0, 2], [name], ["Walking"])
        >>> PoseSplits(person("S1"), person("S8"), person("S1"))
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: Subject 'S1' is in the train and in the test split; ...
    """

    train: PoseSequences
    validation: PoseSequences
    test: PoseSequences

    def __post_init__(self) -> None:
        for name, part in self.parts.items():
            if not part.num_sequences:
                raise UserError(f"The {name} split is empty; every split needs a sequence.")
            if part.skeleton != self.train.skeleton:
                raise UserError(
                    f"The {name} split has the skeleton '{part.skeleton.name}', the train split "
                    f"'{self.train.skeleton.name}'; they must be the same."
                )
            if part.num_channels != self.train.num_channels:
                raise UserError(
                    f"The {name} split's keypoints have {part.num_channels} channels, the train "
                    f"split's {self.train.num_channels}; they must have the same."
                )
        checks.check_disjoint(**self.parts)

    @property
    def parts(self) -> dict[str, PoseSequences]:
        """The splits by name."""
        return {name: getattr(self, name) for name in SPLITS}

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of all three."""
        return self.train.skeleton

    def __repr__(self) -> str:
        return f"PoseSplits({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"

    def validate(self) -> PoseSplits:
        """Check the values of all splits, as `PoseSequences.validate` does.

        Returns:
            The object itself.

        Raises:
            UserError: Something is wrong; the message begins with the split's name.
        """
        for name, part in self.parts.items():
            try:
                part.validate()
            except UserError as error:
                raise UserError(f"In the {name} split: {error}") from error
        return self

    def save(self, path: str | Path, *, compress: bool = False) -> Path:
        """Write all splits to one `.npz` file, whole or not at all.

        Args:
            path: The file to write.
            compress: Deflate it: a tenth smaller, ten times slower to write.

        Returns:
            The path written.

        Raises:
            UserError: The path does not end in `.npz` or cannot be written.
        """
        arrays, descriptions = {}, {}
        for name, part in self.parts.items():
            part_arrays, descriptions[name] = part._to_arrays()
            arrays.update({f"{name}/{key}": array for key, array in part_arrays.items()})
        return write_arrays(
            _npz(path),
            arrays,
            {"format": FORMAT, "version": FORMAT_VERSION, "sequences": descriptions},
            compress=compress,
        )

    @classmethod
    def load(cls, path: str | Path) -> PoseSplits:
        """Read a file that `save` wrote.

        Args:
            path: The `.npz` file.

        Returns:
            The splits.

        Raises:
            FileNotFoundError: There is no such file.
            DamagedFileError: The file is damaged or something else.
            UserError: It holds no splits, or was written by a newer version.
        """
        parts = _read(path)
        if set(parts) != set(SPLITS):
            raise UserError(
                f"'{path}' holds one set of sequences and no splits; read it with "
                "PoseSequences.load, and save a PoseSplits."
            )
        return cls(**parts)


def _one_per_sequence(
    name: str, value: Any, dtype: type, count: int, shape: tuple[int, ...] = ()
) -> np.ndarray:
    try:
        array: np.ndarray = np.asarray(value, dtype)
    except (TypeError, ValueError) as error:
        raise UserError(f"`{name}` must be {np.dtype(dtype).name}, got {value!r}.") from error
    if array.shape == shape and dtype is not np.str_:
        array = np.broadcast_to(array, (count, *shape))
    if array.shape != (count, *shape):
        raise UserError(
            f"`{name}` must have the shape {(count, *shape)} for {count} sequences, got "
            f"{array.shape}."
        )
    return array


def _npz(path: str | Path) -> Path:
    if Path(path).suffix != ".npz":
        raise UserError(f"Poses are saved as .npz files, but the path given is '{path}'.")
    return Path(path)


def _read(path: str | Path) -> dict[str, PoseSequences]:
    arrays, description = read_arrays(path)
    if description.get("format") != FORMAT:
        raise DamagedFileError(f"'{path}' does not hold pose sequences.")
    if description.get("version") != FORMAT_VERSION:
        raise UserError(
            f"'{path}' has version {description.get('version')} of the format; this keras-seal "
            f"reads version {FORMAT_VERSION}. Prepare the data again, or update keras-seal."
        )
    parts = {}
    for name, part in description["sequences"].items():
        prefix = f"{name}/" if name else ""
        own = {
            key.removeprefix(prefix): array
            for key, array in arrays.items()
            if key.startswith(prefix)
        }
        parts[name] = PoseSequences._from_arrays(own, part)
    return parts
