"""Write a lifter in another format, run it there, and say how well it does."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_seal
from keras_seal import files, pose_nets, skeletons
from keras_seal.errors import UserError
from keras_seal.exporting import graph, timing
from keras_seal.exporting.formats import Format, Run, card_path, check, companions
from keras_seal.geometry import denormalize_screen, normalize_screen, root_relative
from keras_seal.inference.lifter import Lifter
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes.constructing import first_line
from keras_seal.skeletons import joint_maps
from keras_seal.skeletons.joint_maps import JointMap

# Poses may differ so much from those of Keras, metres.
TOLERANCE = 1e-4
# Windows that are compared: the batch axis is free.
_BATCHES = (1, 7, 32)
# Frames of the larger batch that is timed.
_FRAMES_A_BATCH = 1024


@dataclass(frozen=True)
class Export:
    """A lifter in another format.

    Args:
        path: The file or folder.
        card: What it is, what goes in and comes out, how near it is to Keras and how fast; the same
            lies beside it as JSON.
        card_path: Where.
    """

    path: Path
    card: Mapping[str, Any]
    card_path: Path


def export(
    lifter: Any,
    path: str | Path,
    format: str,
    *,
    with_processing: bool = False,
    layout: Any = None,
    joint_map: Any = None,
    skeleton: Any = None,
) -> Export:
    """Export a lifter, check it against Keras, and time both.

    The file takes any number of windows at a time. It is run by its own runtime on random keypoints
    before it gets its name; what differs from Keras by more than 0.1 mm is not kept.

    Args:
        lifter: A `PoseNet`, any `keras.Model` of the same shapes, a `.keras` file or a run folder.
        path: The file, or for a SavedModel the folder; nothing may be there yet.
        format: One of `keras_seal.exporting.FORMATS`.
        with_processing: Whether the file takes a detector's keypoints in pixels and the image size,
            rather than normalised keypoints of the lifter's joints.
        layout: The order of the joints that go in then; by default the lifter's.
        joint_map: From those joints to the lifter's, by default the usual map.
        skeleton: The joints of the net, where it does not tell.

    Returns:
        What was written.

    Raises:
        UserError: There is no such lifter or format, Keras does not run on TensorFlow, a package is
            missing, or the file differs from Keras.

    Examples:
        >>> import json, pathlib, tempfile
        >>> import keras_seal as ks
        >>> net = ks.pose_nets.SimpleBaseline("human36m_17", units=8, num_stages=1)
        >>> path = pathlib.Path(tempfile.mkdtemp(), "lifter")
        >>> if keras.backend.backend() == "tensorflow":
        ...     done = export(net, path, "saved_model", with_processing=True, layout="coco_17")
        ...     assert [each["name"] for each in done.card["inputs"]] == ["keypoints", "image_size"]
    """
    path = Path(path)
    chosen = check(format, path)
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Lifters are exported by Keras on TensorFlow, and it runs on "
            f"{keras.backend.backend()}: set KERAS_BACKEND=tensorflow. A .keras file is the same "
            "on every backend."
        )
    if not with_processing and (layout is not None or joint_map is not None):
        raise UserError(
            "The joints that go in are the lifter's own; a layout or joint map goes with the "
            "processing: --with-processing (`with_processing`)."
        )
    given = Lifter(lifter, skeleton=skeleton)
    net = in_float32(given.net)
    mapping = _joint_map(given, layout, joint_map) if with_processing else None
    model = graph.bare(net) if mapping is None else graph.with_processing(net, mapping)
    drawn = {batch: draw(given, mapping, batch, seed) for seed, batch in enumerate(_BATCHES)}
    # Keras exports models that were called, and no others.
    model(list(drawn[_BATCHES[0]].values()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".", suffix=".writing") as name:
        unfinished = Path(name) / path.name
        with without_tensorflow_chatter():
            run = _written(chosen, model, unfinished, drawn[_BATCHES[0]])
            difference = max(
                _difference(run(inputs), by_hand(given, net, mapping, inputs))
                for inputs in drawn.values()
            )
        if not difference <= TOLERANCE:
            raise UserError(
                f"As {chosen.about} this net gives poses that differ from Keras by up to "
                f"{difference:.2g} m, more than {TOLERANCE:g} m: nothing was written."
            )
        latency = _latency(given, net, mapping, chosen, run)
        card = _card(given, net, mapping, chosen, path, difference, latency)
        files.write_json(card_path(unfinished), card)
        del run
        for each in (unfinished, *companions(chosen, unfinished), card_path(unfinished)):
            shutil.move(each, path.with_name(each.name))
    return Export(path, card, card_path(path))


def in_float32(net: keras.Model) -> keras.Model:
    """Make a pose-net that computes in half precision one that does not.

    Args:
        net: The net.

    Returns:
        The same net if nothing is to do, else another one with its weights.
    """
    if not isinstance(net, pose_nets.PoseNet) or net.dtype_policy.name == "float32":
        return net
    config = {**net.get_config(), "dtype": "float32"}
    if isinstance(net, pose_nets.ImageSpaceAdapter):
        config["net"] = in_float32(net.net)
    result = type(net).from_config(config)
    result.set_weights(net.get_weights())
    return result


def draw(
    lifter: Lifter, joint_map: JointMap | None, batch: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Draw keypoints at random, as an export takes them.

    Args:
        lifter: The lifter.
        joint_map: The joint map of an export with processing, else None.
        batch: Number of windows.
        seed: Where the draws start.

    Returns:
        The inputs by name.
    """
    rng = np.random.default_rng(seed)
    joints = (lifter.skeleton if joint_map is None else joint_map.source).num_joints
    place = rng.uniform(-0.4, 0.4, (batch, 1, 1, 2)) + rng.normal(0, 0.15, (batch, 1, joints, 2))
    # Frames that are nearly alike would tie where a net looks for the nearest ones.
    screen = place + rng.normal(0, 0.1, (batch, lifter.num_frames, joints, 2))
    trust = rng.uniform(0.2, 1, (*screen.shape[:3], lifter.channels - 2))
    if joint_map is None:
        return {graph.KEYPOINTS: np.concatenate([screen, trust], axis=-1).astype(np.float32)}
    sizes = rng.integers(320, 2000, (batch, 2)).astype(np.float32)
    width, height = sizes[:, :1, None], sizes[:, 1:, None]
    pixels = np.concatenate([denormalize_screen(screen, width, height), trust], axis=-1)
    return {graph.KEYPOINTS: pixels.astype(np.float32), graph.IMAGE_SIZE: sizes}


