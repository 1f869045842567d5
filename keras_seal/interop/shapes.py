"""Reading a net's configuration off the names and shapes of its state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping

from keras_seal.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]

# What most published nets take and give, and all nets here.
METRES = (
    "keypoints: x in [-1, 1] over the image's width, y by the same scale; poses: metres, camera"
    " space, relative to the root"
)

# What H3WB's two multilayer perceptrons take and give, as far as is known.
SCALED_BY_AUTHORS = (
    "keypoints and poses: scaled by the authors in a way that the repository does not tell; the"
    " poses of published weights are not in metres"
)

# The skeletons that the published checkpoints are for.
_BY_JOINTS = {16: "human36m_16", 17: "human36m_17", 133: "h3wb_133"}


def count(shapes: Shapes, pattern: str) -> int:
    r"""Count the modules that are numbered in names.

    Args:
        shapes: Shape by name.
        pattern: Regular expression of the start of a name, with one group: the number.

    Returns:
        One more than the largest number, 0 where there is none.

    Examples:
        >>> count({"blocks.0.w": (1,), "blocks.1.w": (1,), "head.w": (1,)}, r"blocks\.(\d+)")
        2
    """
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def shape_of(shapes: Shapes, name: str, net: str) -> tuple[int, ...]:
    """Return the shape of an entry, or say that this is no checkpoint of that net.

    Args:
        shapes: Shape by name.
        name: The entry.
        net: Name of the net, for the message.

    Returns:
        The shape.

    Raises:
        UserError: If there is no such entry.
    """
    if name not in shapes:
        raise UserError(
            f"These are not the weights of a {net}: there is no '{name}' among the"
            f" {len(shapes)} names."
        )
    return tuple(shapes[name])


def published_skeleton(joints: int) -> str:
    """Name the skeleton that published checkpoints with so many joints are for.

    Args:
        joints: The number.

    Returns:
        A skeleton's name.

    Raises:
        UserError: If no checkpoint has that many joints.

    Examples:
        >>> published_skeleton(17)
        'human36m_17'
    """
    if joints not in _BY_JOINTS:
        raise UserError(
            f"The weights are for {joints} joints; the published ones are for"
            f" {', '.join(map(str, _BY_JOINTS))}. Name the skeleton."
        )
    return _BY_JOINTS[joints]
