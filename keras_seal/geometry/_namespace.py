"""One piece of maths for both worlds: NumPy arrays stay NumPy, backend tensors stay tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal.skeletons import Skeleton

_NUMPY_LIKE = (np.ndarray, np.generic, list, tuple, int, float)


def namespace(*arrays: Any) -> Any:
    """Choose the module whose functions compute on these arrays.

    Args:
        *arrays: NumPy arrays, numbers, nested lists or backend tensors.

    Returns:
        `numpy` when nothing is a backend tensor, else `keras.ops`. The functions used of it exist
        in both under the same name.
    """
    if all(isinstance(array, _NUMPY_LIKE) for array in arrays):
        return np
    from keras import ops

    return ops


def as_floats(*arrays: Any) -> tuple[Any, ...]:
    """Choose the namespace of some arrays and give them one floating type: `(xp, array, ...)`.

    The type is that of the floating arrays given (of the tensors, where there are any), so that a
    number, a list or a constant in double precision never changes what is computed in.
    """
    xp = namespace(*arrays)
    if xp is np:
        dtypes = [
            array.dtype
            for array in arrays
            if isinstance(array, np.ndarray | np.generic)
            and np.issubdtype(array.dtype, np.floating)
        ]
        dtype = np.result_type(*dtypes) if dtypes else np.float64
        return (xp, *(np.asarray(array, dtype=dtype) for array in arrays))
    from keras import backend

    names = [
        backend.standardize_dtype(array.dtype)
        for array in arrays
        if not isinstance(array, _NUMPY_LIKE)
    ]
    name = backend.result_type(*names)
    name = name if "float" in name else backend.floatx()
    return (
        xp,
        *(
            xp.convert_to_tensor(np.asarray(array), dtype=name)
            if isinstance(array, _NUMPY_LIKE)
            else xp.cast(array, name)
            for array in arrays
        ),
    )


def is_double(xp: Any, array: Any) -> bool:
    """Whether `array` holds double-precision numbers."""
    if xp is np:
        return array.dtype == np.float64
    from keras import backend

    return backend.standardize_dtype(array.dtype) == "float64"


def constant(xp: Any, values: Any, like: Any) -> Any:
    """Make `values` an array of `xp` with the dtype of `like`."""
    if xp is np:
        return np.asarray(values, dtype=like.dtype)
    return xp.convert_to_tensor(np.asarray(values), dtype=like.dtype)


def safe_divide(xp: Any, numerator: Any, denominator: Any) -> Any:
    """Divide by a non-negative denominator; where that is 0, divide by 1."""
    return numerator / xp.where(denominator > 0, denominator, xp.ones_like(denominator))


def safe_norm(xp: Any, vectors: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """Euclidean norm whose gradient at the zero vector is zero instead of NaN.

    A vector that holds NaN has the norm NaN: an error must not pass for zero.
    """
    squares = xp.sum(vectors * vectors, axis=axis)
    zero = squares == 0
    roots = xp.sqrt(xp.where(zero, xp.ones_like(squares), squares))
    return xp.where(zero, xp.zeros_like(roots), roots)


def coordinates(vectors: Any) -> tuple[Any, ...]:
    """Split the last axis into one array per coordinate.

    Small matrices are applied coordinate by coordinate, not by a matrix product: accelerators
    round the factors of a float32 product to ten bits, which costs half a millimetre on a person.
    """
    return tuple(vectors[..., axis] for axis in range(vectors.shape[-1]))


def check_last_axis(array: Any, size: int, what: str) -> None:
    """Raise `ValueError` unless the last axis of `array` has `size` entries."""
    shape = tuple(array.shape)
    if not shape or shape[-1] != size:
        raise ValueError(f"{what} must have shape (..., {size}), got {shape}.")


def check_poses(poses: Any, skeleton: Skeleton, what: str = "poses") -> None:
    """Raise `ValueError` unless `poses` has shape `(..., joints, 3)` for this skeleton."""
    shape = tuple(poses.shape)
    if len(shape) < 2 or shape[-2:] != (skeleton.num_joints, 3):
        raise ValueError(
            f"{what} must have shape (..., {skeleton.num_joints}, 3) for skeleton "
            f"'{skeleton.name}', got {shape}."
        )
