"""Pose losses, and the objectives that train a loss-net."""

from keras_seal.losses.distances import DISTANCES, l1, mpjpe, mse
from keras_seal.losses.energy import (
    NCE,
    EnergyObjective,
    EnergyRegression,
    MarginRanking,
    get_objective,
)
from keras_seal.losses.pose import L1, MPJPE, MSE, PoseLoss, get
from keras_seal.losses.terms import TERMS, PoseTerms

__all__ = [
    "DISTANCES",
    "L1",
    "MPJPE",
    "MSE",
    "NCE",
    "TERMS",
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
