"""People out of videos: frames, detectors, and the same way to motion as keypoint files."""

from __future__ import annotations

import json
import sys
import types

import imageio_ffmpeg
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from keras_seal import cli, pose_nets
from keras_seal.errors import UserError
from keras_seal.inference import predict, video, writing
from keras_seal.visualization import motions

WIDTH, HEIGHT, FPS, FRAMES = 96, 64, 25, 12
# Where a body's joints are around its middle.
BODY = np.random.default_rng(5).uniform(-10, 10, (17, 2)).round()

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="videos are the same on every backend"
)


def middles(frame):
    """Two people on their way; nobody in frame 5."""
    return [] if frame == 5 else [(20 + 3 * frame, 30), (75 - 3 * frame, 34)]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two bright squares, one green, one blue, pass each other."""
    path = tmp_path_factory.mktemp("film") / "two.mp4"
    writer = imageio_ffmpeg.write_frames(
        str(path), (WIDTH, HEIGHT), fps=FPS, quality=9, macro_block_size=2, pix_fmt_out="yuv444p"
    )
    writer.send(None)
    for frame in range(FRAMES):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for (x, y), channel in zip(middles(frame), (1, 2), strict=False):
            image[y - 4 : y + 5, x - 4 : x + 5, channel] = 255
        writer.send(image)
    writer.close()
    return path


class Squares:
    """Finds the squares, blue before green."""

    layout = "coco_17"

    def __call__(self, image):
        assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
        people = []
        for channel in (2, 1):
            y, x = np.nonzero(image[..., channel] > 128)
            if len(x):
                # What both squares cover shows both colours, so a square is told by its middle.
                middle = np.array([x.min() + x.max(), y.min() + y.max()]) / 2
                people.append(np.concatenate([middle + BODY, np.full((17, 1), 0.8)], axis=1))
        return np.array(people).reshape(-1, 17, 3)


def test_people_come_out_as_out_of_a_file(film, lifter):
    done = []
    file = video.detect(film, Squares(), progress=lambda *each: done.append(each))
    assert (file.image_size, file.fps, file.num_frames) == ((WIDTH, HEIGHT), FPS, FRAMES)
    assert done[-1] == (FRAMES, FRAMES) and not file.people
    assert file.untracked.frames.tolist() == [f for f in range(FRAMES) if f != 5 for _ in range(2)]
    truth = np.array(
        [np.array(middle) + BODY for f in range(FRAMES) for middle in middles(f)[::-1]]
    )
    np.testing.assert_allclose(file.untracked.keypoints[..., :2], truth, atol=0.6)
    motion = predict(lifter, file, note=lambda line: None)
    assert len(motion) == 2 * FRAMES and motion.fps == FPS
    for person in motion.people:
        pelvis = motion.keypoints[motion.ids == person, 0, 0]
        assert (abs(np.diff(pelvis)) > 2).all() and len(set(np.sign(np.diff(pelvis)))) == 1
        assert (motion.states[motion.ids == person][5] == 1).all()


def test_the_command_finds_lifts_and_draws_over_the_video(film, tmp_path, monkeypatch):
    module = types.ModuleType("squares")
    module.Squares = Squares
    monkeypatch.setitem(sys.modules, "squares", module)
    net = tmp_path / "net.keras"
    pose_nets.SimpleBaseline("human36m_17", units=8, num_stages=1).save(net)
    out = tmp_path / "out"
    arguments = ["predict", str(net), "--video", str(film), "--detector", "squares:Squares"]
    done = CliRunner().invoke(cli.main, [*arguments, "--out", str(out), "--render", "view.png"])
    assert done.exit_code == 0, done.output
    assert "joints of coco_17, 22 detections in 12 frames, image size 96x64" in done.output
    motion = writing.load_npz(out / "motion.npz")
    assert len(motion) == 2 * FRAMES and motion.about["format"] == "video"
    # The squares are seen under the bones.
    sheet = np.asarray(Image.open(out / "view.png").convert("RGB")).astype(int)
    bare = motions.render(motion, tmp_path / "bare.png")
    others = np.asarray(Image.open(bare).convert("RGB")).astype(int)
    dark, light = (picture.sum(axis=-1) < 250 for picture in (sheet, others))
    assert dark.mean() > 0.1 > light.mean()


def test_what_a_video_cannot_do_is_said(film, tmp_path):
    net = tmp_path / "net.keras"
    net.touch()

    def said(*arguments):
        done = CliRunner().invoke(
            cli.main, ["predict", str(net), "--out", str(tmp_path / "out"), *arguments]
        )
        assert done.exit_code == 2, done.output
        return " ".join(done.output.split())

    assert "give INPUT, a file of 2D keypoints, or --video" in said()
    assert "There is no video" in said("--video", str(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    assert "cannot be read as a video" in said("--video", str(tmp_path / "text.mp4"))
    assert "--image-size tells how" in said("--video", str(film), "--image-size", "3x4")
    points = tmp_path / "points.json"
    points.write_text(json.dumps([]))
    assert "give --render too" in said(str(points), "--video", str(film))
    assert "--weights is about" in said(str(points), "--weights", str(tmp_path))
    message = said("--video", str(film), "--weights", str(tmp_path))
    for weights in video.detectors._RTMPOSE["rtmpose-m"]:
        assert f"{tmp_path / weights.name}: the file end2end.onnx out of" in message
        assert f"{weights.address}" in message and weights.address.endswith(".zip")
    assert "There is no detector 'no:thing'" in said("--video", str(film), "--detector", "no:thing")
    assert not (tmp_path / "out").exists()


def test_a_detector_that_breaks_its_word_and_a_video_of_nobody(film):
    class Flat(Squares):
        def __call__(self, image):
            return np.zeros((2, 17, 2))

    with pytest.raises(UserError, match=r"gives \(people, 17, 3\); Flat gave \(2, 17, 2\)"):
        video.detect(film, Flat())

    class Nobody(Squares):
        def __call__(self, image):
            return np.zeros((0, 17, 3))

    with pytest.raises(UserError, match="holds no person in any frame"):
        video.detect(film, Nobody())


def test_a_video_of_another_size_is_not_drawn_under_a_motion(film, walk, tmp_path):
    with pytest.raises(UserError, match="are 96 x 64, those of the keypoints 1280 x 720"):
        motions.render(walk, tmp_path / "view.png", video=video.Video(film))
