"""Figures of skeletons, training and bone lengths.

Every function returns a `matplotlib.figure.Figure` that no pyplot state knows of; matplotlib loads
with the first picture.
"""

from keras_seal.visualization.curves import training_curves
from keras_seal.visualization.drawing import draw_skeleton_2d, draw_skeleton_3d
from keras_seal.visualization.lengths import limb_length_figure
from keras_seal.visualization.poses import comparison_figure, pose_grid
from keras_seal.visualization.saving import figure_to_png, figure_to_svg, save_figure
from keras_seal.visualization.searches import search_figure

__all__ = [
    "comparison_figure",
    "draw_skeleton_2d",
    "draw_skeleton_3d",
    "figure_to_png",
    "figure_to_svg",
    "limb_length_figure",
    "pose_grid",
    "save_figure",
    "search_figure",
    "training_curves",
]
