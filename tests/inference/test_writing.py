"""Rigid bones, BVH and glTF."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from keras_seal.errors import UserError
from keras_seal.geometry import bone_lengths
from keras_seal.inference import writing
from keras_seal.inference.writing import rigid


def read_by_bvhio(path, joints, frames):
    """Places of joints `(frames, joints, 3)`, by a library that knows nothing of this one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bvhio

        root = bvhio.readAsHierarchy(str(path))
    found = np.empty((len(frames), len(joints), 3))
    nodes = [root.filter(joint, isEqual=True)[0] for joint in joints]
    for place, frame in enumerate(frames):
        root.loadPose(frame)
        found[place] = [tuple(node.PositionWorld) for node in nodes]
    return found


def test_rigid_people_come_back_from_bvh(walk, tmp_path):
    writing.write(walk, tmp_path, ["bvh"])
    joints, frames = walk.skeleton.joints, np.array([0, 1, 17, 39])
    found = read_by_bvhio(tmp_path / "person_0.bvh", joints, frames)
    expected = (walk.poses[frames] + walk.roots[frames][:, None]) * [1, -1, -1]
    assert np.linalg.norm(found - expected, axis=-1).max() < 1e-4  # wanted: 1 mm
    # Person 7 is away from frame 30 to 39 and stands still meanwhile.
    found = read_by_bvhio(tmp_path / "person_7.bvh", joints, [0, 24, 25, 34, 35, 49])
    rows = 40 + np.array([0, 24, 24, 24, 25, 39])
    expected = (walk.poses[rows] + walk.roots[rows][:, None]) * [1, -1, -1]
    assert np.linalg.norm(found - expected, axis=-1).max() < 1e-4
    lines = (tmp_path / "person_7.bvh").read_text().splitlines()
    assert "Frames: 50" in lines and "Frame Time: 0.04000000" in lines
    values = np.loadtxt(lines[lines.index("Frames: 50") + 2 :])
    assert np.abs(np.diff(values[:, 3:], axis=0)).max() < 180  # no jumps by a turn
    with pytest.raises(UserError, match="choose one of 0, 7"):
        writing.write_bvh(walk, tmp_path / "x.bvh")


def test_bones_of_constant_lengths_fit_as_well_as_any(walk, rng):
    skeleton = walk.skeleton
    poses = walk.poses[:10].astype(float)
    lengths = bone_lengths(poses, skeleton).mean(axis=0)
    root, directions = rigid.fit(poses, lengths, skeleton)
    from keras_seal.geometry import forward_kinematics

    placed = forward_kinematics(root, directions * lengths[:, None], skeleton)
    assert np.abs(placed - poses).max() < 1e-5
    noisy = poses + 0.03 * rng.normal(size=poses.shape)

    def error(root, directions):
        placed = forward_kinematics(root, directions * lengths[:, None], skeleton)
        return ((placed - noisy) ** 2).sum()

    root, directions = rigid.fit(noisy, lengths, skeleton)
    least = error(root, directions)
    for _ in range(20):
        turned = directions + 0.01 * rng.normal(size=directions.shape)
        turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
        assert error(root + 0.003 * rng.normal(size=root.shape), turned) > least


def test_half_turns_have_an_axis():
    first = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    for second in (-first, first, np.roll(first, 1, axis=0)):
        turns = rigid.swing(first, second)
        np.testing.assert_allclose((turns @ first[..., None])[..., 0], second, atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(turns), 1)


def test_gltf(walk, tmp_path):
    pygltflib = pytest.importorskip("pygltflib")
    writing.write_glb(walk, tmp_path / "motion.glb")
    content = pygltflib.GLTF2().load(str(tmp_path / "motion.glb"))
    nodes = {node.name: index for index, node in enumerate(content.nodes)}
    blob = content.binary_blob()

    def array(number, size):
        accessor = content.accessors[number]
        start = content.bufferViews[accessor.bufferView].byteOffset
        return np.frombuffer(blob, np.float32, accessor.count * size, start).reshape(-1, size)

    # Follow the nodes to a wrist in the last frame of person 7.
    path, index = [], nodes["person 7 left_wrist"]
    parents = {child: at for at, node in enumerate(content.nodes) for child in node.children or []}
    while index is not None:
        path.insert(0, index)
        index = parents.get(index)
    animation = content.animations[0]
    from scipy.spatial.transform import Rotation

    place, turn = np.zeros(3), Rotation.identity()
    for index in path:
        translation, rotation = np.array(content.nodes[index].translation), None
        for channel in animation.channels:
            if channel.target.node == index:
                values = animation.samplers[channel.sampler].output
                if channel.target.path == "translation":
                    translation = array(values, 3)[-1]
                else:
                    rotation = Rotation.from_quat(array(values, 4)[-1])
        place = place + turn.apply(translation)
        turn = turn * rotation
    wrist = walk.skeleton.joint_index("left_wrist")
    expected = (walk.poses[-1, wrist] + walk.roots[-1]) * [1, -1, -1]
    np.testing.assert_allclose(place, expected, atol=1e-4)
    times = array(animation.samplers[-1].input, 1)[:, 0]
    np.testing.assert_allclose(times, walk.frames[40:] / walk.fps, atol=1e-5)
