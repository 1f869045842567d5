"""P-STMO's pre-training: what is hidden stays hidden, and what was learnt moves on."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_seal import interop, pose_nets
from keras_seal.interop import pstmo
from keras_seal.pose_nets.pstmo_pretraining import HiddenParts, MaskedKeypoints
from tests.checks import forward, randomize, to_numpy

SMALL = {"num_frames": 6, "channels": 8, "hidden": 8, "num_blocks": 2, "num_heads": 2}


def make(**options):
    options = {**SMALL, "masked_frames": 4, "masked_joints": 3, "dropout": 0.0, **options}
    return MaskedKeypoints("human36m_17", **options)


def test_hidden_frames_and_joints_do_not_matter(rng):
    net = make()
    randomize(net)
    x = rng.uniform(-1, 1, (2, 6, 17, 2)).astype("float32")
    order = np.repeat(np.array([[4, 1, 0, 2, 3, 5]], "int32"), 2, 0)
    joints = np.zeros((2, 6, 17), "float32")
    joints[:, :, :3] = 1.0
    guess = to_numpy(forward(net.guesser, [x, order, joints]))
    assert guess.shape == x.shape
    for frames, part, seen in (
        ([0, 2, 3, 5], slice(None), False),
        ([1, 4], slice(0, 3), False),
        ([1], slice(3, 4), True),
        ([4], slice(16, 17), True),
    ):
        other = x.copy()
        other[:, frames, part] += 0.5
        moved = np.abs(to_numpy(forward(net.guesser, [other, order, joints])) - guess).max()
        assert (moved > 1e-4) == seen, (frames, part, moved)
    # The order within the visible and within the hidden frames does not matter.
    turned = order[:, [1, 0, 5, 3, 2, 4]]
    again = to_numpy(forward(net.guesser, [x, turned, joints]))
    np.testing.assert_allclose(again, guess, rtol=1e-4, atol=1e-4)


def test_draws_hide_as_many_as_asked_for_and_change(rng):
    layer = HiddenParts(5, seed=0)
    x = np.zeros((3, 20, 17, 2), "float32")
    orders, masks = zip(*(map(to_numpy, layer(x)) for _ in range(2)), strict=True)
    for order, mask in zip(orders, masks, strict=True):
        assert (np.sort(order, 1) == np.arange(20)).all() and (order == order[:1]).all()
        assert (mask.sum(-1) == 5).all() and (mask[..., -1] == 0).all()
        assert mask[0].any(0)[:16].all()
    assert (orders[0] != orders[1]).any() and (masks[0] != masks[1]).any()


def test_training_and_transfer(rng, tmp_path):
    keras.utils.set_random_seed(0)
    net = make(seed=1)
    x = np.repeat(rng.uniform(-1, 1, (1, 6, 17, 2)), 8, 0).astype("float32")
    net.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    losses = [float(net.train_on_batch(x, x)) for _ in range(40)]
    assert np.isfinite(losses).all() and np.mean(losses[-5:]) < 0.8 * losses[0]
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.get_config() == net.get_config()
    lifter = pose_nets.PSTMO("human36m_17", **SMALL)
    loaded.transfer(lifter)
    for name in ("encoder_dense", "encoder_b_norm", "frame_embedding", "frame_1_feed_forward"):
        pairs = zip(
            net.guesser.get_layer(name).get_weights(),
            lifter.get_layer(name).get_weights(),
            strict=True,
        )
        for learnt, given in pairs:
            np.testing.assert_array_equal(learnt, given)
    with pytest.raises(ValueError, match="frame_1"):
        net.transfer(pose_nets.PSTMO("human36m_17", **{**SMALL, "num_blocks": 1}))


def test_published_names_and_size():
    net = MaskedKeypoints("human36m_17", 9, 5, channels=32, hidden=64, num_blocks=2)
    # Published 34,068, less the two norms that are never applied.
    count = sum(int(np.prod(w.shape)) for w in net.trainable_weights)
    assert count == 34_068 - 2 * 32 - 2 * 16
    targets = pstmo.pretraining_targets(net)
    for name, shape in (
        ("dec_pos_embedding", (1, 9, 16)),
        ("mask_token", (1, 1, 16)),
        ("spatial_mask_token", (1, 1, 2)),
        ("Transformer_dec.model.layers.0.self_attn.linears.2.weight", (16, 16)),
        ("Transformer_dec.model.layers.0.feed_forward.w_1.weight", (32, 16)),
        ("encoder_to_decoder.weight", (16, 32)),
        ("encoder_LN.a_2", (32,)),
        ("fcn_dec.1.weight", (34, 16, 1)),
        ("encoder.fc_1.weight", (64, 34, 1)),
    ):
        target = targets[name]
        array = target.transform(np.zeros(shape))
        assert array.shape == to_numpy(target.variable)[target.part].shape, name
    with pytest.raises(interop.base.UserError, match="lacks"):
        interop.load_state_dict(net, {"mask_token": np.zeros((1, 1, 16))}, targets)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"masked_frames": 6}, "masked_frames"),
        ({"masked_joints": 17}, "masked_joints"),
        ({"channels": 7}, "even"),
    ],
)
def test_senseless_numbers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
