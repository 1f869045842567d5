"""Human3.6M, in the files that VideoPose3D, MotionBERT and mmpose made of it."""

from __future__ import annotations

from keras_seal.data.sources.human36m.calibration import cameras
from keras_seal.data.sources.human36m.recording import ACTIONS, TEST_SUBJECTS, TRAIN_SUBJECTS
from keras_seal.data.sources.human36m.source import Human36MSource

__all__ = ["ACTIONS", "TEST_SUBJECTS", "TRAIN_SUBJECTS", "Human36MSource", "cameras"]
