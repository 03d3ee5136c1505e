"""Rows of numbers laid out in the plane: t-SNE and UMAP, for looking at and not for measuring."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped

from discretevae.evaluation.representations import draw_rows, require_rows
from discretevae.files import atomic_path
from discretevae.names import require_count

__all__ = ["NotInstalledError", "cached_array", "embedded_rows", "tsne", "umap", "umap_installed"]

EMBEDDED = 5_000
"""The most rows that are embedded."""
FEWEST = 4
"""The fewest rows that are embedded; as few different ones are laid out without a method."""
PERPLEXITY = 30.0
"""How many neighbours t-SNE effectively gives each row, where rows are many."""
NEIGHBOURS = 15
"""How many neighbours UMAP gives each row, itself the first, where rows are many."""


class NotInstalledError(ValueError):
    """Says which install brings what is missing.

    Example:
        >>> raise NotInstalledError("install discretevae[analysis].")
        Traceback (most recent call last):
        discretevae.evaluation.embeddings.NotInstalledError: install discretevae[analysis].
    """


def embedded_rows(rows: int, seed: int = 0) -> Int[np.ndarray, " n"]:
    """Chooses the rows to embed: all of them, or 5,000 different ones drawn by `seed`, in order.

    Example:
        >>> embedded_rows(3)
        array([0, 1, 2])
        >>> len(embedded_rows(60_000))
        5000
    """
    require_count("rows", rows, 0)
    return draw_rows(rows, EMBEDDED, "embedding", seed)


def tsne(x: Float[np.ndarray, "N F"], seed: int = 0) -> Float[np.ndarray, "N 2"]:
    r"""Places rows so that neighbours stay neighbours, by t-SNE.

    .. math:: \min_y \sum_{m \neq n} p_{mn} \log \frac{p_{mn}}{q_{mn}}, \qquad
        q_{mn} \propto \frac{1}{1 + \|y_m - y_n\|^2}

    with :math:`p_{mn}` the mean of :math:`p_{m|n} / N` and :math:`p_{n|m} / N`, where
    :math:`p_{m|n} \propto e^{-\|x_m - x_n\|^2 / 2 \sigma_n^2}` and :math:`\sigma_n` gives each
    row a perplexity of 30, or a third of the other rows where these are fewer than 90. Distances
    between groups, their sizes and their densities mean little.

    Equal rows are one row for the method and get one point; the scale of `x` does not matter. Three
    different rows or fewer keep the shape they have. The start is the first two principal
    components, and `seed` draws only the random projection that finds these: mostly all seeds give
    the same, which says nothing about stability. One thread works, so that the number of cores
    does not matter.

    Raises:
        ValueError: If `x` has fewer than four rows or is not finite.

    Reference: van der Maaten & Hinton, Visualizing Data using t-SNE, 2008; van der Maaten,
    Accelerating t-SNE using Tree-Based Algorithms, 2014.

    Example:
        >>> y = tsne(np.array([[0.0], [0.1], [9.0], [9.1], [9.1]]))
        >>> y.shape, bool((y[3] == y[4]).all())
        ((5, 2), True)
    """
    from sklearn.manifold import TSNE

    def place(rows: Float64[np.ndarray, "n F"]) -> Float[np.ndarray, "n 2"]:
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        method = TSNE(
            perplexity=perplexity, init="pca", learning_rate="auto", random_state=int(seed)
        )
        return method.fit_transform(rows)

    return _embed(x, place)


def umap(x: Float[np.ndarray, "N F"], seed: int = 0) -> Float[np.ndarray, "N 2"]:
    r"""Places rows so that their graph of neighbours is kept, by UMAP.

    .. math:: \min_y \sum_{m \neq n} v_{mn} \log \frac{v_{mn}}{w_{mn}}
        + (1 - v_{mn}) \log \frac{1 - v_{mn}}{1 - w_{mn}}, \qquad
        w_{mn} = \frac{1}{1 + a \|y_m - y_n\|^{2b}}

    with :math:`v_{mn}` the fuzzy union of
    :math:`e^{-(\|x_m - x_n\| - \rho_n) / \sigma_n}` over the 15 rows nearest to row n, itself one
    of them (all rows but one, where these are fewer), and :math:`\rho_n` the distance to the
    nearest other; a and b are those of a least distance of 0 in the plane, as UMAP's documentation
    advises for clusters. Distances between groups mean little.

    Equal rows are one row for the method and get one point; the scale of `x` does not matter. Three
    different rows or fewer keep the shape they have. `seed` draws what the start, the search for
    neighbours and the gradient descent leave to chance. One thread works, so that the number of
    cores does not matter; the first call of a process compiles for some seconds.

    Raises:
        NotInstalledError: If umap-learn is not installed.
        ValueError: If `x` has fewer than four rows or is not finite.

    Reference: McInnes, Healy & Melville, UMAP: Uniform Manifold Approximation and Projection for
    Dimension Reduction, 2018.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another start, another search: nothing to act on
        try:
            from umap import UMAP
        except ImportError as error:
            raise NotInstalledError(
                'for UMAP, install discretevae[analysis]: pip install "discretevae[analysis]".'
            ) from error

        def place(rows: Float64[np.ndarray, "n F"]) -> Float[np.ndarray, "n 2"]:
            neighbours = min(NEIGHBOURS, len(rows) - 1)
            method = UMAP(n_neighbors=neighbours, min_dist=0.0, random_state=int(seed), n_jobs=1)
            return method.fit_transform(rows)

        return _embed(x, place)


