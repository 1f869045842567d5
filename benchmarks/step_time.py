"""Time a training step: plain, with SEAL, and the loss-net's own work.

    python benchmarks/step_time.py [--out step_time.json] [--rounds 7] [--batch 1024]

Prints JSON. Each backend runs in a process of its own; the processes take turns, one step of each
kind a round, so that a slow moment of the machine meets all of them alike. Figures are medians
over the rounds, in milliseconds; compare them within one run only.

For SimpleBaseline-large and SemGCN-128 with the MLP loss-net, one prediction negative, Adam:

- `plain`: the pose-net alone, by Keras' own trainer;
- `loss_net_work`: the loss-net's update on 2 x batch pairs, and one pass with the gradient by the
  pose on batch pairs;
- `seal_shared`, `seal_inference`: `SEALPose` with either way of making negatives.

`eager_pytorch` does the same as an ordinary PyTorch program does: for SEAL an inference pass of
the pose-net, separate loss-net passes for prediction and truth, then a second pose-net pass with
the loss-net frozen.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys

import turns

NETS = ("simple_baseline_large", "sem_gcn")
STEPS = ("plain", "loss_net_work", "seal_shared", "seal_inference")


def keras_steps(net: str, batch: int) -> dict:
    """Compile the four steps under the Keras backend of this process."""
    import keras
    import numpy as np

    import keras_seal as ks

    class LossNetWork(ks.SEALPose):
        """Does the loss-net's share of a SEAL step, with the input as the prediction."""

        def seal_train_step(self, data):
            x, y = data[:2]
            x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
            y_pred = y + 0.02
            found = self._update_loss_net(x, y, y_pred, None)
            _, pull = self._value_and_gradient(
                lambda p: keras.ops.mean(self._energy(self._condition(x, y), p, False)), y_pred
            )
            return {"loss": found["loss_net_loss"], "pull": keras.ops.sum(pull)}

    rng = np.random.default_rng(0)
    data = (
        rng.normal(0, 0.3, (batch, 1, 17, 2)).astype("float32"),
        rng.normal(0, 0.3, (batch, 1, 17, 3)).astype("float32"),
    )

    def pose_net():
        return ks.pose_nets.get(net, skeleton="human36m_17")

    def compiled(kind):
        if kind == "plain":
            model = pose_net()
            model.compile(keras.optimizers.Adam(1e-3), loss=ks.losses.MPJPE(), **default_jit())
            return model
        cls = LossNetWork if kind == "loss_net_work" else ks.SEALPose
        model = cls(
            pose_net(),
            ks.loss_nets.MLPLossNet("human36m_17"),
            negatives_pass="inference" if kind == "seal_inference" else "shared",
        )
        model.compile(
            keras.optimizers.Adam(1e-3), "mpjpe", keras.optimizers.Adam(1e-4), energy_weight=5e-3
        )
        return model

    def default_jit():
        """The plain step runs compiled the same way as SEALPose does by default."""
        probe = ks.SEALPose(pose_net())
        probe.compile()
        return {"jit_compile": probe.jit_compile}

    models = {kind: compiled(kind) for kind in STEPS}
    return {kind: lambda m=model: m.train_on_batch(*data) for kind, model in models.items()}


