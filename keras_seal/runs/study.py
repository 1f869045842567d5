"""A whole grid of runs, variants times seeds: trained, resumed, measured and compared."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_seal import files, recipes
from keras_seal.errors import UserError
from keras_seal.evaluation.comparing import (
    Comparison,
    Outcome,
    comparable,
    compare,
    read_outcome,
)
from keras_seal.evaluation.comparison_page import write_comparison
from keras_seal.recipes import Recipe
from keras_seal.runs.folder import RunFolder

Note = Callable[[str], object]

BASELINE = "baseline"
AS_WRITTEN = "recipe"
# Lines of a failed run's log that are shown.
_TAIL = 12
# Seconds between two looks at the processes, and those that one has to stop in.
_LOOK = 0.2
_STOP = 120.0


def plan(
    recipe: str,
    variants: Sequence[str],
    overrides: Sequence[str] = (),
    backend: str | None = None,
) -> dict[str, Recipe]:
    """Resolve the recipes of a study.

    Args:
        recipe: A YAML file or a built-in name, perhaps with variants of its own (`RECIPE+velocity`)
            that all runs then have.
        variants: `"baseline"` is the recipe without a loss-net, `"recipe"` the recipe as it is
            written; any other is laid over the baseline, several joined by `+` one over the other.
        overrides: Changes as `"dotted.key=value"` of all recipes, or as
            `"variant:dotted.key=value"` of one.
        backend: The Keras backend; by default the recipe's, or KERAS_BACKEND.

    Returns:
        A recipe for each label; labels are the variants, files by their names.

    Raises:
        UserError: If a variant is unknown or given twice, or does not fit the recipe.

    Examples:
        >>> found = plan("quickstart", ["baseline", "symmetry"], ["training.epochs=2"])
        >>> [recipe.loss_net for recipe in found.values()], found["symmetry"].training.epochs
        ([None, None], 2)
    """
    labels = ["+".join(Path(part).stem for part in name.split("+")) for name in variants]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"The variant '{label}' is given twice.")
    common, own = _sorted_overrides(overrides, labels)
    strip = "" if recipes.load(recipe).loss_net is None else f"+{BASELINE}"
    found = {}
    for name, label in zip(variants, labels, strict=True):
        whole = {BASELINE: f"{recipe}+{BASELINE}", AS_WRITTEN: recipe}.get(
            name, f"{recipe}{strip}+{name}"
        )
        try:
            loaded = recipes.load(whole, [*common, *own[label]])
        except UserError as error:
            hint = (
                f" The variant '{label}' may not have that key: --set VARIANT:KEY=VALUE changes"
                " one variant alone."
                if common
                else ""
            )
            raise UserError(f"{error}{hint}") from error
        chosen = backend or loaded.backend or os.environ.get("KERAS_BACKEND") or None
        found[label] = Recipe.model_validate({**loaded.model_dump(), "backend": chosen})
    return found


def _sorted_overrides(
    overrides: Sequence[str], labels: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    common: list[str] = []
    own: dict[str, list[str]] = {label: [] for label in labels}
    for override in overrides:
        label, colon, rest = override.partition(":")
        if not colon or "=" in label:
            common.append(override)
        elif label in own:
            own[label].append(rest)
        else:
            raise UserError(
                f"--set {override}: there is no variant '{label}' here; there are"
                f" {', '.join(labels)}."
            )
    return common, own


@dataclass
class Job:
    """One run of a study.

    Args:
        label: The variant.
        seed: Its seed.
        recipe: The file of its recipe.
        run: Its run folder.
        log: What its processes say.
    """

    label: str
    seed: int
    recipe: Path
    run: RunFolder
    log: Path
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    whole: bool = True
    step: str = ""
    _lock: Any = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.label}, seed {self.seed}"

    @property
    def table(self) -> Path:
        """Where its figures lie."""
        return self.run.sequences("test")

    @property
    def finished(self) -> bool:
        """Whether it is trained and measured."""
        return self.run.finished and self.table.is_file()

    def take(self) -> bool:
        """Take the run for this process and those it starts; `False` if another one has it.

        A process that outlived its study still holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no such lock; the run folder's own is none there either.
            return True
        file = self.log.with_suffix(".lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._lock = file
        return True

    def let_go(self) -> None:
        """Let others take it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def start(self) -> None:
        """Start the process that comes next: train, go on, or measure."""
        if self.run.finished:
            arguments = ["evaluate", str(self.run.path)]
        elif self.run.recipe_file.is_file():
            arguments = ["train", "--resume", str(self.run.path)]
            self.whole = False
        else:
            # What a process that was killed while it made the folder has left.
            for left in self.run.path.parent.glob(f".{self.run.path.name}.*.tmp"):
                shutil.rmtree(left, ignore_errors=True)
            arguments = ["train", str(self.recipe), "--set", f"seed={self.seed}"]
            arguments += ["--out", str(self.run.path)]
        self.step = arguments[0]
        held = () if self._lock is None else (self._lock.fileno(),)
        with self.log.open("ab") as log:
            log.write(f"$ keras-seal {' '.join(arguments)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "keras_seal", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                # Ctrl-C reaches it from here, once.
                start_new_session=True,
                # As long as the process lives, it holds the run.
                pass_fds=held,
            )

    def last_lines(self) -> list[str]:
        """Read the end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return [f"There is no log: {error}."]
        return [line for line in lines if line.strip()][-_TAIL:]

    def outcome(self) -> Outcome:
        """Read its figures."""
        return read_outcome(self.table, self.label, self.seed)


class Study:
    """Variants of a recipe, each trained with several seeds, and what came of them.

    Into the folder go `recipes/VARIANT.yaml`, a run folder `runs/VARIANT-SEED` and a log
    `logs/VARIANT-SEED.log` for each run, and the comparison.

    Args:
        folder: The folder; new, empty, or that of the same study.
        variants: A recipe for each label, from `plan`.
        seeds: Seeds of the runs of each.
        title: Title of the comparison.

    Raises:
        UserError: If the folder holds something else, or a variant with another recipe.
    """

    def __init__(
        self,
        folder: str | Path,
        variants: Mapping[str, Recipe],
        seeds: Sequence[int],
        title: str = "Study",
    ) -> None:
        self.title = title
        self.folder = Path(folder)
        self.variants = dict(variants)
        self.seeds = tuple(seeds)
        self._keep_recipes()
        # Seeds first: what there is early is of all variants.
        self.jobs = [self._job(label, seed) for seed in self.seeds for label in self.variants]

    @property
    def baseline(self) -> str:
        """What the others are compared with: the baseline, or else the first variant."""
        return BASELINE if BASELINE in self.variants else next(iter(self.variants))

    def _file(self, label: str) -> Path:
        return self.folder / "recipes" / f"{label}.yaml"

    def _job(self, label: str, seed: int) -> Job:
        name = f"{label}-{seed}"
        return Job(
            label,
            seed,
            self._file(label),
            RunFolder(self.folder / "runs" / name),
            self.folder / "logs" / f"{name}.log",
        )

    def _keep_recipes(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file: choose another --out.")
        mine = (self.folder / "recipes").is_dir()
        if not mine and self.folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(
                f"{self.folder} holds something else than a study: choose another --out."
            )
        for label, recipe in self.variants.items():
            path = self._file(label)
            if not path.is_file():
                continue
            before = recipes.load(path)
            if before != recipe:
                raise UserError(
                    f"{self.folder} was begun with another recipe for '{label}':"
                    f" {'; '.join(_differences(before, recipe))}. Choose another --out, or give"
                    " what was given then."
                )
        for name in ("runs", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for label, recipe in self.variants.items():
            if not self._file(label).is_file():
                files.write_text(self._file(label), recipes.to_yaml(recipe))

    def run(self, processes: int = 1, note: Note = print) -> dict[str, list[str]]:
        """Bring every run to its end; one that fails does not stop the others.

        Args:
            processes: Runs at a time.
            note: Told a line for each run that ends.

        Returns:
            The last lines of the log of each run that failed, by its title.

        Raises:
            KeyboardInterrupt: On Ctrl-C or SIGTERM, when all processes have stopped.
        """
        waiting = [job for job in self.jobs if not job.finished]
        done = len(self.jobs) - len(waiting)
        if done:
            note(f"{done} of {len(self.jobs)} runs are finished already.")
        active: list[Job] = []
        failed: dict[str, list[str]] = {}
        seconds: dict[str, list[float]] = {}
        blocked: set[str] = set()
        with _terminated_as_interrupted():
            try:
                while waiting or active:
                    for job in list(waiting):
                        if len(active) >= processes:
                            break
                        if not job.take():
                            if job.title not in blocked:
                                note(f"{job.title}: another process is at work on it; waiting.")
                            blocked.add(job.title)
                            continue
                        waiting.remove(job)
                        if job.finished:  # by that other process
                            job.let_go()
                            done += 1
                            continue
                        job.began = time.monotonic()
                        job.start()
                        active.append(job)
                    time.sleep(_LOOK)
                    for job in list(active):
                        if self._is_at_work(job):
                            continue
                        active.remove(job)
                        job.let_go()
                        done += 1
                        took = time.monotonic() - job.began
                        if job.finished:
                            if job.whole:
                                seconds.setdefault(job.label, []).append(took)
                            outcome = f"MPJPE {job.outcome().mean('mpjpe'):.2f} mm"
                        else:
                            failed[job.title] = job.last_lines()
                            outcome = f"failed to {job.step}"
                        left = _time_left(seconds, active, waiting, processes)
                        note(
                            f"[{done}/{len(self.jobs)}] {job.title}: {outcome}, {_time(took)}"
                            + (f"; about {_time(left)} left" if left else "")
                        )
            finally:
                _stop(active)
        return failed

    @staticmethod
    def _is_at_work(job: Job) -> bool:
        """Look whether a job's process goes on, and start the one that comes after it."""
        assert job.process is not None
        status = job.process.poll()
        if status is None:
            return True
        if status != 0 or job.finished or job.step == "evaluate":
            return False
        if not job.run.finished:
            return False
        job.start()
        return True

    def compare(
        self, resamples: int = 10_000, confidence: float = 0.95
    ) -> tuple[list[Outcome], list[Comparison]]:
        """Compare each variant with the baseline, by the seeds that both have.

        Writes `comparison.json`, `.md` and `.html` into the folder.

        Args:
            resamples: Draws of the bootstrap.
            confidence: Share of the draws that an interval holds.

        Returns:
            The runs there are, and the comparisons.

        Raises:
            UserError: If no run is finished, or they cannot be compared.
        """
        outcomes = [job.outcome() for job in self.jobs if job.finished]
        if not outcomes:
            raise UserError(f"No run in {self.folder} is finished: there is nothing to compare.")
        order = {label: place for place, label in enumerate([self.baseline, *self.variants])}
        outcomes.sort(key=lambda outcome: min(order[outcome.label], len(order)))
        base = {each.seed: each for each in outcomes if each.label == self.baseline}
        # Variants with the same seeds go together: drawing the sequences is what takes long.
        together: dict[tuple[int, ...], list[Outcome]] = {}
        for label in self.variants:
            own = [each for each in outcomes if each.label == label and each.seed in base]
            if label != self.baseline and own:
                together.setdefault(tuple(sorted(each.seed for each in own)), []).extend(own)
        results: list[Comparison] = []
        for seeds, others in together.items():
            runs = [*(base[seed] for seed in seeds), *others]
            results += compare(runs, resamples=resamples, confidence=confidence)
        results.sort(key=lambda result: order[result.other])
        facts = {
            "each variant less": self.baseline,
            "intervals": f"{confidence:.0%}, paired bootstrap over sequences and seeds, "
            f"{resamples:,} draws",
            "seeds": ", ".join(map(str, self.seeds)),
        }
        missing = [job.title for job in self.jobs if not job.finished]
        if missing:
            facts["not finished, and left out"] = "; ".join(missing)
        told = comparable(outcomes)
        write_comparison(self.folder, self.title, outcomes, results, facts, told)
        return outcomes, results


def _differences(before: Recipe, now: Recipe, most: int = 3) -> list[str]:
    old, new = (dict(_leaves(recipe.model_dump(mode="json"))) for recipe in (before, now))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    told = [
        f"{key} was {old.get(key, 'absent')}, is {new.get(key, 'absent')}" for key in changed[:most]
    ]
    return told + ([f"and {len(changed) - most} more"] if len(changed) > most else [])


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _time_left(
    seconds: Mapping[str, list[float]],
    active: Sequence[Job],
    waiting: Sequence[Job],
    processes: int,
) -> float:
    """Guess what the rest takes: each run as long as those of its variant took, or as any."""
    known = [each for took in seconds.values() for each in took]
    if not known:
        return 0.0

    def expected(job: Job) -> float:
        return statistics.mean(seconds.get(job.label, known))

    now = time.monotonic()
    rest = sum(max(0.0, expected(job) - (now - job.began)) for job in active)
    return (rest + sum(expected(job) for job in waiting)) / processes


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _stop(jobs: Sequence[Job]) -> None:
    """Ask processes to stop, wait for them, and end those that do not."""
    processes = [job.process for job in jobs if job.process is not None]
    try:
        for process in processes:
            if os.name == "posix":
                process.send_signal(signal.SIGINT)
            else:
                process.terminate()
        until = time.monotonic() + _STOP
        for process in processes:
            process.wait(timeout=max(0.0, until - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for job in jobs:
            job.let_go()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
