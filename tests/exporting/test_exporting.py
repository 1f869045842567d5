"""Exported lifters: as Keras computes, whole or not at all, and well described."""

from __future__ import annotations

import importlib
import json
from functools import partial

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from keras_seal import cli, exporting, pose_nets
from keras_seal.errors import UserError
from keras_seal.exporting import FORMATS, formats, timing
from keras_seal.geometry import normalize_screen
from keras_seal.skeletons import joint_maps

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="lifters are exported by TensorFlow"
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    from keras_seal.exporting import exporter

    monkeypatch.setattr(exporter, "_BATCHES", (4,))
    monkeypatch.setattr(exporter, "_FRAMES_A_BATCH", 4)
    monkeypatch.setattr(timing, "medians", partial(timing.medians, rounds=1))


def with_random_statistics(net):
    rng = np.random.default_rng(0)
    for weight in net.weights:
        if weight.path.endswith(("moving_mean", "moving_variance", "bias", "beta")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    # Compiling would take most of the time here.
    net.jit_compile = False
    return net


@pytest.fixture(scope="module")
def baseline():
    keras.utils.set_random_seed(0)
    return with_random_statistics(
        pose_nets.SimpleBaseline("human36m_17", units=8, num_stages=1, name="baseline")
    )


@pytest.fixture(scope="module")
def graph_net():
    keras.utils.set_random_seed(1)
    return with_random_statistics(
        pose_nets.SemGCN("human36m_17", filters=4, num_blocks=1, non_local=True)
    )


@pytest.fixture(scope="module")
def temporal_net():
    keras.utils.set_random_seed(2)
    return with_random_statistics(
        pose_nets.MixSTE(
            "human36m_17", num_frames=5, channels=8, num_blocks=1, num_heads=2, input_channels=3
        )
    )


def named(folder, format):
    return folder / f"lifter{FORMATS[format].suffix}"


def opened(path, format):
    return importlib.import_module(f"keras_seal.exporting.{format}").open(path)


def people(rng, net, joints, count=6):
    """Keypoints in pixels, of images of several sizes, with confidences if the net takes them."""
    frames, channels = net.input_shape[1], net.input_shape[-1]
    sizes = np.array([[640, 480], [1920, 1080], [720, 1280]] * (count // 3), np.float32)
    shares = rng.uniform(0.1, 0.9, (count, frames, joints, 2))
    trust = rng.uniform(0.1, 1.2, (count, frames, joints, channels - 2))
    pixels = np.concatenate([shares * sizes[:, None, None], trust], axis=-1)
    return {"keypoints": pixels.astype(np.float32), "image_size": sizes}


@on_tensorflow
@pytest.mark.parametrize("format", FORMATS)
def test_pixels_of_a_detector_go_in_and_metres_come_out(format, baseline, rng, tmp_path):
    path = named(tmp_path, format)
    done = exporting.export(baseline, path, format, with_processing=True, layout="coco_17")
    inputs = people(rng, baseline, 17)
    found = opened(path, format)(inputs)
    joint_map = joint_maps.find("coco_17", "human36m_17")
    for index, (width, height) in enumerate(inputs["image_size"]):
        pixels = joint_map.apply(inputs["keypoints"][index])
        screen = normalize_screen(pixels, width, height)
        expected = baseline.predict_on_batch(screen[None])[0]
        np.testing.assert_allclose(found[index], expected, rtol=1e-5, atol=1e-5)
    card = json.loads(done.card_path.read_text())
    assert card == done.card
    assert [each["shape"] for each in card["inputs"]] == [["batch", 1, 17, 2], ["batch", 2]]
    assert card["inputs"][0]["layout"] == "coco_17" and card["joint_map"] == joint_map.name
    assert card["outputs"][0]["shape"] == ["batch", 1, 17, 3]
    assert card["parity"]["largest_difference"] <= 1e-4
    times = [row["milliseconds_a_frame"] for row in card["latency"]["medians"]]
    assert len(times) == 2 and all(set(each) == {"keras", format} for each in times)
    assert set(FORMATS[format].packages.values()) < set(card["versions"])
    files = {path.name, f"{path.name}.card.json", *(["lifter.bin"] * (format == "openvino"))}
    assert {each.name for each in tmp_path.iterdir()} == files


@on_tensorflow
@pytest.mark.parametrize("format", FORMATS)
def test_a_graph_net_alone(format, graph_net, rng, tmp_path):
    path = named(tmp_path, format)
    exporting.export(graph_net, path, format)
    run = opened(path, format)
    for count in (1, 3):
        keypoints = rng.normal(size=(count, 1, 17, 2)).astype("float32")
        expected = graph_net.predict_on_batch(keypoints)
        np.testing.assert_allclose(run({"keypoints": keypoints}), expected, atol=1e-5)


@on_tensorflow
@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_a_net_of_several_frames_and_confidences(format, temporal_net, rng, tmp_path):
    path = named(tmp_path, format)
    exporting.export(temporal_net, path, format, with_processing=True, layout="body_25")
    inputs = people(rng, temporal_net, 25, 3)
    found = opened(path, format)(inputs)
    assert found.shape == (3, 5, 17, 3)
    joint_map = joint_maps.find("body_25", "human36m_17")
    for index, (width, height) in enumerate(inputs["image_size"]):
        mapped = joint_map.apply(inputs["keypoints"][index])
        screen = normalize_screen(mapped[..., :2], width, height)
        screen = np.concatenate([screen, np.clip(mapped[..., 2:], 0, 1)], axis=-1)
        expected = temporal_net.predict_on_batch(screen[None].astype("float32"))[0]
        np.testing.assert_allclose(found[index], expected, atol=1e-5)


@on_tensorflow
def test_half_precision_is_exported_in_full(rng, tmp_path):
    net = with_random_statistics(
        pose_nets.SimpleBaseline("human36m_17", units=8, num_stages=1, dtype="mixed_bfloat16")
    )
    exporting.export(net, tmp_path / "lifter", "saved_model")
    keypoints = rng.normal(size=(3, 1, 17, 2)).astype("float32")
    found = opened(tmp_path / "lifter", "saved_model")({"keypoints": keypoints})
    difference = np.abs(found - net.predict_on_batch(keypoints)).max()
    assert 1e-4 < difference < 0.1


@on_tensorflow
def test_what_differs_from_keras_is_not_kept(baseline, tmp_path, monkeypatch):
    from keras_seal.exporting import saved_model

    true = saved_model.open

    def wrong(path):
        run = true(path)
        return lambda arrays: run(arrays) + 2e-4

    monkeypatch.setattr(saved_model, "open", wrong)
    with pytest.raises(UserError, match=r"differ from Keras by up to 0\.0002 m"):
        exporting.export(baseline, tmp_path / "lifter", "saved_model")
    assert not list(tmp_path.iterdir())


@on_tensorflow
def test_the_command(baseline, tmp_path):
    file = tmp_path / "net.keras"
    baseline.save(file)
    arguments = ["export", str(file), "--format", "saved_model", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 0, done.output
    assert "keypoints (batch, 1, 17, 2): x and y; x in [-1, 1]" in done.output
    assert "milliseconds a frame" in done.output and "Largest difference" in done.output
    assert (tmp_path / "out" / "saved_model.pb").is_file()
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 2 and "nothing is written over" in done.output
    arguments[-1:] = [str(tmp_path / "other"), "--layout", "coco_17"]
    done = CliRunner().invoke(cli.main, arguments)
    assert done.exit_code == 2 and "--with-processing" in done.output


def test_what_is_wrong_is_said(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no export format 'onxx'\. Did you mean 'onnx'"):
        exporting.check("onxx", tmp_path / "lifter.onnx")
    with pytest.raises(UserError, match=r"SavedModel is a folder; 'lifter.onnx'"):
        exporting.check("saved_model", tmp_path / "lifter.onnx")
    (tmp_path / "lifter.bin").touch()
    with pytest.raises(UserError, match=r"lifter.bin is there already"):
        exporting.check("openvino", tmp_path / "lifter.xml")
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'needs tf2onnx, onnx, onnxruntime: pip install "keras-'):
        exporting.check("onnx", tmp_path / "lifter.onnx")


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="here it is exported")
def test_another_backend_is_told_which_one_exports(baseline, tmp_path):
    with pytest.raises(UserError, match="set KERAS_BACKEND=tensorflow"):
        exporting.export(baseline, tmp_path / "lifter", "saved_model")
    assert not list(tmp_path.iterdir())
