"""From a published checkpoint to a `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_seal import files, interop, pose_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.interop.base import Report, load_state_dict, strip_prefix
from keras_seal.interop.checkpoints import Checkpoint, read_checkpoint

# Said of every net whose converter says nothing else.
_METRES = (
    "keypoints: x in [-1, 1] over the image's width, y by the same scale; poses: metres, camera"
    " space, relative to the root"
)


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Args:
        net: The net with its weights.
        report: What became of each name.
        checkpoint: What was read.
    """

    net: pose_nets.PoseNet
    report: Report
    checkpoint: Checkpoint

    def lines(self) -> list[str]:
        """Say it, for people.

        Returns:
            Lines of text.
        """
        said = [
            f"{type(self.net).__name__} with {self.net.count_params():,} parameters:"
            f" {len(self.report.used)} entries used."
        ]
        reasons: dict[str, list[str]] = {}
        for name, reason in self.report.skipped.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            said.append(f"Skipped {len(names)} ({reason}): {', '.join(names)}")
        if self.report.missing:
            said.append(f"Missing, left at their start: {', '.join(self.report.missing)}")
        if self.checkpoint.stand_ins:
            said.append(
                "Not read, for reading them would run code in the file (nothing was run):"
                f" {', '.join(self.checkpoint.stand_ins)}"
            )
        return said


def convert(
    path: str | Path,
    pose_net: str,
    *,
    skeleton: Any = None,
    key: str | None = None,
    options: Mapping[str, Any] | None = None,
    allow_missing: bool = False,
) -> Conversion:
    """Read a published checkpoint into a pose-net.

    Args:
        path: The file.
        pose_net: Class name of the pose-net, or one of its presets.
        skeleton: Skeleton, where it is not the one that the published weights are for.
        key: Key of the weights in the file, where it is not one of the usual ones.
        options: Constructor arguments that the weights do not tell.
        allow_missing: Whether weights may be missing in the file.

    Returns:
        The net and what became of each name. `net.provenance` tells where the weights come from.

    Raises:
        UserError: The file cannot be read, or does not fit the net; nothing half-loaded is given.
    """
    name, preset = _class_of(pose_net)
    converter = interop.get(name)
    checkpoint = read_checkpoint(path, key)
    tensors = strip_prefix(checkpoint.tensors)
    found = converter.infer_config({key: array.shape for key, array in tensors.items()})
    arguments = {**preset, **found, **(options or {})}
    if skeleton is not None:
        arguments["skeleton"] = skeleton
    arguments["skeleton"] = skeletons.get(arguments["skeleton"])
    provenance = {
        "file": Path(path).name,
        "sha256": files.sha256(path),
        "licence": getattr(converter, "LICENCE", "not known: ask the authors of the weights"),
        "normalisation": getattr(converter, "NORMALISATION", _METRES),
        "skeleton": arguments["skeleton"].name,
        **{f"checkpoint_{name}": value for name, value in checkpoint.facts.items()},
    }
    net = pose_nets.get(name, **arguments, provenance=provenance)
    report = load_state_dict(
        net, tensors, converter.targets(net), converter.IGNORED, allow_missing=allow_missing
    )
    return Conversion(net, report, checkpoint)


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
