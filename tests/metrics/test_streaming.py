from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import ops

from keras_seal import losses, metrics, skeletons
from keras_seal.errors import UserError
from keras_seal.metrics import functional

DEGREES = 180 / np.pi
REFERENCES = {
    "mpjpe": (functional.mpjpe, {}, 1000),
    "p_mpjpe": (functional.p_mpjpe, {}, 1000),
    "n_mpjpe": (functional.n_mpjpe, {}, 1000),
    "mpjve": (functional.mpjve, {}, 1000),
    "acceleration_error": (functional.acceleration_error, {}, 1000),
    "lse": (functional.limb_symmetry_error, {"skeleton": "human36m_17"}, 1000),
    "lse_percent": (
        functional.limb_symmetry_error,
        {"skeleton": "human36m_17", "relative": True},
        100,
    ),
    "bsle": (functional.body_segment_length_error, {"skeleton": "human36m_17"}, 1000),
    "bsle_percent": (
        functional.body_segment_length_error,
        {"skeleton": "human36m_17", "relative": True},
        100,
    ),
    "lle": (functional.limb_length_error, {"skeleton": "human36m_17"}, 1000),
    "lle_percent": (
        functional.limb_length_error,
        {"skeleton": "human36m_17", "relative": True},
        100,
    ),
    "jae": (functional.joint_angle_error, {"skeleton": "human36m_17"}, DEGREES),
    "pck": (functional.pck, {}, 100),
    "auc": (functional.auc, {}, 100),
    "mpsse": (functional.mpsse, {"skeleton": "human36m_17"}, 1000),
}


def spread(y_true, y_pred):
    """MPSCE is no mean over frames: all frames are one sample."""
    joined = y_pred.reshape(-1, 17, 3)
    return 1000 * functional.mpsce(joined, joined, "human36m_17")


def frame_values(name, y_true, y_pred):
    if name == "mpsce":
        return spread(y_true, y_pred)
    function, options, scale = REFERENCES[name]
    return scale * function(y_true, y_pred, **options)


def result(metric):
    return float(ops.convert_to_numpy(metric.result()))


@pytest.fixture
def pair(random_poses):
    return random_poses(6, 4), random_poses(6, 4)


def test_every_name_is_referenced():
    assert set(metrics.names()) == {*REFERENCES, "mpsce"}


@pytest.mark.parametrize("name", metrics.names())
def test_streaming_is_the_mean_over_frames(name, pair):
    metric = metrics.get(name, skeleton="human36m_17")
    assert metric.name == name
    assert result(metric) == 0
    expected = frame_values(name, *pair).mean()
    for _ in range(2):
        metric.reset_state()
        for start in (0, 2, 4):
            metric.update_state(*(array[start : start + 2] for array in pair))
        np.testing.assert_allclose(result(metric), expected, rtol=1e-5)


def test_the_mean_does_not_depend_on_the_batches(pair):
    expected = frame_values("mpjpe", *pair).mean()
    for batches in ([0, 6], [0, 1, 6], [0, 4, 6]):
        metric = metrics.MPJPE()
        for start, end in pairwise(batches):
            metric.update_state(*(array[start:end] for array in pair))
        np.testing.assert_allclose(result(metric), expected, rtol=1e-5)


