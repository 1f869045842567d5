"""Layers for people's own Keras models: graph convolutions and attention over a skeleton."""

from __future__ import annotations

from keras_seal.layers.frames import FoldFrames, UnfoldFrames
from keras_seal.layers.root_relative import RootRelative
from keras_seal.layers.semantic_graph_conv import SemanticGraphConv

__all__ = ["FoldFrames", "RootRelative", "SemanticGraphConv", "UnfoldFrames"]
