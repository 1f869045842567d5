"""Pictures of motions: the viewer in a real browser, films, sheets."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.inference import Motion, quality
from keras_seal.visualization import motions
from tests.browser import needs_browser, open_page

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="pictures are the same on every backend"
)


@pytest.fixture(scope="module")
def motion():
    skeleton = skeletons.get("human36m_17")
    rng = np.random.default_rng(0)
    frames = np.tile(np.arange(30), 2)
    motion = Motion.empty(skeleton, 25.0, (640, 480), frames, np.repeat([1, 4], 30))
    body = np.cumsum(0.15 * rng.normal(size=(17, 3)), axis=0)
    motion.poses[:] = body - body[0] + 0.02 * rng.normal(size=(60, 17, 3))
    motion.poses[:] -= motion.poses[:, :1]
    motion.roots[:] = [0, 0, 5]
    motion.roots[30:, 0] = 1.5
    places = motion.poses + motion.roots[:, None]
    motion.keypoints[..., :2] = 400 * places[..., :2] / places[..., 2:] + [300, 240]
    motion.keypoints[..., 2] = 1
    motion.states[5:9, 3] = 2
    motion.about = {"input": "a </script><b>.json", "net": "none"}
    quality.measure(motion)
    return motion


@pytest.fixture(scope="module")
def truth(motion):
    truth = motion.poses + 0.05
    truth[50:] = np.nan
    return truth


@needs_browser
def test_the_viewer_draws_and_plays_in_a_browser(motion, truth, tmp_path):
    page = motions.render(motion, tmp_path / "view.html", truth)
    text = page.read_text()
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?http", text)
    shown = open_page(page, "--dump-dom", fragment="#check")
    title = re.search(r"<title>checked (.*?)</title>", shown)
    assert title, shown[:300]
    found = json.loads(title[1])
    assert found["failures"] == []
    assert min(found["seen"], found["space"], found["plot"]) > 50
    assert found["turned"] and found["end"] == 29
    assert found["played"] == 3


def test_films_and_sheets(motion, truth, tmp_path):
    done = []
    path = motions.render(motion, tmp_path / "a.gif", truth, progress=lambda *x: done.append(x))
    assert done[-1] == (30, 30)
    with Image.open(path) as film:
        assert film.n_frames > 20 and film.size == (960, 480)
        assert np.asarray(film.convert("RGB")).std() > 5
    with Image.open(motions.render(motion, tmp_path / "a.png")) as sheet:
        assert sheet.size == (2 * 960, 3 * 480)
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = imageio_ffmpeg.read_frames(str(motions.render(motion, tmp_path / "a.mp4")))
    facts = next(frames)
    assert facts["size"] == (960, 480) and facts["fps"] == 25
    assert sum(1 for _ in frames) == 30


def test_what_cannot_be_drawn_is_told(motion, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"'a\.avi' ends otherwise"):
        motions.check("a.avi")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"keras-seal\[video\]"):
        motions.check("a.mp4")


def test_true_poses_go_to_the_rows_they_belong_to(motion, tmp_path):
    path = tmp_path / "truth.npz"
    poses = np.random.default_rng(0).normal(size=(2, 20, 17, 3))
    np.savez(path, poses=poses)
    rows = motions.read_truth(path, motion)
    np.testing.assert_allclose(rows[30 + 7], poses[1, 7] - poses[1, 7, :1])
    assert np.isnan(rows[20:30]).all() and np.isnan(rows[50:]).all()
    for wrong, message in (
        (poses[0, :, :16], "true poses have the shape"),
        (1000 * poses, "millimetres"),
    ):
        np.savez(path, poses=wrong)
        with pytest.raises(UserError, match=message):
            motions.read_truth(path, motion)
    path.write_bytes(b"x")
    with pytest.raises(UserError, match="holds no true poses"):
        motions.read_truth(path, motion)
