"""From a published checkpoint to a `.keras` file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files, interop, pose_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.interop.base import Report, load_state_dict, strip_prefix
from keras_seal.interop.checkpoints import Checkpoint, read_checkpoint
from keras_seal.pose_nets import image_space


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Args:
        net: The net with its weights.
        report: What became of each name.
        checkpoints: What was read, a checkpoint a file.
    """

    net: pose_nets.PoseNet
    report: Report
    checkpoints: tuple[Checkpoint, ...]

    def lines(self) -> list[str]:
        """Say it, for people.

        Returns:
            Lines of text.
        """
        name = type(self.net).__name__
        if isinstance(self.net, pose_nets.ImageSpaceAdapter):
            name = f"{name} of {type(self.net.net).__name__}"
        said = [
            f"{name} with {self.net.count_params():,} parameters:"
            f" {len(self.report.used)} entries used."
        ]
        reasons: dict[str, list[str]] = {}
        for name, reason in self.report.skipped.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            said.append(f"Skipped {len(names)} ({reason}): {', '.join(names)}")
        if self.report.missing:
            said.append(f"Missing, left at their start: {', '.join(self.report.missing)}")
        stand_ins = dict.fromkeys(name for each in self.checkpoints for name in each.stand_ins)
        if stand_ins:
            said.append(
                "Not read, for reading them would run code in the file (nothing was run):"
                f" {', '.join(stand_ins)}"
            )
        return said


def convert(
    path: str | Path | Sequence[str | Path],
    pose_net: str,
    *,
    skeleton: Any = None,
    key: str | None = None,
    statistics: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    allow_missing: bool = False,
) -> Conversion:
    """Read a published checkpoint into a pose-net.

    Args:
        path: The file; several where the net's stages have one each.
        pose_net: Class name of the pose-net, or one of its presets.
        skeleton: Skeleton, where it is not the one that the published weights are for.
        key: Key of the weights in the file, where it is not one of the usual ones.
        statistics: An `.npz` file with the statistics that the weights' coordinates are
            standardised with, for nets that need them: the converter's `STATISTICS` names its
            arrays.
        options: Constructor arguments that the weights do not tell; for weights that say positions
            in the image, those of `ImageSpaceAdapter` among them, one of which is needed.
        allow_missing: Whether weights may be missing in the file.

    Returns:
        The net and what became of each name. `net.provenance` tells where the weights come from.
        Its poses are metres: nets that say positions in the image are in an `ImageSpaceAdapter`.

    Raises:
        UserError: The file cannot be read, or does not fit the net; nothing half-loaded is given.
    """
    name, preset = _class_of(pose_net)
    converter = interop.get(name)
    paths = [path] if isinstance(path, str | Path) else list(path)
    checkpoints = tuple(read_checkpoint(each, key) for each in paths)
    parts = [strip_prefix(checkpoint.tensors) for checkpoint in checkpoints]
    if hasattr(converter, "join"):
        tensors = converter.join(parts)
    elif len(parts) == 1:
        (tensors,) = parts
    else:
        raise UserError(f"The weights of a {name} are in one file, but {len(parts)} are given.")
    origin = {}
    if statistics is not None:
        tensors = _with_statistics(converter, tensors, statistics)
        origin = {
            "statistics": Path(statistics).name,
            "statistics_sha256": files.sha256(statistics),
        }
    shapes = {key: array.shape for key, array in tensors.items()}
    found = converter.infer_config(shapes)
    licence, normalisation = converter.LICENCE, converter.NORMALISATION
    if hasattr(converter, "origin"):
        licence, normalisation = converter.origin(shapes)
    options = dict(options or {})
    scale = _scale(options) if getattr(converter, "IMAGE_SPACE", False) else None
    arguments = {**preset, **found, **options}
    if skeleton is not None:
        arguments["skeleton"] = skeleton
    arguments["skeleton"] = skeletons.get(arguments["skeleton"])
    provenance = {
        "file": ", ".join(Path(each).name for each in paths),
        "sha256": ", ".join(files.sha256(each) for each in paths),
        **origin,
        "licence": licence,
        "normalisation": _units(normalisation, scale),
        "skeleton": arguments["skeleton"].name,
        **{
            f"checkpoint_{fact}": value
            for checkpoint in checkpoints
            for fact, value in checkpoint.facts.items()
        },
    }
    # The outermost net tells where its weights come from.
    inside = {"provenance": provenance} if scale is None else {}
    net = pose_nets.get(name, **arguments, **inside)
    report = load_state_dict(
        net, tensors, converter.targets(net), converter.IGNORED, allow_missing=allow_missing
    )
    if scale is not None:
        net = pose_nets.ImageSpaceAdapter(net, **scale, provenance=provenance)
    return Conversion(net, report, checkpoints)


def save(conversion: Conversion, out: str | Path) -> Path:
    """Write the converted net, whole or not at all.

    Args:
        conversion: What `convert` gave.
        out: A file ending in `.keras`; nothing may be there yet.

    Returns:
        The path.

    Raises:
        UserError: The path ends otherwise, or something is there.
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise UserError(f"Nets are written as .keras files, but the path given is '{out}'.")
    if out.exists():
        raise UserError(f"{out} is there already, and nothing is written over.")
    with files.replacing(out) as unfinished:
        conversion.net.save(unfinished)
    return out


def _class_of(pose_net: str) -> tuple[str, dict[str, Any]]:
    if pose_net in pose_nets.names():
        return pose_net, {}
    for name in pose_nets.names():
        presets = getattr(pose_nets, name).presets
        if pose_net in presets:
            return name, dict(presets[pose_net]["config"])
    interop.get(pose_net)  # says which names there are
    raise UserError(f"There is no pose-net '{pose_net}'.")


def _scale(options: dict[str, Any]) -> dict[str, Any]:
    """Take the arguments of an `ImageSpaceAdapter` out of the options."""
    names = (*image_space.OPTIONS, "input_channels")
    scale = {name: options.pop(name) for name in names if name in options}
    image_space.check_scale(**{name: scale.get(name) for name in image_space.OPTIONS})
    return scale


def _units(normalisation: str, scale: Mapping[str, Any] | None) -> str:
    names = [name for name in image_space.OPTIONS if name in (scale or {})]
    given = [f"{name}={scale[name]}" for name in names] if scale else []
    return f"{normalisation} by {', '.join(given)}" if given else normalisation


def _with_statistics(
    converter: Any, tensors: dict[str, np.ndarray], path: str | Path
) -> dict[str, np.ndarray]:
    if not hasattr(converter, "STATISTICS"):
        raise UserError(
            f"The weights of a {converter.NAME} are not standardised: they need no statistics."
        )
    path, names = Path(path), converter.STATISTICS
    if not path.is_file():
        raise UserError(f"There is no file '{path}' with statistics.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"'{path}' is not an .npz file of plain arrays ({error}); it holds {', '.join(names)}."
        ) from error
    if set(arrays) != set(names):
        raise UserError(
            f"Statistics of a {converter.NAME} are the arrays {', '.join(names)}; '{path}' holds"
            f" {', '.join(sorted(arrays)) or 'none'}."
        )
    return converter.with_statistics(tensors, arrays)
