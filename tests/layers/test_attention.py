"""Attention over the skeleton, tokens, frames and the non-local block."""

import math

import numpy as np
import pytest
from keras import ops

from keras_seal import layers, skeletons
from keras_seal.layers.skeleton_attention import EDGE_TYPES, pair_types
from tests.backend_gradients import gradients
from tests.checks import check_layer, randomize, to_numpy

J = 17


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def weights_of(layer):
    return {weight.name: to_numpy(weight).astype("float64") for weight in layer.weights}


@pytest.mark.parametrize(
    "options, outputs",
    [
        ({}, J),
        ({"hard_mask": True, "use_bias": False}, J),
        ({"graph_token": True, "edge_types": True, "dropout": 0.1}, J + 1),
        ({"graph_token": True, "token_only": True}, 1),
    ],
)
def test_attention_shared_check(options, outputs, rng):
    tokens = J + bool(options.get("graph_token"))
    x = rng.standard_normal((3, tokens, 8)).astype("float32")

    def make(**more):
        return layers.SkeletonAttention(2, "human36m_17", **options, **more)

    check_layer(make, x, (3, outputs, 8), constant=())


@pytest.mark.parametrize("token_only", [False, True])
def test_block_shared_check(token_only, rng):
    x = rng.standard_normal((3, J + 1, 8)).astype("float32")

    def make(**more):
        return layers.SkeletonTransformerBlock(
            2, "human36m_17", mlp_ratio=2, graph_token=True, token_only=token_only, **more
        )

    check_layer(make, x, (3, 1 if token_only else J + 1, 8))


def expected_bias(w, options):
    skeleton = skeletons.get("human36m_17")
    hops, degrees = skeleton.hop_distances, skeleton.adjacency.sum(1)
    bias = np.zeros((J, J))
    for i in range(J):
        for j in range(J):
            bias[i, j] = -w["gamma"] * hops[i, j]
            bias[i, j] += w["degree_weight"] * (degrees[i] + degrees[j]) / degrees.max()
            if hops[i, j] > 1:
                bias[i, j] += -np.inf if options.get("hard_mask") else w["penalty"]
            if options.get("edge_types"):
                kinds = (
                    i == j,
                    skeleton.parents[i] == j,
                    skeleton.parents[j] == i,
                    (i, j) in skeleton.mirror_pairs or (j, i) in skeleton.mirror_pairs,
                )
                bias[i, j] += sum(np.array(kinds) * w["edge_type_weights"])
    if options.get("graph_token"):
        full = np.zeros((J + 1, J + 1))
        full[1:, 1:] = bias
        full[0, 1:] = w["token_to_joints"]
        full[1:, 0] = w["joints_to_token"]
        full[0, 0] = w["token_to_token"]
        return full
    return bias


@pytest.mark.parametrize(
    "options",
    [{}, {"hard_mask": True}, {"edge_types": True, "graph_token": True}],
    ids=["soft", "hard", "typed"],
)
def test_attention_against_numpy(options, rng):
    layer = layers.SkeletonAttention(2, "human36m_17", **options)
    x = rng.standard_normal((3, J + bool(options.get("graph_token")), 8)).astype("float32")
    layer.build(x.shape)
    starts = {name: value.item() for name, value in weights_of(layer).items() if value.size == 1}
    assert starts["gamma"] == pytest.approx(0.8) and starts["degree_weight"] == pytest.approx(0.2)
    assert starts.get("penalty", -2.0) == -2.0
    randomize(layer)
    w = weights_of(layer)
    query = x @ w["query_kernel"] + w["query_bias"]
    key, value = np.split(x @ w["key_value_kernel"] + w["key_value_bias"], 2, axis=-1)
    heads = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        logits = query[..., part] @ key[..., part].swapaxes(1, 2) / math.sqrt(4)
        heads.append(softmax(logits + expected_bias(w, options)) @ value[..., part])
    expected = np.concatenate(heads, -1) @ w["output_kernel"] + w["output_bias"]
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-5)
    more_axes = to_numpy(layer(x[None]))
    np.testing.assert_allclose(more_axes[0], expected, rtol=1e-4, atol=1e-5)


def test_token_only_is_the_first_row_of_the_whole(rng):
    options = {"graph_token": True, "mlp_ratio": 1.5}
    whole = layers.SkeletonTransformerBlock(2, "human36m_17", **options)
    token = layers.SkeletonTransformerBlock(2, "human36m_17", token_only=True, **options)
    x = rng.standard_normal((3, J + 1, 8)).astype("float32")
    whole(x)
    token(x)
    randomize(whole)
    values = {weight.path.split("/", 1)[1]: weight for weight in whole.weights}
    for weight in token.weights:
        weight.assign(values[weight.path.split("/", 1)[1]])
    np.testing.assert_allclose(to_numpy(token(x)), to_numpy(whole(x))[:, :1], rtol=1e-4, atol=1e-5)


