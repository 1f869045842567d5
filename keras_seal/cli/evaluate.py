"""`keras-seal evaluate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.cli.tables import show_scores


class _ImageSize(click.ParamType):
    """Width and height, as in `1920x1080`."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        match = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", str(value))
        if match is None:
            self.fail(f"'{value}' is no image size; write it as 1920x1080.", param, ctx)
        return int(match[1]), int(match[2])


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@shared.measured_data(
    "What to measure on.",
    "Measure on the data of another recipe, a file or a built-in name: across data sets.",
)
@click.option(
    "--protocol",
    metavar="NAME",
    help="How to score, for instance human36m_16 or mpi_inf_3dhp_d3dp; by default the data's usual "
    "protocol. A wrong name lists all.",
)
@click.option(
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of the protocol, for instance skip_shifted=true. Repeatable.",
)
@click.option("--flip", is_flag=True, help="Test-time flip: average with the mirrored prediction.")
@shared.refining(
    "Move every pose so many steps down a loss-net's energy before it is measured.",
    "by default the run's own",
)
@click.option(
    "--keypoints",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Measure on a detector's file, without a 3D truth.",
)
@click.option("--image-size", type=_ImageSize(), help="Of the images of --keypoints.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Of --keypoints.")
@click.option("--layout", metavar="SKELETON", help="Joint order of --keypoints.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the report goes; by default RUN/evaluation/SPLIT.",
)
@backends.option
def command(
    run: Path,
    split: str,
    protocol: str | None,
    options: tuple[str, ...],
    flip: bool,
    refine: int,
    loss_net: Path | None,
    on: str | None,
    overrides: tuple[str, ...],
    keypoints: Path | None,
    image_size: tuple[int, int] | None,
    fps: float | None,
    layout: str | None,
    out: Path | None,
    backend: str | None,
) -> None:
    """Measure a finished run's pose-net on a split, and write the report.

    RUN is the run folder; it may have been trained on another backend. Into RUN/evaluation/SPLIT go
    report.html (a page with tables and pictures, all in one file), report.md, report.json and
    sequences.csv, every sequence's own figures.
    """
    from keras_seal.errors import UserError
    from keras_seal.runs.folder import RunFolder

    if keypoints is None:
        for name, value in (("--image-size", image_size), ("--fps", fps), ("--layout", layout)):
            if value is not None:
                raise UserError(f"{name} is for --keypoints, which is not given.")
    elif on is not None:
        raise UserError("--on and --keypoints cannot go together: choose one to measure on.")
    given = _options(options)
    folder = RunFolder.open(run)
    if protocol is not None:
        from keras_seal import evaluation

        evaluation.get(protocol, **given)
    backends.select(backend, folder.recipe.backend)

    from keras_seal import runs
    from keras_seal.runs.evaluation import Wild

    scores = runs.evaluate(
        run,
        split,
        protocol=protocol,
        options=given,
        flip=flip,
        refine=refine,
        refine_by=loss_net,
        on=on if keypoints is None else Wild(keypoints, image_size, fps, layout),
        overrides=overrides,
        out=out,
        note=click.echo,
    )
    show_scores(f"{scores['protocol']}, {scores['frames']} frames", scores)
    for sentence in [*scores.get("variant", ()), *scores.get("notes", ())]:
        click.echo(f"- {sentence}")


def _options(texts: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    from keras_seal.errors import UserError

    options = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise UserError(f"--option {text}: expected KEY=VALUE.")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"--option {text}: the value is no YAML.") from error
    return options
