"""Names and shapes of published state dicts, and the check that all of them find their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_seal import interop, pose_nets
from tests.checks import to_numpy


def linear(name: str, outputs: int, inputs: int, *size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, *size), f"{name}.bias": (outputs,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def batch_norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    statistics = {f"{name}.running_mean": (channels,), f"{name}.running_var": (channels,)}
    return {**norm(name, channels), **statistics, f"{name}.num_batches_tracked": ()}


def transformer_blocks(name: str, count: int, channels: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for index in range(count):
        block = f"{name}.{index}"
        found |= norm(f"{block}.norm1", channels) | norm(f"{block}.norm2", channels)
        found |= linear(f"{block}.attn.qkv", 3 * channels, channels)
        found |= linear(f"{block}.attn.proj", channels, channels)
        found |= linear(f"{block}.mlp.fc1", 2 * channels, channels)
        found |= linear(f"{block}.mlp.fc2", channels, 2 * channels)
    return found


def check_conversion(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    parameters: int,
    options: Mapping[str, Any] | None = None,
    **expected: Any,
) -> Any:
    """Check that a published state dict's names and shapes make a net and fill it.

    Args:
        name: Class name of the pose-net.
        shapes: Shape by published name.
        parameters: Published number of parameters at that size.
        options: Constructor arguments that the weights do not tell.
        **expected: What the configuration read off the shapes must hold.

    Returns:
        The net and the arrays it was filled with.
    """
    converter = interop.get(name)
    config = converter.infer_config(shapes)
    assert {key: config[key] for key in expected} == expected
    net = getattr(pose_nets, name)(**{**config, **(options or {})})
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == parameters
    rng = np.random.default_rng(0)
    state = {
        f"module.{entry}": rng.uniform(0.1, 1.0, shape).astype("float32")
        for entry, shape in shapes.items()
    }
    report = interop.load_state_dict(net, state, converter.targets(net), converter.IGNORED)
    assert report.missing == ()
    assert set(report.used) | set(report.skipped) == set(shapes)
    for entry in report.skipped:
        assert "num_batches_tracked" in entry or any(converter.IGNORED.values()), entry
    # Every array is somewhere in the net: sums do not depend on the layout.
    total = sum(float(np.sum(state[f"module.{entry}"], dtype="float64")) for entry in report.used)
    weights = [w for w in net.weights if "seed_generator" not in w.path]
    held = sum(float(np.sum(to_numpy(w), dtype="float64")) for w in weights)
    np.testing.assert_allclose(held, total, rtol=1e-5)
    return net, state
