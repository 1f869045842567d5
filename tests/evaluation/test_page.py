"""The report of an evaluation, opened in a browser."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from keras_seal import evaluation
from keras_seal.data import PoseSequences
from keras_seal.evaluation.comparing import Outcome, compare
from keras_seal.evaluation.comparison_page import write_comparison
from keras_seal.evaluation.page import write_report
from tests.browser import check_page, needs_browser, open_page

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="pages are the same on every backend"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rng = np.random.default_rng(0)
    poses = np.cumsum(rng.normal(0.0, 0.15, (90, 17, 3)), axis=1) + np.array([0, 0, 5])
    data = PoseSequences(
        "human36m_17", poses[..., :2] / poses[..., 2:], poses, [0, 30, 60, 90],
        ["S9", "S9", "S11"], ["Walking <1>", "Eating", "Walking <1>"],
    )  # fmt: skip
    scores = evaluation.get("all_frames").score(poses + rng.normal(0, 0.03, poses.shape), data)
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, "A & B on test", scores, {"run": "runs/a"})
    return folder / "report.html"


@needs_browser
def test_the_report_draws_in_a_browser(report):
    check_page(report)
    found = open_page(report, "--dump-dom")
    assert "<h1>A &amp; B on test</h1>" in found and "Walking &lt;1&gt;" in found
    # Error by joint, distribution, best to worst, lengths over time, symmetry.
    assert len(re.findall("<figure>.*?<svg", found, flags=re.S)) == 5


def test_the_report_loads_nothing(report):
    assert not re.findall(r'(?:src|href)="(?!#|data:)', report.read_text())


@needs_browser
def test_a_comparison_draws_in_a_browser(tmp_path):
    rng = np.random.default_rng(0)
    names = tuple(f"sequence {index}" for index in range(20))
    runs = [
        Outcome(label, seed, names, np.full(20, 10.0), {
            name: rng.normal(50 + shift, 1, 20) for name in ("mpjpe", "lse", "bsle", "jae")
        })
        for label, shift in (("plain", 0), ("<better>", -3))
        for seed in range(2)
    ]  # fmt: skip
    facts = {"baseline": "plain"}
    results = compare(runs, metrics=["mpjpe", "lse"], resamples=200)
    write_comparison(tmp_path, "A <study>", runs, results, facts, ["mpjpe", "lse", "bsle", "jae"])
    page = tmp_path / "comparison.html"
    check_page(page)
    found = open_page(page, "--dump-dom")
    assert found.count("<svg") == 2 and found.count('<tr class="clear">') == 2
    assert "&lt;better&gt;" in found
