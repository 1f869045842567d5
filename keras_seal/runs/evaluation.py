"""How well a pose-net lifts a whole split: every frame of every sequence, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal import __version__, evaluation, files, recipes
from keras_seal.data import PoseSequences, keypoint_files
from keras_seal.data.augmentation import flip as mirrored
from keras_seal.data.sequences import SPLITS
from keras_seal.errors import UserError, nearest
from keras_seal.evaluation import page
from keras_seal.inference.refining import find_refiner
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import Recipe, building
from keras_seal.runs.folder import RunFolder
from keras_seal.skeletons import Skeleton, joint_maps

_WITHOUT_TRUTH = "in_the_wild"
_ACROSS = "cross_data_set"


def lift(
    pose_net: keras.Model,
    sequences: PoseSequences,
    frame_stride: int = 1,
    batch_size: int = 1024,
    *,
    flip: bool = False,
) -> np.ndarray:
    """Predict every frame of every sequence.

    A net that predicts its centre frame gets a window around each frame, with the first or last
    frame of the sequence repeated at its ends. A net that predicts all frames of its window gets
    windows side by side.

    Args:
        pose_net: The net.
        sequences: Its input.
        frame_stride: Frames from one frame of a window to the next.
        batch_size: Windows a batch.
        flip: Test-time flip: predict the mirrored keypoints too, mirror the prediction back, and
            take the mean of both.

    Returns:
        Root-relative poses `(N, joints, 3)`, metres, float32.

    Raises:
        ValueError: If the net predicts neither one frame nor all frames of its window.
        UserError: If mirroring is asked for on a skeleton without mirrored joints.
    """
    frames, out_frames = pose_net.input_shape[1], pose_net.output_shape[1]
    if out_frames not in (1, frames):
        raise ValueError(
            f"The pose-net predicts {out_frames} of {frames} frames, expected 1 or all of them."
        )
    skeleton = sequences.skeleton
    if flip and not skeleton.mirror_pairs:
        raise UserError(
            f"Test-time flip needs mirrored joints, but the skeleton '{skeleton.name}' has none."
        )
    cut = _centred if out_frames == 1 else _side_by_side
    windows = np.concatenate(
        [
            start + cut(int(length), frames, frame_stride)
            for start, length in zip(sequences.offsets[:-1], sequences.lengths, strict=True)
        ]
    )
    targets = np.arange(sequences.num_frames)[:, None] if out_frames == 1 else windows
    poses = np.empty_like(sequences.poses)
    for begin in range(0, len(windows), batch_size):
        chosen = windows[begin : begin + batch_size]
        # A last batch of another size would be compiled anew.
        filled = np.resize(chosen, (min(batch_size, len(windows)), frames))
        keypoints = sequences.keypoints[filled]
        predicted = _predicted(pose_net, keypoints)
        if flip:
            mirror = _predicted(pose_net, mirrored(keypoints, skeleton))
            predicted = (predicted + mirrored(mirror, skeleton)) / 2
        poses[targets[begin : begin + batch_size]] = predicted[: len(chosen)]
    return poses


def _predicted(pose_net: keras.Model, keypoints: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(pose_net.predict_on_batch(keypoints))


def evaluate_split(
    pose_net: keras.Model, sequences: PoseSequences, frame_stride: int = 1, batch_size: int = 1024
) -> dict[str, Any]:
    """Measure a pose-net on a split.

    Args:
        pose_net: The net.
        sequences: The split.
        frame_stride: Frames from one frame of a window to the next.
        batch_size: Windows a batch.

    Returns:
        As `measure`.
    """
    return measure(lift(pose_net, sequences, frame_stride, batch_size), sequences)


def measure(poses: np.ndarray, sequences: PoseSequences) -> dict[str, Any]:
    """Measure predicted poses of a split, as the report of a training run shows them.

    Args:
        poses: Poses `(N, joints, 3)`, metres.
        sequences: The split.

    Returns:
        What JSON can hold: `frames`, `sequences`, `metrics` (means over all valid frames, by the
        names and in the units of `keras_seal.evaluation.figures.FIGURES`), `truth` (the true poses'
        own structural figures) and `actions` (frames and errors of each).
    """
    return summary(evaluation.AllFrames().score(poses, sequences))


def summary(scores: evaluation.Scores) -> dict[str, Any]:
    """Tell the scores of `AllFrames` as the report of a training run shows them.

    Args:
        scores: The scores.

    Returns:
        As `measure`.
    """
    actions = scores.table("actions")
    frames = actions.frames or {}
    return {
        "frames": scores.frames,
        "sequences": scores.sequences,
        "metrics": dict(scores.figures),
        "truth": dict(scores.truth),
        "actions": {
            name: {"frames": frames[name], "mpjpe": row["mpjpe"], "p_mpjpe": row["p_mpjpe"]}
            for name, row in sorted(actions.rows.items())
        },
    }


@dataclass(frozen=True)
class Wild:
    """A detector's file to evaluate on, for which there is no 3D truth.

    Args:
        path: The file, or OpenPose's folder.
        image_size: Width and height in pixels, where the file does not tell.
        fps: Frames a second, likewise.
        layout: The order of the joints, likewise.
    """

    path: Path
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    layout: str | None = None


def evaluate(
    path: str | Path,
    split: str = "test",
    *,
    protocol: str | None = None,
    options: Mapping[str, Any] | None = None,
    flip: bool = False,
    refine: int = 0,
    refine_by: str | Path | None = None,
    on: str | Path | Wild | None = None,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    cache_dir: str | Path | None = None,
    note: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Measure a finished run's pose-net by a protocol, and write the report.

    `report.json`, `report.md`, `report.html` and `sequences.csv` go to a folder of their own.

    Args:
        path: The run folder.
        split: `"test"`, `"validation"` or `"train"`.
        protocol: A name of `keras_seal.evaluation.names()`; by default the usual one of the data,
            across data sets `"cross_data_set"`, without a truth `"in_the_wild"`.
        options: Options of the protocol.
        flip: Whether to predict with test-time flip.
        refine: Steps down a loss-net's energy for every pose, see `keras_seal.inference.refine`.
        refine_by: The loss-net that leads them, a `.keras` file or a run folder; by default the
            run's own.
        on: A recipe (a file or a built-in name) whose data to measure on instead of the run's own;
            its keypoints are mapped to the pose-net's skeleton. Or a detector's file.
        overrides: Changes of that recipe as `"dotted.key=value"`; of the run's own where `on` is
            not given.
        out: The folder of the report; by default `RUN/evaluation/SPLIT`, with what differs from
            the usual in its name.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        note: Told what goes on, line by line.

    Returns:
        What `report.json` holds.

    Raises:
        UserError: If there is no such run, split, protocol or loss-net, the run is not finished, or
            its pose-net does not fit the data.
    """
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}'.{nearest(split, SPLITS)}")
    folder = RunFolder.open(path)
    if not folder.pose_net.is_file():
        raise UserError(
            f"{folder.path} has no pose_net.keras yet: end the run by --resume {folder.path}."
        )
    if isinstance(on, Wild) and overrides:
        raise UserError("A detector's file has no recipe whose keys could be changed.")
    recipe = folder.recipe
    data = data_recipe(folder, on, overrides)
    skeleton = building.build_skeleton(recipe)
    usual = _usual(recipe, data, on)
    name = protocol or usual
    chosen = _protocol(name, dict(options or {}), skeleton)
    own = folder.path if folder.loss_net.is_file() else None
    refiner = find_refiner(refine, refine_by, own, skeleton=skeleton)
    if isinstance(chosen, evaluation.InTheWild) and isinstance(on, Wild):
        source, sequences = str(on.path), _read_wild(on, skeleton)
    elif isinstance(on, Wild):
        raise UserError(
            f"The protocol '{name}' needs a truth, which a detector's file has not; use "
            f"'{_WITHOUT_TRUTH}'."
        )
    else:
        source = data.data.source
        sequences = building.build_splits(data, cache_dir).parts[split]
    with without_tensorflow_chatter():
        pose_net = keras.models.load_model(folder.pose_net, compile=False)
    seen = for_net(sequences, skeleton, pose_net.input_shape[-1])
    poses = lift(pose_net, seen, recipe.data.frame_stride, recipe.data.batch_size, flip=flip)
    if refiner is not None:
        poses = refiner.refine(seen.keypoints[:, None], poses[:, None])[:, 0]
    where = _folder_name(split, name, usual, on, flip, refine)
    target = folder.path / "evaluation" / where if out is None else Path(out)
    if isinstance(chosen, evaluation.H3WB) and not sequences.valid.any():
        file = target / page.submission_name(sequences)
        files.write_text(file, evaluation.submission(poses, sequences))
        note(f"Written: {file}. There is no truth to measure against.")
        return {"protocol": name, "frames": 0, "sequences": 0, "metrics": {}, "truth": {}}
    scores = chosen.score(poses, sequences)
    facts = {
        "run": str(folder.path),
        "data": source if isinstance(on, Wild) else f"{source}, {split} split",
        "test-time flip": "yes" if flip else "no",
        **({"refined": f"{refine} steps, {refine_by or 'own loss-net'}"} if refine else {}),
        "backend": keras.backend.backend(),
        "keras-seal": __version__,
    }
    title = f"{recipe.name} on {source}"
    written = page.write_report(target, title, scores, facts)
    note(f"Written: {', '.join(file.name for file in written)} in {target}")
    return {"title": title, **facts, **scores.to_dict()}


