"""What pose-nets cost: the count of operations, and the list of the presets."""

from __future__ import annotations

import json
import math

import keras
import pytest
from click.testing import CliRunner

from keras_seal import pose_nets
from keras_seal.cli import main


def test_convolutions_and_attention_count_by_hand():
    net = pose_nets.VideoPose3D("human36m_17", filter_widths=(3, 3), filters=8)
    # 9 frames: 3 after the expansion, 1 after the block (width 3, then 1), then the shrinking.
    by_hand = 2 * (3 * (3 * 34 * 8) + (3 * 8 * 8 + 8 * 8) + 8 * 51)
    assert pose_nets.flops_per_frame(net) == by_hand

    tokens = keras.Input((4, 17, 6))
    attention = keras.layers.MultiHeadAttention(2, 3, flash_attention=False)
    mixed = keras.ops.reshape(tokens, (-1, 68, 6))
    net = keras.Model(tokens, keras.ops.reshape(attention(mixed, mixed), (-1, 4, 17, 6)))
    # Query, key, value and output, then scores and mixtures of 68 tokens over 2 heads.
    by_hand = 2 * (4 * 68 * 6 * 6 + 2 * 2 * 68 * 68 * 3)
    assert pose_nets.flops_per_frame(net) == round(by_hand / 4)


@pytest.mark.parametrize(
    "preset", ["simple_baseline", "sem_gcn_non_local", "pose_former_v2_27_3_3"]
)
def test_the_list_is_up_to_date(preset):
    (row,) = (row for row in pose_nets.catalogue() if row["preset"] == preset)
    net = pose_nets.from_preset(preset, row["skeleton"])
    assert row["flops_per_frame"] == pose_nets.flops_per_frame(net)
    assert row["parameters"] == sum(math.prod(w.shape) for w in net.trainable_weights)
    assert (row["num_frames"], row["out_frames"]) == (net.num_frames, net.out_frames)


def test_the_command_lists_every_preset():
    result = CliRunner().invoke(main, ["pose-nets", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)
    assert {row["preset"] for row in rows} == set(pose_nets.presets())
    assert all(row["source"] and row["parameters"] > 1000 for row in rows)
    table = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["pose-nets"]).output
    assert all(row["preset"] in table for row in rows)
