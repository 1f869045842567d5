"""The keys of a recipe: what they are called, what they hold, what they default to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

Distance = Literal["mpjpe", "mse", "l1"]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A group of keys: unknown keys are errors, values are never converted, nothing changes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def _schedule_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("schedule", value.get("controller"))
    return getattr(value, "schedule", getattr(value, "controller", "number"))


def _name_of(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else getattr(value, "name", None)


def _mode_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get("mode", "dynamic")
    return getattr(value, "mode", "dynamic")


class Data(Section):
    """Where the motion comes from and how it is cut into batches."""

    source: str
    """Name of a data source, one of `keras_seal.data.sources.names()`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the source."""
    num_frames: int = Field(default=1, ge=1)
    """Frames the pose-net sees at once."""
    frame_stride: int = Field(default=1, ge=1)
    """Frames from one frame of a window to the next."""
    window_stride: int = Field(default=1, ge=1)
    """Frames from one training window to the next."""
    flip: bool = True
    """Whether training windows are mirrored left to right at random."""
    batch_size: int = Field(default=1024, ge=1)
    """Windows a step."""


class Network(Section):
    """A network: made anew from a name and options, or read from a file."""

    name: str | None = None
    """A class, or for pose-nets a published configuration."""
    path: str | None = None
    """A `.keras` file with fitting shapes; its weights are the start."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments that differ from the defaults, for a network made anew."""

    @model_validator(mode="after")
    def _one_origin(self) -> Network:
        if (self.name is None) == (self.path is None):
            got = "both" if self.name is not None else "neither"
            raise ValueError(f"got {got} of name and path, expected one of them")
        if self.path is not None and self.options:
            raise ValueError("got path and options, expected options with a name only")
        return self


class LinearRamp(Section):
    """A weight that moves in a straight line, then stays."""

    schedule: Literal["linear"]
    start: NonNegativeFloat = 0.0
    end: NonNegativeFloat
    epochs: PositiveFloat | None = None
    """Length of the way; null means the whole training."""


class CosineRamp(Section):
    """A weight that moves along half a cosine wave, then stays."""

    schedule: Literal["cosine"]
    start: NonNegativeFloat = 0.0
    end: NonNegativeFloat
    epochs: PositiveFloat | None = None
    """Length of the way; null means the whole training."""


class Warmup(Section):
    """A weight that is zero at first, then rises in a straight line, then stays."""

    schedule: Literal["warmup"]
    value: NonNegativeFloat
    wait_epochs: NonNegativeFloat = 0.0
    """How long the weight is zero: the loss-net learns before it is listened to."""
    rise_epochs: PositiveFloat = 1.0
    """How long it then takes to reach `value`."""


Amount = Annotated[
    Annotated[NonNegativeFloat, Tag("number")]
    | Annotated[LinearRamp, Tag("linear")]
    | Annotated[CosineRamp, Tag("cosine")]
    | Annotated[Warmup, Tag("warmup")],
    Discriminator(_schedule_of),
]


class ForceRatioWeight(Section):
    """A weight that holds the energy's pull at a share of the pose loss's."""

    controller: Literal["force_ratio"]
    target: Amount = 0.2
    """The share: a number or a schedule."""
    smoothing: float = Field(default=0.98, ge=0, lt=1)
    """Share of what is remembered in what the next step goes by."""
    maximum: PositiveFloat = 1.0
    """Largest weight."""


class AlignmentWeight(Section):
    """A weight that is turned down when the energy no longer pulls towards the truth."""

    controller: Literal["alignment"]
    weight: Annotated[
        Annotated[NonNegativeFloat, Tag("number")]
        | Annotated[LinearRamp, Tag("linear")]
        | Annotated[CosineRamp, Tag("cosine")]
        | Annotated[Warmup, Tag("warmup")]
        | Annotated[ForceRatioWeight, Tag("force_ratio")],
        Discriminator(_schedule_of),
    ] = ForceRatioWeight(controller="force_ratio")
    """What is turned down: a number, a schedule, or the controller `force_ratio`."""
    full: float = Field(default=0.05, gt=0, le=1)
    """Alignment from which on nothing is turned down."""
    smoothing: float = Field(default=0.98, ge=0, lt=1)
    """Share of what is remembered in what the next step goes by."""


