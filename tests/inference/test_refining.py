"""Gradient-based inference, with loss-nets whose lowest energy is known."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import cli, loss_nets
from keras_seal.errors import UserError
from keras_seal.inference import predict, refine
from keras_seal.inference.refining import Refiner
from tests.data.published import keypoints as published


class Bowl(keras.layers.Layer):
    """Half the squared distance from the first pose of all, in some unit, summed over joints."""

    def __init__(self, middle, scale):
        super().__init__()
        self.middle, self.scale = np.asarray(middle, "float32"), scale

    def call(self, poses):
        away = poses - keras.ops.convert_to_tensor(self.middle)
        return 0.5 * self.scale * keras.ops.sum(keras.ops.square(away), axis=(-2, -1))


def bowl(middle, scale=100.0):
    keypoints, poses = keras.Input((None, 17, 2)), keras.Input((None, 17, 3))
    return keras.Model([keypoints, poses], Bowl(middle, scale)(poses))


@pytest.fixture
def middle(random_poses):
    return random_poses(1)[0, 0]


def near(middle, rng, count, noise=0.01):
    poses = middle + noise * rng.standard_normal((count, 1, 17, 3))
    return (poses - poses[:, :, :1]).astype("float32")


def seen(poses, focal=None):
    place = np.array([0.3, -0.2, 4.0], "float32")
    if focal is None:
        return 0.25 * poses[..., :2] + place[:2]
    there = poses + place
    return focal * there[..., :2] / there[..., 2:]


def way(one, other):
    return np.linalg.norm(np.asarray(one) - other, axis=-1).mean(axis=(-2, -1))


def reference(middle, scale, keypoints, start, steps, step, radius, reprojection):
    """The same by hand, one pose of one frame at a time, in double precision."""
    refined = []
    for first, points in zip(start[:, 0].astype(float), keypoints[:, 0].astype(float), strict=True):
        about = points - points.mean(axis=0)

        def fit(pose, about=about):
            flat = pose[:, :2] - pose[:, :2].mean(axis=0)
            return (flat * about).sum() / (flat**2).sum(), flat

        size, _ = fit(first)

        def measure(pose, weight, size=size, about=about, fit=fit):
            scaled, flat = fit(pose)
            apart = (scaled * flat - about) / size
            slope = scale * (pose - middle)
            slope[:, :2] += weight * 2 * scaled / size * apart / 17
            slope[0] = 0
            value = 0.5 * scale * ((pose - middle) ** 2).sum()
            return value + weight * (apart**2).sum() / 17, slope

        _, slope = measure(first, 0.0)
        weight = reprojection * np.linalg.norm(slope) / (0.02 / np.sqrt(17))
        pose, length = first, step
        value, slope = measure(pose, weight)
        steepest = np.sqrt((slope**2).sum() / 17)
        for _ in range(steps):
            there = pose - length * slope / max(np.sqrt((slope**2).sum() / 17), steepest)
            if np.linalg.norm(there - first, axis=-1).mean() > radius:
                break
            new_value, new_slope = measure(there, weight)
            if new_value < value:
                pose, value, slope = there, new_value, new_slope
            else:
                length /= 2
            if length < step / 16:
                break
        refined.append(pose)
    return np.array(refined)[:, None]


def test_poses_reach_the_bottom_whatever_the_energys_unit(middle, rng):
    start = near(middle, rng, 5)
    options = {"steps": 60, "step": 0.004, "reprojection": 0.0, "skeleton": "human36m_17"}
    found = refine(bowl(middle), seen(start), start, **options)
    assert (way(start, middle) > 0.01).all()
    assert (way(found, middle) < 0.0005).all()
    assert not found[:, :, 0].any()
    # A power of two, so that nothing is rounded otherwise.
    louder = refine(bowl(middle, 100.0 * 2**10), seen(start), start, **options)
    np.testing.assert_allclose(louder, found, atol=1e-6)


def test_no_steps_change_nothing_and_a_pose_at_the_bottom_stays(middle, rng):
    start = near(middle, rng, 3)
    start[1] = middle
    options = {"skeleton": "human36m_17", "reprojection": 0.0}
    np.testing.assert_array_equal(
        refine(bowl(middle), seen(start), start, steps=0, **options), start
    )
    found = refine(bowl(middle), seen(start), start, steps=5, batch_size=2, **options)
    np.testing.assert_array_equal(found[1], start[1])
    assert (way(found, start)[[0, 2]] > 0.005).all()


def test_the_trust_region_holds(middle, rng):
    start = near(middle, rng, 4)
    far = middle + 0.2 * rng.standard_normal((17, 3))
    found = refine(
        bowl(far - far[:1]), seen(start), start, steps=50, step=0.003, trust_radius=0.02,
        reprojection=0.0, skeleton="human36m_17",
    )  # fmt: skip
    assert (way(found, start) <= 0.02).all()
    assert (way(found, start) > 0.016).all()


@pytest.mark.parametrize("focal", [None, 2.0])
def test_keypoints_hold_poses_in_their_place(middle, rng, focal):
    """The energy pulls away from poses that fit their keypoints."""
    start = near(middle, rng, 4, noise=0.0)
    other = near(middle, rng, 1, noise=0.02)[0, 0]
    keypoints = seen(start, focal).astype("float32")
    options = {
        "steps": 80,
        "step": 0.004,
        "trust_radius": 0.1,
        "focal": focal,
        "skeleton": "human36m_17",
    }
    free = refine(bowl(other), keypoints, start, reprojection=0.0, **options)
    held = refine(bowl(other), keypoints, start, reprojection=50.0, **options)
    np.testing.assert_allclose(free, np.broadcast_to(other, free.shape), atol=0.002)
    refiner = Refiner(bowl(other), **options)

    def residual(poses):
        points, first, now = map(keras.ops.convert_to_tensor, (keypoints, start, poses))
        trust = refiner._trust(points)
        size = refiner._weak_fit(points, trust, first)[0]
        return np.sqrt(keras.ops.convert_to_numpy(refiner._residual(points, trust, now, size)))

    assert (residual(start) < 1e-5).all()
    assert (residual(free) > 0.012).all()
    assert (residual(held) < 0.004).all()
    # Along the rays nothing holds them: they are nearer to the bottom than they were.
    assert (way(held, other) < way(start, other)).all()


@pytest.mark.parametrize(("conditional", "weight"), [("reprojection", 0.0), (False, 1.0)])
def test_keypoints_count_once(conditional, weight, middle, rng):
    """Beside a loss-net that sees the residuals itself they have no weight unless given one."""
    net = loss_nets.MLPLossNet("human36m_17", units=8, num_stages=0, conditional=conditional)
    start, keypoints = near(middle, rng, 6, noise=0.03), seen(near(middle, rng, 6))
    by_default, same, other = (
        refine(net, keypoints, start, steps=4, reprojection=each)
        for each in (None, weight, 1.0 - weight)
    )
    np.testing.assert_array_equal(by_default, same)
    assert np.abs(by_default - other).max() > 1e-4


def test_every_backend_takes_the_same_way(middle, rng):
    start = near(middle, rng, 4, noise=0.015)
    keypoints = seen(near(middle, rng, 4)).astype("float32")
    options = {"steps": 12, "step": 0.004, "reprojection": 1.5}
    found = refine(
        bowl(middle), keypoints, start, trust_radius=0.016, skeleton="human36m_17", **options
    )
    expected = reference(middle, 100.0, keypoints, start, radius=0.016, **options)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_wrong_arguments_are_told(middle, random_poses):
    poses = random_poses(2)
    keypoints = poses[..., :2]
    with pytest.raises(UserError, match="does not tell its skeleton"):
        refine(bowl(middle), keypoints, poses)
    with pytest.raises(UserError, match="do not go together"):
        refine(bowl(middle), keypoints[:1], poses, skeleton="human36m_17")
    for name, value in (("steps", -1), ("step", 0.0), ("trust_radius", -0.1), ("focal", 0.0)):
        with pytest.raises(UserError, match=name):
            refine(bowl(middle), keypoints, poses, skeleton="human36m_17", **{name: value})


def test_the_command_refines_by_the_runs_own_loss_net(tmp_path, lifter, crossing, monkeypatch):
    source = published.table(tmp_path, crossing)
    loss_net = loss_nets.MLPLossNet("human36m_17", units=8, num_stages=1)
    plain = predict(lifter, source, note=lambda line: None)
    motion = predict(lifter, source, note=lambda line: None, refine=3, refine_by=loss_net)
    moved = np.linalg.norm(motion.poses - plain.poses, axis=-1).mean(axis=-1)
    assert (moved > 0).any() and (moved < 0.03).all()
    assert motion.about["refine"] == 3
    for options, told in (
        ({"refine": 3}, "there is none"),
        ({"refine": -1}, "0 steps or more"),
        ({"refine_by": loss_net}, "a number of steps"),
    ):
        with pytest.raises(UserError, match=told):
            predict(lifter, source, note=lambda line: None, **options)

    monkeypatch.chdir(tmp_path)
    lifter.net.save("lifter.keras")
    loss_net.save("loss_net.keras")
    arguments = ["predict", "lifter.keras", str(source), "--refine", "3"]
    done = CliRunner().invoke(cli.main, [*arguments, "--out", "without"])
    assert done.exit_code == 2 and "--loss-net" in done.stderr
    done = CliRunner().invoke(
        cli.main, [*arguments, "--out", "out", "--loss-net", "loss_net.keras"]
    )
    assert done.exit_code == 0, done.output
    with np.load("out/motion.npz") as file:
        np.testing.assert_allclose(file["poses"], motion.poses, atol=1e-5)
