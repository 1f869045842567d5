"""D3DP: the schedule, sampling and its aggregation, training on noisy poses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import keras_seal as ks
from keras_seal import pose_nets, skeletons
from keras_seal.geometry import Camera, normalize_screen, project
from keras_seal.pose_nets.d3dp import Diffusion, LevelEmbedding, cosine_schedule, sampling_steps
from tests.checks import check_pose_net, randomize, to_numpy

SMALL = {"num_frames": 3, "channels": 8, "num_blocks": 2, "num_heads": 2}


@pytest.fixture
def batch(rng):
    x = rng.uniform(-1, 1, (4, 3, 17, 2)).astype("float32")
    y = rng.uniform(-0.9, 0.9, (4, 3, 17, 3)).astype("float32")
    y[:, :, 0] = 0.0
    return x, y


def test_shared_check(rng, tmp_path):
    options = {**SMALL, "num_blocks": 1, "num_hypotheses": 2, "input_channels": 3}

    def make(**more):
        return pose_nets.D3DP("coco_17", **options, **more)

    x = rng.uniform(-1, 1, (4, 3, 17, 3)).astype("float32")
    check_pose_net(make, x, tmp_path, thorough=False)


def test_published_parameter_count():
    options = {"channels": 32, "num_blocks": 2, "num_frames": 9}
    net = pose_nets.from_preset("d3dp_243", "human36m_17", **options)
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == 39_683


def test_level_embedding(rng):
    layer = LevelEmbedding(8)
    angles = np.array([[3.0], [700.0]]) * 10.0 ** (-4 * np.arange(4) / 3)
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    found = to_numpy(layer(np.array([3.0, 700.0], "float32")))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="even"):
        LevelEmbedding(7)


def test_schedule_is_the_cosine_one_up_to_its_cut():
    share = cosine_schedule()
    t = np.arange(1001) / 1000
    wave = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    # One level alone, the last, would take more than 0.999 of what is left.
    np.testing.assert_allclose(share[:-1], wave[1:-1] / wave[0], rtol=1e-9)
    np.testing.assert_allclose(share[-1], share[-2] * 1e-3, rtol=1e-9)


def test_sampling_steps_keep_the_variance():
    steps = sampling_steps(7)
    level = steps["level"].astype(int)
    assert level[0] == 999 and (np.diff(level) < 0).all()
    share = cosine_schedule()[level]
    np.testing.assert_allclose(steps["signal"] ** 2, share, atol=1e-6)
    np.testing.assert_allclose(steps["signal"] ** 2 + steps["noise"] ** 2, 1.0, atol=1e-6)
    # A noisy pose of the next level: its share of the pose, and the rest noise, old and new.
    np.testing.assert_allclose(steps["next_signal"][:-1], steps["signal"][1:], atol=1e-6)
    noise = steps["kept_noise"] ** 2 + steps["new_noise"] ** 2
    np.testing.assert_allclose(noise + steps["next_signal"] ** 2, 1.0, atol=1e-5)
    assert steps["next_signal"][-1] == 1.0 and noise[-1] == 0.0
    # The random part is that of the reverse process with fixed small variance.
    beta = 1 - share[:-1] / share[1:]
    expected = beta * (1 - share[1:]) / (1 - share[:-1])
    np.testing.assert_allclose(steps["new_noise"][:-1] ** 2, expected, rtol=1e-4)


@keras.saving.register_keras_serializable(package="keras_seal_tests")
class Oracle(keras.layers.Layer):
    """Says a pose whatever it is shown, and nothing else matters."""

    def __init__(self, pose):
        super().__init__()
        self.pose = np.asarray(pose, "float32")

    def call(self, inputs):
        _, noisy, level = inputs
        return ops.convert_to_tensor(self.pose) + 0.0 * noisy + 0.0 * level[:, None, None, None]


def test_a_perfect_denoiser_gives_the_pose_whatever_the_noise(batch):
    x, y = batch
    for steps, scale in ((1, 1.0), (6, 0.5)):
        poses = Diffusion(Oracle(y[0]), 2, steps, scale)(x)
        expected = np.broadcast_to(y[0], (4, 2, 3, 17, 3))
        np.testing.assert_allclose(to_numpy(poses), expected, atol=1e-6)
    # But none that is out of reach.
    far = Diffusion(Oracle(np.full((3, 17, 3), 2.0)), 1, 2)(x)
    np.testing.assert_allclose(to_numpy(far), 1.1, atol=1e-6)


def test_sampling_against_numpy(batch, rng):
    x, _ = batch
    net = pose_nets.D3DP("human36m_17", **{**SMALL, "num_blocks": 1})
    randomize(net)
    noise = rng.standard_normal((3, 4, 2, 3, 17, 3)).astype("float32")
    mirror = net.skeleton.mirror_permutation
    keypoints = np.repeat(x, 2, axis=0)

    def denoise(points, poses, level):
        seen = np.clip(poses, -1.1, 1.1).astype("float32")
        found = net.denoiser([points, seen, np.full(8, level, "float32")], training=False)
        return to_numpy(found)

    def turned(array):
        return array[:, :, mirror] * np.array([-1.0] + [1.0] * (array.shape[-1] - 1), "float32")

    # As Ho et al. write it: the mean of the posterior, and its variance.
    share = np.append(cosine_schedule(), 1.0)
    points, found = noise[0].reshape(8, 3, 17, 3), []
    for index, (now, after) in enumerate(((999, 665), (665, 332), (332, -1))):
        pose = denoise(keypoints, points, now)
        pose = (pose + turned(denoise(turned(keypoints), turned(points), now))) / 2
        pose = np.clip(pose, -1.1, 1.1)
        found.append(pose.reshape(4, 2, 3, 17, 3))
        beta = 1 - share[now] / share[after]
        mean = np.sqrt(share[after]) * beta / (1 - share[now]) * pose
        mean += np.sqrt(1 - beta) * (1 - share[after]) / (1 - share[now]) * points
        spread = np.sqrt(beta * (1 - share[after]) / (1 - share[now]))
        drawn = noise[index + 1].reshape(8, 3, 17, 3) if index < 2 else 0.0
        points = mean + spread * drawn
    options = {"noise": noise, "flip": True}
    every = to_numpy(net.hypotheses(x, 2, 3, every_step=True, **options))
    np.testing.assert_allclose(every, np.stack(found, axis=1), atol=2e-3)
    last = to_numpy(net.hypotheses(x, 2, 3, **options))
    np.testing.assert_allclose(last, every[:, -1], atol=1e-5)
    with pytest.raises(ValueError, match="noise"):
        net.hypotheses(x, 2, 2, noise=noise)


def test_hypotheses_differ_and_do_not_depend_on_the_batch(batch):
    x, _ = batch
    options = {**SMALL, "num_blocks": 1}
    net = pose_nets.D3DP("human36m_17", num_hypotheses=3, num_steps=2, **options)
    randomize(net)
    poses = to_numpy(net.hypotheses(x))
    assert poses.shape == (4, 3, 3, 17, 3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(poses[:, first] - poses[:, second]).max() > 1e-2
    np.testing.assert_allclose(net.predict_on_batch(x), poses.mean(1), atol=1e-4)
    np.testing.assert_allclose(to_numpy(net.hypotheses(x[2:3])), poses[2:3], atol=1e-4)
    np.testing.assert_array_equal(to_numpy(net.hypotheses(x)), poses)
    assert np.abs(to_numpy(net.hypotheses(x, noise_seed=1)) - poses).max() > 1e-2


def test_training_form_sees_noisy_truth(batch):
    x, y = batch
    net = pose_nets.D3DP("human36m_17", seed=3, **SMALL)
    level = np.array([0, 250, 600, 999], "int32")
    noise = np.random.default_rng(5).standard_normal(y.shape).astype("float32")
    share = cosine_schedule()[level][:, None, None, None]
    expected = np.clip(np.sqrt(share) * y + np.sqrt(1 - share) * noise, -1.1, 1.1)
    np.testing.assert_allclose(to_numpy(net.diffusion.noisy(y, level, noise)), expected, atol=1e-5)
    # Levels and noise are drawn anew each time, from the seed.
    twin = pose_nets.D3DP("human36m_17", seed=3, **SMALL)
    (first, levels), (second, _) = (net.diffusion.corrupt(y) for _ in range(2))
    again, _ = twin.diffusion.corrupt(y)
    np.testing.assert_array_equal(to_numpy(first), to_numpy(again))
    assert np.abs(to_numpy(first) - to_numpy(second)).max() > 0.1
    assert len(set(to_numpy(levels).tolist())) > 1
    poses = to_numpy(net(x, training=True, poses=y))
    assert poses.shape == y.shape and (poses[:, :, 0] == 0).all()
    with pytest.raises(ValueError, match="true poses have shape"):
        net(x, training=True, poses=y[:, :1])


def test_seal_trains_it_with_negatives_out_of_noise_alone(batch):
    x, y = batch
    keras.utils.set_random_seed(0)
    net = pose_nets.D3DP("human36m_17", seed=0, **{**SMALL, "num_blocks": 1})
    model = ks.SEALPose(
        net, ks.loss_nets.MLPLossNet("human36m_17", units=8), negatives_pass="inference"
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss="mpjpe",
        loss_net_optimizer=keras.optimizers.Adam(1e-3),
        energy_weight=1e-3,
        jit_compile=keras.backend.backend() == "jax",
    )
    seeds = [v for v in net.non_trainable_variables if "seed" in v.path]
    before = [to_numpy(v).copy() for v in seeds]
    clean = model.evaluate(x, y, verbose=0, return_dict=True)["pose_loss"]
    logs = [model.train_on_batch(x, y, return_dict=True) for _ in range(25)]
    assert all(np.isfinite(value) for log in logs for value in log.values())
    losses = [float(log["pose_loss"]) for log in logs]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])
    # So does what is said out of noise alone, and the random state moved on the way.
    assert model.evaluate(x, y, verbose=0, return_dict=True)["pose_loss"] < 0.9 * clean
    assert any((to_numpy(v) != old).any() for v, old in zip(seeds, before, strict=True))


def test_any_model_may_ask_for_poses(batch):
    x, y = batch

    class Peeking(keras.Model):
        needs_poses = True

        def call(self, inputs, training=False, poses=None):
            assert training == (poses is not None)
            lifted = super().call(inputs)
            return lifted if poses is None else poses + 0.0 * lifted

    inputs = keras.Input((3, 17, 2))
    net = Peeking(inputs, keras.layers.Dense(3)(inputs))
    model = ks.SEALPose(net, ks.loss_nets.MLPLossNet("human36m_17", units=8))
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=keras.backend.backend() == "jax")
    log = model.train_on_batch(x, y, return_dict=True)
    assert float(log["pose_loss"]) < 1e-6
    assert model.evaluate(x, y, verbose=0, return_dict=True)["pose_loss"] > 0.1


def test_aggregations(rng):
    hypotheses = rng.standard_normal((2, 5, 3, 17, 3))
    poses = rng.standard_normal((2, 3, 17, 3))
    errors = np.linalg.norm(hypotheses - poses[:, None], axis=-1)

    def aggregated(how, **needed):
        return pose_nets.aggregate(hypotheses, how, **needed)

    def error(how):
        return np.linalg.norm(aggregated(how, poses=poses) - poses, axis=-1)

    np.testing.assert_allclose(aggregated("mean"), hypotheses.mean(1))
    np.testing.assert_allclose(error("best_joints"), errors.min(1))
    np.testing.assert_allclose(error("best_pose").mean(-1), errors.mean(-1).min(1))
    np.testing.assert_allclose(error("best_window").mean((-2, -1)), errors.mean((-2, -1)).min(1))
    with pytest.raises(ValueError, match="best_pose"):
        aggregated("best_poses")
    with pytest.raises(ValueError, match="expected"):
        aggregated("best_pose", poses=poses[:1])


def test_nearest_joints_picks_what_was_planted(rng):
    cameras = [
        Camera(np.eye(3), np.zeros(3), [1100, 1150], [510, 490], radial=[-0.2, 0.1, 0.0]),
        Camera(np.eye(3), np.zeros(3), [900, 900], [640, 360], width=1280, height=720),
    ]
    skeleton = skeletons.get("human36m_17")
    poses = 0.4 * rng.standard_normal((2, 3, 17, 3))
    roots = np.array([0.2, -0.1, 5.0]) + 0.1 * rng.standard_normal((2, 3, 3))
    hypotheses = poses[:, None] + 0.2 * rng.standard_normal((2, 6, 3, 17, 3))
    # The right one of each joint is off in depth along its ray alone: the keypoint does not show.
    right = rng.integers(0, 6, (2, 3, skeleton.num_joints))
    along = (poses + roots[:, :, None]) * 1.05 - roots[:, :, None]
    batch, frame, joint = np.indices(right.shape)
    hypotheses[batch, right, frame, joint] = along
    keypoints = np.stack(
        [
            normalize_screen(project(pose + root[:, None], camera), camera.width, camera.height)
            for pose, root, camera in zip(poses, roots, cameras, strict=True)
        ]
    )
    needed = {"keypoints": keypoints, "roots": roots, "cameras": cameras}
    np.testing.assert_allclose(pose_nets.aggregate(hypotheses, "nearest_joints", **needed), along)
    # A hypothesis behind the camera is never the nearest.
    hypotheses[:, 0, :, :, 2] = -9.0
    right[right == 0] = 1
    found = pose_nets.aggregate(hypotheses, "nearest_joints", **needed)
    assert (found[..., 2] > -9.0).all()
    with pytest.raises(ValueError, match="cameras"):
        pose_nets.aggregate(hypotheses, "nearest_joints", **{**needed, "cameras": cameras[:1]})
