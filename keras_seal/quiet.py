"""Keeping TensorFlow's chatter off the screen."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = re.compile(
    rb"[IWE]\d{4} [\d:.]+ +\d+ |WARNING: All log messages before absl"
    rb"|To enable the following instructions:|INFO: Created TensorFlow Lite"
)


@contextmanager
def without_tensorflow_chatter() -> Iterator[None]:
    """Drop what TensorFlow says about absent graphics cards; pass on all else that goes to stderr.

    It speaks while it is imported, before it heeds TF_CPP_MIN_LOG_LEVEL. On other backends Keras
    imports it to save and load models.
    """
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
            os.write(2, b"".join(line for line in held if not _CHATTER.match(line)))


def import_tensorflow_quietly() -> None:
    """Import TensorFlow and let it look at the machine, without hearing about it."""
    with without_tensorflow_chatter():
        import tensorflow

        tensorflow.constant(0)
