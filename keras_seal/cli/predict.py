"""`keras-seal predict`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from keras_seal.cli import backend as backends
from keras_seal.cli import shared
from keras_seal.errors import UserError


def _size(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)[xX](\d+)", value)
    if match is None:
        raise UserError(f"--image-size is WIDTHxHEIGHT in pixels, such as 1920x1080; got {value}.")
    return int(match[1]), int(match[2])


@click.command("predict")
@click.argument("lifter", type=click.Path(path_type=Path))
@click.argument("source", metavar="[INPUT]", required=False, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--write",
    "formats",
    default="npz",
    show_default=True,
    metavar="FORMATS",
    help="What to write, with commas between: npz, json, csv, bvh, glb.",
)
@click.option(
    "--render",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A picture to draw: .html (viewer), .mp4, .gif or .png; a bare name goes into --out; "
    "may be given again.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    help=".npz with the true `poses` (metres), to draw beside the lifted ones.",
)
@click.option(
    "--video",
    type=click.Path(path_type=Path),
    help="A video to find people in, in the place of INPUT; with INPUT, what --render draws over.",
)
@click.option(
    "--detector",
    metavar="NAME",
    help="What finds them: rtmpose-s, rtmpose-m (default), rtmpose-x, or your own as module:name.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the detector's weights lie; by default detectors/ in the cache folder.",
)
@click.option("--format", "format_", default="auto", help="INPUT's format, if not recognised.")
@click.option("--image-size", callback=_size, metavar="WxH", help="Where INPUT does not tell it.")
@click.option("--fps", type=float, help="Frames a second, where INPUT does not tell.")
@click.option("--layout", help="Order of INPUT's joints (a skeleton), where it does not tell.")
@click.option(
    "--coordinates",
    default="auto",
    type=click.Choice(["auto", "pixels", "unit", "symmetric"]),
    help="What INPUT's numbers mean.",
)
@click.option("--clip", metavar="NAME", help="Which video of an INPUT with several.")
@click.option("--joint-map", metavar="NAME", help="From INPUT's joints to the lifter's; a name or "
              "a YAML file.")  # fmt: skip
@click.option("--max-gap", default=12, show_default=True, help="Missing frames bridged at most.")
@click.option(
    "--min-confidence", default=0.0, show_default=True, help="Joints below count as missing."
)
@click.option("--people", type=int, help="Lift so many people at most, those seen the longest.")
@click.option("--flip", is_flag=True, help="Lift the mirror image too: better, twice the cost.")
@click.option("--overlap", type=int, metavar="FRAMES", help="Frames that successive windows share.")
@click.option(
    "--smooth",
    default="none",
    show_default=True,
    type=click.Choice(["none", "savgol", "one-euro"]),
    help="Filter the poses over time.",
)
@click.option(
    "--energy",
    type=click.Path(path_type=Path),
    metavar="LOSS_NET",
    help="Judge the poses by this loss-net: a .keras file or a run folder.",
)
@shared.refining(
    "Move every pose so many steps down a loss-net's energy, true to its keypoints.",
    "by default that of the run LIFTER",
)
@click.option("--focal", type=float, help="Focal length in pixels, to place people in space.")
@click.option("--lifter-fps", type=float, help="Rate of the lifter's training videos.")
@click.option("--skeleton", help="The lifter's joints, where it does not tell.")
@click.option("--batch-size", type=int, help="Windows lifted at a time.")
@backends.option
def command(
    lifter: Path,
    source: Path | None,
    out: Path,
    formats: str,
    render: tuple[Path, ...],
    truth: Path | None,
    video: Path | None,
    detector: str | None,
    weights: Path | None,
    format_: str,
    image_size: tuple[int, int] | None,
    fps: float | None,
    layout: str | None,
    coordinates: str,
    clip: str | None,
    joint_map: str | None,
    max_gap: int,
    min_confidence: float,
    people: int | None,
    flip: bool,
    overlap: int | None,
    smooth: str,
    energy: Path | None,
    refine: int,
    loss_net: Path | None,
    focal: float | None,
    lifter_fps: float | None,
    skeleton: str | None,
    batch_size: int | None,
    backend: str | None,
) -> None:
    """Lift the people in INPUT, a file of 2D keypoints, or in a video, with LIFTER.

    LIFTER is a .keras file or a run folder; INPUT what a detector wrote: JSON of COCO, AlphaPose,
    MMPose or MediaPipe, a folder of OpenPose, .npz, .npy or CSV. Its format is recognised. People
    in a --video are found first; that needs a detector's library and weights.
    """
    from keras_seal.data import keypoint_files
    from keras_seal.inference import writing
    from keras_seal.visualization import motions

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already, and nothing is written over: choose another.")
    if refine and loss_net is None and energy is None and (lifter / "loss_net.keras").is_file():
        loss_net = lifter
    if truth is not None and not render:
        raise UserError("--truth is drawn beside the poses: it goes with --render.")
    pictures = [path if path.parent != Path() else out / path for path in render]
    for path in pictures:
        motions.check(path)
    names = writing.checked_formats([name.strip() for name in formats.split(",") if name.strip()])
    # What the file says is known before a backend is started.
    if source is None:
        for_files = {
            "--format": format_ != "auto",
            "--image-size": image_size is not None,
            "--layout": layout is not None,
            "--coordinates": coordinates != "auto",
            "--clip": clip is not None,
        }
        _refuse(for_files, "tells how a keypoint INPUT is read, and none is given")
        film, file = _found(video, detector, weights, fps)
    else:
        for_videos = {"--detector": detector is not None, "--weights": weights is not None}
        _refuse(for_videos, "is about finding people in a --video; here INPUT tells where they are")
        film = None if video is None else _film(video, bool(render))
        file = keypoint_files.read(
            source,
            format_,
            image_size=image_size,
            fps=fps,
            layout=layout,
            coordinates=coordinates,
            video=clip,
        )
    click.echo(f"{source or video}: {_described(file)}")
    wish = None
    if (lifter / "recipe.yaml").is_file():
        from keras_seal.runs.folder import RunFolder

        wish = RunFolder.open(lifter).recipe.backend
    backends.select(backend, wish)

    from keras_seal import inference

    net = inference.Lifter(
        lifter,
        skeleton=skeleton,
        fps=lifter_fps,
        flip=flip,
        overlap=overlap,
        batch_size=batch_size,
    )
    out.mkdir(parents=True, exist_ok=True)
    with _progress() as progress:
        motion = inference.predict(
            net,
            file,
            joint_map=joint_map,
            max_gap=max_gap,
            min_confidence=min_confidence,
            most_people=people,
            smooth=smooth,
            loss_net=energy,
            refine=refine,
            refine_by=loss_net,
            focal=focal,
            folder=out,
            note=click.echo,
            progress=progress,
        )
    written = writing.write(motion, out, names)
    true_poses = None if truth is None else motions.read_truth(truth, motion)
    for path in pictures:
        with _progress(f"drawing {path.name}") as progress:
            written.append(motions.render(motion, path, true_poses, video=film, progress=progress))
    for line in inference.summary(motion):
        click.echo(line)
    click.echo(f"Written: {', '.join(map(str, written))}")


def _refuse(given: dict[str, bool], why: str) -> None:
    wrong = [option for option, there in given.items() if there]
    if wrong:
        raise UserError(f"{wrong[0]} {why}.")


def _film(path: Path, rendered: bool) -> Any:
    from keras_seal.inference.video import Video

    if not rendered:
        raise UserError(
            "--video with an INPUT lies under what --render draws: give --render too, or leave "
            "INPUT out to find people in the video."
        )
    return Video(path)


def _found(path: Path | None, name: str | None, weights: Path | None, fps: float | None) -> Any:
    """The video, and who is in it."""
    from keras_seal.inference import video

    if path is None:
        raise UserError("Nothing to lift: give INPUT, a file of 2D keypoints, or --video FILE.")
    film = video.Video(path)
    finder = video.get(name or "rtmpose-m", weights)
    with _progress("finding people") as progress:
        return film, video.detect(film, finder, fps=fps, progress=progress)


def _described(file: Any) -> str:
    people = f"{len(file.people)} people" if file.people else f"{len(file.untracked)} detections"
    size = "x".join(map(str, file.image_size)) if file.image_size else "unknown"
    return (
        f"{file.format}, joints of {file.layout.name}, {people} in {file.num_frames} frames, "
        f"image size {size}"
    )


@contextmanager
def _progress(what: str = "lifting") -> Iterator[Callable[[int, int], object]]:
    """A bar with frames a second."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} frames/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(what, total=None, rate="-")

        def progress(done: int, total: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:,.0f}" if elapsed > 0 else "-"
            bar.update(task, completed=done, total=total, rate=rate)

        yield progress
