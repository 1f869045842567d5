"""The folder that holds all that a training run leaves."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from keras_seal import files, recipes
from keras_seal.errors import UserError
from keras_seal.recipes import Recipe


class RunFolder:
    """Paths of a run folder, and how one comes to be.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.environment = self.path / "environment.json"
        self.log = self.path / "logs" / "metrics.csv"
        self.pretraining_log = self.path / "logs" / "pretraining.csv"
        self.tensorboard = self.path / "logs" / "tensorboard"
        self.checkpoints = self.path / "checkpoints"
        self.plots = self.path / "plots"
        self.metrics = self.path / "metrics.json"
        self.report = self.path / "report.md"
        self.pose_net = self.path / "pose_net.keras"
        self.loss_net = self.path / "loss_net.keras"
        self.model = self.path / "model.keras"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @staticmethod
    def unused(path: str | Path) -> Path:
        """Make sure that nothing would be written over.

        Args:
            path: Where a run folder shall be.

        Returns:
            The path.

        Raises:
            UserError: If something is there already.
        """
        path = Path(path)
        if path.is_dir() and not any(path.iterdir()):
            return path
        if not (path.exists() or path.is_symlink()):
            return path
        if (path / "recipe.yaml").is_file():
            raise UserError(
                f"{path} holds a run already, and runs are never written over: choose another"
                f" --out, or go on with it by --resume {path}."
            )
        kind = "a folder that is not empty" if path.is_dir() else "a file"
        raise UserError(f"{path} is {kind}, and nothing is written over: choose another --out.")

    @staticmethod
    def default_path(name: str) -> Path:
        """Choose a folder by name and time: `runs/NAME-YYYYMMDD-HHMMSS`.

        Args:
            name: The recipe's name.

        Returns:
            A path where nothing is yet.
        """
        stem = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        path, count = stem, 1
        while path.exists():
            count += 1
            path = stem.with_name(f"{stem.name}-{count}")
        return path

    @classmethod
    def create(
        cls, path: str | Path, recipe: Recipe, environment: list[dict[str, Any]]
    ) -> RunFolder:
        """Make a run folder; it appears whole or not at all.

        Args:
            path: Where; nothing, or an empty folder, may be there.
            recipe: The run's recipe.
            environment: What `environment.json` holds.

        Returns:
            The folder.

        Raises:
            UserError: If something is there already, or the folder cannot be written.
        """
        path = cls.unused(path)
        temporary = path.absolute().with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            inside = cls(temporary)
            for folder in (inside.log.parent, inside.checkpoints, inside.plots):
                folder.mkdir(parents=True)
            inside.recipe_file.write_text(recipes.to_yaml(recipe), encoding="utf-8")
            inside.environment.write_text(files.to_json(environment), encoding="utf-8")
            if path.is_dir():
                path.rmdir()
            temporary.rename(path)
        except OSError as error:
            raise UserError(
                f"Cannot make the run folder {path}: {error.strerror or error}."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Open a run folder that exists.

        Args:
            path: The folder.

        Returns:
            The folder.

        Raises:
            UserError: If there is none, or it is no run folder.
        """
        folder = cls(path)
        if not folder.path.is_dir():
            raise UserError(f"There is no run folder {path}.")
        if not folder.recipe_file.is_file():
            raise UserError(f"{path} is no run folder: it holds no recipe.yaml.")
        return folder

    def sequences(self, evaluation: str) -> Path:
        """Tell the table of every sequence's figures that an evaluation wrote.

        Args:
            evaluation: Name of the evaluation, mostly a split.

        Returns:
            The path, whether there is a file or not.
        """
        return self.path / "evaluation" / evaluation / "sequences.csv"

    @property
    def recipe(self) -> Recipe:
        """The run's recipe."""
        return recipes.load(self.recipe_file)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.metrics.is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process; the lock goes with the process, however it ends.

        Raises:
            UserError: If another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no such lock; there a second process is not noticed.
            yield
            return
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(f"Another process is at work in {self.path}.") from error
            yield
