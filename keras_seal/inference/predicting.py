"""From a keypoint file to the motion of the people in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal.data import keypoint_files
from keras_seal.data.keypoint_files import Detections, KeypointFile, Track
from keras_seal.errors import UserError
from keras_seal.geometry import normalize_screen
from keras_seal.inference import loading, placing, quality
from keras_seal.inference.filling import Piece, pieces
from keras_seal.inference.lifter import Lifter
from keras_seal.inference.motion import CHUNK, Motion
from keras_seal.inference.refining import find_refiner
from keras_seal.inference.smoothing import smoother
from keras_seal.inference.tracking import track
from keras_seal.skeletons import joint_maps
from keras_seal.skeletons.joint_maps import JointMap

# What is assumed of a video that nobody told the frame rate of.
_USUAL_FPS = 30.0


def predict(
    lifter: Lifter,
    source: str | PathLike[str] | KeypointFile,
    *,
    joint_map: Any = None,
    max_gap: int = 12,
    min_confidence: float = 0.0,
    most_people: int | None = None,
    smooth: str = "none",
    loss_net: Any = None,
    refine: int = 0,
    refine_by: Any = None,
    focal: float | None = None,
    folder: str | PathLike[str] | None = None,
    note: Callable[[str], object] = print,
    progress: Callable[[int, int], object] | None = None,
    **reading: Any,
) -> Motion:
    """Lift the people of a keypoint file.

    Args:
        lifter: The lifter.
        source: The file, or what `keypoint_files.read` made of it.
        joint_map: The map from the file's joints to the lifter's; by default the usual one.
        max_gap: Frames without a joint, or without the person, that are bridged by a straight
            line. A joint that is missing for longer is guessed, and marked as such; where a person
            is missing for longer there is no pose.
        min_confidence: Joints of less confidence count as missing.
        most_people: How many people are lifted, those seen the longest; None for all.
        smooth: `"none"`, `"savgol"` or `"one-euro"`, see `smoother`.
        loss_net: A loss-net, its `.keras` file or its run folder, for the poses' energies.
        refine: Steps down a loss-net's energy for every pose, see `keras_seal.inference.refine`.
        refine_by: The loss-net that leads them, as for `loss_net`; by default that one.
        focal: The camera's focal length in pixels, to place people in space and to refine their
            poses; by default it is guessed, and poses are refined without it.
        folder: Where the arrays lie while they are worked on, for motions longer than the memory;
            by default they lie in memory.
        note: Told what had to be assumed, sentence by sentence.
        progress: Told how many poses are done, and how many there are.
        **reading: Further arguments of `keypoint_files.read`: `format`, `image_size`, `fps`,
            `layout`, `coordinates`, `video`.

    Returns:
        The motion.

    Raises:
        UserError: The file cannot be read or does not fit the lifter, or an option makes no sense.

    Examples:
        >>> import keras_seal as ks, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "people.npz")
        >>> pixels = 300 + 100 * np.random.default_rng(0).random((40, 17, 2))
        >>> np.savez(path, keypoints=pixels, layout="coco_17", image_size=[640, 480], fps=25)
        >>> lifter = Lifter(ks.pose_nets.SimpleBaseline("human36m_17", units=16))
        >>> predict(lifter, path, smooth="savgol")
        Motion('human36m_17', 1 people, 40 poses, 25 fps)
    """
    if max_gap < 0:
        raise UserError(f"`max_gap` must be 0 frames or more, got {max_gap}.")
    if most_people is not None and most_people < 1:
        raise UserError(f"At least 1 person must be lifted, got {most_people}.")
    if focal is not None and not focal > 0:
        raise UserError(f"The focal length must be positive, got {focal}.")
    file = source if isinstance(source, KeypointFile) else keypoint_files.read(source, **reading)
    image_size, fps = _size_and_rate(file, lifter, note)
    filter_ = smoother(smooth, fps)
    judge = None if loss_net is None else _checked_loss_net(loss_net, lifter)
    refiner = find_refiner(
        refine,
        refine_by,
        judge,
        skeleton=lifter.skeleton,
        focal=None if focal is None else focal / (image_size[0] / 2),
    )
    chosen = _joint_map(file, lifter, joint_map)
    parts = _pieces(file, chosen, max_gap, min_confidence, most_people, note)
    motion = Motion.empty(
        lifter.skeleton,
        fps,
        image_size,
        np.concatenate([part.first_frame + np.arange(len(part)) for part in parts]),
        np.concatenate([np.full(len(part), part.track.id) for part in parts]),
        folder=None if folder is None else Path(folder),
        energy=judge is not None,
    )
    focal = focal or placing.usual_focal(image_size)
    motion.about = {
        "input": file.path,
        "format": file.format,
        "layout": file.layout.name,
        "joint_map": chosen.name,
        "lifter": lifter.source,
        "net": type(lifter.net).__name__,
        "flip": lifter.flip,
        "overlap": lifter._shape.overlap,
        "max_gap": max_gap,
        "min_confidence": min_confidence,
        "smooth": smooth,
        "refine": refine,
        "focal": focal,
        "loss_net": None if loss_net is None else str(getattr(loss_net, "name", loss_net)),
    }
    _lift(lifter, parts, motion, progress)
    if refiner is not None:
        for rows in motion.chunks():
            moved = refiner.refine(
                quality.on_screen(motion, rows)[:, None], motion.poses[rows][:, None]
            )
            motion.poses[rows] = moved[:, 0]
    for span in motion.spans:
        if filter_ is not None:
            _replace(motion.poses[span.start : span.stop], filter_)
        _place(motion, slice(span.start, span.stop), focal)
    quality.measure(motion, judge)
    return motion


def _size_and_rate(
    file: KeypointFile, lifter: Lifter, note: Callable[[str], object]
) -> tuple[tuple[int, int], float]:
    if file.image_size is None:
        raise UserError(
            f"'{file.path}' does not tell the size of its images, and keypoints cannot be lifted "
            "without it; give it as --image-size WIDTHxHEIGHT (`image_size`)."
        )
    if file.fps is not None:
        return file.image_size, file.fps
    note(
        f"'{file.path}' does not tell its frame rate: {_USUAL_FPS:g} frames a second are assumed; "
        "give it as --fps (`fps`)."
    )
    return file.image_size, _USUAL_FPS


def _joint_map(file: KeypointFile, lifter: Lifter, given: Any) -> JointMap:
    if given is None:
        return joint_maps.find(file.layout, lifter.skeleton)
    # Nobody is mapped: whether the map fits is all that is asked here.
    joints = file.layout.num_joints
    nobody = Detections(np.zeros(0, np.int64), np.zeros((0, joints, 3)))
    replace(file, people=(), untracked=nobody).to_skeleton(lifter.skeleton, given)
    return joint_maps.get(given)


def _checked_loss_net(source: Any, lifter: Lifter) -> Any:
    net, _ = loading.load_net(source, "loss_net")
    joints = net.input_shape[1][-2]
    if joints != lifter.skeleton.num_joints:
        raise UserError(
            f"The loss-net '{net.name}' judges poses of {joints} joints; the lifter's have "
            f"{lifter.skeleton.num_joints}."
        )
    return net


def _pieces(
    file: KeypointFile,
    joint_map: JointMap,
    max_gap: int,
    min_confidence: float,
    most_people: int | None,
    note: Callable[[str], object],
) -> list[Piece]:
    tracks: list[Track] = list(file.people)
    if len(file.untracked):
        # Numbers that the file gives stay; those found here come after them.
        first = 1 + max((each.id for each in tracks), default=-1)
        found = track(file.untracked, max_gap)
        tracks += [replace(each, id=first + each.id) for each in found]
        note(
            f"'{file.path}' does not tell who is who: {len(found)} "
            f"{'person was' if len(found) == 1 else 'people were'} followed by position."
        )
    if most_people is not None and len(tracks) > most_people:
        tracks.sort(key=len, reverse=True)
        note(f"{len(tracks) - most_people} of {len(tracks)} people are left out as asked.")
        tracks = tracks[:most_people]
    parts = [
        piece
        for each in sorted(tracks, key=lambda each: each.id)
        for piece in pieces(each, joint_map, max_gap, min_confidence)
    ]
    if not parts:
        raise UserError(
            f"Nobody in '{file.path}' can be lifted: no joint of '{joint_map.target.name}' can be "
            f"made of those that were detected with a confidence of {min_confidence:g} or more."
        )
    lengths = [len(part) for part in parts]
    if max(lengths) == 1:
        note(
            f"'{file.path}' holds nobody for more than 1 frame: there is no motion, each pose is "
            "lifted alone."
        )
    return parts


def _lift(
    lifter: Lifter,
    parts: list[Piece],
    motion: Motion,
    progress: Callable[[int, int], object] | None,
) -> None:
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()

    def normalised(part: Piece, at: int) -> Iterator[np.ndarray]:
        for keypoints, states in part.chunks():
            rows = slice(at, at + len(keypoints))
            motion.keypoints[rows], motion.states[rows] = keypoints, states
            at += len(keypoints)
            screen = normalize_screen(keypoints[..., :2], *motion.image_size)
            trust = np.clip(keypoints[..., 2:], 0.0, 1.0)
            yield np.concatenate([screen, trust], axis=-1).astype(np.float32)

    motions = (
        (len(part), normalised(part, at)) for part, at in zip(parts, starts[:-1], strict=True)
    )
    done, places = 0, starts[:-1]
    for number, poses in lifter.stream(motions, motion.fps):
        at = places[number]
        motion.poses[at : at + len(poses)] = poses
        places[number] += len(poses)
        done += len(poses)
        if progress is not None:
            progress(done, len(motion))


def _replace(poses: np.ndarray, filter_: Callable[[np.ndarray], Iterator[np.ndarray]]) -> None:
    """Smooth poses in their place; the filter looks back as far as one chunk."""
    waiting: tuple[int, np.ndarray] | None = None
    begin = 0
    for chunk in filter_(poses):
        if waiting is not None:
            poses[waiting[0] : waiting[0] + len(waiting[1])] = waiting[1]
        waiting = (begin, chunk)
        begin += len(chunk)
    if waiting is not None:
        poses[waiting[0] :] = waiting[1]


def _place(motion: Motion, rows: slice, focal: float) -> None:
    roots = np.empty((rows.stop - rows.start, 3))
    for begin in range(rows.start, rows.stop, CHUNK):
        part = slice(begin, min(begin + CHUNK, rows.stop))
        roots[begin - rows.start : part.stop - rows.start] = placing.place(
            motion.poses[part], motion.keypoints[part], motion.image_size, focal
        )
    motion.roots[rows] = placing.steady(roots, motion.fps)
