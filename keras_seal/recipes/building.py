"""From a recipe to data, networks and a compiled model.

Everything here needs Keras, which must run on the recipe's backend already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_seal import callbacks, data, loss_nets, losses, metrics, pose_nets, skeletons
from keras_seal.data import PoseSequences, PoseSplits, PoseWindows
from keras_seal.errors import UserError, nearest
from keras_seal.recipes import schema
from keras_seal.recipes.constructing import construct, first_line, telling
from keras_seal.recipes.negatives import build_negatives
from keras_seal.recipes.optimizers import build_energy_weight, build_optimizer
from keras_seal.recipes.schema import Recipe
from keras_seal.skeletons import Skeleton
from keras_seal.training import SEALPose

# Set by training.precision, or of no meaning in a recipe.
_ELSEWHERE = ("dtype", "name")


def build_skeleton(recipe: Recipe) -> Skeleton:
    """Find the recipe's skeleton.

    Args:
        recipe: The recipe.

    Returns:
        The skeleton.

    Raises:
        UserError: If there is none of that name, or its file is missing or wrong.
    """
    with telling("skeleton"):
        return skeletons.get(recipe.skeleton)


def build_source(recipe: Recipe) -> data.sources.Source:
    """Make the recipe's data source.

    Args:
        recipe: The recipe.

    Returns:
        A source of `keras_seal.data.sources`.

    Raises:
        UserError: If there is none of that name, or its options are wrong.
    """
    with telling("data.source"):
        source = data.sources.get(recipe.data.source)
    with telling("data.options"):
        return source(**recipe.data.options)


def build_splits(recipe: Recipe, cache_dir: str | Path | None = None) -> PoseSplits:
    """Load the recipe's data.

    Args:
        recipe: The recipe.
        cache_dir: Where prepared data is kept; by default the user's cache folder.

    Returns:
        Train, validation and test data.

    Raises:
        UserError: If the data is missing, wrong, or made for another skeleton.
    """
    source, skeleton = build_source(recipe), build_skeleton(recipe)
    with telling(f"data source '{recipe.data.source}'"):
        splits = source.load(cache_dir=cache_dir)
    if splits.skeleton != skeleton:
        raise UserError(
            f"skeleton: got '{skeleton.name}' ({skeleton.num_joints} joints), but the data is on"
            f" '{splits.skeleton.name}' ({splits.skeleton.num_joints} joints)."
        )
    # Equal, but files may keep limbs in another order, and sums are rounded in their order.
    for part in splits.parts.values():
        part.skeleton = skeleton
    return splits


def build_windows(
    recipe: Recipe, sequences: PoseSequences, out_frames: int, *, training: bool
) -> PoseWindows:
    """Cut sequences into batches.

    Args:
        recipe: The recipe.
        sequences: What to cut.
        out_frames: Frames that the pose-net predicts.
        training: Whether the windows are shuffled and mirrored as for training, or cover every
            frame in order.

    Returns:
        The batches.
    """
    options: dict[str, Any] = {
        "batch_size": recipe.data.batch_size,
        "num_frames": recipe.data.num_frames,
        "out_frames": out_frames,
        "frame_stride": recipe.data.frame_stride,
    }
    if not training:
        return PoseWindows(sequences, window_stride=out_frames, **options)
    options |= {
        "window_stride": recipe.data.window_stride,
        "shuffle": True,
        "seed": recipe.seed,
        "flip": recipe.data.flip,
    }
    windows = PoseWindows(sequences, **options)
    if windows.num_windows <= recipe.data.batch_size:
        return windows
    # Batches of one size compile once, and batch normalisation never sees a tiny one. What is
    # left out differs from epoch to epoch.
    return PoseWindows(sequences, drop_remainder=True, **options)


class StatisticsBatches:
    """Some keypoints of a training set, always the same: batch statistics are measured on them.

    Args:
        windows: The training set.
        count: Batches, at most.
    """

    def __init__(self, windows: PoseWindows, count: int = 32) -> None:
        options = windows.get_config()
        # Its own order, else these would be the very batches that an epoch begins with.
        self._windows = PoseWindows(
            windows.sequences, **{**options, "shuffle": True, "seed": options["seed"] + 1}
        )
        self._count = min(count, len(self._windows))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Gather the batches."""
        return (self._windows[index][0] for index in range(self._count))


