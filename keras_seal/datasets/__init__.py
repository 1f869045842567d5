"""Data sets prepared on disk through TensorFlow Datasets, and what they hold.

The builders lie in `datasets/` of the source tree (inside an installed package:
`keras_seal/datasets/builders`); each is a thin wrapper of a source in `keras_seal.data.sources`.
"""

from keras_seal.datasets.library import FORMATS, data_folder, get, names
from keras_seal.datasets.preparing import prepare
from keras_seal.datasets.reading import as_data_source, as_dataset, load

__all__ = [
    "FORMATS",
    "as_data_source",
    "as_dataset",
    "data_folder",
    "get",
    "load",
    "names",
    "prepare",
]
