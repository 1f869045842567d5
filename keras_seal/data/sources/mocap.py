"""Motion capture in BVH files, put on virtual people and filmed by virtual cameras."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from keras_seal.data.sequences import SPLITS, PoseSplits
from keras_seal.data.sources import joint_maps
from keras_seal.data.sources.base import FilmedSource, Reel
from keras_seal.data.sources.bvh import Bvh, read_bvh
from keras_seal.data.sources.joint_maps import JointMap
from keras_seal.data.virtual import (
    draw_bone_lengths,
    pose_person,
    stand_somehow,
    stay_in_area,
    virtual_skeleton,
)
from keras_seal.errors import UserError, nearest

# What a random stream is for; part of its seed, so that streams do not repeat each other.
_PEOPLE, _CLIPS, _SPLIT = 0, 1, 2

# Metres of a file's unit. The last one is that of CMU's data: inches, scaled by 1 / 0.45.
_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "cmu": 0.0254 / 0.45}
# From the ankles to the base of the skull, metres.
_USUAL_HEIGHT, _LEAST_HEIGHT, _GREATEST_HEIGHT = 1.43, 1.0, 1.9
# The height at which shifts in joint maps are given (a person 1.7 m tall).
_MAP_HEIGHT = 1.45
_AREA_RADIUS = 1.25
_LISTED = 5


@dataclass
class _Clip:
    """One file, its joints mapped but still in its own unit and axes."""

    name: str
    fps: float
    joints: np.ndarray  # (frames, 17, 3)
    axes: np.ndarray  # (frames, 17, 3, 3), the axes that shifts turn with
    joint_map: JointMap


class MocapSource(FilmedSource):
    """A folder of motion capture in BVH files, on the skeleton `human36m_17`.

    Each clip's motion is given to drawn people, whose limbs have other lengths than the actor's,
    exactly alike on the left and the right; virtual cameras film them. Clips and people of the
    three splits are different ones. Paths are shortened where they lead out of the cameras' sight.

    Args:
        folder: Folder with BVH files, searched with its subfolders.
        joint_map: Name of a built-in joint map (`bandai_namco`, `cmu`, `mixamo`, `poser`), path of
            a YAML file, or a dictionary; `"auto"` recognises the built-in ones by joint names.
        up: Axis that points up in the files: `"x"`, `"y"`, `"z"`, one of them with a minus sign,
            or `"auto"` for the one along which the head is above the feet.
        unit: Unit of the files: `"m"`, `"cm"`, `"mm"`, `"in"`, `"cmu"` (inches / 0.45), a number of
            metres, or `"auto"` for the one in which the actor is as tall as people are.
        fps: Frames a second to bring all clips to; by default each keeps its own.
        frame_stride: Keep every so many frames (after `fps`).
        validation_fraction: Share of the files to validate on.
        test_fraction: Share of the files to test on.
        validation_files: Files to validate on instead, as patterns like `"walk_*"` or
            `"take3/*.bvh"`.
        test_files: Files to test on instead.
        bad_files: `"error"` stops at files that cannot be used, `"skip"` warns and goes on.
        train_subjects: Number of people in the train split.
        validation_subjects: Number of other people in the validation split.
        test_subjects: Number of other people in the test split.
        subjects_per_clip: How many people act each clip.
        cameras: Cameras around every actor.
        camera_distance: Least and greatest distance of a camera, metres; one that would cut the
            actor off steps back.
        camera_height: Least and greatest height of a camera, metres.
        camera_focal: Least and greatest focal length, in image widths.
        distortion: Whether the lenses distort like Human3.6M's.
        noise: Error of the 2D detector, pixels of an image 1000 wide; 0 gives true keypoints.
        confidence: Whether the detector's confidence is a third channel of the keypoints.
        seed: Decides everything that is drawn.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("mocap")(folder="nowhere").load()
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no folder 'nowhere' to read BVH files from.
    """

    name: ClassVar[str] = "mocap"
    described_by_inputs: ClassVar[frozenset[str]] = frozenset({"folder", "joint_map"})

    folder: Path
    joint_map: str | dict[str, Any] = "auto"
    up: Literal["auto", "x", "-x", "y", "-y", "z", "-z"] = "auto"
    unit: float | Literal["auto", "m", "cm", "mm", "in", "cmu"] = "auto"
    fps: float | None = Field(None, gt=0, le=1000)
    frame_stride: int = Field(1, ge=1)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.2, gt=0, lt=1)
    validation_files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()
    bad_files: Literal["error", "skip"] = "error"
    train_subjects: int = Field(10, ge=1)
    validation_subjects: int = Field(2, ge=1)
    test_subjects: int = Field(4, ge=1)
    subjects_per_clip: int = Field(1, ge=1)

    def input_files(self) -> list[Path]:
        """List the BVH files.

        Returns:
            The files.

        Raises:
            UserError: The folder is missing or holds none.
        """
        return [path for _, path in self._files()]

    def inputs(self) -> dict[str, Any]:
        """Describe the files and the joint map that are read.

        Returns:
            What JSON can hold.
        """
        files = {
            name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self._files()
        }
        given = None if self.joint_map == "auto" else joint_maps.get(self.joint_map).to_dict()
        return {"files": files, "joint_map": given}

    def prepare(self) -> PoseSplits:
        """Read, map and film the clips, without the cache.

        Returns:
            The data.

        Raises:
            UserError: The folder is missing, files cannot be used, or there are too few.
        """
        clips = self._read_clips()
        places = self._places(clips)
        owners = self._split([clip.name for clip in clips])
        studio = self.studio()
        people = (self.train_subjects, self.validation_subjects, self.test_subjects)
        bodies = [
            [
                draw_bone_lengths(np.random.default_rng([self.seed, split, _PEOPLE, person]))
                for person in range(count)
            ]
            for split, count in enumerate(people)
        ]
        reels = [Reel() for _ in SPLITS]
        for index, (clip, place, split) in enumerate(zip(clips, places, owners, strict=True)):
            root, directions, leg, fps = place
            rng = np.random.default_rng([self.seed, split, _CLIPS, index])
            actors = rng.permutation(people[split])[: self.subjects_per_clip]
            for actor in actors.tolist():
                lengths = bodies[split][actor]
                poses = _stage(root, directions, leg, lengths, fps, rng)
                reels[split].add(
                    poses,
                    studio,
                    rng,
                    subject=f"{SPLITS[split]}-{actor + 1:03d}",
                    action=clip.name.removesuffix(".bvh"),
                    fps=fps,
                )
        return PoseSplits(*(reel.sequences() for reel in reels))

    def _files(self) -> list[tuple[str, Path]]:
        if not self.folder.is_dir():
            if self.folder.exists():
                raise UserError(
                    f"'{self.folder}' is a file; give the folder that holds the BVH files."
                )
            raise UserError(f"There is no folder '{self.folder}' to read BVH files from.")
        found = sorted(
            (path.relative_to(self.folder).as_posix(), path)
            for path in self.folder.rglob("*")
            if path.suffix.lower() == ".bvh" and path.is_file()
        )
        if not found:
            raise UserError(f"There is no BVH file in the folder '{self.folder}'.")
        return found

    def _read_clips(self) -> list[_Clip]:
        given = None if self.joint_map == "auto" else joint_maps.get(self.joint_map)
        clips: list[_Clip] = []
        problems: list[str] = []
        for name, path in self._files():
            try:
                clips.append(_map_joints(name, path, read_bvh(path), given))
            except UserError as error:
                problems.append(str(error))
        if problems and self.bad_files == "error":
            listed = problems[:_LISTED]
            if len(problems) > _LISTED:
                listed.append(f"... and {len(problems) - _LISTED} more.")
            raise UserError(
                "\n".join(
                    [
                        *listed,
                        "Mend or remove what cannot be used, or set bad_files to 'skip' to go on "
                        "without it.",
                    ]
                )
            )
        for problem in problems:
            warnings.warn(f"Skipped: {problem}", UserWarning, stacklevel=2)
        return clips

    def _places(self, clips: list[_Clip]) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
        """Give all clips one unit and one way up.

        Files with the same joint map come from one rig and are judged together: one clip alone
        may show someone who lies, or who looks aside all the time.
        """
        rigs: dict[str, list[_Clip]] = {}
        for clip in clips:
            rigs.setdefault(clip.joint_map.name, []).append(clip)
        rig_facts = {name: self._rig_facts(rig) for name, rig in rigs.items()}
        return [self._place(clip, *rig_facts[clip.joint_map.name]) for clip in clips]

    def _rig_facts(self, rig: list[_Clip]) -> tuple[np.ndarray, float, np.ndarray, float]:
        """Turn to z up, metres of the unit, axes of the shifts, and the actor's height."""
        height = float(np.median(np.concatenate([_heights(clip.joints) for clip in rig])))
        unit = self._unit_metres(height, rig[0].name)
        return self._turn_up(rig), unit, _local_axes(rig), height * unit

    def _unit_metres(self, height: float, example: str) -> float:
        if isinstance(self.unit, float):
            metres = self.unit
        elif self.unit != "auto":
            metres = _UNITS[self.unit]
        else:
            metres = min(
                _UNITS.values(), key=lambda unit: abs(np.log(height * unit / _USUAL_HEIGHT))
            )
        if not _LEAST_HEIGHT <= height * metres <= _GREATEST_HEIGHT:
            raise UserError(
                f"The actor of '{example}' measures {height:.4g} of the file's units from the "
                f"ankles to the base of the skull, {height * metres:.3g} m if one unit is "
                f"{metres:.4g} m; set `unit` to the metres of one unit."
            )
        return metres

    def _turn_up(self, rig: list[_Clip]) -> np.ndarray:
        if self.up == "auto":
            upward = np.mean(np.concatenate([_uprightness(clip.joints) for clip in rig]), axis=0)
            axis = int(np.abs(upward).argmax())
            sign = np.sign(upward[axis])
        else:
            axis, sign = "xyz".index(self.up[-1]), -1.0 if self.up[0] == "-" else 1.0
        up = np.zeros(3)
        up[axis] = sign
        side = np.zeros(3)
        side[(axis + 1) % 3] = 1.0
        return np.stack([side, np.cross(up, side), up])

    def _place(
        self, clip: _Clip, turn: np.ndarray, unit: float, local_axes: np.ndarray, height: float
    ) -> tuple[np.ndarray, np.ndarray, float, float]:
        joints = clip.joints * unit
        for index, rule in enumerate(clip.joint_map.rules):
            if rule.forward or rule.up:
                shift = local_axes[index] @ np.array([rule.forward, rule.up])
                joints[:, index] += clip.axes[:, index] @ shift * (height / _MAP_HEIGHT)
        joints = joints @ turn.T
        bones = np.array(virtual_skeleton().bones)
        vectors = joints[:, bones[:, 1]] - joints[:, bones[:, 0]]
        lengths = np.linalg.norm(vectors, axis=-1)
        if lengths.min() < 1e-4:
            frame, bone = np.unravel_index(lengths.argmin(), lengths.shape)
            parent, child = (virtual_skeleton().joints[joint] for joint in bones[bone])
            raise UserError(
                f"'{clip.name}' puts {parent} and {child} in one place in frame {frame}; the joint "
                "map must use different joints for them."
            )
        leg = float(np.median(_leg_lengths(joints)))
        root, directions, fps = self._retime(joints[:, 0], vectors / lengths[..., None], clip.fps)
        return root, directions, leg, fps

    def _retime(
        self, root: np.ndarray, directions: np.ndarray, fps: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        if self.fps is not None and self.fps != fps:
            duration = (len(root) - 1) / fps
            moments = np.arange(int(duration * self.fps + 1e-6) + 1) * (fps / self.fps)
            before = np.minimum(moments.astype(int), len(root) - 1)
            after = np.minimum(before + 1, len(root) - 1)
            share = moments - before
            root = root[before] + share[:, None] * (root[after] - root[before])
            turned = directions[after] - directions[before]
            directions = directions[before] + share[:, None, None] * turned
            directions /= np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-6)
            fps = self.fps
        step = self.frame_stride
        return root[::step], directions[::step], fps / step

    def _split(self, files: list[str]) -> list[int]:
        """Decide for every file which split it belongs to."""
        owners = np.zeros(len(files), int)
        for split, patterns in ((1, self.validation_files), (2, self.test_files)):
            for pattern in patterns:
                chosen = np.array([_matches(file, pattern) for file in files], bool)
                if not chosen.any():
                    raise UserError(
                        f"No BVH file matches '{pattern}' of {SPLITS[split]}_files."
                        f"{nearest(pattern, files[:50])}"
                    )
                both = chosen & (owners != 0) & (owners != split)
                if both.any():
                    file = files[int(np.flatnonzero(both)[0])]
                    raise UserError(f"'{file}' is in validation_files and in test_files.")
                owners[chosen] = split
        rng = np.random.default_rng([self.seed, _SPLIT])
        for split, patterns, fraction in (
            (1, self.validation_files, self.validation_fraction),
            (2, self.test_files, self.test_fraction),
        ):
            if not patterns:
                free = rng.permutation(np.flatnonzero(owners == 0))
                owners[free[: max(1, round(fraction * len(files)))]] = split
        counts = np.bincount(owners, minlength=3)
        if (counts == 0).any():
            raise UserError(
                f"The {len(files)} usable BVH files of '{self.folder}' make {counts[0]} for "
                f"training, {counts[1]} for validation and {counts[2]} for the test; each needs "
                "at least one. Add files or change the fractions."
            )
        return owners.tolist()


