"""Graph convolutions: the shared check, closed forms in numpy, equivariance and locality."""

import numpy as np
import pytest
from keras import ops

from keras_seal import layers, skeletons
from tests.backend_gradients import gradients
from tests.checks import check_layer, randomize, to_numpy

# A chain of four with a branch: joints 0-1-2-3 and 1-4; unequal degrees, no symmetry.
EDGES = ((0, 1), (1, 2), (2, 3), (1, 4))
ADJACENCY = np.zeros((5, 5), "float32")
for one, other in EDGES:
    ADJACENCY[one, other] = ADJACENCY[other, one] = 1.0
HOPS = np.array(
    [[0, 1, 2, 3, 2], [1, 0, 1, 2, 1], [2, 1, 0, 1, 2], [3, 2, 1, 0, 3], [2, 1, 2, 3, 0]]
)

VARIANTS = {
    "symmetric": (layers.GraphConv, {}),
    "row": (layers.GraphConv, {"normalization": "row", "self_loops": False}),
    "column": (layers.GraphConv, {"normalization": "column", "learned_edges": "scale"}),
    "none": (layers.GraphConv, {"normalization": "none", "learned_edges": "offset"}),
    "apart": (layers.GraphConv, {"separate_self_weights": True, "learned_edges": "offset"}),
    "apart without loops": (
        layers.GraphConv,
        {"separate_self_weights": True, "self_loops": False, "normalization": "row"},
    ),
    "semantic": (layers.SemanticGraphConv, {}),
    "modulated": (layers.ModulatedGraphConv, {"modulation_initializer": "glorot_uniform"}),
    "chebyshev": (layers.ChebGraphConv, {"order": 3}),
}


def make(name, units=4, **options):
    layer, fixed = VARIANTS[name]
    return layer(units, adjacency=ADJACENCY, **{**fixed, **options})


def normalized(a, how, loops):
    a = a.astype("float64").copy()
    a[np.diag_indices(5)] = float(loops)
    out = np.zeros_like(a)
    for i in range(5):
        for j in range(5):
            divisor = {
                "symmetric": np.sqrt(a[i].sum() * a[:, j].sum()),
                "row": a[i].sum(),
                "column": a[:, j].sum(),
                "none": 1.0,
            }[how]
            out[i, j] = a[i, j] / divisor
    return out


def reference(layer, name, x):
    """The layer's outputs by loops over joints, from its formula alone."""
    w = {weight.name: to_numpy(weight).astype("float64") for weight in layer.weights}
    kernel, x = w["kernel"], x.astype("float64")
    _, options = VARIANTS[name]
    terms = []
    if name == "semantic":
        exponentials = np.zeros((5, 5))
        place = 0
        for i in range(5):
            for j in range(5):
                if i == j or ADJACENCY[i, j]:
                    exponentials[i, j] = np.exp(w["edge_logits"][place])
                    place += 1
        a = exponentials / exponentials.sum(1, keepdims=True)
        terms = [(np.diag(np.diag(a)), 0), (a - np.diag(np.diag(a)), 1)]
    elif name == "modulated":
        a = normalized(ADJACENCY, "row", False) + np.eye(5) + w["adjacency_offset"]
        a = (a + a.T) / 2
        terms = [(np.diag(np.diag(a)), 0), (a - np.diag(np.diag(a)), 1)]
    elif name == "chebyshev":
        degrees = ADJACENCY.sum(1)
        laplacian = np.eye(5) - ADJACENCY / np.sqrt(np.outer(degrees, degrees))
        values, vectors = np.linalg.eigh(laplacian)
        scaled = np.clip(2 * values / values.max() - 1, -1, 1)
        # T_k(cos t) = cos(k t), on the eigenvalues.
        terms = [
            (vectors @ np.diag(np.cos(k * np.arccos(scaled))) @ vectors.T, k) for k in range(3)
        ]
    else:
        loops = options.get("self_loops", True)
        a = normalized(ADJACENCY, options.get("normalization", "symmetric"), loops)
        apart = options.get("separate_self_weights", False)
        if apart and not loops:
            a += np.eye(5)
        if options.get("learned_edges") == "scale":
            a[a != 0] *= w["edge_weights"]
        elif options.get("learned_edges") == "offset":
            a = a + w["edge_weights"]
        diagonal = np.diag(np.diag(a))
        terms = [(diagonal, 0), (a - diagonal, 1)] if apart else [(a, 0)]
    out = np.zeros((*x.shape[:-1], kernel.shape[-1]))
    modulation = w.get("modulation", np.ones((5, kernel.shape[-1])))
    for a, k in terms:
        for i in range(5):
            for j in range(5):
                out[..., i, :] += a[i, j] * (x[..., j, :] @ kernel[k]) * modulation[j]
    return out + w["bias"]


