"""On what a run was computed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keras_seal import files

PACKAGES = (
    "keras-seal",
    "keras",
    "numpy",
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
    "pydantic",
    "matplotlib",
)
# Beginnings of the environment variables that can change what is computed.
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "JAX_",
    "KERAS_",
    "OMP_NUM_THREADS",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def versions() -> dict[str, str]:
    """List the versions of the packages that matter, without importing them.

    Returns:
        Version by package name, for those that are installed.

    Examples:
        >>> "keras" in versions()
        True
    """
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Tell the commit of the source checkout that runs, with `+changes` if it was edited.

    Returns:
        The commit, or `None` for an installed package.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(root), *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changes else "")


def devices() -> list[str]:
    """List the devices that the present backend computes on.

    Returns:
        Names such as `cpu:0` and `gpu:0`.

    Examples:
        >>> len(devices()) > 0
        True
    """
    import keras

    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    # Keras lists no devices under torch.
    import torch

    return [f"gpu:{index}" for index in range(torch.cuda.device_count())] or ["cpu:0"]


def describe(seed: int, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe this process and machine.

    Args:
        seed: The run's seed.
        command: The command line; by default that of this process.

    Returns:
        What JSON can hold; `environment.json` is a list of them, one a session of the run.
    """
    import keras

    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(sys.argv if command is None else command),
        "seed": seed,
        "backend": keras.backend.backend(),
        "devices": devices(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": versions(),
        "git_commit": git_commit(),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
        },
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Find what may keep a resumed run from being exactly what it would have been.

    Args:
        before: `describe` of the run's beginning.
        now: `describe` of this process.

    Returns:
        One phrase a difference.

    Examples:
        >>> differences({"python": "3.11.1", "versions": {}}, {"python": "3.12.0", "versions": {}})
        ['python 3.11.1, now 3.12.0']
    """
    found = [
        f"{key} {before.get(key)}, now {now.get(key)}"
        for key in ("python", "platform", "cpus", "devices", "variables", "git_commit")
        if before.get(key) != now.get(key)
    ]
    old, new = before["versions"], now["versions"]
    return found + [
        f"{name} {old.get(name)}, now {new.get(name)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def add_session(path: Path, now: dict[str, Any], note: Callable[[str], object] = print) -> None:
    """Add this process to those that worked on a run.

    Args:
        path: The run's `environment.json`.
        now: `describe` of this process.
        note: Told what differs from the run's beginning.
    """
    sessions = json.loads(path.read_text(encoding="utf-8"))
    changes = differences(sessions[0], now)
    if changes:
        note(
            "This is not the environment that the run began in, so it may not end exactly as it"
            f" would have: {'; '.join(changes)}."
        )
    files.write_json(path, [*sessions, now])
