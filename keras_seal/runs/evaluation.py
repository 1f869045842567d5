"""How well a pose-net lifts a whole split: every frame of every sequence, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal import files
from keras_seal.data import PoseSequences
from keras_seal.data.sequences import SPLITS
from keras_seal.errors import UserError, nearest
from keras_seal.geometry import root_relative
from keras_seal.metrics import functional
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import building
from keras_seal.runs import report
from keras_seal.runs.folder import RunFolder
from keras_seal.skeletons import Skeleton

_PER_ACTION = ("mpjpe", "p_mpjpe")
# Frames measured at a time, which bounds the memory.
_CHUNK = 65_536


def lift(
    pose_net: keras.Model, sequences: PoseSequences, frame_stride: int = 1, batch_size: int = 1024
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

    Returns:
        Root-relative poses `(N, joints, 3)`, metres, float32.

    Raises:
        ValueError: If the net predicts neither one frame nor all frames of its window.
    """
    frames, out_frames = pose_net.input_shape[1], pose_net.output_shape[1]
    if out_frames not in (1, frames):
        raise ValueError(
            f"The pose-net predicts {out_frames} of {frames} frames, expected 1 or all of them."
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
        predicted = keras.ops.convert_to_numpy(
            pose_net.predict_on_batch(sequences.keypoints[filled])
        )
        poses[targets[begin : begin + batch_size]] = predicted[: len(chosen)]
    return poses


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
        What JSON can hold: `frames`, `sequences`, `metrics` (means over all valid frames; lengths
        in millimetres, relative ones in percent, velocity in millimetres a frame), `truth` (the
        true poses' own symmetry error) and `actions` (frames and errors of each).
    """
    return measure(lift(pose_net, sequences, frame_stride, batch_size), sequences)


def evaluate(
    path: str | Path,
    split: str = "test",
    *,
    cache_dir: str | Path | None = None,
    note: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Measure a finished run's pose-net again, and write `evaluation/SPLIT.json` and `.md`.

    Args:
        path: The run folder.
        split: `"test"`, `"validation"` or `"train"`.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        note: Told what goes on, line by line.

    Returns:
        As `evaluate_split`.

    Raises:
        UserError: If there is no such run or split, or the run is not finished.
    """
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}'.{nearest(split, SPLITS)}")
    folder = RunFolder.open(path)
    if not folder.pose_net.is_file():
        raise UserError(
            f"{folder.path} has no pose_net.keras yet: end the run by --resume {folder.path}."
        )
    recipe = folder.recipe
    with without_tensorflow_chatter():
        pose_net = keras.models.load_model(folder.pose_net, compile=False)
    sequences = building.build_splits(recipe, cache_dir).parts[split]
    scores = evaluate_split(pose_net, sequences, recipe.data.frame_stride, recipe.data.batch_size)
    scores = {"split": split, "backend": keras.backend.backend(), **scores}
    target = folder.path / "evaluation" / split
    files.write_json(target.with_suffix(".json"), scores)
    title = f"{recipe.name}, {split} split ({keras.backend.backend()})"
    files.write_text(target.with_suffix(".md"), report.split_section(title, scores))
    note(f"Written: {target}.json and .md")
    return scores


def measure(poses: np.ndarray, sequences: PoseSequences) -> dict[str, Any]:
    """Measure predicted poses of a split.

    Args:
        poses: Root-relative, `(N, joints, 3)`, metres.
        sequences: The split.

    Returns:
        As `evaluate_split`.
    """
    skeleton = sequences.skeleton
    truth = root_relative(sequences.poses, skeleton)
    measures = _measures(skeleton)
    velocity = _velocity_error(truth, poses, sequences)
    owners = np.repeat(np.arange(sequences.num_sequences), sequences.lengths)
    if not sequences.valid.all():
        truth, poses = truth[sequences.valid], poses[sequences.valid]
        owners = owners[sequences.valid]
    if not len(owners):
        raise UserError("There is nothing to measure: no frame of the sequences is valid.")
    errors: dict[str, np.ndarray] = {
        name: _in_chunks(function, truth, poses) for name, function in measures.items()
    }
    figures = {name: float(values.mean(dtype="float64")) for name, values in errors.items()}
    if velocity is not None:
        figures["mpjve"] = velocity
    actions = {}
    for action in np.unique(sequences.actions).tolist():
        rows = (sequences.actions == action)[owners]
        if not rows.any():
            continue
        actions[action] = {
            "frames": int(rows.sum()),
            **{name: float(errors[name][rows].mean(dtype="float64")) for name in _PER_ACTION},
        }
    return {
        "frames": len(owners),
        "sequences": sequences.num_sequences,
        "metrics": figures,
        "truth": {
            name: float(_in_chunks(function, truth, truth).mean(dtype="float64"))
            for name, function in measures.items()
            if name.startswith("lse")
        },
        "actions": actions,
    }


def _measures(skeleton: Skeleton) -> dict[str, Callable[..., np.ndarray]]:
    """Errors of each frame, in the units that people read."""
    plain = {
        "mpjpe": functional.mpjpe,
        "p_mpjpe": functional.p_mpjpe,
        "n_mpjpe": functional.n_mpjpe,
    }
    structural = {"bsle": functional.body_segment_length_error}
    if skeleton.bone_mirror_pairs:
        structural = {"lse": functional.limb_symmetry_error, **structural}
    if skeleton.limbs:
        structural["lle"] = functional.limb_length_error

    def scaled(function: Any, factor: float, **options: Any) -> Callable[..., np.ndarray]:
        return lambda true, predicted: factor * np.asarray(function(true, predicted, **options))

    measures = {name: scaled(function, 1000.0) for name, function in plain.items()}
    for name, function in structural.items():
        measures[name] = scaled(function, 1000.0, skeleton=skeleton)
        measures[f"{name}_percent"] = scaled(function, 100.0, skeleton=skeleton, relative=True)
    return measures


def _in_chunks(function: Any, truth: np.ndarray, poses: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [
            function(truth[begin : begin + _CHUNK], poses[begin : begin + _CHUNK])
            for begin in range(0, len(truth), _CHUNK)
        ]
    )


def _velocity_error(truth: np.ndarray, poses: np.ndarray, sequences: PoseSequences) -> float | None:
    """Mean over all steps from a valid frame to the next, millimetres a frame."""
    if sequences.num_frames < 2:
        return None
    inside = sequences.valid[1:] & sequences.valid[:-1]
    inside[sequences.offsets[1:-1] - 1] = False
    if not inside.any():
        return None
    errors = functional.mpjve(truth, poses)
    return 1000.0 * float(np.asarray(errors)[inside].mean(dtype="float64"))


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
