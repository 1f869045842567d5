"""Which formats there are, and what each one needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from keras_seal.errors import UserError, nearest

# What runs an exported lifter: from its inputs by name to poses.
Run = Callable[[dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Format:
    """A format of exported lifters.

    Args:
        name: Its name; `keras_seal.exporting.NAME` writes it and runs it.
        about: What it is, in words.
        suffix: Ending of the file; empty for a folder.
        packages: Python packages that write and run it, by the name under which they are imported.
    """

    name: str
    about: str
    suffix: str
    packages: Mapping[str, str]


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("saved_model", "TensorFlow SavedModel", "", MappingProxyType({})),
        Format(
            "onnx",
            "ONNX",
            ".onnx",
            MappingProxyType({"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"}),
        ),
        Format(
            "litert",
            "LiteRT (TensorFlow Lite)",
            ".tflite",
            MappingProxyType({"ai_edge_litert": "ai-edge-litert"}),
        ),
        Format("openvino", "OpenVINO", ".xml", MappingProxyType({"openvino": "openvino"})),
    )
}


def check(format: str, path: str | Path) -> Format:
    """Make sure that a lifter can be written in this format, here and now.

    Args:
        format: One of `FORMATS`.
        path: The file or folder to be.

    Returns:
        The format.

    Raises:
        UserError: There is no such format, the path ends otherwise or is taken, or a package that
            the format needs is not installed.

    Examples:
        >>> check("onnx", "lifter.tflite")
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: ONNX is a .onnx file; 'lifter.tflite' ends otherwise.
    """
    if format not in FORMATS:
        raise UserError(f"There is no export format '{format}'.{nearest(format, FORMATS)}")
    chosen, path = FORMATS[format], Path(path)
    if chosen.suffix and path.suffix != chosen.suffix:
        raise UserError(f"{chosen.about} is a {chosen.suffix} file; '{path.name}' ends otherwise.")
    others = [each.suffix for each in FORMATS.values() if each.suffix]
    if not chosen.suffix and path.suffix in (*others, ".keras"):
        raise UserError(f"A {chosen.about} is a folder; '{path.name}' is named like a file.")
    for each in (path, card_path(path), *companions(chosen, path)):
        if each.exists() or each.is_symlink():
            raise UserError(f"{each} is there already, and nothing is written over.")
    missing = [
        package
        for module, package in chosen.packages.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise UserError(
            f"Exporting to {chosen.about} needs {', '.join(missing)}: pip install "
            '"keras-seal[export]".'
        )
    return chosen


def card_path(path: Path) -> Path:
    """Say where an export's card lies.

    Args:
        path: The exported file or folder.

    Returns:
        Its path.
    """
    return path.with_name(f"{path.name}.card.json")


def companions(format: Format, path: Path) -> list[Path]:
    """Say which further files an export consists of.

    Args:
        format: The format.
        path: The exported file.

    Returns:
        Their paths.
    """
    return [path.with_suffix(".bin")] if format.name == "openvino" else []
