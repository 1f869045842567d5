"""The lifter: a pose-net applied to motions of any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_seal.data.augmentation import flip as mirrored
from keras_seal.errors import UserError
from keras_seal.inference import loading
from keras_seal.inference.windows import Blender, Plan, Retimer, Rows, WindowShape, plan
from keras_seal.pose_nets import VideoPose3D

# Frames of a batch; more where every window is told of by its middle frame alone.
_FRAMES_A_BATCH, _FRAMES_AROUND = 1024, 4096
# Rates that differ by less are the same.
_SAME_RATE = 0.02
# A person whose bones are longer than this together, in metres, was not lifted in metres.
_LONGEST_PERSON = 100.0


class Lifter:
    """Lifts the keypoints of whole motions, however long, with a pose-net.

    Args:
        net: A `PoseNet`, any `keras.Model` of the same shapes, a `.keras` file or a run folder.
        skeleton: The joints of the net, where it does not tell.
        fps: Frames a second of the videos that the net was trained on; by default what the run
            folder or the file says. A motion of another rate is brought to it and back, unless
            the net sees single frames.
        frame_stride: Frames from one frame of a window to the next at that rate; likewise.
        flip: Lift the mirrored keypoints too and take the mean: better by a millimetre or so, at
            twice the cost.
        overlap: Frames that successive windows of a net with a pose for every frame share; there
            the poses go over from one window to the next. By default a sixteenth of the window.
        batch_size: Windows a batch; by default it depends on their length.

    Raises:
        UserError: There is no such net, or a number makes no sense.

    Examples:
        >>> import keras_seal as ks
        >>> lifter = Lifter(ks.pose_nets.SimpleBaseline("human36m_17", units=16))
        >>> lifter(np.zeros((100, 17, 2))).shape
        (100, 17, 3)
    """

    def __init__(
        self,
        net: Any,
        *,
        skeleton: Any = None,
        fps: float | None = None,
        frame_stride: int | None = None,
        flip: bool = False,
        overlap: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.net, facts = loading.load_net(net)
        self.source: str = facts["source"]
        self.skeleton = loading.skeleton_of(self.net, skeleton)
        _, frames, joints, self.channels = self.net.input_shape
        _, self.out_frames, out_joints, axes = self.net.output_shape
        if (
            joints != self.skeleton.num_joints
            or (out_joints, axes) != (joints, 3)
            or frames is None
            or self.out_frames not in (1, frames)
        ):
            raise UserError(
                f"The net '{self.net.name}' takes {self.net.input_shape} and gives "
                f"{self.net.output_shape}; a lifter of '{self.skeleton.name}' takes (batch, "
                f"frames, {self.skeleton.num_joints}, 2 or 3) and gives (batch, 1 or frames, "
                f"{self.skeleton.num_joints}, 3)."
            )
        self.num_frames: int = frames
        self.fps = facts.get("fps") if fps is None else fps
        self.frame_stride = facts.get("frame_stride", 1) if frame_stride is None else frame_stride
        if self.frame_stride < 1:
            raise UserError(f"`frame_stride` must be at least 1, got {self.frame_stride}.")
        if self.fps is not None and not self.fps > 0:
            raise UserError(f"`fps` must be positive, got {self.fps}.")
        self.flip = flip
        self._run, self._shape = self._window_shape(overlap)
        around = self._shape.frames > self._shape.kept == 1
        frames_a_batch = _FRAMES_AROUND if around else _FRAMES_A_BATCH
        self.batch_size = batch_size or max(1, frames_a_batch // self._shape.frames)

    def __repr__(self) -> str:
        return (
            f"Lifter({type(self.net).__name__} from '{self.source}', '{self.skeleton.name}', "
            f"{self.num_frames} frames)"
        )

    def _window_shape(self, overlap: int | None) -> tuple[keras.Model, WindowShape]:
        frames = self.num_frames
        if self.out_frames == frames and frames > 1:
            overlap = max(frames // 16, 1) if overlap is None else overlap
            if not 0 <= overlap < frames:
                raise UserError(f"`overlap` must be 0 to {frames - 1} frames, got {overlap}.")
            return self.net, WindowShape(frames, 0, frames, overlap)
        if overlap:
            raise UserError(
                f"The net '{self.net.name}' gives one pose a window: there is no `overlap` to "
                "blend."
            )
        if isinstance(self.net, VideoPose3D) and frames > 1:
            return _over_all_frames(self.net)
        return self.net, WindowShape(frames, frames // 2, 1)

    def __call__(self, keypoints: np.ndarray, fps: float | None = None) -> np.ndarray:
        """Lift one motion.

        Args:
            keypoints: `(frames, joints, 2 or 3)` normalised (x in [-1, 1] across the image), the
                third channel the detector's confidence.
            fps: Frames a second, where the rate matters.

        Returns:
            Poses `(frames, joints, 3)`, metres, root-relative, float32.

        Raises:
            UserError: The array has another shape.
        """
        keypoints = np.asarray(keypoints, np.float32)
        if keypoints.ndim != 3 or keypoints.shape[1] != self.skeleton.num_joints:
            raise UserError(
                f"Keypoints of one motion have the shape (frames, {self.skeleton.num_joints}, 2 "
                f"or 3), got {keypoints.shape}."
            )
        if keypoints.shape[2] < self.channels:
            raise UserError(
                f"The net takes {self.channels} channels, x, y and confidence; the keypoints have "
                f"{keypoints.shape[2]}."
            )
        if not len(keypoints):
            return np.zeros((0, self.skeleton.num_joints, 3), np.float32)
        parts = [poses for _, poses in self.stream([(len(keypoints), [keypoints])], fps)]
        return np.concatenate(parts)

    def stream(
        self, motions: Iterable[tuple[int, Iterable[np.ndarray]]], fps: float | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Lift motions chunk by chunk; no more than some windows of them is ever held.

        Args:
            motions: Frames of each motion, and its keypoints in chunks `(some, joints, 2 or 3)`.
            fps: Frames a second of all of them.

        Yields:
            The number of a motion (from 0) and its next poses `(some, joints, 3)`. Each motion
            comes in order; the end of one may come after the beginning of the next.

        Raises:
            UserError: The net does not give metres.
        """
        stride, step = self._timing(fps)
        blenders: list[Blender] = []
        retimers: list[Retimer | None] = []

        def jobs() -> Iterator[_Job]:
            for number, (length, chunks) in enumerate(motions):
                back: Retimer | None = None
                new_length = length
                if step is not None and length > 1:
                    # First and last frame stay, so the step is rounded a little.
                    new_length = max(round((length - 1) / step), 1) + 1
                    own_step = (length - 1) / (new_length - 1)
                    chunks = _pushed(chunks, Retimer(length, own_step, new_length))
                    back = Retimer(new_length, 1 / own_step, length)
                blenders.append(Blender(self._shape, self.skeleton.num_joints))
                retimers.append(back)
                rows = Rows(chunk[..., : self.channels] for chunk in chunks)
                for part in plan(new_length, self._shape, stride, self.batch_size):
                    yield _Job(number, part, np.asarray(rows.take(part.rows), np.float32))
                    rows.let_go(int(part.settled[-1]) - stride * self._shape.frames)

        for batch in _batches(jobs(), self.batch_size):
            poses = self._lift(np.concatenate([job.windows for job in batch]))
            begin = 0
            for job in batch:
                told = poses[begin : begin + len(job.windows)]
                begin += len(job.windows)
                blender, back = blenders[job.motion], retimers[job.motion]
                blender.add(job.plan.targets, told)
                done = blender.settle(int(job.plan.settled[-1]))
                if back is not None and len(done):
                    done = back.push(done)
                if len(done):
                    yield job.motion, done

    def _timing(self, fps: float | None) -> tuple[int, float | None]:
        """Steps between the frames of a window, or else old frames from one new one to the next."""
        if self.num_frames == 1:
            return 1, None
        if fps is None or self.fps is None:
            return self.frame_stride, None
        ratio = fps * self.frame_stride / self.fps
        nearest = max(round(ratio), 1)
        if abs(ratio / nearest - 1) <= _SAME_RATE:
            return nearest, None
        return 1, ratio

    def _lift(self, windows: np.ndarray) -> np.ndarray:
        count = len(windows)
        # Every size of batch is compiled anew, so there are few: powers of two, and the full one.
        size = min(1 << (count - 1).bit_length(), self.batch_size)
        if count < size:
            windows = np.resize(windows, (size, *windows.shape[1:]))
        if self.flip:
            windows = np.concatenate([windows, mirrored(windows, self.skeleton)])
        poses = np.asarray(self._run.predict_on_batch(windows), np.float32)
        if self.flip:
            half = len(poses) // 2
            poses = (poses[:half] + mirrored(poses[half:], self.skeleton)) / 2
        if self._shape.kept != poses.shape[1]:
            poses = poses[:, self._shape.first : self._shape.first + self._shape.kept]
        return self._in_metres(poses[:count])

    def _in_metres(self, poses: np.ndarray) -> np.ndarray:
        first = poses[0, 0]
        parents, children = np.array(self.skeleton.bones).T
        size = float(np.linalg.norm(first[children] - first[parents], axis=-1).sum())
        if not np.isfinite(first).all():
            raise UserError(f"The net '{self.net.name}' gives NaN: its weights are broken.")
        if size > _LONGEST_PERSON:
            raise UserError(
                f"The net '{self.net.name}' makes a person whose bones are {size:.0f} metres long "
                "together: it seems to have been trained on millimetres. Lifters give metres."
            )
        return poses


