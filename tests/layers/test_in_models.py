"""Layers inside people's own Keras models: symbolic shapes, and a `.keras` file."""

import json

import keras
import numpy as np
from keras import ops

from keras_seal import layers
from tests.checks import forward, randomize, to_numpy


def test_layers_survive_a_keras_file(rng, tmp_path):
    graph = {"skeleton": "human36m_17"}
    inputs = keras.Input((None, 17, 2))
    x = layers.FoldFrames()(inputs)
    x = layers.JointProjection(8, 4)(x)
    x = layers.GraphConv(8, **graph, learned_edges="scale")(x)
    x = layers.SemanticGraphConv(8, **graph, activation="relu")(x)
    x = layers.ModulatedGraphConv(8, adjacency=np.ones((17, 17)))(x)
    x = layers.ChebGraphConv(8, **graph)(x)
    x = layers.NonLocalBlock(**graph)(x)
    x = layers.GraphToken()(x)
    x = layers.SkeletonTransformerBlock(2, **graph, graph_token=True, dropout=0.1)(x)
    x = layers.SkeletonAttention(2, **graph, graph_token=True)(x)[:, 1:]
    x = layers.GraphConv(3, **graph)(x)
    outputs = layers.RootRelative(**graph)(layers.UnfoldFrames()([x, inputs]))
    model = keras.Model(inputs, outputs)
    assert tuple(model.output.shape) == (None, None, 17, 3)
    randomize(model)
    keypoints = rng.standard_normal((3, 2, 17, 2)).astype("float32")
    expected = to_numpy(forward(model, [keypoints]))
    assert expected.shape == (3, 2, 17, 3) and np.isfinite(expected).all()

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(forward(loaded, [keypoints])), expected)


def test_joints_first_layers_take_unknown_batches():
    inputs = keras.Input(batch_shape=(17, None, 2))
    outputs = layers.SemanticGraphConv(4, "human36m_17", joint_axis=0)(inputs)
    assert tuple(outputs.shape) == (17, None, 4)
    model = keras.Model(inputs, outputs)
    assert tuple(model(ops.zeros((17, 5, 2))).shape) == (17, 5, 4)
    assert json.loads(model.to_json())["config"]["layers"][1]["config"]["joint_axis"] == 0
