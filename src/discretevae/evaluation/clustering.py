"""Whether groups of a representation are the classes: K-means, and latents read as clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer

from discretevae.evaluation.figure import Figure, mean_figure
from discretevae.evaluation.representations import draw_rows, require_rows

__all__ = [
    "Clustering",
    "cluster_metrics",
    "kmeans_clustering",
    "kmeans_scores",
    "label_silhouette",
    "latent_metrics",
]

STARTS = 10
"""K-means starts this often from k-means++ and keeps the start of the lowest inertia."""
FITTED = 10_000
"""The most rows that K-means is fitted to; all rows then go to their nearest centre."""
COMPARED = 2_000
"""The most rows that the silhouette compares, each with each."""

UNITS = {
    "nmi": "between 0 and 1",
    "ari": "at most 1, on average 0 by chance",
    "accuracy": "share of rows",
    "purity": "share of rows",
    "silhouette": "between -1 and 1",
}
LABELLED = ("nmi", "ari", "accuracy", "purity")
"""The scores that compare with labels."""


@dataclass(frozen=True)
class Clustering:
    """Scores of K-means, one for each of R seeds.

    Arguments:
        values: Score → its value for each seed: "clusters" (how many are not empty),
            "silhouette", and with labels "nmi", "ari", "accuracy", "purity".
        skipped: Score → why it is not among the values.
        clusters: C, the number of clusters asked for.
        note: How the clusters were found.
    """

    values: dict[str, Float[np.ndarray, " R"]]
    skipped: dict[str, str]
    clusters: int
    note: str

    @property
    def figures(self) -> dict[str, Figure]:
        """The mean over seeds; its standard error is that of the seeds, not of the data."""
        units = UNITS | {"clusters": f"clusters of {self.clusters} that are not empty"}
        return {
            name: mean_figure(torch.from_numpy(scores), units[name], self.note)
            for name, scores in self.values.items()
        }

    @property
    def deviations(self) -> dict[str, float]:
        """The standard deviation over seeds, with R − 1 below the sum of squares."""
        return {name: float(scores.std(ddof=1)) for name, scores in self.values.items()}


def kmeans_clustering(
    x: Float[np.ndarray, "N F"],
    clusters: int,
    labels: Integer[np.ndarray, " N"] | None = None,
    seeds: Sequence[int] = range(5),
) -> Clustering:
    r"""Finds C clusters by K-means, once for each seed, and scores each result.

    .. math:: \min_{\mu} \sum_n \min_c \|x_n - \mu_c\|^2, \qquad
        \text{silhouette} = \frac1N \sum_n \frac{b_n - a_n}{\max(a_n, b_n)}

    with :math:`a_n` the mean distance of row n to its own cluster and :math:`b_n` to the nearest
    other one; a row alone in its cluster counts 0. The scores that need labels are those of
    :func:`cluster_metrics`; without labels they are skipped. Columns are taken as they are, not
    scaled. Each seed draws its starts, at most 10,000 rows to fit and at most 2,000 for the
    silhouette.

    Where fewer rows than C are distinct, there are as many clusters as distinct rows. The
    silhouette is skipped where some seed leaves it undefined: with one cluster, or as many
    clusters as rows compared.

    Arguments:
        x: The representation, finite.
        clusters: C ≥ 1.
        labels: Any integers.
        seeds: At least two different ones in [0, 2³²).

    Raises:
        ValueError: If an argument is not as stated.

    Reference: Lloyd, Least Squares Quantization in PCM, 1982; Arthur & Vassilvitskii,
    k-means++: The Advantages of Careful Seeding, 2007; Rousseeuw, Silhouettes, 1987.

    Example:
        >>> x = np.array([[0.0], [0.1], [9.0], [9.1]])
        >>> found = kmeans_clustering(x, 2, labels=np.array([7, 7, 3, 3]))
        >>> found.figures["accuracy"].value, found.deviations["accuracy"]
        (1.0, 0.0)
    """
    if clusters < 1:
        raise ValueError(f"`clusters` must be at least 1, got {clusters}.")
    if len(set(seeds)) < max(2, len(seeds)):
        raise ValueError(f"`seeds` must be two or more different ones, got {list(seeds)}.")
    scores = [kmeans_scores(x, clusters, labels, seed) for seed in seeds]
    values = {name: np.array([score[name] for score in scores]) for name in scores[0]}
    skipped = dict.fromkeys(LABELLED, "needs labels") if labels is None else {}
    if np.isnan(values["silhouette"]).any():
        del values["silhouette"]
        skipped["silhouette"] = "undefined for one cluster, or for as many clusters as rows"
    note = (
        f"K-means, C = {clusters}, best of {STARTS} starts, fitted to {min(len(x), FITTED)} of "
        f"{len(x)} rows; mean over {len(seeds)} seeds"
    )
    return Clustering(values, skipped, clusters, note)


def cluster_metrics(
    labels: Integer[np.ndarray, " N"], clusters: Integer[np.ndarray, " N"]
) -> dict[str, float]:
    r"""Compares a clustering with labels by their table of counts :math:`n_{yc}`.

    .. math::
        \text{nmi} = \frac{I(y; c)}{\frac12 (H(y) + H(c))}, \qquad
        \text{ari} = \frac{R - \mathbb{E} R}{\max R - \mathbb{E} R}, \qquad
        \text{accuracy} = \max_m \frac1N \sum_c n_{m(c) c}, \qquad
        \text{purity} = \frac1N \sum_c \max_y n_{yc}

    m matches clusters with labels one to one (the Hungarian method): where clusters outnumber
    labels, the rows of those unmatched count as wrong. R is the number of pairs of rows that are
    together in both, its mean and maximum those of tables with the same margins. Ids may be any
    integers, and none of the scores depends on which.

    A single cluster has nmi and ari 0, or 1 where there is a single label too. Purity rises
    towards 1 with the number of clusters, whatever they mean: compare it at equal C.

    Raises:
        ValueError: If there are no rows, or not as many clusters as labels.

    Reference: Vinh, Epps & Bailey, Information Theoretic Measures for Clusterings Comparison,
    2010; Hubert & Arabie, Comparing Partitions, 1985; Kuhn, The Hungarian Method, 1955;
    Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, section 16.3.

    Example:
        >>> scores = cluster_metrics(np.array([0, 0, 1, 1]), np.array([5, 5, 5, 2]))
        >>> scores["accuracy"], scores["purity"]
        (0.75, 0.75)
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    if not 0 < len(labels) == len(clusters):
        raise ValueError(
            "`labels` and `clusters` must be equally many, at least one, "
            f"got {len(labels)} and {len(clusters)}."
        )
    table = contingency_matrix(labels, clusters)
    matched = table[linear_sum_assignment(table, maximize=True)]
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters, average_method="arithmetic")),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "accuracy": float(matched.sum() / len(labels)),
        "purity": float(table.max(0).sum() / len(labels)),
    }


