"""Layers for people's own Keras models: graph convolutions and attention over a skeleton."""

from __future__ import annotations

from keras_seal.layers.cheb_graph_conv import ChebGraphConv
from keras_seal.layers.frames import FoldFrames, UnfoldFrames
from keras_seal.layers.graph_conv import GraphConv
from keras_seal.layers.graphs import (
    chebyshev_polynomials,
    hop_distances,
    normalize_adjacency,
)
from keras_seal.layers.initializers import InverseRootUniform, StackedXavierUniform
from keras_seal.layers.modulated_graph_conv import ModulatedGraphConv
from keras_seal.layers.non_local_block import NonLocalBlock, pooling_groups
from keras_seal.layers.root_relative import RootRelative
from keras_seal.layers.semantic_graph_conv import SemanticGraphConv
from keras_seal.layers.skeleton_attention import SkeletonAttention
from keras_seal.layers.skeleton_transformer_block import SkeletonTransformerBlock
from keras_seal.layers.tokens import GraphToken, JointProjection

__all__ = [
    "ChebGraphConv",
    "FoldFrames",
    "GraphConv",
    "GraphToken",
    "InverseRootUniform",
    "JointProjection",
    "ModulatedGraphConv",
    "NonLocalBlock",
    "RootRelative",
    "SemanticGraphConv",
    "SkeletonAttention",
    "SkeletonTransformerBlock",
    "StackedXavierUniform",
    "UnfoldFrames",
    "chebyshev_polynomials",
    "hop_distances",
    "normalize_adjacency",
    "pooling_groups",
]