def test_hard_mask_keeps_attention_to_neighbours(rng):
    layer = layers.SkeletonAttention(2, "human36m_17", hard_mask=True)
    x = rng.standard_normal((J, J, 8)).astype("float32")
    layer.build(x.shape)
    randomize(layer)
    # Sample i reads joint i of its outputs: one gradient serves all joints.
    chosen = ops.convert_to_tensor(np.eye(J, dtype="float32")[:, :, None])
    _, (by_input,), _ = gradients(lambda tensor: ops.sum(layer(tensor) * chosen), [x])
    edges = layer.adjacency + np.eye(J) > 0
    np.testing.assert_array_equal(np.abs(by_input).sum(2) > 0, edges)


def test_block_against_numpy(rng):
    block = layers.SkeletonTransformerBlock(2, "human36m_17", mlp_ratio=2)
    x = rng.standard_normal((3, J, 8)).astype("float32")
    block(x)
    randomize(block)
    w = {"/".join(v.path.split("/")[-2:]): to_numpy(v).astype("float64") for v in block.weights}

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}/gamma"] + w[f"{name}/beta"]

    normed = norm(x.astype("float64"), "attention_norm")
    h = x + to_numpy(block.attention(normed.astype("float32")))
    hidden = norm(h, "mlp_norm") @ w["expand/kernel"] + w["expand/bias"]
    hidden *= 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    expected = h + hidden @ w["contract/kernel"] + w["contract/bias"]
    np.testing.assert_allclose(to_numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


def test_pair_types():
    types = pair_types(skeletons.get("human36m_17"))
    name = {index: kind for index, kind in enumerate(EDGE_TYPES)}
    assert name[types[2, 2]] == "self" and name[types[2, 1]] == "parent"
    assert name[types[1, 2]] == "child" and name[types[13, 16]] == "mirror"
    assert types[3, 10] == len(EDGE_TYPES)


def test_joint_projection_is_a_dense_layer_of_the_joined_features(rng):
    x = rng.standard_normal((3, J, 5)).astype("float32")
    layer = check_layer(lambda **more: layers.JointProjection(6, 4, **more), x, (3, J, 6))
    w = weights_of(layer)
    joined = np.concatenate([x, np.broadcast_to(w["embedding"], (3, J, 4))], -1)
    np.testing.assert_allclose(
        to_numpy(layer(x)), joined @ w["kernel"] + w["bias"], rtol=1e-4, atol=1e-5
    )


def test_graph_token_goes_in_front(rng):
    x = rng.standard_normal((3, J, 5)).astype("float32")
    layer = check_layer(lambda **more: layers.GraphToken(**more), x, (3, J + 1, 5))
    outputs = to_numpy(layer(x))
    np.testing.assert_array_equal(outputs[:, 1:], x)
    np.testing.assert_array_equal(outputs[:, 0], np.tile(weights_of(layer)["token"], (3, 1)))


def test_frames_fold_and_unfold(rng):
    x = rng.standard_normal((3, 4, J, 5)).astype("float32")
    check_layer(lambda **more: layers.FoldFrames(**more), x, (12, J, 5))
    folded = x.reshape(12, J, 5)
    check_layer(lambda **more: layers.UnfoldFrames(**more), [folded, x], (3, 4, J, 5))
    outputs = layers.UnfoldFrames()([layers.FoldFrames()(x), ops.zeros((3, 4))])
    np.testing.assert_array_equal(to_numpy(outputs), x)


@pytest.mark.parametrize("name", ["human36m_17", "coco_17"])
def test_root_relative(name, rng):
    skeleton = skeletons.get(name)
    x = rng.standard_normal((3, 4, J, 3)).astype("float32")
    layer = check_layer(lambda **more: layers.RootRelative(name, **more), x, x.shape)
    expected = x - x[:, :, list(skeleton.origin)].mean(2, keepdims=True)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("joint_axis", [-2, 0])
def test_non_local_block(joint_axis, rng):
    x = rng.standard_normal((3, J, 6)).astype("float32")
    inputs = x if joint_axis else x.swapaxes(0, 1).copy()

    def make(**more):
        return layers.NonLocalBlock("human36m_17", joint_axis=joint_axis, **more)

    np.testing.assert_array_equal(to_numpy(make()(inputs)), inputs)
    layer = check_layer(make, inputs, inputs.shape)
    w = weights_of(layer)
    theta, phi, g = (x @ w[f"{part}_kernel"] + w[f"{part}_bias"] for part in ("theta", "phi", "g"))
    groups = layers.pooling_groups(layer.skeleton)
    mixed = np.zeros((3, J, 3))
    for i in range(J):
        for group in groups:
            pooled = phi[:, list(group)].max(1)
            joined = np.concatenate([theta[:, i], pooled], -1) @ w["affinity_kernel"][:, 0]
            weight = np.maximum(joined, 0) / len(groups)
            mixed[:, i] += weight[:, None] * g[:, list(group)].max(1)
    mixed = mixed @ w["output_kernel"] + w["output_bias"]
    mixed = (mixed - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-5)
    expected = x + mixed * w["gamma"] + w["beta"]
    outputs = to_numpy(layer(inputs))
    outputs = outputs if joint_axis else outputs.swapaxes(0, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("joint_axis", [-2, 0])
def test_gaussian_non_local_block(joint_axis, rng):
    x = rng.standard_normal((3, J, 6)).astype("float32")
    inputs = x if joint_axis else x.swapaxes(0, 1).copy()

    def make(**more):
        return layers.GaussianNonLocalBlock(joint_axis=joint_axis, **more)

    np.testing.assert_array_equal(to_numpy(make()(inputs)), inputs)
    layer = check_layer(make, inputs, inputs.shape)
    w = weights_of(layer)
    maps = x @ w["maps_kernel"] + w["maps_bias"]
    theta, phi, g = maps[..., :3], maps[..., 3:6], maps[..., 6:]
    mixed = np.zeros((3, J, 3))
    for i in range(J):
        logits = np.stack([(theta[:, i] * phi[:, j]).sum(-1) for j in range(J)], -1)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        mixed[:, i] = sum(weights[:, j, None] * g[:, j] for j in range(J))
    mixed = mixed @ w["output_kernel"] + w["output_bias"]
    mixed = (mixed - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-5)
    expected = x + mixed * w["gamma"] + w["beta"]
    outputs = to_numpy(layer(inputs))
    outputs = outputs if joint_axis else outputs.swapaxes(0, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", skeletons.names())
def test_pooling_groups_hold_each_joint_once(name):
    skeleton = skeletons.get(name)
    groups = layers.pooling_groups(skeleton)
    assert sorted(joint for group in groups for joint in group) == list(range(len(skeleton.joints)))
    assert all(len(group) <= 2 for group in groups)


def test_pooling_groups_of_16_joints_are_the_published_ones():
    groups = {frozenset(group) for group in layers.pooling_groups(skeletons.get("human36m_16"))}
    published = [(2, 3), (5, 6), (1, 4), (0, 7), (8, 9), (14, 15), (11, 12), (10, 13)]
    assert groups == {frozenset(pair) for pair in published}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.SkeletonAttention(0, "coco_17"), "num_heads"),
        (lambda: layers.SkeletonAttention(2, "coco_17", token_only=True), "graph_token"),
        (lambda: layers.SkeletonAttention(2, adjacency=np.eye(3), edge_types=True), "skeleton"),
        (lambda: layers.SkeletonAttention(3, "coco_17")(np.zeros((2, 17, 8), "f")), "divide"),
        (
            lambda: layers.SkeletonAttention(2, "coco_17", graph_token=True)(
                np.zeros((2, 17, 8), "f")
            ),
            "graph token and 17 joints",
        ),
        (lambda: layers.JointProjection(8, embedding_dim=0), "embedding_dim"),
        (lambda: layers.GraphToken()(np.zeros((2, 3, 17, 8), "f")), "joints, channels"),
        (lambda: layers.RootRelative("coco_17")(np.zeros((2, 16, 3), "f")), "coco_17"),
        (lambda: layers.NonLocalBlock("coco_17")(np.zeros((2, 17, 7), "f")), "not even"),
        (lambda: layers.NonLocalBlock("coco_17")(np.zeros((2, 16, 8), "f")), "17 joints"),
        (lambda: layers.NonLocalBlock("coco_17", groups=[(0, 1)]), "groups"),
        (lambda: layers.UnfoldFrames()([np.zeros((2, 3), "f")]), "two tensors"),
        (lambda: layers.StackedXavierUniform()((3, 4)), "count, inputs, outputs"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_initializers_stay_in_their_range():
    kernel = to_numpy(layers.StackedXavierUniform(seed=3)((2, 30, 50)))
    limit = 1.414 * math.sqrt(6 / (30 * 50 + 2 * 50))
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_array_equal(
        kernel, to_numpy(layers.StackedXavierUniform(seed=3)((2, 30, 50)))
    )
    twin = layers.StackedXavierUniform.from_config(layers.StackedXavierUniform(2.0, 5).get_config())
    assert (twin.gain, twin.seed) == (2.0, 5)
    bias = to_numpy(layers.InverseRootUniform(seed=3)((400,)))
    assert 0.98 / 20 < np.abs(bias).max() <= 1 / 20
