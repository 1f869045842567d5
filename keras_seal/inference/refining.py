"""Gradient-based inference: poses moved down a loss-net's energy after they were lifted."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_seal import skeletons
from keras_seal.errors import UserError
from keras_seal.inference import loading
from keras_seal.loss_nets.base import REPROJECTION
from keras_seal.training import backends

# A residual of so many metres pulls as hard as the energy where its weight is 1.
_EVEN_RESIDUAL = 0.01
# Where a step has been halved so often, the energy no longer falls.
_HALVINGS = 4
# Nobody is filmed from nearer than this, metres.
_NEAREST = 0.3
_TINY = 1e-12


def refine(
    loss_net: Any,
    keypoints: np.ndarray,
    poses: np.ndarray,
    *,
    steps: int = 10,
    step: float = 0.002,
    trust_radius: float = 0.03,
    reprojection: float | None = None,
    focal: float | None = None,
    skeleton: Any = None,
    batch_size: int = 1024,
) -> np.ndarray:
    """Move poses down a loss-net's energy, near to where they were and true to their keypoints.

    What falls is the energy plus a weight times the reprojection's residual: the mean squared
    distance, in metres at the person's place, between the pose's joints and the rays of their
    keypoints, at the best place (and size, without a focal length) of the whole person. The weight
    is chosen for each pose by how steep its energy is at first, so the scale of the energy does not
    matter. Steps go down the gradient, the first one by a given length, others by as much less as
    the sum is less steep there; where a step does not lower the sum, it is not taken and the next
    one is half as long. A pose stays as it is from then on when no length helps, or when its next
    step would leave the trust region.

    Args:
        loss_net: A loss-net, its `.keras` file or its run folder.
        keypoints: `(batch, frames, joints, 2 or 3)` normalised (x in [-1, 1] across the image); a
            third channel is the detector's confidence, and weighs the joints' residuals.
        poses: `(batch, frames, joints, 3)` metres, root-relative. Each frame is moved on its own,
            but for loss-nets that look at pairs of frames, which move those of a sample together.
        steps: Steps at most; each costs one pass through the loss-net, forwards and back. 0 leaves
            the poses as they are.
        step: Length of the first step, metres: the root of the joints' mean squared way.
        trust_radius: How far the joints may move from where they were, on average, metres.
        reprojection: Weight of the residual; at 1, a residual of 10 mm pulls as hard as the energy
            does at first, and 0 leaves it out. By default 1, but 0 for a loss-net that sees the
            residuals itself (`conditional="reprojection"`), and knows better what they are worth.
        focal: Focal length where it is known, in half widths of the image (pixels / (width / 2)),
            of a camera that looks through the image's middle; by default weak perspective.
        skeleton: The joints, where the loss-net does not tell.
        batch_size: Samples at a time.

    Returns:
        Poses `(batch, frames, joints, 3)`, float32.

    Raises:
        UserError: There is no such loss-net, arrays do not fit it, or a number makes no sense.

    Examples:
        >>> import numpy as np, keras_seal as ks
        >>> loss_net = ks.loss_nets.MLPLossNet("human36m_17", units=16)
        >>> rng = np.random.default_rng(0)
        >>> poses = rng.normal(0, 0.3, (8, 1, 17, 3)).astype("float32")
        >>> poses -= poses[:, :, :1]
        >>> keypoints = 0.4 * poses[..., :2]
        >>> better = refine(loss_net, keypoints, poses, steps=3)
        >>> way = np.linalg.norm(better - poses, axis=-1).mean(axis=-1)
        >>> bool((way > 0).all() and (way < 0.03).all())
        True

    Reference:
        SEAL-pose (arXiv 2602.20051), gradient-based inference on the prediction.
    """
    net, _ = loading.load_net(loss_net, "loss_net")
    return Refiner(
        net,
        steps=steps,
        step=step,
        trust_radius=trust_radius,
        reprojection=reprojection,
        focal=focal,
        skeleton=skeleton,
    ).refine(keypoints, poses, batch_size)


def find_refiner(steps: int, source: Any, own: Any, **options: Any) -> Refiner | None:
    """Make what refines poses from what a caller of `predict` or `evaluate` asks for.

    Args:
        steps: Steps down the energy; 0 for none.
        source: The loss-net that the caller names: a net, a `.keras` file, a run folder, or None.
        own: The loss-net at hand where none is named, or None.
        **options: Further arguments of `Refiner`.

    Returns:
        The refiner, or None where nothing is refined.

    Raises:
        UserError: There is no such loss-net, or what is asked for makes no sense.
    """
    if steps < 0:
        raise UserError(f"Poses are refined in 0 steps or more, got {steps}.")
    if not steps:
        if source is not None:
            raise UserError(
                "A loss-net to refine by (--loss-net, `refine_by`) goes with a number of steps: "
                "give --refine (`refine`)."
            )
        return None
    chosen = own if source is None else source
    if chosen is None:
        raise UserError(
            "Poses are refined by a loss-net, and there is none: give one with --loss-net "
            "(`refine_by`), a .keras file or the folder of a run with SEAL."
        )
    return Refiner(loading.load_net(chosen, "loss_net")[0], steps=steps, **options)


class Refiner(keras.Model):
    """What `refine` runs, compiled once for many batches.

    Args:
        loss_net: The loss-net.
        steps: See `refine`, as for the others.
        step: Metres.
        trust_radius: Metres.
        reprojection: Weight, or None.
        focal: Half widths of the image.
        skeleton: The joints.

    Raises:
        UserError: If a number makes no sense, or the loss-net does not tell its skeleton.
    """

    def __init__(
        self,
        loss_net: keras.Model,
        *,
        steps: int,
        step: float = 0.002,
        trust_radius: float = 0.03,
        reprojection: float | None = None,
        focal: float | None = None,
        skeleton: Any = None,
    ) -> None:
        super().__init__()
        if reprojection is None:
            reprojection = float(getattr(loss_net, "conditional", None) != REPROJECTION)
        for name, value, least in (
            ("steps", steps, 0),
            ("reprojection", reprojection, 0),
            ("trust_radius", trust_radius, 0),
        ):
            if not value >= least:
                raise UserError(f"`{name}` must be at least {least}, got {value}.")
        if not step > 0:
            raise UserError(f"`step` must be positive, got {step}.")
        if focal is not None and not focal > 0:
            raise UserError(f"`focal` must be positive, got {focal}.")
        self.loss_net = loss_net
        self.skeleton: skeletons.Skeleton = loading.skeleton_of(loss_net, skeleton)
        self._joints = self.skeleton.num_joints
        joints = loss_net.inputs[1].shape[-2]
        if joints != self._joints:
            raise UserError(
                f"The loss-net '{loss_net.name}' judges poses of {joints} joints, "
                f"'{self.skeleton.name}' has {self._joints}."
            )
        self._steps = steps
        self._step = step
        self._radius = trust_radius
        self._reprojection = reprojection
        self._focal = focal
        self._together = getattr(loss_net, "frame_gap", None) is not None
        # 1 at the joints whose mean is the origin, which stays.
        self._origin = np.zeros((self._joints, 1), "float32")
        self._origin[list(self.skeleton.origin)] = 1.0
        self.build(None)

    def build(self, input_shape: Any = None) -> None:
        """Nothing to build: the loss-net comes built."""

    def refine(
        self, keypoints: np.ndarray, poses: np.ndarray, batch_size: int = 1024
    ) -> np.ndarray:
        """Move poses, see the function `refine`.

        Args:
            keypoints: `(batch, frames, joints, 2 or 3)`.
            poses: `(batch, frames, joints, 3)`, metres.
            batch_size: Samples at a time.

        Returns:
            Poses, float32.

        Raises:
            UserError: If the arrays do not fit.
        """
        keypoints, poses = np.asarray(keypoints, "float32"), np.asarray(poses, "float32")
        if (
            poses.ndim != 4
            or poses.shape[2:] != (self._joints, 3)
            or keypoints.shape[:-1] != poses.shape[:-1]
            or keypoints.shape[-1] not in (2, 3)
        ):
            raise UserError(
                f"Keypoints of shape {keypoints.shape} and poses of shape {poses.shape} do not go "
                f"together: expected (batch, frames, {self._joints}, 2 or 3) and (batch, frames, "
                f"{self._joints}, 3)."
            )
        channels = self.loss_net.inputs[0].shape[-1]
        if keypoints.shape[-1] < channels:
            raise UserError(
                f"The loss-net takes {channels} channels, x, y and confidence; the keypoints have "
                f"{keypoints.shape[-1]}."
            )
        if not self._steps or not len(poses):
            return poses.copy()
        refined = np.empty_like(poses)
        size = min(batch_size, len(poses))
        for begin in range(0, len(poses), size):
            # Batches of one size are compiled once.
            rows = np.arange(begin, begin + size) % len(poses)
            moved = self.predict_on_batch([keypoints[rows], poses[rows]])
            part = refined[begin : begin + size]
            part[:] = np.asarray(moved)[: len(part)]
        return refined

    def call(self, inputs: Any) -> Any:
        """Move a batch of poses.

        Args:
            inputs: Keypoints and poses.

        Returns:
            Poses.
        """
        keypoints, start = inputs
        condition = keypoints[..., : self.loss_net.inputs[0].shape[-1]]
        seen, trust = keypoints[..., :2], self._trust(keypoints)
        zero = ops.zeros_like(trust[..., 0, 0])
        energy, slope = self._value_and_slope(lambda p: self._energy(condition, p), start)
        steepness = ops.sqrt(ops.sum(ops.square(slope), axis=(-2, -1)))
        # The gradient of a mean square of 10 mm has this norm: 2 * 10 mm / sqrt(joints).
        even = 2 * _EVEN_RESIDUAL / self._joints**0.5
        weight = self._reprojection * self._shared(steepness) / even
        size = ops.stop_gradient(self._weak_fit(seen, trust, start)[0])

        def total(poses: Any) -> Any:
            value = self._energy(condition, poses)
            if not self._reprojection:
                return value
            return value + self._shared(weight * self._residual(seen, trust, poses, size))

        if self._reprojection:
            energy, slope = self._value_and_slope(total, start)

        def steepness_of(slope: Any) -> Any:
            return ops.sqrt(self._shared(ops.mean(ops.sum(ops.square(slope), axis=-1), axis=-1)))

        first = ops.maximum(steepness_of(slope), _TINY)

        def goes_on(count: Any, poses: Any, value: Any, slope: Any, length: Any) -> Any:
            return ops.logical_and(count < self._steps, ops.any(length > 0))

        def move(count: Any, poses: Any, value: Any, slope: Any, length: Any) -> Any:
            # Where it has become flat, what is left of the slope points nowhere.
            way = slope * (length / ops.maximum(first, steepness_of(slope)))[..., None, None]
            there = poses - way
            moved = ops.sqrt(ops.sum(ops.square(there - start), axis=-1) + _TINY)
            inside = self._shared(ops.mean(moved, axis=-1)) <= self._radius
            new_value, new_slope = self._value_and_slope(total, there)
            # Not where it is NaN either.
            better = ops.logical_and(new_value < value, length > 0)
            taken = ops.logical_and(better, inside)
            shorter = ops.where(better, length, 0.5 * length)
            shorter = ops.where(shorter < self._step * 0.5**_HALVINGS, zero, shorter)
            return (
                count + 1,
                ops.where(taken[..., None, None], there, poses),
                ops.where(taken, new_value, value),
                ops.where(taken[..., None, None], new_slope, slope),
                ops.where(inside, shorter, zero),
            )

        state = (ops.zeros((), "int32"), start, energy, slope, zero + self._step)
        return ops.while_loop(goes_on, move, state)[1]

    def _shared(self, values: Any) -> Any:
        """One value for all frames of a sample, where the loss-net looks at pairs of them."""
        if not self._together:
            return values
        return ops.mean(values, axis=1, keepdims=True) + ops.zeros_like(values)

    def _energy(self, condition: Any, poses: Any) -> Any:
        energy = ops.cast(self.loss_net([condition, poses], training=False), "float32")
        return self._shared(energy)

    def _value_and_slope(self, function: Any, poses: Any) -> tuple[Any, Any]:
        """A value for each frame, and its gradient by the pose along ways that keep the origin."""
        (value,), pull_back = backends.record(self, lambda p: (function(p),), [], [poses])
        slope = pull_back(ops.ones_like(value))[1][0]
        origin = ops.convert_to_tensor(self._origin)
        mean = ops.sum(origin * slope, axis=-2, keepdims=True) / float(self._origin.sum())
        return value, slope - origin * mean

    def _trust(self, keypoints: Any) -> Any:
        """Weights of the joints, whose sum is 1."""
        first = keypoints[..., :1]
        trust = keypoints[..., 2:] if keypoints.shape[-1] == 3 else ops.ones_like(first)
        trust = ops.maximum(trust, 1e-6)
        return trust / ops.sum(trust, axis=-2, keepdims=True)

    def _weak_fit(self, seen: Any, trust: Any, poses: Any) -> tuple[Any, Any, Any]:
        """Size in the image, of a metre, that fits best; poses and keypoints about their means."""
        flat = poses[..., :2]
        flat = flat - ops.sum(trust * flat, axis=-2, keepdims=True)
        about = seen - ops.sum(trust * seen, axis=-2, keepdims=True)
        fit = ops.sum(trust * flat * about, axis=(-2, -1))
        size = fit / ops.maximum(ops.sum(trust * ops.square(flat), axis=(-2, -1)), _TINY)
        # A mirrored person would be no fit at all, nor would one without any size.
        return ops.maximum(size, 1e-3), flat, about

    def _residual(self, seen: Any, trust: Any, poses: Any, size: Any) -> Any:
        """Mean squared distance of joints and rays, square metres, at the best place."""
        if self._focal is None:
            scale, flat, about = self._weak_fit(seen, trust, poses)
            apart = (scale[..., None, None] * flat - about) / size[..., None, None]
            return ops.sum(trust * ops.square(apart), axis=(-2, -1))
        ray = seen / self._focal
        aside = ray * poses[..., 2:] - poses[..., :2]
        spread = ray - ops.sum(trust * ray, axis=-2, keepdims=True)
        aside = aside - ops.sum(trust * aside, axis=-2, keepdims=True)
        # For each joint, x + tx = u (z + tz) and the same of y; tx and ty go out by their means.
        depth = -ops.sum(trust * spread * aside, axis=(-2, -1)) / ops.maximum(
            ops.sum(trust * ops.square(spread), axis=(-2, -1)), _TINY
        )
        depth = ops.maximum(depth, _NEAREST)[..., None, None]
        return ops.sum(trust * ops.square(aside + depth * spread), axis=(-2, -1))
