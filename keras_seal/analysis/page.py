"""The explanation of a loss-net: for programs, for terminals, and as a page with pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files, pages
from keras_seal.analysis.explaining import Explanation
from keras_seal.evaluation.comparing import Estimate
from keras_seal.evaluation.figures import FIGURES
from keras_seal.evaluation.page import markdown_table

# What a training's table holds that is worth a curve.
_FOLLOWED = ("energy_true", "energy_pred", "energy_gap", "ranking_accuracy", "force_ratio",
             "alignment")  # fmt: skip
# Above which a loss-net counts as having learnt the structure.
_HEALTHY_AUROC, _HEALTHY_DESCENT = 0.95, 0.3
_JUDGED = ("scaled_bones", "joint_noise", "swapped_sides")
_ENERGY_ABOVE = (
    "what is correlated is the energy above that of the true pose; 1 rises always together, 0 says "
    "nothing"
)


def write_explanation(
    folder: str | Path,
    title: str,
    explanation: Explanation,
    pose: np.ndarray,
    training: Mapping[str, Sequence[float]] | None,
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write `explanation.json`, `explanation.md` and `explanation.html`, which loads nothing.

    Args:
        folder: Where to; it is made where it is missing, and older files are replaced.
        title: The title.
        explanation: What the loss-net answered.
        pose: A pose `(joints, 3)` to draw forces on, metres, y down.
        training: `EnergyMonitor`'s table of the training by column, `None` if there is none.
        facts: What else to state, by name: the run, the data, ...
        notes: What the reader must know.

    Returns:
        The files.

    Raises:
        OSError: A file cannot be written.
    """
    folder = Path(folder)
    content = {"title": title, **facts, "notes": list(notes), **explanation.to_dict()}
    content["training"] = None if training is None else _without_nan(training)
    rows, tables = headline(explanation), _tables(explanation)
    html = pages.render(
        "keras_seal.analysis",
        "explanation.html",
        title,
        explanation=explanation,
        facts=facts,
        notes=notes,
        headline=rows,
        tables=tables,
        pictures=_pictures(explanation, pose, training),
    )
    texts = {
        "explanation.json": files.to_json(content),
        "explanation.md": _markdown(title, explanation, facts, notes, rows, tables),
        "explanation.html": html,
    }
    for name, text in texts.items():
        files.write_text(folder / name, text)
    return [folder / name for name in texts]


def headline(explanation: Explanation) -> list[list[str]]:
    """Lay out what matters most.

    Args:
        explanation: What the loss-net answered.

    Returns:
        Question, answer, interval, and when the answer is a healthy one.
    """
    rows = []
    for curve in explanation.curves.values():
        title = curve.title[0].lower() + curve.title[1:]
        rows.append([f"energy rises with {title}", "yes" if curve.rises else "no", "", "yes"])
    for name in _JUDGED:
        if name in explanation.ranking:
            each = explanation.ranking[name]
            rows.append(
                [
                    f"AUROC, truth below: {each.title}",
                    _number(each.auroc.value),
                    _interval(each.auroc),
                    f"above {_HEALTHY_AUROC}",
                ]
            )
    share = 100 * explanation.ranking["prediction"].above
    descent, alignment = explanation.descent.nearer, explanation.alignment.mean
    rows += [
        ["predictions with an energy above their truth's", f"{share:.0f} %", "", "above 50 %"],
        [
            "30 mm of noise taken off by descent",
            f"{100 * descent.value:.0f} %",
            _interval(Estimate(*(100 * e for e in (descent.value, descent.low, descent.high))), 0),
            f"at least {100 * _HEALTHY_DESCENT:.0f} % (89 % is the most)",
        ],
        [
            "alignment of its pull with the error",
            _number(alignment.value),
            _interval(alignment),
            "interval above 0",
        ],
    ]
    return rows


def _tables(explanation: Explanation) -> list[tuple[str, str, list[str], list[list[str]]]]:
    """Caption, how to read it, headings and rows."""
    found = explanation.correlations
    rows = [
        [
            FIGURES[name].title,
            *(
                f"{_number(each.value, 2)} {_interval(each, 2)}".strip()
                for each in (metric.plain, metric.at_equal_error, metric.made)
            ),
        ]
        for name, metric in found.metrics.items()
    ]
    joints, where = explanation.skeleton.joints, explanation.attribution
    shares = 100 * np.stack([where.stretch, where.turn]) / max(_total(explanation), 1e-12)
    bones = [
        [
            f"{joints[parent]} \N{EN DASH} {joints[child]}".replace("_", " "),
            f"{shares[0, bone]:.1f}",
            _tendency(where.longer[bone], where.stretch[bone]),
            f"{shares[1, bone]:.1f}",
        ]
        for bone, (parent, child) in enumerate(explanation.skeleton.bones)
    ]
    bones.sort(key=lambda row: -float(row[1]) - float(row[3]))
    return [
        (
            "Which errors it sees",
            f"Spearman's correlation of energy and error: {_ENERGY_ABOVE}. At equal joint error: "
            "over the predictions with MPJPE taken out (partial rank correlation), and over poses "
            f"spoilt to exactly {found.equal_mpjpe:.1f} mm MPJPE each.",
            ["", "predictions", "predictions, MPJPE taken out", "made equally wrong"],
            rows,
        ),
        (
            "Which bones it pulls at",
            "Shares of the force on all bones, the strongest first: along a bone it changes the "
            "length, across it the direction. A bone has a tendency where most predictions are "
            "pulled the same way.",
            ["bone", "along, %", "tendency", "across, %"],
            bones,
        ),
    ]