def _matches(file: str, pattern: str) -> bool:
    names = (file, file.removesuffix(".bvh"), file.rsplit("/", 1)[-1])
    return any(fnmatch(name, pattern) for name in (*names, names[-1].removesuffix(".bvh")))


def _map_joints(name: str, path: Path, bvh: Bvh, given: JointMap | None) -> _Clip:
    if given is None:
        try:
            joint_map = joint_maps.recognize(bvh.joints)
        except UserError as error:
            raise UserError(f"'{path}': {error}.") from None
    else:
        joint_map = given
        missing = joint_map.missing(bvh.joints)
        if missing:
            raise UserError(
                f"'{path}' has no joint {', '.join(repr(joint) for joint in missing)}, which the "
                f"joint map '{joint_map.name}' needs.{nearest(missing[0], bvh.joints)}"
            )
    indices = joint_map.indices(bvh.joints)
    joints = np.stack([bvh.positions[:, index].mean(axis=1) for index in indices], axis=1)
    axes = np.stack([bvh.rotations[:, index[0]] for index in indices], axis=1)
    return _Clip(name, bvh.fps, joints, axes, joint_map)


def _joint(name: str) -> int:
    return virtual_skeleton().joint_index(name)


def _distance(joints: np.ndarray, one: str, other: str) -> np.ndarray:
    return np.linalg.norm(joints[:, _joint(one)] - joints[:, _joint(other)], axis=-1)


