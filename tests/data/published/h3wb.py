"""H3WB in miniature: invented people with faces and hands, in the layouts of the data set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_seal.data.body import draw_build
from keras_seal.data.motion import draw_motion
from keras_seal.data.sources.human36m import cameras
from keras_seal.data.virtual import draw_bone_lengths
from keras_seal.geometry import Camera, project, world_to_camera

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
TRAIN = ("S1", "S5", "S6", "S7")
ACTIONS = ("Directions 1", "TakingPhoto")
# COCO's limbs by the joints of `human36m_17`: shoulders, elbows, wrists, hips, knees, ankles.
_LIMBS = (11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3)


@dataclass
class Sample:
    subject: str
    action: str
    camera: str
    frame: int
    pixels: np.ndarray  # (133, 2)
    pose: np.ndarray  # (133, 3), camera space, metres
    number: int = -1

    @property
    def image_path(self) -> str:
        return f"{self.subject}/Images/{self.action}.{self.camera}/frame_{self.frame:04d}.jpg"


def make(frames: int = 3, subjects=TRAIN, seed: int = 0) -> list[Sample]:
    """Samples of every subject, video and camera, numbered from 0."""
    samples: list[Sample] = []
    for index, subject in enumerate(subjects):
        person = np.random.default_rng([seed, index])
        lengths, build = draw_bone_lengths(person), draw_build(person)
        for action in ACTIONS:
            body, _ = draw_motion(frames, 50.0, lengths, build, person)
            body[..., :2] -= body[:, :1, :2].mean(axis=0)
            world = whole_body(body)
            numbers = np.sort(person.choice(2000, frames, replace=False))
            for camera in CAMERAS:
                known = cameras(subject)[camera]
                poses = world_to_camera(world, known)
                pixels = project(poses, known)
                samples += [
                    Sample(subject, action, camera, int(number), pixels[place], poses[place])
                    for place, number in enumerate(numbers)
                ]
    for number, sample in enumerate(samples):
        sample.number = number
    return samples


def make_test(task: str = "2Dto3D", frames: int = 3, seed: int = 9) -> list[Sample]:
    """Samples of S8, with the numbers that a task's test set has."""
    samples = make(frames, ("S8",), seed)
    for place, sample in enumerate(samples):
        sample.number = place // 4 * 8 + place % 4 + (4 if task == "I2Dto3D" else 0)
    return samples


def whole_body(body: np.ndarray) -> np.ndarray:
    """Add face, feet and hands to `human36m_17` people: (frames, 133, 3)."""

    def unit(vector):
        return vector / np.linalg.norm(vector, axis=-1, keepdims=True)

    lateral = unit(body[:, 11] - body[:, 14])
    up = unit(body[:, 10] - body[:, 8])
    forward = unit(np.cross(lateral, up))

    def near(joint, left, high, ahead):
        return joint + left * lateral + high * up + ahead * forward

    nose = body[:, 9] + 0.05 * forward
    points = [nose]
    points += [near(nose, side * 0.03, 0.035, -0.03) for side in (1, -1)]
    points += [near(nose, side * 0.07, 0.02, -0.11) for side in (1, -1)]
    points += [body[:, joint] for joint in _LIMBS]
    for ankle in (6, 3):
        side = 1 if ankle == 6 else -1
        points += [
            near(body[:, ankle], side * 0.01, -0.07, 0.15),
            near(body[:, ankle], side * 0.07, -0.07, 0.12),
            near(body[:, ankle], 0.0, -0.06, -0.06),
        ]
    points += [near(nose, *place) for place in _face()]
    for elbow, wrist in ((12, 13), (15, 16)):
        along = unit(body[:, wrist] - body[:, elbow])
        across = unit(np.cross(along, forward + 0.1 * up))
        points.append(body[:, wrist] + 0.02 * along)
        for finger in range(5):
            for joint in range(4):
                reach, spread = 0.08 + 0.03 * joint, 0.02 * (finger - 2)
                points.append(body[:, wrist] + reach * along + spread * across)
    return np.stack(points, axis=1)


