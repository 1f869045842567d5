"""Keypoint files of every format, made from one known motion.

Every writer states its format on its own, in the words of the tool that writes it; nothing of the
readers is used but the joint orders.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import skeletons

WIDTH, HEIGHT, FPS, FRAMES = 1920, 1080, 25.0, 12

# Offsets from the hips of someone who stands, in units of about 300 pixels; y points down.
_BODY = {
    "hip": (0.25, 0.0),
    "knee": (0.27, 0.8),
    "ankle": (0.29, 1.6),
    "shoulder": (0.35, -1.0),
    "elbow": (0.5, -0.45),
    "wrist": (0.55, 0.05),
    "eye": (0.06, -1.52),
    "ear": (0.13, -1.5),
}


@dataclass
class Person:
    """Someone in one frame: named joints `(x, y)`, one confidence for all, and what is unseen."""

    id: int
    joints: dict[str, np.ndarray]
    confidence: float
    score: float
    unseen: frozenset[str] = frozenset()

    def rows(self, layout: str) -> np.ndarray:
        """`(joints, 3)` in the order of a layout, 0, 0, 0 where unseen, as detectors write it."""
        names = skeletons.get(layout).joints
        rows = [
            (0.0, 0.0, 0.0) if name in self.unseen else (*self.joints[name], self.confidence)
            for name in names
        ]
        return np.array(rows)

    @property
    def box(self) -> np.ndarray:
        points = np.array(list(self.joints.values()))
        return np.concatenate([points.min(axis=0) - 5, points.max(axis=0) + 5])


@dataclass
class Truth:
    """People by frame."""

    frames: list[list[Person]] = field(default_factory=list)

    def detections(self) -> list[tuple[int, Person]]:
        return [(frame, person) for frame, people in enumerate(self.frames) for person in people]

    def track(self, id: int, layout: str) -> tuple[np.ndarray, np.ndarray]:
        """Frames `(N,)` and keypoints `(N, joints, 3)`, NaN where unseen."""
        seen = [(frame, person) for frame, person in self.detections() if person.id == id]
        keypoints = np.stack([person.rows(layout) for _, person in seen])
        keypoints[keypoints[..., 2] == 0, :2] = np.nan
        return np.array([frame for frame, _ in seen]), keypoints

    def only(self, *ids: int) -> Truth:
        return Truth([[person for person in people if person.id in ids] for people in self.frames])


def joints_of(frame: int, person: int) -> dict[str, np.ndarray]:
    """Every joint that any layout names; those that the middle of others defines lie there."""
    size = 300.0 - 40.0 * person
    place = np.array([700.0 + 500.0 * person + 11.3 * frame, 620.0 + 1.7 * frame])
    joints: dict[str, np.ndarray] = {}
    for part, (x, y) in _BODY.items():
        swing = 0.1 * np.sin(0.5 * frame + len(part) + person)
        joints[f"left_{part}"] = place + size * np.array([x + swing, y])
        joints[f"right_{part}"] = place + size * np.array([-x + swing / 2, y + swing / 3])

    def middle(*names: str) -> np.ndarray:
        return np.mean([joints[name] for name in names], axis=0)

    joints["nose"] = place + size * np.array([0.02, -1.45])
    joints["neck"] = joints["thorax"] = middle("left_shoulder", "right_shoulder")
    joints["mid_hip"] = joints["hip"] = joints["pelvis"] = middle("left_hip", "right_hip")
    joints["head"] = joints["head_top"] = middle("left_eye", "right_eye")
    joints["spine"] = middle("neck", "hip")
    names = {name for each in skeletons.names() for name in skeletons.get(each).joints}
    for index, name in enumerate(sorted(names - set(joints))):
        joints[name] = place + size * np.array([0.01 * (index % 20) - 0.1, -1.6 + 0.005 * index])
    return joints


def motion() -> Truth:
    """Two people; the first is unseen in frame 5, the second comes later and goes earlier."""
    truth = Truth()
    for frame in range(FRAMES):
        people = []
        for person in range(2):
            if (person == 0 and frame == 5) or (person == 1 and not 3 <= frame < 9):
                continue
            unseen = frozenset({"left_wrist"} if person == 0 and frame == 7 else set())
            confidence = 0.9 - 0.01 * frame - 0.1 * person
            joints = joints_of(frame, person)
            people.append(Person(person + 1, joints, confidence, 2.5 + 0.1 * frame, unseen))
        # Detectors do not list people in the same order in every frame.
        truth.frames.append(people[::-1] if frame % 2 else people)
    return truth


def _write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def _sides(box: np.ndarray) -> list[float]:
    return [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]


# ------------------------------------------------------------------------------ COCO, AlphaPose


def coco_results(folder: Path, truth: Truth, layout: str = "coco_17") -> Path:
    results = []
    for frame, person in truth.detections():
        rows = person.rows(layout)
        result = {"image_id": frame, "category_id": 1, "score": person.score}
        result["keypoints"] = rows[:17].ravel().tolist()
        if layout == "h3wb_133":
            for key, part in {
                "foot_kpts": rows[17:23],
                "face_kpts": rows[23:91],
                "lefthand_kpts": rows[91:112],
                "righthand_kpts": rows[112:],
            }.items():
                result[key] = part.ravel().tolist()
        results.append(result)
    return _write_json(folder / "results.json", results)


def coco_annotations(folder: Path, truth: Truth) -> Path:
    annotations = []
    for index, (frame, person) in enumerate(truth.detections()):
        rows = person.rows("coco_17")
        rows[:, 2] = np.where(rows[:, 2] > 0, 2, 0)
        annotations.append(
            {
                "id": index,
                "image_id": frame,
                "category_id": 1,
                "num_keypoints": int((rows[:, 2] > 0).sum()),
                "keypoints": rows.ravel().tolist(),
                "bbox": _sides(person.box),
                "track_id": person.id,
            }
        )
    images = [
        {"id": frame, "file_name": f"{frame:06d}.jpg", "width": WIDTH, "height": HEIGHT}
        for frame in range(FRAMES)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": [], "skeleton": [[1, 2]]}]
    return _write_json(
        folder / "person_keypoints.json",
        {"info": {}, "annotations": annotations, "images": images, "categories": categories},
    )


def alphapose(folder: Path, truth: Truth, layout: str = "halpe_26", tracked: bool = True) -> Path:
    results = []
    for frame, person in truth.detections():
        result = {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": person.rows(layout).ravel().tolist(),
            "score": person.score,
            "box": _sides(person.box),
        }
        if tracked:
            result["idx"] = [person.id] if frame == 0 else float(person.id)
        results.append(result)
    return _write_json(folder / "alphapose-results.json", results)


def alphapose_by_image(folder: Path, truth: Truth, form: str) -> Path:
    images: dict[str, Any] = {}
    for frame, people in enumerate(truth.frames):
        if not people:
            continue
        if form == "cmu":
            bodies = [{"joints": p.rows("openpose_18").ravel().tolist()} for p in people]
            images[f"{frame}.jpg"] = {"version": "AlphaPose v0.3", "bodies": bodies}
        elif form == "open":
            bodies = [{"pose_keypoints_2d": p.rows("openpose_18").ravel().tolist()} for p in people]
            images[f"{frame}.jpg"] = {"version": "AlphaPose v0.3", "people": bodies}
        else:
            images[f"{frame}.jpg"] = [
                {
                    "keypoints": p.rows("halpe_26")[:, :2].tolist(),
                    "scores": p.rows("halpe_26")[:, 2:].tolist(),
                    "proposal_score": [p.score],
                    "idx": p.id,
                }
                for p in people
            ]
    return _write_json(folder / "alphapose-results-tracked.json", images)


# ------------------------------------------------------------------------------ OpenPose, MMPose


def openpose(
    folder: Path, truth: Truth, layout: str = "body_25", scale: int = 0, tracked: bool = False
) -> Path:
    folder = folder / f"openpose_{layout}_{scale}_{tracked}"
    for frame, people in enumerate(truth.frames):
        written = []
        for person in people:
            rows = person.rows(layout)
            seen = rows[:, 2] > 0
            if scale == 3:
                rows[seen, :2] /= [WIDTH, HEIGHT]
            elif scale == 4:
                rows[seen, :2] = rows[seen, :2] / [WIDTH / 2, HEIGHT / 2] - 1
            written.append(
                {
                    "person_id": [person.id if tracked else -1],
                    "pose_keypoints_2d": rows.ravel().tolist(),
                    "face_keypoints_2d": [],
                    "hand_left_keypoints_2d": [],
                    "hand_right_keypoints_2d": [],
                    "pose_keypoints_3d": [],
                }
            )
        _write_json(
            folder / f"video_{frame:012d}_keypoints.json", {"version": 1.3, "people": written}
        )
    return folder


def _instances(people: Iterable[Person], layout: str, tracked: bool) -> list[dict[str, Any]]:
    instances = []
    for person in people:
        rows = person.rows(layout)
        instance = {
            "keypoints": rows[:, :2].tolist(),
            "keypoint_scores": rows[:, 2].tolist(),
            "bbox": [person.box.tolist()],
            "bbox_score": person.score,
        }
        if tracked:
            instance["track_id"] = person.id
        instances.append(instance)
    return instances


def mmpose_demo(
    folder: Path, truth: Truth, layout: str = "coco_17", name: str = "coco", tracked: bool = False
) -> Path:
    content = {
        "meta_info": {
            "dataset_name": name,
            "num_keypoints": skeletons.get(layout).num_joints,
            "keypoint_id2name": {"0": "nose"},
            "skeleton_links": [[15, 13]],
        },
        "instance_info": [
            {"frame_id": frame + 1, "instances": _instances(people, layout, tracked)}
            for frame, people in enumerate(truth.frames)
        ],
    }
    path = folder / "results_video.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent="\t"))
    return path


def mmpose_inferencer(folder: Path, truth: Truth, layout: str = "coco_17") -> Path:
    content = [
        {"frame_id": frame, "instances": _instances(people, layout, False)}
        for frame, people in enumerate(truth.frames)
    ]
    return _write_json(folder / "inferencer.json", content)


# ------------------------------------------------------------------------------ VideoPose3D


def detectron(folder: Path, truth: Truth) -> Path:
    boxes, keypoints, segments = (np.empty((FRAMES, 2), object) for _ in range(3))
    for frame, people in enumerate(truth.frames):
        segments[frame] = [None, None]
        boxes[frame, 0], keypoints[frame, 0] = [], []
        if not people:
            boxes[frame, 1], keypoints[frame, 1] = [], []
            continue
        boxes[frame, 1] = np.array([[*person.box, person.score / 5] for person in people])
        rows = np.stack([person.rows("coco_17") for person in people])
        logits = np.zeros_like(rows[..., 0])
        keypoints[frame, 1] = np.stack([rows[..., 0], rows[..., 1], logits, rows[..., 2]], axis=1)
    path = folder / "video.mp4.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        boxes=boxes,
        segments=segments,
        keypoints=keypoints,
        metadata={"w": WIDTH, "h": HEIGHT},
    )
    return path


def videopose3d(folder: Path, truth: Truth, videos: Iterable[str] = ("video.mp4",)) -> Path:
    """One person who must be there in every frame; no confidences."""
    assert all(len(people) == 1 for people in truth.frames)
    keypoints = np.stack([people[0].rows("coco_17")[:, :2] for people in truth.frames])
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
        "video_metadata": {video: {"w": WIDTH, "h": HEIGHT} for video in videos},
    }
    positions = {video: {"custom": [keypoints]} for video in videos}
    path = folder / "data_2d_custom_mine.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, positions_2d=positions, metadata=metadata)
    return path


# ------------------------------------------------------------------------------ MediaPipe


def _landmarks(person: Person, form: str) -> list[Any]:
    rows = person.rows("mediapipe_33")
    rows[:, :2] /= [WIDTH, HEIGHT]
    if form == "lists":
        return [[x, y, -0.1, visibility] for x, y, visibility in rows.tolist()]
    return [
        {"x": x, "y": y, "z": -0.1, "visibility": visibility, "presence": 0.5}
        for x, y, visibility in rows.tolist()
    ]


def mediapipe(folder: Path, truth: Truth, form: str) -> Path:
    """One of the ways in which people dump it; `several` alone holds more than one person."""
    path = folder / f"mediapipe_{form}.json"
    frames = truth.frames
    if form == "several":
        content: Any = [
            {"frame": index, "pose_landmarks": [_landmarks(person, form) for person in people]}
            for index, people in enumerate(frames)
        ]
        return _write_json(path, content)
    alone = [_landmarks(people[0], form) if people else None for people in frames]
    if form == "solution":
        content = [None if found is None else {"landmark": found} for found in alone]
        content = [{} if found is None else found for found in content]
        content = [{"pose_landmarks": found or None} for found in content]
    elif form == "facts":
        content = {
            "fps": FPS,
            "width": WIDTH,
            "height": HEIGHT,
            "frames": [
                {"frame_id": index, "landmarks": found, "world_landmarks": found}
                for index, found in enumerate(alone)
            ],
        }
    else:
        content = alone
    return _write_json(path, content)


# ------------------------------------------------------------------------------ plain


def plain_npz(folder: Path, truth: Truth, layout: str = "coco_17") -> Path:
    seen = truth.detections()
    path = folder / "plain.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        keypoints=np.stack([person.rows(layout) for _, person in seen]),
        frames=np.array([frame for frame, _ in seen]),
        ids=np.array([person.id for _, person in seen]),
        boxes=np.stack([person.box for _, person in seen]),
        scores=np.array([person.score for _, person in seen]),
        image_size=np.array([WIDTH, HEIGHT]),
        fps=FPS,
        layout=layout,
    )
    return path


def dense_npz(folder: Path, truth: Truth, layout: str = "coco_17") -> Path:
    """`(people, frames, joints, 2)` with NaN where somebody is not seen."""
    joints = skeletons.get(layout).num_joints
    keypoints = np.full((2, FRAMES, joints, 3), np.nan)
    for frame, person in truth.detections():
        rows = person.rows(layout)
        rows[rows[:, 2] == 0, :2] = np.nan
        keypoints[person.id - 1, frame] = rows
    path = folder / "dense.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(path, keypoints=keypoints[..., :2], confidence=keypoints[..., 2])
    return path


def table(folder: Path, truth: Truth, layout: str = "coco_17", wide: bool = True) -> Path:
    names = skeletons.get(layout).joints
    path = folder / f"table_{'wide' if wide else 'long'}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        file.write(f"# fps: {FPS}\n# image_size: {WIDTH}x{HEIGHT}\n# made by a test\n\n")
        writer = csv.writer(file, delimiter="," if wide else ";")
        channels = ("x", "y", "confidence")
        if wide:
            writer.writerow(["frame", "person", *(f"{n}_{c}" for n in names for c in channels)])
        else:
            writer.writerow(["frame", "person", "joint", *channels])
        for frame, person in truth.detections():
            rows = person.rows(layout)
            cells = [[repr(v) if row[2] else "" for v in row.tolist()] for row in rows]
            if wide:
                writer.writerow([frame, person.id, *(cell for row in cells for cell in row)])
                continue
            for name, row in zip(names, cells, strict=True):
                if row[0]:
                    writer.writerow([frame, person.id, name, *row])
    return path


@dataclass(frozen=True)
class Case:
    """One way to write the motion, and what must come back."""

    write: Callable[[Path, Truth], Path]
    format: str
    layout: str
    tracked: bool
    options: dict[str, Any] = field(default_factory=dict)
    people: tuple[int, ...] = (1, 2)
    size: bool = False  # the file tells the image size
    fps: bool = False  # ... and the frame rate
    confidence: bool = True
    boxes: bool = False
    first_id: int = 1


_SIZE = {"image_size": (WIDTH, HEIGHT)}

CASES: dict[str, Case] = {
    "coco": Case(coco_results, "coco", "coco_17", False),
    "coco_wholebody": Case(lambda f, t: coco_results(f, t, "h3wb_133"), "coco", "h3wb_133", False),
    "coco_annotations": Case(
        coco_annotations, "coco", "coco_17", True, size=True, confidence=False, boxes=True
    ),
    "alphapose_17": Case(
        lambda f, t: alphapose(f, t, "coco_17", False), "alphapose", "coco_17", False, boxes=True
    ),
    "alphapose_26": Case(alphapose, "alphapose", "halpe_26", True, boxes=True),
    "alphapose_136": Case(
        lambda f, t: alphapose(f, t, "halpe_136"), "alphapose", "halpe_136", True, boxes=True
    ),
    "alphapose_cmu": Case(
        lambda f, t: alphapose_by_image(f, t, "cmu"), "alphapose", "openpose_18", False
    ),
    "alphapose_open": Case(
        lambda f, t: alphapose_by_image(f, t, "open"), "alphapose", "openpose_18", False
    ),
    "alphapose_by_image": Case(
        lambda f, t: alphapose_by_image(f, t, "list"), "alphapose", "halpe_26", True
    ),
    "openpose": Case(openpose, "openpose", "body_25", False),
    "openpose_18": Case(
        lambda f, t: openpose(f, t, "openpose_18", 0, True), "openpose", "openpose_18", True
    ),
    "openpose_unit": Case(
        lambda f, t: openpose(f, t, scale=3), "openpose", "body_25", False, _SIZE
    ),
    "openpose_symmetric": Case(
        lambda f, t: openpose(f, t, scale=4), "openpose", "body_25", False, _SIZE
    ),
    "mmpose_demo": Case(mmpose_demo, "mmpose", "coco_17", False, boxes=True),
    "mmpose_tracked": Case(
        lambda f, t: mmpose_demo(f, t, "halpe_26", "halpe26", True),
        "mmpose",
        "halpe_26",
        True,
        boxes=True,
    ),
    "mmpose_inferencer": Case(mmpose_inferencer, "mmpose", "coco_17", False, boxes=True),
    "mmpose_wholebody": Case(
        lambda f, t: mmpose_inferencer(f, t, "h3wb_133"), "mmpose", "h3wb_133", False, boxes=True
    ),
    "detectron": Case(detectron, "detectron", "coco_17", False, size=True, boxes=True),
    "mediapipe_several": Case(
        lambda f, t: mediapipe(f, t, "several"), "mediapipe", "mediapipe_33", False, _SIZE
    ),
    "mediapipe_lists": Case(
        lambda f, t: mediapipe(f, t.only(1), "lists"),
        "mediapipe",
        "mediapipe_33",
        False,
        _SIZE,
        (1,),
    ),
    "mediapipe_objects": Case(
        lambda f, t: mediapipe(f, t.only(1), "objects"),
        "mediapipe",
        "mediapipe_33",
        False,
        _SIZE,
        (1,),
    ),
    "mediapipe_solution": Case(
        lambda f, t: mediapipe(f, t.only(1), "solution"),
        "mediapipe",
        "mediapipe_33",
        False,
        _SIZE,
        (1,),
    ),
    "mediapipe_facts": Case(
        lambda f, t: mediapipe(f, t.only(1), "facts"),
        "mediapipe",
        "mediapipe_33",
        False,
        {},
        (1,),
        size=True,
        fps=True,
    ),
    "plain_npz": Case(plain_npz, "arrays", "coco_17", True, size=True, fps=True, boxes=True),
    "plain_human36m": Case(
        lambda f, t: plain_npz(f, t, "human36m_17"),
        "arrays",
        "human36m_17",
        True,
        size=True,
        fps=True,
        boxes=True,
    ),
    "dense_npz": Case(dense_npz, "arrays", "coco_17", True, {"layout": "coco_17"}, first_id=0),
    "table_wide": Case(table, "table", "coco_17", True, size=True, fps=True),
    "table_long": Case(
        lambda f, t: table(f, t, "body_25", wide=False),
        "table",
        "body_25",
        True,
        size=True,
        fps=True,
    ),
}
