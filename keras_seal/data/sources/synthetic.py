"""Invented motion of invented people: data for trials, tests and first training, from a seed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from keras_seal.data.body import draw_build
from keras_seal.data.motion import draw_motion
from keras_seal.data.sequences import SPLITS, PoseSequences, PoseSplits
from keras_seal.data.sources.base import FilmedSource, Reel
from keras_seal.data.virtual import draw_bone_lengths

# What a random stream is for; part of its seed, so that streams do not repeat each other.
_PEOPLE, _MOTION = 0, 1


class SyntheticSource(FilmedSource):
    """Invented human motion on the skeleton `human36m_17`.

    Jointed bodies with human proportions and joint limits stand, gesture, walk, run, bow, squat,
    kick, dance, sit, kneel and lie; virtual cameras film them. Every person is exactly symmetric,
    and bones keep their lengths. Sequence `i` of a split depends on the seed and on `i` alone, so
    asking for more frames keeps the ones there were.

    Args:
        frames: Frames of motion to train on; each is filmed by every camera.
        validation_frames: Frames of motion to validate on.
        test_frames: Frames of motion to test on.
        train_subjects: Number of people in the train split.
        validation_subjects: Number of other people in the validation split.
        test_subjects: Number of other people in the test split.
        fps: Frames a second.
        duration: Length of a sequence, seconds.
        cameras: Cameras around every actor.
        camera_distance: Least and greatest distance of a camera, metres; one that would cut the
            actor off steps back.
        camera_height: Least and greatest height of a camera, metres.
        camera_focal: Least and greatest focal length, in image widths.
        distortion: Whether the lenses distort like Human3.6M's.
        noise: Error of the 2D detector, pixels of an image 1000 wide; 0 gives true keypoints.
        confidence: Whether the detector's confidence is a third channel of the keypoints.
        seed: Decides everything that is drawn.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> from keras_seal.data import sources
        >>> source = sources.get("synthetic")(
        ...     frames=200, validation_frames=50, test_frames=50, duration=2, cameras=2)
        >>> splits = source.load(use_cache=False)
        >>> splits.train
        PoseSequences(8 sequences, 400 frames, 2 channels, skeleton 'human36m_17')
    """

    name: ClassVar[str] = "synthetic"

    frames: int = Field(60_000, ge=1)
    validation_frames: int = Field(6_000, ge=1)
    test_frames: int = Field(6_000, ge=1)
    train_subjects: int = Field(60, ge=1)
    validation_subjects: int = Field(6, ge=1)
    test_subjects: int = Field(6, ge=1)
    fps: float = Field(25.0, gt=0, le=1000)
    duration: float = Field(6.0, gt=0, le=3600)

    def prepare(self) -> PoseSplits:
        """Invent the data, without the cache.

        Returns:
            The data.
        """
        return PoseSplits(**{split: self._split(index) for index, split in enumerate(SPLITS)})

    def _split(self, split: int) -> PoseSequences:
        total = (self.frames, self.validation_frames, self.test_frames)[split]
        people = (self.train_subjects, self.validation_subjects, self.test_subjects)[split]
        length = max(1, round(self.duration * self.fps))
        studio, reel = self.studio(), Reel()
        for index, start in enumerate(range(0, total, length)):
            person = index % people
            body = np.random.default_rng([self.seed, split, _PEOPLE, person])
            lengths, build = draw_bone_lengths(body), draw_build(body)
            rng = np.random.default_rng([self.seed, split, _MOTION, index])
            # The last sequence is drawn in full and cut, so that it does not depend on `total`.
            poses, activity = draw_motion(length, self.fps, lengths, build, rng)
            reel.add(
                poses[: total - start],
                studio,
                rng,
                subject=f"{SPLITS[split]}-{person + 1:03d}",
                action=activity,
                fps=self.fps,
            )
        return reel.sequences()
