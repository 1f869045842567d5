"""Choosing the Keras backend, which must happen before Keras is imported."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from keras_seal.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")

option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="Keras backend; else the recipe's, else KERAS_BACKEND, else Keras' own default.",
)


def select(*wishes: str | None) -> None:
    """Start Keras on a backend.

    Args:
        *wishes: Backends, the most important first; `None` for no wish. Without any,
            KERAS_BACKEND decides, or else Keras' own default.

    Raises:
        UserError: If the backend is unknown or not installed, or Keras runs on another already.
    """
    wish = next((wish for wish in wishes if wish is not None), os.environ.get("KERAS_BACKEND"))
    if wish is not None:
        if wish not in BACKENDS:
            raise UserError(f"KERAS_BACKEND is '{wish}', expected one of {', '.join(BACKENDS)}.")
        if importlib.util.find_spec(wish) is None:
            raise UserError(f"The backend {wish} is not installed: pip install {wish}.")
        os.environ["KERAS_BACKEND"] = wish
    if "keras" not in sys.modules:
        _import_keras()
    running = sys.modules["keras"].backend.backend()
    if wish not in (None, running):
        raise UserError(f"Keras runs on {running} already and cannot change to {wish}.")


def _import_keras() -> None:
    from keras_seal.quiet import without_tensorflow_chatter

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_tensorflow_chatter():
        import keras

        if keras.backend.backend() == "tensorflow":
            # It looks for devices when it computes for the first time.
            keras.ops.convert_to_numpy(keras.ops.zeros(()))
