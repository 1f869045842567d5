"""Objectives that teach a loss-net which poses are plausible.

All of them see the energy of the true pose and the energies of one or more implausible ones
(negatives), and how far each negative is from the truth. Low energy means plausible.

Reference:
    SEAL-pose (arXiv 2602.20051); SEAL, Structured Energy As Loss (NeurIPS 2022).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_seal.errors import nearest
from keras_seal.losses.distances import get_distance


class EnergyObjective:
    """Base of the loss-net's objectives.

    A subclass gives `call` and lists its numbers in `coefficients`. `SEALPose` keeps each of
    them as a variable, so a callback or schedule can change them without compiling anew.

    Args:
        distance: Task error that says how far a negative is from the truth: `"mpjpe"` or `"l1"`
            (metres), or `"mse"` (square metres).
    """

    def __init__(self, distance: str = "mpjpe") -> None:
        self.distance = distance
        self._distance = get_distance(distance)

    @property
    def coefficients(self) -> dict[str, float]:
        """Numbers that `SEALPose` holds as variables, by name."""
        return {}

    def distances(self, y_true: Any, negatives: Any) -> Any:
        """How far each negative is from the truth.

        Args:
            y_true: True poses, `(batch, frames, joints, 3)`.
            negatives: `(negatives, batch, frames, joints, 3)`.

        Returns:
            `(negatives, batch, frames)`.
        """
        return self._distance(y_true[None], negatives)

    def call(
        self, energy_true: Any, energy_negatives: Any, distances: Any, **coefficients: Any
    ) -> Any:
        """Value to be minimised, for each frame.

        Args:
            energy_true: Energies of the true poses, `(batch, frames)`.
            energy_negatives: Energies of the negatives, `(negatives, batch, frames)`.
            distances: Task errors of the negatives, `(negatives, batch, frames)`.
            **coefficients: Current values of `coefficients`.

        Returns:
            `(batch, frames)`.
        """
        raise TypeError(f"{type(self).__name__} must define call().")

    def pose_term(self, energy: Any) -> Any:
        """What the pose-net minimises of the energy of its prediction; the energy itself here.

        Args:
            energy: Any shape.

        Returns:
            The same shape.
        """
        return energy

    def __call__(
        self, energy_true: Any, energy_negatives: Any, distances: Any, **coefficients: Any
    ) -> Any:
        """Run `call` with the objective's own coefficients where none are given."""
        coefficients = {**self.coefficients, **coefficients}
        return self.call(energy_true, energy_negatives, distances, **coefficients)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the objective."""
        return {"distance": self.distance, **self.coefficients}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> EnergyObjective:
        """Rebuild the objective from `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_seal")
class MarginRanking(EnergyObjective):
    """The truth shall be below each negative by a margin that grows with the task error.

    `max(0, margin * distance - E(negative) + E(truth))`, mean over the negatives. In the region
    where the hinge is active the energy of a prediction behaves like `margin * distance`, so
    `energy_weight * margin` is about the share of the energy in the pose-net's gradient.

    Args:
        margin: Energy per unit of task error (per metre, for `"mpjpe"`).
        distance: `"mpjpe"`, `"l1"` or `"mse"`.
        hinge: With `False` the maximum with zero is dropped: the published form for a negative
            margin.

    Raises:
        ValueError: If `margin` is negative while `hinge` is true: the hinge could never act.

    Examples:
        >>> import numpy as np
        >>> objective = MarginRanking(margin=10.0)
        >>> truth, negative = np.zeros((1, 1), "float32"), np.full((1, 1, 1), 0.2, "float32")
        >>> round(float(objective(truth, negative, np.full((1, 1, 1), 0.05, "float32"))[0, 0]), 3)
        0.3

    Reference:
        SEAL-pose (arXiv 2602.20051), margin-based objective.
    """

    def __init__(self, margin: float = 10.0, distance: str = "mpjpe", hinge: bool = True) -> None:
        super().__init__(distance)
        if hinge and margin < 0:
            raise ValueError(
                f"margin is {margin}: with the hinge it must be at least 0. Pass hinge=False for "
                "the form without one."
            )
        self.margin = float(margin)
        self.hinge = bool(hinge)

    @property
    def coefficients(self) -> dict[str, float]:
        """The margin."""
        return {"margin": self.margin}

    def call(  # type: ignore[override]
        self, energy_true: Any, energy_negatives: Any, distances: Any, *, margin: Any
    ) -> Any:
        """See `EnergyObjective.call`."""
        violation = margin * distances - energy_negatives + energy_true[None]
        if self.hinge:
            violation = ops.maximum(violation, 0.0)
        return ops.mean(violation, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the objective."""
        return {**super().get_config(), "hinge": self.hinge}


@keras.saving.register_keras_serializable(package="keras_seal")
class NCE(EnergyObjective):
    """The truth shall be the most probable among itself and the negatives.

    `-log softmax(-E / temperature)` of the truth, with a stable log-sum-exp.

    Args:
        temperature: Energy scale, above 0.

    Raises:
        ValueError: If `temperature` is not above 0.

    Examples:
        >>> import numpy as np
        >>> same = np.zeros((1, 1), "float32")
        >>> round(float(NCE()(same, same[None], same[None])[0, 0]), 4)  # log 2
        0.6931

    Reference:
        SEAL-pose (arXiv 2602.20051), NCE-based objective; Gutmann and Hyvärinen (2010).
    """

    def __init__(self, temperature: float = 1.0, distance: str = "mpjpe") -> None:
        super().__init__(distance)
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}: it must be above 0.")
        self.temperature = float(temperature)

    @property
    def coefficients(self) -> dict[str, float]:
        """The temperature."""
        return {"temperature": self.temperature}

    def call(  # type: ignore[override]
        self, energy_true: Any, energy_negatives: Any, distances: Any, *, temperature: Any
    ) -> Any:
        """See `EnergyObjective.call`; the distances play no part."""
        logits = -ops.concatenate([energy_true[None], energy_negatives], axis=0) / temperature
        return ops.logsumexp(logits, axis=0) - logits[0]


@keras.saving.register_keras_serializable(package="keras_seal")
class EnergyRegression(EnergyObjective):
    """The energy of a pose shall equal its task error times `scale`; the truth's is 0.

    Args:
        scale: Energy per unit of task error (per metre, for `"mpjpe"`).
        distance: `"mpjpe"`, `"l1"` or `"mse"`.

    Examples:
        >>> import numpy as np
        >>> zero, far = np.zeros((1, 1), "float32"), np.full((1, 1, 1), 0.1, "float32")
        >>> float(EnergyRegression(scale=10.0)(zero, far * 10.0, far)[0, 0])
        0.0

    Reference:
        SEAL (NeurIPS 2022), regression form.
    """

    def __init__(self, scale: float = 10.0, distance: str = "mpjpe") -> None:
        super().__init__(distance)
        self.scale = float(scale)

    @property
    def coefficients(self) -> dict[str, float]:
        """The scale."""
        return {"scale": self.scale}

    def call(  # type: ignore[override]
        self, energy_true: Any, energy_negatives: Any, distances: Any, *, scale: Any
    ) -> Any:
        """See `EnergyObjective.call`."""
        negatives = ops.mean(ops.square(energy_negatives - scale * distances), axis=0)
        return 0.5 * (negatives + ops.square(energy_true))


ADVERSARIAL_KINDS = ("logistic", "least_squares", "hinge", "wasserstein")


@keras.saving.register_keras_serializable(package="keras_seal")
class Adversarial(EnergyObjective):
    """The loss-net is a discriminator, the pose-net the generator of an adversarial network.

    The energy is the negative logit. With E the energy, the loss-net minimises the sum of the first
    two columns (the second is a mean over the negatives), the pose-net the third:

    | kind | truth | negatives | pose-net's prediction |
    | --- | --- | --- | --- |
    | `logistic` | softplus(E) | softplus(-E) | softplus(E), the non-saturating form |
    | `least_squares` | (E + 1)² / 2 | E² / 2 | (E + 1)² / 2 |
    | `hinge` | max(0, 1 + E) | max(0, 1 - E) | E |
    | `wasserstein` | E | -E | E |

    How far a negative is from the truth plays no part. The Wasserstein form has no optimum unless
    the energy's slope is bounded: use it with `gradient_penalty`, or a loss-net with
    `spectral_norm`.

    Args:
        kind: One of the above.

    Raises:
        ValueError: If there is no such kind.

    Examples:
        >>> import numpy as np
        >>> zero = np.zeros((1, 1), "float32")
        >>> round(float(Adversarial()(zero, zero[None], zero[None])[0, 0]), 4)  # 2 log 2
        1.3863

    Reference:
        Goodfellow et al., NeurIPS 2014 (logistic); Mao et al., ICCV 2017 (least squares); Lim and
        Ye, arXiv 1705.02894 (hinge); Arjovsky et al., ICML 2017 (Wasserstein).
    """

    def __init__(self, kind: str = "logistic") -> None:
        super().__init__()
        if kind not in ADVERSARIAL_KINDS:
            raise ValueError(f"There is no kind {kind!r}.{nearest(str(kind), ADVERSARIAL_KINDS)}")
        self.kind = kind

    def call(self, energy_true: Any, energy_negatives: Any, distances: Any) -> Any:  # type: ignore[override]
        """See `EnergyObjective.call`; the distances play no part."""
        if self.kind == "logistic":
            true, negatives = ops.softplus(energy_true), ops.softplus(-energy_negatives)
        elif self.kind == "least_squares":
            true = 0.5 * ops.square(energy_true + 1.0)
            negatives = 0.5 * ops.square(energy_negatives)
        elif self.kind == "hinge":
            true = ops.maximum(1.0 + energy_true, 0.0)
            negatives = ops.maximum(1.0 - energy_negatives, 0.0)
        else:
            true, negatives = energy_true, -energy_negatives
        return true + ops.mean(negatives, axis=0)

    def pose_term(self, energy: Any) -> Any:
        """See `EnergyObjective.pose_term`."""
        if self.kind == "logistic":
            return ops.softplus(energy)
        if self.kind == "least_squares":
            return 0.5 * ops.square(energy + 1.0)
        return energy

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the objective."""
        return {"kind": self.kind}


_OBJECTIVES: dict[str, type[EnergyObjective]] = {
    "margin": MarginRanking,
    "nce": NCE,
    "regression": EnergyRegression,
    "adversarial": Adversarial,
}


def get_objective(identifier: Any, **options: Any) -> EnergyObjective:
    """Turn a name into an objective with its defaults.

    Args:
        identifier: `"margin"`, `"nce"`, `"regression"`, `"adversarial"`, or an objective (returned
            as it is).
        **options: Arguments of the objective, with a name only.

    Returns:
        The objective.

    Raises:
        ValueError: If there is no objective of that name.
        TypeError: If `identifier` is neither a name nor an objective.

    Examples:
        >>> get_objective("margin", margin=5.0).margin
        5.0
    """
    if isinstance(identifier, EnergyObjective):
        return identifier
    if not isinstance(identifier, str):
        raise TypeError(
            f"energy_objective is {identifier!r}: give an EnergyObjective or one of "
            f"{sorted(_OBJECTIVES)}."
        )
    if identifier not in _OBJECTIVES:
        raise ValueError(
            f"There is no energy objective {identifier!r}.{nearest(identifier, _OBJECTIVES)}"
        )
    return _OBJECTIVES[identifier](**options)