@dataclass(frozen=True, eq=False)
class _Job:
    """Some windows of a motion."""

    motion: int
    plan: Plan
    windows: np.ndarray

    def split(self, count: int) -> tuple[_Job, _Job]:
        return self._part(slice(None, count)), self._part(slice(count, None))

    def _part(self, chosen: slice) -> _Job:
        whole = self.plan
        part = Plan(whole.rows[chosen], whole.targets[chosen], whole.settled[chosen])
        return _Job(self.motion, part, self.windows[chosen])


def _batches(jobs: Iterable[_Job], size: int) -> Iterator[list[_Job]]:
    """Join and split jobs so that all batches but the last are full."""
    held: list[_Job] = []
    count = 0
    for job in jobs:
        while count + len(job.windows) >= size:
            first, job = job.split(size - count)
            yield [*held, first]
            held, count = [], 0
        if len(job.windows):
            held.append(job)
            count += len(job.windows)
    if held:
        yield held


def _pushed(chunks: Iterable[np.ndarray], retimer: Retimer) -> Iterator[np.ndarray]:
    for chunk in chunks:
        yield retimer.push(np.asarray(chunk, np.float32))


def _over_all_frames(net: VideoPose3D) -> tuple[keras.Model, WindowShape]:
    """The same convolutions over a long window: neighbouring frames share their work."""
    field = net.receptive_field
    frames = max(4 * field, 256)
    config = {**net.get_config(), "num_frames": frames, "out_frames": frames}
    long = VideoPose3D.from_config(config)
    long.set_weights(net.get_weights())
    first = field - 1 if net.causal else field // 2
    return long, WindowShape(frames, first, frames - field + 1)