def by_hand(
    lifter: Lifter,
    net: keras.Model,
    joint_map: JointMap | None,
    inputs: Mapping[str, np.ndarray],
    *,
    compiled: bool = False,
) -> np.ndarray:
    """Lift with Keras what an export lifts; what is around the net is NumPy's work here.

    Args:
        lifter: The lifter.
        net: Its net, which computes in float32.
        joint_map: The joint map of an export with processing, else None.
        inputs: The export's inputs.
        compiled: Whether the net is compiled for this batch, which takes a while and then is fast.

    Returns:
        Poses.
    """
    lift = net.predict_on_batch if compiled else lambda screen: net(screen, training=False)
    keypoints = inputs[graph.KEYPOINTS]
    if joint_map is None:
        return np.asarray(lift(keypoints))
    keypoints = joint_map.apply(keypoints.astype(np.float64))
    sizes = inputs[graph.IMAGE_SIZE][:, None, None].astype(np.float64)
    screen = normalize_screen(keypoints[..., :2], sizes[..., 0], sizes[..., 1])
    trust = np.clip(keypoints[..., 2:], 0, 1)
    screen = np.concatenate([screen, trust], axis=-1).astype(np.float32)
    return root_relative(np.asarray(lift(screen)), lifter.skeleton)


def _joint_map(lifter: Lifter, layout: Any, given: Any) -> JointMap:
    if given is None:
        source = lifter.skeleton if layout is None else skeletons.get(layout)
        return joint_maps.find(source, lifter.skeleton)
    chosen = joint_maps.get(given)
    source = chosen.source if layout is None else skeletons.get(layout)
    for found, expected in ((chosen.source, source), (chosen.target, lifter.skeleton)):
        if found.joints != expected.joints:
            raise UserError(
                f"The joint map '{chosen.name}' leads from '{chosen.source.name}' to "
                f"'{chosen.target.name}', but '{source.name}' must become "
                f"'{lifter.skeleton.name}'. Choose another, or none for the usual one."
            )
    return chosen