@pytest.mark.parametrize("name", VARIANTS)
def test_shared_check(name, rng):
    x = rng.standard_normal((3, 5, 4)).astype("float32")
    check_layer(lambda **more: make(name, **more), x, (3, 5, 4))


@pytest.mark.parametrize("channels, units", [(2, 6), (6, 2), (4, 4)])
@pytest.mark.parametrize("name", VARIANTS)
def test_against_numpy(name, channels, units, rng):
    layer = make(name, units)
    layer.build((None, 5, channels))
    randomize(layer)
    x = rng.standard_normal((3, 2, 5, channels)).astype("float32")
    expected = reference(layer, name, x)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-5)

    first = make(name, units, joint_axis=0)
    first.build((5, None, channels))
    first.set_weights(layer.get_weights())
    outputs = to_numpy(first(x.transpose(2, 0, 1, 3)))
    np.testing.assert_allclose(outputs.transpose(1, 2, 0, 3), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 1, 5, 3)])
def test_any_batch_axes(name, shape, rng):
    layer = make(name)
    x = rng.standard_normal(shape).astype("float32")
    outputs = to_numpy(layer(x))
    assert outputs.shape == (*shape[:-1], 4) == layer.compute_output_shape(shape)
    np.testing.assert_allclose(outputs, reference(layer, name, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_relabelling_the_joints_relabels_the_outputs(name, rng):
    order = rng.permutation(5)
    layer = make(name)
    x = rng.standard_normal((2, 5, 3)).astype("float32")
    layer.build(x.shape)
    randomize(layer)
    kind, fixed = VARIANTS[name]
    other = kind(4, adjacency=ADJACENCY[np.ix_(order, order)], **fixed)
    other.build(x.shape)
    for weight, twin in zip(layer.weights, other.weights, strict=True):
        value = to_numpy(weight)
        if weight.name in ("edge_logits", "edge_weights") and value.ndim == 1:
            # One number an edge, row by row: where they stand depends on the labels.
            pattern = ADJACENCY + np.eye(5) > 0
            full = np.zeros((5, 5), "float32")
            full[pattern] = value
            value = full[np.ix_(order, order)][pattern[np.ix_(order, order)]]
        elif weight.name in ("adjacency_offset", "edge_weights"):
            value = value[np.ix_(order, order)]
        elif weight.name == "modulation":
            value = value[order]
        twin.assign(value)
    np.testing.assert_allclose(
        to_numpy(other(x[:, order])), to_numpy(layer(x))[:, order], rtol=1e-4, atol=1e-5
    )


def reached(layer, rng):
    """Which joints (columns) each joint (rows) of the outputs depends on."""
    x = rng.standard_normal((5, 5, 3)).astype("float32")
    layer.build(x.shape)
    randomize(layer)
    # Sample i reads joint i of its outputs: one gradient serves all joints.
    chosen = ops.convert_to_tensor(np.eye(5, dtype="float32")[:, :, None])
    _, (by_input,), _ = gradients(lambda tensor: ops.sum(layer(tensor) * chosen), [x])
    return np.abs(by_input).sum(2) > 0


def test_a_joint_hears_exactly_its_neighbours(rng):
    for name in ("symmetric", "column", "semantic", "apart without loops"):
        np.testing.assert_array_equal(reached(make(name), rng), HOPS <= 1, err_msg=name)
    np.testing.assert_array_equal(reached(make("row"), rng), HOPS == 1)
    assert reached(make("none"), rng).all()
    assert reached(make("modulated"), rng).all()


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_chebyshev_sees_order_minus_one_hops(order, rng):
    np.testing.assert_array_equal(reached(make("chebyshev", order=order), rng), order > HOPS)


def test_chebyshev_eigenvalues_lie_between_minus_one_and_one():
    polynomials = layers.chebyshev_polynomials(skeletons.get("h3wb_133").adjacency, 2)
    values = np.linalg.eigvalsh(polynomials[1])
    assert values.min() >= -1 - 1e-5 and abs(values.max() - 1) < 1e-5


def test_sizes_of_the_published_layers():
    def size(layer):
        layer.build((None, 16, 32))
        return sum(int(np.prod(weight.shape)) for weight in layer.weights)

    assert size(layers.SemanticGraphConv(32, "human36m_16")) == 2 * 32 * 32 + 46 + 32
    assert size(layers.ModulatedGraphConv(32, "human36m_16")) == (
        2 * 32 * 32 + 16 * 16 + 16 * 32 + 32
    )


def test_semantic_rows_are_distributions_over_the_edges(rng):
    layer = layers.SemanticGraphConv(3, "human36m_17")
    layer.build((None, 17, 2))
    edges = layer.skeleton.adjacency + np.eye(17) > 0
    matrix = to_numpy(layer.propagation_matrix())
    np.testing.assert_allclose(matrix, edges / edges.sum(1, keepdims=True), rtol=1e-6)
    layer.edge_logits.assign(80.0 * rng.standard_normal(layer.num_edges))
    matrix = to_numpy(layer.propagation_matrix())
    np.testing.assert_allclose(matrix.sum(1), 1.0, rtol=1e-5)
    assert (matrix[~edges] == 0).all()


def test_modulated_matrix_is_symmetric(rng):
    layer = layers.ModulatedGraphConv(3, "human36m_17")
    layer.build((None, 17, 2))
    layer.adjacency_offset.assign(rng.standard_normal((17, 17)))
    matrix = to_numpy(layer.propagation_matrix())
    np.testing.assert_array_equal(matrix, matrix.T)


def test_options_of_keras_layers_work():
    layer = layers.GraphConv(
        3, "human36m_17", activation="relu", use_bias=False, kernel_regularizer="l2"
    )
    outputs = to_numpy(layer(np.ones((2, 17, 2), "float32")))
    assert (outputs >= 0).all() and [w.name for w in layer.weights] == ["kernel"]
    assert len(layer.losses) == 1
    twin = layers.GraphConv.from_config(layer.get_config())
    assert twin.kernel_regularizer is not None and not twin.use_bias


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.GraphConv(4), "neither"),
        (lambda: layers.GraphConv(4, "coco_17", adjacency=ADJACENCY), "both"),
        (lambda: layers.GraphConv(4, adjacency=ADJACENCY[:3]), r"\(joints, joints\)"),
        (lambda: layers.GraphConv(4, adjacency=-ADJACENCY), ">= 0"),
        (lambda: layers.GraphConv(0, "coco_17"), "units"),
        (lambda: layers.GraphConv(4, "coco_17", normalization="rows"), "normalization"),
        (lambda: layers.GraphConv(4, "coco_17", learned_edges="all"), "learned_edges"),
        (lambda: layers.GraphConv(4, "coco_17", joint_axis=1), "joint_axis"),
        (lambda: layers.ChebGraphConv(4, "coco_17", order=0), "order"),
        (lambda: layers.ChebGraphConv(4, adjacency=np.triu(ADJACENCY)), "symmetric"),
        (lambda: make("semantic")(np.zeros((2, 6, 3), "float32")), "5 joints but got 6"),
        (lambda: make("apart", joint_axis=0)(np.zeros((2, 5, 3), "float32")), "5 joints but got 2"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_adjacency_helpers():
    np.testing.assert_array_equal(layers.hop_distances(ADJACENCY), HOPS)
    apart = np.zeros((3, 3))
    apart[0, 1] = apart[1, 0] = 1
    assert layers.hop_distances(apart)[0].tolist() == [0, 1, 3]
    row = layers.normalize_adjacency(apart, "row", self_loops=False)
    assert row.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    skeleton = skeletons.get("h3wb_133")
    np.testing.assert_array_equal(layers.hop_distances(skeleton.adjacency), skeleton.hop_distances)
