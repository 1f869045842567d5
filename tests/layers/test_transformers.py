"""Transformer layers: the shared check, numpy references, and what chance may do."""

import numpy as np
import pytest
from keras import ops

from keras_seal.layers import (
    DeviationNormalization,
    DiscreteCosine,
    DropPath,
    FeedForward,
    PositionEmbedding,
    RootRelative,
    SelfAttention,
    TransformerBlock,
    WeightedMean,
)
from tests.checks import check_layer, randomize, to_numpy


@pytest.mark.parametrize(
    "make, shape, output_shape",
    [
        (lambda **k: SelfAttention(2, axis=-3, qkv_bias=False, **k), (2, 5, 3, 8), None),
        (
            lambda **k: SelfAttention(
                2, head_channels=3, projection_bias=False, kernel_initializer="he_normal", **k
            ),
            (2, 5, 8),
            None,
        ),
        (lambda **k: FeedForward(6, activation="relu", dropout=0.1, **k), (2, 3, 4), None),
        (
            lambda **k: TransformerBlock(
                2, layer_scale=0.1, dropout=0.1, attention_dropout=0.1, drop_path=0.2, **k
            ),
            (3, 5, 8),
            None,
        ),
        (lambda **k: PositionEmbedding(axis=-3, **k), (2, 5, 3, 4), None),
        (lambda **k: DiscreteCosine(3, **k), (2, 5, 4), (2, 3, 4)),
        (lambda **k: DeviationNormalization(**k), (2, 5, 4), None),
        (lambda **k: WeightedMean(**k), (2, 5, 4), (2, 1, 4)),
        (lambda **k: DropPath(0.3, seed=1, **k), (2, 5, 4), None),
        (lambda **k: RootRelative("coco_17", mode="zero", **k), (2, 17, 3), None),
    ],
)
def test_shared_check(make, shape, output_shape, rng):
    check_layer(make, rng.standard_normal(shape).astype("float32"), output_shape or shape)


def attention(x, w, heads):
    """Softmax attention of (batch, tokens, channels), written one head at a time."""
    channels = x.shape[-1]
    qkv = x @ w["qkv/kernel"] + w["qkv/bias"]
    width, outputs = channels // heads, []
    for head in range(heads):
        q, k, v = (
            qkv[..., part * channels + head * width : part * channels + (head + 1) * width]
            for part in range(3)
        )
        logits = np.stack([a @ b.T for a, b in zip(q, k, strict=True)]) / np.sqrt(width)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        outputs.append(np.stack([a @ b for a, b in zip(weights, v, strict=True)]))
    return np.concatenate(outputs, -1) @ w["projection/kernel"] + w["projection/bias"]


@pytest.mark.parametrize("axis", [-2, -3])
def test_attention_on_either_axis_against_numpy(axis, rng):
    layer = SelfAttention(4, axis=axis)
    x = rng.standard_normal((2, 5, 3, 8)).astype("float32")
    layer(x)
    randomize(layer)
    w = {"/".join(v.path.split("/")[-2:]): to_numpy(v).astype("float64") for v in layer.weights}
    tokens = x if axis == -2 else x.swapaxes(1, 2)
    expected = attention(tokens.reshape(-1, *tokens.shape[2:]), w, 4).reshape(tokens.shape)
    expected = expected if axis == -2 else expected.swapaxes(1, 2)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-5)


@pytest.mark.parametrize("initializer", [None, "glorot_uniform"])
def test_no_two_matrices_start_with_the_same_numbers(initializer):
    attention = SelfAttention(2, kernel_initializer=initializer)
    feed_forward = FeedForward(8, kernel_initializer=initializer)
    for layer, one, other in (
        (attention, "qkv", "projection"),
        (feed_forward, "expand", "contract"),
    ):
        layer.build((None, 5, 8))
        first, second = (to_numpy(getattr(layer, name).kernel).ravel() for name in (one, other))
        assert not np.allclose(first[:64] / first.std(), second[:64] / second.std())


def test_block_without_branches_is_the_identity(rng):
    x = rng.standard_normal((2, 5, 8)).astype("float32")
    block = TransformerBlock(2, layer_scale=0.0)
    np.testing.assert_array_equal(to_numpy(block(x)), x)


def test_drop_path_drops_whole_sequences_and_keeps_the_mean():
    layer = DropPath(0.25, axis=-3, seed=0)
    y = to_numpy(layer(ops.ones((200, 5, 7, 3)), training=True))
    assert set(np.unique(np.round(y, 5))) == {0.0, np.float32(np.round(4 / 3, 5))}
    # One draw for each sample and joint, shared by frames and channels.
    assert (y == y[:, :1, :, :1]).all()
    assert y[:, 0, :, 0].std(axis=1).max() > 0
    assert abs(y.mean() - 1.0) < 0.06
    assert (to_numpy(layer(ops.ones((2, 5, 7, 3)), training=False)) == 1).all()


def test_embedding_longer_than_the_window(rng):
    layer = PositionEmbedding(length=9)
    x = rng.standard_normal((2, 4, 3)).astype("float32")
    layer(x)
    randomize(layer)
    np.testing.assert_allclose(to_numpy(layer(x)), x + to_numpy(layer.embedding)[:4], rtol=1e-6)
    with pytest.raises(ValueError, match="too few for 4 tokens"):
        PositionEmbedding(length=3)(x)


def test_root_relative_by_zero_moves_the_origin_alone(rng):
    poses = rng.standard_normal((2, 3, 17, 3)).astype("float32")
    one = to_numpy(RootRelative("human36m_17", mode="zero")(poses))
    assert (one[..., 0, :] == 0).all()
    np.testing.assert_array_equal(one[..., 1:, :], poses[..., 1:, :])
    hips = [11, 12]
    two = to_numpy(RootRelative("coco_17", mode="zero")(poses))
    np.testing.assert_allclose(two[..., hips, :].mean(-2), 0, atol=1e-6)
    others = [joint for joint in range(17) if joint not in hips]
    np.testing.assert_array_equal(two[..., others, :], poses[..., others, :])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: DropPath(1.0), "at least 0 and less than 1"),
        (lambda: SelfAttention(3)(np.zeros((2, 5, 8), "float32")), "heads divide"),
        (lambda: SelfAttention(2, axis=-3)(np.zeros((5, 8), "float32")), "at least 4 axes"),
        (lambda: SelfAttention(2, axis=1), "-2 or -3"),
        (lambda: RootRelative("coco_17", mode="mean"), "'subtract' or 'zero'"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_discrete_cosine_and_back(rng):
    x = rng.standard_normal((2, 9, 4)).astype("float32")
    t = np.arange(9)
    frequencies = to_numpy(DiscreteCosine()(x))
    for k in range(9):
        wave = 2 * np.cos(np.pi * (2 * t + 1) * k / 18)
        np.testing.assert_allclose(frequencies[:, k], np.einsum("t,btc->bc", wave, x), atol=1e-4)
    np.testing.assert_array_equal(to_numpy(DiscreteCosine(2)(x)), frequencies[:, :2])
    np.testing.assert_allclose(to_numpy(DiscreteCosine(inverse=True)(frequencies)), x, atol=1e-5)


def test_deviation_normalization_against_numpy(rng):
    x = rng.standard_normal((6, 5)).astype("float32")
    x[0] = 3.0
    layer = DeviationNormalization(epsilon=0.1)
    layer(x)
    randomize(layer)
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / (x.std(-1, ddof=1, keepdims=True) + 0.1)
    expected = to_numpy(layer.gamma) * scaled + to_numpy(layer.beta)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-5)
