"""State dicts into nets: layouts, completeness, and what is refused."""

import keras
import numpy as np
import pytest

from keras_seal.errors import UserError
from keras_seal.interop.base import (
    Target,
    as_is,
    batch_norm,
    conv1d,
    dense,
    layer_norm,
    load_state_dict,
    strip_prefix,
)


def make_net():
    return keras.Sequential(
        [
            keras.Input((9, 4)),
            keras.layers.Conv1D(5, 3, name="conv"),
            keras.layers.BatchNormalization(epsilon=1e-5, name="bn"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(6, name="fc"),
            keras.layers.LayerNormalization(epsilon=1e-5, name="ln"),
        ]
    )


def make_targets(net):
    get = net.get_layer
    return {
        **conv1d(get("conv"), "c"),
        **batch_norm(get("bn"), "b"),
        **dense(get("fc"), "f"),
        **layer_norm(get("ln"), "n"),
    }


def make_state(rng):
    shapes = {
        "c.weight": (5, 4, 3),
        "c.bias": (5,),
        "b.weight": (5,),
        "b.bias": (5,),
        "b.running_mean": (5,),
        "b.running_var": (5,),
        "f.weight": (6, 5, 1),
        "f.bias": (6,),
        "n.weight": (6,),
        "n.bias": (6,),
    }
    state = {f"module.{name}": rng.uniform(0.5, 1, shape) for name, shape in shapes.items()}
    return {**state, "module.b.num_batches_tracked": np.array(7)}


def test_layouts_against_numpy(rng):
    net, state = make_net(), make_state(rng)
    report = load_state_dict(net, state, make_targets(net))
    assert len(report.used) == 10 and report.missing == ()
    assert list(report.skipped) == ["b.num_batches_tracked"]
    s = strip_prefix(state)
    x = rng.standard_normal((2, 9, 4)).astype("float32")
    h = sum(x[:, k : k + 7] @ s["c.weight"][:, :, k].T for k in range(3)) + s["c.bias"]
    h = (h - s["b.running_mean"]) / np.sqrt(s["b.running_var"] + 1e-5)
    h = (h * s["b.weight"] + s["b.bias"]) @ s["f.weight"][:, :, 0].T + s["f.bias"]
    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
    expected = h * s["n.weight"] + s["n.bias"]
    np.testing.assert_allclose(net.predict_on_batch(x), expected, atol=1e-4)


def test_parts_fill_one_variable():
    layer = keras.layers.Dense(4, use_bias=False)
    layer.build((None, 3))
    targets = {
        "a": Target(layer.kernel, np.transpose, np.s_[:, :2]),
        "b": as_is(layer.kernel, np.s_[:, 2:]),
    }
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones((1, 3, 2))}
    load_state_dict(layer, arrays, targets)
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    np.testing.assert_array_equal(kernel, [[0, 3, 1, 1], [1, 4, 1, 1], [2, 5, 1, 1]])
    with pytest.raises(UserError, match="No entry of the state dict fills"):
        load_state_dict(layer, {"a": arrays["a"]}, {"a": targets["a"]})


def test_refusals_name_the_entry_and_change_nothing(rng):
    net = make_net()
    before = net.get_weights()
    state = make_state(rng)
    targets = make_targets(net)

    def refused(message, **changes):
        with pytest.raises(UserError, match=message):
            load_state_dict(net, {**state, **changes}, targets)

    refused(r"'f.weight' has shape \(6, 4\).*\(5, 6\)", **{"module.f.weight": np.ones((6, 4))})
    refused("nothing for 'extra'", extra=np.ones(3))
    refused("not finite", **{"module.f.bias": np.full(6, np.nan)})
    without = {name: value for name, value in state.items() if "running_mean" not in name}
    with pytest.raises(UserError, match=r"lacks 'b\.running_mean'"):
        load_state_dict(net, without, targets)
    with pytest.raises(UserError, match="both with and without"):
        strip_prefix({"module.a": 1, "a": 2})
    missing = {name: target for name, target in targets.items() if name != "n.bias"}
    with pytest.raises(UserError, match=r"nothing for 'n\.bias'"):
        load_state_dict(net, state, missing)
    with pytest.raises(UserError, match=r"fills '\S*ln/beta'"):
        load_state_dict(net, state, missing, {r"n\.bias": "not wanted here"})
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    report = load_state_dict(net, {**state, "extra": np.ones(3)}, targets, {"ex.*": "a buffer"})
    assert report.skipped["extra"] == "a buffer"
