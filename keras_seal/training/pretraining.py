"""Training a loss-net alone, on true poses and what is made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_seal.losses import EnergyObjective
from keras_seal.negatives import GaussianJoints, NegativeMaker, Scene, check_makers
from keras_seal.training import backends

_TINY = 1e-12


class Denoising:
    """Multi-scale denoising score matching: the energy's slope tells the way back to the truth.

    True poses get Gaussian noise, each pose at its own scale, and the gradient of the energy at
    the noisy pose shall be `(noisy - true) / unit ** 2`: as if the energy were half the squared
    distance to the truth, in units. Errors are divided by the size of the noise, so that all scales
    count alike.

    Args:
        skeleton: The skeleton.
        low: Smallest standard deviation of the noise, metres.
        high: Largest standard deviation of the noise, metres.
        unit: Distance, metres, at which the energy of one coordinate is a half.
        seed: Seed of the noise.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> Denoising("human36m_17", seed=0).unit
        0.03

    Reference:
        Li, Chen and Sommer, "Learning energy-based models in high-dimensional spaces with
        multiscale denoising score matching", 2019 (arXiv 1910.07762); Vincent (2011).
    """

    def __init__(
        self,
        skeleton: Any,
        low: float = 0.002,
        high: float = 0.1,
        unit: float = 0.03,
        seed: int | None = None,
    ) -> None:
        if not unit > 0:
            raise ValueError(f"unit is {unit}: expected more than 0 (metres).")
        self.noise = GaussianJoints(skeleton, low, high, seed=seed)
        self.unit = float(unit)

    def values(self, slope: Any, noisy: Any, truth: Any) -> Any:
        """What is minimised, for each frame.

        Args:
            slope: Gradient of the energy at the noisy poses, `(batch, frames, joints, 3)`.
            noisy: Noisy poses, the same shape.
            truth: True poses, the same shape.

        Returns:
            `(batch, frames)`: the squared error of the step back, relative to the noise; 1 for a
            flat energy.
        """
        noise = noisy - truth
        errors = ops.sum(ops.square(noise - self.unit**2 * slope), axis=(-2, -1))
        return errors / ops.maximum(ops.sum(ops.square(noise), axis=(-2, -1)), _TINY)


class LossNetPretraining(backends.Steps, keras.Model):
    """A loss-net trained without a pose-net.

    Compile and fit it as any Keras model, on `(keypoints, poses)`; then take `loss_net`. Logs:
    `loss`, `energy_gap` (negatives less truth) and `ranking_accuracy` (share of negatives scored
    above their truth).

    Args:
        loss_net: A built loss-net.
        objective: An `EnergyObjective`, or `Denoising`.
        negatives: Makers of negatives that need no prediction; none with `Denoising`.

    Raises:
        ValueError: If the makers do not fit the objective.

    Examples:
        >>> import keras, numpy as np, keras_seal as ks
        >>> net = ks.loss_nets.MLPLossNet("human36m_17", units=16)
        >>> model = LossNetPretraining(net, Denoising(net.skeleton, seed=0))
        >>> model.compile("adam")
        >>> x, y = np.zeros((8, 1, 17, 2), "float32"), np.zeros((8, 1, 17, 3), "float32")
        >>> sorted(model.fit(x, y, verbose=0).history)
        ['energy_gap', 'loss', 'ranking_accuracy']
    """

    def __init__(
        self,
        loss_net: keras.Model,
        objective: EnergyObjective | Denoising,
        negatives: Sequence[NegativeMaker] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.loss_net: Any = loss_net
        self.objective = objective
        if isinstance(objective, Denoising):
            if negatives is not None:
                raise ValueError("Denoising makes its own noise: leave the negatives out.")
            negatives = [objective.noise]
        self.negatives: list[NegativeMaker] = list(negatives or ())
        check_makers(self.negatives)
        if any(maker.uses_prediction for maker in self.negatives):
            raise ValueError("There is no pose-net here: leave out negatives made of predictions.")
        for maker in self.negatives:
            maker.build((None, 1, loss_net.inputs[1].shape[2], 3))
        self.updates = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="updates"
        )
        self._trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", "energy_gap", "ranking_accuracy")
        }
        self.build(None)

    def build(self, input_shape: Any = None) -> None:
        """Nothing to build: the loss-net comes built."""

    def call(self, keypoints: Any, poses: Any) -> Any:
        """Score poses."""
        return self.loss_net([keypoints, poses], training=False)

    @property
    def losses(self) -> list[Any]:
        """Empty: a step adds the loss-net's regularisation itself."""
        return []

    def _values(self, x: Any, y: Any, training: bool) -> tuple[Any, Any, Any]:
        """The loss, energies of the truth, and energies of the negatives, `(makers, ...)`."""

        def energy(condition: Any, poses: Any) -> Any:
            return ops.cast(self.loss_net([condition, poses], training=training), "float32")

        def gradient(condition: Any, poses: Any) -> Any:
            (energies,), pull_back = backends.record(
                self, lambda p: (energy(condition, p),), [], [poses]
            )
            return pull_back(ops.ones_like(energies))[1][0]

        x = x[..., : self.loss_net.inputs[0].shape[-1]]
        scene = Scene(x, y, None, ops.convert_to_tensor(self.updates), gradient)
        made = [maker.make(scene) for maker in self.negatives]
        count = 1 + len(made)
        energies = energy(ops.concatenate([x] * count, axis=0), ops.concatenate([y, *made], axis=0))
        true, *others = ops.split(energies, count, axis=0)
        stacked = ops.stack(others)
        if isinstance(self.objective, Denoising):
            slope = backends.input_gradient(lambda p: energy(x, p), made[0])
            values = self.objective.values(slope, made[0], y)
        else:
            distances = self.objective.distances(y, ops.stack(made))
            values = self.objective(true, stacked, distances)
        loss = ops.mean(values)
        for extra in self.loss_net.losses:
            loss = loss + ops.cast(ops.sum(extra), "float32")
        return loss, true, stacked

    def seal_train_step(self, data: Any) -> dict[str, Any]:
        """One update of the loss-net.

        Args:
            data: `(keypoints, poses)`.

        Returns:
            The logs.
        """
        x, y = _unpack(data)
        variables = self.loss_net.trainable_variables
        (loss, true, others), pull_back = backends.record(
            self, lambda: self._values(x, y, True), variables
        )
        gradients, _ = pull_back(
            self.optimizer.scale_loss(ops.ones_like(loss)),
            ops.zeros_like(true),
            ops.zeros_like(others),
        )
        backends.apply(self.optimizer, gradients, variables)
        self.updates.assign(self.updates + 1)
        return self._logs(loss, true, others)

    def seal_test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate one batch.

        Args:
            data: As in `seal_train_step`.

        Returns:
            The logs.
        """
        x, y = _unpack(data)
        return self._logs(*self._values(x, y, False))

    def _logs(self, loss: Any, true: Any, others: Any) -> dict[str, Any]:
        self._trackers["loss"].update_state(loss)
        self._trackers["energy_gap"].update_state(others - true[None])
        self._trackers["ranking_accuracy"].update_state(ops.cast(others > true[None], "float32"))
        return self.get_metrics_result()


def _unpack(data: Any) -> tuple[Any, Any]:
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError("A loss-net learns from true poses: give data as (keypoints, poses).")
    return ops.convert_to_tensor(x), ops.cast(ops.convert_to_tensor(y), "float32")
