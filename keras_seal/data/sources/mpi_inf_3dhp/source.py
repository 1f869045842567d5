"""MPI-INF-3DHP, from any of the files that people hold of it."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from keras_seal.data.sequences import PoseSplits
from keras_seal.data.sources.base import Source
from keras_seal.data.sources.inputs import describe_files
from keras_seal.data.sources.mpi_inf_3dhp import mmpose, nested, raw
from keras_seal.data.sources.mpi_inf_3dhp.recording import (
    CAMERAS,
    PAPER_CAMERAS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Annotation,
    Recording,
    prepare,
)
from keras_seal.errors import UserError

Layout = Literal["raw", "p_stmo", "d3dp", "mmpose"]

_NAMES: dict[Layout, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "p_stmo": (("data_train_3dhp.npz",), ("data_test_3dhp.npz",)),
    "d3dp": (("data_train_3dhp_ori.npz",), ("data_test_3dhp_ori.npz",)),
    "mmpose": (
        ("mpi_inf_3dhp_train.npz",),
        ("mpi_inf_3dhp_test_valid.npz", "mpi_inf_3dhp_test_all.npz"),
    ),
}
_TITLES: dict[Layout, str] = {
    "raw": "the published folders (S1/Seq1/annot.mat, TS1/annot_data.mat)",
    "p_stmo": "P-STMO's files (data_train_3dhp.npz, data_test_3dhp.npz)",
    "d3dp": "D3DP's files (data_train_3dhp_ori.npz, data_test_3dhp_ori.npz)",
    "mmpose": "MMPose's files (mpi_inf_3dhp_train.npz, mpi_inf_3dhp_test_valid.npz)",
}
_ANNOTATIONS: dict[Layout, Annotation] = {
    "p_stmo": "univ_annot3",
    "d3dp": "annot3",
    "mmpose": "annot3",
}
_FOLDERS = ("", "annotations")
_NESTED_KEYS, _MMPOSE_KEYS = {"data"}, {"imgname", "part", "S"}


@dataclass
class _Files:
    """The files of one layout."""

    layout: Layout
    annotation: Annotation | None  # what the names tell
    train: list[Path]
    test: list[Path]
    others: list[Path] = field(default_factory=list)  # cameras

    @property
    def all(self) -> list[Path]:
        return [*self.train, *self.test, *self.others]


class MPIInf3DHPSource(Source):
    """MPI-INF-3DHP on its own skeleton of 17 joints, `mpi_inf_3dhp_17`.

    Four layouts are read: the published folders, the `.npz` files of P-STMO and of D3DP, and
    MMPose's. Poses are absolute, in camera space and in metres; files whose poses are already
    root-relative stay so. A sequence is what one camera saw of one recording, named as in "S1 Seq1
    camera 0"; test sequences are named TS1 to TS6, and their `actions` tell where they were
    recorded ("studio with green screen", "studio", "outdoor"). The 2D is the projected ground
    truth, as in all published results.

    Labels of the frames: `frame_id` (number in the original sequence, from 0), `activity` (the test
    set's 1 to 7; 0 where the file does not tell, and in training) and `universal` (1 where the
    poses are `univ_annot3`). `valid` is false for test frames that do not count.

    Training frames whose 2D has diverged (more than an image away from the image, or behind the
    camera), whose joints lie apart, or whose slot of the head top holds a camera trajectory are
    left out with a warning; the sequence is cut there, so that no window reaches over them. Of the
    test set nothing that counts is ever left out.

    Frame rates are 25 or 50 a second in training, as published; the test files do not tell theirs,
    which is taken as 25. Images are 2048 x 2048, those of TS5 and TS6 1920 x 1080.

    Args:
        folder: Folder with the files, or with `train` and `test` below it.
        layout: `"raw"`, `"p_stmo"`, `"d3dp"`, `"mmpose"`, or `"auto"` for the one that is there.
            Recognised by names and by what the files hold, so `.npz` files may be renamed as long
            as "train" and "test" are in their names.
        annotation: Which 3D: `"annot3"` is where the person was; `"univ_annot3"` is scaled to one
            body height, and does not project onto the 2D. Errors on the two cannot be compared.
            The published folders hold both; P-STMO's files `univ_annot3`, D3DP's and MMPose's
            `annot3`. A file that holds the other one is refused.
        cameras: 8 for the ones of the papers (0, 1, 2, 4, 5, 6, 7, 8), or 14 for all.
        subjects: Subjects of the training set to use.
        validation_subjects: Those of them to validate on.
        test_subjects: Sequences of the test set to use.

    Raises:
        UserError: There is no such option, or its value makes no sense.

    Examples:
        >>> from keras_seal.data import sources
        >>> sources.get("mpi_inf_3dhp")(folder="nowhere").load()
        Traceback (most recent call last):
        ...
        keras_seal.errors.UserError: There is no folder 'nowhere' to read MPI-INF-3DHP from.

    Reference:
        Mehta et al., Monocular 3D Human Pose Estimation in the Wild Using Improved CNN
        Supervision, 3DV 2017.
    """

    name: ClassVar[str] = "mpi_inf_3dhp"
    described_by_inputs: ClassVar[frozenset[str]] = frozenset({"folder", "layout"})

    folder: Path
    layout: Literal["auto", "raw", "p_stmo", "d3dp", "mmpose"] = "auto"
    annotation: Annotation = "annot3"
    cameras: Literal[8, 14] = 8
    subjects: tuple[str, ...] = TRAIN_SUBJECTS
    validation_subjects: tuple[str, ...] = ("S8",)
    test_subjects: tuple[str, ...] = TEST_SUBJECTS

    @model_validator(mode="after")
    def _subjects_exist(self) -> MPIInf3DHPSource:
        for option, known, others, side in (
            ("subjects", TRAIN_SUBJECTS, TEST_SUBJECTS, "test"),
            ("validation_subjects", self.subjects, TEST_SUBJECTS, "test"),
            ("test_subjects", TEST_SUBJECTS, TRAIN_SUBJECTS, "training"),
        ):
            chosen: tuple[str, ...] = getattr(self, option)
            if not chosen:
                raise ValueError(f"{option} names nobody, expected at least one")
            for subject in chosen:
                if subject in others:
                    raise ValueError(f"{option} names '{subject}', who is in the {side} set")
                if subject not in known:
                    raise ValueError(
                        f"{option} names '{subject}', expected some of {', '.join(known)}"
                    )
        if not self._training_subjects():
            raise ValueError("all subjects are in validation_subjects, nobody is left to train on")
        return self

    def input_files(self) -> list[Path]:
        """List the files that are read.

        Returns:
            The files of the layout, the training set's first.

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
        return {"layout": files.layout, "files": describe_files(files.all, self.folder)}

    def prepare(self) -> PoseSplits:
        """Read and check the files, without the cache.

        Returns:
            The data.

        Raises:
            UserError: Files are missing, or something in them is wrong.
        """
        files, training = self._files(), self._training_subjects()
        train, test = self._read(files)
        self._check_present(files, "subjects", [each.subject for each in train], self.subjects)
        self._check_present(
            files, "test_subjects", [each.subject for each in test], self.test_subjects
        )
        there = {(each.subject, each.action) for each in train}
        for subject, sequence in product(self.subjects, ("Seq1", "Seq2")):
            if (subject, sequence) not in there:
                warnings.warn(
                    f"'{self.folder}' has nothing of {subject} {sequence}; it is missing in what "
                    "is prepared.",
                    UserWarning,
                    stacklevel=2,
                )
        kind, named = self.annotation, files.annotation
        held_out = [each for each in train if each.subject in self.validation_subjects]
        train = [each for each in train if each.subject in training]
        return PoseSplits(
            prepare(train, kind, named, test=False),
            prepare(held_out, kind, named, test=False),
            prepare(test, kind, named, test=True),
        )

    def _training_subjects(self) -> set[str]:
        return set(self.subjects) - set(self.validation_subjects)

    def _files(self) -> _Files:
        if not self.folder.is_dir():
            if self.folder.exists():
                raise UserError(f"'{self.folder}' is a file; give the folder that holds it.")
            raise UserError(f"There is no folder '{self.folder}' to read MPI-INF-3DHP from.")
        found = {files.layout: files for files in (*self._npz_files(), *self._raw_files())}
        if self.layout != "auto":
            if self.layout not in found:
                raise UserError(self._nothing_found(_TITLES[self.layout]))
            return found[self.layout]
        if not found:
            raise UserError(self._nothing_found(", or ".join(_TITLES.values())))
        if set(found) == {"p_stmo", "d3dp"}:
            # The two that differ in nothing else than the annotation.
            return found["p_stmo" if self.annotation == "univ_annot3" else "d3dp"]
        if len(found) > 1:
            titles = "; ".join(f"{key}: {_TITLES[key]}" for key in found)
            raise UserError(
                f"'{self.folder}' holds the data set in several layouts ({titles}). Say which one "
                "by the option 'layout'."
            )
        return next(iter(found.values()))

    def _nothing_found(self, expected: str) -> str:
        there = sorted(path.name for path in self.folder.iterdir())
        listed = f"it holds {', '.join(there[:8])}" if there else "it is empty"
        more = f" and {len(there) - 8} more" if len(there) > 8 else ""
        return (
            f"The folder '{self.folder}' does not hold {expected}, a training and a test part "
            f"each; {listed}{more}."
        )

    def _npz_files(self) -> list[_Files]:
        """Find `.npz` files of the data set: by their published names, else by what they hold."""
        named = []
        for layout, names in _NAMES.items():
            train, test = (self._of_names(part) for part in names)
            if len(test) > 1:
                raise UserError(
                    f"'{test[0].parent}' holds {' and '.join(path.name for path in test)}. Keep "
                    "one of them there: all frames, or the valid ones alone."
                )
            if train and test:
                named.append(_Files(layout, _ANNOTATIONS[layout], train[:1], test))
        found = named or self._renamed()
        for files in found:
            if files.layout == "mmpose":
                for path, part in ((files.train[0], "train"), (files.test[0], "test")):
                    cameras = path.with_name(f"cameras_{part}.pkl")
                    files.others += [cameras] if cameras.is_file() else []
        return found

    def _of_names(self, names: tuple[str, ...]) -> list[Path]:
        places = [self.folder / folder / name for folder in _FOLDERS for name in names]
        return [path for path in places if path.is_file()]

    def _renamed(self) -> list[_Files]:
        kinds: dict[Layout, dict[str, list[Path]]] = {}
        for path in chain(*((self.folder / folder).glob("*.npz") for folder in _FOLDERS)):
            keys = _keys(path)
            layout: Layout | None = None
            if keys >= _MMPOSE_KEYS:
                layout = "mmpose"
            elif keys == _NESTED_KEYS:
                layout = "d3dp" if "_ori" in path.stem else "p_stmo"
            parts = [part for part in ("train", "test") if part in path.stem.lower()]
            if layout and len(parts) == 1:
                kinds.setdefault(layout, {}).setdefault(parts[0], []).append(path)
        return [
            # A name that is not the published one tells nothing about the annotation.
            _Files(layout, "annot3" if layout == "mmpose" else None, parts["train"], parts["test"])
            for layout, parts in kinds.items()
            if all(len(parts.get(part, [])) == 1 for part in ("train", "test"))
        ]

    def _raw_files(self) -> list[_Files]:
        train, test = raw.find(self.folder)
        for subject, paths in chain(train.items(), test.items()):
            doubles = {path.parent.name for path in paths}
            if len(doubles) < len(paths):
                raise UserError(
                    f"'{self.folder}' holds {subject} twice: {paths[0]} and {paths[-1]}. Give the "
                    "folder of one of them."
                )
        files = _Files("raw", self.annotation, [], [])
        for subject in self.subjects:
            files.train += train.get(subject, [])
        for subject in self.test_subjects:
            files.test += test.get(subject, [])
        calibrations = map(raw.calibration_of, files.train)
        files.others = [path for path in calibrations if path.is_file()]
        return [files] if files.train and files.test else []

    def _read(self, files: _Files) -> tuple[list[Recording], list[Recording]]:
        cameras = PAPER_CAMERAS if self.cameras == 8 else CAMERAS
        (first, *_), (test, *_) = files.train, files.test
        if files.layout == "raw":
            return (
                [
                    recording
                    for path in files.train
                    for recording in raw.read_train(path, self.annotation, cameras)
                ],
                [raw.read_test(path, self.annotation) for path in files.test],
            )
        if files.layout == "mmpose":
            of_train, of_test = (
                next((path for path in files.others if part in path.name), None)
                for part in ("train", "test")
            )
            return (
                list(mmpose.read_train(first, of_train, self.subjects, cameras)),
                list(mmpose.read_test(test, of_test, self.test_subjects)),
            )
        return (
            list(nested.read_train(first, self.subjects, cameras)),
            list(nested.read_test(test, self.test_subjects)),
        )

    def _check_present(
        self, files: _Files, option: str, found: list[str], wanted: tuple[str, ...]
    ) -> None:
        missing = [subject for subject in wanted if subject not in found]
        if missing:
            where = files.test[0] if option == "test_subjects" else files.train[0]
            where = self.folder if files.layout == "raw" else where
            rest = [subject for subject in wanted if subject in found]
            raise UserError(
                f"'{where}' has nothing of {', '.join(missing)}. Add what is missing, or set the "
                f"option '{option}' to {rest}."
            )


def _keys(path: Path) -> set[str]:
    """List the arrays of an `.npz` file, without reading them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()
