"""What all readers of keypoint files have in common: they collect people, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from keras_seal import skeletons
from keras_seal.data.keypoint_files.people import Detections, KeypointFile, Track
from keras_seal.data.storage import DamagedFileError
from keras_seal.errors import UserError
from keras_seal.skeletons import Skeleton

Coordinates = Literal["pixels", "unit", "symmetric"]

# Layouts of detectors by number of joints. 14 joints are AI Challenger's or CrowdPose's.
DETECTOR_LAYOUTS = {
    16: "mpii_16",
    17: "coco_17",
    18: "openpose_18",
    25: "body_25",
    26: "halpe_26",
    33: "mediapipe_33",
    133: "h3wb_133",
    136: "halpe_136",
}

# Nobody is this small: coordinates that all lie closer to 0 are no pixels.
_SMALLEST_PIXELS = 2.0
# Detectors' confidences: probabilities, or heights of peaks that may exceed 1.
_GREATEST_CONFIDENCE = 100.0
_MOST_NEGATIVE = 0.05
_GREATEST_SIZE = 10**6
_GREATEST_COORDINATE = 10.0**7


@dataclass(frozen=True)
class Request:
    """What the caller of `read` said about a file.

    Args:
        image_size: Width and height in pixels, or None.
        fps: Frames a second, or None.
        layout: The joint order, or None.
        coordinates: The coordinates' scale, or None for what the format says.
        video: Which video of a file of several, or None.
    """

    image_size: tuple[int, int] | None = None
    fps: float | None = None
    layout: Skeleton | None = None
    coordinates: Coordinates | None = None
    video: str | None = None


class Collector:
    """Collects the people of a file and makes a `KeypointFile` of them.

    Args:
        path: The file, for errors.
        format: The format's name.
        request: What the caller said.
    """

    def __init__(self, path: str, format: str, request: Request) -> None:
        self.path = path
        self.format = format
        self.request = request
        self.image_size = request.image_size
        self.fps = request.fps
        # What the format says; the request may say otherwise.
        self.coordinates: Coordinates | Literal["open"] = "pixels"
        self.layouts: Mapping[int, str] = DETECTOR_LAYOUTS
        self.layout: Skeleton | None = None
        self.num_frames = 0
        self._count = 0
        self._joints = 0
        self._keypoints = np.empty((0, 0, 3))
        self._frames: list[int] = []
        self._ids: list[int | None] = []
        self._boxes: list[np.ndarray | None] = []
        self._scores: list[float] = []

    def set_image_size(self, width: float, height: float) -> None:
        """Note the image size that the file tells.

        Args:
            width: Pixels.
            height: Pixels.

        Raises:
            UserError: It is no size, or another one than the caller's.
        """
        size = checked_size((width, height), f"'{self.path}'")
        if self.image_size not in (None, size):
            raise UserError(
                f"'{self.path}' says that its images are {size[0]} x {size[1]}, but the size "
                f"{self.image_size[0]} x {self.image_size[1]} was given. Leave it out, or give "
                "the file of that video."
            )
        self.image_size = size

    def set_fps(self, fps: float) -> None:
        """Note the frame rate that the file tells.

        Args:
            fps: Frames a second.

        Raises:
            UserError: It is no rate, or another one than the caller's.
        """
        fps = checked_fps(fps, f"'{self.path}'")
        if self.fps not in (None, fps):
            raise UserError(
                f"'{self.path}' says that it has {fps:g} frames a second, but {self.fps:g} were "
                "given. Leave the rate out, or give the file of that video."
            )
        self.fps = fps

    def set_layout(self, name: str) -> None:
        """Note the joint order that the file tells.

        Args:
            name: The name of a built-in skeleton. A file must not name files.

        Raises:
            UserError: There is no such skeleton.
        """
        if name.endswith((".yaml", ".yml")):
            raise UserError(
                f"'{self.path}' names the file '{name[:60]}' as its layout; only built-in names "
                "may stand there. Give a layout of your own as `layout`."
            )
        try:
            self.layout = skeletons.get(name)
        except UserError as error:
            raise UserError(f"'{self.path}' has an unknown layout: {error}") from None

    def add(
        self,
        frame: int,
        keypoints: np.ndarray,
        where: str,
        *,
        box: np.ndarray | None = None,
        score: float = np.nan,
        id: int | None = None,
    ) -> None:
        """Add one person in one frame.

        Args:
            frame: Frame number.
            keypoints: `(joints, 3)` x, y and confidence, as in the file.
            where: What to call the person in errors.
            box: `(4,)` left, top, right, bottom; None if there is none.
            score: How sure the detector is of the person; NaN if it does not say.
            id: The person's number if the file follows people.

        Raises:
            DamagedFileError: The person has another number of joints than those before.
        """
        self._hold(keypoints[None], where)
        self._frames.append(frame)
        self._ids.append(id)
        self._boxes.append(box)
        self._scores.append(score)

    def add_rows(
        self,
        frames: np.ndarray,
        keypoints: np.ndarray,
        where: str,
        *,
        boxes: np.ndarray | None = None,
        scores: np.ndarray | None = None,
        ids: np.ndarray | None = None,
    ) -> None:
        """Add people by the row, as `add` does one by one.

        Args:
            frames: `(N,)` frame numbers.
            keypoints: `(N, joints, 3)` x, y and confidence, as in the file.
            where: What to call the people in errors.
            boxes: `(N, 4)`; None if there are none.
            scores: `(N,)`; None if there are none.
            ids: `(N,)` numbers of the persons; None if the file does not follow people.

        Raises:
            DamagedFileError: They have another number of joints than those before.
        """
        count = len(keypoints)
        if not count:
            return
        self._hold(keypoints, where)
        self._frames += frames.tolist()
        self._ids += [None] * count if ids is None else ids.tolist()
        self._boxes += [None] * count if boxes is None else list(boxes)
        self._scores += [np.nan] * count if scores is None else scores.tolist()

    def _hold(self, keypoints: np.ndarray, where: str) -> None:
        joints, stop = keypoints.shape[1], self._count + len(keypoints)
        if not self._count:
            self._joints = joints
        if joints != self._joints:
            raise DamagedFileError(
                f"{where} has {joints} joints, but those before have {self._joints}; "
                "a file holds people of one detector only."
            )
        if stop > len(self._keypoints):
            grown = np.empty((max(256, 2 * self._count, stop), joints, 3))
            grown[: self._count] = self._keypoints[: self._count] if self._count else 0
            self._keypoints = grown
        self._keypoints[self._count : stop] = keypoints
        self._count = stop

    def finish(self, frame_numbers: np.ndarray | None = None) -> KeypointFile:
        """Check and arrange everything.

        Args:
            frame_numbers: Frame number of every image if people were added by image.

        Returns:
            The file.

        Raises:
            UserError: Nobody was found, or what was found makes no sense; the message says why.
        """
        if not self._count:
            raise UserError(f"'{self.path}' holds no person in any frame.")
        layout = self._chosen_layout()
        keypoints = self._keypoints[: self._count]
        missing = _missing(keypoints)
        if missing.all():
            raise UserError(f"'{self.path}' holds people, but no joint of anybody was detected.")
        self._check_confidence(keypoints, missing)
        boxes = self._stacked_boxes()
        self._to_pixels(keypoints, missing, boxes)
        self._check_inside(keypoints, missing)
        keypoints[missing] = (np.nan, np.nan, 0.0)
        frames = np.array(self._frames, np.int64)
        if frame_numbers is not None:
            frames = frame_numbers[frames]
        scores = np.array(self._scores)
        everybody = {
            "frames": frames,
            "keypoints": keypoints,
            "boxes": boxes,
            "scores": None if np.isnan(scores).all() else scores,
        }
        present = np.asarray(~missing.all(axis=1))
        people, untracked = self._arrange(everybody, present)
        return KeypointFile(
            path=self.path,
            format=self.format,
            layout=layout,
            people=people,
            untracked=untracked,
            num_frames=max(self.num_frames, int(frames.max()) + 1),
            image_size=self.image_size,
            fps=self.fps,
        )

    def _arrange(
        self, everybody: dict[str, np.ndarray | None], present: np.ndarray
    ) -> tuple[tuple[Track, ...], Detections]:
        frames = everybody["frames"]
        assert frames is not None
        known = np.array([id is not None for id in self._ids])
        ids = np.array([-1 if id is None else id for id in self._ids], np.int64)
        # By person, by frame, in the file's order.
        order = np.lexsort((np.arange(len(frames)), frames, ids, known))
        order = order[present[order]]

        def part(rows: np.ndarray) -> dict[str, np.ndarray | None]:
            return {
                key: None if values is None else values[rows] for key, values in everybody.items()
            }

        single, followed = order[~known[order]], order[known[order]]
        people = []
        if followed.size:
            for rows in np.split(followed, np.flatnonzero(np.diff(ids[followed])) + 1):
                try:
                    people.append(Track(**part(rows), id=int(ids[rows[0]])))  # type: ignore[arg-type]
                except UserError as error:
                    raise DamagedFileError(f"'{self.path}': {error}") from None
        return tuple(people), Detections(**part(single))  # type: ignore[arg-type]

    def _chosen_layout(self) -> Skeleton:
        layout = self.request.layout or self.layout
        if layout is None:
            if self._joints not in self.layouts:
                known = ", ".join(f"{count} ('{name}')" for count, name in self.layouts.items())
                raise UserError(
                    f"'{self.path}' has {self._joints} joints a person, which does not tell their "
                    "order" + (f"; recognised are {known}" if known else "") + ". Name the "
                    "skeleton (--layout, or `layout` in Python)."
                )
            layout = skeletons.get(self.layouts[self._joints])
        if layout.num_joints != self._joints:
            raise UserError(
                f"'{self.path}' has {self._joints} joints a person, but the layout "
                f"'{layout.name}' has {layout.num_joints}. Name the layout of the detector that "
                "made the file."
            )
        return layout

    def _check_confidence(self, keypoints: np.ndarray, missing: np.ndarray) -> None:
        trust = keypoints[..., 2]
        trust = trust[np.isfinite(trust)]
        if trust.max() > _GREATEST_CONFIDENCE or (trust < 0).mean() > _MOST_NEGATIVE:
            raise UserError(
                f"'{self.path}' has numbers from {trust.min():.4g} to {trust.max():.4g} where "
                "confidences are expected; they look like a third coordinate. Write x, y and the "
                "confidence of each joint, or x and y alone where the format allows it."
            )

    def _to_pixels(
        self, keypoints: np.ndarray, missing: np.ndarray, boxes: np.ndarray | None
    ) -> None:
        found = keypoints[..., :2][~missing]
        greatest = np.abs(found).max()
        if greatest > _GREATEST_COORDINATE:
            raise DamagedFileError(f"'{self.path}' holds a joint at {greatest:.4g}, in no image.")
        small = greatest <= _SMALLEST_PIXELS
        scale = self.request.coordinates or self.coordinates
        if scale == "open":
            scale = "pixels" if not small else ("symmetric" if found.min() < 0 else "unit")
        if scale == "pixels":
            if small:
                raise UserError(
                    f"The coordinates in '{self.path}' reach from {found.min():.3g} to "
                    f"{found.max():.3g} only, so they are no pixels. Set `coordinates` to 'unit' "
                    "for [0, 1] or 'symmetric' for [-1, 1] across the image, and give its "
                    "`image_size`."
                )
            return
        if not small and np.median(np.abs(found)) > _SMALLEST_PIXELS:
            raise UserError(
                f"The coordinates in '{self.path}' reach from {found.min():.4g} to "
                f"{found.max():.4g}; they are pixels, not fractions of the image. Set "
                "`coordinates` to 'pixels'."
            )
        if self.image_size is None:
            raise UserError(
                f"The coordinates in '{self.path}' are fractions of the image; give `image_size` "
                "(width and height in pixels) to make pixels of them."
            )
        size = np.array(self.image_size, np.float64)
        shift = 1.0 if scale == "symmetric" else 0.0
        factor = size / 2 if scale == "symmetric" else size
        keypoints[..., :2] = (keypoints[..., :2] + shift) * factor
        if boxes is not None:
            boxes[:] = (boxes + shift) * np.tile(factor, 2)

    def _check_inside(self, keypoints: np.ndarray, missing: np.ndarray) -> None:
        if self.image_size is None:
            return
        found = keypoints[..., :2][~missing]
        outside = ((found < 0) | (found > np.array(self.image_size))).any(axis=-1)
        if outside.mean() > 0.5:
            least, greatest = found.min(axis=0), found.max(axis=0)
            raise UserError(
                f"Most joints in '{self.path}' lie outside of an image of {self.image_size[0]} x "
                f"{self.image_size[1]}: x reaches from {least[0]:.4g} to {greatest[0]:.4g}, y from "
                f"{least[1]:.4g} to {greatest[1]:.4g}. Give the size of the images that the "
                "detector saw."
            )

    def _stacked_boxes(self) -> np.ndarray | None:
        if all(box is None for box in self._boxes):
            return None
        nothing = np.full(4, np.nan)
        return np.array([nothing if box is None else box for box in self._boxes])


def _missing(keypoints: np.ndarray) -> np.ndarray:
    """Joints that were not detected: NaN, without confidence, or at exactly (0, 0)."""
    x, y, trust = np.moveaxis(keypoints, -1, 0)
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(trust)
    return ~finite | ~(trust > 0) | ((x == 0) & (y == 0))


def checked_size(size: object, who: str) -> tuple[int, int]:
    """Check an image size.

    Args:
        size: What should be width and height.
        who: What to call its origin in errors.

    Returns:
        Width and height in pixels.

    Raises:
        UserError: It is something else.
    """
    try:
        width, height = (float(side) for side in size)  # type: ignore[attr-defined]
        if not all(side == int(side) and 1 <= side <= _GREATEST_SIZE for side in (width, height)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{who}: an image size must be width and height in pixels, two positive whole "
            f"numbers; got {str(size)[:60]}."
        ) from None
    return int(width), int(height)


def checked_fps(fps: object, who: str) -> float:
    """Check a frame rate.

    Args:
        fps: What should be frames a second.
        who: What to call its origin in errors.

    Returns:
        The rate.

    Raises:
        UserError: It is something else.
    """
    try:
        rate = float(fps)  # type: ignore[arg-type]
        if isinstance(fps, bool) or not 0 < rate <= 10_000:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f"{who}: a frame rate must be a positive number of frames a second; got "
            f"{str(fps)[:60]}."
        ) from None
    return rate