def latent_metrics(
    labels: Integer[np.ndarray, " N"], codes: Integer[np.ndarray, "N D"]
) -> dict[str, Figure]:
    """Reads the categories of each latent as clusters: :func:`cluster_metrics`, D values each.

    `codes` are class indices, as `encode` gives them.

    Raises:
        ValueError: If there are no rows, or not as many codes as labels.

    Example:
        >>> codes = np.array([[2, 0], [2, 1], [0, 0], [0, 1]])
        >>> latent_metrics(np.array([0, 0, 1, 1]), codes)["accuracy"].value
        [1.0, 0.5]
    """
    scores = [cluster_metrics(labels, clusters) for clusters in codes.T]
    return {
        name: Figure([score[name] for score in scores], None, UNITS[name], "each latent alone")
        for name in LABELLED
    }


def kmeans_scores(
    x: Float[np.ndarray, "N F"],
    clusters: int,
    labels: Integer[np.ndarray, " N"] | None,
    seed: int,
) -> dict[str, float]:
    """Finds C clusters by K-means once: the scores of :func:`kmeans_clustering` for one seed.

    Example:
        >>> x = np.array([[0.0], [0.1], [9.0], [9.1]])
        >>> kmeans_scores(x, 2, labels=None, seed=0)["clusters"]
        2.0
    """
    require_rows(x, labels, ("x", "labels"))
    found = _kmeans(x, clusters, seed)
    return {
        "clusters": float(len(np.unique(found))),
        "silhouette": _silhouette(x, found, seed),
        **({} if labels is None else cluster_metrics(labels, found)),
    }


def label_silhouette(
    x: Float[np.ndarray, "N F"], labels: Integer[np.ndarray, " N"], seed: int = 0
) -> float:
    """Gives the silhouette of the classes themselves, on at most 2,000 rows; NaN for one class.

    Example:
        >>> label_silhouette(np.array([[0.0], [0.0], [9.0], [9.0]]), np.array([0, 0, 1, 1]))
        1.0
    """
    require_rows(x, labels, ("x", "labels"))
    return _silhouette(x, labels, seed)


def _kmeans(x: Float[np.ndarray, "N F"], clusters: int, seed: int) -> Integer[np.ndarray, " N"]:
    from sklearn.cluster import KMeans

    fitted = x[draw_rows(len(x), FITTED, "kmeans", seed)]
    # Two centres at one place would share its rows by rounding alone.
    distinct = len(np.unique(fitted, axis=0))
    kmeans = KMeans(min(clusters, distinct), n_init=STARTS, random_state=int(seed))
    return kmeans.fit(fitted).predict(x)


def _silhouette(x: Float[np.ndarray, "N F"], groups: Integer[np.ndarray, " N"], seed: int) -> float:
    from sklearn.metrics import silhouette_score

    compared = draw_rows(len(x), COMPARED, "silhouette", seed)
    x, groups = x[compared], groups[compared]
    if not 2 <= len(np.unique(groups)) < len(x):
        return float("nan")
    return float(silhouette_score(x, groups))
