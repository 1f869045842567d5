"""Files of motions for other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from keras_seal.errors import UserError, nearest
from keras_seal.inference.motion import Motion
from keras_seal.inference.writing.arrays import load_npz, write_npz
from keras_seal.inference.writing.bvh import write_bvh
from keras_seal.inference.writing.gltf import write_glb
from keras_seal.inference.writing.mmpose import write_json
from keras_seal.inference.writing.table import write_csv

__all__ = [
    "formats",
    "load_npz",
    "write",
    "write_bvh",
    "write_csv",
    "write_glb",
    "write_json",
    "write_npz",
]


def _one(name: str, writer: Callable[[Motion, Path], object]) -> Callable[[Motion, Path], list]:
    def write_one(motion: Motion, folder: Path) -> list[Path]:
        writer(motion, folder / name)
        return [folder / name]

    return write_one


_WRITERS: dict[str, Callable[[Motion, Path], list[Path]]] = {
    "npz": _one("motion.npz", write_npz),
    "json": _one("motion.json", write_json),
    "csv": _one("motion.csv", write_csv),
    "bvh": lambda motion, folder: [
        write_bvh(motion, folder / f"person_{person}.bvh", person) for person in motion.people
    ],
    "glb": _one("motion.glb", write_glb),
}


def formats() -> list[str]:
    """List the formats that motions can be written in.

    Returns:
        Their names.

    Examples:
        >>> formats()
        ['npz', 'json', 'csv', 'bvh', 'glb']
    """
    return list(_WRITERS)


def checked_formats(names: Sequence[str]) -> list[str]:
    """Check formats before anything is computed.

    Args:
        names: Names of formats.

    Returns:
        The names, each once.

    Raises:
        UserError: There is no such format, or what it needs is not installed.
    """
    for name in names:
        if name not in _WRITERS:
            raise UserError(f"There is no output format '{name}'.{nearest(name, _WRITERS)}")
    if "glb" in names:
        from keras_seal.inference.writing.gltf import require_pygltflib

        require_pygltflib()
    return list(dict.fromkeys(names))


def write(motion: Motion, folder: str | Path, names: Sequence[str] = ("npz",)) -> list[Path]:
    """Write a motion in several formats.

    Args:
        motion: The motion.
        folder: Where to; made where it is missing.
        names: Formats, of `formats()`.

    Returns:
        The files.

    Raises:
        UserError: There is no such format, or what it needs is not installed.
    """
    return [
        path for name in checked_formats(names) for path in _WRITERS[name](motion, Path(folder))
    ]
