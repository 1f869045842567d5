"""Human3.6M in miniature: invented people before its true cameras, in the published layouts."""

from __future__ import annotations

import copy
import importlib.resources
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_seal.data.body import draw_build
from keras_seal.data.motion import draw_motion
from keras_seal.data.virtual import draw_bone_lengths

CAMERAS = ["54138969", "55011271", "58860488", "60457274"]
TRAIN, TEST = ["S1", "S5", "S6", "S7", "S8"], ["S9", "S11"]
# The 17 joints among the 32 of the recordings.
KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
NOSE, HEAD = 9, 10
# For each of Human3.6M's 16 joints, the one of MPII's.
MPII = [6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10]
TAKES = {
    "S1": ["Directions 1", "Directions", "TakingPhoto", "WalkingDog 1"],
    "S5": ["Walking", "WalkTogether 1"],
    "S6": ["Eating 2"],
    "S7": ["SittingDown", "Sitting 1"],
    "S8": ["Photo 1"],
    "S9": ["Greeting", "Greeting 1", "SittingDown", "Waiting 1"],
    "S11": ["Directions", "Directions 1", "Phoning 3"],
}
DROPPED = ("S11", "Directions")
# Numbers of the acts in MotionBERT's names.
ACTS = {
    "Directions": 2, "Eating": 4, "Greeting": 5, "Phoning": 6, "Sitting": 9, "SittingDown": 10,
    "TakingPhoto": 12, "Photo": 12, "Waiting": 13, "Walking": 14, "WalkingDog": 15,
    "WalkTogether": 16,
}  # fmt: skip
H36M_SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
MPII_SYMMETRY = [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]
COCO_SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]


@dataclass
class Take:
    subject: str
    name: str
    world: np.ndarray  # (frames, 17, 3) float32 metres

    @property
    def key(self) -> tuple[str, str]:
        return self.subject, self.name


def make_takes(seed: int = 0, frames: int = 12) -> list[Take]:
    """One person per subject, rigid, with a bone of 115 mm from nose to head."""
    rng = np.random.default_rng(seed)
    takes = []
    for subject, names in TAKES.items():
        lengths, build = draw_bone_lengths(rng), draw_build(rng)
        lengths[HEAD - 1] = 0.115
        for index, name in enumerate(names):
            poses, _ = draw_motion(frames + index, 50.0, lengths, build, rng)
            takes.append(Take(subject, name, poses.astype(np.float32)))
    return takes


# ------------------------------------------------------------- the lens, stated independently


def calibration(subject: str, camera: str) -> dict[str, np.ndarray]:
    """The numbers of the calibration, with the rotation from the world to the camera."""
    file = importlib.resources.files("keras_seal.data.sources.human36m") / "cameras.json"
    numbers = json.loads(file.read_text())
    lens, place = numbers["lenses"][camera], numbers["places"][subject][camera]
    w, x, y, z = np.array(place["quaternion"]) / np.linalg.norm(place["quaternion"])
    to_world = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return {
        "R": to_world.T,
        "t": np.array(place["position"]) / 1000,
        "f": np.array(lens["focal"]),
        "c": np.array(lens["center"]),
        "k": np.array(lens["radial"]),
        "p": np.array(lens["tangential"]),
        "size": np.array([lens["width"], lens["height"]]),
    }


def to_camera(world: np.ndarray, subject: str, camera: str) -> np.ndarray:
    """Metres in camera space."""
    numbers = calibration(subject, camera)
    return (world.astype(np.float64) - numbers["t"]) @ numbers["R"].T


def to_pixels(points: np.ndarray, camera: str, tangential: float = 1.0) -> np.ndarray:
    """Official 2D: the cross terms of the tangential distortion count once."""
    numbers = calibration("S1", camera)
    u = points[..., :2] / points[..., 2:]
    r2 = (u**2).sum(axis=-1, keepdims=True)
    radial = 1 + (numbers["k"] * np.concatenate([r2, r2**2, r2**3], axis=-1)).sum(-1, keepdims=True)
    cross = tangential * (numbers["p"] * u).sum(axis=-1, keepdims=True)
    return numbers["f"] * (u * (radial + cross) + numbers["p"] * r2) + numbers["c"]