def eager_pytorch_steps(net: str, batch: int) -> dict:
    """The same steps as a plain PyTorch program."""
    import torch
    from torch import nn
    from torch.nn import functional

    parents = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]

    class Block(nn.Sequential):
        def __init__(self, inputs, units, norm=True):
            super().__init__(
                nn.Linear(inputs, units),
                *([nn.BatchNorm1d(units)] if norm else []),
                nn.ReLU(),
                nn.Dropout(0.5),
            )

    class Residual(nn.Module):
        def __init__(self, units, norm):
            super().__init__()
            self.a, self.b = Block(units, units, norm), Block(units, units, norm)

        def forward(self, x):
            return x + self.b(self.a(x))

    def multilayer(inputs, units, stages, outputs, norm):
        return nn.Sequential(
            Block(inputs, units, norm),
            *[Residual(units, norm) for _ in range(stages)],
            nn.Linear(units, outputs),
        )

    class SimpleBaseline(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = multilayer(34, 2048, 3, 51, True)

        def forward(self, x):
            return self.net(x.flatten(1)).view(-1, 17, 3)

    class Graph(nn.Module):
        """A semantic graph convolution: a weight for itself, one for the neighbours."""

        def __init__(self, inputs, outputs):
            super().__init__()
            edges = torch.eye(17, dtype=torch.bool)
            for child, parent in enumerate(parents):
                if parent >= 0:
                    edges[child, parent] = edges[parent, child] = True
            self.register_buffer("edges", edges)
            self.logits = nn.Parameter(torch.ones(int(edges.sum())))
            self.weights = nn.Parameter(torch.randn(2, inputs, outputs) * 0.05)
            self.bias = nn.Parameter(torch.zeros(outputs))

        def forward(self, x):
            scores = torch.full((17, 17), -9e15)
            scores[self.edges] = self.logits
            shares = functional.softmax(scores, dim=1)
            own = torch.eye(17)
            return (
                torch.matmul(shares * own, torch.matmul(x, self.weights[0]))
                + torch.matmul(shares * (1 - own), torch.matmul(x, self.weights[1]))
                + self.bias
            )

    class GraphBlock(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.graph, self.norm = Graph(inputs, outputs), nn.BatchNorm1d(outputs)

        def forward(self, x):
            return functional.relu(self.norm(self.graph(x).transpose(1, 2)).transpose(1, 2))

    class SemGCN(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = GraphBlock(2, 128)
            self.pairs = nn.ModuleList(
                nn.Sequential(GraphBlock(128, 128), GraphBlock(128, 128)) for _ in range(4)
            )
            self.last = Graph(128, 3)

        def forward(self, x):
            x = self.stem(x)
            for pair in self.pairs:
                x = x + pair(x)
            return self.last(x)

    class Energy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = multilayer(85, 1024, 2, 1, False)

        def forward(self, x, pose):
            return self.net(torch.cat([x.flatten(1), pose.flatten(1)], 1))[:, 0]

    torch.manual_seed(0)
    x, y = 0.3 * torch.randn(batch, 17, 2), 0.3 * torch.randn(batch, 17, 3)
    pose_net = SimpleBaseline() if net == "simple_baseline_large" else SemGCN()
    energy = Energy()
    pose_optimizer = torch.optim.Adam(pose_net.parameters(), 1e-3)
    energy_optimizer = torch.optim.Adam(energy.parameters(), 1e-4)

    def error(pose):
        return (pose - y).norm(dim=-1).mean(1)

    def update(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def loss_net_step(pose):
        violation = 10 * error(pose) - energy(x, pose) + energy(x, y)
        return update(energy_optimizer, violation.clamp(min=0).mean())

    def plain():
        return update(pose_optimizer, error(pose_net(x)).mean())

    def loss_net_work():
        pose = y + 0.02
        loss_net_step(pose)
        pose.requires_grad_(True)
        return torch.autograd.grad(energy(x, pose).mean(), pose)[0].sum().item()

    def seal():
        pose_net.eval()
        with torch.no_grad():
            pose = pose_net(x)
        pose_net.train()
        loss_net_step(pose)
        for parameter in energy.parameters():
            parameter.requires_grad_(False)
        pose = pose_net(x)
        loss = update(pose_optimizer, error(pose).mean() + 5e-3 * energy(x, pose).mean())
        for parameter in energy.parameters():
            parameter.requires_grad_(True)
        return loss

    return {"plain": plain, "loss_net_work": loss_net_work, "seal_inference": seal}


def work(which: str, batch: int) -> None:
    """Prepare the steps of one backend and run them when asked."""
    make = eager_pytorch_steps if which == "eager_pytorch" else keras_steps
    turns.answer({f"{net} {kind}": step for net in NETS for kind, step in make(net, batch).items()})


def ratios(steps: dict[str, float]) -> dict[str, float]:
    """What the figures of one backend and net say about each other."""
    found = {}
    for kind in ("seal_shared", "seal_inference"):
        if kind in steps:
            found[f"{kind} / plain"] = steps[kind] / steps["plain"]
            extra = steps[kind] - steps["plain"]
            found[f"({kind} - plain) / loss_net_work"] = extra / steps["loss_net_work"]
    return found


def main() -> None:
    """Time all backends in turns and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backends", default="tensorflow,jax,torch,eager_pytorch")
    parser.add_argument("--out", help="also write the JSON here")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        sys.stdout = sys.stderr
        work(options.worker, options.batch)
        return

    modules = {"eager_pytorch": "torch"}
    names = [
        name
        for name in options.backends.split(",")
        if importlib.util.find_spec(modules.get(name, name))
    ]
    workers = {
        name: turns.Worker(
            __file__,
            ["--worker", name, "--batch", str(options.batch)],
            None if name in modules else name,
        )
        for name in names
    }
    seconds: dict = {}
    for name, worker in workers.items():
        seconds[name] = {step: [] for step in worker.ready()["steps"]}
        print(f"{name} is compiled", file=sys.stderr)
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for step in (f"{net} {kind}" for net in NETS for kind in STEPS):
            for name in names:
                if step in seconds[name]:
                    seconds[name][step].append(workers[name].seconds(step))
    for worker in workers.values():
        worker.close()

    report: dict = {
        "unit": "ms a step, median",
        "batch": options.batch,
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "steps": {},
        "ratios": {},
    }
    for net in NETS:
        medians = {
            name: {
                kind: 1e3 * statistics.median(seconds[name][f"{net} {kind}"])
                for kind in STEPS
                if f"{net} {kind}" in seconds[name]
            }
            for name in names
        }
        report["steps"][net] = {
            name: {k: round(v, 1) for k, v in kinds.items()} for name, kinds in medians.items()
        }
        report["ratios"][net] = {}
        for name in names:
            found = ratios(medians[name])
            if "eager_pytorch" in names and name != "eager_pytorch":
                eager = medians["eager_pytorch"]
                found["plain / eager plain"] = medians[name]["plain"] / eager["plain"]
                found["seal_shared / eager seal"] = (
                    medians[name]["seal_shared"] / eager["seal_inference"]
                )
            report["ratios"][net][name] = {k: round(v, 3) for k, v in found.items()}
    text = json.dumps(report, indent=2)
    print(text)
    if options.out:
        with open(options.out, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
