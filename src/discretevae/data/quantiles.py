"""How the numbers of a column spread, learned from the training rows."""

import itertools

import numpy as np
from jaxtyping import Float64, Shaped

from discretevae.schema.columns import NumericColumn, QuantileColumn
from discretevae.schema.quantiles import Bins

__all__ = ["numeric_column"]

FEW = 20
"""Rows below which mean and scale say all that is known."""
LEAST = 5
"""Rows that a bin holds at least, so that no edge is the number of a single one."""
BINS = 64
"""About how many bins there are at most."""
STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
"""Where an open end is parted, in units of how far its rows lie beyond it."""
DIGITS = 6
"""Most digits after the decimal point that are taken for a limit of all numbers."""


def numeric_column(
    name: str, values: Float64[np.ndarray, " n"], counts: Shaped[np.ndarray, " n"]
) -> NumericColumn:
    """Learns mean, scale and, from 20 rows, the quantiles of numbers.

    Arguments:
        name: Of the column.
        values: Its numbers.
        counts: How many rows have each.

    Example:
        >>> column = numeric_column("a", np.array([0.0, 1.0, 2.5]), np.array([10, 8, 6]))
        >>> column.edges, column.centres[1:-1], column.atoms
        ((-0.5, 0.5, 1.75, 3.25), (0.0, 1.0, 2.5), (False, True, True, True, False))
    """
    digits = _digits(values)
    values = values.astype(np.float32).astype(np.float64)
    mean = float(np.average(values, weights=counts))
    scale = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
    different, where = np.unique(values, return_inverse=True)
    often = np.bincount(where, counts)
    if often.max() >= LEAST and often.sum() - often.max() < LEAST and scale > 0:
        mean, scale = _of_few(different, often, scale)
    if often.sum() < FEW or len(different) < 2:
        return NumericColumn(name, mean, scale if scale > 0 else 1.0)
    bins = _mirrored(_thinned(_mirrored(_thinned(_bins(different, often, scale, digits)))))
    if not (np.diff(np.array(bins.edges, np.float32)) > 0).all():  # too close to tell apart
        return NumericColumn(name, mean, scale)
    edges, shares, centres = map(tuple, (bins.edges, bins.shares, bins.centres))
    return QuantileColumn(name, mean, scale, edges, shares, centres, tuple(bins.atoms), digits)


def _of_few(different: np.ndarray, often: np.ndarray, scale: float) -> tuple[float, float]:
    """The number that almost all rows share, and a power of two about the scale.

    Mean and scale to the digit would tell the only other number.
    """
    return float(different[often.argmax()]), float(2.0 ** np.round(np.log2(scale)))


def _bins(different: np.ndarray, often: np.ndarray, scale: float, digits: int | None) -> Bins:
    """Bins of about as many rows each, and one for each number that as many rows share."""
    starts, atoms = _parted(often)
    edges = [_edge(different, often, start - 1) for start in starts[1:]]
    first, last = (_edge(different, often, place) for place in (0, len(different) - 2))
    if atoms[0]:
        edges.insert(0, float(2 * different[0] - first))
        starts, atoms = [0, *starts], [False, *atoms]
    if atoms[-1]:
        edges.append(float(2 * different[-1] - last))
        starts, atoms = [*starts, len(different)], [*atoms, False]
    if not edges:  # few different numbers, all rare
        edges, starts, atoms = [first], [0, 1], [False, False]
    inside = np.searchsorted(edges, different)
    rows = np.maximum(np.bincount(inside, often, len(edges) + 1), 0.5)
    centres = [
        edges[0] - _excess(edges[0] - different, often, inside == 0, scale),
        *((low + high) / 2 for low, high in itertools.pairwise(edges)),
        edges[-1] + _excess(different - edges[-1], often, inside == len(edges), scale),
    ]
    for place, atom in enumerate(atoms):
        if atom:
            centres[place] = float(different[starts[place]])
    return Bins(edges, (rows / rows.sum()).tolist(), centres, atoms, digits)


def _thinned(bins: Bins) -> Bins:
    """Parts the upper end, in which rows thin out exponentially; one that is empty stays."""
    if bins.atoms[-2]:
        return bins
    edge, share, tau = bins.edges[-1], bins.shares[-1], bins.centres[-1] - bins.edges[-1]
    edges = [edge + step * tau for step in STEPS]
    beyond = [share * float(np.exp(-step)) for step in (0.0, *STEPS)]
    middles = [(low + high) / 2 for low, high in zip([edge, *edges[:-1]], edges, strict=True)]
    return Bins(
        [*bins.edges, *edges],
        [*bins.shares[:-1], *(-np.diff(beyond)).tolist(), beyond[-1]],
        [*bins.centres[:-1], *middles, edges[-1] + tau],
        [*bins.atoms, *[False] * len(STEPS)],
        bins.digits,
    )


def _mirrored(bins: Bins) -> Bins:
    """The same of the numbers with their signs changed."""
    edges, centres = ([-value for value in values[::-1]] for values in (bins.edges, bins.centres))
    return Bins(edges, bins.shares[::-1], centres, bins.atoms[::-1], bins.digits)


def _parted(often: np.ndarray) -> tuple[list[int], list[bool]]:
    """Where each bin starts among the different numbers, and whether it is one of them alone."""
    enough = max(LEAST, int(np.ceil(often.sum() / BINS)))
    starts, rows, atoms = list[int](), list[int](), list[bool]()
    for place, count in enumerate(map(int, often)):
        atom = count >= enough
        if not starts or atom or atoms[-1] or rows[-1] >= enough:
            starts.append(place)
            rows.append(count)
            atoms.append(atom)
        else:
            rows[-1] += count
    while len(starts) > 1 and min(rows) < LEAST:  # a rest joins the smaller of its neighbours
        rest = rows.index(min(rows))
        beside = [place for place in (rest - 1, rest + 1) if 0 <= place < len(rows)]
        first, second = sorted((rest, min(beside, key=lambda place: rows[place])))
        rows[first : second + 1] = [rows[first] + rows[second]]
        atoms[first : second + 1] = [False]
        del starts[second]
    return starts, atoms


def _edge(different: np.ndarray, often: np.ndarray, place: int) -> float:
    """Between two numbers half-way, but where one is told and the other is of a few rows.

    Half-way from a number that is known would tell the other; a power of two away does not.
    """
    low, high = map(float, different[place : place + 2])
    shared = often[place : place + 2] >= LEAST
    if shared[0] == shared[1]:
        return (low + high) / 2
    step = 2.0 ** np.floor(np.log2((high - low) / 2))
    return float(low + step if shared[0] else high - step)


def _excess(beyond: np.ndarray, often: np.ndarray, there: np.ndarray, scale: float) -> float:
    """How far the rows of an open end lie beyond its edge, on average; of a few it is not told."""
    enough = often[there].sum() >= LEAST
    found = float(np.average(beyond[there], weights=often[there])) if enough else 0.0
    return found if found > 0 else scale


def _digits(values: np.ndarray) -> int | None:
    close = 1e-9 * np.maximum(1, np.abs(values))
    found = (d for d in range(DIGITS + 1) if (np.abs(np.round(values, d) - values) <= close).all())
    return next(found, None)
