"""Time steps of several processes in turns, so that a slow moment of the machine meets all alike.

A worker is a process of its own (each Keras backend needs one). It prepares its steps, names them,
and then runs one whenever it is asked to, answering with seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


class Worker:
    """A process that runs steps.

    Args:
        script: The script to run; with these arguments it calls `answer`.
        arguments: Its command line.
        backend: `KERAS_BACKEND` of the process.
    """

    def __init__(self, script: str, arguments: list[str], backend: str | None = None) -> None:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if backend:
            environment["KERAS_BACKEND"] = backend
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.arguments = arguments

    def ready(self) -> dict[str, Any]:
        """Wait until it is prepared; returns `steps`, their names, and what else it tells."""
        line = self._read()
        return json.loads(line)

    def seconds(self, step: str) -> float:
        """Run a step."""
        self.process.stdin.write(f"{step}\n")
        self.process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process {' '.join(self.arguments)} ended: run it alone to see.")
        return line


def answer(steps: Mapping[str, Callable[[], Any]], **facts: Any) -> None:
    """Run each step twice to warm up, then whenever asked on standard input.

    Args:
        steps: Functions by name. They must not return before their work is done.
        **facts: Told along with the names.
    """
    for step in steps.values():
        step(), step()
    # Libraries may have printed; the answers go to the real standard output.
    out = sys.__stdout__
    print(json.dumps({"steps": list(steps), **facts}), file=out, flush=True)
    for line in sys.stdin:
        step = steps[line.strip()]
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, file=out, flush=True)
