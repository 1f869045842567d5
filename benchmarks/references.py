"""Score references that need no network: the mean pose, ridge regression, a mean body.

    python benchmarks/references.py real_motion.npz      # a file of `PoseSplits`
    python benchmarks/references.py BVH_FOLDER           # as the recipes mocap_* read it
    python benchmarks/references.py real_motion.npz --train lifter --lifter lifter

Ridge regression maps 1,200 random features (rectified projections of one frame's keypoints) to the
pose, fitted in closed form on the training split; its strength is chosen on the validation split.
A third row gives everybody the same body: the true test poses, their bones as long as the training
people's are on average. Its BSLE is what remains to who does not tell one person from the next.
Prints a Markdown table of test errors in millimetres. With --train all are fitted on the data of
another recipe; --lifter adds a row for a trained net (a file, a run folder, or the bundled one).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from keras_seal import geometry, recipes
from keras_seal.data import PoseSequences, PoseSplits, sources
from keras_seal.geometry import root_relative
from keras_seal.inference import Lifter
from keras_seal.metrics import functional

FEATURES = 1200
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def arrays(sequences: PoseSequences) -> tuple[np.ndarray, np.ndarray]:
    """Take keypoints as rows and root-relative poses as rows, metres."""
    poses = root_relative(sequences.poses, sequences.skeleton)
    count = len(poses)
    return (
        sequences.keypoints[..., :2].reshape(count, -1).astype("float64"),
        poses.reshape(count, -1).astype("float64"),
    )


def scores(prediction: np.ndarray, truth: np.ndarray, skeleton: object) -> dict[str, float]:
    """Test errors, millimetres."""
    shape = (len(truth), 1, -1, 3)
    pair = truth.reshape(shape), prediction.reshape(shape)
    return {
        "MPJPE": 1e3 * float(functional.mpjpe(*pair).mean()),
        "P-MPJPE": 1e3 * float(functional.p_mpjpe(*pair).mean()),
        "LSE": 1e3 * float(functional.limb_symmetry_error(*pair, skeleton).mean()),
        "BSLE": 1e3 * float(functional.body_segment_length_error(*pair, skeleton).mean()),
    }


def ridge(splits: PoseSplits, test: PoseSequences, seed: int = 0) -> np.ndarray:
    """Fit on the training split, choose on the validation split, predict the test poses."""
    rng = np.random.default_rng(seed)
    (x, y), validation = arrays(splits.train), arrays(splits.validation)
    mean, deviation = x.mean(0), x.std(0) + 1e-9
    projection = rng.normal(0, x.shape[1] ** -0.5, (x.shape[1], FEATURES))
    shift = rng.normal(0, 1, FEATURES)

    def features(rows: np.ndarray) -> np.ndarray:
        rows = (rows - mean) / deviation
        return np.concatenate(
            [np.maximum(rows @ projection + shift, 0), rows, np.ones((len(rows), 1))], axis=1
        )

    gram, target = 0.0, 0.0
    for start in range(0, len(x), 50_000):
        part = features(x[start : start + 50_000])
        gram, target = gram + part.T @ part, target + part.T @ y[start : start + 50_000]
    gram, target = gram / len(x), target / len(x)
    found = []
    for strength in STRENGTHS:
        weights = np.linalg.solve(gram + strength * np.eye(len(gram)), target)
        errors = (features(validation[0]) @ weights - validation[1]).reshape(
            len(validation[0]), -1, 3
        )
        found.append((np.linalg.norm(errors, axis=-1).mean(), strength, weights))
    _, _, weights = min(found, key=lambda entry: entry[0])
    keypoints = arrays(test)[0]
    parts = [features(part) @ weights for part in np.array_split(keypoints, 20)]
    return np.concatenate(parts)


def with_mean_bones(train: PoseSequences, test: PoseSequences) -> np.ndarray:
    """Keep the directions of the true bones, with the training split's mean lengths."""
    skeleton = test.skeleton
    lengths = geometry.bone_lengths(train.poses, skeleton).reshape(-1, len(skeleton.bones)).mean(0)
    poses = root_relative(test.poses, skeleton)
    vectors = geometry.bone_vectors(poses, skeleton)
    vectors = vectors * (lengths[:, None] / np.linalg.norm(vectors, axis=-1, keepdims=True))
    built = geometry.forward_kinematics(poses[..., skeleton.root, :], vectors, skeleton)
    return root_relative(built, skeleton).reshape(len(poses), -1)


def lifted(source: str, test: PoseSequences) -> np.ndarray:
    """Lift the test sequences one by one."""
    lifter = Lifter(source)
    parts = [lifter(test.sequence(i).keypoints[..., :2]) for i in range(len(test))]
    poses = root_relative(np.concatenate(parts), test.skeleton)
    return poses.reshape(len(poses), -1).astype("float64")


def read(path: Path) -> PoseSplits:
    """Read the splits, from BVH files as the recipes do."""
    if not path.is_dir():
        return PoseSplits.load(path)
    recipe = recipes.load("mocap_sem_gcn", [f"data.options.folder={path.resolve()}"])
    return sources.get(recipe.data.source)(**recipe.data.options).load()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a file of splits, or a folder of BVH files")
    parser.add_argument("--train", metavar="RECIPE", help="fit on this recipe's data")
    parser.add_argument("--lifter", help="also score this net")
    options = parser.parse_args()
    test = read(options.data).test
    if options.train:
        recipe = recipes.load(options.train, [])
        splits = sources.get(recipe.data.source)(**recipe.data.options).load()
    else:
        splits = read(options.data)
    truth = arrays(test)[1]
    mean = np.broadcast_to(arrays(splits.train)[1].mean(0), truth.shape)
    rows = [
        ("mean pose", mean),
        ("ridge regression", ridge(splits, test)),
        ("true poses, mean bone lengths", with_mean_bones(splits.train, test)),
    ]
    if options.lifter:
        rows.append((options.lifter, lifted(options.lifter, test)))
    print("| reference | MPJPE mm | P-MPJPE mm | LSE mm | BSLE mm |")
    print("| --- | --- | --- | --- | --- |")
    for name, prediction in rows:
        found = scores(prediction, truth, test.skeleton)
        cells = " | ".join(f"{value:.2f}" for value in found.values())
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
