"""Comparisons of runs, on outcomes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from keras_seal.errors import UserError
from keras_seal.evaluation.comparing import Outcome, compare, read_outcome

COUNT = 60
NAMES = tuple(f"sequence {index}" for index in range(COUNT))


def outcome(label, seed, values, frames=None, names=NAMES):
    frames = np.full(COUNT, 100.0) if frames is None else frames
    return Outcome(label, seed, names, frames, values)


@pytest.fixture
def hard(rng):
    """How hard each sequence is: far more of the spread than any model."""
    return rng.normal(50.0, 15.0, COUNT)


def test_a_paired_difference_is_seen_through_the_spread_of_sequences(hard, rng):
    runs = [
        outcome(label, seed, {"mpjpe": hard + shift + rng.normal(0, 1, COUNT)})
        for label, shift in (("plain", 0.0), ("better", -2.0), ("alike", 0.0))
        for seed in range(3)
    ]
    better, alike = compare(runs, resamples=2000)
    assert (better.baseline, better.other, better.winner) == ("plain", "better", "better")
    assert better.difference.value == pytest.approx(-2.0, abs=0.4)
    assert better.difference.low < -2.0 < better.difference.high < 0
    # Each sequence's difference is known to 1 * sqrt(2 / 3), their mean to that over sqrt(60).
    width = better.difference.high - better.difference.low
    assert 0.5 < width / (2 * 1.96 * (2 / 3 / COUNT) ** 0.5) < 2.5
    assert alike.winner is None and not alike.difference.clear
    assert compare(runs, resamples=2000) == [better, alike]  # the same draws again
    runs = [outcome(each.label, each.seed, {"pck": each.values["mpjpe"]}) for each in runs]
    assert compare(runs, metrics=["pck"], resamples=500)[0].winner == "plain"  # more is better


def test_seeds_that_scatter_leave_no_winner(hard, rng):
    # Each run is far off in its own way; three runs do not tell that one label is better.
    runs = [
        outcome(label, seed, {"mpjpe": hard + off + rng.normal(0, 0.1, COUNT)})
        for label, offs in (("a", (0.0, 5.0, -5.0)), ("b", (4.0, -6.0, 0.0)))
        for seed, off in enumerate(offs)
    ]
    assert compare(runs, resamples=2000)[0].winner is None
    # One seed of each, and sequences alone would call it clear.
    assert compare([runs[0], runs[3]], resamples=2000)[0].winner == "a"


def test_means_are_over_frames(hard):
    frames = np.where(np.arange(COUNT) < 10, 1000.0, 10.0)
    other = np.where(np.arange(COUNT) < 10, hard + 1.0, hard - 1.0)
    runs = [outcome("a", 0, {"mpjpe": hard}, frames), outcome("b", 0, {"mpjpe": other}, frames)]
    found = compare(runs, resamples=200)[0]
    assert found.baseline_value == pytest.approx(np.average(hard, weights=frames))
    assert found.difference.value == pytest.approx(np.average(other - hard, weights=frames))
    # Sequences without a value do not count.
    velocity = hard.copy()
    velocity[20:] = np.nan
    runs = [outcome("a", 0, {"mpjve": velocity}), outcome("b", 0, {"mpjve": velocity - 1.0})]
    found = compare(runs, resamples=200)[0]
    assert found.baseline_value == pytest.approx(hard[:20].mean())
    assert found.difference.value == pytest.approx(-1.0)


def test_the_gain_at_equal_error_takes_the_error_away(hard, rng):
    # Symmetry follows the error at a slope of 0.4; "follows" gains no more than that explains,
    # "gains" is 3 mm better beside.
    def run(label, shift, gain):
        p = hard + shift + rng.normal(0, 0.2, COUNT)
        return outcome(label, 0, {"p_mpjpe": p, "lse": 0.4 * p - gain + rng.normal(0, 0.2, COUNT)})

    runs = [run("plain", 0.0, 0.0), run("follows", -5.0, 0.0), run("gains", -5.0, 3.0)]
    found = {each.other: each for each in compare(runs, metrics=["lse"], resamples=1000)}
    assert found["follows"].difference.value == pytest.approx(-2.0, abs=0.2)
    assert found["follows"].at_equal_p_mpjpe.value == pytest.approx(0.0, abs=0.2)
    assert found["gains"].at_equal_p_mpjpe.value == pytest.approx(-3.0, abs=0.2)
    assert found["gains"].at_equal_p_mpjpe.clear
    assert compare(runs, metrics=["p_mpjpe"], resamples=200)[0].at_equal_p_mpjpe is None


def test_what_cannot_be_compared_is_told(hard, tmp_path):
    one, two = (outcome(label, 0, {"mpjpe": hard}) for label in "ab")
    with pytest.raises(UserError, match="needs runs of two labels at least, got a"):
        compare([one, one])
    other = outcome("b", 3, {"mpjpe": hard}, names=NAMES[::-1])
    with pytest.raises(UserError, match=r"'b' \(seed 3\) was measured on other sequences than 'a'"):
        compare([one, other])
    with pytest.raises(UserError, match="Not all runs have the metric 'lse'; all have mpjpe"):
        compare([one, two], metrics=["lse"])
    with pytest.raises(UserError, match="`resamples` must be at least 100"):
        compare([one, two], resamples=5)
    with pytest.raises(UserError, match="measure the run by keras-seal evaluate first"):
        read_outcome(tmp_path / "sequences.csv", "a", 0)
    path = tmp_path / "sequences.csv"
    path.write_text("name,subject,action,frames,mpjpe,mpjve\nx,S1,Walk,4,20.5,\ny,S1,Sit,2,1,3\n")
    read = read_outcome(path, "a", 7)
    assert (read.label, read.seed, read.sequences) == ("a", 7, ("S1|Walk|x", "S1|Sit|y"))
    np.testing.assert_array_equal(read.values["mpjve"], [np.nan, 3.0])
    path.write_text("name,subject,action,frames,mpjpe\nx,S1,Walk,4,many\n")
    with pytest.raises(UserError, match="is damaged"):
        read_outcome(path, "a", 7)
    path.write_text("nothing\n")
    with pytest.raises(UserError, match="is no table of sequences"):
        read_outcome(path, "a", 7)
