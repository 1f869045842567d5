"""Adjacency matrices and what graph layers make of them. NumPy only: constants of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_seal import skeletons

NORMALIZATIONS = ("symmetric", "row", "column", "none")


def check_adjacency(adjacency: Any) -> np.ndarray:
    """Return `adjacency` as a float32 array, or say what is wrong with it.

    Args:
        adjacency: Square matrix `(joints, joints)`; entry (i, j) is the weight with which joint i
            hears joint j, 0 for no edge.

    Returns:
        The matrix, float32.

    Raises:
        ValueError: If it is not square, not finite or has negative entries.

    Examples:
        >>> check_adjacency([[0, 1], [1, 0]]).shape
        (2, 2)
    """
    matrix = np.asarray(adjacency, dtype="float32")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"An adjacency matrix has shape (joints, joints), got {matrix.shape}.")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise ValueError("An adjacency matrix holds finite weights >= 0: this one does not.")
    return matrix


def resolve_graph(skeleton: Any, adjacency: Any) -> tuple[skeletons.Skeleton | None, np.ndarray]:
    """Turn the two ways of giving a layer its graph into one adjacency matrix.

    Args:
        skeleton: A `Skeleton`, its name, a YAML path or a dict; or None.
        adjacency: A matrix `(joints, joints)`; or None.

    Returns:
        The skeleton (None if a matrix was given) and the adjacency matrix, float32.

    Raises:
        ValueError: If both or neither are given.

    Examples:
        >>> skeleton, matrix = resolve_graph("human36m_17", None)
        >>> matrix.shape
        (17, 17)
    """
    if (skeleton is None) == (adjacency is None):
        given = "both" if skeleton is not None else "neither"
        raise ValueError(f"Give either `skeleton` or `adjacency`, got {given}.")
    if skeleton is not None:
        skeleton = skeletons.get(skeleton)
        return skeleton, np.asarray(skeleton.adjacency, dtype="float32")
    return None, check_adjacency(adjacency)


def normalize_adjacency(
    adjacency: Any, normalization: str = "symmetric", self_loops: bool = True
) -> np.ndarray:
    """Normalise an adjacency matrix by the degrees of its nodes.

    Args:
        adjacency: Matrix `(joints, joints)`.
        normalization: `"symmetric"` for D^-1/2 A D^-1/2, `"row"` for D^-1 A (each joint takes the
            mean of its neighbours), `"column"` for A D^-1 (each joint shares itself out), or
            `"none"`.
        self_loops: Whether to set the diagonal to 1 first; otherwise it is set to 0.

    Returns:
        The normalised matrix, float32. Rows (columns) of joints without an edge stay zero.

    Raises:
        ValueError: If `normalization` is none of the four, or the matrix is not valid.

    Examples:
        >>> normalize_adjacency([[0, 1], [1, 0]], "row").tolist()
        [[0.5, 0.5], [0.5, 0.5]]

    Reference:
        Kipf and Welling, "Semi-supervised classification with graph convolutional networks",
        ICLR 2017, equation 2 (the symmetric form).
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"`normalization` is one of {NORMALIZATIONS}, got {normalization!r}.")
    matrix = check_adjacency(adjacency).astype("float64")
    np.fill_diagonal(matrix, 1.0 if self_loops else 0.0)

    def inverse(degrees: np.ndarray, power: float) -> np.ndarray:
        return np.where(degrees > 0, np.maximum(degrees, 1e-12) ** -power, 0.0)

    rows, columns = matrix.sum(1), matrix.sum(0)
    if normalization == "symmetric":
        matrix = inverse(rows, 0.5)[:, None] * matrix * inverse(columns, 0.5)[None, :]
    elif normalization == "row":
        matrix = inverse(rows, 1.0)[:, None] * matrix
    elif normalization == "column":
        matrix = matrix * inverse(columns, 1.0)[None, :]
    return matrix.astype("float32")


def chebyshev_polynomials(adjacency: Any, order: int) -> np.ndarray:
    """Chebyshev polynomials of a graph's rescaled Laplacian.

    The Laplacian is L = I - D^-1/2 A D^-1/2, rescaled to 2 L / lambda_max - I so that its
    eigenvalues lie in [-1, 1]; then T_0 = I, T_1 = L and T_k = 2 L T_(k-1) - T_(k-2).

    Args:
        adjacency: Symmetric matrix `(joints, joints)`; its diagonal is ignored.
        order: How many polynomials, at least 1.

    Returns:
        Array `(order, joints, joints)`, float32. T_k is zero between joints over k hops apart.

    Raises:
        ValueError: If `order` < 1 or the matrix is not symmetric.

    Examples:
        >>> chebyshev_polynomials([[0, 1], [1, 0]], 3).shape
        (3, 2, 2)

    Reference:
        Defferrard et al., "Convolutional neural networks on graphs with fast localized spectral
        filtering", NeurIPS 2016, section 2.1.
    """
    if order < 1:
        raise ValueError(f"`order` is at least 1, got {order}.")
    matrix = check_adjacency(adjacency)
    if not np.allclose(matrix, matrix.T):
        raise ValueError(
            "Chebyshev filters need a symmetric adjacency matrix: average it with its transpose."
        )
    identity = np.eye(len(matrix))
    laplacian = identity - normalize_adjacency(matrix, "symmetric", self_loops=False)
    isolated = matrix.sum(1) - np.diag(matrix) == 0
    laplacian[isolated, isolated] = 0.0
    largest = max(float(np.linalg.eigvalsh(laplacian).max()), 1e-6)
    rescaled = 2.0 * laplacian / largest - identity
    polynomials = [identity, rescaled]
    while len(polynomials) < order:
        polynomials.append(2.0 * rescaled @ polynomials[-1] - polynomials[-2])
    return np.stack(polynomials[:order]).astype("float32")


def hop_distances(adjacency: Any) -> np.ndarray:
    """Length of the shortest path between every two joints, in edges.

    Args:
        adjacency: Matrix `(joints, joints)`.

    Returns:
        Array `(joints, joints)`, int32; `joints` where no path exists.

    Examples:
        >>> hop_distances([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).tolist()
        [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    """
    edges = check_adjacency(adjacency) > 0
    count = len(edges)
    distances = np.full((count, count), count, dtype="int32")
    reached = np.eye(count, dtype=bool)
    np.fill_diagonal(distances, 0)
    for hops in range(1, count):
        grown = reached | ((reached.astype("int32") @ edges.astype("int32")) > 0)
        distances[grown & ~reached] = hops
        if (grown == reached).all():
            break
        reached = grown
    return distances
