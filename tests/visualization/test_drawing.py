from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import proj3d

from keras_seal import skeletons
from keras_seal.visualization import draw_skeleton_2d, draw_skeleton_3d, style


def on_screen(ax, point):
    """Where a point of plot space lies in a 3D axes' picture: x right, y up."""
    x, y, _ = proj3d.proj_transform(*point, ax.get_proj())
    return np.array([x, y])


@pytest.mark.parametrize("name", skeletons.names())
def test_every_bone_is_drawn_once_in_the_colour_of_its_side(name, rng):
    skeleton = skeletons.get(name)
    points = rng.normal(size=(skeleton.num_joints, 3))
    figure = Figure()
    flat, deep = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
    draw_skeleton_2d(flat, points[:, :2], skeleton)
    draw_skeleton_3d(deep, points, skeleton)
    figure.draw_without_rendering()
    upright = np.stack([points[:, 0], points[:, 2], -points[:, 1]], axis=-1)
    for ax, drawn, segments in (
        (flat, points[:, :2], flat.collections[0].get_segments()),
        (deep, upright, deep.collections[0]._segments3d),
    ):
        lines, markers = ax.collections
        assert len(segments) == skeleton.num_bones
        for segment, (parent, child) in zip(segments, skeleton.bones, strict=True):
            np.testing.assert_allclose(np.asarray(segment), drawn[[parent, child]])
        for colour, (_, child) in zip(lines.get_colors(), skeleton.bones, strict=True):
            side = [child in skeleton.left, child in skeleton.right, True].index(True)
            assert to_hex(colour).upper() == (style.LEFT, style.RIGHT, style.MIDDLE)[side]
        assert len(markers.get_facecolors()) == skeleton.num_joints


def test_2d_axes_have_equal_scales_with_y_down_around_all_that_was_drawn(rng, skeleton):
    ax = Figure().add_subplot()
    near = rng.uniform(-0.1, 0.1, size=(17, 2))
    moved = near + np.array([1.0, 3.0])
    draw_skeleton_2d(ax, near, skeleton)
    draw_skeleton_2d(ax, moved, skeleton, truth=True)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert ax.get_aspect() == 1.0
    assert bottom > top
    assert np.isclose(right - left, bottom - top)
    both = np.concatenate([near, moved])
    assert left < both[:, 0].min() and both[:, 0].max() < right
    assert top < both[:, 1].min() and both[:, 1].max() < bottom


def test_3d_axes_have_equal_scales_around_all_that_was_drawn(random_poses, skeleton):
    ax = Figure().add_subplot(projection="3d")
    pose = random_poses(1)[0, 0]
    draw_skeleton_3d(ax, pose, skeleton, truth=True)
    draw_skeleton_3d(ax, pose + np.array([2.0, 0.0, 0.0]), skeleton)
    limits = np.array([ax.get_xlim(), ax.get_ylim(), ax.get_zlim()])
    np.testing.assert_allclose(np.ptp(limits, axis=1), np.ptp(limits[0]))
    np.testing.assert_allclose(ax._box_aspect, ax._box_aspect[0])
    upright = np.stack([pose[:, 0], pose[:, 2], -pose[:, 1]], axis=-1)
    both = np.concatenate([upright, upright + np.array([2.0, 0.0, 0.0])])
    assert (limits[:, 0] < both.min(axis=0)).all() and (both.max(axis=0) < limits[:, 1]).all()


def test_the_views_show_what_their_names_say(random_poses, skeleton):
    pose = random_poses(1)[0, 0]
    head, ankle = skeleton.joint_index("head"), skeleton.joint_index("left_ankle")
    right, up = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    forward = np.array([0.0, 1.0, 0.0])

    def shown(view):
        ax = Figure().add_subplot(projection="3d")
        draw_skeleton_3d(ax, pose, skeleton, view=view)
        upright = np.stack([pose[:, 0], pose[:, 2], -pose[:, 1]], axis=-1)
        assert on_screen(ax, upright[head])[1] > on_screen(ax, upright[ankle])[1]
        origin = on_screen(ax, np.zeros(3))
        return [on_screen(ax, axis) - origin for axis in (right, up, forward)]

    # From the camera, its x goes right and depth into the picture; from the side, depth goes right.
    across, upwards, depth = shown((0.0, 0.0))
    assert across[0] > 0.02 and upwards[1] > 0.02
    np.testing.assert_allclose(depth, 0.0, atol=1e-9)
    across, upwards, depth = shown((90.0, 0.0))
    assert depth[0] > 0.02 and upwards[1] > 0.02
    np.testing.assert_allclose(across, 0.0, atol=1e-9)


def test_the_truth_is_thin_grey_dashed_and_below(random_poses, skeleton):
    ax = Figure().add_subplot(projection="3d")
    pose = random_poses(1)[0, 0]
    draw_skeleton_3d(ax, pose, skeleton, truth=True)
    draw_skeleton_3d(ax, pose, skeleton)
    truth, prediction, _ = ax.collections
    assert to_hex(truth.get_colors()[0]).upper() == style.TRUTH
    assert truth.get_linestyles()[0][1] is not None and prediction.get_linestyles()[0][1] is None
    assert truth.get_linewidths()[0] < prediction.get_linewidths()[0]
    assert truth.get_zorder() < prediction.get_zorder() and not ax.computed_zorder


def test_doubtful_keypoints_fade(rng, skeleton):
    keypoints = rng.normal(size=(17, 3))
    keypoints[:, 2] = np.linspace(0.0, 1.0, 17)
    ax = Figure().add_subplot()
    draw_skeleton_2d(ax, keypoints, skeleton)
    np.testing.assert_allclose(
        ax.collections[1].get_facecolors()[:, 3], np.clip(keypoints[:, 2], 0.15, 1.0)
    )


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (np.zeros((16, 3)), r"\(16, 3\).*expected"),
        (np.zeros((1, 17, 3)), "one skeleton is drawn at a time"),
        (np.full((17, 3), np.nan), "NaN or infinite"),
    ],
)
def test_wrong_poses_are_explained(pose, message, skeleton):
    figure = Figure()
    with pytest.raises(ValueError, match=message):
        draw_skeleton_3d(figure.add_subplot(projection="3d"), pose, skeleton)
