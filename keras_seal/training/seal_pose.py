"""`SEALPose`: a pose-net and the loss-net that helps to train it."""

from __future__ import annotations

import warnings
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from keras_seal import losses
from keras_seal.negatives import NegativeMaker, Prediction, Scene, check_makers
from keras_seal.training import backends, health
from keras_seal.training.controllers import EnergyWeightController, Observation
from keras_seal.training.optimizers import PairedOptimizer, serialize_optimizer
from keras_seal.training.state import NETWORKS, TrainingState

MODES = ("dynamic", "static")
NEGATIVES_PASSES = ("shared", "inference")
PENALTY_PLACES = ("truth", "between")
_TRAIN_ONLY = ("loss_net_loss", "force_ratio", "alignment")
_TINY = 1e-16
_ENERGY_LOGS = ("energy_true", "energy_pred", "energy_gap", "ranking_accuracy")


@keras.saving.register_keras_serializable(package="keras_seal")
class SEALPose(backends.Steps, keras.Model):
    """A pose-net trained with a learned loss.

    Each training step lifts a batch once, teaches the loss-net to score the true poses below the
    predictions, and then moves the pose-net down `pose_loss + energy_weight * energy`, the
    energy being the updated loss-net's score of the prediction. Calling the model runs the
    pose-net alone: the loss-net costs nothing at inference.

    It is an ordinary Keras model: `compile`, `fit`, `evaluate`, `predict`, `save` and
    `keras.models.load_model` work on tensorflow, jax and torch.

    Logs, beside the compiled metrics: `loss` (what is minimised: pose loss, weighted energy and
    regularisation), `pose_loss`, and with a loss-net `loss_net_loss`, `energy_true`,
    `energy_pred`, `energy_gap` (prediction less truth), `ranking_accuracy` (share of predictions
    scored above their truth), `force_ratio` and `alignment` (see `keras_seal.training.health`).

    Args:
        pose_net: A built `keras.Model` from keypoints `(batch, frames, joints, 2 or 3)` to
            root-relative poses `(batch, out_frames, joints, 3)` in metres. One whose attribute
            `needs_poses` is true is called as `pose_net(x, training=True, poses=y)` in the pass
            that trains it, such as a diffusion net that takes noise off the true poses; passes in
            inference mode, those of `negatives_pass="inference"` among them, never hand it any.
        loss_net: A built `keras.Model` from `[keypoints, pose]` to energies `(batch, frames)`, or
            `None` to train the pose-net with its pose loss alone. It sees as many
            channels of the keypoints as it has inputs for, at the frames that the pose has.
        mode: `"dynamic"` trains the loss-net along; `"static"` leaves it as it is.
        negatives_pass: `"shared"` makes the loss-net's negatives in the pass that trains the
            pose-net (with its dropout), so a step lifts once. `"inference"` runs a pass of its own
            in inference mode, as published.
        negatives: What the loss-net scores above the truth: makers of `keras_seal.negatives`, each
            giving one negative a pose; a `Mix` shares one negative among several makers. By
            default the pose-net's prediction alone, as published. Truth and negatives go
            through the loss-net in one pass, whose cost grows with their number.

    Raises:
        TypeError: If a network is not a `keras.Model`.
        ValueError: If a network is not built, or an option is not one of those named.

    Examples:
        >>> import keras, numpy as np, keras_seal as ks
        >>> model = ks.SEALPose(
        ...     ks.pose_nets.SimpleBaseline("human36m_17", units=32),
        ...     ks.loss_nets.MLPLossNet("human36m_17", units=32),
        ... )
        >>> model.compile(keras.optimizers.Adam(1e-3), loss="mpjpe", energy_weight=1e-3)
        >>> x, y = np.zeros((8, 1, 17, 2), "float32"), np.zeros((8, 1, 17, 3), "float32")
        >>> sorted(model.fit(x, y, verbose=0).history)[:3]
        ['alignment', 'energy_gap', 'energy_pred']
        >>> model.predict(x, verbose=0).shape
        (8, 1, 17, 3)

    Reference:
        SEAL-pose (arXiv 2602.20051).
    """

    def __init__(
        self,
        pose_net: keras.Model,
        loss_net: keras.Model | None = None,
        mode: str = "dynamic",
        negatives_pass: str = "shared",
        negatives: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_network(pose_net, "pose_net")
        if loss_net is not None:
            _check_network(loss_net, "loss_net")
        _check_choice("mode", mode, MODES)
        _check_choice("negatives_pass", negatives_pass, NEGATIVES_PASSES)
        self.pose_net: Any = pose_net
        self.loss_net: Any = loss_net
        self.mode = mode
        self.negatives_pass = negatives_pass
        self.training_state = TrainingState(name="training_state")
        makers = [Prediction()] if negatives is None else negatives
        self.negatives: list[NegativeMaker] = (
            [makers] if isinstance(makers, NegativeMaker) else list(makers)
        )
        check_makers(self.negatives)
        # A subclassed model tells no output shape; few makers need one.
        known = getattr(pose_net, "output_shape", (None, None, None, 3))
        for maker in self.negatives:
            maker.build((None, *known[1:]))
        self._energy_schedule: Any = None
        self._controller: EnergyWeightController | None = None
        self._gradient_penalty = self._penalty_between = False
        self._force_limit: float | None = None
        self.energy_objective: Any = None
        names = ["pose_loss"]
        if loss_net is not None:
            names += [*_ENERGY_LOGS, "force_ratio", "alignment"]
            if mode == "dynamic":
                names.append("loss_net_loss")
        self._trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self.build(None)

    def build(self, input_shape: Any = None) -> None:
        """Nothing to build: both networks come built."""

    def call(self, keypoints: Any, training: bool = False) -> Any:
        """Lift keypoints with the pose-net.

        Args:
            keypoints: `(batch, frames, joints, 2 or 3)`.
            training: Whether dropout and batch statistics act as in training.

        Returns:
            Poses `(batch, out_frames, joints, 3)`, metres.
        """
        return self.pose_net(keypoints, training=training)

    # -- compiling -----------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = "mpjpe",
        loss_net_optimizer: Any = "adam",
        energy_objective: Any = "margin",
        energy_weight: Any = 1e-3,
        metrics: Any = None,
        auto_scale_loss: bool = True,
        steps_per_execution: int = 1,
        gradient_penalty: float = 0.0,
        penalty_at: str = "truth",
        force_limit: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Set how both networks are trained.

        Args:
            optimizer: The pose-net's optimizer. Averaged weights, clipping and gradient
                accumulation are set here and on `loss_net_optimizer`, each for its own network.
            loss: Pose loss: `"mpjpe"`, `"mse"`, `"l1"`, or any Keras loss.
            loss_net_optimizer: The loss-net's optimizer; another object than `optimizer`.
            energy_objective: `"margin"`, `"nce"`, `"regression"`, `"adversarial"`, or an
                `EnergyObjective`. It also says what the pose-net minimises of the energy: the
                energy itself, but for some kinds of `Adversarial`.
            energy_weight: Weight of the energy in the pose-net's loss: a number, a Keras
                learning-rate schedule called with the step, or a controller that finds it while
                training (`keras_seal.training.ForceRatio`, `AlignmentGuard`). The current value
                is the variable `model.energy_weight`; where it is a number a callback may assign
                it.
            metrics: Keras metrics of the poses.
            auto_scale_loss: Under mixed_float16, wrap each optimizer in Keras'
                `LossScaleOptimizer`. An overflow then skips that network's own update only.
            steps_per_execution: Steps run by one call of the compiled function.
            gradient_penalty: Weight of a penalty on the norm of the energy's gradient by the pose
                (per metre) in the loss-net's loss; 0 leaves it out, and saves its cost.
            penalty_at: `"truth"`: half the squared norm at true poses (R1). `"between"`: the
                squared difference of the norm from 1, at random points on the lines between true
                poses and negatives (WGAN-GP).
            force_limit: How many times as hard as the pose loss the energy may pull at any one
                pose; pulls that are harder are shortened. By default there is no limit.
            **kwargs: Further arguments of `keras.Model.compile` (`jit_compile`, ...).

        Raises:
            ValueError: For options that cannot work together, or a negative `energy_weight`.
        """
        pose_optimizer = keras.optimizers.get(optimizer)
        loss_net_trains = self.loss_net is not None and self.mode == "dynamic"
        loss_net_optimizer = keras.optimizers.get(loss_net_optimizer) if loss_net_trains else None
        if pose_optimizer is loss_net_optimizer:
            raise ValueError(
                "optimizer and loss_net_optimizer are one object: each network needs its own."
            )
        members = [o for o in (pose_optimizer, loss_net_optimizer) if o is not None]
        inner = [getattr(o, "inner_optimizer", o) for o in members]
        backends.check_compile(
            steps_per_execution, any(o.gradient_accumulation_steps for o in inner)
        )
        objective = losses.get_objective(energy_objective)
        schedule = (
            energy_weight
            if isinstance(energy_weight, keras.optimizers.schedules.LearningRateSchedule)
            else None
        )
        controller = energy_weight if isinstance(energy_weight, EnergyWeightController) else None
        if (
            schedule is None
            and controller is None
            and not (isinstance(energy_weight, (int, float)) and energy_weight >= 0)
        ):
            raise ValueError(
                f"energy_weight is {energy_weight!r}: give a number of at least 0, a "
                "keras.optimizers.schedules.LearningRateSchedule, or a controller."
            )
        if not gradient_penalty >= 0:
            raise ValueError(f"gradient_penalty is {gradient_penalty}: expected at least 0.")
        _check_choice("penalty_at", penalty_at, PENALTY_PLACES)
        if force_limit is not None and not force_limit > 0:
            raise ValueError(f"force_limit is {force_limit}: expected more than 0, or None.")
        # A view, because Keras would take metrics in a plain dict for the model's own.
        self._compile_arguments = MappingProxyType(
            {
                "optimizer": pose_optimizer,
                "loss": losses.get(loss),
                "loss_net_optimizer": loss_net_optimizer,
                "energy_objective": objective,
                "energy_weight": energy_weight,
                "metrics": metrics,
                "auto_scale_loss": auto_scale_loss,
                "steps_per_execution": steps_per_execution,
                "gradient_penalty": gradient_penalty,
                "penalty_at": penalty_at,
                "force_limit": force_limit,
                **kwargs,
            }
        )
        self.energy_objective = objective
        self._energy_schedule = schedule
        self._controller = controller
        self._force_limit = force_limit
        self._gradient_penalty = gradient_penalty > 0 and loss_net_trains
        first = 0.0 if controller is not None else energy_weight
        first = float(ops.convert_to_numpy(schedule(0))) if schedule else float(first)
        self.training_state.set_coefficient("energy_weight", first)
        for name, value in (controller.memory if controller else {}).items():
            self.training_state.remember(name, value)
        self._penalty_between = penalty_at == "between"
        if self._gradient_penalty:
            self.training_state.set_coefficient("gradient_penalty", gradient_penalty)
            if self._penalty_between:
                self.training_state.make_random()
        for name, value in objective.coefficients.items():
            self.training_state.set_coefficient(name, value)
        pair = PairedOptimizer(
            self._scaled(pose_optimizer, "pose_net_optimizer", auto_scale_loss),
            loss_net_optimizer
            and self._scaled(loss_net_optimizer, "loss_net_optimizer", auto_scale_loss),
            self._is_loss_net_variable(),
        )
        super().compile(
            optimizer=pair,
            loss=losses.get(loss),
            metrics=metrics,
            # Each member has its own scale: one around the pair would skip both.
            auto_scale_loss=False,
            steps_per_execution=steps_per_execution,
            **kwargs,
        )
        pair.build(self.trainable_variables)

    def _scaled(self, optimizer: Any, name: str, auto_scale_loss: bool) -> Any:
        kind = keras.optimizers.LossScaleOptimizer
        half = "mixed_float16" in {
            layer.dtype_policy.name
            for net in (self.pose_net, self.loss_net)
            if net is not None
            for layer in net._flatten_layers()
        }
        if half and auto_scale_loss and not isinstance(optimizer, kind):
            optimizer = kind(optimizer)
        optimizer.name = name
        return optimizer

    def _is_loss_net_variable(self) -> Any:
        if self.loss_net is None:
            return lambda variable: False
        own = {id(v) for v in self.loss_net.variables}
        return lambda variable: id(variable) in own

    def get_compile_config(self) -> dict[str, Any] | None:
        """Describe how the model was compiled, both optimizers included."""
        if not self.compiled:
            return None
        serialize = keras.saving.serialize_keras_object
        return {
            name: serialize_optimizer(value)
            if isinstance(value, keras.optimizers.Optimizer)
            else serialize(value)
            for name, value in self._compile_arguments.items()
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` describes."""
        arguments = dict(config)
        for name in ("optimizer", "loss_net_optimizer"):
            described = arguments.pop(name)
            arguments[name] = (
                keras.optimizers.deserialize(described) if described is not None else None
            )
        for name in set(arguments) - {"optimizer", "loss_net_optimizer"}:
            arguments[name] = keras.saving.deserialize_keras_object(arguments[name])
        if arguments["loss_net_optimizer"] is None:
            del arguments["loss_net_optimizer"]
        self.compile(**arguments)

    # -- training ------------------------------------------------------------------------------

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Train, as `keras.Model.fit` does.

        `PoseWindows` keep their own order, which depends on their seed and the epoch alone: for
        them Keras' shuffling of whole batches is off, and epoch numbers follow Keras', so that a
        run continued with `initial_epoch` reads what an uninterrupted one would.

        Args:
            x: Keypoints, or a data set of `(keypoints, poses)`.
            y: Poses, if `x` is an array.
            **kwargs: Further arguments of `keras.Model.fit`, by name.

        Returns:
            The `History`.
        """
        if hasattr(x, "follow_epochs"):
            kwargs["shuffle"] = False
            callbacks = kwargs.get("callbacks") or []
            if isinstance(callbacks, keras.callbacks.CallbackList):
                callbacks.append(x.follow_epochs())
            else:
                callbacks = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
                kwargs["callbacks"] = [x.follow_epochs(), *callbacks]
        return super().fit(x, y, **kwargs)

    # -- what a callback may read and set -----------------------------------------------------

    @property
    def energy_weight(self) -> Any:
        """The current weight of the energy, a variable."""
        return self.training_state.coefficients["energy_weight"]

    @property
    def coefficients(self) -> dict[str, Any]:
        """The energy weight and the objective's coefficients, variables by name."""
        return dict(self.training_state.coefficients)

    def first_non_finite_step(self) -> dict[str, int | None]:
        """First training step (from 0) in which a network's loss was not a finite number.

        Returns:
            For `"pose_net"` and `"loss_net"` the step, or `None`.
        """
        found = {}
        for name in NETWORKS:
            step = int(ops.convert_to_numpy(self.training_state.first_bad[name]))
            found[name] = None if step < 0 else step
        return found

    def energy(self, keypoints: Any, poses: Any) -> Any:
        """Score poses with the loss-net, in inference mode.

        Args:
            keypoints: `(batch, frames, joints, 2 or 3)`.
            poses: Root-relative poses, metres, `(batch, out_frames, joints, 3)`.

        Returns:
            Energies `(batch, out_frames)`; low means plausible.

        Raises:
            ValueError: If the model has no loss-net.
        """
        if self.loss_net is None:
            raise ValueError("This SEALPose has no loss_net, so poses have no energy.")
        keypoints = ops.convert_to_tensor(keypoints, "float32")
        poses = ops.convert_to_tensor(poses, "float32")
        return self._energy(self._condition(keypoints, poses), poses, training=False)

    def energy_gradient(self, keypoints: Any, poses: Any) -> Any:
        """Gradient of each frame's energy by its pose.

        Args:
            keypoints: `(batch, frames, joints, 2 or 3)`.
            poses: Root-relative poses, metres, `(batch, out_frames, joints, 3)`.

        Returns:
            The shape of `poses`.

        Raises:
            ValueError: If the model has no loss-net.
        """
        return self._slope(lambda p: self.energy(keypoints, p), ops.convert_to_tensor(poses))

    def energy_pull(self, keypoints: Any, poses: Any) -> Any:
        """Gradient by the pose of what the pose-net minimises of each frame's energy.

        It is `energy_gradient` unless the compiled objective says otherwise (`Adversarial`).

        Args:
            keypoints: `(batch, frames, joints, 2 or 3)`.
            poses: Root-relative poses, metres, `(batch, out_frames, joints, 3)`.

        Returns:
            The shape of `poses`.

        Raises:
            ValueError: If the model has no loss-net.
        """
        return self._slope(
            lambda p: self.energy_objective.pose_term(self.energy(keypoints, p)),
            ops.convert_to_tensor(poses),
        )

    def pose_loss_gradient(self, y_true: Any, y_pred: Any) -> Any:
        """Gradient of the compiled pose loss by the prediction.

        Args:
            y_true: True poses, `(batch, out_frames, joints, 3)`.
            y_pred: Predictions, the same shape.

        Returns:
            The shape of `y_pred`.
        """
        y_true = ops.convert_to_tensor(y_true)
        _, gradient = self._value_and_gradient(
            lambda p: self._pose_loss(None, y_true, p, None), ops.convert_to_tensor(y_pred)
        )
        return gradient

    # -- the mathematics, written once ---------------------------------------------------------

    @property
    def losses(self) -> list[Any]:
        """Empty: a step adds the pose-net's regularisation itself, once, where it is wanted.

        Keras' `compute_loss` adds `losses` to the pose loss; the loss-net's would end up there.
        """
        return []

    def _slope(self, function: Any, poses: Any) -> Any:
        """Gradient by each pose of what the function says of it."""
        (values,), pull_back = backends.record(self, lambda p: (function(p),), [], [poses])
        return pull_back(ops.ones_like(values))[1][0]

    def _condition(self, keypoints: Any, poses: Any) -> Any:
        """What the loss-net sees of the keypoints: its channels, at the frames of the poses."""
        frames, wanted = keypoints.shape[1], poses.shape[1]
        keypoints = keypoints[..., : self.loss_net.inputs[0].shape[-1]]
        if frames == wanted:
            return keypoints
        if wanted != 1:
            raise ValueError(
                f"{frames} frames of keypoints do not go with {wanted} frames of poses."
            )
        return keypoints[:, frames // 2 : frames // 2 + 1]

    def _energy(self, condition: Any, poses: Any, training: bool) -> Any:
        return ops.cast(self.loss_net([condition, poses], training=training), "float32")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The compiled pose loss, after a look at the shapes.

        Args:
            x: Not used.
            y: True poses, `(batch, out_frames, joints, 3)`.
            y_pred: Predictions, the same shape.
            sample_weight: `(batch,)` or `(batch, out_frames)`.
            training: Not used.

        Returns:
            A scalar.

        Raises:
            ValueError: If the shapes do not fit: broadcasting would hide it.
        """
        _check_poses(y, y_pred)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def _pose_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        # Keras divides a compiled loss by the number of replicas; here it is the replica's own.
        return ops.cast(loss, "float32") * backends.replicas()

    def _lift(self, x: Any, y: Any) -> tuple[Any, Any]:
        truth = {"poses": y} if getattr(self.pose_net, "needs_poses", False) else {}
        poses = ops.cast(self.pose_net(x, training=True, **truth), "float32")
        return poses, _total(self.pose_net.losses)

    def _value_and_gradient(self, function: Any, tensor: Any) -> tuple[Any, Any]:
        (value,), pull_back = backends.record(self, lambda t: (function(t),), [], [tensor])
        return value, pull_back(ops.ones_like(value))[1][0]

    def seal_train_step(self, data: Any) -> dict[str, Any]:
        """One update of both networks.

        Args:
            data: `(x, y)` or `(x, y, sample_weight)`; the weight is `(batch,)` or
                `(batch, out_frames)`.

        Returns:
            The logs.
        """
        x, y, sample_weight = _unpack(data)
        state = self.training_state
        if self._energy_schedule is not None:
            self.energy_weight.assign(
                ops.cast(self._energy_schedule(ops.convert_to_tensor(state.step)), "float32")
            )

        variables = self.pose_net.trainable_variables
        (y_pred, regularization), pull_back = backends.record(
            self, lambda: self._lift(x, y), variables
        )
        _check_poses(y, y_pred)

        found: dict[str, Any] = {}
        if self.loss_net is not None and self.mode == "dynamic":
            found.update(self._update_loss_net(x, y, y_pred, sample_weight))

        pose_loss, gradient = self._value_and_gradient(
            lambda p: self._pose_loss(x, y, p, sample_weight), y_pred
        )
        loss = pose_loss + regularization
        if self.loss_net is not None:
            condition = self._condition(x, y)
            (energy, energies), pull_energy = backends.record(
                self, lambda p: self._mean_energy(condition, p, sample_weight), [], [y_pred]
            )
            pull = pull_energy(ops.ones_like(energy), ops.zeros_like(energies))[1][0]
            alignment = ops.mean(health.alignment(pull, y, y_pred))
            # The controller sees what really pulls, and then may change what is too hard.
            if self._controller is not None:
                self._control(self._controller, self._limited(pull, gradient), gradient, alignment)
            weight, pull = ops.convert_to_tensor(self.energy_weight), self._limited(pull, gradient)
            loss = loss + weight * energy
            found["force_ratio"] = health.force_ratio(weight * pull, gradient)
            found["alignment"] = alignment
            if "energies_true" in found:
                found.update(_compare(found.pop("energies_true"), energies))
            found.setdefault("energy_pred", _mean(energies, sample_weight))
            gradient = gradient + weight * pull
        found["pose_loss"] = pose_loss

        member = self.optimizer.pose_net
        gradients, _ = pull_back(
            member.scale_loss(gradient), member.scale_loss(ops.ones_like(regularization))
        )
        backends.apply(member, gradients, variables)

        state.note_loss("pose_net", loss)
        state.step.assign(state.step + 1)
        return self._logs(x, y, y_pred, sample_weight, loss, found)

    def _limited(self, pull: Any, gradient: Any) -> Any:
        """The energy's pull, nowhere harder than is allowed at its present weight."""
        if self._force_limit is None:
            return pull
        weight = ops.convert_to_tensor(self.energy_weight)
        return health.limited(pull, gradient, self._force_limit, weight)

    def _mean_energy(self, condition: Any, poses: Any, sample_weight: Any) -> tuple[Any, Any]:
        energies = self._energy(condition, poses, training=False)
        return _mean(self.energy_objective.pose_term(energies), sample_weight), energies

    def _control(
        self,
        controller: EnergyWeightController,
        energy_gradient: Any,
        pose_gradient: Any,
        alignment: Any,
    ) -> None:
        """Let the controller set the energy's weight."""
        state = self.training_state
        seen = Observation(
            step=ops.convert_to_tensor(state.step),
            energy_norm=health.norm(energy_gradient),
            pose_norm=health.norm(pose_gradient),
            alignment=alignment,
        )
        memory = {name: ops.convert_to_tensor(state.memory[name]) for name in state.memory}
        weight, memory = controller.update(memory, seen)
        # One infinite gradient must not spoil what is remembered.
        good = ops.isfinite(weight)
        for name, value in {**memory, "energy_weight": weight}.items():
            variable = self.energy_weight if name == "energy_weight" else state.memory[name]
            variable.assign(ops.where(good, value, ops.convert_to_tensor(variable)))

    def _make_negatives(self, x: Any, y: Any, y_pred: Any) -> list[Any]:
        """One pose for each true pose from every maker."""
        prediction = None
        if any(maker.uses_prediction for maker in self.negatives):
            if self.negatives_pass == "inference":
                y_pred = ops.cast(self.pose_net(x, training=False), "float32")
            prediction = ops.stop_gradient(y_pred)

        def energy_gradient(condition: Any, poses: Any) -> Any:
            return self._slope(lambda p: self._energy(condition, p, training=False), poses)

        step = ops.convert_to_tensor(self.training_state.step)
        scene = Scene(self._condition(x, y), y, prediction, step, energy_gradient)
        return [ops.stop_gradient(maker.make(scene)) for maker in self.negatives]

    def _update_loss_net(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
        """Teach the loss-net to score the truth below the negatives; returns figures to log.

        Where the prediction is no negative of its own, `energies_true` among them is left to be
        compared with what the prediction scores later in the step.
        """
        made = self._make_negatives(x, y, y_pred)
        objective, count = self.energy_objective, 1 + len(made)
        coefficients = {
            name: ops.convert_to_tensor(self.training_state.coefficients[name])
            for name in objective.coefficients
        }
        distances = objective.distances(y, ops.stack(made))
        # One pass over truth and negatives joined along the batch, not one each.
        condition = self._condition(x, y)
        conditions = ops.concatenate([condition] * count, axis=0)
        poses = ops.concatenate([y, *made], axis=0)
        place = self._between(y, made) if self._penalty_between else y

        def step() -> tuple[Any, ...]:
            energy_true, *energies = ops.split(self._energy(conditions, poses, True), count, axis=0)
            values = objective(
                energy_true, ops.stack(energies), _as_energy(distances, energy_true), **coefficients
            )
            loss = _mean(values, sample_weight) + _total(self.loss_net.losses)
            if self._gradient_penalty:
                slope = backends.input_gradient(lambda p: self._energy(condition, p, True), place)
                steepness = ops.sum(ops.square(slope), axis=(-2, -1))
                if self._penalty_between:
                    excess = ops.square(ops.sqrt(ops.maximum(steepness, _TINY)) - 1.0)
                else:
                    excess = 0.5 * steepness
                penalty = ops.convert_to_tensor(
                    self.training_state.coefficients["gradient_penalty"]
                )
                loss = loss + penalty * _mean(excess, sample_weight)
            return loss, energy_true, *energies

        variables = self.loss_net.trainable_variables
        with backends.loss_net_randomness(self):
            (loss, energy_true, *energies), pull_back = backends.record(self, step, variables)
        member = self.optimizer.loss_net
        gradients, _ = pull_back(
            member.scale_loss(ops.ones_like(loss)),
            ops.zeros_like(energy_true),
            *[ops.zeros_like(energy) for energy in energies],
        )
        backends.apply(member, gradients, variables)
        self.training_state.note_loss("loss_net", loss)
        found = {"loss_net_loss": loss}
        for maker, energy in zip(self.negatives, energies, strict=True):
            if isinstance(maker, Prediction):
                return {**found, **_compare(energy_true, energy)}
        return {**found, "energies_true": energy_true}

    def _between(self, y: Any, made: list[Any]) -> Any:
        """A random point for each pose between the truth and one of its negatives."""
        shape = (*ops.shape(y)[:2], 1, 1)
        drawn = len(made) * keras.random.uniform(shape, seed=self.training_state.random)
        # The whole part chooses the negative, what is left the place on the line.
        place = y
        for number, negative in enumerate(made):
            share = drawn - number
            chosen = ops.logical_and(share >= 0, share < 1)
            place = ops.where(chosen, y + share * (negative - y), place)
        return place

    def seal_test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate one batch.

        Args:
            data: As in `seal_train_step`.

        Returns:
            The logs; those that only training has are left out.
        """
        x, y, sample_weight = _unpack(data)
        y_pred = ops.cast(self.pose_net(x, training=False), "float32")
        pose_loss = self._pose_loss(x, y, y_pred, sample_weight)
        found = {"pose_loss": pose_loss}
        loss = pose_loss + _total(self.pose_net.losses)
        if self.loss_net is not None:
            condition = self._condition(x, y)
            conditions = ops.concatenate([condition, condition], axis=0)
            energies = self._energy(conditions, ops.concatenate([y, y_pred], axis=0), False)
            energy_true, energy_pred = ops.split(energies, 2, axis=0)
            found.update(_compare(energy_true, energy_pred))
            weight = ops.convert_to_tensor(self.energy_weight)
            term = self.energy_objective.pose_term(energy_pred)
            loss = loss + weight * _mean(term, sample_weight)
        logs = self._logs(x, y, y_pred, sample_weight, loss, found)
        return {name: value for name, value in logs.items() if name not in _TRAIN_ONLY}

    def _logs(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, loss: Any, found: dict[str, Any]
    ) -> dict[str, Any]:
        count = ops.shape(x)[0]
        self._loss_tracker.update_state(loss, sample_weight=count)
        for name, tracker in self._trackers.items():
            if name in found:
                tracker.update_state(found[name], sample_weight=count)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    # -- saving --------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the model."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "pose_net": serialize(self.pose_net),
            "loss_net": serialize(self.loss_net),
            "mode": self.mode,
            "negatives_pass": self.negatives_pass,
            "negatives": [serialize(maker) for maker in self.negatives],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SEALPose:
        """Rebuild the model from `get_config`."""
        config = dict(config)
        for name in ("pose_net", "loss_net"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        if config.get("negatives") is not None:
            config["negatives"] = [
                keras.saving.deserialize_keras_object(maker, custom_objects=custom_objects)
                for maker in config["negatives"]
            ]
        return cls(**config)

    def _seeds(self) -> list[Any]:
        # The training state saves its own.
        weights = {id(v) for v in (*self.weights, *self.training_state.variables)}
        return [v for v in self.variables if id(v) not in weights]

    # A `.keras` file holds no state of random generators unless the model adds it, and a resumed
    # run would then draw other dropout masks.
    def save_own_variables(self, store: Any) -> None:
        """Save the state of the networks' random generators."""
        for index, variable in enumerate(self._seeds()):
            store[f"seed_{index}"] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Load the state of the networks' random generators."""
        seeds = self._seeds()
        missing = [i for i in range(len(seeds)) if f"seed_{i}" not in store]
        if missing:
            warnings.warn(
                f"The file lacks the state of {len(missing)} random generators: training goes on, "
                "but not exactly as it would have.",
                stacklevel=2,
            )
        for index, variable in enumerate(seeds):
            if index not in missing:
                variable.assign(store[f"seed_{index}"])


def _check_network(network: Any, name: str) -> None:
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"{name} is a {type(network).__name__}: give a keras.Model, such as one from "
            f"keras_seal.{name}s."
        )
    if not network.built:
        raise ValueError(
            f"{name} {network.name!r} is not built: build it first, for instance with "
            f"{name}.build(input_shape) or by calling it once."
        )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(choices)}.")


def _check_poses(y: Any, y_pred: Any) -> None:
    if len(y.shape) != 4 or y.shape[1:] != y_pred.shape[1:]:
        raise ValueError(
            f"The true poses have shape {tuple(y.shape)} and the pose-net gives "
            f"{tuple(y_pred.shape)}: both must be (batch, out_frames, joints, 3) with the same "
            "frames and joints. Check num_frames, out_frames and the skeleton."
        )


def _unpack(data: Any) -> tuple[Any, Any, Any]:
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None:
        raise ValueError("SEALPose needs true poses: give data as (keypoints, poses).")
    # train_on_batch under torch passes NumPy arrays.
    x, y = ops.convert_to_tensor(x), ops.cast(ops.convert_to_tensor(y), "float32")
    if sample_weight is not None:
        sample_weight = ops.cast(ops.convert_to_tensor(sample_weight), "float32")
    return x, y, sample_weight


def _as_energy(distances: Any, energy: Any) -> Any:
    """Distances per frame, or their mean where the loss-net gives other frames than the pose."""
    if distances.shape[-1] == energy.shape[-1]:
        return distances
    return ops.mean(distances, axis=-1, keepdims=True)


def _mean(values: Any, sample_weight: Any) -> Any:
    """Mean over batch and frames, weighted as Keras' `"sum_over_batch_size"` does."""
    if sample_weight is not None:
        if len(sample_weight.shape) == 1:
            sample_weight = sample_weight[:, None]
        values = values * sample_weight
    return ops.mean(values)


def _total(losses: list[Any]) -> Any:
    total = ops.zeros((), "float32")
    for loss in losses:
        total = total + ops.cast(ops.sum(loss), "float32")
    return total


def _compare(energy_true: Any, energy_pred: Any) -> dict[str, Any]:
    true, pred = ops.mean(energy_true), ops.mean(energy_pred)
    above = ops.mean(ops.cast(energy_pred > energy_true, "float32"))
    return {
        "energy_true": true,
        "energy_pred": pred,
        "energy_gap": pred - true,
        "ranking_accuracy": above,
    }