def data_recipe(
    folder: RunFolder, on: str | Path | Wild | None, overrides: Sequence[str]
) -> Recipe:
    """Load the recipe whose data a run is asked about.

    Args:
        folder: The run.
        on: Another recipe; the run's own by default, and for a detector's file.
        overrides: Changes of it.

    Returns:
        The recipe.
    """
    if on is None or isinstance(on, Wild):
        return recipes.load(folder.recipe_file, overrides)
    return recipes.load(on, overrides)


def _usual(recipe: Recipe, data: Recipe, on: str | Path | Wild | None) -> str:
    if isinstance(on, Wild):
        return _WITHOUT_TRUTH
    if building.build_skeleton(recipe).joints != building.build_skeleton(data).joints:
        return _ACROSS
    return evaluation.usual(data.data.source)


def _protocol(name: str, options: dict[str, Any], skeleton: Skeleton) -> evaluation.Protocol:
    chosen = evaluation.get(name, **options)
    if isinstance(chosen, evaluation.CrossDataSet) and chosen.predicted_on is None:
        return evaluation.get(name, **{**options, "predicted_on": skeleton.to_dict()})
    return chosen


def _read_wild(wild: Wild, skeleton: Skeleton) -> PoseSequences:
    file = keypoint_files.read(
        wild.path, image_size=wild.image_size, fps=wild.fps, layout=wild.layout
    )
    if file.layout.joints != skeleton.joints:
        file = file.to_skeleton(skeleton)
    return evaluation.from_keypoint_file(file, wild.image_size)


