"""SIGKILL at any moment, then resume: the end is the same, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_seal import loss_nets, pose_nets, recipes, runs

from .conftest import assert_same_end

EPOCHS = 16
# The program, without the pictures at the end: they take longer than everything else here.
PROGRAM = """
from keras_seal.runs import report
report.draw_history = report.draw_results = lambda *arguments: None
from keras_seal.cli import main
main()
"""


class Victim:
    """Runs the program in a process of its own, and kills it if asked to."""

    def __init__(self, cache_dir):
        self._environment = {
            **os.environ,
            "KERAS_BACKEND": keras.backend.backend(),
            "KERAS_SEAL_CACHE": str(cache_dir),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def train(self, *arguments, kill_after=None, delay=0.0):
        """Returns the last epoch that was told; kills the process some time after one."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "train", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        told, last = 0, 0
        for line in process.stdout:
            if line.startswith("epoch "):
                told, last = told + 1, int(line.split()[1].split("/")[0])
                if told == kill_after or (kill_after is not None and last == EPOCHS):
                    time.sleep(delay)
                    process.send_signal(signal.SIGKILL)
                    break
        _, errors = process.communicate(timeout=120)
        if kill_after is None:
            assert process.returncode == 0, errors
        else:
            assert process.returncode == -signal.SIGKILL, errors
        return last


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_run_ends_as_if_it_had_lived(tiny, cache_dir, tmp_path):
    recipe = tiny(
        f"training.epochs={EPOCHS}", "training.deterministic=true", "callbacks.energy_monitor=false"
    )
    (tmp_path / "recipe.yaml").write_text(recipes.to_yaml(recipe))
    victim = Victim(cache_dir)
    victim.train(tmp_path / "recipe.yaml", "--out", tmp_path / "whole")

    seed = int.from_bytes(os.urandom(4), "little")
    chance = random.Random(seed)
    run, moments = tmp_path / "killed", []
    arguments = [tmp_path / "recipe.yaml", "--out", run]
    # Somewhere in training, and once more, perhaps while the end is being written.
    for kill_after in (chance.randint(1, EPOCHS // 2), chance.randint(1, EPOCHS)):
        delay = chance.uniform(0.0, 0.3)
        last = victim.train(*arguments, kill_after=kill_after, delay=delay)
        moments.append((last, delay))
        arguments = ["--resume", run]
    victim.train(*arguments)

    told = f"killed after these epochs and seconds: {moments}, seed {seed}"
    whole, killed = runs.RunFolder(tmp_path / "whole"), runs.RunFolder(run)
    assert_same_end(killed, whole)
    for name, kind in {"pose_net": pose_nets.PoseNet, "loss_net": loss_nets.LossNet}.items():
        nets = [keras.models.load_model(getattr(folder, name)) for folder in (killed, whole)]
        assert all(isinstance(net, kind) for net in nets)
        ours, theirs = (net.get_weights() for net in nets)
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our, their, err_msg=told)
    assert not [path for path in run.rglob(".*") if path.name != ".lock"], told
