"""Films and sheets of motions: 2D beside 3D, drawn frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_seal import files
from keras_seal.visualization import drawing, style
from keras_seal.visualization.stage import Scene

if TYPE_CHECKING:
    from keras_seal.inference.motion import Motion

Progress = Callable[[int, int], object]

_DPI = 96
_WIDTH, _HEIGHT = 10.0, 5.0
# Programs that show .gif slow faster ones down.
_GIF_FPS = 25
_MOMENTS = 6
# What a number stands on where it would be lost in a video.
_PATCH = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1.5}
# How strongly a bone is drawn whose ends are detected, bridged, guessed.
_ALPHAS = np.array([1.0, 0.65, 0.25])


def write_mp4(
    motion: Motion,
    path: Path,
    truth: np.ndarray | None = None,
    *,
    video: Iterable[np.ndarray] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a film; needs the optional library imageio-ffmpeg.

    Args:
        motion: The motion.
        path: The file; an older one is replaced.
        truth: True poses, rows as the motion's.
        video: The frames of the video, to lie under the keypoints.
        progress: Told how many frames are drawn, and how many there are.

    Returns:
        The path.
    """
    import imageio_ffmpeg

    pictures = _pictures(motion, truth, _frames(motion, 1), video, progress)
    first = next(pictures)
    with files.replacing(path) as unfinished:
        writer = imageio_ffmpeg.write_frames(
            str(unfinished), first.shape[1::-1], fps=motion.fps, macro_block_size=2
        )
        writer.send(None)
        writer.send(np.ascontiguousarray(first))
        for picture in pictures:
            writer.send(np.ascontiguousarray(picture))
        writer.close()
    return path


