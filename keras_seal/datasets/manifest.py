"""What a prepared set was made of and made into, with checksums."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_seal import files
from keras_seal.data.storage import DamagedFileError

NAME = "keras_seal.json"


@dataclass(frozen=True)
class Manifest:
    """The record that lies beside a prepared set's files.

    Args:
        builder: Name of the builder.
        version: Version of the builder.
        source_version: Version of the data source's reader.
        config: Name of the variant.
        options: The data source's options, the folder left out.
        folder: Where the user's files lay, or `None`.
        inputs: Size, time of change (ns) and SHA-256 of each of the user's files, by name.
        outputs: SHA-256 of each prepared file, by name.
    """

    builder: str
    version: str
    source_version: int
    config: str
    options: dict[str, Any]
    folder: str | None
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write the record into a prepared set's folder."""
        files.write_json(folder / NAME, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the record of a prepared set.

        Args:
            folder: The set's folder.

        Returns:
            The record.

        Raises:
            DamagedFileError: There is none, or it cannot be read.
        """
        path = folder / NAME
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise DamagedFileError(
                f"'{folder}' has no {NAME}: keras-seal did not prepare it. Prepare it by"
                " `keras-seal datasets prepare`."
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise DamagedFileError(f"'{path}' cannot be read ({error}).") from error

    def check_outputs(self, folder: Path) -> None:
        """Compare the prepared files with their checksums.

        Args:
            folder: The set's folder.

        Raises:
            DamagedFileError: A file is missing or altered.
        """
        for name, expected in self.outputs.items():
            path = folder / name
            if not path.is_file():
                raise DamagedFileError(f"'{path}' is missing: the prepared set is damaged.")
            if files.sha256(path) != expected:
                raise DamagedFileError(
                    f"'{path}' is not what was written: the prepared set is damaged."
                )

    def changed_inputs(self, folder: Path | None = None) -> list[str]:
        """Find files of the user's that are no longer what the set was made from.

        Contents are compared only where size or time differ.

        Args:
            folder: Where they lie now; by default where they lay.

        Returns:
            Names of files that have changed or are missing; none where the folder itself is gone,
            for then nothing can be said.
        """
        place = folder if folder is not None else self.folder and Path(self.folder)
        if not place or not Path(place).is_dir():
            return []
        changed = []
        for name, seen in self.inputs.items():
            path = Path(place) / name
            if not path.is_file():
                changed.append(name)
                continue
            now = path.stat()
            same = (now.st_size, now.st_mtime_ns) == (seen["bytes"], seen["changed"])
            if not same and files.sha256(path) != seen["sha256"]:
                changed.append(name)
        return changed


def describe_inputs(paths: Iterable[Path], folder: Path | None) -> dict[str, dict[str, Any]]:
    """Record size, time of change and checksum of files.

    Args:
        paths: The files.
        folder: Names are relative to it.

    Returns:
        The record of each file by name.
    """
    found = {}
    for path in sorted(paths):
        name = path.relative_to(folder).as_posix() if folder is not None else str(path)
        state = path.stat()
        found[name] = {
            "bytes": state.st_size,
            "changed": state.st_mtime_ns,
            "sha256": files.sha256(path),
        }
    return found


def describe_outputs(folder: Path) -> dict[str, str]:
    """Compute the checksums of a prepared set.

    Args:
        folder: The set's folder.

    Returns:
        SHA-256 by name.
    """
    return {path.name: files.sha256(path) for path in sorted(folder.iterdir()) if path.name != NAME}