def _face() -> list[tuple[float, float, float]]:
    """68 places (left, up, forward of the nose), numbered from the person's right."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 17)
    places = [
        (0.07 * np.sin(angle), 0.02 - 0.08 * np.cos(angle), -0.06 * abs(np.sin(angle)))
        for angle in turn
    ]
    places += [(x, 0.055, -0.02) for x in np.linspace(-0.055, 0.055, 10)]
    places += [(0.0, height, 0.0) for height in (0.03, 0.02, 0.01, 0.0)]
    places += [(x, -0.01, -0.01) for x in np.linspace(-0.015, 0.015, 5)]
    for middle in (-0.035, 0.035):
        places += [
            (middle + 0.015 * np.cos(angle), 0.035 + 0.006 * np.sin(angle), -0.02)
            for angle in np.pi - np.arange(6) * np.pi / 3
        ]
    for count, width in ((12, 0.025), (8, 0.018)):
        places += [
            (width * np.cos(angle), -0.04 + 0.4 * width * np.sin(angle), -0.01)
            for angle in np.pi - np.arange(count) * 2 * np.pi / count
        ]
    return [tuple(map(float, place)) for place in places]


# ---------------------------------------------------------------------------------------- JSON


def as_json(sample: Sample, *, with_2d=True, with_3d=True, image=True, seen=None) -> dict:
    content: dict = {}
    if image:
        low, high = sample.pixels.min(axis=0).astype(int), sample.pixels.max(axis=0).astype(int)
        content["image_path"] = sample.image_path
        content["bbox"] = dict(zip(("x_min", "y_min"), low.tolist(), strict=True)) | dict(
            zip(("x_max", "y_max"), high.tolist(), strict=True)
        )
    if with_2d:
        pixels = sample.pixels if seen is None else np.where(seen[:, None], sample.pixels, 0.0)
        content["keypoints_2d"] = {
            str(joint): {"x": x, "y": y} for joint, (x, y) in enumerate(pixels.tolist())
        }
    if with_3d:
        content["keypoints_3d"] = {
            str(joint): {"x": x, "y": y, "z": z}
            for joint, (x, y, z) in enumerate((1000 * sample.pose).tolist())
        }
    return content


def write_json(path: Path, samples: list[Sample], **kinds) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({str(one.number): as_json(one, **kinds) for one in samples}))
    return path


def write_tasks(folder: Path, train: list[Sample], test: list[Sample], task="2Dto3D", seen=None):
    """The files of a task; `seen` (133,) tells what its test set shows."""
    write_json(folder / "2Dto3D_train.json", train)
    path = folder / f"{task}_test_2d.json"
    path.write_text(
        json.dumps({str(one.number): as_json(one, with_3d=False, seen=seen) for one in test})
    )
    write_json(folder / f"{task}_test_3d.json", test)
    return folder


# ------------------------------------------------------------------------------------------ npz


def write_arrays(path: Path, samples: list[Sample], *, extra_axis: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    train, metadata = dictionaries(samples, extra_axis=extra_axis)
    np.savez_compressed(
        path, train_data=np.array(train, object), metadata=np.array(metadata, object)
    )
    return path


def dictionaries(samples: list[Sample], *, extra_axis: bool = False) -> tuple[dict, dict]:
    train: dict = {}
    metadata: dict = {"left_side": [1, 3], "right_side": [2, 4], "face": list(range(23, 91))}
    for subject in dict.fromkeys(one.subject for one in samples):
        metadata[subject] = {name: _camera(known) for name, known in cameras(subject).items()}
        for action in ACTIONS:
            video: dict = {}
            for camera in CAMERAS:
                chosen = [
                    one
                    for one in samples
                    if (one.subject, one.action, one.camera) == (subject, action, camera)
                ]
                poses = 1000 * np.array([one.pose for one in chosen])
                pixels = np.array([one.pixels for one in chosen])
                video["frame_id"] = np.array([one.frame for one in chosen])
                video[camera] = {
                    "camera_3d": poses[:, None] if extra_axis else poses,
                    "pose_2d": pixels[:, None] if extra_axis else pixels,
                    "sample_id": np.array([one.number for one in chosen]),
                }
            video["global_3d"] = np.zeros((len(video["frame_id"]), 1, 133, 3))
            train.setdefault(subject, {})[action] = video
    return train, metadata


def _camera(camera: Camera) -> dict[str, np.ndarray]:
    matrix = np.eye(3)
    matrix[[0, 1], [0, 1]] = camera.focal / 1000
    matrix[:2, 2] = camera.center / 1000
    k1, k2, k3 = camera.radial
    with_x, with_y = camera.tangential
    return {
        "K": matrix[None].astype("float32"),
        "R": camera.rotation[None].astype("float32"),
        "T": (-camera.rotation @ camera.position)[None, None].astype("float32"),
        "Distortion": np.array([[k1, k2, with_y, with_x, k3]], "float32"),
    }
