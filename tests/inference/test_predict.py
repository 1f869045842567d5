"""From files of detectors to motion, end to end."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import cli, loss_nets
from keras_seal.errors import UserError
from keras_seal.inference import Lifter, predict, writing
from tests.data.published import keypoints as published

SIZE = {"image_size": (published.WIDTH, published.HEIGHT)}
RATE = {"fps": published.FPS}
FORMATS = {
    "coco": (published.coco_results, {**SIZE, **RATE}),
    "alphapose": (
        lambda folder, truth: published.alphapose(folder, truth, "coco_17", tracked=False),
        {**SIZE, **RATE},
    ),
    "openpose": (published.openpose, {**SIZE, **RATE}),
    "mmpose": (published.mmpose_demo, {**SIZE, **RATE}),
    "arrays": (published.plain_npz, {}),
    "table": (published.table, {}),
}


def quiet(_):
    pass


def lift(lifter, path, **options):
    return predict(lifter, path, note=quiet, **options)


@pytest.fixture(scope="module")
def motions(tmp_path_factory, lifter, crossing):
    folder = tmp_path_factory.mktemp("crossing")
    return {
        name: lift(lifter, write(folder / name, crossing), smooth="savgol", **options)
        for name, (write, options) in FORMATS.items()
    }


def test_all_formats_give_the_same_motion(motions):
    one = motions["arrays"]
    assert len(one) == 60 + 60 and one.fps == published.FPS
    for motion in motions.values():
        np.testing.assert_array_equal(motion.frames, one.frames)
        np.testing.assert_array_equal(motion.states, one.states)
        for name in ("poses", "roots", "bone_length_deviation", "symmetry_error"):
            np.testing.assert_allclose(getattr(motion, name), getattr(one, name), atol=1e-6)


def test_crossing_people_keep_their_identity_and_gaps_are_marked(motions, crossing):
    for motion in motions.values():
        first, second = motion.people
        for person, towards in ((first, 1), (second, -1)):
            pelvis = motion.keypoints[motion.ids == person, 0, 0]
            assert (np.diff(pelvis) * towards > 0).all()
        states = motion.states[motion.ids == first]
        assert (states[28:33] == 1).all() and (states[:5] == 0).all()
        wrist = motion.skeleton.joint_index("left_wrist")
        assert (states[5:25, wrist] == 2).all() and (np.delete(states[5:25], wrist, 1) == 0).all()
        rows = slice(0, 60)
        assert motion.reliable(rows).sum() == 40


def test_files_of_motions(motions, tmp_path, lifter):
    motion = motions["coco"]
    writing.write(motion, tmp_path, ["npz", "json", "csv"])
    read = writing.load_npz(tmp_path / "motion.npz")
    for name in ("frames", "ids", "poses", "roots", "keypoints", "states", "symmetry_error"):
        np.testing.assert_array_equal(getattr(read, name), getattr(motion, name))
    assert read.skeleton == motion.skeleton and read.about == motion.about
    assert read.image_size == motion.image_size
    with pytest.raises(UserError, match="no motion that keras-seal wrote"):
        (tmp_path / "x.npz").write_bytes(b"x")
        writing.load_npz(tmp_path / "x.npz")
    content = json.loads((tmp_path / "motion.json").read_text())
    assert len(content["instance_info"]) == 60
    entry = content["instance_info"][45]
    assert entry["frame_id"] == 46 and len(entry["instances"]) == 2
    rows = np.flatnonzero(motion.frames == 45)
    found = {each["track_id"]: each["keypoints"] for each in entry["instances"]}
    for row in rows:
        np.testing.assert_allclose(found[int(motion.ids[row])], motion.poses[row], atol=1e-5)
    lines = (tmp_path / "motion.csv").read_text().splitlines()
    table = np.loadtxt(lines[1:], delimiter=",")
    places = [lines[0].split(",").index(f"{joint}_x") for joint in motion.skeleton.joints]
    np.testing.assert_allclose(table[:, places], motion.poses[..., 0], atol=1e-5)


def test_working_on_the_disk_gives_what_working_in_memory_gives(
    tmp_path, lifter, crossing, motions, monkeypatch
):
    monkeypatch.setattr("keras_seal.inference.motion.CHUNK", 16)
    monkeypatch.setattr("keras_seal.inference.filling.CHUNK", 16)
    monkeypatch.setattr("keras_seal.inference.quality.CHUNK", 16)
    monkeypatch.setattr("keras_seal.inference.smoothing._CHUNK", 20)
    path = published.coco_results(tmp_path, crossing)
    done = []
    motion = lift(lifter, path, smooth="savgol", folder=tmp_path, **SIZE, **RATE,
                  progress=lambda *each: done.append(each))  # fmt: skip
    assert done[-1] == (120, 120)
    np.testing.assert_allclose(motion.poses, motions["coco"].poses, atol=1e-6)
    writing.write_npz(motion, tmp_path / "motion.npz")
    np.testing.assert_array_equal(writing.load_npz(tmp_path / "motion.npz").poses, motion.poses)
    assert {each.name for each in tmp_path.iterdir()} == {"results.json", "motion.npz"}


def test_people_who_are_away_for_long_come_in_pieces(tmp_path, lifter, crossing):
    path = published.table(tmp_path, crossing)
    motion = lift(lifter, path, max_gap=3)
    assert [(span.id, span.first_frame, len(span)) for span in motion.spans] == [
        (1, 0, 28), (1, 33, 27), (2, 0, 40), (2, 44, 16)
    ]  # fmt: skip
    alone = lift(lifter, path, most_people=1, joint_map="coco_17_to_human36m_17_gast")
    assert alone.people == [2] and alone.about["joint_map"] == "coco_17_to_human36m_17_gast"
    with pytest.raises(UserError, match="but 'coco_17' must become 'human36m_17'"):
        lift(lifter, path, joint_map="mpii_16_to_human36m_17")


def test_a_loss_net_judges_every_pose(tmp_path, lifter, crossing):
    keras.utils.set_random_seed(2)
    loss_net = loss_nets.MLPLossNet("human36m_17", units=8, num_stages=1)
    motion = lift(lifter, published.table(tmp_path, crossing), loss_net=loss_net)
    screen = motion.keypoints[..., :2] * 2 / 1920 - [1, 1080 / 1920]
    expected = loss_net.predict_on_batch([screen[:, None].astype("float32"), motion.poses[:, None]])
    np.testing.assert_allclose(motion.energy, np.asarray(expected)[:, 0], atol=1e-5)


def pixels(frames=20):
    return 400 + 200 * np.random.default_rng(0).random((frames, 17, 2))


FACTS = {"layout": "coco_17", "image_size": (1920, 1080), "fps": 25}
WRONG = {
    "other joint count": (
        {"keypoints": pixels()[:, :15], **FACTS},
        "has 15 joints a person, but the layout 'coco_17' has 17",
    ),
    "empty": ({"keypoints": pixels(0), **FACTS}, "holds no person in any frame"),
    "images of another size": (
        {"keypoints": pixels(), **FACTS, "image_size": (320, 240)},
        "Most joints in .* lie outside of an image of 320 x 240",
    ),
    "nobody": (
        {"keypoints": np.full((20, 17, 2), np.nan), **FACTS},
        "no joint of anybody was detected",
    ),
    "a third coordinate": (
        {"keypoints": np.concatenate([pixels(), 900 + pixels()[..., :1]], axis=-1), **FACTS},
        "look like a third coordinate",
    ),
    "millimetres": (
        {"keypoints": 8 * (pixels() - 500), **FACTS},
        "Most joints in .* lie outside",
    ),
    "fractions": ({"keypoints": pixels() / 1000, **FACTS}, "so they are no pixels"),
    "no image size": (
        {"keypoints": pixels(), "layout": "coco_17"},
        "does not tell the size of its images",
    ),
    "joints without a way to the lifter's": (
        {"keypoints": np.ones((3, 21, 2)) + pixels(3)[:, :1], **FACTS, "layout": "hand_21"},
        "There is no joint map from 'hand_21' to 'human36m_17'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_told_in_a_sentence(tmp_path, lifter, case):
    arrays, message = WRONG[case]
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(UserError, match=message):
        lift(lifter, tmp_path / "in.npz")


def test_what_is_odd_but_possible_is_noted(tmp_path, lifter):
    notes: list[str] = []
    np.savez(tmp_path / "in.npz", keypoints=pixels(1), layout="coco_17", image_size=(1920, 1080))
    motion = predict(lifter, tmp_path / "in.npz", note=notes.append, smooth="savgol")
    assert len(motion) == 1 and np.isfinite(motion.poses).all() and np.isfinite(motion.roots).all()
    assert any("more than 1 frame: there is no motion" in note for note in notes)
    assert any("30 frames a second are assumed" in note for note in notes)
    # Somebody of whom nothing is seen beside somebody else is no error.
    both = np.stack([pixels(), np.full((20, 17, 2), np.nan)])
    np.savez(tmp_path / "in.npz", keypoints=both, **FACTS)
    assert lift(lifter, tmp_path / "in.npz").people == [0]
    with pytest.raises(UserError, match="confidence of 2 or more"):
        lift(lifter, tmp_path / "in.npz", min_confidence=2.0)


def test_the_command_line(tmp_path, lifter, crossing, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lifter.net.save("lifter.keras")
    path = published.coco_results(tmp_path, crossing)

    def call(*arguments):
        return CliRunner().invoke(cli.main, ["predict", *arguments])

    wrong = call("lifter.keras", str(path), "--out", "out", "--render", "a.avi")
    assert wrong.exit_code == 2 and "'a.avi' ends otherwise" in wrong.stderr
    wrong = call("lifter.keras", str(path), "--out", "out")
    assert wrong.exit_code == 2 and "give it as --image-size" in wrong.stderr
    wrong = call("lifter.keras", str(path), "--out", "o", "--write", "nzp", "--image-size", "9x9")
    assert wrong.exit_code == 2 and "Did you mean 'npz'?" in wrong.stderr
    wrong = call("lifter.keras", str(path), "--out", "lifter.keras", "--image-size", "9x9")
    assert wrong.exit_code == 2 and "nothing is written over" in wrong.stderr
    done = call(
        "lifter.keras", str(path), "--out", "out", "--image-size", "1920x1080", "--fps", "25",
        "--write", "npz,bvh,csv", "--render", "view.html", "--smooth", "savgol", "--flip",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 people were followed by position" in done.stdout
    assert "Person 1: 60 frames" in done.stdout
    assert {each.name for each in (tmp_path / "out").iterdir()} == {
        "motion.npz", "motion.csv", "person_0.bvh", "person_1.bvh", "view.html"
    }  # fmt: skip
    motion = writing.load_npz("out/motion.npz")
    both = Lifter(lifter.net, flip=True)
    expected = lift(both, path, smooth="savgol", **SIZE, **RATE)
    np.testing.assert_allclose(motion.poses, expected.poses, atol=1e-6)
