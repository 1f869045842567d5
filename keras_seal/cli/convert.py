"""`keras-seal convert`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


@click.command("convert")
@click.argument(
    "checkpoints",
    metavar="CHECKPOINT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option("--pose-net", required=True, metavar="NAME", help="Class or preset of the pose-net.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .keras file.")
@click.option("--skeleton", help="Skeleton, if not the one the published weights are for.")
@click.option("--key", help="Key of the weights in the file, if not one of the usual ones.")
@click.option(
    "--statistics",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Statistics that standardised weights were trained with.",
)
@shared.overrides("An argument of the pose-net that the weights do not tell; may be given again.")
@click.option("--allow-missing", is_flag=True, help="Leave weights that are missing as they start.")
@backends.option
def command(
    checkpoints: tuple[Path, ...],
    pose_net: str,
    out: Path,
    skeleton: str | None,
    key: str | None,
    statistics: Path | None,
    overrides: tuple[str, ...],
    allow_missing: bool,
    backend: str | None,
) -> None:
    """Turn a published PyTorch CHECKPOINT into a .keras file; nothing in it is run.

    Every name is reported: used, skipped with the reason, or missing. What does not fit is refused.
    JointFormer's stages have a file each: give both.

    SimpleBaseline weights of 3d_pose_baseline_pytorch (32 numbers in, 48 out) are standardised by
    the mean and deviation of their training set, which --statistics takes from an .npz file:
    keypoint_mean and keypoint_deviation, each (16, 2), in pixels, pose_mean and pose_deviation,
    each (16, 3), in millimetres (the 17 joints of Human3.6M, of the keypoints without the nose, of
    the poses without the root), and image_size, width and height in pixels.
    """
    from keras_seal.recipes import parse_override

    if out.suffix != ".keras":
        raise UserError(f"Nets are written as .keras files, but the path given is '{out}'.")
    if out.exists():
        raise UserError(f"{out} is there already, and nothing is written over.")
    options = {".".join(parts): value for parts, value in map(parse_override, overrides)}
    backends.select(backend)

    from keras_seal.interop import converting
    from keras_seal.quiet import without_tensorflow_chatter

    with without_tensorflow_chatter():
        done = converting.convert(
            checkpoints,
            pose_net,
            skeleton=skeleton,
            key=key,
            statistics=statistics,
            options=options,
            allow_missing=allow_missing,
        )
        converting.save(done, out)
    for line in done.lines():
        click.echo(line)
    for name in ("licence", "normalisation", "skeleton"):
        click.echo(f"{name}: {done.net.provenance[name]}")
    click.echo(f"Written: {out}")
