from __future__ import annotations

import csv
import errno
import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from keras_seal.visualization import (
    comparison_figure,
    figure_to_png,
    limb_length_figure,
    pose_grid,
    save_figure,
    training_curves,
)

DASH = "\N{EN DASH}"


def pixels(figure):
    return imread(io.BytesIO(figure_to_png(figure, dpi=50)))


@pytest.mark.parametrize(("draw", "rows"), [(pose_grid, 3), (comparison_figure, 2)])
@pytest.mark.parametrize("frames", [1, 3])
def test_pose_figures_draw_every_sample(draw, rows, frames, random_keypoints, random_poses, rng):
    keypoints, y_true = random_keypoints(3, frames), random_poses(3, frames)
    y_pred = y_true + 0.02 * rng.standard_normal(y_true.shape)
    figure = draw(keypoints, y_true, y_pred, "human36m_17", title="After all")
    assert len(figure.axes) == 3 * rows
    flat = [ax for ax in figure.axes if ax.name != "3d"]
    deep = [ax for ax in figure.axes if ax.name == "3d"]
    assert [len(ax.collections) for ax in flat] == [2] * 3
    # Truth, prediction, its joints, floor; one scale for all.
    assert {len(ax.collections) for ax in deep} == {4}
    assert np.ptp([np.ptp(ax.get_zlim()) for ax in deep]) < 1e-9
    centre = frames // 2
    truth, prediction = deep[0].collections[:2]
    for drawn, poses in ((truth, y_true), (prediction, y_pred)):
        knee = np.asarray(drawn._segments3d)[4, 1]
        x, y, z = poses[0, centre, 5]
        np.testing.assert_allclose(knee, [x, z, -y], rtol=1e-6)
    errors = 1e3 * np.linalg.norm(y_pred - y_true, axis=-1)[:, centre].mean(axis=-1)
    said = [ax.get_title() for ax in flat] + [text.get_text() for text in figure.texts]
    for error in errors:
        assert any(text.endswith(f"{error:.0f} mm") for text in said)
    assert any(text == "After all" for text in said)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["left side", "right side", "middle", "true pose"]
    image = pixels(figure)
    assert np.isfinite(image).all() and (image[..., :3] < 0.9).any()


def test_pose_figures_refuse_what_does_not_fit(random_keypoints, random_poses):
    x, y = random_keypoints(2), random_poses(2)
    with pytest.raises(ValueError, match="2, 2, 1 samples"):
        pose_grid(x, y, y[:1], "human36m_17")
    with pytest.raises(ValueError, match="y_pred holds NaN"):
        pose_grid(x, y, np.full_like(y, np.nan), "human36m_17")
    with pytest.raises(ValueError, match="nothing to draw"):
        comparison_figure(x[:0], y[:0], y[:0], "human36m_17")
    with pytest.raises(ValueError, match="keypoints has shape"):
        comparison_figure(y[:, 0], y, y, "human36m_17")


HISTORY = {
    "epoch": [1, 2, 3, 4],
    "loss": [0.4, 0.2, 0.1, 0.05],
    "val_loss": [0.5, 0.3, 0.2, 0.3],
    "mpjpe": [90.0, 60.0, 50.0, 40.0],
    "val_mpjpe": [95.0, 70.0, 60.0, 65.0],
    "energy_true": [0.0, -1.0, -1.5, -1.6],
    "energy_pred": [0.0, 1.0, 1.5, 1.6],
    "held_out_ranking_accuracy": [float("nan"), 0.7, float("nan"), 0.9],
    "my_metric": [1.0, 2.0, 3.0, 4.0],
    "val_never": [float("nan")] * 4,
}


def test_training_curves_hold_the_history(tmp_path):
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HISTORY)
        for row in zip(*HISTORY.values(), strict=True):
            writer.writerow(["NA" if value != value else value for value in row])
    for figure in (training_curves(HISTORY, title="A run"), training_curves(path)):
        panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
        assert list(panels) == [
            "Total loss",
            "MPJPE, mm",
            "Energy: prediction (solid), truth (dashed)",
            "Ranking: predictions above the truth",
            "my metric",
        ]
        training, validation, lowest = panels["MPJPE, mm"].get_lines()
        np.testing.assert_allclose(training.get_xydata(), np.c_[[1, 2, 3, 4], HISTORY["mpjpe"]])
        np.testing.assert_allclose(validation.get_ydata(), HISTORY["val_mpjpe"])
        np.testing.assert_allclose(lowest.get_xydata(), [[3, 60.0]])
        assert len(panels["Energy: prediction (solid), truth (dashed)"].get_lines()) == 2
        chance, ranking = panels["Ranking: predictions above the truth"].get_lines()
        assert list(chance.get_ydata()) == [0.5, 0.5]
        np.testing.assert_allclose(ranking.get_xydata(), [[2, 0.7], [4, 0.9]])
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["training", "validation", "held out"]
        assert (pixels(figure)[..., :3] < 0.9).any()