def _pictures(
    explanation: Explanation, pose: np.ndarray, training: Mapping[str, Sequence[float]] | None
) -> list[tuple[str, str, str]]:
    """Caption, one sentence on how to read it, and an SVG element each."""
    from keras_seal import visualization
    from keras_seal.visualization import analysis as figures
    from keras_seal.visualization.evaluation import joint_error_figure

    skeleton, where = explanation.skeleton, explanation.attribution
    total = max(_total(explanation), 1e-12)
    drawn: list[tuple[str, str, Any]] = [
        (
            "Energy against corruption",
            "The curves should rise from the first point on: line and band are the median and the "
            "middle half of the poses, percentages the share above their own truth.",
            figures.energy_curves_figure(explanation.curves),
        ),
        (
            "True poses against spoilt ones",
            "A bar to the right end means that the energy always tells the truth; a loss-net that "
            "does not look at the keypoints cannot tell the person in a mirror (0.5).",
            figures.ranking_figure(explanation.ranking),
        ),
        (
            "Descent",
            "True poses with 30 mm of noise follow the energy downhill: a loss-net that knows "
            "plausible poses takes them nearer to the truth, not only to lower energies.",
            figures.descent_figure(explanation.descent),
        ),
        (
            "Alignment",
            "Poses to the right of 0 are pulled towards their truth; a mean at 0 says that the "
            "energy pulls nowhere useful.",
            figures.alignment_figure(explanation.alignment.cosines),
        ),
    ]
    if training is not None and len(training["epoch"]):
        columns = {f"held_out_{name}": training[name] for name in _FOLLOWED if name in training}
        drawn.append(
            (
                "While it was trained",
                "Ranking should stay above one half, alignment above 0 and the force ratio at a "
                "few percent to a few tens of percent.",
                visualization.training_curves({"epoch": training["epoch"], **columns}),
            )
        )
    drawn += [
        (
            "Where it pulls",
            "Shares of the force of the energy at the predictions: on each joint by itself.",
            joint_error_figure(
                (100 * where.joints / max(where.joints.sum(), 1e-12))[None],
                pose,
                skeleton,
                titles=["Joints"],
                unit="% of the force",
            ),
        ),
        (
            "How it pulls at bones",
            "Thick dark bones are penalised most: along themselves for their length, across for "
            "their direction, joints further out moving along.",
            figures.bone_values_figure(
                100 * np.stack([where.stretch, where.turn]) / total,
                pose,
                skeleton,
                titles=["Along: lengths", "Across: directions"],
                unit="% of the force on bones",
            ),
        ),
    ]
    if explanation.attention is not None:
        looked = np.stack([explanation.attention.rollout, explanation.attention.blocks[-1]])
        drawn.append(
            (
                "Where it looks",
                "What the graph token hears of each joint, through all blocks and in the last one: "
                "where information is read, not what follows from it.",
                joint_error_figure(
                    100 * looked,
                    pose,
                    skeleton,
                    titles=["Attention, all blocks", "Attention, last block"],
                    unit="%",
                ),
            )
        )
    return [
        (caption, reading, visualization.figure_to_svg(figure, caption))
        for caption, reading, figure in drawn
    ]


def _markdown(
    title: str,
    explanation: Explanation,
    facts: Mapping[str, Any],
    notes: Sequence[str],
    answers: list[list[str]],
    tables: list[tuple[str, str, list[str], list[list[str]]]],
) -> str:
    lines = [
        f"# {title}",
        "",
        f"{explanation.poses:,} poses of {explanation.sequences:,} sequences. Intervals hold 95 % "
        "of the draws of a bootstrap over sequences.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        *(f"- **Note:** {note}" for note in notes),
        "",
        *markdown_table(["question", "answer", "interval", "healthy"], answers),
        "## True poses against spoilt ones",
        "",
        "AUROC: share of pairs in which the true pose has the lower energy; 0.5 is chance.",
        "",
        *markdown_table(
            ["corruption", "AUROC", "interval", "above its own truth, %"],
            [
                [each.title, _number(each.auroc.value), _interval(each.auroc),
                 f"{100 * each.above:.1f}"]
                for each in explanation.ranking.values()
            ],
        ),
    ]  # fmt: skip
    for caption, reading, headings, rows in tables:
        lines += [f"## {caption}", "", reading, "", *markdown_table(headings, rows)]
    return "\n".join(lines)


def _total(explanation: Explanation) -> float:
    return float(explanation.attribution.stretch.sum() + explanation.attribution.turn.sum())


def _tendency(longer: float, size: float) -> str:
    if abs(longer) < 0.5 * size or size <= 0:
        return ""
    return "longer" if longer > 0 else "shorter"


def _number(value: float, digits: int = 3) -> str:
    # Adding 0 turns -0.0 to 0.0.
    return f"{round(value, digits) + 0.0:.{digits}f}" if np.isfinite(value) else "\N{EN DASH}"


def _interval(estimate: Estimate, digits: int = 3) -> str:
    if not np.isfinite(estimate.low):
        return ""
    return f"({_number(estimate.low, digits)} to {_number(estimate.high, digits)})"


def _without_nan(columns: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {
        name: [float(value) if np.isfinite(value) else None for value in values]
        for name, values in columns.items()
    }
