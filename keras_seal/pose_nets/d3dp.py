"""D3DP: poses taken out of noise by a MixSTE, several hypotheses of each."""

# ruff: noqa: D102 (build, call, get_config and the like are Keras' and documented there)

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_seal import skeletons
from keras_seal.layers import FeedForward
from keras_seal.layers.arguments import check_integer
from keras_seal.pose_nets.base import PoseNet, keypoints_input
from keras_seal.pose_nets.mix_ste import alternate, linear, poses_from_tokens

NOISE_LEVELS = 1000
# Published: coordinates are kept this near to the root, metres, noisy ones too.
_REACH = 1.1


def cosine_schedule(levels: int = NOISE_LEVELS, offset: float = 0.008) -> np.ndarray:
    """Say how much of a pose is left at each level of noise.

    Args:
        levels: Number of levels.
        offset: Keeps the first levels from being too clean.

    Returns:
        The share of the pose's variance at each level (called alpha bar), `(levels,)`, float64,
        falling from nearly 1 to nearly 0.

    Examples:
        >>> cosine_schedule()[[0, 500, 999]].round(4).tolist()
        [1.0, 0.4923, 0.0]

    Reference:
        Nichol & Dhariwal, "Improved denoising diffusion probabilistic models", ICML 2021,
        equation 17; no level takes away more than 0.999 of what is left.
    """
    time = np.arange(levels + 1) / levels
    left = np.cos((time + offset) / (1 + offset) * np.pi / 2) ** 2
    return np.cumprod(1 - np.minimum(1 - left[1:] / left[:-1], 0.999))


def sampling_steps(num_steps: int, levels: int = NOISE_LEVELS) -> dict[str, np.ndarray]:
    """List the coefficients of each sampling step, with the random part of a full DDPM.

    A step guesses the clean pose `p` from the noisy one `x`, which tells the noise `e = (x -
    signal p) / noise`, and goes on with `next_signal p + kept_noise e + new_noise z`, where `z` is
    drawn. After the last step that is `p` itself.

    Args:
        num_steps: Number of steps.
        levels: Number of levels of the schedule.

    Returns:
        `level` and the five coefficients, each `(num_steps,)`, float32.

    Examples:
        >>> sampling_steps(2)["level"].tolist()
        [999.0, 499.0]

    Reference:
        Song et al., "Denoising diffusion implicit models", ICLR 2021, equations 12 and 16 with
        eta = 1.
    """
    # The clean pose itself is the level before the first.
    left = np.concatenate([cosine_schedule(levels), [1.0]])
    level = np.trunc(np.linspace(levels - 1, -1, num_steps + 1)).astype(int)
    now, after = left[level[:-1]], left[level[1:]]
    variance = (1 - after) / (1 - now) * (1 - now / after)
    steps = {
        "level": level[:-1],
        "signal": np.sqrt(now),
        "noise": np.sqrt(1 - now),
        "next_signal": np.sqrt(after),
        "kept_noise": np.sqrt(np.maximum(1 - after - variance, 0)),
        "new_noise": np.sqrt(variance),
    }
    return {name: values.astype("float32") for name, values in steps.items()}