def for_net(sequences: PoseSequences, skeleton: Skeleton, channels: int) -> PoseSequences:
    """Give a pose-net sequences as it knows them: its joints, and its channels.

    Args:
        sequences: The sequences.
        skeleton: The pose-net's skeleton.
        channels: Channels of its keypoints.

    Returns:
        The sequences, mapped where their skeleton is another one.

    Raises:
        UserError: There is no joint map.
    """
    if sequences.skeleton.joints != skeleton.joints:
        sequences = evaluation.map_sequences(
            sequences, joint_maps.find(sequences.skeleton, skeleton)
        )
    if channels == sequences.num_channels:
        return sequences
    keypoints = sequences.keypoints[..., :2]
    if channels == 3:
        # Who gives no confidence is sure.
        keypoints = np.concatenate([keypoints, np.ones_like(keypoints[..., :1])], axis=-1)
    return replace(sequences, keypoints=keypoints)


def _folder_name(
    split: str, protocol: str, usual: str, on: str | Path | Wild | None, flip: bool, refine: int
) -> str:
    words = [split]
    if isinstance(on, Wild):
        words = [on.path.stem]
    elif on is not None:
        words.append(f"on-{Path(on).stem}")
    if protocol != usual:
        words.append(protocol)
    if flip:
        words.append("flip")
    if refine:
        words.append(f"refine-{refine}")
    return "-".join(words)


def _centred(length: int, frames: int, stride: int) -> np.ndarray:
    steps = stride * (np.arange(frames) - frames // 2)
    return np.clip(np.arange(length)[:, None] + steps, 0, length - 1)


def _side_by_side(length: int, frames: int, stride: int) -> np.ndarray:
    """Cover every frame; the last window of each track reaches back, or repeats its last frame."""
    windows = []
    for phase in range(min(stride, length)):
        track = np.arange(phase, length, stride)
        starts = np.arange(0, len(track), frames)
        starts[-1] = max(0, len(track) - frames)
        rows = np.minimum(starts[:, None] + np.arange(frames), len(track) - 1)
        windows.append(track[rows])
    return np.concatenate(windows)
