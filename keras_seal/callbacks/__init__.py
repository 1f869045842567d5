"""Callbacks that know skeletons: pictures of poses, bone lengths, the health of the loss-net."""

from keras_seal.callbacks.energy_monitor import EnergyMonitor
from keras_seal.callbacks.held_out import HeldOutCallback
from keras_seal.callbacks.limb_length_logger import LimbLengthLogger
from keras_seal.callbacks.pose_plotter import PosePlotter

__all__ = ["EnergyMonitor", "HeldOutCallback", "LimbLengthLogger", "PosePlotter"]