@pytest.mark.parametrize("name", metrics.names())
def test_configs_round_trip(name, pair):
    metric = metrics.get(name, skeleton="human36m_17")
    again = metrics.get(keras.saving.serialize_keras_object(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    batch = [array[:2] for array in pair]
    metric.update_state(*batch)
    again.update_state(*batch)
    assert result(metric) == result(again)


def test_weights_of_samples_and_frames(pair, rng):
    y_true, y_pred = pair
    values = frame_values("mpjpe", y_true, y_pred)
    by_sample, by_frame = rng.uniform(size=6), rng.uniform(size=(6, 4))
    for weights, expanded in ((by_sample, by_sample[:, None] * np.ones((6, 4))), (by_frame,) * 2):
        metric = metrics.MPJPE()
        metric.update_state(y_true, y_pred, sample_weight=weights)
        np.testing.assert_allclose(result(metric), np.average(values, weights=expanded), rtol=1e-5)
    # The velocity between two frames needs both of them.
    valid = np.array([[1, 1, 0, 1]] * 6)
    broken = y_pred.copy()
    broken[:, 2] = np.nan
    metric = metrics.MPJVE()
    metric.update_state(y_true, broken, sample_weight=valid)
    expected = frame_values("mpjve", y_true, y_pred)[:, 0].mean()
    np.testing.assert_allclose(result(metric), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"\(batch,\) or \(batch, frames\); got \(6, 3\)"):
        metrics.MPJPE().update_state(y_true, y_pred, sample_weight=np.ones((6, 3)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_measured_in_single(pair, dtype):
    y_true, y_pred = pair
    half = ops.cast(y_pred, dtype)
    rounded = ops.convert_to_numpy(ops.cast(half, "float32"))
    for name in ("mpjpe", "p_mpjpe", "bsle"):
        metric = metrics.get(name, skeleton="human36m_17")
        metric.update_state(y_true, half)
        expected = frame_values(name, y_true, rounded).mean()
        np.testing.assert_allclose(result(metric), expected, rtol=1e-5)


def small_model(frames=4):
    keypoints = keras.Input((frames, 17, 2))
    poses = keras.layers.Dense(3)(keras.layers.Dense(4)(keypoints))
    return keras.Model(keypoints, poses)


def test_metrics_work_in_compiled_training_and_evaluation(random_keypoints, random_poses):
    x, y = random_keypoints(8, 4), random_poses(8, 4)
    model = small_model()
    followed = [metrics.get(name, skeleton="human36m_17") for name in metrics.names()]
    compiles = keras.backend.backend() != "torch"
    model.compile("sgd", loss="mse", metrics=followed, jit_compile=compiles)
    history = model.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0).history
    predicted = ops.convert_to_numpy(model(x))
    for name in metrics.names():
        assert np.isfinite(history[name][0])
        expected = frame_values(name, y, predicted).mean()
        np.testing.assert_allclose(history[f"val_{name}"][0], expected, rtol=1e-4)


def test_metrics_work_under_mixed_precision(random_keypoints, random_poses):
    x, y = random_keypoints(8, 4), random_poses(8, 4)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_model()
        followed = [metrics.MPJPE(), metrics.BodySegmentLengthError("human36m_17")]
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(model.compute_dtype) == "bfloat16"
    model.compile("sgd", loss="mse", metrics=followed)
    evaluated = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    predicted = ops.convert_to_numpy(ops.cast(model(x), "float32"))
    for name in ("mpjpe", "bsle"):
        expected = frame_values(name, y, predicted).mean()
        # The compiler may keep more digits inside the network than a bfloat16 holds.
        np.testing.assert_allclose(evaluated[name], expected, rtol=1e-2)


def test_a_saved_model_gets_its_metrics_back(tmp_path, random_keypoints, random_poses):
    x, y = random_keypoints(4, 4), random_poses(4, 4)
    model = small_model()
    followed = [metrics.MPJPE(), metrics.LimbSymmetryError("human36m_17", relative=True)]
    # The loss is called like the metric: each must come back as itself.
    model.compile("sgd", loss=losses.MPJPE(), metrics=followed)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    after = again.evaluate(x, y, verbose=0, return_dict=True)
    assert set(after) == {"loss", "mpjpe", "lse_percent"}
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5)


def test_wrong_requests_are_told(random_poses):
    with pytest.raises(UserError, match=r"no metric 'p_mpjp'.*Did you mean 'p_mpjpe'"):
        metrics.get("p_mpjp")
    with pytest.raises(UserError, match="'lse' measures bones"):
        metrics.get("lse")
    with pytest.raises(TypeError, match="got int"):
        metrics.get(3)
    with pytest.raises(ValueError, match="'hand_21' has none"):
        metrics.LimbSymmetryError("hand_21")
    with pytest.raises(ValueError, match="names none"):
        metrics.LimbLengthError({"name": "bare", "joints": ["a", "b"], "parents": {"b": "a"}})
    with pytest.raises(ValueError, match="single bone"):
        metrics.JointAngleError({"name": "bare", "joints": ["a", "b"], "parents": {"b": "a"}})
    with pytest.raises(UserError, match=r"no metric 'mpjpe_left_wirst'"):
        metrics.get("mpjpe_left_wirst", skeleton="human36m_17")
    with pytest.raises(UserError, match=r"no joint or group 'left_wirst'\. Did you .*left_wrist"):
        metrics.PartError("human36m_17", "left_wirst")
    with pytest.raises(UserError, match=r"no limb 'left_log'\. Did you mean 'left_leg'"):
        metrics.LimbLengthError("human36m_17", limb="left_log")
    with pytest.raises(ValueError, match="velocity error needs"):
        metrics.MPJVE().update_state(random_poses(2), random_poses(2))
    with pytest.raises(ValueError, match="`unit` must be one of mm"):

        class Odd(metrics.PoseMetric):
            def frame_values(self, y_true, y_pred):
                return y_true[..., 0, 0]

        Odd(unit="inch", name="odd")


def test_a_metric_stands_for_itself(skeleton):
    metric = metrics.MPJPE(name="error")
    assert metrics.get(metric) is metric
    assert metrics.get("jae", skeleton=skeletons.get(skeleton)).unit == "deg"


def test_one_joint_one_part_one_limb(pair, skeleton):
    expected = {
        "mpjpe_left_wrist": functional.mpjpe(*pair, average=False)[..., 13],
        "mpjpe_left_arm": functional.part_errors(*pair, skeleton)[..., 4],
        "lle_torso": functional.limb_length_error(*pair, skeleton, average=False)[..., 4],
    }
    for name, values in expected.items():
        metric = metrics.get(name, skeleton=skeleton)
        assert metric.name == name
        again = metrics.get(keras.saving.serialize_keras_object(metric))
        for start in (0, 3):
            again.update_state(*(array[start : start + 3] for array in pair))
        np.testing.assert_allclose(result(again), 1000 * values.mean(), rtol=1e-5)


def test_some_joints_and_another_threshold(pair):
    metric = metrics.get(
        keras.saving.serialize_keras_object(metrics.PCK(threshold=150, joints=[3, 6, 13]))
    )
    metric.update_state(*pair)
    expected = functional.pck(*pair, threshold=0.15, joints=[3, 6, 13]).mean()
    assert 0 < expected < 1
    np.testing.assert_allclose(result(metric), 100 * expected, rtol=1e-5)


def test_the_spread_of_lengths_does_not_depend_on_the_batches(random_poses, rng):
    # The people are far apart in size, so that sums of squares would lose their digits.
    poses = (
        random_poses(60)[:, :1]
        * np.linspace(0.999, 1.001, 60, dtype="float32")[:, None, None, None]
    )
    poses[:30] *= 40
    weights = rng.integers(0, 2, size=60)
    for chosen, weight in ((slice(None), None), (weights > 0, weights)):
        expected = spread(None, poses[chosen].astype("float64"))
        for batches in ([0, 60], [0, 1, 2, 7, 60]):
            metric = metrics.MPSCE("human36m_17")
            for start, end in pairwise(batches):
                part = None if weight is None else weight[start:end]
                metric.update_state(poses[start:end], poses[start:end], sample_weight=part)
            np.testing.assert_allclose(result(metric), expected, rtol=1e-4)
    metric = metrics.MPSCE("human36m_17")
    metric.update_state(poses[:1], poses[:1])
    assert result(metric) == 0  # one frame has no spread
