"""H3WB: whole-body poses of Human3.6M's people."""

from __future__ import annotations

from keras_seal.data.sources.h3wb.masking import draw_seen
from keras_seal.data.sources.h3wb.source import H3WBSource

__all__ = ["H3WBSource", "draw_seen"]
