"""A run's report, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_seal.recipes import Recipe
from keras_seal.runs.folder import RunFolder, write_text

# What each figure is called, and its unit; in the order of the tables.
FIGURES = {
    "mpjpe": ("MPJPE", "mm"),
    "p_mpjpe": ("P-MPJPE", "mm"),
    "n_mpjpe": ("N-MPJPE", "mm"),
    "mpjve": ("MPJVE", "mm/frame"),
    "lse": ("LSE, left-right difference", "mm"),
    "lse_percent": ("LSE, relative", "%"),
    "bsle": ("BSLE, bone lengths", "mm"),
    "bsle_percent": ("BSLE, relative", "%"),
    "lle": ("LLE, limb lengths", "mm"),
    "lle_percent": ("LLE, relative", "%"),
}


def rows(scores: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Lay out the figures of one split.

    Args:
        scores: What `evaluate_split` gave.

    Returns:
        Name, value, value of the true poses themselves (empty where it says nothing) and unit.
    """
    table = []
    for name, (title, unit) in FIGURES.items():
        if name in scores["metrics"]:
            truth = scores["truth"].get(name)
            table.append(
                (
                    title,
                    f"{scores['metrics'][name]:.2f}",
                    "" if truth is None else f"{truth:.2f}",
                    unit,
                )
            )
    return table


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
        "| action | frames | MPJPE mm | P-MPJPE mm |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {action} | {part['frames']} | {part['mpjpe']:.1f} | {part['p_mpjpe']:.1f} |"
            for action, part in scores["actions"].items()
        ),
        "",
    ]
    return "\n".join(lines)


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
        split_section("Test split", result["test"]),
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
        "",
    ]
    plots = sorted(path.name for path in folder.plots.glob("*.png"))
    if plots:
        text += ["## Plots", "", *(f"![{name}](plots/{name})" for name in plots), ""]
    write_text(folder.report, "\n".join(text))