# --------------------------------------------------------------------------------- VideoPose3D


def all_32_joints(world: np.ndarray) -> np.ndarray:
    """The 17 joints among others that nobody may use."""
    full = np.full((len(world), 32, 3), 7.5, np.float32)
    full[:, KEPT] = world
    return full


def poses_3d(takes: list[Take]) -> dict:
    positions: dict = {}
    for take in takes:
        positions.setdefault(take.subject, {})[take.name] = all_32_joints(take.world)
    return positions


def gt(take: Take, camera: str) -> np.ndarray:
    pixels = to_pixels(to_camera(take.world, take.subject, camera), camera)
    return pixels.astype(np.float32)


def detected(take: Take, camera: str, more: int = 3, confidence: bool = False) -> np.ndarray:
    """A detector's keypoints, of a video that runs on for some frames."""
    rng = np.random.default_rng([len(take.name), CAMERAS.index(camera)])
    pixels = gt(take, camera)
    pixels = np.concatenate([pixels, np.repeat(pixels[-1:], more, axis=0)])
    pixels = pixels + rng.normal(0, 4, pixels.shape).astype(np.float32)
    if confidence:
        pixels = np.concatenate([pixels, rng.random((*pixels.shape[:2], 1), np.float32)], axis=-1)
    return pixels


def as_mpii(pixels: np.ndarray) -> np.ndarray:
    without_nose = np.delete(pixels, NOSE, axis=1)
    mpii = np.zeros_like(without_nose)
    mpii[:, MPII] = without_nose
    return mpii


def keypoints_2d(takes: list[Take], see=gt, **options) -> dict:
    positions: dict = {}
    for take in takes:
        views = [see(take, camera, **options) for camera in CAMERAS]
        positions.setdefault(take.subject, {})[take.name] = views
    return positions


def metadata(symmetry=None, joints: int = 17, **others) -> dict:
    return {
        "num_joints": joints,
        "keypoints_symmetry": copy.deepcopy(symmetry or H36M_SYMMETRY),
        **others,
    }


def write_2d(folder: Path, keypoints: str, positions: dict, facts: dict | None = None) -> Path:
    path = folder / f"data_2d_h36m_{keypoints}.npz"
    np.savez_compressed(path, positions_2d=positions, metadata=facts or metadata())
    return path


