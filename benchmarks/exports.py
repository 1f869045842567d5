"""Export every pose-net, small, to every format; print how near to Keras and how fast it is.

    python benchmarks/exports.py [--nets SemGCN MixSTE] [--formats onnx litert] [--plain]

Weights are random, statistics of batch normalisation included. Times are medians by turns in one
process: the exported file beside `predict_on_batch` of Keras on TensorFlow. Exports hold pre- and
post-processing unless --plain is given. An export that fails is a row with its message.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

ATTENTION = {"num_blocks": 1, "num_heads": 2}
SMALL = {
    "D3DP": {"num_frames": 9, "channels": 32, "num_hypotheses": 2, **ATTENTION},
    "DSTformer": {"num_frames": 9, "channels": 32, "num_layers": 1, "num_heads": 2},
    "GraphMLP": {"filters": 32, "num_blocks": 1},
    "JointFormer": {"channels": 32, **ATTENTION, "head_channels": 8, "hidden": 32},
    "KTPFormer": {"num_frames": 9, "channels": 32, **ATTENTION},
    "LargeSimpleBaseline": {"units": 64, "num_stages": 1},
    "MixSTE": {"num_frames": 9, "channels": 32, **ATTENTION},
    "ModulatedGCN": {"filters": 32, "num_blocks": 1, "non_local": True},
    "MotionAGFormer": {"num_frames": 9, "channels": 32, "num_layers": 1, "num_heads": 2},
    "PSTMO": {"num_frames": 9, "channels": 32, "hidden": 32, **ATTENTION},
    "PoseFormer": {"num_frames": 9, "joint_channels": 8, **ATTENTION},
    "PoseFormerV2": {"num_frames": 9, "joint_channels": 8, **ATTENTION},
    "SemGCN": {"filters": 32, "num_blocks": 1, "non_local": True},
    "SimpleBaseline": {"units": 64, "num_stages": 1},
    "VideoPose3D": {"filter_widths": (3, 3), "filters": 32},
}


def main() -> None:
    """Print a table, row by row."""
    from keras_seal import exporting
    from keras_seal.exporting.formats import FORMATS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=list(SMALL), default=list(SMALL))
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--plain", action="store_true", help="without processing")
    given = parser.parse_args()
    processing = {} if given.plain else {"with_processing": True, "layout": "coco_17"}
    print(
        "| net | format | largest difference, mm | 1 window, ms a frame | ÷ Keras "
        "| batch, ms a frame | ÷ Keras |\n| --- | --- | --- | --- | --- | --- | --- |",
        flush=True,
    )
    for name in given.nets:
        net = random_net(name)
        for format in given.formats:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"net{FORMATS[format].suffix}"
                try:
                    card = exporting.export(net, path, format, **processing).card
                except ValueError as error:
                    print(f"| {name} | {format} | {error} | | | | |", flush=True)
                    continue
            cells = [f"{1e3 * card['parity']['largest_difference']:.1e}"]
            for row in card["latency"]["medians"]:
                bare, exported = row["milliseconds_a_frame"].values()
                cells += [f"{exported:.3g}", f"{exported / bare:.2f}"]
            print(f"| {name} | {format} | {' | '.join(cells)} |", flush=True)


def random_net(name: str):
    """Build a small net all of whose weights matter."""
    import keras
    import numpy as np

    from keras_seal import pose_nets

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    net = pose_nets.get(name, skeleton="human36m_17", **SMALL[name])
    for weight in net.weights:
        if weight.dtype == "float32":
            spread = rng.normal(0, 0.1, weight.shape)
            weight.assign(1 + np.abs(spread) if "variance" in weight.path else weight + spread)
    return net


if __name__ == "__main__":
    main()
