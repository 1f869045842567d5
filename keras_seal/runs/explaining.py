"""What a run's loss-net knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_seal import __version__, analysis
from keras_seal.analysis import page
from keras_seal.data.sequences import SPLITS
from keras_seal.errors import UserError, nearest
from keras_seal.quiet import without_tensorflow_chatter
from keras_seal.recipes import building
from keras_seal.runs.evaluation import data_recipe, for_net
from keras_seal.runs.folder import RunFolder
from keras_seal.training import SEALPose
from keras_seal.visualization.curves import read_table
from keras_seal.visualization.evaluation import clearest


def explain(
    path: str | Path,
    split: str = "test",
    *,
    on: str | Path | None = None,
    overrides: Sequence[str] = (),
    poses: int = 1000,
    out: str | Path | None = None,
    cache_dir: str | Path | None = None,
    note: Callable[[str], object] = print,
) -> analysis.Explanation:
    """Ask the loss-net of a finished run what it knows, and write it down.

    `explanation.json`, `explanation.md` and `explanation.html` go to a folder of their own.

    Args:
        path: The run folder.
        split: `"test"`, `"validation"` or `"train"`.
        on: A recipe (a file or a built-in name) whose data to ask about instead of the run's own;
            its keypoints and poses are mapped to the run's skeleton.
        overrides: Changes of that recipe as `"dotted.key=value"`; of the run's own where `on` is
            not given.
        poses: Samples to ask about, spread evenly over the split.
        out: The folder; by default `RUN/explanation/SPLIT`, with `on` in its name.
        cache_dir: Where prepared data is kept; by default the user's cache folder.
        note: Told what goes on, line by line.

    Returns:
        The explanation.

    Raises:
        UserError: If there is no such run or split, the run is not finished or has no loss-net, or
            the data does not fit.
    """
    if split not in SPLITS:
        raise UserError(f"There is no split '{split}'.{nearest(split, SPLITS)}")
    folder = RunFolder.open(path)
    recipe = folder.recipe
    if recipe.loss_net is None:
        raise UserError(
            f"{folder.path} was trained without a loss-net (its recipe has no loss_net): there is "
            "nothing to explain."
        )
    for file in (folder.pose_net, folder.loss_net):
        if not file.is_file():
            raise UserError(
                f"{folder.path} has no {file.name} yet: end the run by --resume {folder.path}."
            )
    data = data_recipe(folder, on, overrides)
    skeleton = building.build_skeleton(recipe)
    sequences = building.build_splits(data, cache_dir).parts[split]
    notes = []
    if sequences.skeleton.joints != skeleton.joints:
        notes.append(
            f"The poses were mapped from the skeleton '{sequences.skeleton.name}' to "
            f"'{skeleton.name}': bones that the map makes up are alike in all of them."
        )
    with without_tensorflow_chatter():
        pose_net, loss_net = (
            keras.models.load_model(file, compile=False)
            for file in (folder.pose_net, folder.loss_net)
        )
    samples = analysis.Samples.of(
        for_net(sequences, skeleton, pose_net.input_shape[-1]),
        poses,
        num_frames=pose_net.input_shape[1],
        out_frames=pose_net.output_shape[1],
        frame_stride=recipe.data.frame_stride,
    )
    note(f"Asking about {len(samples)} samples of {data.data.source}, {split} split.")
    found = analysis.explain(analysis.Probe(SEALPose(pose_net, loss_net), samples))
    energy_log = folder.log.with_name("energy.csv")
    name = split if on is None else f"{split}-on-{Path(on).stem}"
    written = page.write_explanation(
        folder.path / "explanation" / name if out is None else out,
        f"The loss-net of {recipe.name} on {data.data.source}",
        found,
        clearest(samples.poses[:, samples.poses.shape[1] // 2], skeleton),
        read_table(energy_log) if energy_log.is_file() else None,
        {
            "run": str(folder.path),
            "data": f"{data.data.source}, {split} split",
            "loss-net": f"{type(loss_net).__name__}, {loss_net.count_params():,} weights",
            "backend": keras.backend.backend(),
            "keras-seal": __version__,
        },
        notes,
    )
    note(f"Written: {', '.join(file.name for file in written)} in {written[0].parent}")
    return found
