"""Batches of windows cut from sequences, for `fit` on every backend."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_seal.data.augmentation import flip as mirrored
from keras_seal.data.sequences import PoseSequences
from keras_seal.errors import UserError

if TYPE_CHECKING:
    import tensorflow

# What a random stream is for; part of its seed, so that streams do not repeat each other.
_ORDER, _FLIPS = 0, 1
_FLIP_PROBABILITY = 0.5
# Windows looked at together when the kept ones are chosen, which bounds the memory.
_CHUNK = 65_536


class PoseWindows(keras.utils.PyDataset):
    """Windows of keypoints and the poses to predict from them, batch by batch.

    Around every `window_stride`-th frame of every sequence lies a window of `num_frames` frames,
    `frame_stride` apart. Where a window reaches over an end of its sequence, the first or last
    frame is repeated; a window never sees another sequence. A window whose target holds a frame
    that is not valid is left out. Windows are gathered from the flat arrays when a batch is asked
    for, so long windows cost no memory.

    The order and the mirroring of samples are functions of `(seed, epoch)` alone. `fit`, a `for`
    loop and `to_tf_dataset` give the same batches in the same order, and `set_epoch` returns to
    any epoch exactly. An epoch ends when all its batches have been read: `fit` begins at the
    epoch the object stands at and leaves it at the next unread one.

    For `fit` of a model that is no `SEALPose`, three things matter. Pass `shuffle=False`, else
    Keras mixes the batches by Python's global randomness on top. Add `follow_epochs()` to the
    callbacks where a run is resumed with `initial_epoch`. And give `fit` an object of its own
    (several share the memory of one `PoseSequences`), without `steps_per_epoch`.

    Args:
        sequences: The sequences to cut from.
        batch_size: Windows a batch. The last batch may be smaller.
        num_frames: Frames of a window. The target is its centre: frame `num_frames // 2`.
        out_frames: Frames of the target pose: 1 (`"center"`, the default) or `num_frames`.
        frame_stride: Step between the frames of a window; 2 sees 50 fps as 25.
        window_stride: Step between the centres of windows.
        shuffle: Draw a new order of all windows every epoch.
        seed: Seed of order and mirroring.
        flip: Mirror every sample with probability one half, anew every epoch.
        drop_remainder: Leave out a last batch that is not full.

    Raises:
        UserError: An argument makes no sense, the sequences do not pass their `validate`, or there
            is no full batch to give.

    Examples:
        >>> import numpy as np
        >>> from keras_seal.data import PoseSequences, PoseWindows
        >>> sequences = PoseSequences("human36m_17", np.zeros((10, 17, 2)), np.zeros((10, 17, 3)),
        ...                           [0, 4, 10], ["S1", "S5"], ["Walking", "Eating"])
        >>> windows = PoseWindows(sequences, batch_size=4, num_frames=9, shuffle=True)
        >>> len(windows), windows.num_windows
        (3, 10)
        >>> keypoints, poses = windows[0]
        >>> keypoints.shape, poses.shape
        ((4, 9, 17, 2), (4, 1, 17, 3))
    """

    def __init__(
        self,
        sequences: PoseSequences,
        batch_size: int = 1024,
        num_frames: int = 1,
        out_frames: int | str | None = None,
        frame_stride: int = 1,
        window_stride: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        flip: bool = False,
        drop_remainder: bool = False,
    ) -> None:
        # With more workers Keras reads ahead before it builds a model and trains on those batches
        # later, out of order (jax and torch); one gather takes about a millisecond anyway.
        super().__init__(workers=1, use_multiprocessing=False)
        if not isinstance(sequences, PoseSequences):
            raise UserError(f"`sequences` must be a PoseSequences, got {type(sequences).__name__}.")
        self.sequences = sequences.validate()
        self.batch_size = _whole("batch_size", batch_size, 1)
        self.num_frames = _whole("num_frames", num_frames, 1)
        self.frame_stride = _whole("frame_stride", frame_stride, 1)
        self.window_stride = _whole("window_stride", window_stride, 1)
        self.seed = _whole("seed", seed, 0)
        self.out_frames = self._checked_out_frames(out_frames)
        self.shuffle = bool(shuffle)
        self.flip = bool(flip)
        self.drop_remainder = bool(drop_remainder)
        # One window per `window_stride` frames, the first frame of a sequence among them.
        counts = -(-sequences.lengths // self.window_stride)
        self._first_window = np.concatenate([[0], np.cumsum(counts)])
        steps = np.arange(self.num_frames, dtype=np.int64) - self.num_frames // 2
        self._steps = steps * self.frame_stride
        self._origin = list(sequences.skeleton.origin)
        self._told_of_order = False
        self._kept = None if sequences.valid.all() else self._windows_of_valid_targets()
        if not len(self):
            raise UserError(
                f"No batch of {self.batch_size} windows can be made from {self.num_windows} "
                "windows; use a smaller batch_size or keep the remainder."
            )
        self.set_epoch(0)

    def _checked_out_frames(self, out_frames: int | str | None) -> int:
        if out_frames in (None, "center", 1):
            return 1
        if out_frames != self.num_frames:
            raise UserError(
                f"`out_frames` must be 1 ('center') or num_frames ({self.num_frames}), got "
                f"{out_frames!r}."
            )
        return self.num_frames

    def _windows_of_valid_targets(self) -> np.ndarray:
        """Number the windows to keep among all that could be cut."""
        count, valid = int(self._first_window[-1]), self.sequences.valid
        kept = np.empty(count, bool)
        for begin in range(0, count, _CHUNK):
            chosen = np.arange(begin, min(begin + _CHUNK, count))
            centers, owners = self._cut(chosen)
            frames = centers[:, None]
            if self.out_frames > 1:
                frames = self._frames(centers, owners)
            kept[chosen] = valid[frames].all(axis=1)
        return np.flatnonzero(kept)

    @property
    def num_windows(self) -> int:
        """Number of windows of an epoch, the dropped ones included."""
        return int(self._first_window[-1]) if self._kept is None else len(self._kept)

    @property
    def epoch(self) -> int:
        """The epoch whose batches are read now."""
        return self._epoch

    def __len__(self) -> int:
        full, rest = divmod(self.num_windows, self.batch_size)
        return full if self.drop_remainder or not rest else full + 1

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self._epoch = _whole("epoch", epoch, 0)
        self._unread = set(range(len(self)))
        self._within_fit = False
        self._draws: tuple[int, np.ndarray | None, np.ndarray | None] | None = None

    def on_epoch_begin(self) -> None:
        """Note that Keras begins to read batches."""
        self._within_fit = True

    def on_epoch_end(self) -> None:
        """Move to the next epoch, if Keras has read this one to its end.

        Keras also calls this before training and after it has looked at one batch to build a
        model; such calls change nothing.
        """
        if self._within_fit and not self._unread:
            self.set_epoch(self._epoch + 1)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Gather one batch of the present epoch.

        Args:
            index: Number of the batch; negative ones count from the end.

        Returns:
            Keypoints `(batch, num_frames, joints, channels)` and root-relative poses
            `(batch, out_frames, joints, 3)` in metres, both float32.

        Raises:
            IndexError: There is no such batch.
        """
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"There is no batch {index}; there are {len(self)}.")
        index %= len(self)
        order, flips = self._drawn()
        chosen = slice(
            index * self.batch_size, min((index + 1) * self.batch_size, self.num_windows)
        )
        samples = np.arange(chosen.start, chosen.stop) if order is None else order[chosen]
        batch = self._gather(samples, None if flips is None else flips[samples])
        if self._within_fit:
            self._note_read(index)
        return batch

    def _note_read(self, index: int) -> None:
        expected = len(self) - len(self._unread)
        if index in self._unread and index != expected and not self._told_of_order:
            self._told_of_order = True
            warnings.warn(
                "Keras reads the batches in an order of its own, drawn from Python's global "
                "randomness; pass shuffle=False to fit for the order that belongs to the seed.",
                stacklevel=3,
            )
        self._unread.discard(index)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the present epoch; the object moves to the next one with the last batch."""
        for index in range(len(self)):
            batch = self[index]
            if index == len(self) - 1:
                self.set_epoch(self._epoch + 1)
            yield batch

    def windows(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gather chosen windows, without shuffling or mirroring.

        Args:
            indices: Numbers of the windows, `(n,)`; they are counted along the sequences.

        Returns:
            Keypoints and poses, as a batch has them.

        Raises:
            IndexError: There is no such window.
        """
        indices = np.atleast_1d(np.asarray(indices, np.int64))
        if indices.size and not 0 <= indices.min() <= indices.max() < self.num_windows:
            raise IndexError(f"Windows are numbered 0 to {self.num_windows - 1}, got {indices}.")
        return self._gather(indices, None)

    def centers(self, indices: np.ndarray | None = None) -> np.ndarray:
        """Tell which frame lies at the centre of each window.

        Args:
            indices: Numbers of the windows; all by default.

        Returns:
            Rows of `sequences.poses`, int64.
        """
        indices = np.arange(self.num_windows) if indices is None else np.asarray(indices)
        return self._located(indices)[0]

    def _located(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._cut(samples if self._kept is None else self._kept[samples])

    def _cut(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre and sequence of windows, numbered as if all frames were valid."""
        offsets = self.sequences.offsets
        owners = np.searchsorted(self._first_window, samples, side="right") - 1
        within = samples - self._first_window[owners]
        return offsets[owners] + within * self.window_stride, owners

    def _frames(self, centers: np.ndarray, owners: np.ndarray) -> np.ndarray:
        if self.num_frames == 1:
            return centers[:, None]
        offsets = self.sequences.offsets
        first, last = offsets[owners], offsets[owners + 1] - 1
        return np.clip(centers[:, None] + self._steps, first[:, None], last[:, None])

    def _gather(
        self, samples: np.ndarray, flips: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        sequences = self.sequences
        centers, owners = self._located(samples)
        frames = self._frames(centers, owners)
        keypoints = sequences.keypoints.take(frames, axis=0)
        poses = sequences.poses.take(
            frames if self.out_frames == self.num_frames else centers[:, None], axis=0
        )
        poses -= poses[..., self._origin, :].mean(axis=-2, keepdims=True)
        if flips is not None:
            keypoints[flips] = mirrored(keypoints[flips], sequences.skeleton)
            poses[flips] = mirrored(poses[flips], sequences.skeleton)
        return keypoints, poses

    def _drawn(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Order and mirroring of the present epoch, drawn once."""
        epoch, draws = self._epoch, self._draws
        if draws is None or draws[0] != epoch:
            order = flips = None
            if self.shuffle:
                small = self.num_windows < np.iinfo(np.int32).max
                order = np.arange(self.num_windows, dtype=np.int32 if small else np.int64)
                self._random(epoch, _ORDER).shuffle(order)
            if self.flip:
                chance = self._random(epoch, _FLIPS).random(self.num_windows, np.float32)
                flips = chance < _FLIP_PROBABILITY
            self._draws = draws = (epoch, order, flips)
        return draws[1], draws[2]

    def _random(self, epoch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, purpose])

    def follow_epochs(self) -> keras.callbacks.Callback:
        """Make a callback that sets the epoch from Keras' own epoch number.

        With it, epoch `e` of any `fit`, also one begun with `initial_epoch=e`, reads the batches
        of epoch `e`, whatever was read from the object before.

        Returns:
            The callback, for `fit`'s `callbacks`.
        """
        return keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: self.set_epoch(epoch)
        )

    def to_tf_dataset(self) -> tensorflow.data.Dataset:
        """Give the same batches as a `tf.data.Dataset`.

        Every pass over the data set reads one epoch, from the one the object stands at.

        Returns:
            A data set of `(keypoints, poses)` with prefetching, of known length.
        """
        import tensorflow as tf

        batch = self.batch_size if self.drop_remainder else None
        joints = self.sequences.skeleton.num_joints
        signature = tuple(
            tf.TensorSpec((batch, frames, joints, channels), tf.float32)
            for frames, channels in (
                (self.num_frames, self.sequences.num_channels),
                (self.out_frames, 3),
            )
        )
        dataset = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def get_config(self) -> dict[str, Any]:
        """Describe how windows are cut and ordered, without the sequences.

        Returns:
            The constructor's arguments but `sequences`.
        """
        names = (
            "batch_size",
            "num_frames",
            "out_frames",
            "frame_stride",
            "window_stride",
            "shuffle",
            "seed",
            "flip",
            "drop_remainder",
        )
        return {name: getattr(self, name) for name in names}


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UserError(f"`{name}` must be a whole number of at least {least}, got {value!r}.")
    return int(value)