EnergyWeight = Annotated[
    Annotated[NonNegativeFloat, Tag("number")]
    | Annotated[LinearRamp, Tag("linear")]
    | Annotated[CosineRamp, Tag("cosine")]
    | Annotated[Warmup, Tag("warmup")]
    | Annotated[ForceRatioWeight, Tag("force_ratio")]
    | Annotated[AlignmentWeight, Tag("alignment")],
    Discriminator(_schedule_of),
]


class Negative(Section):
    """A maker of poses that the loss-net shall score above the truth."""

    name: str
    """One of `keras_seal.negatives.names()`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the maker. Makers inside, those of `mix` and `start` of `gradient_ascent`, are
    written as here; sizes may be schedules, as for `energy_weight`."""


Negatives = Annotated[tuple[Negative, ...], Field(strict=False)]


class MarginObjective(Section):
    """Truth must score lower than the prediction, by more where the prediction is worse."""

    name: Literal["margin"]
    distance: Distance = "mpjpe"
    """How far a prediction is from the truth."""
    margin: float = 10.0
    """Energy that a unit of distance must be worth (a metre, for mpjpe)."""
    hinge: bool = True
    """Whether pairs that keep the margin stop counting."""

    @model_validator(mode="after")
    def _hinge_can_act(self) -> MarginObjective:
        if self.hinge and self.margin < 0:
            raise ValueError(f"margin is {self.margin}, expected at least 0, or hinge: false")
        return self


class NCEObjective(Section):
    """Truth must be picked out among the negatives."""

    name: Literal["nce"]
    temperature: PositiveFloat = 1.0


class RegressionObjective(Section):
    """The energy of a prediction is its distance from the truth, times a scale."""

    name: Literal["regression"]
    scale: PositiveFloat = 10.0
    """Energy of a unit of distance (a metre, for mpjpe)."""
    distance: Distance = "mpjpe"
    """How far a prediction is from the truth."""


class AdversarialObjective(Section):
    """The loss-net is a discriminator: truth against negatives, as in adversarial networks."""

    name: Literal["adversarial"]
    kind: Literal["logistic", "least_squares", "hinge", "wasserstein"] = "logistic"
    """Which losses both networks have, as `keras_seal.losses.Adversarial` says."""


Objective = Annotated[
    Annotated[MarginObjective, Tag("margin")]
    | Annotated[NCEObjective, Tag("nce")]
    | Annotated[RegressionObjective, Tag("regression")]
    | Annotated[AdversarialObjective, Tag("adversarial")],
    Discriminator(_name_of),
]


class DynamicSeal(Section):
    """Both networks are trained, the loss-net against the pose-net's predictions."""

    mode: Literal["dynamic"] = "dynamic"
    energy_weight: EnergyWeight = 1e-3
    """Weight of the energy in the pose-net's loss: a number, a schedule or a controller."""
    force_limit: PositiveFloat | None = None
    """How many times as hard as the pose loss the energy may pull at any one pose."""
    objective: Objective = MarginObjective(name="margin")
    """What the loss-net learns."""
    negatives_pass: Literal["shared", "inference"] = "shared"
    """`shared`: the training pass makes the negatives; `inference`: a pass of its own does."""
    negatives: Negatives = (Negative(name="prediction"),)
    """What the loss-net scores above the truth; one negative a pose from each."""
    gradient_penalty: NonNegativeFloat = 0.0
    """Weight of a penalty on the energy's slope in the loss-net's loss."""
    penalty_at: Literal["truth", "between"] = "truth"
    """`truth`: half the squared slope at true poses; `between`: the squared difference of the slope
    from 1 per metre, between true poses and negatives."""


class StaticSeal(Section):
    """A trained loss-net helps to train the pose-net and stays as it is."""

    mode: Literal["static"]
    energy_weight: EnergyWeight = 1e-3
    """Weight of the energy in the pose-net's loss: a number, a schedule or a controller."""
    force_limit: PositiveFloat | None = None
    """How many times as hard as the pose loss the energy may pull at any one pose."""


