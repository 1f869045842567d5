"""H3WB, from the JSON files of its tasks or from its arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from keras_seal.data.sequences import PoseSequences, PoseSplits
from keras_seal.data.sources.base import Source
from keras_seal.data.sources.h3wb.arrays import read_arrays
from keras_seal.data.sources.h3wb.masking import draw_seen
from keras_seal.data.sources.h3wb.samples import Samples, join
from keras_seal.data.sources.h3wb.tasks import read_images, read_samples
from keras_seal.data.sources.human36m import cameras
from keras_seal.data.sources.inputs import describe_files
from keras_seal.errors import UserError

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7")
TEST_SUBJECT = "S8"
_FOLDERS = ("", "json", "datasets/json", "annotation_body3d")
_TRAIN, _PARTS = "2Dto3D_train.json", "2Dto3D_train_part{}.json"
_IMAGES = "RGBto3D_train.json"
_ARRAYS = ("h3wb_train.npz", "h3wb_train_bbox.npz")
_ARRAYS_KEYS = {"train_data", "metadata"}
# Of every eight samples the first four are the first task's, the others the second one's.
_ROUND, _SHARE = 8, 4
_FOLDS = 5
# What a random stream is for; part of its seed, so that streams do not repeat each other.
_TRAIN_MASK, _VALIDATION_MASK = 0, 1


@dataclass
class _Files:
    train: list[Path]
    arrays: bool
    images: Path | None = None
    test_2d: Path | None = None
    test_3d: Path | None = None
    all: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        others = (self.images, self.test_2d, self.test_3d)
        self.all = [*self.train, *(path for path in others if path is not None)]


class H3WBSource(Source):
    """H3WB: 133 joints of body, feet, face and hands, on the skeleton `h3wb_133`.

    Poses are absolute, in camera space and in metres. Samples are single frames far apart, so each
    is a sequence of its own. Labels: `sample_id` (the data set's number of the sample, which
    predictions are handed in with; -1 where the arrays do not tell) and `frame_id` (its number in
    the video, -1 unknown). The skeleton's groups are the parts that the benchmark reports.

    Train on S1, S5, S6 and S7, test on S8. S7 is held out to validate on, as the data set's own
    class and MMPose do.

    Args:
        folder: Folder with `2Dto3D_train.json` (or its five parts) or `h3wb_train.npz`, and the
            test files of the task: `2Dto3D_test_2d.json` and `2Dto3D_test_3d.json`, or
            `I2Dto3D_test_2d.json` and `I2Dto3D_test_3d.json`.
        layout: `"json"` or `"npz"` for the training file to read, `"auto"` for the one that is
            there.
        task: `"2Dto3D"` with all keypoints, or `"I2Dto3D"` with incomplete ones. The latter have a
            third channel, 1 where a keypoint is seen and 0 where it is not; those lie in the middle
            of the image. Keypoints to train and validate with are left out once and for all by the
            published rule: with a chance of 0.4 each with a chance of 0.25; with 0.2 each the
            face, the left hand, the right hand.
        validation_subjects: Subjects of the training set to validate on; S7 by default.
        validation_fold: Validate on this of five equal parts of the training samples (1 to 5)
            instead, as the data set's authors do. The parts are not of different people, so that
            scores on them are better than on somebody new. For JSON only.
        test_subjects: S8 for the test files; or subjects of the training set, where there are no
            test files (then results are no benchmark results).
        unlabelled_test: Go without `*_test_3d.json`: the frames of the test set are there to
            predict, but none is valid, so that nothing can be measured on them.
        mask_seed: Decides which keypoints are left out for `"I2Dto3D"`.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("h3wb")(folder="nowhere").load()
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no folder 'nowhere' to read H3WB from.

    Reference:
        Zhu et al., H3WB: Human3.6M 3D WholeBody Dataset and Benchmark, ICCV 2023.
    """

    name: ClassVar[str] = "h3wb"
    described_by_inputs: ClassVar[frozenset[str]] = frozenset({"folder", "layout"})

    folder: Path
    layout: Literal["auto", "json", "npz"] = "auto"
    task: Literal["2Dto3D", "I2Dto3D"] = "2Dto3D"
    validation_subjects: tuple[str, ...] = ("S7",)
    validation_fold: int | None = Field(None, ge=1, le=_FOLDS)
    test_subjects: tuple[str, ...] = (TEST_SUBJECT,)
    unlabelled_test: bool = False
    mask_seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _subjects_exist(self) -> H3WBSource:
        known = ", ".join(TRAIN_SUBJECTS)
        for subject in self.validation_subjects:
            if subject == TEST_SUBJECT:
                raise ValueError(f"validation_subjects names '{subject}', who is the test set")
            if subject not in TRAIN_SUBJECTS:
                raise ValueError(f"validation_subjects names '{subject}', expected some of {known}")
        if not self.validation_subjects or not self.test_subjects:
            raise ValueError("validation_subjects and test_subjects must name somebody each")
        if self.test_subjects != (TEST_SUBJECT,):
            for subject in self.test_subjects:
                if subject not in TRAIN_SUBJECTS:
                    raise ValueError(
                        f"test_subjects is {list(self.test_subjects)}, expected S8 alone, or some "
                        f"of {known} to hold out"
                    )
            if set(self.test_subjects) & set(self.validation_subjects):
                raise ValueError("validation_subjects and test_subjects name the same person")
            if self.unlabelled_test:
                raise ValueError("unlabelled_test is for the test set, S8")
        if set(TRAIN_SUBJECTS) <= {*self.validation_subjects, *self.test_subjects}:
            raise ValueError("nobody is left to train on")
        if self.validation_fold is not None and (
            "validation_subjects" in self.model_fields_set or self.test_subjects != (TEST_SUBJECT,)
        ):
            raise ValueError(
                "validation_fold goes neither with validation_subjects nor with test_subjects"
            )
        return self

    def input_files(self) -> list[Path]:
        """List the files that are read.

        Returns:
            The training file or its parts, then the others.

        Raises:
            UserError: They are missing.
        """
        return self._files().all

    def inputs(self) -> dict[str, Any]:
        """Describe the files that are read, by size and time of change.

        Returns:
            What JSON can hold.
        """
        files = self._files()
        return {"arrays": files.arrays, "files": describe_files(files.all, self.folder)}

    def prepare(self) -> PoseSplits:
        """Read and check the files, without the cache.

        Returns:
            The data.

        Raises:
            UserError: Files are missing, or something in them is wrong.
        """
        files = self._files()
        labelled = self._read_train(files)
        for samples in labelled:
            samples.check()
        if self.validation_fold is None:
            train, validation, test = self._by_subject(labelled)
        else:
            train, validation = self._by_fold(labelled)
            test = []
        if files.test_2d or files.test_3d:
            test = [self._read_test(files)]
            test[0].check()
        return PoseSplits(
            train=self._join(train, _TRAIN_MASK),
            validation=self._join(validation, _VALIDATION_MASK),
            test=self._join(test, None),
        )

    def _join(self, samples: list[Samples], stream: int | None) -> PoseSequences:
        incomplete = self.task == "I2Dto3D"
        seen = None
        held_out = self.test_subjects != (TEST_SUBJECT,)
        if incomplete and (stream is not None or held_out):
            rng = np.random.default_rng([self.mask_seed, 2 if stream is None else stream])
            seen = draw_seen(sum(map(len, samples)), rng)
        return join(samples, confidence=incomplete, seen=seen)

    # ------------------------------------------------------------------------------------- files

    def _files(self) -> _Files:
        if not self.folder.is_dir():
            if self.folder.exists():
                raise UserError(f"'{self.folder}' is a file; give the folder that holds it.")
            raise UserError(f"There is no folder '{self.folder}' to read H3WB from.")
        json, arrays = self._json_files(), self._array_file()
        if json and arrays and self.layout == "auto":
            raise UserError(
                f"'{self.folder}' holds both {json[0].name} and {arrays.name}. Say which one by "
                "the option 'layout': json or npz."
            )
        if self.layout == "json" or arrays is None:
            found = _Files(json, False, self._find(_IMAGES))
        else:
            found = _Files([arrays], True)
        if not found.train or (self.layout == "npz" and not found.arrays):
            there = sorted(path.name for path in self.folder.iterdir())
            listed = f"it holds {', '.join(there[:8])}" if there else "it is empty"
            expected = {
                "json": _TRAIN, "npz": _ARRAYS[0], "auto": f"{_TRAIN} or {_ARRAYS[0]}"
            }  # fmt: skip
            raise UserError(
                f"The folder '{self.folder}' does not hold {expected[self.layout]}; {listed}."
            )
        if self.test_subjects != (TEST_SUBJECT,):
            return found
        test_2d, test_3d = (self._find(f"{self.task}_test_{part}.json") for part in ("2d", "3d"))
        if test_2d is None and (test_3d is None or self.task == "I2Dto3D"):
            raise UserError(
                f"The folder '{self.folder}' has no {self.task}_test_2d.json, the test set of the "
                "task. Add it, or set test_subjects to subjects of the training set to hold out."
            )
        if test_3d is None and not self.unlabelled_test:
            raise UserError(
                f"The folder '{self.folder}' has no {self.task}_test_3d.json, so nothing can be "
                "measured. Add it (it was released in 2024), or set unlabelled_test to true to go "
                "without."
            )
        return replace(found, test_2d=test_2d, test_3d=test_3d)

    def _find(self, name: str) -> Path | None:
        for folder in _FOLDERS:
            if (self.folder / folder / name).is_file():
                return self.folder / folder / name
        return None

    def _json_files(self) -> list[Path]:
        whole = self._find(_TRAIN)
        if whole is not None:
            return [whole]
        parts = [self._find(_PARTS.format(number)) for number in range(1, _FOLDS + 1)]
        there = [path for path in parts if path is not None]
        if there and len(there) < _FOLDS:
            raise UserError(
                f"'{self.folder}' holds {len(there)} of the {_FOLDS} parts of {_TRAIN}; add the "
                "others."
            )
        return there

    def _array_file(self) -> Path | None:
        for name in _ARRAYS:
            path = self._find(name)
            if path is not None:
                return path
        renamed = [
            path
            for folder in _FOLDERS
            for path in sorted((self.folder / folder).glob("*.npz"))
            if _keys(path) >= _ARRAYS_KEYS
        ]
        if len(renamed) > 1:
            raise UserError(
                f"'{self.folder}' holds several files like {_ARRAYS[0]}: "
                f"{', '.join(path.name for path in renamed)}. Keep one of them there."
            )
        return renamed[0] if renamed else None

    # ------------------------------------------------------------------------------------ reading

    def _read_train(self, files: _Files) -> list[Samples]:
        if files.arrays:
            return [read_arrays(files.train[0])]
        parts = [
            read_samples(path, with_2d=True, with_3d=True, incomplete=False) for path in files.train
        ]
        if any((samples.subjects == "").any() for samples in parts) and files.images:
            images = read_images(files.images)
            for samples in parts:
                _add_images(samples, images, files.images)
        for samples in parts:
            samples.known = _known_cameras(samples)
        return parts

    def _read_test(self, files: _Files) -> Samples:
        incomplete = self.task == "I2Dto3D"
        poses = pixels = None
        if files.test_3d is not None:
            alone = files.test_2d is None
            poses = read_samples(files.test_3d, with_2d=alone, with_3d=True, incomplete=False)
        if files.test_2d is not None:
            pixels = read_samples(files.test_2d, with_2d=True, with_3d=False, incomplete=incomplete)
        samples = pixels or poses
        assert samples is not None
        if pixels is not None and poses is not None:
            if not np.array_equal(pixels.ids, poses.ids):
                raise UserError(
                    f"'{pixels.path}' and '{poses.path}' hold different samples "
                    f"({len(pixels)} and {len(poses)}); they must be of one release."
                )
            samples = replace(pixels, poses=poses.poses)
            if (samples.subjects == "").all():
                samples = replace(
                    samples,
                    **{
                        name: getattr(poses, name)
                        for name in ("subjects", "actions", "cameras", "frames")
                    },
                )
        second = samples.ids % _ROUND >= _SHARE
        if (second if not incomplete else ~second).all():
            raise UserError(
                f"'{samples.path}' holds the test samples of the other task (of every {_ROUND} "
                f"numbers, 2Dto3D has the first {_SHARE} and I2Dto3D the others). Use the file of "
                f"{self.task}."
            )
        known = set(samples.subjects.tolist()) - {""}
        if known - {TEST_SUBJECT}:
            raise UserError(
                f"'{samples.path}' holds {', '.join(sorted(known))}, expected {TEST_SUBJECT}; is "
                "it a training file?"
            )
        samples.subjects = np.full(len(samples), TEST_SUBJECT)
        samples.known = _known_cameras(samples)
        return samples

    # ----------------------------------------------------------------------------------- splitting

    def _by_subject(
        self, parts: list[Samples]
    ) -> tuple[list[Samples], list[Samples], list[Samples]]:
        there = {subject for samples in parts for subject in samples.subjects.tolist()}
        path = parts[0].path
        if "" in there:
            raise UserError(
                f"'{path}' does not tell whose its samples are (they have no image_path). Put "
                f"{_IMAGES} beside it, which does, or set validation_fold to 5 to hold out the "
                "last fifth of the samples."
            )
        if there - set(TRAIN_SUBJECTS):
            raise UserError(
                f"'{path}' holds {', '.join(sorted(there - set(TRAIN_SUBJECTS)))}, expected the "
                f"subjects {', '.join(TRAIN_SUBJECTS)}; is it a training file?"
            )
        held_out = self.test_subjects if self.test_subjects != (TEST_SUBJECT,) else ()
        missing = [name for name in (*self.validation_subjects, *held_out) if name not in there]
        training = there - {*self.validation_subjects, *held_out}
        if missing or not training:
            problem = (
                f"has nothing of {', '.join(missing)}" if missing else "leaves nobody to train on"
            )
            raise UserError(
                f"'{path}' {problem}; it holds {', '.join(sorted(there))}. Choose "
                "validation_subjects and test_subjects among them."
            )
        return (
            _of(parts, training),
            _of(parts, self.validation_subjects),
            _of(parts, held_out),
        )

    def _by_fold(self, parts: list[Samples]) -> tuple[list[Samples], list[Samples]]:
        assert self.validation_fold is not None
        total = sum(map(len, parts))
        start = total // _FOLDS * (self.validation_fold - 1)
        stop = start + total // _FOLDS
        train, validation, first = [], [], 0
        for samples in parts:
            places = first + np.arange(len(samples))
            first += len(samples)
            inside = (places >= start) & (places < stop)
            # The same people, but named apart: it was asked for.
            chosen = samples.select(inside)
            named = {
                name: f"{name} fold {self.validation_fold}".strip()
                for name in set(samples.subjects.tolist())
            }
            chosen.subjects = np.array([named[name] for name in chosen.subjects.tolist()], np.str_)
            chosen.known = {
                (named[subject], camera): known
                for (subject, camera), known in samples.known.items()
                if subject in named
            }
            train.append(samples.select(~inside))
            validation.append(chosen)
        kept = [[part for part in side if len(part)] for side in (train, validation)]
        if not all(kept):
            raise UserError(
                f"'{parts[0].path}' has {total} samples, too few to hold out a fifth of them."
            )
        return kept[0], kept[1]


def _of(parts: list[Samples], subjects: Iterable[str]) -> list[Samples]:
    chosen = [part.select(np.isin(part.subjects, list(subjects))) for part in parts]
    return [part for part in chosen if len(part)]


def _add_images(samples: Samples, images: dict[int, tuple[str, str, str, int]], path: Path) -> None:
    missing = [number for number in samples.ids.tolist() if number not in images]
    if missing:
        raise UserError(
            f"'{path}' has no sample '{missing[0]}', which '{samples.path}' has; they must be of "
            "one release."
        )
    columns = zip(*(images[number] for number in samples.ids.tolist()), strict=True)
    subjects, actions, names, frames = (np.array(column) for column in columns)
    samples.subjects, samples.actions = subjects, actions
    samples.cameras, samples.frames = names, frames.astype(np.int64)


def _known_cameras(samples: Samples) -> dict[tuple[str, str], Any]:
    """Give the cameras of Human3.6M, whose images these are."""
    pairs = sorted(set(zip(samples.subjects.tolist(), samples.cameras.tolist(), strict=True)))
    return {(subject, name): cameras(subject)[name] for subject, name in pairs if subject and name}


def _keys(path: Path) -> set[str]:
    """List the arrays of an `.npz` file, without reading them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()
