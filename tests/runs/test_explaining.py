"""What a run's loss-net knows, from the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import runs
from keras_seal.cli import main
from keras_seal.data import PoseSequences, PoseSplits
from keras_seal.errors import UserError
from tests.browser import CHROMIUM, check_page


def test_explain(reference, cache_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SEAL_CACHE", str(cache_dir))
    result = CliRunner().invoke(
        main, ["explain", str(reference.path), "--poses", "20"], catch_exceptions=False
    )
    assert result.exit_code == 0 and "alignment of its pull" in result.output
    folder = reference.path / "explanation" / "test"
    found = json.loads((folder / "explanation.json").read_text())
    assert found["poses"] == 20 and found["sequences"] == 4
    assert set(found["correlations"]["metrics"]) == {
        "lse",
        "bsle",
        "lle",
        "jae",
        "p_mpjpe",
        "mpjpe",
    }
    assert len(found["training"]["force_ratio"]) == 4
    for place in found["ranking"].values():
        assert 0 <= place["auroc"]["value"] <= 1
    page = (folder / "explanation.html").read_text()
    # MLP loss-nets have no attention to draw.
    assert page.count("<svg") == 7 and "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    if CHROMIUM is not None:
        check_page(folder / "explanation.html")
    text = (folder / "explanation.md").read_text()
    assert "| alignment of its pull with the error |" in text


def test_transfer_to_another_skeleton(reference, tmp_path, rng):
    def people(subject):
        poses = rng.normal(0.0, 0.3, (12, 17, 3)) + np.array([0, 0, 5])
        keypoints = poses[..., :2] / poses[..., 2:]
        names = [subject, subject]
        return PoseSequences("mpi_inf_3dhp_17", keypoints, poses, [0, 5, 12], names, names)

    data = PoseSplits(*map(people, ["a", "b", "c"])).save(tmp_path / "other.npz")
    recipe = tmp_path / "other.yaml"
    recipe.write_text(
        f"""
name: other
skeleton: mpi_inf_3dhp_17
data: {{source: file, options: {{path: {data}}}}}
pose_net: {{name: SimpleBaseline}}
training: {{epochs: 1}}
"""
    )
    out, said = tmp_path / "out", []
    found = runs.explain(reference.path, on=recipe, poses=4, out=out, note=said.append)
    assert found.poses == 4 and found.skeleton.name == "human36m_17"
    assert "mapped from the skeleton 'mpi_inf_3dhp_17'" in (out / "explanation.md").read_text()
    assert said[0] == "Asking about 4 samples of file, test split."


def test_complaints(start, reference, tmp_path):
    plain, _ = start("loss_net=null", "seal=null", "training.epochs=1")
    with pytest.raises(UserError, match="trained without a loss-net"):
        runs.explain(plain.path)
    with pytest.raises(UserError, match="There is no split 'tset'"):
        runs.explain(reference.path, "tset")
    result = CliRunner().invoke(main, ["explain", str(tmp_path / "nothing")])
    assert result.exit_code == 2 and "There is no run folder" in result.output
