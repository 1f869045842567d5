"""All that is asked of a loss-net, at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_seal.analysis.attribution import Attention, Attribution, attend, attribute
from keras_seal.analysis.probe import Probe
from keras_seal.analysis.questions import (
    Alignment,
    Correlations,
    Curve,
    Descent,
    Ranking,
    align,
    correlate,
    descend,
    energy_curves,
    ranking,
)
from keras_seal.evaluation.comparing import Estimate
from keras_seal.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a loss-net knows.

    Args:
        skeleton: The skeleton of the poses.
        poses: Number of poses that it was asked about.
        sequences: Number of sequences that they come from.
        curves: Energy against the size of corruptions.
        ranking: True poses against spoilt ones.
        descent: Noise taken off by following the energy.
        alignment: The energy's pull at the predictions against the way to the truth.
        correlations: The energy against structural metrics.
        attribution: Where it pulls.
        attention: Where a graph loss-net looks, else `None`.
    """

    skeleton: Skeleton
    poses: int
    sequences: int
    curves: dict[str, Curve]
    ranking: dict[str, Ranking]
    descent: Descent
    alignment: Alignment
    correlations: Correlations
    attribution: Attribution
    attention: Attention | None

    def to_dict(self) -> dict[str, Any]:
        """Describe it in types that JSON holds.

        Returns:
            Figures by name; `None` stands for what is not defined.
        """
        joints, where = self.skeleton.joints, self.attribution
        return {
            "poses": self.poses,
            "sequences": self.sequences,
            "energy": {
                name: {
                    "title": curve.title,
                    "unit": curve.unit,
                    "sizes": curve.sizes.tolist(),
                    "energy": curve.energy.tolist(),
                    "excess_quartiles": curve.excess.tolist(),
                    "above_own_truth": curve.above.tolist(),
                    "rises_monotonically": curve.rises,
                }
                for name, curve in self.curves.items()
            },
            "ranking": {
                name: {
                    "title": each.title,
                    "auroc": _as_dict(each.auroc),
                    "above_own_truth": each.above,
                }
                for name, each in self.ranking.items()
            },
            "descent": {
                "distances_mm": self.descent.distances.tolist(),
                "energy": self.descent.energy.tolist(),
                "true_energy": self.descent.true_energy,
                "nearer": _as_dict(self.descent.nearer),
                "improved": self.descent.improved,
            },
            "alignment": {
                "cosine": _as_dict(self.alignment.mean),
                "energy_gap": self.alignment.gap,
                "mpjpe_mm": self.alignment.mpjpe,
            },
            "correlations": {
                "equal_mpjpe_mm": self.correlations.equal_mpjpe,
                "metrics": {
                    name: {
                        "plain": _as_dict(each.plain),
                        "at_equal_error": _as_dict(each.at_equal_error),
                        "made_equally_wrong": _as_dict(each.made),
                    }
                    for name, each in self.correlations.metrics.items()
                },
            },
            "forces_per_metre": {
                "joints": dict(zip(joints, where.joints.tolist(), strict=True)),
                "bones": {
                    name: {
                        "stretch": float(where.stretch[bone]),
                        "longer": float(where.longer[bone]),
                        "turn": float(where.turn[bone]),
                    }
                    for bone, name in enumerate(self.skeleton.bone_names)
                },
            },
            "attention": None
            if self.attention is None
            else {
                "rollout": dict(zip(joints, self.attention.rollout.tolist(), strict=True)),
                "blocks": [
                    dict(zip(joints, row, strict=True)) for row in self.attention.blocks.tolist()
                ],
            },
        }


def explain(probe: Probe, *, descent_poses: int = 250) -> Explanation:
    """Ask a loss-net everything.

    Args:
        probe: The loss-net and the samples.
        descent_poses: Samples whose noise is taken off, which costs 60 gradients each.

    Returns:
        The answers.

    Raises:
        UserError: Energies, gradients or predictions are not finite.

    Examples:
        >>> import keras_seal as ks
        >>> from keras_seal.analysis import Samples
        >>> model = ks.SEALPose(
        ...     ks.pose_nets.SimpleBaseline("human36m_17", units=8),
        ...     ks.loss_nets.MLPLossNet("human36m_17", units=8),
        ... )
        >>> rng = np.random.default_rng(0)
        >>> samples = Samples(ks.skeletons.get("human36m_17"), rng.normal(size=(6, 1, 17, 2)),
        ...                   rng.normal(size=(6, 1, 17, 3)), np.arange(6))
        >>> answers = explain(Probe(model, samples), descent_poses=2).to_dict()
        >>> sorted(answers)[:4]
        ['alignment', 'attention', 'correlations', 'descent']
    """
    return Explanation(
        skeleton=probe.skeleton,
        poses=probe.true_energy.size,
        sequences=len(np.unique(probe.samples.groups)),
        curves=energy_curves(probe),
        ranking=ranking(probe),
        descent=descend(probe.fewer(descent_poses)),
        alignment=align(probe),
        correlations=correlate(probe),
        attribution=attribute(probe),
        attention=attend(probe),
    )


def _as_dict(estimate: Estimate) -> dict[str, float | None]:
    return {
        name: value if math.isfinite(value) else None
        for name, value in (
            ("value", estimate.value),
            ("low", estimate.low),
            ("high", estimate.high),
        )
    }
