from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal import geometry, skeletons
from keras_seal.data import PoseSplits, sources
from keras_seal.errors import UserError
from keras_seal.skeletons import joint_maps
from tests.data.published import positions as published


def load(folder, **options) -> PoseSplits:
    return sources.get("positions")(folder=folder, **{"cameras": 2, **options}).load(
        use_cache=False
    )


def sequences(splits):
    return [part.sequence(index) for part in splits.parts.values() for index in range(len(part))]


def truth(**options):
    return joint_maps.find("smpl_22", "human36m_17").apply_poses(published.smpl(**options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return published.amass_like(tmp_path_factory.mktemp("amass"))


def test_motion_is_read_back(folder):
    splits = load(folder)
    assert [len(part) for part in splits.parts.values()] == [8, 4, 4]
    people = set()
    for sequence in sequences(splits):
        subject, action = sequence.subjects[0], sequence.actions[0]
        person, clip = int(subject.removeprefix("CMU/")), int(action[-8:-6])
        assert action == f"{subject}/{person:02d}_{clip:02d}_poses"
        people.add(subject)
        expected = truth(frames=12 + clip, person=person)
        # Up to how the camera stands, and how far the actor went, nothing has changed.
        poses = sequence.poses.astype(np.float64)
        np.testing.assert_allclose(
            geometry.procrustes(poses, expected, scale=False), expected, atol=1e-5
        )
        # The cameras know where up is: the poses go back to a person who stands on the floor.
        camera = sequence.cameras[sequence.views[0]]
        world = geometry.camera_to_world(poses, camera)
        relative = expected - expected[:, :1]
        np.testing.assert_allclose((world - world[:, :1])[..., 2], relative[..., 2], atol=1e-5)
        assert 0 < world[..., 2].min() < 0.2
        pixels = geometry.project(poses, camera)
        screen = geometry.normalize_screen(pixels, camera.width, camera.height)
        np.testing.assert_allclose(sequence.keypoints, screen, atol=2e-6)
        assert sequence.fps[0] == 120
    assert people == {f"CMU/{person:02d}" for person in range(4)}


def test_the_way_along_the_ground_stays(folder):
    train = load(folder, cameras=1).train.sequence(0)
    world = geometry.camera_to_world(train.poses.astype(float), train.cameras[train.views[0]])
    steps = np.linalg.norm(np.diff(world[:, 0, :2], axis=0), axis=-1)
    np.testing.assert_allclose(steps, 0.04, atol=1e-4)


@pytest.mark.parametrize("joints", [22, 24, 52, 55, 127])
def test_smpl_families(joints, tmp_path):
    for person in range(3):
        poses = published.smpl(person=person, joints=joints)
        published.write(tmp_path / f"{person}.npz", poses, fps=30)
    sequence = load(tmp_path, cameras=1).train.sequence(0)
    assert sequence.subjects[0] == sequence.actions[0]  # the file's name tells who acts
    expected = truth(person=int(sequence.subjects[0]))
    aligned = geometry.procrustes(sequence.poses.astype(float), expected, scale=False)
    np.testing.assert_allclose(aligned, expected, atol=1e-5)


def test_facts_of_the_files_count(tmp_path):
    for index, subject in enumerate(["Ann", "Ben", "Cid", "Ann"]):
        poses = truth(person=index % 3)
        facts = {
            "subject": subject,
            "action": f"walk {index}",
            "fps": 50,
            "skeleton": "human36m_17",
        }
        published.write(tmp_path / f"{index}.npz", poses, **facts)
    splits = load(tmp_path, validation_subjects=["Ben"], test_subjects=["Cid"])
    assert set(splits.train.actions.tolist()) == {"walk 0", "walk 3"}
    assert set(splits.train.subjects.tolist()) == {"Ann"}
    assert set(splits.validation.subjects.tolist()) == {"Ben"}
    aligned = geometry.procrustes(
        splits.test.sequence(0).poses.astype(float), truth(person=2), scale=False
    )
    np.testing.assert_allclose(aligned, truth(person=2), atol=1e-5)


def test_y_up_and_lone_arrays(tmp_path):
    """As HumanML3D keeps them: `.npy`, y up, 20 frames a second, which the files do not tell."""
    for person in range(3):
        np.save(tmp_path / f"{person}.npy", published.y_up(published.smpl(person=person)))
    with pytest.raises(UserError, match=r"does not tell its frames a second .* set `file_fps`"):
        load(tmp_path, up="y")
    with pytest.raises(UserError, match="do not stand along the axis z; set `up` to 'y'"):
        load(tmp_path, file_fps=20)
    splits = load(tmp_path, up="y", file_fps=20)
    assert splits.train.fps.tolist() == [20, 20]
    zup = tmp_path / "z"
    for person in range(3):
        published.write(zup / f"{person}.npz", published.smpl(person=person), fps=20)
    np.testing.assert_allclose(splits.train.poses, load(zup).train.poses, atol=1e-5)


def test_frame_rates(folder):
    half = load(folder, fps=60).train
    strided = load(folder, frame_stride=2).train
    assert set(half.fps.tolist()) == set(strided.fps.tolist()) == {60.0}
    np.testing.assert_allclose(half.poses, strided.poses, atol=1e-5)
    train = load(folder, fps=50, cameras=1).train.sequence(0)
    world = geometry.camera_to_world(train.poses.astype(float), train.cameras[train.views[0]])
    assert train.fps[0] == 50
    steps = np.linalg.norm(np.diff(world[:, 0, :2], axis=0), axis=-1)
    np.testing.assert_allclose(steps, 0.04 * 120 / 50, atol=1e-4)


def test_seed_and_splits(folder):
    one, again, other = load(folder), load(folder), load(folder, seed=1)
    np.testing.assert_array_equal(one.train.poses, again.train.poses)
    assert not np.array_equal(one.train.poses, other.train.poses)
    with pytest.raises(UserError, match=r"no subject 'CMU/9' of test_subjects"):
        load(folder, test_subjects=["CMU/9"])
    with pytest.raises(UserError, match="in validation_subjects and in test_subjects"):
        load(folder, test_subjects=["CMU/01"], validation_subjects=["CMU/01"])
    with pytest.raises(UserError, match=r"The 4 people in .* make 0 for training"):
        load(folder, test_subjects=["CMU/00", "CMU/01"], validation_subjects=["CMU/02", "CMU/03"])


def test_maps_and_skeletons_of_ones_own(tmp_path):
    smpl = skeletons.get("smpl_22")
    description = {**smpl.to_dict(), "name": "own"}
    for person in range(3):
        published.write(tmp_path / f"{person}.npz", published.smpl(person=person), fps=30)
    usual = load(tmp_path).train.poses
    np.testing.assert_array_equal(load(tmp_path, skeleton=description).train.poses, usual)
    own = joint_maps.get("smpl_22_to_human36m_17").to_dict()
    np.testing.assert_array_equal(load(tmp_path, joint_map=own).train.poses, usual)
    path = tmp_path / "own.yaml"
    smpl.to_yaml(path)
    np.testing.assert_array_equal(load(tmp_path, skeleton=str(path)).train.poses, usual)
    for options, message in (
        ({"joint_map": "human36m_17_to_human36m_16"}, "leads to 'human36m_16'"),
        ({"joint_map": "coco_17_to_human36m_17_gast"}, "has 22 joints, but the skeleton 'coco_17'"),
        ({"skeleton": "coco_17"}, "has 22 joints, but the skeleton 'coco_17' has 17"),
        ({"skeleton": "smpl_24", "joint_map": "smpl_22_to_human36m_17"}, "'smpl_24' has 24"),
        ({"skeleton": "smpl22"}, "Did you mean 'smpl_22'"),
        ({"skeleton": str(tmp_path / "none.yaml")}, "No skeleton file"),
    ):
        with pytest.raises(UserError, match=message):
            load(tmp_path, **options)


def test_prepared_data_is_that_of_the_files(folder, tmp_path):
    source = sources.get("positions")(folder=folder, cameras=1)
    key = source.inputs()
    assert len(key["files"]) == 8 == len(source.input_files()) and key["joint_map"] is None
    first = source.load(cache_dir=tmp_path)
    np.testing.assert_array_equal(source.load(cache_dir=tmp_path).train.poses, first.train.poses)
    assert len(list(tmp_path.iterdir())) == 1


GOOD = published.smpl()
BAD = {
    "mm": ({"positions": 1000 * GOOD}, "legs in .* are 801.7 long .*divide millimetres"),
    "nan": ({"positions": np.where(np.arange(12)[:, None, None] == 5, np.nan, GOOD)},
            "not finite in 1 of 12 frames, first in frame 5"),
    "flat": ({"positions": GOOD.reshape(12, 66)}, r"must have the shape \(frames, joints, 3\)"),
    "none": ({"positions": GOOD[:0]}, r"must have the shape .* got \(0, 22, 3\)"),
    "words": ({"positions": np.full((12, 22, 3), "x")}, "must be an array of numbers"),
    "body": ({"poses": GOOD, "trans": GOOD}, "a body model's parameters; compute joints"),
    "other": ({"x": GOOD}, "has no 'positions' .* but .*'x'"),
    "count": ({"positions": GOOD[:, :17]}, "has 17 joints, which does not tell their order"),
    "fps": ({"positions": GOOD, "fps": [1, 2]}, "'fps' must be frames a second"),
    "zero": ({"positions": GOOD, "fps": 0}, "'fps' must be frames a second"),
    "who": ({"positions": GOOD, "subject": [1.5, 2]}, "'subject' must be a short text"),
    "file": ({"positions": GOOD, "skeleton": "/etc/a.yaml"}, "must be the name of a built-in"),
    "name": ({"positions": GOOD, "skeleton": "smpl"}, "no built-in skeleton 'smpl'"),
    "order": ({"positions": GOOD, "skeleton": "human36m_17"}, "has 22 joints, but the skeleton"),
    "object": ({"positions": np.array([{}, 1], object)}, "must be an array of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_and_explained(name, tmp_path):
    content, message = BAD[name]
    for person in range(3):
        published.write(tmp_path / f"{person}.npz", published.smpl(person=person), fps=30)
    np.savez(tmp_path / "bad.npz", **{"fps": 30, **content})
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path)
    assert "bad.npz" in str(caught.value) and "bad_files" in str(caught.value)
    with pytest.warns(UserWarning, match=r"Skipped: .*bad\.npz"):
        splits = load(tmp_path, bad_files="skip")
    assert splits.train.num_sequences == 2


def test_wrong_folders(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        load(tmp_path / "none")
    with pytest.raises(UserError, match=r"no \.npz or \.npy file"):
        load(tmp_path)
    path = published.write(tmp_path / "a.npz", GOOD, fps=30)
    with pytest.raises(UserError, match="is a file; give the folder"):
        load(path)
    with pytest.raises(UserError, match=r"The 1 people .* make"):
        load(tmp_path)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)
    with (
        pytest.warns(UserWarning, match="Skipped"),
        pytest.raises(UserError, match="No file of the folder"),
    ):
        load(tmp_path, bad_files="skip")


@given(data=st.data())
def test_damaged_files_do_no_harm(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    for person in range(3):
        published.write(folder / f"{person}.npz", published.smpl(3, person), fps=30, subject="A")
    path = folder / "2.npz"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place + 1 :]
    path.write_bytes(content)
    with pytest.raises(UserError):  # at the least, all three are the same person
        load(folder)


@given(
    shape=st.lists(st.integers(0, 30), max_size=4).map(tuple)
    | st.tuples(st.just(2), st.sampled_from([15, 16, 22, 24]), st.just(3)),
    value=st.sampled_from([0.0, 1.0, -1.0, 1e300, np.nan, np.inf, 900.0]),
    kind=st.sampled_from(["f8", "f2", "i4", "u1", "?", "c16", "U2"]),
)
def test_any_array_does_no_harm(shape, value, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    with np.errstate(all="ignore"):
        array = np.full(shape, value).astype(kind)
    for person in range(3):
        np.savez(folder / f"{person}.npz", positions=array, fps=30)
    with pytest.raises(UserError):
        load(folder)
