"""Joint positions of motion capture in `.npz` files, filmed by virtual cameras."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from keras_seal import skeletons
from keras_seal.data.sequences import SPLITS, PoseSplits
from keras_seal.data.sources.base import FilmedSource, Reel
from keras_seal.data.sources.inputs import describe_files
from keras_seal.data.storage import DamagedFileError
from keras_seal.data.unpickling import load_npz
from keras_seal.data.virtual import stand_somehow, stay_in_area, virtual_skeleton
from keras_seal.errors import UserError, nearest
from keras_seal.skeletons import Skeleton, joint_maps
from keras_seal.skeletons.joint_maps import JointMap

# What a random stream is for; part of its seed, so that streams do not repeat each other.
_FILMING, _SPLIT = 0, 1

_POSITION_KEYS = ("positions", "joints", "arr_0")
_FPS_KEYS = ("fps", "mocap_framerate", "mocap_frame_rate")
_SKELETON_KEYS = ("skeleton", "layout")

# Joint orders by number of joints. SMPL-H and SMPL-X begin with the 22 of smpl_22.
_BY_NUMBER = {15: "common_15", 16: "human36m_16", 22: "smpl_22", 24: "smpl_24"}
_BEGIN_LIKE_SMPL = (52, 55, 127)

# Length of people's legs from hip to ankle, metres.
_SHORTEST_LEG, _LONGEST_LEG = 0.35, 1.35
_AREA_RADIUS = 1.25
_LISTED = 5


@dataclass
class _Clip:
    """One file: who does what, joints in metres with z up."""

    name: str
    subject: str
    action: str
    fps: float
    poses: np.ndarray  # (frames, 17, 3)


class PositionsSource(FilmedSource):
    """A folder of joint positions in `.npz` or `.npy` files, on the skeleton `human36m_17`.

    Each file is one clip of one person: `positions` (or `joints`) `(frames, joints, 3)` in metres,
    in the world, as computed for example from AMASS; optionally `fps` (or `mocap_framerate`),
    `subject`, `action` and `skeleton` (the name of the joint order). People keep the bones that
    the files give them. Without `subject` a file's folder tells who acts, or its name where it
    lies in no folder of its own; `action` is by default its path. Virtual cameras film everybody;
    paths are shortened where they lead out of their sight. The people of the three splits are
    different ones.

    Args:
        folder: Folder with `.npz` and `.npy` files, searched with its subfolders.
        skeleton: Order of the files' joints, a skeleton's name, file or dictionary; `"auto"` takes
            what the files say, or the number of joints where it tells (22, 24: SMPL; 52, 55, 127:
            SMPL-H and SMPL-X, of which the first 22 are used; 15, 16).
        joint_map: Joint map to `human36m_17`: a name, a file or a dictionary; `"auto"` takes the
            usual one (`joint_maps.find`). It must have one rule for all axes.
        up: Axis that points up in the files, `"z"` as in AMASS or `"y"`.
        file_fps: Frames a second of files that do not tell.
        fps: Frames a second to bring all clips to; by default each keeps its own.
        frame_stride: Keep every so many frames (after `fps`).
        validation_fraction: Share of the people to validate on.
        test_fraction: Share of the people to test on.
        validation_subjects: People to validate on instead.
        test_subjects: People to test on instead.
        bad_files: `"error"` stops at files that cannot be used, `"skip"` warns and goes on.
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
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from keras_seal.data import sources
        >>> made = sources.get("synthetic")(
        ...     frames=75, validation_frames=25, test_frames=25, duration=1, cameras=1)
        >>> people = made.load(use_cache=False).train
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for index in range(3):
        ...     poses = people.sequence(index).poses[..., [0, 2, 1]] * [1, 1, -1]  # z up
        ...     np.savez(folder / f"{index}.npz", positions=poses, fps=25, skeleton="human36m_17")
        >>> sources.get("positions")(folder=folder, cameras=2).load(use_cache=False).train
        PoseSequences(2 sequences, 50 frames, 2 channels, skeleton 'human36m_17')
    """

    name: ClassVar[str] = "positions"
    described_by_inputs: ClassVar[frozenset[str]] = frozenset({"folder", "skeleton", "joint_map"})

    folder: Path
    skeleton: str | dict[str, Any] = "auto"
    joint_map: str | dict[str, Any] = "auto"
    up: Literal["y", "z"] = "z"
    file_fps: float | None = Field(None, gt=0, le=1000)
    fps: float | None = Field(None, gt=0, le=1000)
    frame_stride: int = Field(1, ge=1)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.2, gt=0, lt=1)
    validation_subjects: tuple[str, ...] = ()
    test_subjects: tuple[str, ...] = ()
    bad_files: Literal["error", "skip"] = "error"

    def input_files(self) -> list[Path]:
        """List the files that are read.

        Returns:
            The files, by name.

        Raises:
            UserError: The folder is missing or holds none.
        """
        return [path for _, path in self._files()]

    def inputs(self) -> dict[str, Any]:
        """Describe the files, the skeleton and the joint map that are read.

        Returns:
            What JSON can hold.
        """
        skeleton, joint_map = self._given_skeleton(), self._given_map()
        return {
            "files": describe_files(self.input_files(), self.folder),
            "skeleton": None if skeleton is None else skeleton.to_dict(),
            "joint_map": None if joint_map is None else joint_map.to_dict(),
        }

    def prepare(self) -> PoseSplits:
        """Read, map and film the clips, without the cache.

        Returns:
            The data.

        Raises:
            UserError: The folder is missing, files cannot be used, or there are too few people.
        """
        clips = self._read_clips()
        self._check_upright(clips)
        owners = self._split(sorted({clip.subject for clip in clips}))
        studio = self.studio()
        reels = [Reel() for _ in SPLITS]
        for index, clip in enumerate(clips):
            split = owners[clip.subject]
            rng = np.random.default_rng([self.seed, split, _FILMING, index])
            poses, fps = self._retimed(clip)
            reels[split].add(
                _stage(poses, fps, rng),
                studio,
                rng,
                subject=clip.subject,
                action=clip.action,
                fps=fps,
            )
        return PoseSplits(*(reel.sequences() for reel in reels))

    def _given_skeleton(self) -> Skeleton | None:
        if self.skeleton == "auto":
            return None
        try:
            return skeletons.get(self.skeleton)
        except FileNotFoundError as error:
            raise UserError(str(error)) from None

    def _given_map(self) -> JointMap | None:
        if self.joint_map == "auto":
            return None
        joint_map = joint_maps.get(self.joint_map)
        if joint_map.target.joints != virtual_skeleton().joints:
            raise UserError(
                f"The joint map '{joint_map.name}' leads to '{joint_map.target.name}'; the data "
                f"source 'positions' needs one to '{virtual_skeleton().name}'."
            )
        return joint_map

    def _files(self) -> list[tuple[str, Path]]:
        if not self.folder.is_dir():
            if self.folder.exists():
                raise UserError(
                    f"'{self.folder}' is a file; give the folder that holds the .npz files."
                )
            raise UserError(f"There is no folder '{self.folder}' to read joint positions from.")
        found = sorted(
            (path.relative_to(self.folder).as_posix(), path)
            for path in self.folder.rglob("*")
            if path.suffix.lower() in (".npz", ".npy") and path.is_file()
        )
        if not found:
            raise UserError(f"There is no .npz or .npy file in the folder '{self.folder}'.")
        return found

    def _read_clips(self) -> list[_Clip]:
        skeleton, joint_map = self._given_skeleton(), self._given_map()
        clips: list[_Clip] = []
        problems: list[str] = []
        for name, path in self._files():
            try:
                clips.append(self._read(name, path, skeleton, joint_map))
            except UserError as error:
                problems.append(str(error))
        if problems and self.bad_files == "error":
            listed = problems[:_LISTED]
            if len(problems) > _LISTED:
                listed.append(f"... and {len(problems) - _LISTED} more.")
            listed.append(
                "Mend or remove what cannot be used, or set bad_files to 'skip' to go on without."
            )
            raise UserError("\n".join(listed))
        for problem in problems:
            warnings.warn(f"Skipped: {problem}", UserWarning, stacklevel=2)
        if not clips:
            raise UserError(f"No file of the folder '{self.folder}' can be used.")
        return clips

    def _read(
        self, name: str, path: Path, skeleton: Skeleton | None, joint_map: JointMap | None
    ) -> _Clip:
        content = load_npz(path)
        positions = _positions(content, path)
        if skeleton is None:
            skeleton = joint_map.source if joint_map is not None else _told(content, path)
        if skeleton is None:
            positions, skeleton = _recognized(positions, path)
        if positions.shape[1] != skeleton.num_joints:
            raise UserError(
                f"'{path}' has {positions.shape[1]} joints, but the skeleton '{skeleton.name}' has "
                f"{skeleton.num_joints}. Set `skeleton` to the order of the files' joints."
            )
        if joint_map is None:
            joint_map = joint_maps.find(skeleton, virtual_skeleton())
        elif joint_map.source.joints != skeleton.joints:
            raise UserError(
                f"The joint map '{joint_map.name}' starts from '{joint_map.source.name}', but "
                f"'{path}' holds joints of '{skeleton.name}'."
            )
        if self.up == "y":
            # A quarter turn about x.
            positions = np.stack(
                [positions[..., 0], -positions[..., 2], positions[..., 1]], axis=-1
            )
        poses = joint_map.apply_poses(positions)
        _check_size(poses, path)
        parent = Path(name).parent.as_posix()
        return _Clip(
            name=name,
            subject=_text(content, "subject", path)
            or (Path(name).stem if parent == "." else parent),
            action=_text(content, "action", path) or Path(name).with_suffix("").as_posix(),
            fps=self._rate(content, path),
            poses=poses,
        )

    def _rate(self, content: Mapping[str, Any], path: Path) -> float:
        key = next((key for key in _FPS_KEYS if key in content), None)
        if key is None:
            if self.file_fps is None:
                raise UserError(
                    f"'{path}' does not tell its frames a second ({', '.join(_FPS_KEYS[:2])}); set "
                    "`file_fps`."
                )
            return self.file_fps
        rate = np.asarray(content[key])
        if rate.size != 1 or rate.dtype.kind not in "fiu" or not 0 < float(rate.item()) <= 1000:
            raise UserError(f"'{path}': '{key}' must be frames a second, got {str(rate)[:40]}.")
        return float(rate.item())

    def _check_upright(self, clips: list[_Clip]) -> None:
        """People lie now and then, but over all clips heads are above feet."""
        skeleton = virtual_skeleton()
        thorax, *feet = (
            skeleton.joint_index(joint) for joint in ("thorax", "left_ankle", "right_ankle")
        )
        upward = np.mean(
            np.concatenate([clip.poses[:, thorax] - clip.poses[:, feet].mean(1) for clip in clips]),
            axis=0,
        )
        if upward[2] <= 0 or np.abs(upward).argmax() != 2:
            raise UserError(
                f"The people in '{self.folder}' do not stand along the axis {self.up}; set `up` to "
                f"'{'y' if self.up == 'z' else 'z'}', or turn the positions."
            )

    def _retimed(self, clip: _Clip) -> tuple[np.ndarray, float]:
        poses, fps = clip.poses, clip.fps
        if self.fps is not None and self.fps != fps:
            duration = (len(poses) - 1) / fps
            moments = np.arange(int(duration * self.fps + 1e-6) + 1) * (fps / self.fps)
            before = np.minimum(moments.astype(int), len(poses) - 1)
            after = np.minimum(before + 1, len(poses) - 1)
            share = (moments - before)[:, None, None]
            poses = poses[before] + share * (poses[after] - poses[before])
            fps = self.fps
        return poses[:: self.frame_stride], fps / self.frame_stride

    def _split(self, subjects: list[str]) -> dict[str, int]:
        """Decide for everybody which split they belong to."""
        owners = dict.fromkeys(subjects, 0)
        for split, wanted in ((1, self.validation_subjects), (2, self.test_subjects)):
            for subject in wanted:
                if subject not in owners:
                    raise UserError(
                        f"There is no subject '{subject}' of {SPLITS[split]}_subjects."
                        f"{nearest(subject, subjects[:50])}"
                    )
                if owners[subject] not in (0, split):
                    raise UserError(
                        f"'{subject}' is in validation_subjects and in test_subjects; a person may "
                        "be in one only."
                    )
                owners[subject] = split
        rng = np.random.default_rng([self.seed, _SPLIT])
        for split, wanted, fraction in (
            (1, self.validation_subjects, self.validation_fraction),
            (2, self.test_subjects, self.test_fraction),
        ):
            if not wanted:
                free = [subject for subject in subjects if owners[subject] == 0]
                count = max(1, round(fraction * len(subjects)))
                for index in rng.permutation(len(free))[:count].tolist():
                    owners[free[index]] = split
        counts = np.bincount(list(owners.values()), minlength=3)
        if (counts == 0).any():
            raise UserError(
                f"The {len(subjects)} people in '{self.folder}' make {counts[0]} for training, "
                f"{counts[1]} for validation and {counts[2]} for the test; each needs at least "
                "one. Add people, or set `subject` in the files if they show more."
            )
        return owners


def _positions(content: Mapping[str, Any], path: Path) -> np.ndarray:
    key = next((key for key in _POSITION_KEYS if key in content), None)
    if key is None:
        body = " It holds a body model's parameters; compute joints from them first." * (
            "poses" in content and "trans" in content
        )
        found = ", ".join(f"'{name}'" for name in list(content)[:5]) or "nothing"
        raise UserError(
            f"'{path}' has no 'positions' (frames, joints, 3) in metres, but {found}.{body}"
        )
    positions = content[key]
    if not isinstance(positions, np.ndarray) or positions.dtype.kind not in "fiu":
        raise DamagedFileError(f"'{path}': '{key}' must be an array of numbers.")
    if positions.ndim != 3 or positions.shape[-1] != 3 or not positions.size:
        raise UserError(
            f"'{path}': '{key}' must have the shape (frames, joints, 3), got {positions.shape}."
        )
    positions = positions.astype(np.float64)
    bad = ~np.isfinite(positions).all(axis=(1, 2))
    if bad.any():
        raise UserError(
            f"'{path}' holds joints that are not finite in {bad.sum()} of {len(bad)} frames, first "
            f"in frame {int(bad.argmax())}. Fill or leave out such frames."
        )
    return positions


def _text(content: Mapping[str, Any], key: str, path: Path) -> str:
    value = content.get(key, "")
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > 200:
        raise UserError(f"'{path}': '{key}' must be a short text.")
    return value.strip()


def _told(content: Mapping[str, Any], path: Path) -> Skeleton | None:
    """The skeleton that a file names; it must not name files."""
    for key in _SKELETON_KEYS:
        name = _text(content, key, path)
        if name.endswith((".yaml", ".yml")):
            raise UserError(f"'{path}': '{key}' must be the name of a built-in skeleton.")
        if name:
            try:
                return skeletons.get(name)
            except UserError as error:
                raise UserError(f"'{path}': {error}") from None
    return None


def _recognized(positions: np.ndarray, path: Path) -> tuple[np.ndarray, Skeleton]:
    count = positions.shape[1]
    if count in _BEGIN_LIKE_SMPL:
        positions, count = positions[:, :22], 22
    if count not in _BY_NUMBER:
        raise UserError(
            f"'{path}' has {count} joints, which does not tell their order. Set `skeleton`."
        )
    return positions, skeletons.get(_BY_NUMBER[count])


def _check_size(poses: np.ndarray, path: Path) -> None:
    skeleton = virtual_skeleton()
    lengths = [
        np.linalg.norm(
            poses[:, skeleton.joint_index(f"{side}_{one}")]
            - poses[:, skeleton.joint_index(f"{side}_{other}")],
            axis=-1,
        )
        for side in ("left", "right")
        for one, other in (("hip", "knee"), ("knee", "ankle"))
    ]
    leg = float(np.median(np.sum(lengths, axis=0) / 2))
    if not _SHORTEST_LEG <= leg <= _LONGEST_LEG:
        raise UserError(
            f"The legs in '{path}' are {leg:.4g} long from hip to ankle; positions must be in "
            "metres (divide millimetres by 1000), and `skeleton` the order of their joints."
        )


def _stage(poses: np.ndarray, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Put an actor in the middle of the scene, facing a drawn way, on the floor."""
    path = poses[:, 0, :2]
    shift = stay_in_area(path, _AREA_RADIUS, max(2, round(fps))) - path
    staged = poses + np.concatenate([shift, np.zeros((len(shift), 1))], axis=1)[:, None]
    return stand_somehow(staged, rng)
