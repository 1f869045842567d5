"""Time every pose-net's forward pass and training step, beside its original in eager PyTorch.

    python benchmarks/pose_nets.py [--originals CHECKOUTS] [--nets mix_ste,...] [--rounds 5]
        [--backends tensorflow,jax] [--out FILE.json]

Published sizes; one training step is MPJPE and Adam, on random numbers. For each net the
processes (one a Keras backend, one for eager PyTorch) take turns, a step of each kind a round, and
the figures are medians over the rounds; compare them within one net only. CHECKOUTS is a folder of
the public repositories, one folder a net, at the commits that the runners in benchmarks/parity
name (see `originals.py`); without it, or for a net that is not in it, Keras is timed alone. Prints
a Markdown table; with --out, all figures are kept as JSON after each net, and nets which are
in there already are not timed again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
from pathlib import Path

import turns

# The published nets for 16 joints.
_16 = {"skeleton": "human36m_16"}
# Batches as in the public training recipes, or what two cores train in seconds: (preset, changes
# of its options, batch).
NETS = {
    "simple_baseline": ("simple_baseline", _16, 1024),
    "simple_baseline_large": ("simple_baseline_large", _16, 1024),
    "sem_gcn": ("sem_gcn", _16, 1024),
    "sem_gcn_non_local": ("sem_gcn_non_local", _16, 1024),
    "modulated_gcn": ("modulated_gcn", _16, 1024),
    "modulated_gcn_cpn": ("modulated_gcn_cpn", {}, 256),
    "graph_mlp": ("graph_mlp_1", {}, 256),
    "graph_mlp_27": ("graph_mlp_27", {}, 256),
    "video_pose_3d": ("video_pose_3d_243", {}, 128),
    "pose_former": ("pose_former_81", {}, 32),
    "pose_former_v2": ("pose_former_v2_81_3_3", {}, 64),
    # Trained on all frames and the centre one.
    "pstmo": ("pstmo_243", {"out_frames": 243}, 16),
    "mix_ste": ("mixste_27", {}, 8),
    "ktp_former": ("ktp_former_27", {}, 8),
    "joint_former": ("joint_former", {}, 256),
    "large_simple_baseline": ("large_simple_baseline_h3wb", {}, 1024),
    "motion_ag_former_xs": ("motion_ag_former_xs", {"graph": "published", "input_channels": 2}, 8),
    "motion_ag_former_b": (
        "motion_ag_former_b",
        {"num_frames": 27, "graph": "published", "input_channels": 2},
        8,
    ),
    "dstformer": ("dstformer", {"num_frames": 27, "input_channels": 2}, 8),
    "dstformer_lite": ("dstformer_lite", {"num_frames": 27, "input_channels": 2}, 8),
    # Its denoiser: what a training step runs, and each of its sampling steps.
    "d3dp": ("d3dp_243", {"num_frames": 27}, 8),
}
EAGER = "eager_pytorch"
STEPS = ("forward", "training_step")


def keras_steps(net: str) -> tuple[dict, dict]:
    """Build and compile a net under the Keras backend of this process."""
    import keras
    import numpy as np

    import keras_seal as ks
    from keras_seal import pose_nets

    preset, options, batch = NETS[net]
    lifter = pose_nets.from_preset(
        preset, **{"skeleton": pose_nets.usual_skeleton(preset), **options}
    )
    model = ks.SEALPose(lifter)
    model.compile(keras.optimizers.Adam(1e-4), loss="mpjpe")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (batch, *lifter.input_shape[1:])).astype("float32")
    y = rng.normal(0, 0.3, (batch, *lifter.output_shape[1:])).astype("float32")
    steps = {
        "forward": lambda: model.predict_on_batch(x),
        "training_step": lambda: model.train_on_batch(x, y),
    }
    facts = {
        "batch": batch,
        "frames": lifter.num_frames,
        "parameters": sum(int(np.prod(w.shape)) for w in lifter.trainable_weights),
        "flops_per_frame": ks.pose_nets.flops_per_frame(lifter),
    }
    return steps, facts


def eager_steps(net: str, checkouts: Path) -> tuple[dict, dict]:
    """Build the original and an ordinary training step around it."""
    import originals
    import torch

    _, _, batch = NETS[net]
    module, call, x, y = originals.build(net, checkouts, batch)
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], 1e-4)

    def forward() -> None:
        module.eval()
        with torch.no_grad():
            call(x).numpy()

    def training_step() -> None:
        module.train()
        optimizer.zero_grad()
        loss = torch.linalg.vector_norm(call(x) - y, dim=-1).mean()
        loss.backward()
        optimizer.step()
        loss.item()

    return {"forward": forward, "training_step": training_step}, {}


def measure(net: str, options: argparse.Namespace) -> dict:
    """Time one net on all backends."""
    workers = {}
    for backend in options.backends.split(","):
        workers[backend] = turns.Worker(__file__, ["--worker", backend, "--nets", net], backend)
    if options.originals and (options.originals / _folder(net)).is_dir():
        arguments = ["--worker", EAGER, "--nets", net, "--originals", str(options.originals)]
        workers[EAGER] = turns.Worker(__file__, arguments)
    facts: dict = {}
    for worker in workers.values():
        facts.update(worker.ready())
    del facts["steps"]
    seconds: dict = {name: {step: [] for step in STEPS} for name in workers}
    for _ in range(options.rounds):
        for step in STEPS:
            for name, worker in workers.items():
                seconds[name][step].append(worker.seconds(step))
    for worker in workers.values():
        worker.close()
    milliseconds = {
        name: {step: round(1e3 * statistics.median(s), 2) for step, s in steps.items()}
        for name, steps in seconds.items()
    }
    return {**facts, "milliseconds": milliseconds}


def _folder(net: str) -> str:
    import originals

    return originals.FOLDERS.get(net, "nothing")


def table(results: dict[str, dict]) -> str:
    """A row a net; the fastest Keras backend counts."""
    head = "| net | weights | FLOPs a frame | batch x frames | forward, ms | training step, ms | "
    lines = [head + "PyTorch ÷ Keras, forward | PyTorch ÷ Keras, training |", "| --- " * 8 + "|"]
    for net, result in results.items():
        times = result["milliseconds"]
        cells = []
        for step in STEPS:
            best = min((times[b][step], b) for b in times if b != EAGER)
            cells.append((f"{best[0]:.0f} ({best[1]})", best[0]))
        eager = [
            f"{times[EAGER][step] / cell[1]:.2f}" if EAGER in times else "not measured"
            for step, cell in zip(STEPS, cells, strict=True)
        ]
        row = [
            net,
            f"{result['parameters'] / 1e6:.2f} M",
            f"{result['flops_per_frame'] / 1e6:.1f} M",
            f"{result['batch']} x {result['frames']}",
            *(text for text, _ in cells),
            *eager,
        ]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    """Time net after net and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--originals", type=Path)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--backends", default="tensorflow,jax")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.stdout = sys.stderr
        eager = options.worker == EAGER
        made = eager_steps(options.nets, options.originals) if eager else keras_steps(options.nets)
        turns.answer(made[0], **made[1])
        return
    if options.originals and not importlib.util.find_spec("torch"):
        parser.error("--originals needs PyTorch.")
    unknown = set(options.nets.split(",")) - set(NETS)
    if unknown:
        parser.error(f"No such net: {', '.join(unknown)}. There are {', '.join(NETS)}.")
    results: dict = {}
    if options.out and options.out.is_file():
        results = json.loads(options.out.read_text("utf-8"))["nets"]
    for net in options.nets.split(","):
        if net not in results:
            results[net] = measure(net, options)
            print(net, results[net]["milliseconds"], file=sys.stderr, flush=True)
        if options.out:
            report = {"cores": os.cpu_count(), "rounds": options.rounds, "nets": results}
            options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