def write_gif(
    motion: Motion,
    path: Path,
    truth: np.ndarray | None = None,
    *,
    video: Iterable[np.ndarray] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a film that needs no other library, at 25 frames a second at most.

    Args:
        motion: The motion.
        path: The file; an older one is replaced.
        truth: True poses, rows as the motion's.
        video: The frames of the video, to lie under the keypoints.
        progress: Told how many frames are drawn, and how many there are.

    Returns:
        The path.
    """
    from PIL import Image

    step = max(1, int(np.ceil(motion.fps / _GIF_FPS)))
    pictures = (
        Image.fromarray(picture).quantize(64, dither=Image.Dither.NONE)
        for picture in _pictures(motion, truth, _frames(motion, step), video, progress)
    )
    with files.replacing(path) as unfinished:
        next(pictures).save(
            unfinished,
            save_all=True,
            append_images=pictures,
            duration=1000 * step / motion.fps,
            loop=0,
        )
    return path


def write_slides(pictures: Sequence[Path], path: Path, *, seconds: float = 0.4) -> Path:
    """Put pictures of one size together to a GIF that plays them again and again.

    Args:
        pictures: PNG files, one at least.
        path: The file; an older one is replaced.
        seconds: How long each is shown; the last one three times as long.

    Returns:
        The path.
    """
    from PIL import Image

    slides = []
    for picture in pictures:
        with Image.open(picture) as opened:
            slides.append(opened.convert("RGB").quantize(128, dither=Image.Dither.NONE))
    with files.replacing(path) as unfinished:
        slides[0].save(
            unfinished,
            save_all=True,
            append_images=slides[1:],
            duration=[1000 * seconds] * (len(slides) - 1) + [3000 * seconds],
            loop=0,
        )
    return path


def write_png(
    motion: Motion,
    path: Path,
    truth: np.ndarray | None = None,
    *,
    video: Iterable[np.ndarray] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write six moments of a motion on a sheet.

    Args:
        motion: The motion.
        path: The file; an older one is replaced.
        truth: True poses, rows as the motion's.
        video: The frames of the video, to lie under the keypoints.
        progress: Told how many moments are drawn, and how many there are.

    Returns:
        The path.
    """
    from PIL import Image

    known = np.unique(motion.frames)
    places = np.linspace(0, len(known) - 1, min(_MOMENTS, len(known))).round().astype(int)
    pictures = list(_pictures(motion, truth, known[places], video, progress))
    if len(pictures) % 2:
        pictures.append(np.full_like(pictures[0], 255))
    rows = [np.concatenate(pictures[at : at + 2], axis=1) for at in range(0, len(pictures), 2)]
    with files.replacing(path) as unfinished:
        Image.fromarray(np.concatenate(rows)).save(unfinished)
    return path


def _frames(motion: Motion, step: int) -> np.ndarray:
    return np.arange(int(motion.frames.min()), int(motion.frames.max()) + 1, step)


def _pictures(
    motion: Motion,
    truth: np.ndarray | None,
    frames: np.ndarray,
    video: Iterable[np.ndarray] | None,
    progress: Progress | None,
) -> Iterator[np.ndarray]:
    stage = _Stage(motion, truth, over_video=video is not None)
    backdrops = _backdrops(iter(() if video is None else video), frames.tolist())
    order = np.argsort(motion.frames, kind="stable")
    sorted_frames = motion.frames[order]
    for done, (frame, backdrop) in enumerate(zip(frames.tolist(), backdrops, strict=True), 1):
        low, high = np.searchsorted(sorted_frames, [frame, frame + 1])
        yield stage.draw(frame, order[low:high], backdrop)
        if progress is not None:
            progress(done, len(frames))


def _backdrops(
    pictures: Iterator[np.ndarray], frames: Iterable[int]
) -> Iterator[np.ndarray | None]:
    """Give the picture of each frame, small; none behind the end of the video."""
    number = -1
    picture: np.ndarray | None = None
    for frame in frames:
        while number < frame:
            picture, number = next(pictures, None), number + 1
        if picture is None:
            yield None
        else:
            step = max(picture.shape[1] // int(_DPI * _WIDTH), 1)
            yield picture[::step, ::step]


class _Stage:
    """Two axes whose lines move from frame to frame."""

    def __init__(self, motion: Motion, truth: np.ndarray | None, *, over_video: bool) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgba_array

        self._motion = motion
        self._truth = truth
        self._over_video = over_video
        self._scene = Scene.of(motion)
        self._parents, self._children = np.array(motion.skeleton.bones).T
        self._colours = to_rgba_array(style.bone_colours(motion.skeleton))
        figure = style.new_figure(_WIDTH, _HEIGHT, dpi=_DPI)
        self._canvas = FigureCanvasAgg(figure)
        self._seen, self._space = (
            figure.add_axes((left, 0.03, 0.47, 0.87)) for left in (0.02, 0.51)
        )
        self._title = figure.text(0.02, 0.94, "", color=style.INK, fontsize=style.HEADING_SIZE)
        width, height = motion.image_size
        nothing = np.zeros((1, 1, 3), np.uint8)
        # Paler, so that the bones stand out.
        self._backdrop = self._seen.imshow(
            nothing, extent=(0, width, height, 0), alpha=0.75, visible=False
        )
        self._seen.set(xlim=(0, width), ylim=(height, 0), aspect="equal", facecolor=style.PANEL)
        # Turned, a square is wider than from its front.
        reach = 1.25 * self._scene.radius
        self._space.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        self._space.set_facecolor("white")
        for ax in (self._seen, self._space):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
        self._draw_floor(LineCollection)

        def lines(ax: Any, **options: Any) -> Any:
            collection = LineCollection([], capstyle="round", **options)
            ax.add_collection(collection)
            return collection

        self._lines_seen = lines(self._seen, linewidths=2.2)
        self._lines_true = lines(
            self._space, linewidths=1.3, colors=style.TRUTH, linestyles=[(0, (2.5, 1.5))]
        )
        self._lines_space = lines(self._space, linewidths=2.8)
        self._labels: list[Any] = []

    def draw(self, frame: int, rows: np.ndarray, backdrop: np.ndarray | None) -> np.ndarray:
        """Draw one frame; gives `(height, width, 3)` uint8."""
        motion = self._motion
        self._backdrop.set_visible(backdrop is not None)
        if backdrop is not None:
            self._backdrop.set_data(backdrop)
        ends = np.stack([self._parents, self._children], axis=1)
        doubt = motion.states[rows][:, ends].max(axis=2)
        colours = np.broadcast_to(self._colours, (len(rows), *self._colours.shape)).copy()
        colours[..., 3] = _ALPHAS[doubt]
        seen = motion.keypoints[rows][..., :2]
        self._lines_seen.set_segments(seen[:, ends].reshape(-1, 2, 2))
        self._lines_seen.set_color(colours.reshape(-1, 4))
        places = self._projected(self._scene.places(motion, rows))
        # Those behind are drawn first.
        depth = places[:, ends, 2].mean(axis=2).reshape(-1)
        order = np.argsort(-depth, kind="stable")
        self._lines_space.set_segments(places[:, ends, :2].reshape(-1, 2, 2)[order])
        self._lines_space.set_color(colours.reshape(-1, 4)[order])
        if self._truth is not None:
            true = self._scene.upright(self._truth[rows] + motion.roots[rows][:, None])
            segments = self._projected(true)[:, ends, :2].reshape(-1, 2, 2)
            self._lines_true.set_segments(segments[np.isfinite(segments).all(axis=(1, 2))])
        self._label(rows, seen, places)
        self._title.set_text(f"{frame / motion.fps:.2f} s")
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def _label(self, rows: np.ndarray, seen: np.ndarray, places: np.ndarray) -> None:
        for label in self._labels:
            label.remove()
        self._labels = []
        if len(self._motion.people) < 2:
            return
        for row, pixels, points in zip(rows, seen, places, strict=True):
            name = str(int(self._motion.ids[row]))
            tops = (
                (self._seen, pixels[pixels[:, 1].argmin()]),
                (self._space, points[points[:, 1].argmax()]),
            )
            for ax, top in tops:
                self._labels.append(
                    ax.text(
                        top[0],
                        top[1],
                        name,
                        ha="center",
                        va="bottom",
                        clip_on=True,
                        fontsize=style.TEXT_SIZE,
                        color=style.INK,
                        bbox=_PATCH if self._over_video else None,
                    )
                )

    def _projected(self, places: np.ndarray) -> np.ndarray:
        """As seen from `drawing.TURNED_VIEW`: right, up, and depth away from the viewer."""
        azimuth, elevation = np.radians(drawing.TURNED_VIEW)
        x, y, z = np.moveaxis(places - self._scene.centre, -1, 0)
        right = x * np.cos(azimuth) + y * np.sin(azimuth)
        away = -x * np.sin(azimuth) + y * np.cos(azimuth)
        return np.stack(
            [
                right,
                z * np.cos(elevation) + away * np.sin(elevation),
                away * np.cos(elevation) - z * np.sin(elevation),
            ],
            axis=-1,
        )

    def _draw_floor(self, line_collection: Any) -> None:
        scene, lines = self._scene, []
        reach = float(np.ceil(scene.radius))
        for tick in np.arange(-reach, reach + 0.5):
            for ends in (((tick, -reach), (tick, reach)), ((-reach, tick), (reach, tick))):
                lines.append([(*(scene.centre[:2] + end), scene.floor) for end in ends])
        points = self._projected(np.array(lines))[..., :2]
        self._space.add_collection(
            line_collection(points, colors=style.GRID, linewidths=0.8, zorder=0)
        )