def umap_installed() -> bool:
    """Whether :func:`umap` can run."""
    return find_spec("umap") is not None


def cached_array(
    path: str | Path, compute: Callable[[], np.ndarray], key: Mapping[str, Any]
) -> Shaped[np.ndarray, "..."]:
    """Gives the array stored at `path`, or computes and stores it.

    It is computed where the file is missing, damaged or of another key. The key holds all that the
    array depends on: plain types as JSON takes them, and arrays, of which a digest is stored.

    Raises:
        TypeError: If the key holds anything else.

    Example:
        >>> import tempfile
        >>> x = np.array([1.0, 2.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "squares.npz"
        ...     first = cached_array(path, lambda: x**2, {"x": x, "power": 2})
        ...     again = cached_array(path, lambda: 0 / 0, {"x": x, "power": 2})
        >>> again
        array([1., 4.])
    """
    text = json.dumps(key, sort_keys=True, default=_digest)
    try:
        with np.load(path, allow_pickle=False) as stored:
            if stored["key"].item() == text:
                return stored["array"]
    except Exception:  # a damaged file fails in many ways, and none of them matters
        pass
    array = compute()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, key=np.array(text), array=array)
    return array


def _embed(
    x: Float[np.ndarray, "N F"],
    place: Callable[[Float64[np.ndarray, "n G"]], Float[np.ndarray, "n 2"]],
) -> Float[np.ndarray, "N 2"]:
    from threadpoolctl import threadpool_limits

    require_rows(x, None, ("x", "labels"))
    if len(x) < FEWEST:
        raise ValueError(f"`x` must have at least {FEWEST} rows, got {len(x)}.")
    # Of more equal rows than neighbours, only some would be neighbours: they would drift apart.
    distinct, points = np.unique(x.astype(np.float64), axis=0, return_inverse=True)
    rows = np.pad(_standard(distinct), ((0, 0), (0, 2)))  # principal components need two columns
    if len(rows) < FEWEST:
        u, s, _ = np.linalg.svd(rows, full_matrices=False)
        y = np.pad(u * s, ((0, 0), (0, 1)))[:, :2]
    else:
        with threadpool_limits(1):
            y = place(rows)
    return y[points.ravel()].astype(np.float32)


def _standard(x: Float64[np.ndarray, "n F"]) -> Float64[np.ndarray, "n F"]:
    """Neither method depends on origin and unit, but both compute squares in float32."""
    x = x / (np.abs(x).max(initial=0) or 1)
    x = x - x.mean(0)
    return x / (np.abs(x).max(initial=0) or 1)


def _digest(x: object) -> list[str]:
    if not isinstance(x, np.ndarray | np.generic) or x.dtype.hasobject:
        raise TypeError(f"`key` must hold plain types and arrays, got {type(x).__name__}.")
    return [x.dtype.str, str(x.shape), hashlib.sha256(x.tobytes()).hexdigest()]