Seal = Annotated[
    Annotated[DynamicSeal, Tag("dynamic")] | Annotated[StaticSeal, Tag("static")],
    Discriminator(_mode_of),
]


class LossTerm(Section):
    """A term of the pose loss."""

    name: Literal[
        "mpjpe",
        "center_mpjpe",
        "n_mpjpe",
        "velocity",
        "smoothness",
        "mse",
        "l1",
        "bone_length",
        "bone_direction",
        "bone_constancy",
        "symmetry",
        "angle",
        "angle_velocity",
    ]
    """What it measures, as `keras_seal.losses.PoseTerms` says."""
    weight: PositiveFloat = 1.0
    joints: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Factors of joints by name, 1 for the others."""


def _several(value: Any) -> str:
    return "terms" if isinstance(value, list | tuple) else "name"


PoseLoss = Annotated[
    Annotated[Literal["mpjpe", "mse"], Tag("name")]
    | Annotated[tuple[LossTerm, ...], Field(strict=False, min_length=1), Tag("terms")],
    Discriminator(_several),
]


class Constraints(Section):
    """Weights of explicit structural terms that are added to the pose loss; 0 leaves one out."""

    symmetry: NonNegativeFloat = 0.0
    """Difference between left and right bones' predicted lengths, metres."""
    bone_length: NonNegativeFloat = 0.0
    """Error of the bones' lengths, metres."""
    bone_direction: NonNegativeFloat = 0.0
    """Distance of the bones' unit vectors from the true ones."""
    bone_constancy: NonNegativeFloat = 0.0
    """Standard deviation of each bone's predicted length over a window, metres."""
    angle: NonNegativeFloat = 0.0
    """Error of the angles between adjacent bones, radians."""
    angle_velocity: NonNegativeFloat = 0.0
    """Error of these angles' steps from frame to frame, radians."""
    velocity: NonNegativeFloat = 0.0
    """Error of the joints' steps from frame to frame, metres."""
    smoothness: NonNegativeFloat = 0.0
    """Mean square of the joints' predicted steps, square metres."""


class CosineDecay(Section):
    """A learning rate that falls along half a cosine wave."""

    schedule: Literal["cosine"]
    initial: PositiveFloat
    final: NonNegativeFloat = 0.0
    epochs: PositiveFloat | None = None
    """Where `final` is reached; null means at the end of the training."""
    warmup_epochs: NonNegativeFloat = 0.0
    """Straight rise from zero to `initial`, before the fall."""


class LinearDecay(Section):
    """A learning rate that falls in a straight line."""

    schedule: Literal["linear"]
    initial: PositiveFloat
    final: NonNegativeFloat = 0.0
    epochs: PositiveFloat | None = None
    """Where `final` is reached; null means at the end of the training."""


class ExponentialDecay(Section):
    """A learning rate that loses the same share every epoch."""

    schedule: Literal["exponential"]
    initial: PositiveFloat
    rate: PositiveFloat = 0.95
    """Factor by which it changes in `epochs`."""
    epochs: PositiveFloat = 1.0
    staircase: bool = False
    """Whether it changes in steps."""


class EpochFactors(Section):
    """A learning rate that is multiplied after each epoch, by factors taken in turn."""

    schedule: Literal["factors"]
    initial: PositiveFloat
    factors: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)]
    """After the last of them the first is taken again."""


LearningRate = Annotated[
    Annotated[PositiveFloat, Tag("number")]
    | Annotated[CosineDecay, Tag("cosine")]
    | Annotated[LinearDecay, Tag("linear")]
    | Annotated[ExponentialDecay, Tag("exponential")]
    | Annotated[EpochFactors, Tag("factors")],
    Discriminator(_schedule_of),
]


