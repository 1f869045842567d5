"""Rules of joint maps in words, and the weights they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from keras_seal.errors import UserError, nearest
from keras_seal.skeletons.skeleton import Skeleton

_AXES = ("x", "y")
_KEYS = (*_AXES, "at", "confidence")


def to_weights(
    title: str, source: Skeleton, target: Skeleton, rules: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn rules into weights.

    Args:
        title: What to call the map in errors.
        source: The skeleton to map from.
        target: The skeleton to map to.
        rules: As for `JointMap.from_rules`.

    Returns:
        Weights `(target joints, source joints)` of x, of y and of confidences.

    Raises:
        UserError: A rule makes no sense.
    """
    if not isinstance(rules, Mapping):
        raise UserError(
            f"{title}: `rules` must map joints of '{target.name}' to what they are made of, got "
            f"{type(rules).__name__}."
        )
    for joint in rules:
        if joint not in target.joints:
            raise UserError(
                f"{title}: '{target.name}' has no joint '{joint}'."
                f"{nearest(str(joint), target.joints)}"
            )
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for joint in target.joints:
        if joint not in rules and joint not in source.joints:
            raise UserError(
                f"{title}: there is no rule for '{joint}', and '{source.name}' has no joint of "
                "that name."
            )
        rows.append(_row(f"{title}, joint '{joint}'", source, rules.get(joint, joint)))
    x, y, confidence = (np.stack(columns) for columns in zip(*rows, strict=True))
    return x, y, confidence


def _row(title: str, source: Skeleton, rule: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = rule if isinstance(rule, Mapping) and set(rule) & set(_KEYS) else {"at": rule}
    for key in parts:
        if key not in _KEYS:
            raise UserError(f"{title}: unknown key '{key}'.{nearest(str(key), _KEYS)}")
    given = tuple(key for key in (*_AXES, "at") if key in parts)
    if given not in (_AXES, ("at",)):
        raise UserError(f"{title}: give `x` and `y`, or `at` for both.")
    x, y = (_mixture(title, source, parts[axis if "at" not in parts else "at"]) for axis in _AXES)
    if "confidence" in parts:
        confidence = _mixture(title, source, parts["confidence"])
        if (confidence < 0).any():
            raise UserError(f"{title}: weights of confidences must not be negative.")
    else:
        used = (x != 0) | (y != 0)
        confidence = used / used.sum()
    return x, y, confidence


def _mixture(title: str, source: Skeleton, value: Any) -> np.ndarray:
    """Weights `(source joints,)` of one mixture."""
    if isinstance(value, str):
        shares = {value: Fraction(1)}
    elif isinstance(value, Sequence) and value:
        for joint in value:
            if not isinstance(joint, str) or value.count(joint) > 1:
                raise UserError(f"{title}: expected different joints' names, got {value!r}.")
        shares = dict.fromkeys(value, Fraction(1, len(value)))
    elif isinstance(value, Mapping) and value:
        shares = {joint: _share(title, joint, share) for joint, share in value.items()}
    else:
        raise UserError(
            f"{title}: expected a joint of '{source.name}', a list of joints, or joints with "
            f"weights, got {value!r}."
        )
    total = sum(shares.values(), Fraction(0))
    if abs(total - 1) > Fraction(1, 10**6):
        raise UserError(f"{title}: the weights sum to {float(total):.6g}; they must sum to 1.")
    weights = np.zeros(source.num_joints)
    for joint, share in shares.items():
        if joint not in source.joints:
            raise UserError(
                f"{title}: '{source.name}' has no joint '{joint}'."
                f"{nearest(str(joint), source.joints)}"
            )
        weights[source.joints.index(joint)] = float(share)
    return weights


def _share(title: str, joint: object, share: object) -> Fraction:
    if not isinstance(share, bool) and isinstance(share, int | float | str):
        try:
            return Fraction(share)
        except (ValueError, OverflowError, ZeroDivisionError):
            pass
    raise UserError(
        f"{title}: the weight of '{joint}' must be a number or a fraction like '1/3', got "
        f"{share!r}."
    )


def to_rules(
    source: Sequence[str],
    target: Sequence[str],
    x: np.ndarray,
    y: np.ndarray,
    confidence: np.ndarray,
) -> dict[str, Any]:
    """Put weights into words.

    Args:
        source: Joint names of the source.
        target: Joint names of the target.
        x: Weights `(target joints, source joints)` of x.
        y: Weights of y.
        confidence: Weights of confidences.

    Returns:
        Rules that `to_weights` turns back into the same weights.
    """

    def mixture(weights: np.ndarray) -> str | dict[str, float]:
        used = np.flatnonzero(weights).tolist()
        if len(used) == 1 and weights[used[0]] == 1:
            return source[used[0]]
        return {source[index]: float(weights[index]) for index in used}

    rules: dict[str, Any] = {}
    for joint, *row in zip(target, x, y, confidence, strict=True):
        words = [mixture(weights) for weights in row]
        if words[0] != words[1]:
            rules[joint] = dict(zip(("x", "y", "confidence"), words, strict=True))
        elif words[0] != words[2]:
            rules[joint] = {"at": words[0], "confidence": words[2]}
        else:
            rules[joint] = words[0]
    return rules