def build_pose_net(recipe: Recipe, input_channels: int = 2) -> keras.Model:
    """Make the recipe's pose-net.

    Args:
        recipe: The recipe.
        input_channels: Channels of the keypoints.

    Returns:
        The net.

    Raises:
        UserError: If its name, file, options or shapes are wrong.
    """
    skeleton, frames = build_skeleton(recipe), recipe.data.num_frames
    if recipe.pose_net.path is not None:
        net = _read_network(recipe.pose_net.path, "pose_net", recipe.training.precision)
    else:
        name = str(recipe.pose_net.name)
        with telling("pose_net.name"):
            target = _pose_net_class(name)
        given = {"skeleton": skeleton, "num_frames": frames, "input_channels": input_channels}
        with _policy(recipe.training.precision):
            net = construct(
                target,
                recipe.pose_net.options,
                given,
                "pose_net.options",
                elsewhere=_ELSEWHERE,
                make=lambda **options: pose_nets.get(name, **options),
            )
    joints = skeleton.num_joints
    wanted_in, wanted_out = (None, frames, joints, input_channels), (None, joints, 3)
    shape_in, shape_out = tuple(net.input_shape), tuple(net.output_shape)
    if shape_in[1:] != wanted_in[1:]:
        raise UserError(
            f"pose_net: takes keypoints of shape {shape_in}, but the data gives {wanted_in}"
            " (batch, frames, joints, channels): check data.num_frames and skeleton."
        )
    if len(shape_out) != 4 or shape_out[2:] != wanted_out[1:] or shape_out[1] not in (1, frames):
        raise UserError(
            f"pose_net: gives poses of shape {shape_out}, expected (batch, 1 or {frames},"
            f" {joints}, 3)."
        )
    return net


def build_loss_net(recipe: Recipe) -> keras.Model | None:
    """Make the recipe's loss-net.

    Args:
        recipe: The recipe.

    Returns:
        The net, or `None` for a plain baseline.

    Raises:
        UserError: If its name, file, options or shapes are wrong.
    """
    if recipe.loss_net is None:
        return None
    skeleton = build_skeleton(recipe)
    if recipe.loss_net.path is not None:
        net = _read_network(recipe.loss_net.path, "loss_net", recipe.training.precision)
    else:
        name = str(recipe.loss_net.name)
        with telling("loss_net.name"):
            if name not in loss_nets.names():
                raise UserError(
                    f"No loss-net is called '{name}'.{nearest(name, loss_nets.names())}"
                )
        with _policy(recipe.training.precision):
            net = construct(
                getattr(loss_nets, name),
                recipe.loss_net.options,
                {"skeleton": skeleton, "input_channels": 2},
                "loss_net.options",
                elsewhere=_ELSEWHERE,
            )
    shapes = net.input_shape if isinstance(net.input_shape, list) else [net.input_shape]
    joints = skeleton.num_joints
    if [tuple(shape)[2:] for shape in shapes] != [(joints, 2), (joints, 3)]:
        raise UserError(
            f"loss_net: takes {shapes}, expected keypoints (batch, frames, {joints}, 2) and poses"
            f" (batch, frames, {joints}, 3)."
        )
    return net