class Optimizer(Section):
    """How one network's weights follow its gradients."""

    name: Literal[
        "adadelta", "adagrad", "adam", "adamax", "adamw", "lamb", "lion", "nadam", "rmsprop", "sgd"
    ] = "adam"
    """An optimizer of Keras."""
    learning_rate: LearningRate = 1e-3
    """A number or a schedule."""
    weight_decay: NonNegativeFloat | None = None
    """Decoupled weight decay; null leaves it to the optimizer's own default."""
    clip_norm: PositiveFloat | None = None
    """Largest norm of all gradients together; larger ones are scaled down."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the optimizer, for instance `beta_1` or `momentum`."""


class DenoisingObjective(Section):
    """The way down the energy leads from a noisy pose to the true one: denoising score matching."""

    name: Literal["denoising"]
    low: NonNegativeFloat = 0.002
    """Smallest standard deviation of the noise, metres; each pose has its own."""
    high: PositiveFloat = 0.1
    """Largest standard deviation of the noise, metres."""
    unit: PositiveFloat = 0.03
    """The energy is half the squared distance to the truth in this unit, metres."""


class Pretraining(Section):
    """How the loss-net is trained alone, without a pose-net."""

    epochs: int = Field(default=5, ge=1)
    objective: Annotated[
        Annotated[MarginObjective, Tag("margin")]
        | Annotated[NCEObjective, Tag("nce")]
        | Annotated[RegressionObjective, Tag("regression")]
        | Annotated[DenoisingObjective, Tag("denoising")],
        Discriminator(_name_of),
    ] = DenoisingObjective(name="denoising")
    """What the loss-net learns."""
    negatives: Negatives | None = None
    """What it scores above the truth, with another objective than `denoising`; there are no
    predictions."""
    optimizer: Optimizer | None = None
    """Null takes training.loss_net_optimizer, or the defaults."""

    @model_validator(mode="after")
    def _negatives_fit(self) -> Pretraining:
        denoises = self.objective.name == "denoising"
        if denoises and self.negatives is not None:
            raise ValueError("negatives: denoising makes its own noise; leave them out")
        if not denoises and self.negatives is None:
            raise ValueError(f"negatives: objective '{self.objective.name}' needs some")
        return self


class Training(Section):
    """How long, with what, and how exactly the weights are moved."""

    epochs: int = Field(ge=1)
    optimizer: Optimizer = Optimizer()
    """For the pose-net."""
    loss: PoseLoss = "mpjpe"
    """The pose loss: a name, or a list of terms that are added up."""
    constraints: Constraints = Constraints()
    """Explicit structural terms beside it."""
    loss_net_optimizer: Optimizer | None = None
    """For the loss-net; null where there is none to train, else the defaults unless given."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Where given, validation, selection and results use averaged pose-net weights."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Steps whose gradients are averaged before the weights move."""
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    jit_compile: Literal["auto", True, False] = "auto"
    """Whether steps are compiled (XLA, or torch.compile); `auto` leaves it to Keras."""
    steps_per_execution: int = Field(default=1, ge=1)
    """Steps the backend runs at a stretch."""
    deterministic: bool = True
    """Whether operations whose result varies from call to call are ruled out."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs without a better selection metric after which training stops; null: never."""


# Metrics that cannot pick the weights to keep.
BEST_WHEN_HIGH = ("val_pck", "val_auc")


def _not_of_test(value: str, metrics: tuple[str, ...]) -> str:
    computed = [f"val_{name}" for name in metrics]
    if value.startswith("test"):
        raise ValueError(
            f"got '{value}', but what chooses by the test split fits it, and then nothing is left"
            f" to report; expected one of {', '.join(computed)}, measured on people held out of"
            " training"
        )
    if computed and value not in computed:
        raise ValueError(
            f"got '{value}', expected val_ and a name of evaluation.metrics: {', '.join(computed)}"
        )
    return value


class Evaluation(Section):
    """What is followed on the validation split, and what decides which weights are kept."""

    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("mpjpe",)
    """Names of streaming metrics, computed while training and validating."""
    select: str = Field(default="val_mpjpe", validate_default=True)
    """The log whose lowest value picks the epoch that is kept."""
    test: bool = True
    """Whether a run ends with figures of the test split; else it never looks at it."""

    @field_validator("select")
    @classmethod
    def _is_computed(cls, value: str, info: ValidationInfo) -> str:
        if value in BEST_WHEN_HIGH:
            raise ValueError(
                f"got '{value}', which is best when it is highest; expected an error, of which the"
                " lowest is kept, for instance val_mpjpe"
            )
        return _not_of_test(value, info.data.get("metrics", ()))


