"""Recipes: one YAML file that decides a whole training run.

Reading and checking a recipe needs no Keras; building from it does.
"""

from __future__ import annotations

from keras_seal.recipes.loading import (
    find,
    find_variant,
    load,
    names,
    parse,
    parse_override,
    to_yaml,
    variants,
)
from keras_seal.recipes.schema import Recipe

__all__ = [
    "Recipe",
    "find",
    "find_variant",
    "load",
    "names",
    "parse",
    "parse_override",
    "to_yaml",
    "variants",
]
