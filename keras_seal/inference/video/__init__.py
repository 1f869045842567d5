"""Videos: frames out of a file, people out of frames.

`detect` runs a 2D detector over a video and gives the same people that a keypoint file gives. A
detector is anything that takes a frame and says where people's joints are (`Detector`); `get`
brings those that other libraries make.
"""

from __future__ import annotations

from keras_seal.inference.video.detecting import Detector, detect
from keras_seal.inference.video.detectors import default_folder, get, names
from keras_seal.inference.video.frames import Video

__all__ = ["Detector", "Video", "default_folder", "detect", "get", "names"]