def _written(format: Format, model: keras.Model, path: Path, inputs: dict[str, np.ndarray]) -> Run:
    library = importlib.import_module(f"keras_seal.exporting.{format.name}")
    try:
        library.write(model, path)
        run: Run = library.open(path)
        # What a runtime lacks, some of them say when they run.
        run(inputs)
        return run
    except Exception as error:
        # Converters raise whatever they like.
        raise UserError(
            f"This net cannot be written as {format.about}: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise UserError(
            f"The exported net gives poses of the shape {found.shape}, Keras {expected.shape}: "
            "nothing was written."
        )
    return float(np.abs(found - expected).max())


def _latency(
    lifter: Lifter, net: keras.Model, joint_map: JointMap | None, format: Format, run: Run
) -> list[dict[str, Any]]:
    rows = []
    for batch in (1, max(_FRAMES_A_BATCH // lifter.num_frames, 2)):
        inputs = draw(lifter, joint_map, batch)
        runs: dict[str, Callable[[], object]] = {
            "keras": partial(by_hand, lifter, net, joint_map, inputs, compiled=True),
            format.name: partial(run, inputs),
        }
        frames = batch * lifter.out_frames
        milliseconds = {
            name: 1e3 * seconds / frames for name, seconds in timing.medians(runs).items()
        }
        rows.append({"windows": batch, "frames": frames, "milliseconds_a_frame": milliseconds})
    return rows


def _card(
    lifter: Lifter,
    net: keras.Model,
    joint_map: JointMap | None,
    format: Format,
    path: Path,
    difference: float,
    latency: list[dict[str, Any]],
) -> dict[str, Any]:
    source = lifter.skeleton if joint_map is None else joint_map.source
    xy = "x and y" if lifter.channels == 2 else "x, y and the detector's confidence in [0, 1]"
    inputs = [
        {
            "name": graph.KEYPOINTS,
            "shape": ["batch", lifter.num_frames, source.num_joints, lifter.channels],
            "dtype": "float32",
            "unit": f"{xy}; pixels from the upper left corner"
            if joint_map
            else f"{xy}; x in [-1, 1] across the image's width, y by the same scale, 0 in the "
            "middle of the image: (2 x - width) / width, (2 y - height) / width of pixels",
            "layout": source.name,
            "joints": list(source.joints),
        }
    ]
    if joint_map:
        inputs.append(
            {
                "name": graph.IMAGE_SIZE,
                "shape": ["batch", 2],
                "dtype": "float32",
                "unit": "width and height of the image in pixels",
            }
        )
    packages = ("keras", "tensorflow", "numpy", *format.packages.values())
    return {
        "format": format.name,
        "file": path.name,
        "origin": {
            "lifter": Path(lifter.source).name,
            "net": type(net).__name__,
            "parameters": net.count_params(),
            "provenance": dict(getattr(net, "provenance", {})),
            "fps": lifter.fps,
            "frame_stride": lifter.frame_stride,
        },
        "skeleton": {
            "name": lifter.skeleton.name,
            "joints": list(lifter.skeleton.joints),
            "parents": list(lifter.skeleton.parents),
        },
        "inputs": inputs,
        "outputs": [
            {
                "name": graph.POSES,
                "shape": ["batch", lifter.out_frames, lifter.skeleton.num_joints, 3],
                "dtype": "float32",
                "unit": "metres, camera space (x right, y down, z forward), relative to the root",
                "frames": "all of the window"
                if lifter.out_frames == lifter.num_frames
                else f"frame {_told(net, lifter)} of the window, counted from 0",
            }
        ],
        "joint_map": None if joint_map is None else joint_map.name,
        "normalisation": "inside" if joint_map else "before the model, as the input's unit says",
        "parity": {
            "largest_difference": difference,
            "tolerance": TOLERANCE,
            "unit": "metres",
            "windows": sum(_BATCHES),
        },
        "latency": {"cores": os.cpu_count(), "medians": latency},
        "versions": {
            "keras-seal": keras_seal.__version__,
            **{name: metadata.version(name) for name in packages},
        },
    }


def _told(net: keras.Model, lifter: Lifter) -> int:
    return lifter.num_frames - 1 if getattr(net, "causal", False) else lifter.num_frames // 2
