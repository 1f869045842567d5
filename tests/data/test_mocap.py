from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal import geometry
from keras_seal.data import sources
from keras_seal.data.sources import joint_maps
from keras_seal.data.sources.bvh import read_bvh
from keras_seal.errors import UserError

ARM = """HIERARCHY
ROOT Shoulder
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Elbow
  {
    OFFSET 3 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Wrist
    {
      OFFSET 2 0 0
      CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation
      End Site
      {
        OFFSET 1 0 0
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
10 20 30  0 0 0   0 0 0   2 0 0  0 0 0
0 0 0    90 0 0   0 0 0   2 0 0  0 0 0

0 0 0    90 0 90  0 0 90  2 1 0  0 0 90
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_joint_positions_by_hand(tmp_path):
    bvh = read_bvh(write(tmp_path / "arm.bvh", ARM))
    assert bvh.joints == ("Shoulder", "Elbow", "Wrist", "Wrist_end")
    assert bvh.fps == 30
    expected = [
        [[10, 20, 30], [13, 20, 30], [15, 20, 30], [16, 20, 30]],
        # The shoulder's z turns x to y.
        [[0, 0, 0], [0, 3, 0], [0, 5, 0], [0, 6, 0]],
        # Z then Y: in the shoulder's turned axes x points to -z; then the elbow's own Y turns
        # x on to where its own -z was (world -y); the wrist's place (2, 1, 0) counts in those
        # axes, and its own Z turns its x to its y (world -x).
        [[0, 0, 0], [0, 0, -3], [-1, -2, -3], [-2, -2, -3]],
    ]
    np.testing.assert_allclose(bvh.positions, expected, atol=1e-6)


# An upright person in metres (x to the left, y up, z forward), named as Mixamo names joints.
PERSON = [
    ("Hips", None, (0.0, 0.98, 0.0)),
    ("LeftUpLeg", "Hips", (0.10, 0.92, 0.0)),
    ("LeftLeg", "LeftUpLeg", (0.10, 0.50, 0.01)),
    ("LeftFoot", "LeftLeg", (0.10, 0.08, 0.0)),
    ("RightUpLeg", "Hips", (-0.10, 0.92, 0.0)),
    ("RightLeg", "RightUpLeg", (-0.10, 0.50, 0.01)),
    ("RightFoot", "RightLeg", (-0.10, 0.08, 0.0)),
    ("Spine", "Hips", (0.0, 1.06, 0.0)),
    ("Spine1", "Spine", (0.0, 1.18, 0.0)),
    ("Spine2", "Spine1", (0.0, 1.30, 0.0)),
    ("Neck", "Spine2", (0.0, 1.45, 0.0)),
    ("Head", "Neck", (0.0, 1.54, 0.02)),
    ("LeftShoulder", "Spine2", (0.06, 1.42, 0.0)),
    ("LeftArm", "LeftShoulder", (0.17, 1.40, 0.0)),
    ("LeftForeArm", "LeftArm", (0.45, 1.40, 0.0)),
    ("LeftHand", "LeftForeArm", (0.70, 1.40, 0.0)),
    ("RightShoulder", "Spine2", (-0.06, 1.42, 0.0)),
    ("RightArm", "RightShoulder", (-0.17, 1.40, 0.0)),
    ("RightForeArm", "RightArm", (-0.45, 1.40, 0.0)),
    ("RightHand", "RightForeArm", (-0.70, 1.40, 0.0)),
]
PLACES = {name: np.array(place) for name, _, place in PERSON}


def person_bvh(frames=12, *, scale=100.0, axes=None, prefix="mixamorig:", fps=30.0, walk=0.0):
    """A person who raises the left arm forwards and walks along z, in any unit and axes."""
    axes = np.eye(3) if axes is None else np.asarray(axes, float)

    def vector(values) -> str:
        return " ".join(f"{value:.6f}" for value in scale * axes @ np.asarray(values, float))

    lines = ["HIERARCHY"]
    order = []

    def add(name, parent, depth):
        pad = "  " * depth
        order.append(name)
        offset = PLACES[name] - (PLACES[parent] if parent else 0)
        lines.append(f"{pad}{'JOINT' if parent else 'ROOT'} {prefix}{name}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}  OFFSET {vector(offset if parent else (0, 0, 0))}")
        position = "Xposition Yposition Zposition " if parent is None else ""
        count = 3 if parent else 6
        lines.append(f"{pad}  CHANNELS {count} {position}Zrotation Xrotation Yrotation")
        children = [child for child, above, _ in PERSON if above == name]
        for child in children:
            add(child, name, depth + 1)
        if not children:
            lines.extend([f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0 0 0", f"{pad}  }}"])
        lines.append(f"{pad}}}")

    add("Hips", None, 0)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / fps:.7f}"]
    arm = order.index("LeftArm")
    for frame in range(frames):
        place = PLACES["Hips"] + [0, 0, walk * frame]
        angles = np.zeros((len(order), 3))
        # About y (up), from the left to the front.
        turned = axes @ np.array([0.0, -90.0 * frame / max(frames - 1, 1), 0.0])
        angles[arm] = turned[[2, 0, 1]]
        lines.append(f"{vector(place)} " + " ".join(f"{angle:.6f}" for angle in angles.ravel()))
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("walk_1", "walk_2", "more/wave_1", "more/wave_2", "more/wave_3"):
        write(tmp_path / "clips" / f"{name}.bvh", person_bvh(walk=0.02))
    return tmp_path / "clips"


def load(folder, **options):
    options = {"cameras": 2, "joint_map": "auto", **options}
    return sources.get("mocap")(folder=folder, **options).load(use_cache=False)


def test_clips_and_people_are_disjoint(folder):
    splits = load(folder)
    clips = [set(part.actions.tolist()) for part in splits.parts.values()]
    assert [len(names) for names in clips] == [3, 1, 1]
    assert set().union(*clips) == {"walk_1", "walk_2", "more/wave_1", "more/wave_2", "more/wave_3"}
    assert splits.train.num_frames == 3 * 2 * 12
    again = load(folder)
    np.testing.assert_array_equal(again.train.poses, splits.train.poses)
    assert not np.array_equal(load(folder, seed=1).train.poses, splits.train.poses)


def test_files_can_be_chosen(folder):
    splits = load(folder, validation_files=["walk_2"], test_files=["more/*"], subjects_per_clip=2)
    assert set(splits.test.actions.tolist()) == {"more/wave_1", "more/wave_2", "more/wave_3"}
    assert set(splits.validation.actions.tolist()) == {"walk_2"}
    assert len(set(splits.train.subjects.tolist())) == 2
    with pytest.raises(UserError, match="No BVH file matches 'walk_9' of test_files"):
        load(folder, test_files=["walk_9"])
    with pytest.raises(UserError, match="in validation_files and in test_files"):
        load(folder, validation_files=["walk_*"], test_files=["walk_1"])
    with pytest.raises(UserError, match="make 0 for training"):
        load(folder, validation_files=["walk_*"], test_files=["more/*"])


def test_orientation_and_left_and_right(folder, skeleton):
    train = load(folder).train
    joint = skeleton.joint_index
    poses = train.poses - train.poses[:, :1]
    assert (poses[:, joint("head"), 1] < -0.5).all()  # y points down
    assert (poses[:, joint("left_ankle"), 1] > 0.6).all()
    left = poses[:, joint("left_hip")] - poses[:, joint("right_hip")]
    up = poses[:, joint("thorax")] - poses[:, joint("pelvis")]
    forward = np.cross(left, up)
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    nose = poses[:, joint("nose")] - poses[:, joint("thorax")]
    assert ((nose * forward).sum(-1) > 0.03).all()
    # The left arm, and not the right one, ends pointing forward.
    last = np.cumsum(train.lengths) - 1
    for side, expected in (("left", 1.0), ("right", 0.0)):
        hand = poses[:, joint(f"{side}_wrist")] - poses[:, joint(f"{side}_shoulder")]
        hand /= np.linalg.norm(hand, axis=-1, keepdims=True)
        np.testing.assert_allclose((hand * forward).sum(-1)[last], expected, atol=1e-3)
    # People are exactly symmetric, whatever the actor's proportions.
    lengths = geometry.bone_lengths(train.poses, skeleton)
    first, second = np.array(skeleton.bone_mirror_pairs).T
    np.testing.assert_allclose(lengths[:, first], lengths[:, second], atol=1e-5)


def test_keypoints_are_the_projected_poses(folder):
    test = load(folder).test
    for index in range(test.num_sequences):
        sequence = test.sequence(index)
        camera = sequence.cameras[sequence.views[0]]
        pixels = geometry.project(sequence.poses.astype(float), camera)
        screen = geometry.normalize_screen(pixels, camera.width, camera.height)
        np.testing.assert_allclose(sequence.keypoints, screen, atol=2e-6)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1000.0, 1 / 0.0254])
def test_units_are_recognised(folder, tmp_path, scale):
    expected = load(folder).train.poses
    for index in range(5):
        write(tmp_path / "other" / f"{index}.bvh", person_bvh(walk=0.02, scale=scale))
    np.testing.assert_allclose(load(tmp_path / "other").train.poses, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("axes", "up"),
    [
        ([[0, 0, 1], [1, 0, 0], [0, 1, 0]], "z"),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], "x"),
        ([[1, 0, 0], [0, -1, 0], [0, 0, -1]], "-y"),
    ],
)
def test_upward_axis_is_recognised(tmp_path, axes, up):
    for index in range(3):
        write(tmp_path / f"{index}.bvh", person_bvh(axes=axes))
    poses = load(tmp_path).train.poses
    assert (poses[:, 10, 1] < poses[:, 3, 1] - 1.0).all()
    np.testing.assert_array_equal(load(tmp_path, up=up).train.poses, poses)


def test_wrong_unit_is_explained(folder):
    with pytest.raises(UserError, match=r"measures 146.2 of the file's units .* set `unit`"):
        load(folder, unit="m")
    poses = load(folder, unit=0.01).train.poses
    np.testing.assert_array_equal(poses, load(folder, unit="cm").train.poses)


def test_frame_rates(tmp_path):
    for index in range(3):
        write(tmp_path / f"{index}.bvh", person_bvh(frames=13, fps=60.0))
    every = load(tmp_path, cameras=1).train
    assert every.fps.tolist() == [60.0] and every.num_frames == 13
    strided = load(tmp_path, cameras=1, frame_stride=2).train
    resampled = load(tmp_path, cameras=1, fps=30).train
    assert strided.fps.tolist() == resampled.fps.tolist() == [30.0]
    np.testing.assert_allclose(strided.poses, resampled.poses, atol=2e-5)
    assert load(tmp_path, cameras=1, fps=50).train.num_frames == 11
    lengths = geometry.bone_lengths(load(tmp_path, cameras=1, fps=50).train.poses, "human36m_17")
    np.testing.assert_allclose(lengths, lengths[:1].repeat(11, 0), atol=1e-5)


def test_own_joint_map(tmp_path):
    for index in range(3):
        text = person_bvh(prefix="").replace("LeftHand", "Paw")
        write(tmp_path / f"{index}.bvh", text)
    with pytest.raises(UserError, match=r"no built-in joint map fits .* misses 'LeftHand'"):
        load(tmp_path)
    rules = {
        joint: {"at": list(rule["at"]), "forward": rule["forward"], "up": rule["up"]}
        for joint, rule in joint_maps.get("mixamo").to_dict().items()
    }
    with pytest.raises(UserError, match="has no joint 'LeftHand', which the joint map 'mixamo'"):
        load(tmp_path, joint_map="mixamo")
    rules["left_wrist"] = "Paw"
    by_dictionary = load(tmp_path, joint_map=rules).train.poses
    lines = [f"{joint}: {rule}" for joint, rule in rules.items()]
    path = write(tmp_path / "map.yaml", "\n".join(lines))
    np.testing.assert_array_equal(load(tmp_path, joint_map=str(path)).train.poses, by_dictionary)


def test_built_in_maps_are_told_apart():
    def rig(name):
        rules = joint_maps.get(name).to_dict().values()
        return [f"rig:{joint.upper()}" for rule in rules for joint in rule["at"]]

    for name in joint_maps.names():
        assert joint_maps.recognize(rig(name)).name == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"left_hips": "Hips"}, "no joint 'left_hips'. Did you mean 'left_hip'"),
        ({"pelvis": "Hips"}, "no rule for right_hip"),
        ({"pelvis": []}, "pelvis must be made of"),
        ({"nose": {"at": "Head", "front": 1}}, "key 'front'"),
        ({"nose": {"at": "Head", "up": "high"}}, "up of nose must be metres"),
    ],
)
def test_joint_maps_are_checked(content, message):
    rules = (
        joint_maps.get("mixamo").to_dict()
        if len(content) == 1 and "left_hips" not in content
        else {}
    )
    if message.startswith("no rule"):
        rules = {}
    with pytest.raises(UserError, match=message):
        joint_maps.get({**rules, **content})


def test_joint_map_names(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'mixamo'"):
        joint_maps.get("miximo")
    with pytest.raises(UserError, match="no joint map file"):
        joint_maps.get(str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match="no YAML file"):
        joint_maps.get(str(write(tmp_path / "bad.yaml", "a: [")))


GOOD = person_bvh(frames=4)
BAD = {
    "empty.bvh": ("", "no BVH file: its first line is not HIERARCHY"),
    "picture.bvh": ("P6 640 480", "no BVH file"),
    "no_motion.bvh": (GOOD[: GOOD.index("MOTION")], "cut short: it has no complete MOTION part"),
    "no_frames.bvh": (GOOD.replace("Frames: 4", "Frames: 0"), "holds no frames"),
    "cut.bvh": (GOOD[: GOOD.rstrip().rindex("\n")], "cut short: it announces 4 frames and holds 3"),
    "cut_line.bvh": (GOOD[:-30], r"line \d+ holds \d+ numbers, but the joints need 63"),
    "word.bvh": (GOOD.replace("0.000000\n", "zero\n", 1), r"OFFSET|Offset|damaged"),
    "number.bvh": (GOOD[:-9] + "0,5\n", r"line \d+ holds '.*0,5', which is no number"),
    "nan.bvh": (GOOD[:-9] + "nan\n", r"line \d+ holds a NaN"),
    "brace.bvh": (GOOD.replace("}", "", 1), "damaged hierarchy"),
    "time.bvh": (GOOD.replace("Frame Time: 0.03", "Frame Time: -0.03"), "must be positive"),
    "header.bvh": (GOOD.replace("Frames:", "Frame number:"), "should be 'Frames: NUMBER'"),
    "channel.bvh": (GOOD.replace("Xrotation", "Xscale", 1), "channel 'xscale'"),
    "rig.bvh": (GOOD.replace("LeftLeg", "Stilt"), "misses 'LeftLeg'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_and_explained(folder, name):
    text, message = BAD[name]
    write(folder / name, text)
    with pytest.raises(UserError, match=message) as caught:
        load(folder)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2 and name in lines[0] and "bad_files" in lines[1]


@pytest.mark.filterwarnings("ignore:Skipped")
def test_bad_files_can_be_skipped(folder, tmp_path):
    expected = load(folder)
    write(folder / "zz_bad.bvh", "nothing")
    write(folder / "zz_worse.bvh", "\x00\x01")
    (folder / "zz_binary.bvh").write_bytes(b"\xff\xfe\xfd")
    with pytest.warns(UserWarning, match=r"Skipped: .*zz_bad\.bvh' is no BVH file"):
        splits = load(folder, bad_files="skip")
    np.testing.assert_array_equal(splits.train.poses, expected.train.poses)
    for index in range(8):
        write(tmp_path / "bad" / f"{index}.bvh", "nothing")
    with pytest.raises(UserError, match=r"\.\.\. and 3 more"):
        load(tmp_path / "bad")
    with warnings.catch_warnings(), pytest.raises(UserError, match="The 0 usable BVH files"):
        warnings.simplefilter("ignore")
        load(tmp_path / "bad", bad_files="skip")


def test_joints_in_one_place_are_refused(folder):
    rules = joint_maps.get("mixamo").to_dict()
    rules["left_knee"] = rules["left_hip"]
    with pytest.raises(UserError, match="left_hip and left_knee in one place in frame 0"):
        load(folder, joint_map=rules)


def test_folders(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        load(tmp_path / "none")
    with pytest.raises(UserError, match="no BVH file in the folder"):
        load(tmp_path)
    with pytest.raises(UserError, match="is a file; give the folder"):
        load(write(tmp_path / "one.bvh", GOOD))
    with pytest.raises(UserError, match="needs the option 'folder'"):
        sources.get("mocap")()


def test_cache_follows_the_files(folder, tmp_path):
    cache = tmp_path / "cache"

    def load_cached():
        return sources.get("mocap")(folder=folder, cameras=1).load(cache_dir=cache)

    first = load_cached()
    assert len(list(cache.iterdir())) == 1
    np.testing.assert_array_equal(load_cached().train.poses, first.train.poses)
    assert len(list(cache.iterdir())) == 1
    folder = folder.rename(tmp_path / "moved")
    load_cached()
    assert len(list(cache.iterdir())) == 1
    write(folder / "walk_1.bvh", person_bvh(walk=0.03))
    load_cached()
    assert len(list(cache.iterdir())) == 2


TOKENS = [
    "{", "}", "JOINT", "End", "Site", "OFFSET", "CHANNELS", "MOTION", "HIERARCHY", "ROOT",
    "Frames:", "-1", "0", "7", "1e400", "nan", "99999999999", "Xrotation", "", "é",
]  # fmt: skip


@given(data=st.data())
def test_any_damage_is_explained(bvh_folder, data):
    """Cut, doubled, lost and exchanged lines and words: a sentence, in time, or a right reading."""
    lines = ARM.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        if not lines:
            break
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["cut", "lose", "double", "exchange", "word"]))
        if kind == "cut":
            lines = lines[:at]
        elif kind == "lose":
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "exchange":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            words = lines[at].split(" ")
            place = data.draw(st.integers(0, len(words) - 1))
            words[place] = data.draw(st.sampled_from(TOKENS))
            lines[at] = " ".join(words)
    path = write(bvh_folder / "arm.bvh", "\n".join(lines))
    with time_limit(60):
        try:
            bvh = read_bvh(path)
        except UserError as error:
            assert "arm.bvh" in str(error) and len(str(error)) < 1000
        else:
            assert np.isfinite(bvh.positions).all() and np.isfinite(bvh.rotations).all()


@pytest.fixture(scope="module")
def bvh_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bvh")


@contextmanager
def time_limit(seconds):
    def late(*arguments):
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