def write_videopose3d(folder: Path, takes: list[Take]) -> Path:
    """The files that the papers use; Directions of S11 is in the 3D, and in some of the 2D."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=poses_3d(takes))
    write_2d(folder, "gt", keypoints_2d(takes), metadata(layout_name="h36m"))
    usable = [take for take in takes if take.key != DROPPED]
    # Detections of subjects without published poses are in some files.
    extra = Take("S2", "Walking", takes[0].world)
    cpn = keypoints_2d([*usable, extra], detected)
    write_2d(folder, "cpn_ft_h36m_dbb", cpn, metadata(layout_name="h36m"))
    sh = keypoints_2d(usable, lambda *key: as_mpii(detected(*key)))
    write_2d(folder, "sh_ft_h36m", sh, metadata(MPII_SYMMETRY, 16))
    coco = keypoints_2d(usable, detected)
    write_2d(folder, "detectron_pt_coco", coco, metadata(COCO_SYMMETRY, layout_name="coco"))
    return folder


# ---------------------------------------------------------------------------------- MotionBERT


def motionbert_source(take: Take, camera: str) -> str:
    action, *number = take.name.split(" ")
    subact = 1 if number else 2
    return (
        f"s_{int(take.subject[1:]):02d}_act_{ACTS[action]:02d}_subact_{subact:02d}"
        f"_ca_{CAMERAS.index(camera) + 1:02d}"
    )


def image_space(poses: np.ndarray, camera: str) -> tuple[np.ndarray, np.ndarray]:
    """Poses in pixels, and millimetres per pixel, of poses in millimetres of camera space.

    A box 2 m wide around the pelvis is projected without distortion; a pixel is added to its
    width before it gives the scale of the depths.
    """
    numbers = calibration("S1", camera)
    root = poses[:, 0]
    left, right = (
        numbers["f"][0] * (root[:, 0] + shift) / root[:, 2] + numbers["c"][0]
        for shift in (-1000.0, 1000.0)
    )
    ratio = (right - left + 1) / 2000
    image = numbers["f"] * poses[..., :2] / poses[..., 2:] + numbers["c"]
    depth = ratio[:, None] * (poses[..., 2] - root[:, None, 2])
    return np.concatenate([image, depth[..., None]], axis=-1), 1 / ratio


def motionbert(takes: list[Take], confidence: bool = True) -> dict:
    content = {}
    for split, subjects in (("train", TRAIN), ("test", TEST)):
        rows: dict = {
            key: []
            for key in ("joint_2d", "confidence", "joint3d_image", "camera_name", "source",
                        "joints_2.5d_image", "2.5d_factor", "action")
        }  # fmt: skip
        for take in takes:
            if take.subject not in subjects or take.key == DROPPED:
                continue
            for camera in CAMERAS:
                poses = 1000 * to_camera(take.world, take.subject, camera)
                image, factor = image_space(poses, camera)
                seen = detected(take, camera, 0, True)
                rows["joint_2d"].append(seen[..., :2])
                rows["confidence"].append(seen[..., 2])
                rows["joint3d_image"].append(image)
                rows["joints_2.5d_image"].append(image * factor[:, None, None])
                rows["2.5d_factor"].append(factor)
                rows["camera_name"] += [camera] * len(poses)
                rows["source"] += [motionbert_source(take, camera)] * len(poses)
                rows["action"] += [take.name.split(" ")[0]] * len(poses)
        columns = {
            key: np.concatenate(value).astype(np.float32)
            for key, value in rows.items()
            if isinstance(value[0], np.ndarray)
        }
        columns |= {"camera_name": np.array(rows["camera_name"]), "source": rows["source"]}
        if split == "test":
            columns["action"] = rows["action"]
        else:
            del columns["joints_2.5d_image"], columns["2.5d_factor"]
        if not confidence:
            del columns["confidence"]
        content[split] = columns
    return content


def write_motionbert(
    folder: Path, content: dict, name: str = "h36m_sh_conf_cam_source_final.pkl"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(content))
    return folder


# -------------------------------------------------------------------------------------- mmpose


def mmpose(takes: list[Take], step: int = 1) -> dict[str, dict[str, np.ndarray]]:
    content = {}
    for split, subjects in (("train", TRAIN), ("test", TEST)):
        names, parts, poses, detections = [], [], [], []
        for take in takes:
            if take.subject not in subjects:
                continue
            for camera in CAMERAS:
                stem = f"{take.subject}_{take.name.replace(' ', '_')}.{camera}"
                rows = slice(0, None, step)
                frames = range(1, len(take.world) + 1)[rows]
                names += [f"{stem}_{frame:06d}.jpg" for frame in frames]
                ones = np.ones((len(frames), 17, 1))
                pose = to_camera(take.world, take.subject, camera)[rows]
                parts.append(np.concatenate([to_pixels(pose, camera), ones], axis=-1))
                poses.append(np.concatenate([pose, ones], axis=-1))
                detections.append(detected(take, camera, 0, True)[rows])
        content[split] = {
            "imgname": np.array(names),
            "center": np.zeros((len(names), 2)),
            "scale": np.ones(len(names)),
            "part": np.concatenate(parts),
            "S": np.concatenate(poses),
            "detections": np.concatenate(detections),
        }
    return content


def write_mmpose(folder: Path, content: dict[str, dict[str, np.ndarray]]) -> Path:
    """The tree of mmpose: annotations of a rate in a folder, detections beside the folders."""
    annotations = folder / "annotation_body3d" / "fps50"
    detections = folder / "joint_2d_det_files"
    for place in (annotations, detections):
        place.mkdir(parents=True, exist_ok=True)
    for split, arrays in content.items():
        stored = {key: value for key, value in arrays.items() if key != "detections"}
        np.savez(annotations / f"h36m_{split}.npz", **stored)
        np.save(detections / f"cpn_ft_h36m_dbb_{split}.npy", arrays["detections"])
    return annotations
