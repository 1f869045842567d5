"""Pose losses, and the objectives that train a loss-net."""

from keras_seal.losses.distances import DISTANCES, l1, mpjpe, mse
from keras_seal.losses.energy import (
    ADVERSARIAL_KINDS,
    NCE,
    Adversarial,
    EnergyObjective,
    EnergyRegression,
    MarginRanking,
    get_objective,
)
from keras_seal.losses.pose import L1, MPJPE, MSE, PoseLoss, get
from keras_seal.losses.terms import TERMS, TERMS_OF_SEVERAL_FRAMES, PoseTerms

__all__ = [
    "ADVERSARIAL_KINDS",
    "DISTANCES",
    "L1",
    "MPJPE",
    "MSE",
    "NCE",
    "TERMS",
    "TERMS_OF_SEVERAL_FRAMES",
    "Adversarial",
    "EnergyObjective",
    "EnergyRegression",
    "MarginRanking",
    "PoseLoss",
    "PoseTerms",
    "get",
    "get_objective",
    "l1",
    "mpjpe",
    "mse",
]
