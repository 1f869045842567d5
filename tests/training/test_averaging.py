"""Averaged weights bring batch statistics of their own, and leave no trace."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_seal as ks
from keras_seal.training import averaging


def train(norm, rng):
    inputs = keras.Input((1, 17, 2))
    hidden = keras.layers.Dense(5, name="first")(keras.layers.Flatten()(inputs))
    hidden = keras.layers.Dropout(0.5)(norm(hidden))
    poses = keras.layers.Reshape((1, 17, 3))(keras.layers.Dense(51)(hidden))
    model = ks.SEALPose(keras.Model(inputs, poses))
    model.compile(keras.optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9))
    x = rng.normal(1.0, 2.0, (64, 1, 17, 2)).astype("float32")
    y = rng.normal(size=(64, 1, 17, 3)).astype("float32")
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    # The end of training has put the averages in the place of the weights.
    for variable in model.pose_net.trainable_variables:
        variable.assign(variable + 0.5)
    return model, x


def test_statistics_are_those_of_the_averaged_weights(rng):
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model, x = train(norm, rng)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    trained = before[0]
    batches = [x[:32], x[32:]]
    with averaging.averaged_weights(model, batches):
        layer = model.pose_net.get_layer("first")
        kernel, bias = (keras.ops.convert_to_numpy(v) for v in layer.weights)
        assert np.abs(kernel - trained).min() > 0.2
        outputs = [batch.reshape(32, -1) @ kernel + bias for batch in batches]
        for variable, expected in (
            (norm.moving_mean, np.mean([each.mean(0) for each in outputs], 0)),
            (norm.moving_variance, np.mean([each.var(0) for each in outputs], 0)),
        ):
            found = keras.ops.convert_to_numpy(variable)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for variable, values in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), values)


def test_an_error_inside_leaves_no_trace_either(rng):
    model, x = train(keras.layers.BatchNormalization(), rng)
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.variables]
    with pytest.raises(KeyboardInterrupt), averaging.averaged_weights(model, [x]):
        raise KeyboardInterrupt
    for variable, values in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), values)


def test_the_same_weights_get_the_same_statistics(rng):
    norm = keras.layers.BatchNormalization()
    inputs = keras.Input((1, 17, 2))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Flatten()(inputs))
    hidden = norm(keras.layers.Dense(5)(hidden))
    poses = keras.layers.Reshape((1, 17, 3))(keras.layers.Dense(51)(hidden))
    model = ks.SEALPose(keras.Model(inputs, poses))
    model.compile(keras.optimizers.SGD(0.1, use_ema=True))
    x = rng.normal(size=(16, 1, 17, 2)).astype("float32")
    found = []
    for _ in range(2):
        with averaging.averaged_weights(model, [x]):
            found.append(keras.ops.convert_to_numpy(norm.moving_variance).copy())
        model(x, training=True)  # draws random numbers
        keras.random.normal((3,))
    np.testing.assert_array_equal(*found)
    assert np.abs(found[0] - 1.0).max() > 1e-3
