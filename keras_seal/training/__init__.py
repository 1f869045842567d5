"""Training a pose-net together with a loss-net."""

from keras_seal.training.backends import random_state, set_random_state
from keras_seal.training.controllers import (
    AlignmentGuard,
    EnergyWeightController,
    ForceRatio,
    get_controller,
)
from keras_seal.training.optimizers import PairedOptimizer
from keras_seal.training.schedules import Ramp
from keras_seal.training.seal_pose import SEALPose

__all__ = [
    "AlignmentGuard",
    "EnergyWeightController",
    "ForceRatio",
    "PairedOptimizer",
    "Ramp",
    "SEALPose",
    "get_controller",
    "random_state",
    "set_random_state",
]