def build_model(
    recipe: Recipe, input_channels: int = 2, steps_per_epoch: Callable[[int], int] | None = None
) -> SEALPose:
    """Make the recipe's networks, and what makes negatives.

    Args:
        recipe: The recipe.
        input_channels: Channels of the keypoints.
        steps_per_epoch: Gives the batches an epoch from the frames that the pose-net predicts, for
            schedules of negatives; 100 where it is not given.

    Returns:
        The model, to be compiled by `compile_model`.

    Raises:
        UserError: If a network's name, file, options or shapes are wrong.
    """
    seal = recipe.seal
    pose_net, loss_net = build_pose_net(recipe, input_channels), build_loss_net(recipe)
    arguments: dict[str, Any] = {}
    if isinstance(seal, schema.DynamicSeal):
        arguments["negatives_pass"] = seal.negatives_pass
        arguments["negatives"] = build_negatives(
            seal.negatives,
            build_skeleton(recipe),
            recipe.seed,
            recipe.training.epochs,
            steps_per_epoch(pose_net.output_shape[1]) if steps_per_epoch else 100,
        )
    mode = "dynamic" if seal is None else seal.mode
    return SEALPose(pose_net, loss_net, mode=mode, **arguments)


def compile_model(model: SEALPose, recipe: Recipe, steps_per_epoch: int) -> None:
    """Compile a model as the recipe says.

    Args:
        model: What `build_model` gave.
        recipe: The recipe.
        steps_per_epoch: Batches an epoch; recipes tell schedules in epochs.

    Raises:
        UserError: If an option of the training does not fit.
    """
    training, seal = recipe.training, recipe.seal
    tensorflow = keras.backend.backend() == "tensorflow"
    if tensorflow and training.jit_compile is True and training.deterministic:
        # Keras would warn and go on without XLA.
        raise UserError(
            "training.jit_compile: true does not go with training.deterministic: true on"
            " tensorflow; set one of them to false."
        )
    arguments: dict[str, Any] = {}
    if seal is not None:
        arguments["energy_weight"] = build_energy_weight(
            seal.energy_weight, training.epochs, steps_per_epoch
        )
        arguments["force_limit"] = seal.force_limit
    if isinstance(seal, schema.DynamicSeal) and training.loss_net_optimizer is not None:
        options = seal.objective.model_dump()
        arguments["gradient_penalty"] = seal.gradient_penalty
        arguments["penalty_at"] = seal.penalty_at
        arguments["energy_objective"] = losses.get_objective(options.pop("name"), **options)
        arguments["loss_net_optimizer"] = build_optimizer(
            training.loss_net_optimizer, training, steps_per_epoch, "training.loss_net_optimizer"
        )
    arguments["optimizer"] = build_optimizer(
        training.optimizer, training, steps_per_epoch, "training.optimizer", training.ema_decay
    )
    arguments["metrics"] = build_metrics(recipe, model.pose_net.output_shape[1])
    arguments["loss"] = _pose_loss(recipe, model.pose_net.output_shape[1])
    with telling("training"):
        model.compile(
            jit_compile=training.jit_compile,
            steps_per_execution=training.steps_per_execution,
            **arguments,
        )


def _pose_loss(recipe: Recipe, out_frames: int) -> Any:
    loss = recipe.training.loss
    weights = recipe.training.constraints.model_dump()
    constraints = [{"name": name, "weight": weight} for name, weight in weights.items() if weight]
    if isinstance(loss, str) and not constraints:
        return loss
    terms = [{"name": loss}] if isinstance(loss, str) else [term.model_dump() for term in loss]
    for key, given in (("loss", terms), ("constraints", constraints)):
        for term in given:
            if term["name"] in losses.TERMS_OF_SEVERAL_FRAMES and out_frames < 2:
                raise UserError(
                    f"training.{key}: '{term['name']}' compares frames, but the pose-net predicts"
                    " one at a time; leave it out, or give data.num_frames and a pose-net for"
                    " several."
                )
    with telling("training.constraints" if constraints else "training.loss"):
        return losses.PoseTerms([*terms, *constraints], build_skeleton(recipe))