class PosePlots(Section):
    """Pictures of predicted over true skeletons while training."""

    every: int = Field(default=5, ge=0)
    """Epochs from one picture to the next; 0 for none."""
    poses: int = Field(default=4, ge=1)
    """Poses a picture."""
    gif: bool = True
    """Whether the pictures are put together when training ends."""


class Callbacks(Section):
    """What is looked at while training."""

    pose_plots: PosePlots = PosePlots()
    energy_monitor: bool = True
    """Whether the health of the two-network game is followed (needs a loss-net)."""
    energy_plots: int = Field(default=5, ge=0)
    """Epochs from one picture of that health to the next; 0 for none. Needs energy_monitor."""
    limb_lengths: bool = False
    """Whether predicted against true bone lengths are logged every epoch, and drawn at the end."""
    tensorboard: bool = True
    """Whether logs are written for TensorBoard as well."""


Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]


class Range(Section):
    """Numbers between two bounds, whole ones where the key takes no others."""

    low: Number
    high: Number
    """Both bounds belong to the range."""
    scale: Literal["linear", "log"] = "linear"
    """`log`: as many trials between 0.001 and 0.01 as between 0.01 and 0.1."""
    step: Annotated[Number, Field(gt=0)] | None = None
    """From one number to the next: added, or a factor with `scale: log`; null for all numbers."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Searched only where another key has this choice, or one of these."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low} and high {self.high}; low must be less")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low is {self.low}, expected more than 0 with scale: log")
        if self.scale == "log" and self.step is not None and self.step <= 1:
            raise ValueError(f"step is {self.step}, expected a factor of more than 1")
        return self


class Choices(Section):
    """Values that are tried as they stand; groups and lists have a name each."""

    choices: dict[str, Any] | Annotated[tuple[Any, ...], Field(strict=False)]
    """A list of values, or values by name."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Searched only where another key has this choice, or one of these."""

    @model_validator(mode="after")
    def _are_told_apart(self) -> Choices:
        if len(self.choices) < 2:
            raise ValueError(f"choices: got {len(self.choices)}, expected at least two")
        if isinstance(self.choices, tuple):
            if any(isinstance(value, Mapping | list | tuple) for value in self.choices):
                raise ValueError(
                    "choices: groups and lists need a name each; write choices: {NAME: VALUE, ...}"
                )
            if len(self.by_name) < len(self.choices):
                raise ValueError("choices: one of them stands there twice")
        return self

    @property
    def by_name(self) -> dict[str, Any]:
        """Choices by what they are called."""
        if isinstance(self.choices, dict):
            return dict(self.choices)
        return {choice_name(value): value for value in self.choices}


def choice_name(value: Any) -> str:
    """Call a plain value what YAML calls it.

    Args:
        value: A number, a text, true, false or null.

    Returns:
        Its name among choices.

    Examples:
        >>> choice_name(None), choice_name(True), choice_name(0.5)
        ('null', 'true', '0.5')
    """
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _spelt_out(value: Any) -> Any:
    return {"choices": value} if isinstance(value, list | tuple) else value


def _kind_of_parameter(value: Any) -> str:
    given = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "choices" if "choices" in given else "range"


Parameter = Annotated[
    Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")],
    Discriminator(_kind_of_parameter),
    BeforeValidator(_spelt_out),
]


class Tune(Section):
    """What `keras-seal tune` searches, and what it goes by."""

    objective: str = "val_mpjpe"
    """The log that is to be as good as possible, at the epoch that `evaluation.select` keeps."""
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    """Keys of the recipe, dotted, and the values to try: a list, named choices, or a range."""