def test_a_history_cut_off_in_the_middle_of_a_line_is_drawn(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,mpjpe\n1,0.5,90.0\n2,0.4,80.0\n3,0.3")
    losses, errors = (ax.get_lines()[0].get_xdata() for ax in training_curves(path).axes)
    assert list(losses) == [1, 2, 3] and list(errors) == [1, 2]


def test_histories_without_anything_to_draw_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="no history"):
        training_curves(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="holds no epoch"):
        training_curves(tmp_path / "empty.csv")
    with pytest.raises(ValueError, match="no finite value"):
        training_curves({"loss": [float("nan")]})
    with pytest.raises(ValueError, match="differ in length"):
        training_curves({"loss": [1.0], "mpjpe": [1.0, 2.0]})
    with pytest.raises(ValueError, match="one list"):
        training_curves({})


def test_limb_lengths_against_plain_numpy(random_poses, skeleton, rng):
    y_true = random_poses(20, 2).astype("float64")
    y_pred = y_true + 0.03 * rng.standard_normal(y_true.shape)
    figure = limb_length_figure(y_true, y_pred, skeleton, title="Lengths")
    bones, pairs = figure.axes

    def length(poses, child):
        return 1e3 * np.sqrt(
            ((poses[:, :, child] - poses[:, :, skeleton.parents[child]]) ** 2).sum(axis=-1)
        )

    labels = [label.get_text() for label in bones.get_yticklabels()]
    assert len(labels) == 16
    row = labels.index(f"left hip {DASH} left knee  ({length(y_true, 5).mean():.0f} mm)")
    error = length(y_pred, 5) - length(y_true, 5)
    bar, dot = [line for line in bones.get_lines() if set(line.get_ydata()) == {row}]
    np.testing.assert_allclose(dot.get_xdata(), [error.mean()])
    np.testing.assert_allclose(
        bar.get_xdata(), [error.mean() - error.std(), error.mean() + error.std()]
    )
    row = [label.get_text() for label in pairs.get_yticklabels()].index(f"elbow {DASH} wrist")
    difference = length(y_pred, 13) - length(y_pred, 16)
    dot = next(line for line in pairs.get_lines() if list(line.get_ydata()) == [row])
    np.testing.assert_allclose(dot.get_xdata(), [difference.mean()])
    true = next(line for line in pairs.get_lines() if line.get_label() == "true")
    np.testing.assert_allclose(
        true.get_xdata()[row], (length(y_true, 13) - length(y_true, 16)).mean()
    )
    with pytest.raises(ValueError, match="40 and 20 frames"):
        limb_length_figure(y_true, y_pred[:10], skeleton)


def test_a_skeleton_without_sides_gets_no_asymmetry_panel(rng):
    poses = rng.normal(size=(4, 1, 21, 3))
    assert len(limb_length_figure(poses, poses, "hand_21").axes) == 1


def test_saved_figures_are_whole_or_not_there(tmp_path, monkeypatch):
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    path = save_figure(figure, tmp_path / "new" / "plot.png", dpi=100)
    assert imread(path).shape[:2] == (100, 200)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("keras_seal.visualization.saving.os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_figure(figure, path, dpi=50)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["plot.png"]
    with pytest.raises(ValueError, match=r"must end in \.png"):
        save_figure(figure, tmp_path / "plot.svg")


def test_the_room_loads_neither_matplotlib_nor_keras_and_no_picture_touches_pyplot():
    code = (
        "import sys, numpy as np\n"
        "from keras_seal import visualization\n"
        "assert 'matplotlib' not in sys.modules and 'keras' not in sys.modules\n"
        "pose = np.ones((1, 1, 17, 3))\n"
        "visualization.pose_grid(pose, pose, pose, 'human36m_17')\n"
        "visualization.limb_length_figure(pose, pose, 'human36m_17')\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
