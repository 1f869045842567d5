"""What the parity runners share: random weights, and the comparison with the original module.

A runner takes the path of a checkout of the original repository, gives its PyTorch module random
weights (batch statistics among them), loads them into ours through `keras_seal.interop`, and
compares outputs and gradients: in float32, and in float64 too. A ReLU whose input is nearly zero
may be open in the one net and shut in the other for nothing but rounding, and then a gradient in
float32 is off by far more than rounding; in float64 it is not, unless the nets differ. Nothing of
the original is kept here; the runners import it from the checkout.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch


def arguments(description: str | None) -> argparse.Namespace:
    """Read the runner's command line."""
    # The originals draw their first weights from here.
    torch.manual_seed(0)
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--repo", type=Path, required=True, help="checkout of the original")
    return parser.parse_args()


@contextlib.contextmanager
def imports_from(folder: Path, packages: tuple[str, ...] = ()) -> Iterator[Any]:
    """Import modules from a folder, and forget `packages` afterwards (trees share their names)."""
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(folder))
        for name in [n for n in sys.modules if n.split(".")[0] in packages]:
            del sys.modules[name]


def randomize(module: torch.nn.Module, seed: int = 0, spread: float = 1.0) -> torch.nn.Module:
    """Move all parameters and batch statistics of a module away from where they start.

    Matrices get noise that keeps the size of what passes through them, so that the gradient by
    the input does not drown in rounding.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                shape = parameter.shape
                # Graph weights are (2, in, out), all others (out, in, ...).
                stacked = len(shape) == 3 and shape[0] == 2
                fan_in = shape[1] if stacked else shape[1:].numel()
                size = fan_in**-0.5 if len(shape) > 1 and shape[0] > 1 else 0.1
                parameter.add_(spread * size * noise)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.3 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return module.eval()


def in_double(net: Any) -> Any:
    """Copy a net, its weights included, to float64, whatever its layers ask for."""
    import keras

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer  # an operation, without weights or dtype
        config = json.dumps(keras.layers.serialize(layer)).replace('"float32"', '"float64"')
        return keras.layers.deserialize(json.loads(config))

    twin = keras.models.clone_model(net, clone_function=clone)
    twin.set_weights(net.get_weights())
    return twin


@contextlib.contextmanager
def all_in_double() -> Iterator[None]:
    """Keep to float64 where layers, and Keras itself, go down to float32 on purpose."""
    from keras import ops
    from keras.src import backend
    from keras.src.backend.common import dtypes

    cast, result_type = ops.cast, dtypes.result_type

    def in_double(*types: Any) -> str:
        double = any(str(each).endswith("float64") for each in types)
        return "float64" if double else result_type(*types)

    ops.cast = lambda x, dtype: cast(x, "float64" if dtype == "float32" else dtype)
    dtypes.result_type = backend.result_type = in_double
    try:
        yield
    finally:
        ops.cast = cast
        dtypes.result_type = backend.result_type = result_type


def compare(
    name: str,
    net: Any,
    interop: Any,
    original: torch.nn.Module | dict[str, torch.nn.Module],
    call: Callable[[torch.Tensor], torch.Tensor],
    *,
    batch: int = 3,
    prepare: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict,
    double: bool = True,
    **facts: Any,
) -> dict[str, Any]:
    """Load the original's weights into our net, compare, and print one line of JSON.

    Args:
        name: Of the variant.
        net: Our pose-net.
        interop: Its module in `keras_seal.interop`.
        original: The original module, or several by the prefix of their names.
        call: Runs the original on `(batch, frames, joints, channels)`; returns poses like ours,
            before the root is taken off.
        batch: Samples.
        prepare: What is done to the state dict first.
        double: Whether to compare in float64 as well.
        **facts: Printed along.
    """
    from keras_seal.interop.base import load_state_dict

    modules = original if isinstance(original, dict) else {"": original}
    state = {
        prefix + key: value.numpy()
        for prefix, module in modules.items()
        for key, value in module.state_dict().items()
    }
    report = load_state_dict(net, prepare(state), interop.targets(net), interop.IGNORED)
    rng = np.random.default_rng(1)
    shape = (batch, *net.input.shape[1:])
    keypoints = rng.uniform(-1, 1, shape).astype("float32")
    truth = torch.tensor(rng.standard_normal((batch, *net.output.shape[1:])))

    def differences(ours: Any, dtype: torch.dtype) -> tuple[float, float, float]:
        results = []
        for run in (lambda x: ours(x, training=False), call):
            x = torch.tensor(keypoints, dtype=dtype, requires_grad=True)
            poses = run(x)
            assert poses.dtype == dtype
            # On our own output this changes nothing.
            poses = poses - poses[:, :, origin].mean(dim=2, keepdim=True)
            loss = torch.linalg.norm(poses - truth.to(dtype), dim=-1).mean()
            (gradient,) = torch.autograd.grad(loss, x)
            results.append((poses.detach().numpy(), gradient.numpy()))
        (poses, gradient), (their_poses, their_gradient) = results
        largest = float(np.abs(their_poses).max())
        return (
            float(np.abs(poses - their_poses).max() / max(1.0, largest)),
            float(np.abs(gradient - their_gradient).max() / np.abs(their_gradient).max()),
            largest,
        )

    origin = list(net.skeleton.origin)
    output_difference, gradient_difference, largest = differences(net, torch.float32)
    facts = {"largest_output": largest, **facts}
    if double:
        for module in modules.values():
            module.double()
        with all_in_double():
            in_float64 = differences(in_double(net), torch.float64)
        facts["max_output_difference_float64"] = in_float64[0]
        facts["max_gradient_difference_float64"] = in_float64[1]
        for module in modules.values():
            module.float()
    trainable = sum(p.numel() for m in modules.values() for p in m.parameters() if p.requires_grad)
    line = {
        "net": name,
        "frames": int(net.num_frames),
        "max_output_difference": output_difference,
        "max_gradient_difference": gradient_difference,
        "parameters": int(sum(np.prod(w.shape) for w in net.trainable_weights)),
        "original_parameters": trainable,
        "missing": list(report.missing),
        "skipped": len(report.skipped),
        **facts,
    }
    print(json.dumps(line), flush=True)
    return line
