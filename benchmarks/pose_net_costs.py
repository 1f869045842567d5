"""Count the weights and operations of every preset, for `keras-seal pose-nets`.

    python benchmarks/pose_net_costs.py [PRESET ...]

Writes `keras_seal/pose_nets/costs.json`; with names, only those entries change. Run it after
adding a preset or changing a net.
"""

from __future__ import annotations

import gc
import json
import math
import sys
from pathlib import Path

import keras

from keras_seal import pose_nets
from keras_seal.pose_nets import costs

FILE = Path(costs.__file__).with_name("costs.json")


def main() -> None:
    """Build the presets one after the other."""
    known = pose_nets.presets()
    found = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
    found = {name: entry for name, entry in found.items() if name in known}
    for name in sys.argv[1:] or known:
        skeleton = pose_nets.usual_skeleton(name)
        net = pose_nets.from_preset(name, skeleton)
        found[name] = {
            "skeleton": skeleton,
            "num_frames": net.num_frames,
            "out_frames": net.out_frames,
            "parameters": sum(math.prod(w.shape) for w in net.trainable_weights),
            "flops_per_frame": costs.flops_per_frame(net),
        }
        print(name, found[name], flush=True)
        del net
        keras.utils.clear_session()
        gc.collect()
    ordered = {name: found[name] for name in known if name in found}
    FILE.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
