"""What all data sources have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from keras_seal.data import cache
from keras_seal.data.sequences import PoseSequences, PoseSplits
from keras_seal.data.virtual import SKELETON, Studio
from keras_seal.errors import UserError, nearest
from keras_seal.geometry import Camera


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] <= pair[1]:
        raise ValueError("expected two positive numbers, the smaller one first")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Source(BaseModel, ABC):
    """A place that poses come from.

    The constructor's arguments are the source's options; they are checked and never change. A
    subclass says how the data is prepared, and `load` keeps what was prepared in the cache.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: ClassVar[str]
    # Raised whenever the same options give other data, so that old files in the cache are not used.
    version: ClassVar[int] = 1
    # Options that `inputs` describes by content, so that their own values do not matter.
    described_by_inputs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise UserError(self._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        problem = error.errors(include_url=False)[0]
        option = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            return (
                f"The data source '{cls.name}' has no option '{option}'."
                f"{nearest(option, cls.model_fields)}"
            )
        if problem["type"] == "missing":
            return f"The data source '{cls.name}' needs the option '{option}'."
        reason = problem["msg"].removeprefix("Value error, ")
        where = f"option '{option}' of the" if option else "the"
        got = f", got {problem['input']!r}" if option else ""
        return f"Wrong value for {where} data source '{cls.name}'{got}: {reason}."

    @abstractmethod
    def prepare(self) -> PoseSplits:
        """Make the data, without the cache.

        Returns:
            The data.

        Raises:
            UserError: Something the user gave cannot be used.
        """

    def input_files(self) -> list[Path]:
        """List the user's files that are read.

        Returns:
            The files; none for a source that makes its own data.

        Raises:
            UserError: They are missing.
        """
        return []

    def inputs(self) -> dict[str, Any]:
        """Describe the files that are read, for the cache: prepared data is theirs alone.

        Returns:
            What JSON can hold.
        """
        return {}

    def load(self, cache_dir: str | Path | None = None, *, use_cache: bool = True) -> PoseSplits:
        """Give the data, from the cache where it is there.

        Args:
            cache_dir: Folder of prepared data; by default the one that `KERAS_SEAL_CACHE` names,
                else the user's cache folder.
            use_cache: Whether to read and write the cache at all.

        Returns:
            Train, validation and test sequences; their people are different ones.

        Raises:
            UserError: Something the user gave cannot be used.
        """
        if not use_cache:
            return self.prepare()
        key = {
            "source": self.name,
            "version": self.version,
            "options": self.model_dump(mode="json", exclude=set(self.described_by_inputs)),
            "inputs": self.inputs(),
        }
        return cache.fetch(self.name, key, self.prepare, cache_dir)


class FilmedSource(Source):
    """A source of motion that virtual cameras film; its options say how."""

    cameras: int = Field(4, ge=1, le=64)
    camera_distance: Range = (3.5, 6.5)
    camera_height: Range = (0.5, 2.5)
    camera_focal: Range = (1.0, 1.3)
    distortion: bool = True
    noise: float = Field(0.0, ge=0)
    confidence: bool = False
    seed: int = Field(0, ge=0)

    def studio(self) -> Studio:
        """Make the studio that the options describe.

        Returns:
            The studio.
        """
        return Studio(
            cameras=self.cameras,
            distance=self.camera_distance,
            height=self.camera_height,
            focal=self.camera_focal,
            distortion=self.distortion,
            noise=self.noise,
            confidence=self.confidence,
        )


class Reel:
    """Collects filmed sequences, then joins them."""

    def __init__(self) -> None:
        self._keypoints: list[np.ndarray] = []
        self._poses: list[np.ndarray] = []
        self._cameras: list[Camera] = []
        self._subjects: list[str] = []
        self._actions: list[str] = []
        self._fps: list[float] = []

    def add(
        self,
        poses: np.ndarray,
        studio: Studio,
        rng: np.random.Generator,
        *,
        subject: str,
        action: str,
        fps: float,
    ) -> None:
        """Film one actor, with every camera of the studio.

        Args:
            poses: World positions of the joints `(frames, 17, 3)`, metres, z up.
            studio: The studio.
            rng: Source of randomness.
            subject: Who acts.
            action: What they do.
            fps: Frames a second.
        """
        for keypoints, seen, camera in studio.film(poses, fps, rng):
            self._keypoints.append(keypoints)
            self._poses.append(seen)
            self._cameras.append(camera)
            self._subjects.append(subject)
            self._actions.append(action)
            self._fps.append(fps)

    def sequences(self) -> PoseSequences:
        """Join what was filmed.

        Returns:
            One sequence per actor and camera, checked.
        """
        return PoseSequences.from_list(
            SKELETON,
            self._keypoints,
            self._poses,
            subjects=self._subjects,
            actions=self._actions,
            views=np.arange(len(self._cameras)),
            fps=self._fps,
            image_sizes=[(camera.width, camera.height) for camera in self._cameras],
            cameras=tuple(self._cameras),
        ).validate()
