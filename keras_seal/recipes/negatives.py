"""From a recipe to makers of negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from keras_seal import negatives
from keras_seal.errors import UserError
from keras_seal.recipes import schema
from keras_seal.recipes.constructing import construct, telling
from keras_seal.recipes.optimizers import build_energy_weight
from keras_seal.skeletons import Skeleton

# Decided by the maker itself, or by no key of a recipe.
_ELSEWHERE = ("name", "dtype", "trainable", "makers", "start")
_RAMPS: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        schema.LinearRamp | schema.CosineRamp | schema.Warmup, Field(discriminator="schedule")
    ]
)


def build_negatives(
    makers: Sequence[schema.Negative],
    skeleton: Skeleton,
    seed: int,
    epochs: int,
    steps_per_epoch: int,
    key: str = "seal.negatives",
) -> list[negatives.NegativeMaker]:
    """Make the makers of negatives.

    Args:
        makers: Their sections of the recipe.
        skeleton: The recipe's skeleton.
        seed: The recipe's seed; each maker derives its own from it.
        epochs: Epochs of the training.
        steps_per_epoch: Batches an epoch; recipes tell schedules in epochs.
        key: What messages call them.

    Returns:
        The makers.

    Raises:
        UserError: If a name or an option is wrong.
    """
    if not makers:
        raise UserError(f"{key}: there is no maker of negatives; give at least one.")
    # A seed for each in the order of the recipe, so that no two draw alike.
    taken = [0]

    def sized(value: Any, where: str) -> Any:
        if not (isinstance(value, Mapping) and "schedule" in value):
            return value
        try:
            ramp = _RAMPS.validate_python(dict(value))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join([where, *map(str, problem["loc"][1:])])
            raise UserError(f"{place}: {problem['msg']}.") from error
        return build_energy_weight(ramp, epochs, steps_per_epoch)

    def inside(value: Any, where: str) -> schema.Negative:
        if isinstance(value, schema.Negative):
            return value
        try:
            return schema.Negative.model_validate(value)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join([where, *map(str, problem["loc"])])
            raise UserError(
                f"{place}: {problem['msg']}; expected a maker as name and options."
            ) from error

    def build(section: schema.Negative, where: str) -> negatives.NegativeMaker:
        with telling(f"{where}.name"):
            target = negatives.get_class(section.name)
        where = f"{where}.options"
        options = dict(section.options)
        given: dict[str, Any] = {}
        if section.name == "mix":
            listed = options.pop("makers", None)
            if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
                raise UserError(f"{where}.makers: got {listed!r}, expected a list of makers.")
            given["makers"] = [
                build(inside(value, f"{where}.makers.{index}"), f"{where}.makers.{index}")
                for index, value in enumerate(listed)
            ]
        elif section.name == "gradient_ascent":
            start = inside(options.pop("start", None), f"{where}.start")
            given["start"] = build(start, f"{where}.start")
        else:
            taken[0] += 1
            if "seed" not in options and target.is_random:
                given["seed"] = (seed + 7919 * taken[0]) % 2**32
            if issubclass(target, negatives.SkeletonMaker):
                given["skeleton"] = skeleton
        options = {name: sized(value, f"{where}.{name}") for name, value in options.items()}
        return construct(target, options, given, where, elsewhere=_ELSEWHERE)

    return [build(section, f"{key}.{index}") for index, section in enumerate(makers)]
