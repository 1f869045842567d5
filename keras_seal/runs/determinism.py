"""Same seed, same backend, same machine: same result."""

from __future__ import annotations

import os
import random

import keras
import numpy as np


def set_seeds(seed: int) -> None:
    """Set the seeds that initial weights and new random generators are drawn from.

    Keras' own `set_random_seed` imports TensorFlow, where it is installed, on every backend: that
    costs seconds and memory.

    Args:
        seed: The seed.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        keras.utils.set_random_seed(seed)
        return
    random.seed(seed)
    np.random.seed(seed)
    if backend == "torch":
        import torch

        torch.manual_seed(seed)


def make_deterministic() -> None:
    """Rule out operations whose result varies from call to call; it holds for the process.

    Call it before anything is computed.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    elif backend == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        # XLA reads it when the first array is made; on a CPU it changes nothing.
        if "xla_gpu_deterministic_ops" not in flags:
            os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
