"""Stand-ins for packages that the originals import in vain, or at versions long gone."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

import torch


class _Nothing:
    """Takes any arguments, has any attribute, and decorates functions by leaving them alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if args else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()


class _Module(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "DropPath":
            # Used in inference only, where it does nothing.
            return torch.nn.Identity
        if name == "to_2tuple":
            return lambda value: (value, value)
        return _Nothing()


class _Finder(MetaPathFinder, Loader):
    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.split(".")[0] in self.packages:
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def stand_in(*packages: str) -> None:
    """Make imports from these packages succeed without them."""
    sys.meta_path.insert(0, _Finder(packages))


def with_root_at_zero(module: torch.nn.Module, root: int = 0) -> Callable[[Any], Any]:
    """Call a module and put the root joint of its poses at zero, as its evaluation does."""

    def call(x: torch.Tensor) -> torch.Tensor:
        poses = module(x)
        keep = torch.ones(poses.shape[-2], 1)
        keep[root] = 0.0
        return poses * keep

    return call
