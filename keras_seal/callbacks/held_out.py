"""What the callbacks share: fixed held-out samples, and when to look at them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_seal import skeletons
from keras_seal.training import random_state, set_random_state

# Windows of temporal nets are long: a larger batch would need much memory and save little time.
_BATCH_SIZE = 256
# A data set is sampled from so many batches at most, so that beginning to train stays quick.
_MOST_BATCHES = 16


class HeldOutCallback(keras.callbacks.Callback):
    """Base of callbacks that look at the same held-out samples again and again.

    The samples are spread evenly over the data and read once, when training begins. Looking
    draws no random number and changes no state of the model, so that training goes the same way
    with the callback as without it.

    A subclass gives `look`, and names the values that it adds to the logs in `log_names`. On
    epochs at which it does not look they are NaN, for Keras' `CSVLogger` fixes its columns at
    the first epoch.

    Args:
        data: A `PoseWindows` (its shuffling and mirroring play no part), any `PyDataset` of
            `(keypoints, poses)` batches, or a tuple of two arrays.
        skeleton: A skeleton, a built-in name, or a path.
        every: Look after every so many epochs, and after the last one.
        samples: How many samples to look at; all if there are fewer.

    Raises:
        ValueError: If `every` or `samples` is not a whole number of at least 1.
    """

    log_names: tuple[str, ...] = ()

    def __init__(self, data: Any, skeleton: Any, *, every: int, samples: int) -> None:
        super().__init__()
        self.data = data
        self.skeleton = skeletons.get(skeleton)
        self.every = whole("every", every)
        self.samples = whole("samples", samples)
        self._begun = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Read the samples."""
        self.keypoints, self.poses = take(self.data, self.samples, self.skeleton)
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Call `begin` at the first epoch."""
        if not self._begun:
            self._begun = True
            self.begin(epoch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look, when it is time, and add what was seen to the logs."""
        finished = epoch + 1
        seen = dict.fromkeys(self.log_names, float("nan"))
        if finished % self.every == 0 or finished == (self.params or {}).get("epochs"):
            seen.update(self.look(finished))
        if logs is not None:
            logs.update(seen)

    def begin(self, epoch: int) -> None:
        """Prepare for training that begins, or goes on after an interruption.

        Args:
            epoch: The first epoch of it, counted from 1.
        """

    def look(self, epoch: int) -> dict[str, float]:
        """Look at the samples.

        Args:
            epoch: The number of finished epochs.

        Returns:
            Values for the logs: those of `log_names`.
        """
        raise TypeError(f"{type(self).__name__} must define look().")

    def predict(self) -> np.ndarray:
        """Predict the poses of the samples.

        Returns:
            The shape of `poses`, float32.

        Raises:
            ValueError: If the model gives another shape.
        """
        model = self.model
        # Every batch must be divisible among the devices of a distribution; repeats fill it up.
        count, divisor = len(self.keypoints), _number_of_devices()
        filled = np.arange(-(-count // divisor) * divisor) % count
        batch_size = -(-_BATCH_SIZE // divisor) * divisor
        # Under torch, Keras' predict draws from the generator that dropout draws from as well.
        before = random_state(model)
        predicted = model.predict(self.keypoints[filled], batch_size=batch_size, verbose=0)
        set_random_state(model, before)
        predicted = np.asarray(predicted, "float32")[:count]
        if predicted.shape != self.poses.shape:
            raise ValueError(
                f"{type(self).__name__}: the model gives poses of shape {predicted.shape}, the "
                f"data has {self.poses.shape}; frames and joints must be the same."
            )
        return predicted

    def by_batches(self, function: Any, *arrays: np.ndarray) -> np.ndarray:
        """Apply a function of tensors to the samples, some at a time.

        Args:
            function: Takes a batch of each array and returns a tensor.
            *arrays: Arrays with one row a sample.

        Returns:
            The results joined, float32.
        """
        parts = [
            function(*(array[start : start + _BATCH_SIZE] for array in arrays))
            for start in range(0, len(arrays[0]), _BATCH_SIZE)
        ]
        return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts]).astype(
            "float32"
        )


def take(data: Any, count: int, skeleton: skeletons.Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Read samples spread evenly over data, the same ones each time.

    Args:
        data: A `PoseWindows`, a `PyDataset` of `(keypoints, poses)` batches, or a tuple of arrays.
        count: How many samples; all if there are fewer.
        skeleton: The skeleton they must fit.

    Returns:
        Keypoints `(samples, frames, joints, 2 or 3)` and poses `(samples, out_frames, joints, 3)`,
        float32.

    Raises:
        TypeError: If `data` is none of these.
        ValueError: If the arrays do not fit each other or the skeleton, or are not finite.

    Examples:
        >>> x, y = np.zeros((10, 1, 17, 2)), np.zeros((10, 1, 17, 3))
        >>> y[:, 0, 0, 0] = np.arange(10)
        >>> take((x, y), 3, skeletons.get("human36m_17"))[1][:, 0, 0, 0].tolist()
        [1.0, 5.0, 8.0]
    """
    if isinstance(data, tuple | list) and len(data) == 2:
        keypoints, poses = (np.asarray(array) for array in data)
        if len(keypoints) != len(poses):
            raise ValueError(
                f"The data holds {len(keypoints)} samples of keypoints and {len(poses)} of poses: "
                "it must hold as many of both."
            )
        chosen = _spread(len(keypoints), count)
        keypoints, poses = keypoints[chosen], poses[chosen]
    elif hasattr(data, "windows") and hasattr(data, "num_windows"):
        keypoints, poses = data.windows(_spread(data.num_windows, count))
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        keypoints, poses = _from_batches(data, count)
    else:
        raise TypeError(
            f"Held-out data is a {type(data).__name__}: give a PoseWindows, a PyDataset, or a "
            "tuple (keypoints, poses) of arrays."
        )
    return (
        _checked(keypoints, "keypoints", (2, 3), skeleton),
        _checked(poses, "poses", (3,), skeleton),
    )


def _spread(size: int, count: int) -> np.ndarray:
    """The middles of `count` equal parts of `range(size)`."""
    count = min(size, count)
    return ((np.arange(count) + 0.5) * size / max(count, 1)).astype("int64")


def _from_batches(data: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = _spread(len(data), min(count, _MOST_BATCHES))
    batches = [tuple(np.asarray(part) for part in data[int(number)][:2]) for number in numbers]
    if not batches:
        raise ValueError("The held-out data holds no batch.")
    keypoints, poses = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    chosen = _spread(len(keypoints), count)
    return keypoints[chosen], poses[chosen]


def _checked(
    array: np.ndarray, name: str, channels: tuple[int, ...], skeleton: skeletons.Skeleton
) -> np.ndarray:
    wanted = " or ".join(str(size) for size in channels)
    if array.ndim != 4 or array.shape[2] != skeleton.num_joints or array.shape[3] not in channels:
        raise ValueError(
            f"The held-out {name} have shape {array.shape}: expected (samples, frames, "
            f"{skeleton.num_joints}, {wanted}) for the skeleton '{skeleton.name}'."
        )
    if 0 in array.shape:
        raise ValueError(f"The held-out {name} have shape {array.shape}: there is no sample.")
    if not np.isfinite(array).all():
        raise ValueError(f"The held-out {name} hold NaN or infinite values.")
    return array.astype("float32")


def _number_of_devices() -> int:
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))


def whole(name: str, value: Any) -> int:
    """Check that an argument is a whole number of at least 1.

    Args:
        name: What messages call it.
        value: The argument.

    Returns:
        The number.

    Raises:
        ValueError: If it is none.

    Examples:
        >>> whole("every", 5)
        5
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}: it must be a whole number of at least 1.")
    return int(value)
