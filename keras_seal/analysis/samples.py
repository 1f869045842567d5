"""The poses that a loss-net is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_seal.data import PoseSequences
from keras_seal.errors import UserError
from keras_seal.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Samples:
    """Keypoints and true poses, and which of them belong together.

    Args:
        skeleton: Their skeleton.
        keypoints: `(samples, frames, joints, 2 or 3)`.
        poses: True poses, root-relative, metres, `(samples, out_frames, joints, 3)`.
        groups: The sequence `(samples,)` that each was taken from: poses of one are much alike, so
            that intervals are found by drawing whole sequences.

    Raises:
        UserError: The arrays do not fit each other, are empty, or are not finite.

    Examples:
        >>> from keras_seal import skeletons
        >>> skeleton = skeletons.get("human36m_17")
        >>> keypoints, poses = np.zeros((9, 1, 17, 2)), np.zeros((9, 1, 17, 3))
        >>> len(Samples(skeleton, keypoints, poses, np.arange(9)))
        9
    """

    skeleton: Skeleton
    keypoints: np.ndarray
    poses: np.ndarray
    groups: np.ndarray

    def __post_init__(self) -> None:
        joints, count = self.skeleton.num_joints, len(self.groups)
        for name, array, channels in (
            ("keypoints", self.keypoints, (2, 3)),
            ("poses", self.poses, (3,)),
        ):
            fits = array.ndim == 4 and array.shape[2] == joints and array.shape[3] in channels
            if not fits or len(array) != count or 0 in array.shape:
                raise UserError(
                    f"The {name} to ask about have the shape {array.shape}: expected ({count}, "
                    f"frames, {joints}, {' or '.join(map(str, channels))}) for the skeleton "
                    f"'{self.skeleton.name}', and at least one sample."
                )
            if not np.isfinite(array).all():
                raise UserError(f"The {name} to ask about hold NaN or infinite values.")
            object.__setattr__(self, name, array.astype("float32"))

    def __len__(self) -> int:
        return len(self.groups)

    @classmethod
    def of(
        cls,
        sequences: PoseSequences,
        count: int = 1000,
        *,
        num_frames: int = 1,
        out_frames: int = 1,
        frame_stride: int = 1,
    ) -> Samples:
        """Take samples spread evenly over sequences.

        Args:
            sequences: The sequences.
            count: How many samples; all where there are fewer.
            num_frames: Frames of keypoints that the pose-net sees.
            out_frames: Frames that it predicts.
            frame_stride: Frames from one of them to the next.

        Returns:
            The samples.

        Raises:
            UserError: There is none, or they are not finite.

        Examples:
            >>> sequences = PoseSequences("human36m_17", np.zeros((10, 17, 2)),
            ...     np.zeros((10, 17, 3)), [0, 4, 10], ["S1", "S5"], ["Walking", "Eating"])
            >>> Samples.of(sequences, 5).groups.tolist()
            [0, 0, 1, 1, 1]
        """
        # Keras loads with the windows.
        from keras_seal.data import PoseWindows

        windows = PoseWindows(
            sequences,
            batch_size=1,
            num_frames=num_frames,
            out_frames=out_frames,
            frame_stride=frame_stride,
        )
        size = windows.num_windows
        chosen = np.unique(np.linspace(0, size - 1, min(count, size)).astype("int64"))
        keypoints, poses = windows.windows(chosen)
        groups = np.searchsorted(sequences.offsets, windows.centers(chosen), side="right") - 1
        return cls(sequences.skeleton, keypoints, poses, groups)
