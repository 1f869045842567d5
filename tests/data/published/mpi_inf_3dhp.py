"""MPI-INF-3DHP in miniature: invented people in the layouts that the data set is published in."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from keras_seal.data.body import draw_build
from keras_seal.data.motion import draw_motion
from keras_seal.data.virtual import draw_bone_lengths
from keras_seal.geometry import Camera, look_at, world_to_camera

# As in the published documentation, not taken from the package.
ALL_JOINTS = [
    "spine3",
    "spine4",
    "spine2",
    "spine",
    "pelvis",
    "neck",
    "head",
    "head_top",
    "left_clavicle",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "left_hand",
    "right_clavicle",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "right_hand",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_foot",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_foot",
    "right_toe",
]
JOINTS = [
    "head_top",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "spine",
    "head",
]
CHOSEN = [ALL_JOINTS.index(joint) for joint in JOINTS]
ROOT = ALL_JOINTS.index("pelvis")
PAPER_CAMERAS = [0, 1, 2, 4, 5, 6, 7, 8]
TRAIN = [f"S{subject}" for subject in range(1, 9)]
TEST = [f"TS{subject}" for subject in range(1, 7)]
FPS = {"S1 Seq2": 50, "S3 Seq1": 50, "S3 Seq2": 50, "S5 Seq1": 50, "S5 Seq2": 50}

# Joints of `human36m_17`, which invented people have.
_H36M = {
    "pelvis": 0, "right_hip": 1, "right_knee": 2, "right_ankle": 3, "left_hip": 4, "left_knee": 5,
    "left_ankle": 6, "spine": 7, "neck": 8, "head_top": 10, "left_shoulder": 11, "left_elbow": 12,
    "left_wrist": 13, "right_shoulder": 14, "right_elbow": 15, "right_wrist": 16,
}  # fmt: skip
# Further joints lie on the line between two others.
_BETWEEN = {
    "head": ("neck", "head_top", 0.45),
    "spine2": ("spine", "neck", 0.3),
    "spine3": ("spine", "neck", 0.6),
    "spine4": ("spine", "neck", 0.8),
    "left_clavicle": ("neck", "left_shoulder", 0.2),
    "right_clavicle": ("neck", "right_shoulder", 0.2),
    "left_hand": ("left_elbow", "left_wrist", 1.4),
    "right_hand": ("right_elbow", "right_wrist", 1.4),
    "left_foot": ("left_knee", "left_ankle", 1.1),
    "right_foot": ("right_knee", "right_ankle", 1.1),
    "left_toe": ("left_knee", "left_ankle", 1.2),
    "right_toe": ("right_knee", "right_ankle", 1.2),
}


@dataclass
class Take:
    """What one camera saw: 28 joints, camera space, millimetres."""

    camera: Camera
    annot3: np.ndarray
    univ_annot3: np.ndarray
    annot2: np.ndarray


@dataclass
class Truth:
    """Recordings by (name, camera): ("S1 Seq1", 3) or ("TS1", 0)."""

    takes: dict[tuple[str, int], Take]
    valid: dict[str, np.ndarray]
    activity: dict[str, np.ndarray]

    def of(self, name: str, camera: int = 0, kind: str = "annot3") -> np.ndarray:
        """The 17 joints in metres."""
        return getattr(self.takes[name, camera], kind)[:, CHOSEN] / 1000


def make(frames: int = 8, subjects=TRAIN, tests=TEST, cameras: int = 14, seed: int = 0) -> Truth:
    rng = np.random.default_rng(seed)
    takes, valid, activity = {}, {}, {}
    names = [f"{subject} Seq{sequence}" for subject in subjects for sequence in (1, 2)]
    for index, name in enumerate([*names, *tests]):
        person = np.random.default_rng([seed, index // 2])
        lengths, build = draw_bone_lengths(person), draw_build(person)
        # Everybody is another size than the universal person.
        scale = person.choice([0.93, 0.955, 1.04])
        body, _ = draw_motion(frames, 25.0, lengths, build, rng)
        world = _all_joints(body)
        size = (1920, 1080) if name in ("TS5", "TS6") else (2048, 2048)
        count = 1 if name.startswith("TS") else cameras
        for number in range(count):
            # Upright images need the studio's walls; outdoors the camera stands further away.
            distance = 4.0 if size[0] == 2048 else 6.5
            takes[name, number] = _film(world, 2 * np.pi * number / count, distance, size, scale)
        if name.startswith("TS"):
            valid[name] = rng.random(frames) < 0.7
            valid[name][: frames // 2] = True
            activity[name] = rng.integers(1, 8, frames)
    return Truth(takes, valid, activity)


def _all_joints(body: np.ndarray) -> np.ndarray:
    joints = {name: body[:, index] for name, index in _H36M.items()}
    for name, (start, stop, share) in _BETWEEN.items():
        joints[name] = joints[start] + share * (joints[stop] - joints[start])
    return np.stack([joints[name] for name in ALL_JOINTS], axis=1)


def _film(world: np.ndarray, angle: float, distance: float, size, scale: float) -> Take:
    target = np.array([*world[:, ROOT, :2].mean(axis=0), 1.0])
    position = target + distance * np.array([np.cos(angle), np.sin(angle), 0.2])
    camera = Camera(
        look_at(position, target),
        position,
        [1497.693, 1497.103],
        [size[0] / 2 + 0.704, size[1] / 2 + 27.394],
        width=size[0],
        height=size[1],
    )
    annot3 = 1000 * world_to_camera(world, camera)
    root = annot3[:, ROOT : ROOT + 1]
    annot2 = annot3[..., :2] / annot3[..., 2:] * camera.focal + camera.center
    return Take(camera, annot3, root + scale * (annot3 - root), annot2)


# ------------------------------------------------------------------------------------------ raw


def write_raw(
    folder: Path, truth: Truth, *, compress: bool = True, calibrated: bool = True
) -> Path:
    """The published folders."""
    for name in sorted({name for name, _ in truth.takes}):
        if name.startswith("TS"):
            write_annot_data(folder / name / "annot_data.mat", truth, name)
            continue
        subject, sequence = name.split()
        place = folder / subject / sequence
        takes = [truth.takes[name, number] for number in range(14)]
        write_annot(place / "annot.mat", takes, compress=compress)
        if calibrated:
            (place / "camera.calibration").write_text(calibration(takes))
    return folder


def write_annot(path: Path, takes: list[Take], *, compress: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    variables: dict[str, np.ndarray] = {}
    for kind in ("annot2", "annot3", "univ_annot3"):
        cells = np.empty((len(takes), 1), object)
        for number, take in enumerate(takes):
            cells[number, 0] = getattr(take, kind).reshape(len(take.annot3), -1)
        variables[kind] = cells
    variables["cameras"] = np.arange(len(takes), dtype=np.uint8)[None]
    variables["frames"] = np.arange(len(takes[0].annot3), dtype=float)[:, None]
    scipy.io.savemat(path, variables, do_compression=compress)


def calibration(takes: list[Take]) -> str:
    lines = ["Skeletool Camera Calibration File V1.0"]
    for number, take in enumerate(takes):
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[[0, 1], [0, 1]] = take.camera.focal
        intrinsic[:2, 2] = take.camera.center
        extrinsic[:3, :3] = take.camera.rotation
        extrinsic[:3, 3] = -1000 * take.camera.rotation @ take.camera.position
        lines += [
            f"name          {number}",
            "  sensor      10 10",
            f"  size        {take.camera.width} {take.camera.height}",
            "  animated    0",
            "  intrinsic   " + " ".join(map(repr, intrinsic.reshape(-1).tolist())) + " ",
            "  extrinsic   " + " ".join(map(repr, extrinsic.reshape(-1).tolist())) + " ",
            "  radial      0",
        ]
    return "\n".join(lines) + "\n"


def write_annot_data(path: Path, truth: Truth, name: str) -> None:
    """MATLAB 7.3: HDF5 after 512 bytes of MATLAB's own, axes in reverse."""
    path.parent.mkdir(parents=True, exist_ok=True)
    take = truth.takes[name, 0]
    with h5py.File(path, "w", userblock_size=512) as file:
        for kind in ("annot2", "annot3", "univ_annot3"):
            array = getattr(take, kind)[:, None, CHOSEN]
            chunks = (max(1, len(array) // 2), *array.shape[1:])
            file.create_dataset(kind, data=array, chunks=chunks, compression="gzip")
        file["valid_frame"] = truth.valid[name].astype(float)[:, None]
        file["activity_annotation"] = truth.activity[name].astype(float)[:, None]
        crops = file.create_dataset("bb_crop", (len(array), 1), dtype=h5py.ref_dtype)
        for frame in range(len(array)):
            crop = file.create_dataset(f"#refs#/{frame}", data=np.ones((1, 4)))
            crops[frame, 0] = crop.ref
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(124) + b"\x00\x02IM")


# ---------------------------------------------------------------------------------- P-STMO, D3DP


def write_nested(folder: Path, truth: Truth, *, original: bool = False) -> Path:
    """P-STMO's files, or with `original` D3DP's."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "_ori" if original else ""
    train, test = nested_dictionaries(truth, "annot3" if original else "univ_annot3")
    np.savez_compressed(folder / f"data_train_3dhp{suffix}.npz", data=np.array(train, object))
    np.savez_compressed(folder / f"data_test_3dhp{suffix}.npz", data=np.array(test, object))
    return folder


def nested_dictionaries(truth: Truth, kind: str) -> tuple[dict, dict]:
    train: dict = {}
    test: dict = {}
    for (name, camera), take in truth.takes.items():
        view = {"data_2d": take.annot2[:, CHOSEN], "data_3d": getattr(take, kind)[:, CHOSEN]}
        if name.startswith("TS"):
            test[name] = {**view, "valid": truth.valid[name].astype(float)}
        elif camera in PAPER_CAMERAS:
            train.setdefault(name, [{}, FPS.get(name, 25)])[0][str(camera)] = view
    return train, test


# ---------------------------------------------------------------------------------------- MMPose


def write_mmpose(folder: Path, truth: Truth) -> Path:
    """MMPose's files; the test set's with the valid frames alone."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list] = {"train": [], "test": []}
    cameras: dict[str, dict] = {"train": {}, "test": {}}
    for (name, number), take in truth.takes.items():
        test = name.startswith("TS")
        if not test and number not in PAPER_CAMERAS:
            continue
        called = name if test else f"{name.replace(' ', '_')}_Cam{number}"
        part = "test" if test else "train"
        camera = {"f": take.camera.focal[:, None], "c": take.camera.center[:, None]}
        if test:
            size = {"w": take.camera.width, "h": take.camera.height, "name": f"test_cam_{name[-1]}"}
        else:
            translation = -take.camera.rotation @ take.camera.position
            camera |= {"R": take.camera.rotation, "T": translation[:, None]}
            # The published file has this height, which lost a digit.
            size = {"w": 2048.0, "h": 204.0, "name": f"train_cam_{number}"}
        cameras[part][called] = {**camera, **size}
        frames = np.flatnonzero(truth.valid[name]) if test else range(len(take.annot3))
        for frame in frames:
            pixels, pose = take.annot2[frame, CHOSEN], take.annot3[frame, CHOSEN] / 1000
            seen = ((pixels >= 0) & (pixels < 2048)).all(axis=-1, keepdims=True)
            rows[part].append(
                (
                    f"{called}_{frame + 1:06d}.jpg",
                    np.concatenate([pixels, seen], axis=-1),
                    np.concatenate([pose, seen], axis=-1),
                )
            )
    for part, suffix in (("train", "train"), ("test", "test_valid")):
        names, pixels, poses = zip(*rows[part], strict=True)
        np.savez(
            folder / f"mpi_inf_3dhp_{suffix}.npz",
            imgname=np.array(names),
            center=np.zeros((len(names), 2)),
            scale=np.ones(len(names)),
            part=np.array(pixels),
            S=np.array(poses),
        )
        (folder / f"cameras_{part}.pkl").write_bytes(pickle.dumps(cameras[part]))
    return folder
