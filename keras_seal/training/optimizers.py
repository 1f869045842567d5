"""Two optimizers that Keras sees as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def serialize_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Describe an optimizer by class name and configuration alone.

    Keras' own description names a torch-only class path when torch is the backend, and such a
    file cannot be opened on another backend.

    Args:
        optimizer: Any Keras optimizer.

    Returns:
        What `keras.optimizers.deserialize` takes.
    """
    config = optimizer.get_config()
    if "inner_optimizer" in config:
        config = {**config, "inner_optimizer": serialize_optimizer(optimizer.inner_optimizer)}
    full = keras.optimizers.serialize(optimizer)
    described = {"class_name": full["class_name"], "config": config}
    if full.get("registered_name") and ">" in full["registered_name"]:
        described = {**full, "config": config}
    return {
        key: keras.saving.serialize_keras_object(value) if key == "config" else value
        for key, value in described.items()
    }


class PairedOptimizer(keras.optimizers.Optimizer):
    """The pose-net's and the loss-net's optimizer under one roof.

    Keras' trainers carry the state of exactly one optimizer: under JAX a second one, kept beside
    it, would silently train with a frozen state. This one's `variables` are the states of
    both, so building, purging, checkpointing and saving need nothing special, and callbacks find
    the members in `optimizers`. `SEALPose.compile` makes it; `SEALPose` calls the members.

    Args:
        pose_net: Optimizer of the pose-net. Its learning rate and iterations are the pair's.
        loss_net: Optimizer of the loss-net, or `None` when there is none to train.
        is_loss_net: Tells whether a variable belongs to the loss-net.
        name: Name of the pair.
    """

    built: bool

    def __init__(
        self,
        pose_net: keras.optimizers.Optimizer,
        loss_net: keras.optimizers.Optimizer | None,
        is_loss_net: Callable[[Any], bool],
        name: str = "paired_optimizer",
    ) -> None:
        super().__init__(learning_rate=0.0, name=name)
        self.pose_net = pose_net
        self.loss_net = loss_net
        self._is_loss_net = is_loss_net

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The members, without the loss scaling around them."""
        return [getattr(member, "inner_optimizer", member) for member in self._members()]

    @property
    def variables(self) -> list[Any]:
        """The state of both members."""
        return [v for member in self._members() for v in member.variables]

    @property
    def iterations(self) -> Any:
        """Updates of the pose-net so far."""
        return self.pose_net.iterations

    @property
    def learning_rate(self) -> Any:
        """The pose-net's learning rate."""
        return self.pose_net.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.pose_net.learning_rate = value

    def _members(self) -> list[keras.optimizers.Optimizer]:
        return [self.pose_net] if self.loss_net is None else [self.pose_net, self.loss_net]

    def _split(self, variables: list[Any]) -> list[list[Any]]:
        ours = [v for v in variables if not self._is_loss_net(v)]
        theirs = [v for v in variables if self._is_loss_net(v)]
        return [ours] if self.loss_net is None else [ours, theirs]

    def build(self, variables: list[Any]) -> None:
        """Build each member on its own network's variables."""
        if self.built:
            return
        for member, own in zip(self._members(), self._split(variables), strict=True):
            member.build(own)
        self.built = True

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """Refused: the two networks are updated one after the other."""
        raise TypeError(
            "PairedOptimizer cannot apply gradients to both networks at once: SEALPose.train_step "
            "calls its members. To train a plain Keras model give it an ordinary optimizer."
        )

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Let each member finish its own variables."""
        for member, own in zip(self._members(), self._split(var_list), strict=True):
            member.finalize_variable_values(own)

    # The members are saved as the pair's children.
    def save_own_variables(self, store: Any) -> None:
        """Nothing of its own to save."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing of its own to load."""

    def get_config(self) -> dict[str, Any]:
        """Describe the members (for people: `SEALPose` rebuilds them from its own config)."""
        return {
            "name": self.name,
            "pose_net": serialize_optimizer(self.pose_net),
            "loss_net": self.loss_net and serialize_optimizer(self.loss_net),
        }