@keras.saving.register_keras_serializable(package="keras_seal")
class LevelEmbedding(layers.Layer):
    """Sines and cosines of a level of noise.

    Args:
        channels: Channels of the embedding, even and at least 4: half sines, half cosines, of
            frequencies that fall from 1 to 1/10000.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs `(batch,)`, outputs `(batch, channels)`.

    Raises:
        ValueError: If `channels` is odd or less than 4.

    Examples:
        >>> ops.convert_to_numpy(LevelEmbedding(4)(ops.zeros((1,)))).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        # Levels go up to 999 and their sines are taken: no half precision.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.channels = check_integer("channels", channels, minimum=4)
        if channels % 2:
            raise ValueError(f"`channels` is even, got {channels}.")

    def call(self, inputs: Any) -> Any:
        half = self.channels // 2
        frequencies = np.exp(-math.log(1e4) * np.arange(half) / (half - 1)).astype("float32")
        angles = ops.expand_dims(inputs, -1) * ops.convert_to_tensor(frequencies)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape, self.channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="keras_seal")
class Diffusion(layers.Layer):
    """Hypotheses of poses out of noise, and noisy poses to train with.

    Args:
        denoiser: A `keras.Model` from `[keypoints, noisy poses, levels]` to clean poses.
        num_hypotheses: Hypotheses of each sample.
        num_steps: Steps from noise to pose.
        scale: Poses are multiplied by it before noise of deviation 1 is added.
        seed: Integer, for levels and noise in training.
        noise_seed: Integer, for the noise that hypotheses start from.
        **kwargs: Passed on to `keras.layers.Layer`.

    Inputs keypoints `(batch, frames, joints, channels)`. Outputs `(batch, num_hypotheses, frames,
    joints, 3)`, float32.
    """

    def __init__(
        self,
        denoiser: Any,
        num_hypotheses: int = 1,
        num_steps: int = 1,
        scale: float = 1.0,
        seed: int | None = None,
        noise_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.denoiser = denoiser
        self.num_hypotheses = check_integer("num_hypotheses", num_hypotheses)
        self.num_steps = check_integer("num_steps", num_steps)
        if self.num_steps > NOISE_LEVELS:
            raise ValueError(f"`num_steps` is at most {NOISE_LEVELS}, got {num_steps}.")
        if not scale > 0:
            raise ValueError(f"`scale` is greater than 0, got {scale!r}.")
        self.scale = scale
        self.seed = seed
        self.noise_seed = check_integer("noise_seed", noise_seed, minimum=0)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def corrupt(self, poses: Any) -> tuple[Any, Any]:
        """Draw a level for each sample and put that much noise on its pose.

        Args:
            poses: True poses `(batch, frames, joints, 3)`.

        Returns:
            Noisy poses of the same shape, and the levels `(batch,)`, float32.
        """
        shape = ops.shape(poses)
        level = keras.random.randint((shape[0],), 0, NOISE_LEVELS, seed=self.seed_generator)
        noise = keras.random.normal(shape, dtype="float32", seed=self.seed_generator)
        return self.noisy(poses, level, noise), ops.cast(level, "float32")

    def noisy(self, poses: Any, level: Any, noise: Any) -> Any:
        """Put noise on poses.

        Args:
            poses: True poses `(batch, frames, joints, 3)`.
            level: Level of noise of each sample, `(batch,)`, int32.
            noise: Noise of deviation 1, like `poses`.

        Returns:
            What the denoiser sees.
        """
        left = cosine_schedule()
        # One small table read for each sample; levels cannot be sliced.
        table = np.stack([np.sqrt(left), np.sqrt(1 - left)]).astype("float32")
        signal, spread = (
            ops.reshape(ops.take(ops.convert_to_tensor(row), level), (-1, 1, 1, 1)) for row in table
        )
        return self._seen(signal * self.scale * ops.cast(poses, "float32") + spread * noise)

    def _seen(self, x: Any) -> Any:
        return ops.clip(x, -_REACH * self.scale, _REACH * self.scale) / self.scale

    def call(
        self, keypoints: Any, noise: Any = None, mirror: Any = None, every_step: bool = False
    ) -> Any:
        frames, joints = keypoints.shape[1:3]
        count, steps = self.num_hypotheses, self.num_steps
        if noise is None:
            # The same on all backends, and for all samples: what is said of one does not depend on
            # its place in a batch.
            rng = np.random.default_rng(self.noise_seed)
            noise = rng.standard_normal((steps, 1, count, frames, joints, 3), dtype="float32")
        noise = ops.cast(noise, "float32")
        batch = ops.shape(keypoints)[0]

        def repeated(x: Any) -> Any:
            shape = (batch, count, *x.shape[1:])
            spread = ops.broadcast_to(ops.expand_dims(x, 1), shape)
            return ops.reshape(spread, (batch * count, *x.shape[1:]))

        def folded(x: Any) -> Any:
            shape = (batch, count, frames, joints, 3)
            return ops.reshape(ops.broadcast_to(x, shape), (batch * count, *shape[2:]))

        keypoints = repeated(keypoints)

        def denoise(points: Any, x: Any, level: Any) -> Any:
            levels = ops.broadcast_to(level, (batch * count,))
            return self.denoiser([points, self._seen(x), levels], training=False)

        def turned(x: Any) -> Any:
            sign = np.ones(x.shape[-1], "float32")
            sign[0] = -1.0
            return ops.take(x, mirror, axis=-2) * ops.convert_to_tensor(sign, x.dtype)

        def step(x: Any, now: Any) -> tuple[Any, Any]:
            level, signal, spread, next_signal, kept_noise, new_noise, drawn = now
            poses = denoise(keypoints, x, level)
            if mirror is not None:
                poses = (poses + turned(denoise(turned(keypoints), turned(x), level))) / 2
            poses = ops.clip(poses, -_REACH, _REACH) * self.scale
            guessed = (x - signal * poses) / spread
            after = next_signal * poses + kept_noise * guessed + new_noise * folded(drawn)
            return after, poses

        coefficients = [ops.convert_to_tensor(value) for value in sampling_steps(steps).values()]
        # What is drawn first is the start; the last step draws nothing.
        now = [*coefficients, ops.concatenate([noise[1:], ops.zeros_like(noise[:1])], axis=0)]
        start = folded(noise[0])
        if steps == 1:
            _, poses = step(start, [value[0] for value in now])
            poses = ops.expand_dims(poses, 0)
        else:
            _, poses = ops.scan(step, start, now)
        poses = poses / self.scale
        poses = ops.reshape(poses, (steps, batch, count, frames, joints, 3))
        return ops.moveaxis(poses, 0, 1) if every_step else poses[-1]

    def compute_output_spec(self, keypoints: Any, **kwargs: Any) -> Any:
        batch, frames, joints = keypoints.shape[:3]
        return keras.KerasTensor((batch, self.num_hypotheses, frames, joints, 3), "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "num_hypotheses": self.num_hypotheses,
            "num_steps": self.num_steps,
            "scale": self.scale,
            "seed": self.seed,
            "noise_seed": self.noise_seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Diffusion:
        denoiser = keras.saving.deserialize_keras_object(config["denoiser"])
        return cls(**{**config, "denoiser": denoiser})


@keras.saving.register_keras_serializable(package="keras_seal")
class D3DP(PoseNet):
    """Lift all frames of a window by diffusion: poses are taken out of noise, several times.

    A MixSTE that sees the keypoints, noisy poses and how noisy they are says the clean poses.
    Hypotheses start from noise alone and get there in `num_steps` steps of less and less noise.
    Called as any pose-net, it gives the mean of the hypotheses; `hypotheses` gives them one by one,
    and `keras_seal.pose_nets.aggregate` makes one pose of them in other ways.

    It trains on true poses with noise on them, of a level drawn for each sample:
    `net(keypoints, training=True, poses=poses)` says what they were before, which is what
    `SEALPose` does (`needs_poses`). Without poses it samples, in training too, always in inference
    mode. The noise of the hypotheses is drawn from `noise_seed` alone: the same keypoints give the
    same poses on every call, in every batch and on every backend.

    Args:
        skeleton: The skeleton: a `Skeleton`, its name, a YAML path or a dict.
        num_frames: Frames of a window; as many come out.
        num_hypotheses: Hypotheses that are averaged. Published results take 20 of 10 steps, for
            200 times the work of one of one step.
        num_steps: Steps from noise to pose, for each hypothesis.
        channels: Channels of a token; even.
        num_blocks: Pairs of transformer blocks.
        num_heads: Heads of all attentions; divides `channels`.
        mlp_ratio: Width of the blocks' feed-forward as a multiple of their channels.
        drop_path: Probability that a branch of the last pair is dropped; rises from 0.
        scale: Poses are multiplied by it before noise of deviation 1 is added. No coordinate of a
            hypothesis is further than 1.1 m from the root, as published.
        seed: Integer, for levels and noise in training.
        noise_seed: Integer, for the noise that hypotheses start from.
        input_channels: 2, or 3 with the detector's confidence.
        dtype: Dtype policy of the layers; the output is float32 whatever it is.
        **kwargs: Passed on to `keras.Model`.

    Raises:
        ValueError: If a number makes no sense.

    Examples:
        >>> net = D3DP("human36m_17", num_frames=9, channels=16, num_blocks=1)
        >>> keypoints = np.zeros((4, 9, 17, 2), "float32")
        >>> tuple(net(keypoints).shape), tuple(net.hypotheses(keypoints, 3, 2).shape)
        ((4, 9, 17, 3), (4, 3, 9, 17, 3))

    Reference:
        Shan et al., "Diffusion-based 3D human pose estimation with multi-hypothesis aggregation",
        ICCV 2023, section 3.
    """

    source = "Shan et al., ICCV 2023 (arXiv 2303.11579)"
    presets = {  # noqa: RUF012
        "d3dp_243": {
            "description": "The published net for 243 frames; one hypothesis of one step.",
            "published": "39.5 mm MPJPE on Human3.6M with CPN keypoints: 20 hypotheses of 10 steps,"
            " for each joint the one nearest to its keypoint",
            "config": {"num_frames": 243},
        },
    }
    # `SEALPose` hands the true poses to the pass that trains.
    needs_poses = True

    def __init__(
        self,
        skeleton: Any,
        num_frames: int = 243,
        num_hypotheses: int = 1,
        num_steps: int = 1,
        channels: int = 512,
        num_blocks: int = 8,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.1,
        scale: float = 1.0,
        seed: int | None = None,
        noise_seed: int = 0,
        input_channels: int = 2,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        skeleton = skeletons.get(skeleton)
        channels = check_integer("channels", channels)
        num_blocks = check_integer("num_blocks", num_blocks)
        inputs = keypoints_input(skeleton, num_frames, input_channels)
        drop_paths = np.linspace(0, drop_path, num_blocks)
        denoiser = _denoiser(inputs, skeleton, channels, num_heads, mlp_ratio, drop_paths, dtype)
        diffusion = Diffusion(
            denoiser,
            num_hypotheses,
            num_steps,
            scale,
            seed=seed,
            noise_seed=noise_seed,
            dtype=dtype,
            name="diffusion",
        )
        super().__init__(
            inputs,
            ops.mean(diffusion(inputs), axis=1),
            skeleton=skeleton,
            num_frames=num_frames,
            out_frames=num_frames,
            dtype=dtype,
            **kwargs,
        )
        self.denoiser = denoiser
        self.diffusion = diffusion
        self.num_hypotheses = num_hypotheses
        self.num_steps = num_steps
        self.channels = channels
        self.num_blocks = num_blocks
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.drop_path = drop_path
        self.scale = scale
        self.seed = seed
        self.noise_seed = noise_seed
        self.input_channels = input_channels

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, poses: Any = None):
        if poses is None:
            return super().call(inputs, training=training, mask=mask)
        if tuple(poses.shape[1:]) != tuple(self.output.shape[1:]):
            raise ValueError(
                f"The true poses have shape {tuple(poses.shape)}, expected (batch, "
                f"{', '.join(map(str, self.output.shape[1:]))})."
            )
        noisy, levels = self.diffusion.corrupt(poses)
        # A Functional model does not convert the arrays of a list that holds tensors too.
        inputs = ops.convert_to_tensor(inputs, "float32")
        return self.denoiser([inputs, noisy, levels], training=training)

    def hypotheses(
        self,
        keypoints: Any,
        num_hypotheses: int | None = None,
        num_steps: int | None = None,
        *,
        noise: Any = None,
        noise_seed: int | None = None,
        flip: bool = False,
        every_step: bool = False,
    ) -> Any:
        """Lift keypoints to several poses.

        Args:
            keypoints: `(batch, num_frames, joints, input_channels)`.
            num_hypotheses: Number of poses; None for the net's own.
            num_steps: Steps from noise to pose; None for the net's own.
            noise: What is drawn, `(num_steps, batch or 1, num_hypotheses, num_frames, joints, 3)`
                of deviation 1: the start, then what is added after each step but the last. None
                draws from the seed, for all samples the same.
            noise_seed: Integer, for these draws; None for the net's own.
            flip: Whether each step takes the mean of what is said of the keypoints and of their
                mirror image, as published; for twice the work.
            every_step: Whether to return what each step said.

        Returns:
            Poses `(batch, num_hypotheses, num_frames, joints, 3)`, metres; with `every_step`
            `(batch, num_steps, num_hypotheses, ...)`.

        Raises:
            ValueError: If a number makes no sense, or noise has another shape.
        """
        sampler = Diffusion(
            self.denoiser,
            self.num_hypotheses if num_hypotheses is None else num_hypotheses,
            self.num_steps if num_steps is None else num_steps,
            self.scale,
            noise_seed=self.noise_seed if noise_seed is None else noise_seed,
        )
        keypoints = ops.convert_to_tensor(keypoints, "float32")
        if noise is not None:
            wanted = (sampler.num_steps, sampler.num_hypotheses, *self.output.shape[1:])
            shape = tuple(noise.shape)
            if shape[:1] + shape[2:] != wanted or shape[1] not in (1, keypoints.shape[0]):
                raise ValueError(
                    f"`noise` has shape {shape}, expected ({wanted[0]}, {keypoints.shape[0]} or 1, "
                    f"{', '.join(map(str, wanted[1:]))})."
                )
        mirror = self.skeleton.mirror_permutation if flip else None
        return sampler(keypoints, noise=noise, mirror=mirror, every_step=every_step)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_hypotheses": self.num_hypotheses,
            "num_steps": self.num_steps,
            "channels": self.channels,
            "num_blocks": self.num_blocks,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "drop_path": self.drop_path,
            "scale": self.scale,
            "seed": self.seed,
            "noise_seed": self.noise_seed,
            "input_channels": self.input_channels,
        }


def _denoiser(
    inputs: Any,
    skeleton: skeletons.Skeleton,
    channels: int,
    num_heads: int,
    mlp_ratio: float,
    drop_paths: np.ndarray,
    dtype: Any,
) -> keras.Model:
    """Build the MixSTE of keypoints, noisy poses and levels of noise."""
    keypoints = keras.Input(inputs.shape[1:], name="keypoints")
    noisy = keras.Input((*inputs.shape[1:3], 3), name="noisy_poses")
    level = keras.Input((), name="level")
    x = linear(ops.concatenate([keypoints, noisy], axis=-1), channels, "stem", dtype)
    h = LevelEmbedding(channels, name="level_embedding")(level)
    h = FeedForward(2 * channels, dtype=dtype, name="level_feed_forward")(h)
    x = x + ops.reshape(h, (-1, 1, 1, channels))
    x = alternate(
        x,
        len(drop_paths),
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
        drop_path=drop_paths,
        dtype=dtype,
    )
    poses = poses_from_tokens(x, skeleton, dtype)
    return keras.Model([keypoints, noisy, level], poses, name="denoiser")