class Recipe(Section):
    """Everything that decides what a training run computes.

    Examples:
        >>> recipe = Recipe(
        ...     name="tiny",
        ...     data={"source": "synthetic"},
        ...     pose_net={"name": "SimpleBaseline"},
        ...     training={"epochs": 2},
        ... )
        >>> recipe.training.optimizer.name, recipe.loss_net
        ('adam', None)
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Names the run folder."""
    description: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides initial weights, dropout and the order of the data."""
    backend: Literal["tensorflow", "jax", "torch"] | None = None
    """The Keras backend; null takes KERAS_BACKEND or Keras' own default."""
    skeleton: str | dict[str, Any] = "human36m_17"
    """A built-in skeleton, a YAML file, or the skeleton itself."""
    data: Data
    pose_net: Network
    """Lifts keypoints to poses: a class or preset of `keras_seal.pose_nets`, or any file."""
    loss_net: Network | None = None
    """Scores poses: a class of `keras_seal.loss_nets`, or a file. Null for a plain baseline."""
    seal: Seal | None = None
    """Null without a loss-net; defaults with one."""
    training: Training
    pretraining: Pretraining | None = None
    """How the loss-net is trained alone: by a training before anything else, unless `loss_net.path`
    names one that is trained, and by `keras-seal pretrain-loss-net`."""
    evaluation: Evaluation = Evaluation()
    callbacks: Callbacks = Callbacks()
    tune: Tune | None = None
    """For `keras-seal tune`: which keys are searched; trainings pay no heed to it."""

    @property
    def pretrains(self) -> bool:
        """Whether a training begins with the loss-net alone."""
        new = self.loss_net is not None and self.loss_net.path is None
        return new and self.pretraining is not None

    @model_validator(mode="before")
    @classmethod
    def _fill_in_seal(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("loss_net") is None:
            return value
        value = dict(value)
        if value.get("seal") is None:
            value["seal"] = {}
        seal, training = value["seal"], value.get("training")
        trains = _mode_of(seal) != "static" and isinstance(training, Mapping)
        if trains and training.get("loss_net_optimizer") is None:
            value["training"] = {**training, "loss_net_optimizer": {}}
        return value

    @model_validator(mode="after")
    def _frames_can_be_compared(self) -> Recipe:
        for name in ("bone_constancy", "angle_velocity", "velocity", "smoothness"):
            if self.data.num_frames == 1 and getattr(self.training.constraints, name):
                raise ValueError(
                    f"training.constraints.{name}: it compares frames, but data.num_frames is 1;"
                    " leave it out, or take a pose-net for several frames"
                )
        return self

    @model_validator(mode="after")
    def _slope_is_bounded(self) -> Recipe:
        if not isinstance(self.seal, DynamicSeal):
            return self
        objective, penalty = self.seal.objective, self.seal.gradient_penalty
        if isinstance(objective, AdversarialObjective) and objective.kind == "wasserstein":
            limited = self.loss_net is not None and (
                self.loss_net.path is not None or self.loss_net.options.get("spectral_norm")
            )
            if not limited and not penalty:
                raise ValueError(
                    "seal.objective.kind: 'wasserstein' needs a bounded slope; give"
                    " seal.gradient_penalty, or spectral_norm in loss_net.options"
                )
        return self

    @model_validator(mode="after")
    def _sections_fit(self) -> Recipe:
        if self.loss_net is None:
            for key, given in (
                ("seal", self.seal),
                ("training.loss_net_optimizer", self.training.loss_net_optimizer),
            ):
                if given is not None:
                    raise ValueError(f"{key}: given without a loss_net; give one, or leave it out")
        elif self.seal is not None and self.seal.mode == "static":
            if self.loss_net.path is None and self.pretraining is None:
                raise ValueError(
                    "seal.mode: 'static' needs a trained loss-net; give the path of its .keras"
                    " file as loss_net.path, or say in `pretraining` how it is trained first"
                )
            if self.training.loss_net_optimizer is not None:
                raise ValueError(
                    "training.loss_net_optimizer: nothing to train with seal.mode 'static';"
                    " leave it out"
                )
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> Recipe:
        if self.tune is not None:
            from keras_seal.recipes import search_space

            try:
                _not_of_test(self.tune.objective, self.evaluation.metrics)
            except ValueError as error:
                raise ValueError(f"tune.objective: {error}") from error
            search_space.SearchSpace(self).check()
        return self
