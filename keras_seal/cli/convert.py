"""`keras-seal convert`."""

from __future__ import annotations

from pathlib import Path

import click

from keras_seal.cli import backend as backends
from keras_seal.errors import UserError


@click.command("convert")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--pose-net", required=True, metavar="NAME", help="Class or preset of the pose-net.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .keras file.")
@click.option("--skeleton", help="Skeleton, if not the one the published weights are for.")
@click.option("--key", help="Key of the weights in the file, if not one of the usual ones.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="An argument of the pose-net that the weights do not tell; may be given again.",
)
@click.option("--allow-missing", is_flag=True, help="Leave weights that are missing as they start.")
@backends.option
def command(
    checkpoint: Path,
    pose_net: str,
    out: Path,
    skeleton: str | None,
    key: str | None,
    overrides: tuple[str, ...],
    allow_missing: bool,
    backend: str | None,
) -> None:
    """Turn a published PyTorch CHECKPOINT into a .keras file; nothing in it is run.

    Every name is reported: used, skipped with the reason, or missing. What does not fit is refused.
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
            checkpoint,
            pose_net,
            skeleton=skeleton,
            key=key,
            options=options,
            allow_missing=allow_missing,
        )
        converting.save(done, out)
    for line in done.lines():
        click.echo(line)
    for name in ("licence", "normalisation", "skeleton"):
        click.echo(f"{name}: {done.net.provenance[name]}")
    click.echo(f"Written: {out}")