def build_metrics(recipe: Recipe, out_frames: int) -> list[keras.metrics.Metric]:
    """Make the metrics that are followed while training.

    Args:
        recipe: The recipe.
        out_frames: Frames that the pose-net predicts.

    Returns:
        The metrics, in the recipe's order.

    Raises:
        UserError: If a name is unknown, or a metric needs more frames.
    """
    skeleton, built = build_skeleton(recipe), []
    for name in recipe.evaluation.metrics:
        with telling("evaluation.metrics"):
            metric = metrics.get(name, skeleton=skeleton)
        if metric.frames_per_value > out_frames:
            raise UserError(
                f"evaluation.metrics: '{name}' compares {metric.frames_per_value} frames, but the"
                f" pose-net predicts {out_frames} at a time; what can be measured over whole"
                " sequences is in the final report in any case."
            )
        built.append(metric)
    return built


def _pose_net_class(name: str) -> type:
    for candidate in pose_nets.names():
        net = getattr(pose_nets, candidate)
        if name == candidate or name in net.presets:
            return net
    known = [*pose_nets.names(), *pose_nets.presets()]
    raise UserError(f"No pose-net or preset is called '{name}'.{nearest(name, known)}")


def _read_network(path: str, key: str, precision: str) -> keras.Model:
    if not Path(path).is_file():
        raise UserError(f"{key}.path: there is no file {path}.")
    try:
        model = keras.models.load_model(path, compile=False)
    except (OSError, TypeError, ValueError) as error:
        raise UserError(f"{key}.path: Keras cannot read {path}: {first_line(error)}") from error
    # A run's model.keras holds both networks.
    net = getattr(model, key, model)
    found = {layer.dtype_policy.name for layer in net._flatten_layers() if layer.weights}
    if precision != "float32" and precision not in found:
        raise UserError(
            f"training.precision: got {precision}, but the layers in {path} are"
            f" {', '.join(sorted(found))}; a network read from a file keeps its own."
        )
    return net


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_callbacks(
    recipe: Recipe, held_out: PoseWindows, logs: Path, plots: Path, tensorboard: Path
) -> list[keras.callbacks.Callback]:
    """Make the callbacks that look at the training.

    Args:
        recipe: The recipe.
        held_out: What to look at: windows of the validation split.
        logs: Folder of their tables.
        plots: Folder of their pictures.
        tensorboard: TensorBoard's log folder.

    Returns:
        The callbacks that the recipe turns on.
    """
    skeleton, wanted, built = build_skeleton(recipe), recipe.callbacks, []
    if wanted.energy_monitor and recipe.loss_net is not None:
        built.append(
            callbacks.EnergyMonitor(
                held_out,
                skeleton,
                logs / "energy.csv",
                plots=plots if wanted.energy_plots else None,
                plot_every=wanted.energy_plots or 1,
                tensorboard_dir=tensorboard if wanted.tensorboard else None,
            )
        )
    if wanted.limb_lengths:
        built.append(
            callbacks.LimbLengthLogger(
                held_out,
                skeleton,
                logs / "limb_lengths.csv",
                plot=plots / "bone_length_drift.png",
            )
        )
    if wanted.pose_plots.every:
        built.append(
            callbacks.PosePlotter(
                held_out,
                skeleton,
                plots,
                every=wanted.pose_plots.every,
                samples=wanted.pose_plots.poses,
                tensorboard_dir=tensorboard if wanted.tensorboard else None,
                gif=wanted.pose_plots.gif,
            )
        )
    return built


def check(recipe: Recipe) -> list[str]:
    """Make everything that a recipe describes, except for the data.

    Args:
        recipe: The recipe.

    Returns:
        Keys that are still to be set before training, such as a data folder.

    Raises:
        UserError: If anything in the recipe does not fit.
    """
    with telling("data.source"):
        fields = data.sources.get(recipe.data.source).model_fields
    missing = [
        name
        for name, field in fields.items()
        if field.is_required() and name not in recipe.data.options
    ]
    # Where the data lies is not looked at here, so any place will do.
    options = {**recipe.data.options, **dict.fromkeys(missing, ".")}
    section = recipe.data.model_copy(update={"options": options})
    build_source(recipe.model_copy(update={"data": section}))
    compile_model(build_model(recipe), recipe, steps_per_epoch=100)
    return [f"data.options.{name}" for name in missing]
