"""What a training run changes beside weights and optimizers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Steps in which a loss is looked at.
NETWORKS = ("pose_net", "loss_net")


@keras.saving.register_keras_serializable(package="keras_seal")
class TrainingState(keras.layers.Layer):
    """Coefficients, a controller's memory, random numbers, the step, the first bad losses.

    Variables rather than Python numbers: a compiled step sees a change at once, checkpoints
    hold them, and JAX's trainer carries them.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.coefficients: dict[str, Any] = {}
        # What a controller of the energy's weight keeps from step to step.
        self.memory: dict[str, Any] = {}
        self.random: Any = None
        self.step = self._scalar("step", 0, "int32")
        self.first_bad = {name: self._scalar(f"first_bad_{name}", -1, "int32") for name in NETWORKS}
        self.built = True

    def make_random(self) -> None:
        """Make `random`, a generator of random numbers for the step, where there is none yet."""
        if self.random is None:
            self.random = keras.random.SeedGenerator(name="step_random")

    def _scalar(self, name: str, value: float, dtype: str) -> Any:
        # Under tf.distribute every replica computes the same value.
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            dtype=dtype,
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def set_coefficient(self, name: str, value: float) -> None:
        """Set a coefficient, creating its variable when it is new.

        Args:
            name: Name of the coefficient.
            value: Its value.
        """
        self._set(self.coefficients, name, value)

    def remember(self, name: str, value: float) -> None:
        """Set a scalar of a controller's memory, creating its variable when it is new.

        Args:
            name: Name of the scalar.
            value: Its value.
        """
        self._set(self.memory, name, value)

    def _set(self, group: dict[str, Any], name: str, value: float) -> None:
        if name in group:
            group[name].assign(value)
        else:
            group[name] = self._scalar(name, value, "float32")

    def note_loss(self, network: str, loss: Any) -> None:
        """Remember the step if this is the network's first non-finite loss.

        Args:
            network: `"pose_net"` or `"loss_net"`.
            loss: Its scalar loss at the present step.
        """
        variable = self.first_bad[network]
        first, step = ops.convert_to_tensor(variable), ops.convert_to_tensor(self.step)
        is_first = ops.logical_and(ops.less(first, 0), ops.logical_not(ops.isfinite(loss)))
        variable.assign(ops.where(is_first, step, first))

    # By name, so that a model saved compiled opens uncompiled, and the other way round.
    def save_own_variables(self, store: Any) -> None:
        """Save every variable under its name."""
        for variable in self.variables:
            store[variable.name] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Load the variables that both sides have."""
        for variable in self.variables:
            if variable.name in store:
                variable.assign(store[variable.name])
