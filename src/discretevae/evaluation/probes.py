"""What simple classifiers read from a representation: a linear one, and nearest neighbours."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Integer

from discretevae.evaluation.figure import Figure, mean_figure
from discretevae.evaluation.representations import draw_rows, require_rows

__all__ = ["knn_probe", "linear_probe"]

MOST = 10_000
"""The most training rows, and the most test rows, that a probe takes; drawn by the seed."""
CHUNK = 500
"""Test rows whose distances to all training rows are held at once."""


def linear_probe(
    x_train: Float[np.ndarray, "N F"],
    y_train: Integer[np.ndarray, " N"],
    x_test: Float[np.ndarray, "M F"],
    y_test: Integer[np.ndarray, " M"],
    seed: int = 0,
) -> Figure:
    r"""Trains a multinomial logistic regression and gives its accuracy on the test rows.

    .. math:: \min_{W, b} \sum_n -\log \mathrm{softmax}(W \tilde x_n + b)_{y_n}
        + \tfrac12 \|W\|^2

    With two classes W is one row and the softmax a sigmoid. The features :math:`\tilde x` have
    mean 0 and variance 1 over the training rows; a constant one becomes 0. At most 10,000 training
    and 10,000 test rows are taken, drawn by `seed`, and nothing else is random. The standard error
    is that of the test rows, for this classifier. A label that only the test rows have counts as
    wrong.

    Raises:
        ValueError: If a representation is empty or not finite, has not one label a row, or fewer
            than two classes are among the training rows.

    Reference: Alain & Bengio, Understanding Intermediate Layers Using Linear Classifier
    Probes, 2017.

    Example:
        >>> x, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
        >>> linear_probe(x, y, 10 * x, y).value
        1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x_train, y_train = _draw(x_train, y_train, "train", seed)
    x_test, y_test = _draw(x_test, y_test, "test", seed)
    if len(np.unique(y_train)) < 2:
        raise ValueError(f"`y_train` must hold at least 2 classes, got only {y_train[0]}.")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    probe.fit(x_train.astype(np.float64), y_train)
    correct = probe.predict(x_test.astype(np.float64)) == y_test
    return _accuracy(correct, f"logistic regression on {len(y_train)} training rows")


def knn_probe(
    x_train: Float[np.ndarray, "N F"],
    y_train: Integer[np.ndarray, " N"],
    x_test: Float[np.ndarray, "M F"],
    y_test: Integer[np.ndarray, " M"],
    k: int = 5,
    seed: int = 0,
) -> Figure:
    r"""Lets the k nearest training rows vote and gives the accuracy on the test rows.

    .. math:: \hat y(x) = \arg\max_y \#\{n : y_n = y,\; \|x - x_n\| \le r_k(x)\}

    with :math:`r_k(x)` the k-th smallest distance: training rows that tie for the last place all
    vote, so the order of the rows does not matter; labels that tie give way to the smallest. Of
    one-hot codes the squared distance is twice the number of latents that differ (Hamming).

    At most 10,000 training and 10,000 test rows are taken, drawn by `seed`, and nothing else is
    random. The standard error is that of the test rows, for these training rows.

    Raises:
        ValueError: If a representation is empty or not finite, has not one label a row, or `k` is
            not between 1 and the number of training rows.

    Reference: Cover & Hart, Nearest Neighbor Pattern Classification, 1967.

    Example:
        >>> x, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
        >>> knn_probe(x, y, 10 * x, y, k=1).value
        1.0
    """
    x_train, y_train = _draw(x_train, y_train, "train", seed)
    x_test, y_test = _draw(x_test, y_test, "test", seed)
    if not 1 <= k <= len(x_train):
        raise ValueError(f"`k` must be between 1 and {len(x_train)} training rows, got {k}.")
    classes, indices = np.unique(y_train, return_inverse=True)
    votes = np.eye(len(classes))[indices]
    x_train, x_test = x_train.astype(np.float64), x_test.astype(np.float64)
    winners = [
        _neighbours(x_test[start : start + CHUNK], x_train, k) @ votes
        for start in range(0, len(x_test), CHUNK)
    ]
    correct = classes[np.concatenate(winners).argmax(1)] == y_test
    return _accuracy(correct, f"k = {k} neighbours of {len(y_train)} training rows")


def _draw(
    x: Float[np.ndarray, "N F"], y: Integer[np.ndarray, " N"], split: str, seed: int
) -> tuple[Float[np.ndarray, "n F"], Integer[np.ndarray, " n"]]:
    require_rows(x, y, (f"x_{split}", f"y_{split}"))
    rows = draw_rows(len(x), MOST, "probe", split, seed)
    return x[rows], y[rows]


def _neighbours(
    x: Float64[np.ndarray, "m F"], x_train: Float64[np.ndarray, "N F"], k: int
) -> Bool[np.ndarray, "m N"]:
    # ‖x − x_n‖² without ‖x‖², which is the same for all n; exact, ties too, for one-hot rows.
    distance = np.square(x_train).sum(1) - 2 * x @ x_train.T
    return distance <= np.partition(distance, k - 1, axis=1)[:, k - 1 : k]


def _accuracy(correct: Bool[np.ndarray, " M"], note: str) -> Figure:
    return mean_figure(torch.from_numpy(correct).double(), "share of test rows", note)
