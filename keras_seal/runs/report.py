"""A run's report, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files, visualization
from keras_seal.data import PoseSequences
from keras_seal.evaluation.figures import FIGURES, shown
from keras_seal.geometry import root_relative
from keras_seal.recipes import Recipe
from keras_seal.runs.folder import RunFolder

_POSES = 4
# Enough frames for means and spreads.
_LENGTH_FRAMES = 4096
# Motion capture names an action a clip: a longer table would say little.
_MOST_ACTIONS = 30


def rows(scores: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Lay out the figures of one split.

    Args:
        scores: What `evaluate_split` gave.

    Returns:
        Name, value, value of the true poses themselves (empty where it says nothing) and unit.
    """
    return [
        (
            figure.title,
            shown(name, scores["metrics"][name]),
            shown(name, scores["truth"].get(name)),
            figure.unit,
        )
        for name, figure in FIGURES.items()
        if name in scores["metrics"]
    ]


def split_section(title: str, scores: Mapping[str, Any]) -> str:
    """Write the figures of one split as Markdown.

    Args:
        title: The section's title.
        scores: What `evaluate_split` gave.

    Returns:
        The section.
    """
    lines = [
        f"## {title}",
        "",
        f"{scores['frames']} frames in {scores['sequences']} sequences.",
        "",
        "| figure | prediction | truth itself | unit |",
        "| --- | ---: | ---: | --- |",
        *(f"| {' | '.join(row)} |" for row in rows(scores)),
        "",
    ]
    if len(scores["actions"]) <= _MOST_ACTIONS:
        lines += [
            "| action | frames | MPJPE mm | P-MPJPE mm |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| {action} | {part['frames']} | {part['mpjpe']:.1f} | {part['p_mpjpe']:.1f} |"
                for action, part in scores["actions"].items()
            ),
            "",
        ]
    return "\n".join(lines)


def draw_results(plots: Path, split: str, sequences: PoseSequences, poses: np.ndarray) -> None:
    """Draw predicted over true poses, and predicted against true bone lengths.

    Args:
        plots: Where the pictures go.
        split: The split's name.
        sequences: The split.
        poses: The prediction of all its frames, root-relative, metres.
    """
    truth = root_relative(sequences.poses, sequences.skeleton)
    chosen = _spread(len(poses), _POSES)
    figure = visualization.comparison_figure(
        sequences.keypoints[chosen][:, None],
        truth[chosen][:, None],
        poses[chosen][:, None],
        sequences.skeleton,
        title=f"{split.capitalize()} split: keypoints, and prediction over truth",
    )
    visualization.save_figure(figure, plots / f"{split}_poses.png")
    chosen = _spread(len(poses), _LENGTH_FRAMES)
    figure = visualization.limb_length_figure(
        truth[chosen][:, None],
        poses[chosen][:, None],
        sequences.skeleton,
        title=f"{split.capitalize()} split: bone lengths",
    )
    visualization.save_figure(figure, plots / f"{split}_bone_lengths.png")


def draw_history(plots: Path, log: Path) -> None:
    """Draw how the training went.

    Args:
        plots: Where the picture goes.
        log: The table of all epochs.
    """
    figure = visualization.training_curves(log)
    visualization.save_figure(figure, plots / "training_curves.png")


def _spread(count: int, wanted: int) -> np.ndarray:
    """Choose evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(int))


def write_report(
    folder: RunFolder,
    recipe: Recipe,
    result: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
) -> None:
    """Write a finished run's report.

    Args:
        folder: The run folder.
        recipe: Its recipe.
        result: What `metrics.json` will hold.
        history: Logs of each epoch.
    """
    seconds = sum(row["seconds"] for row in history)
    text = [
        f"# {recipe.name}",
        "",
        *([recipe.description.strip(), ""] if recipe.description else []),
        f"Seed {recipe.seed}, {result['backend']} backend, {result['epochs']} epochs in"
        f" {seconds:.0f} s. The weights are those of epoch {result['selected_epoch']}, which had"
        f" the lowest {recipe.evaluation.select} on the validation split;"
        " the test split played no part in the choice.",
        "",
        *([split_section("Test split", result["test"])] if "test" in result else []),
        split_section("Validation split", result["validation"]),
        "## Files",
        "",
        "- `pose_net.keras`: the trained pose-net, all that inference needs",
        *(["- `loss_net.keras`: the trained loss-net"] if recipe.loss_net else []),
        "- `model.keras`: both networks and their optimizers",
        "- `recipe.yaml`: the recipe, in full; `keras-seal train recipe.yaml` repeats the run",
        "- `environment.json`: versions, devices, command lines",
        "- `metrics.json`: the figures above, in full",
        "- `logs/metrics.csv`: logs of every epoch",
        *(["- `logs/pretraining.csv`: of the loss-net, trained alone"] if recipe.pretrains else []),
        "",
    ]
    text += ["## Plots", ""]
    shown = "test" if "test" in result else "validation"
    for name in (f"{shown}_poses", f"{shown}_bone_lengths", "training_curves"):
        text += [f"![{name}](plots/{name}.png)", ""]
    files.write_text(folder.report, "\n".join(text))
