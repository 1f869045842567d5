"""A motion in a few lines of text."""

from __future__ import annotations

import numpy as np

from keras_seal.inference.motion import Motion


def summary(motion: Motion) -> list[str]:
    """Say in a few lines how good a motion looks, without knowing the truth.

    Args:
        motion: The motion.

    Returns:
        A line for each of up to ten people.
    """
    lines = []
    people = motion.people
    for person in people[:10]:
        spans = [span for span in motion.spans if span.id == person]
        rows = np.concatenate([np.arange(span.start, span.stop) for span in spans])
        states = motion.states[rows]
        parts = "" if len(spans) == 1 else f" in {len(spans)} pieces"
        line = (
            f"Person {person}: {len(rows)} frames{parts} from frame {spans[0].first_frame} on; "
            f"{100 * (states > 0).mean():.1f}% of joints bridged or guessed, "
            f"{(states == 2).any(axis=1).sum()} frames with guessed joints; bones vary by "
            f"{1e3 * motion.bone_length_deviation[rows].mean():.1f} mm"
        )
        if motion.skeleton.bone_mirror_pairs:
            line += f", sides differ by {1e3 * motion.symmetry_error[rows].mean():.1f} mm"
        if motion.energy is not None:
            line += f", energy {motion.energy[rows].mean():.3g}"
        lines.append(f"{line}.")
    if len(people) > 10:
        lines.append(f"... and {len(people) - 10} more people.")
    return lines
