"""Who is who, and what lies between the detections."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import savgol_filter

from keras_seal.data.keypoint_files import Detections, Track
from keras_seal.errors import UserError
from keras_seal.inference import pieces, smoother, track
from keras_seal.inference.filling import BRIDGED, DETECTED, GUESSED
from keras_seal.skeletons import joint_maps

SAME = joint_maps.find("coco_17", "coco_17")


def person(rng, place, size=200.0):
    return np.concatenate([place + size * rng.random((17, 2)), np.full((17, 1), 0.9)], axis=1)


@pytest.mark.parametrize("hidden", [0, 4, 8])
@pytest.mark.parametrize("seed", range(4))
def test_people_who_cross_keep_their_identity(hidden, seed):
    rng = np.random.default_rng(seed)
    shapes = [person(rng, np.zeros(2)) for _ in range(3)]
    paths = [((100, 300), (12, 0)), ((1300, 320), (-14, 1)), ((700, 0), (0, 11))]
    frames, rows, owners = [], [], []
    for frame in range(90):
        people = [0, 1, 2]
        rng.shuffle(people)
        for who in people:
            # One of them is hidden while the others are in front.
            if who == 1 and 44 <= frame < 44 + hidden:
                continue
            start, speed = np.array(paths[who])
            keypoints = shapes[who].copy()
            keypoints[:, :2] += start + frame * speed + rng.normal(0, 2.0, (17, 2))
            keypoints[rng.random(17) < 0.1] = (np.nan, np.nan, 0)
            frames.append(frame)
            rows.append(keypoints)
            owners.append(who)
    found = track(Detections(frames, np.array(rows)))
    assert sorted(len(each) for each in found) == [90 - hidden, 90, 90]
    order = {row.tobytes(): owner for row, owner in zip(np.array(rows), owners, strict=True)}
    for each in found:
        assert len({order[row.tobytes()] for row in each.keypoints}) == 1


def test_tracks_end_after_the_gap_and_strangers_are_no_continuation(rng):
    shape = person(rng, np.array([300.0, 300.0]))
    away = Detections([0, 1, 2, 20, 21], np.stack([shape] * 5))
    assert [len(each) for each in track(away, max_gap=5)] == [3, 2]
    assert [len(each) for each in track(away, max_gap=20)] == [5]
    other = shape + np.array([900.0, 0, 0])
    assert len(track(Detections([0, 1], np.stack([shape, other])))) == 2
    assert track(Detections([], np.empty((0, 17, 3)))) == ()
    with pytest.raises(UserError, match="0 frames or more"):
        track(away, max_gap=-1)


def test_gaps_are_bridged_and_longer_ones_marked():
    frames = np.array([0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 30])
    keypoints = np.zeros((11, 17, 3))
    keypoints[..., 0] = 10.0 + frames[:, None]
    keypoints[..., 1], keypoints[..., 2] = 7.0, 0.5
    keypoints[3:9, 2] = (np.nan, np.nan, 0)  # the right eye, frames 5 to 10
    keypoints[:, 4] = (np.nan, np.nan, 0)  # the right ear, always
    keypoints[8:10, 0] = (np.nan, np.nan, 0)  # the nose at the end of the first piece
    first, second = pieces(Track(frames, keypoints, id=3), SAME, max_gap=4)
    assert (len(first), second.first_frame, len(second)) == (12, 30, 1)
    ((filled, states),) = first.chunks()
    others = [0, 1, 2, 3, *range(5, 17)]
    others.remove(0)
    np.testing.assert_allclose(filled[:, others, 0], 10.0 + np.arange(12)[:, None] * np.ones(15))
    assert (states[2:4, 1] == BRIDGED).all()  # nobody there, two frames
    assert (states[[0, 1, 4], 1] == DETECTED).all()
    assert (states[5:11, 2] == GUESSED).all()  # six frames
    assert (states[10:12, 0] == BRIDGED).all()  # held at the end
    assert (filled[10:12, 0, 0] == filled[9, 0, 0]).all()
    assert (states[:, 4] == GUESSED).all()
    np.testing.assert_array_equal(filled[:, 4, :2], filled[:, 0, :2])  # where the nose is
    assert (filled[..., 2][states == GUESSED] == 0).all()
    assert pieces(Track(frames, keypoints), SAME, max_gap=4, min_confidence=0.6) == []


def test_filling_in_chunks_is_filling_at_once(rng, monkeypatch):
    frames = np.sort(rng.choice(400, 250, replace=False))
    keypoints = np.concatenate([100 * rng.random((250, 17, 2)), np.ones((250, 17, 1))], axis=-1)
    keypoints[rng.random((250, 17)) < 0.3] = (np.nan, np.nan, 0)
    (piece,) = pieces(Track(frames, keypoints), SAME, max_gap=50)
    ((whole, states),) = piece.chunks()
    monkeypatch.setattr("keras_seal.inference.filling.CHUNK", 7)
    parts = list(piece.chunks())
    np.testing.assert_allclose(np.concatenate([part[0] for part in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), states)


@pytest.mark.parametrize("frames", [1, 2, 4, 30, 95])
def test_smoothing_in_chunks_is_smoothing_at_once(rng, monkeypatch, frames):
    poses = rng.normal(size=(frames, 17, 3))
    monkeypatch.setattr("keras_seal.inference.smoothing._CHUNK", 20)
    smooth = np.concatenate(list(smoother("savgol", 30)(poses)))
    window = min(9, frames if frames % 2 else frames - 1)
    expected = poses if window < 3 else savgol_filter(poses, window, min(3, window - 1), axis=0)
    np.testing.assert_allclose(smooth, expected, atol=1e-12)


def test_one_euro_leaves_rest_at_rest_and_follows_motion(rng):
    smooth = smoother("one-euro", 30)
    rest = np.concatenate(list(smooth(0.01 * rng.normal(size=(300, 17, 3)))))
    assert rest[30:].std() < 0.005
    fast = np.linspace(0, 10, 300)[:, None, None] * np.ones((17, 3))
    assert np.abs(np.concatenate(list(smooth(fast)))[100:] - fast[100:]).max() < 0.12
    assert smoother("none", 30) is None
    with pytest.raises(UserError, match="Did you mean 'savgol'"):
        smoother("savgl", 30)
