"""One check that every layer, one that every pose-net and one that every loss-net passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from tests.backend_gradients import compiled, gradients

_COMPILED: dict[keras.Model, Any] = {}
MIXED = {"mixed_float16": 2e-2, "mixed_bfloat16": 1.5e-1}


def to_numpy(tensor: Any) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def dtype_of(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)


def randomize(model: Any, seed: int = 0) -> None:
    """Move all weights away from starts such as 0 and 1, where mistakes hide."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = to_numpy(weight)
        if "seed" in weight.name or "variance" in weight.name:
            continue
        weight.assign(value + 0.2 * rng.standard_normal(value.shape).astype(value.dtype))


def check_layer(
    make: Callable[..., keras.layers.Layer],
    inputs: np.ndarray | Sequence[np.ndarray],
    output_shape: tuple[int, ...],
    *,
    constant: Sequence[str] = (),
) -> keras.layers.Layer:
    """Check what holds for any layer.

    Args:
        make: Returns a new layer; takes `dtype`.
        inputs: One array, or a list where the layer takes several.
        output_shape: Expected shape of the outputs.
        constant: Names of weights the outputs do not depend on.

    Returns:
        The layer, built.
    """
    several = not isinstance(inputs, np.ndarray)
    arrays = list(inputs) if several else [inputs]

    def pack(tensors: Sequence[Any]) -> Any:
        return list(tensors) if several else tensors[0]

    layer = make()
    outputs = layer(pack(arrays))
    assert tuple(outputs.shape) == output_shape
    assert dtype_of(outputs) == "float32"
    randomize(layer)
    outputs = to_numpy(layer(pack(arrays)))
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs, to_numpy(layer(pack(arrays), training=False)))

    # Symbolic and declared shapes agree, with the batch unknown as well.
    shapes = [array.shape for array in arrays]
    assert tuple(layer.compute_output_shape(pack(shapes))) == output_shape
    if any(weight.trainable for weight in layer.weights):
        assert len(layer.trainable_weights) > 0

    # Configuration: through JSON, as a `.keras` file does it.
    config = json.loads(json.dumps(keras.layers.serialize(layer)))
    assert config["registered_name"].startswith("keras_seal>")
    twin = keras.layers.deserialize(config)
    assert twin.get_config() == layer.get_config()
    twin(pack(arrays))
    assert [w.path.split("/")[1:] for w in twin.weights] == [
        w.path.split("/")[1:] for w in layer.weights
    ]
    twin.set_weights(layer.get_weights())
    np.testing.assert_allclose(to_numpy(twin(pack(arrays))), outputs, rtol=1e-6, atol=1e-6)

    # Compiled and eager agree.
    np.testing.assert_allclose(
        to_numpy(compiled(lambda *tensors: layer(pack(tensors)))(*map(ops.array, arrays))),
        outputs,
        rtol=1e-4,
        atol=1e-5,
    )

    # Gradients: finite, and all that should matter does.
    weights = ops.array(np.random.default_rng(1).standard_normal(outputs.shape), "float32")

    def scalar(*tensors: Any) -> Any:
        return ops.sum(ops.cast(layer(pack(tensors)), "float32") * weights)

    _, by_input, by_weight = gradients(scalar, arrays, layer.trainable_weights)
    for array in [*by_input, *by_weight]:
        assert np.isfinite(array).all()
    assert np.abs(by_input[0]).max() > 0
    for weight, array in zip(layer.trainable_weights, by_weight, strict=True):
        assert (np.abs(array).max() > 0) == (weight.name not in constant), weight.path

    # Dtype policies: float32 weights, half-precision outputs near the float32 ones.
    for policy, tolerance in MIXED.items():
        mixed = make(dtype=policy)
        mixed(pack(arrays))
        mixed.set_weights(layer.get_weights())
        result = mixed(pack(arrays))
        assert dtype_of(result) == policy.removeprefix("mixed_")
        assert all(dtype_of(w) == "float32" for w in mixed.trainable_weights)
        scale = np.abs(outputs).max() + 1e-6
        difference = np.abs(to_numpy(ops.cast(result, "float32")) - outputs).max()
        assert difference / scale < tolerance, (policy, difference / scale)
    return layer


