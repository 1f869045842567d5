"""Training a pose-net together with a loss-net."""

from keras_seal.training.backends import random_state, set_random_state
from keras_seal.training.optimizers import PairedOptimizer
from keras_seal.training.schedules import Ramp
from keras_seal.training.seal_pose import SEALPose

__all__ = ["PairedOptimizer", "Ramp", "SEALPose", "random_state", "set_random_state"]
