"""Layers for people's own Keras models: graph convolutions and attention over a skeleton."""

from __future__ import annotations

from keras_seal.layers.adaptive_fusion import AdaptiveFusion
from keras_seal.layers.cheb_graph_conv import ChebGraphConv
from keras_seal.layers.deviation_normalization import DeviationNormalization
from keras_seal.layers.discrete_cosine import DiscreteCosine
from keras_seal.layers.drop_path import DropPath
from keras_seal.layers.feed_forward import FeedForward
from keras_seal.layers.frame_pairs import FramePairs
from keras_seal.layers.frames import FoldFrames, UnfoldFrames
from keras_seal.layers.gaussian_non_local_block import GaussianNonLocalBlock
from keras_seal.layers.graph_conv import GraphConv
from keras_seal.layers.graphs import (
    chebyshev_polynomials,
    hop_distances,
    normalize_adjacency,
)
from keras_seal.layers.initializers import (
    InverseRootUniform,
    StackedXavierUniform,
    linear_initializers,
)
from keras_seal.layers.modulated_graph_conv import ModulatedGraphConv
from keras_seal.layers.non_local_block import NonLocalBlock, pooling_groups
from keras_seal.layers.pose_features import PoseFeatures
from keras_seal.layers.position_embedding import PositionEmbedding
from keras_seal.layers.reprojection_residuals import ReprojectionResiduals
from keras_seal.layers.root_relative import RootRelative
from keras_seal.layers.self_attention import SelfAttention
from keras_seal.layers.semantic_graph_conv import SemanticGraphConv
from keras_seal.layers.skeleton_attention import SkeletonAttention
from keras_seal.layers.skeleton_transformer_block import SkeletonTransformerBlock
from keras_seal.layers.tokens import GraphToken, JointProjection
from keras_seal.layers.transformer_block import TransformerBlock
from keras_seal.layers.weighted_mean import WeightedMean

__all__ = [
    "AdaptiveFusion",
    "ChebGraphConv",
    "DeviationNormalization",
    "DiscreteCosine",
    "DropPath",
    "FeedForward",
    "FoldFrames",
    "FramePairs",
    "GaussianNonLocalBlock",
    "GraphConv",
    "GraphToken",
    "InverseRootUniform",
    "JointProjection",
    "ModulatedGraphConv",
    "NonLocalBlock",
    "PoseFeatures",
    "PositionEmbedding",
    "ReprojectionResiduals",
    "RootRelative",
    "SelfAttention",
    "SemanticGraphConv",
    "SkeletonAttention",
    "SkeletonTransformerBlock",
    "StackedXavierUniform",
    "TransformerBlock",
    "UnfoldFrames",
    "WeightedMean",
    "chebyshev_polynomials",
    "hop_distances",
    "linear_initializers",
    "normalize_adjacency",
    "pooling_groups",
]
