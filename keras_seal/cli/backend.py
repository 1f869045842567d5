"""Choosing the Keras backend, which must happen before Keras is imported."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click

from keras_seal.errors import UserError

_TENSORFLOW_CHATTER = re.compile(rb"[IWE]\d{4} [\d:.]+ +\d+ |WARNING: All log messages before absl")

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
    """Import Keras, without what TensorFlow always says where there is no graphics card.

    It says so before it heeds TF_CPP_MIN_LOG_LEVEL. All else is passed on.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _filtered_errors():
        import keras

        # TensorFlow looks for devices when it computes for the first time.
        keras.ops.convert_to_numpy(keras.ops.zeros(()))


@contextmanager
def _filtered_errors() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            kept = [line for line in held if not _TENSORFLOW_CHATTER.match(line)]
            os.write(2, b"".join(kept))
