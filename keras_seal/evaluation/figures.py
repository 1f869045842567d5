"""What the figures of an evaluation are called, and their units."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """One kind of figure.

    Args:
        title: What people call it.
        unit: The unit it is given in.
        digits: Decimals worth showing.
    """

    title: str
    unit: str
    digits: int = 2


#: By name, in the order of the tables.
FIGURES: dict[str, Figure] = {
    "mpjpe": Figure("MPJPE", "mm"),
    "p_mpjpe": Figure("P-MPJPE", "mm"),
    "n_mpjpe": Figure("N-MPJPE", "mm"),
    "pck": Figure("PCK at 150 mm", "%"),
    "auc": Figure("AUC of PCK, 0 to 150 mm", "%"),
    "whole": Figure("Whole body, pelvis-aligned", "mm"),
    "body": Figure("Body, pelvis-aligned", "mm"),
    "face": Figure("Face, pelvis-aligned", "mm"),
    "face_nose": Figure("Face, nose-aligned", "mm"),
    "hands": Figure("Hands, pelvis-aligned", "mm"),
    "hands_wrist": Figure("Hands, wrist-aligned", "mm"),
    "reprojection": Figure("2D reprojection", "px"),
    "reprojection_percent": Figure("2D reprojection, of the person's size", "%"),
    "mpjve": Figure("MPJVE", "mm/frame"),
    "acceleration": Figure("Acceleration error", "mm/frame^2"),
    "lse": Figure("LSE, left-right difference", "mm"),
    "lse_percent": Figure("LSE, relative", "%"),
    "lse_share": Figure("poses with LSE above 1 %", "%", 1),
    "bsle": Figure("BSLE, bone lengths", "mm"),
    "bsle_percent": Figure("BSLE, relative", "%"),
    "bsle_share": Figure("poses with BSLE above 10 %", "%", 1),
    "lle": Figure("LLE, limb lengths", "mm"),
    "lle_percent": Figure("LLE, relative", "%"),
    "jae": Figure("JAE, joint angles", "deg"),
    "jae_share": Figure("poses with JAE above 0.1 rad", "%", 1),
    "mpsse": Figure("MPSSE (the same as LSE)", "mm"),
    "mpsce": Figure("MPSCE, spread of bone lengths, frames joined", "mm"),
    "length_spread": Figure("Spread of bone lengths within a sequence", "mm"),
    "length_spread_percent": Figure("Spread within a sequence, of the length", "%"),
    "length": Figure("mean length", "mm", 1),
    "true_length": Figure("true mean length", "mm", 1),
    "true_lse": Figure("truth's own", "mm"),
    "true_length_spread": Figure("truth's spread", "mm"),
}


def shown(name: str, value: float | None) -> str:
    """Write a figure for people.

    Args:
        name: Its name.
        value: The value; `None` where it is not defined.

    Returns:
        The rounded number, or nothing.

    Examples:
        >>> shown("mpjpe", 43.2149), shown("mpjve", None)
        ('43.21', '')
    """
    return "" if value is None else f"{value:.{FIGURES[name].digits}f}"
