"""`keras-seal doctor`."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from keras_seal.cli.backend import BACKENDS

# Run in a process of its own: a process has one backend only, and a broken one may crash.
_PROBE = """
import json, time
began = time.perf_counter()
import keras
from keras_seal.runs import environment
value = float(keras.ops.sum(keras.ops.ones((2, 2))))
assert value == 4.0, value
print(json.dumps({"devices": environment.devices(), "seconds": time.perf_counter() - began}))
"""


@click.command("doctor")
def command() -> None:
    """Show versions, devices and backends, and look for trouble.

    The exit status is 1 if keras-seal cannot work here.
    """
    from rich.console import Console
    from rich.table import Table

    from keras_seal.data.cache import default_folder
    from keras_seal.runs import environment

    console = Console()
    versions = Table(title="Versions", show_header=False)
    versions.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    for name, version in environment.versions().items():
        versions.add_row(name, version)
    console.print(versions)

    backends = Table("backend", "state", "devices", "start", title="Backends")
    working, troubles = [], []
    processes = {name: _probe(name) for name in BACKENDS if importlib.util.find_spec(name)}
    for name in BACKENDS:
        if name not in processes:
            backends.add_row(name, "not installed", "", "")
            continue
        output, errors = processes[name].communicate()
        if processes[name].returncode:
            backends.add_row(name, "broken", "", "")
            reason = errors.strip().splitlines() or [f"exit {processes[name].returncode}"]
            troubles.append(f"Keras does not start on {name}: {reason[-1]}")
            continue
        found = json.loads(output.strip().splitlines()[-1])
        working.append(name)
        backends.add_row(name, "works", ", ".join(found["devices"]), f"{found['seconds']:.1f} s")
    console.print(backends)

    places = Table("folder", "path", "state", title="Folders")
    for title, folder in (("cache", default_folder()), ("runs", Path.cwd())):
        problem = _write_problem(folder)
        places.add_row(title, str(folder), problem or "writable")
        if problem:
            troubles.append(f"The {title} folder {folder} cannot be written: {problem}.")
    console.print(places)

    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        troubles.append(
            "PYTHONDONTWRITEBYTECODE is set: without byte code every import of Keras takes"
            " several times as long. Unset it."
        )
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen is not None and chosen not in working:
        troubles.append(f"KERAS_BACKEND is '{chosen}', which does not work here.")
    for trouble in troubles:
        click.echo(f"Trouble: {trouble}")
    if not troubles:
        click.echo("No trouble found.")
    if not working:
        raise SystemExit(1)


def _probe(backend: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROBE],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _write_problem(folder: Path) -> str | None:
    """Try to write into a folder, or into the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"keras-seal")
    except OSError as error:
        return error.strerror or str(error)
    return None