def _leg_lengths(joints: np.ndarray) -> np.ndarray:
    sides = [
        _distance(joints, f"{side}_hip", f"{side}_knee")
        + _distance(joints, f"{side}_knee", f"{side}_ankle")
        for side in ("left", "right")
    ]
    return np.mean(sides, axis=0)


def _heights(joints: np.ndarray) -> np.ndarray:
    """Length from the ankles to the base of the skull, along the bones."""
    chain = ("pelvis", "spine", "thorax", "head")
    trunk = sum(_distance(joints, one, other) for one, other in pairwise(chain))
    return _leg_lengths(joints) + trunk


def _uprightness(joints: np.ndarray) -> np.ndarray:
    feet = (joints[:, _joint("left_ankle")] + joints[:, _joint("right_ankle")]) / 2
    return joints[:, _joint("thorax")] - feet


def _local_axes(rig: list[_Clip]) -> np.ndarray:
    """Find forward and up of the body in each joint's own axes, `(17, 3, 2)`.

    Rigs differ in which axis of a joint points forward. On average over all clips a joint faces
    where the chest faces, which positions alone tell.
    """
    total = np.zeros((17, 3, 2))
    for clip in rig:
        joints = clip.joints
        up = joints[:, _joint("thorax")] - joints[:, _joint("pelvis")]
        left = joints[:, _joint("left_shoulder")] - joints[:, _joint("right_shoulder")]
        forward = np.cross(left, up)
        body = np.stack([forward, np.cross(forward, left)], axis=-1)
        body /= np.maximum(np.linalg.norm(body, axis=1, keepdims=True), 1e-9)
        total += np.einsum("fjba,fbc->jac", clip.axes, body)
    forward = total[..., 0] / np.maximum(
        np.linalg.norm(total[..., 0], axis=-1, keepdims=True), 1e-9
    )
    up = total[..., 1] - (total[..., 1] * forward).sum(axis=-1, keepdims=True) * forward
    up /= np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-9)
    return np.stack([forward, up], axis=-1)


def _stage(
    root: np.ndarray,
    directions: np.ndarray,
    leg: float,
    lengths: np.ndarray,
    fps: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Let a virtual person act a clip: their own strides, facing a drawn way, on the floor."""
    legs = [virtual_skeleton().bone_index(_joint(f"left_{part}")) for part in ("knee", "ankle")]
    path = root * (lengths[legs].sum() / leg)
    ground = stay_in_area(path[:, :2], _AREA_RADIUS, max(2, round(fps)))
    path = np.concatenate([ground, path[:, 2:]], axis=1)
    return stand_somehow(pose_person(path, directions, lengths), rng)