def forward(model: keras.Model, arrays: Sequence[np.ndarray]) -> Any:
    """Call a model in inference mode; compiled on jax, where op by op takes many seconds."""

    def call(*tensors: Any) -> Any:
        return model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)

    tensors = [ops.convert_to_tensor(array) for array in arrays]
    if keras.backend.backend() != "jax":
        return call(*tensors)
    import jax

    if model not in _COMPILED:

        def stateless(values: Any, tensors: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return call(*tensors)

        variables = model.variables
        _COMPILED[model] = jax.jit(stateless)
    return _COMPILED[model]([variable.value for variable in model.variables], tensors)


def _check_model(
    model: keras.Model,
    make: Callable[..., keras.Model],
    arrays: list[np.ndarray],
    folder: Path,
    thorough: bool,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Check what holds for pose-nets and loss-nets alike.

    Returns the outputs and the gradients of a mix of them with respect to each input.
    """

    def pack(tensors: Sequence[Any]) -> Any:
        return list(tensors) if len(arrays) > 1 else tensors[0]

    assert isinstance(model, keras.Model) and model.built
    randomize(model)
    outputs = forward(model, arrays)
    assert dtype_of(outputs) == "float32"
    outputs = to_numpy(outputs)
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs, to_numpy(forward(model, arrays)))

    # Graphs, Keras' own and XLA's, agree with the plain call.
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(model.predict_on_batch(pack(arrays)), outputs, **close)
    if thorough and keras.backend.backend() != "jax":
        fast = compiled(lambda *tensors: model(pack(tensors), training=False))
        np.testing.assert_allclose(to_numpy(fast(*map(ops.array, arrays))), outputs, **close)

    # Configuration and file.
    config = json.loads(json.dumps(model.get_config()))
    twin = type(model).from_config(config)
    assert json.loads(json.dumps(twin.get_config())) == config
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model) and loaded.skeleton == model.skeleton
    np.testing.assert_array_equal(to_numpy(forward(loaded, arrays)), outputs)

    # Half precision inside, float32 outside; the configuration keeps the policy.
    for policy, tolerance in list(MIXED.items())[: 2 if thorough else 1]:
        mixed = make(dtype=policy)
        mixed.set_weights(model.get_weights())
        result = forward(mixed, arrays)
        assert dtype_of(result) == "float32"
        assert type(mixed).from_config(mixed.get_config()).dtype_policy.name == policy
        assert {layer.compute_dtype for layer in mixed.layers} >= {policy.removeprefix("mixed_")}
        difference = np.abs(to_numpy(result) - outputs).max() / np.abs(outputs).max()
        assert difference < tolerance, (policy, difference)
    # Gradients, in training mode as training takes them.
    weights = ops.array(np.random.default_rng(1).standard_normal(outputs.shape), "float32")

    def scalar(*tensors: Any) -> Any:
        return ops.sum(model(pack(tensors), training=True) * weights)

    _, by_input, by_weight = gradients(scalar, arrays, model.trainable_weights)
    for array in [*by_input, *by_weight]:
        assert np.isfinite(array).all()
    assert np.abs(by_input[-1]).max() > 0
    idle = [
        weight.path
        for weight, array in zip(model.trainable_weights, by_weight, strict=True)
        if not np.abs(array).max() > 0
    ]
    assert not idle
    return outputs, by_input


def check_pose_net(
    make: Callable[..., keras.Model],
    keypoints: np.ndarray,
    folder: Path,
    thorough: bool = True,
    constant: Sequence[str] = ("frame_mean/bias",),
) -> Any:
    """Check what holds for any pose-net.

    Args:
        make: Returns a new net; takes `dtype`.
        keypoints: Array `(batch, num_frames, joints, channels)`.
        folder: Where to save.
        thorough: Whether to do what takes seconds of compiling too: XLA, two half precisions.
        constant: Ends of paths of weights that the poses do not depend on: by default the bias of
            a mean over frames, which the layer normalisation behind it takes away again.

    Returns:
        The net.
    """
    net = make()
    skeleton = net.skeleton
    shape = (None, net.num_frames, skeleton.num_joints, keypoints.shape[-1])
    assert tuple(net.input.shape) == shape
    assert tuple(net.output.shape) == (None, net.out_frames, skeleton.num_joints, 3)
    assert net.out_frames in (1, net.num_frames)
    poses, _ = _check_model(net, make, [keypoints], folder, thorough)
    origin = poses[:, :, list(skeleton.origin)].mean(axis=2)
    np.testing.assert_allclose(origin, 0.0, atol=1e-5)

    before = [to_numpy(weight).copy() for weight in net.trainable_weights]
    net.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="mean_absolute_error",
        jit_compile=keras.backend.backend() == "jax",
    )
    loss = net.train_on_batch(keypoints, np.zeros(poses.shape, "float32"))
    assert np.isfinite(loss)
    moved = [
        np.abs(to_numpy(w) - old).max() > 0
        for w, old in zip(net.trainable_weights, before, strict=True)
        if not w.path.endswith(tuple(constant))
    ]
    assert all(moved)
    return net


def check_loss_net(
    make: Callable[..., keras.Model],
    keypoints: np.ndarray,
    poses: np.ndarray,
    folder: Path,
    thorough: bool = True,
) -> Any:
    """Check what holds for any loss-net.

    Args:
        make: Returns a new net; takes `dtype`.
        keypoints: Array `(batch, frames, joints, channels)`, frames at least 2.
        poses: Array `(batch, frames, joints, 3)`.
        folder: Where to save.
        thorough: Whether to do what takes seconds of compiling too: XLA, two half precisions.

    Returns:
        The net.
    """
    net = make()
    joints = net.skeleton.num_joints
    assert [tuple(tensor.shape) for tensor in net.inputs] == [
        (None, None, joints, keypoints.shape[-1]),
        (None, None, joints, 3),
    ]
    assert tuple(net.output.shape) == (None, None)
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in net._flatten_layers())
    energy, (by_keypoints, by_poses) = _check_model(net, make, [keypoints, poses], folder, thorough)
    assert energy.shape == keypoints.shape[:2]

    # Frames and samples are scored on their own: any other order gives the same energies.
    turned = to_numpy(forward(net, [keypoints[::-1, ::-1], poses[::-1, ::-1]]))
    np.testing.assert_allclose(turned[::-1, ::-1], energy, rtol=1e-4, atol=1e-4)

    # The keypoints matter exactly if the energy is conditional.
    moved = to_numpy(forward(net, [keypoints[::-1], poses]))
    assert np.allclose(moved, energy, rtol=1e-5, atol=1e-6) == (not net.conditional)
    assert (np.abs(by_keypoints).max() > 0) == bool(net.conditional)
    assert (np.abs(by_poses).reshape(*energy.shape, -1).max(-1) > 0).all()
    return net
