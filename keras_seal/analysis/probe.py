"""A loss-net and the poses that it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_seal.analysis.bootstrap import Bootstrap
from keras_seal.analysis.corruptions import Corruption
from keras_seal.analysis.samples import Samples
from keras_seal.errors import UserError

# Frames of one batch: enough to be quick, and little memory for the largest loss-net.
_FRAMES = 512


class Probe:
    """Ask a model's loss-net about samples, batch by batch and in inference mode.

    Args:
        model: A `SEALPose`, or anything with its `pose_net`, `loss_net`, `energy` and
            `energy_gradient`.
        samples: The samples.
        draws: Draws of the bootstrap that finds intervals.
        seed: Seed of whatever is drawn.

    Raises:
        UserError: The model has no loss-net.

    Examples:
        >>> import keras_seal as ks
        >>> model = ks.SEALPose(
        ...     ks.pose_nets.SimpleBaseline("human36m_17", units=8),
        ...     ks.loss_nets.MLPLossNet("human36m_17", units=8),
        ... )
        >>> rng = np.random.default_rng(0)
        >>> samples = Samples(ks.skeletons.get("human36m_17"), rng.normal(size=(6, 1, 17, 2)),
        ...                   rng.normal(size=(6, 1, 17, 3)), np.arange(6))
        >>> probe = Probe(model, samples)
        >>> probe.true_energy.shape, probe.gradient(samples.poses).shape
        ((6, 1), (6, 1, 17, 3))
    """

    def __init__(self, model: Any, samples: Samples, *, draws: int = 1000, seed: int = 0) -> None:
        if model.loss_net is None:
            raise UserError("There is no loss-net to ask: the model was trained without one.")
        self.model = model
        self.samples = samples
        self.draws = draws
        self.seed = seed
        # What the loss-net sees: its channels, at the frames of the poses.
        keypoints, frames = samples.keypoints, samples.poses.shape[1]
        keypoints = keypoints[..., : model.loss_net.inputs[0].shape[-1]]
        if keypoints.shape[1] != frames:
            centre = keypoints.shape[1] // 2
            keypoints = keypoints[:, centre : centre + 1]
        self.condition = keypoints

    @property
    def skeleton(self) -> Any:
        """The skeleton of the samples."""
        return self.samples.skeleton

    @property
    def truth(self) -> np.ndarray:
        """True poses `(samples, frames, joints, 3)`."""
        return self.samples.poses

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Draws of the samples' sequences; rows are frames."""
        groups = np.repeat(self.samples.groups, self.truth.shape[1])
        return Bootstrap(groups, self.draws, seed=self.seed)

    @cached_property
    def true_energy(self) -> np.ndarray:
        """Energies of the true poses `(samples, frames)`."""
        return self.energy(self.truth)

    @cached_property
    def predictions(self) -> np.ndarray:
        """The pose-net's poses for the samples, like `truth`."""
        predicted = self.by_batches(
            lambda keypoints: self.model.pose_net(keypoints, training=False),
            self.samples.keypoints,
        )
        if predicted.shape != self.truth.shape:
            raise UserError(
                f"The pose-net gives poses of shape {predicted.shape}, the samples have "
                f"{self.truth.shape}: frames and joints must be the same."
            )
        return _finite(predicted, "The pose-net gives NaN or infinite poses")

    @cached_property
    def predicted_energy(self) -> np.ndarray:
        """Energies of the predictions `(samples, frames)`."""
        return self.energy(self.predictions)

    @cached_property
    def predicted_gradient(self) -> np.ndarray:
        """Gradients of the energy by the predictions, like `truth`."""
        return self.gradient(self.predictions)

    def energy(self, poses: np.ndarray) -> np.ndarray:
        """Score one pose for each sample.

        Args:
            poses: `(samples, frames, joints, 3)`, metres.

        Returns:
            Energies `(samples, frames)`.

        Raises:
            UserError: An energy is not finite.
        """
        return _finite(
            self.by_batches(self.model.energy, self.condition, poses),
            "The loss-net gives NaN or infinite energies",
        )

    def gradient(self, poses: np.ndarray) -> np.ndarray:
        """Find which way the energy of one pose for each sample rises.

        Args:
            poses: `(samples, frames, joints, 3)`, metres.

        Returns:
            Gradients of each frame's energy, the shape of `poses`, per metre.

        Raises:
            UserError: A gradient is not finite.
        """
        return _finite(
            self.by_batches(self.model.energy_gradient, self.condition, poses),
            "The loss-net's energy has NaN or infinite gradients",
        )

    def spoilt(self, corruption: Corruption) -> np.ndarray:
        """Spoil the true poses.

        Args:
            corruption: How.

        Returns:
            Poses like `truth`.
        """
        return self.by_batches(corruption.spoil, self.truth)

    def fewer(self, count: int) -> Probe:
        """Ask about fewer samples, spread evenly over these.

        Args:
            count: How many.

        Returns:
            A probe of them; this one if there are no more.
        """
        if count >= len(self.samples):
            return self
        rows = np.linspace(0, len(self.samples) - 1, count).astype(int)
        chosen = Samples(
            self.skeleton,
            self.samples.keypoints[rows],
            self.truth[rows],
            self.samples.groups[rows],
        )
        return Probe(self.model, chosen, draws=self.draws, seed=self.seed)

    def by_batches(self, function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
        """Apply a function some samples at a time, which bounds the memory.

        Args:
            function: Takes a batch of each array and returns rows as an array or a tensor.
            *arrays: Arrays with one row a sample.

        Returns:
            The rows joined, float32.
        """
        step = max(1, _FRAMES // arrays[0].shape[1])
        parts = [
            keras.ops.convert_to_numpy(function(*(array[at : at + step] for array in arrays)))
            for at in range(0, len(arrays[0]), step)
        ]
        return np.concatenate(parts).astype("float32")


def _finite(array: np.ndarray, complaint: str) -> np.ndarray:
    lost = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if lost.any():
        raise UserError(
            f"{complaint} for {int(lost.sum())} of {len(array)} samples: its weights are damaged, "
            "or it was trained on poses of another kind or unit."
        )
    return array
