"""Lifters from what people have: a `.keras` file, a run folder, a net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

import keras_seal.training  # noqa: F401 (a file with both nets names its class)
from keras_seal import data, loss_nets, pose_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes.constructing import first_line
from keras_seal.runs.folder import RunFolder

#: Folder of the lifters that come with the package; each is known by its file's name.
BUNDLED = Path(__file__).parent / "bundled"


def bundled() -> dict[str, Path]:
    """Find the lifters that come with the package.

    Returns:
        Their files by name.

    Examples:
        >>> list(bundled())
        ['lifter']
    """
    return {file.stem: file for file in sorted(BUNDLED.glob("*.keras"))}


def load_net(source: Any, what: str = "pose_net") -> tuple[keras.Model, dict[str, Any]]:
    """Get a network and what is known about its training.

    Args:
        source: A `keras.Model`, a `.keras` file, a run folder, or where there is no such
            file or folder the name of a bundled lifter.
        what: `"pose_net"` or `"loss_net"`: which one of a run, or of a file that holds both.

    Returns:
        The net, and of `fps` (of its training videos), `frame_stride` and `source` what is known.

    Raises:
        UserError: There is no such net.
    """
    if isinstance(source, keras.Model):
        return _part(source, what, "What was given"), {"source": source.name}
    path = Path(source)
    if what == "pose_net" and not path.exists():
        path = bundled().get(str(source), path)
    facts: dict[str, Any] = {"source": str(source)}
    if path.is_dir():
        folder = RunFolder.open(path)
        file = getattr(folder, what)
        if not file.is_file():
            raise UserError(
                f"{path} has no {file.name} yet: end the run by `keras-seal train --resume {path}`."
                if what == "pose_net"
                else f"{path} has no {file.name}: the run had no loss-net, or has not ended."
            )
        facts |= _training_of(folder)
    else:
        file = path
    if not file.is_file():
        known = f"; with keras-seal come: {', '.join(bundled())}" if what == "pose_net" else ""
        raise UserError(f"There is no file or run folder '{path}'{known}.")
    if file.suffix != ".keras":
        raise UserError(
            f"'{path}' is no lifter: expected a .keras file or a run folder. A PyTorch checkpoint "
            "becomes one by `keras-seal convert`."
        )
    try:
        with without_tensorflow_chatter():
            net = keras.models.load_model(file, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise UserError(f"Keras cannot read {file}: {first_line(error)}") from error
    net = _part(net, what, f"'{path}'")
    provenance = getattr(net, "provenance", {})
    facts |= {key: provenance[key] for key in ("fps", "frame_stride") if key in provenance}
    return net, facts


def skeleton_of(net: Any, given: Any) -> skeletons.Skeleton:
    """Find the skeleton of a net's joints.

    Args:
        net: The net.
        given: What the caller says, or None.

    Returns:
        The skeleton.

    Raises:
        UserError: It is unknown, or does not fit the net.
    """
    own = getattr(net, "skeleton", None)
    chosen = own if given is None else given
    if chosen is None:
        raise UserError(
            f"The net '{net.name}' does not tell its skeleton; name it as `skeleton`, such as "
            "human36m_17."
        )
    skeleton = skeletons.get(chosen)
    if own is not None and own.joints != skeleton.joints:
        raise UserError(
            f"The net '{net.name}' has the joints of '{own.name}', not those of '{skeleton.name}'."
        )
    return skeleton


def _part(net: Any, what: str, who: str) -> keras.Model:
    net = getattr(net, what, net)
    other: type = loss_nets.LossNet if what == "pose_net" else pose_nets.PoseNet
    kind, other_kind = what.replace("_", "-"), other.__name__
    if net is None:
        raise UserError(f"{who} holds no {kind}.")
    if isinstance(net, other):
        raise UserError(f"{who} holds no {kind}, but a {other_kind}.")
    inputs = net.inputs or []
    good = len(inputs) == (1 if what == "pose_net" else 2) and all(
        len(each.shape) == 4 for each in inputs
    )
    if not good:
        raise UserError(
            f"{who} is no {kind}: it does not take keypoints of the shape (batch, frames, joints, "
            "2 or 3)."
        )
    return net


def _training_of(folder: RunFolder) -> dict[str, Any]:
    recipe = folder.recipe
    facts: dict[str, Any] = {"frame_stride": recipe.data.frame_stride}
    source = data.sources.get(recipe.data.source)
    field = source.model_fields.get("fps")
    fps = recipe.data.options.get("fps", None if field is None else field.default)
    if recipe.data.source == "human36m":
        # Recorded at 50 frames a second, all of it.
        fps = 50.0 / recipe.data.options.get("frame_stride", 1)
    if isinstance(fps, int | float):
        facts["fps"] = float(fps)
    return facts
