"""How well a sparse autoencoder does, in figures with standard errors."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from discretevae.data.activations import Activations
from discretevae.evaluation.figure import Figure, mean_figure, ratio_figure
from discretevae.sparse import SparseAutoencoder
from discretevae.sparse.bound import fit_prior_of, gaussian_log_density

__all__ = ["Latents", "Network", "evaluate_sparse", "look_at", "nearest", "network_scores"]

BITS = "bits per activation"
FITTED, OF_DIM = 4096, 16
"""Activations by which what the bound needs is fitted; so many times their numbers, if more."""
REPORTED = 2048
"""Activations held out on which the bound is reported."""
AT_ONCE = 4096
COMPARED = 4096
"""Latents whose nearest others are looked for."""

Replace = Callable[[Tensor], Tensor]
Network = Callable[[Replace], Iterable[tuple[Tensor, Tensor]]]
"""A function → pairs of logits (N, V) and targets (N,), batch by batch and each time the same, of a
network in which that function was applied to the activations."""


class Latents(NamedTuple):
    """What is known of each latent.

    Attributes:
        density: The share of rows in which it is active.
        strength: The mean of its amplitude where it is.
        effect: What it adds to reconstructions, E[a²‖W_dec‖²]: E‖x̂ − x̂ without it‖².
        strongest: Its strongest amplitudes, 0 where there are fewer.
        rows: In which rows they are, -1 where there are fewer.
    """

    density: Float[Tensor, " m"]
    strength: Float[Tensor, " m"]
    effect: Float[Tensor, " m"]
    strongest: Float[Tensor, "m n"]
    rows: Int64[Tensor, "m n"]


@torch.no_grad()
def look_at(
    model: SparseAutoencoder, data: Activations, most: int = 8, limit: int = 500_000
) -> Latents:
    """Goes once through activations in their order.

    Arguments:
        model: In evaluation mode.
        data: Of which the first `limit` rows are looked at.
        most: Of the strongest examples of each latent.
        limit: Rows.
    """
    times, sums, squares = torch.zeros(3, model.width)
    held = (torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    seen = 0
    for x in _in_order(data, limit):
        a, support = model.active(x)
        times += support.times
        sums.index_add_(0, support.latents, a)
        squares.index_add_(0, support.latents, a.square())
        found = (support.latents, a, support.rows + seen)
        held = _strongest([torch.cat(pair) for pair in zip(held, found, strict=True)], most)
        seen += len(x)
    latents, a, rows = held
    place = _rank(latents)
    strongest = torch.zeros(model.width, most)
    where = torch.full((model.width, most), -1)
    strongest[latents, place], where[latents, place] = a, rows
    effect = squares / max(seen, 1) * model.W_dec.square().sum(1)
    return Latents(times / max(seen, 1), sums / times.clamp_min(1), effect, strongest, where)


def _in_order(data: Activations, limit: int) -> Iterator[Tensor]:
    left = limit
    for part in range(len(data.blocks.parts)):
        for rows in data.pair(data.blocks.part(part).x[:left])[0].split(AT_ONCE):
            yield rows
            left -= len(rows)
        if left <= 0:
            return


def _strongest(entries: list[Tensor], most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Keeps the strongest entries of each latent, ordered by latent."""
    latents, a, rows = entries
    order = a.argsort(descending=True, stable=True)
    order = order[latents[order].argsort(stable=True)]
    kept = order[_rank(latents[order]) < most]
    return latents[kept], a[kept], rows[kept]


def _rank(latents: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """The place of each entry among those of its latent, which follow each other."""
    _, counts = latents.unique_consecutive(return_counts=True)
    begins = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.arange(len(latents)) - begins


@torch.no_grad()
def nearest(
    model: SparseAutoencoder, latents: Int64[Tensor, " n"], most: int = 5
) -> tuple[Float[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """Gives the cosines of the nearest other decoder rows, and their numbers.

    Example:
        >>> from discretevae.sparse import TopKAutoencoder
        >>> cosines, others = nearest(TopKAutoencoder(4, 8, 2), torch.tensor([0]), most=2)
        >>> others.shape
        torch.Size([1, 2])
    """
    directions = normalize(model.W_dec)
    cosines = []
    others = []
    for some in latents.split(512):
        found = directions[some] @ directions.T
        found[torch.arange(len(some)), some] = -2.0
        top = found.topk(min(most, model.width - 1))
        cosines.append(top.values)
        others.append(top.indices)
    return torch.cat(cosines), torch.cat(others)


@torch.no_grad()
def evaluate_sparse(
    model: SparseAutoencoder,
    data: Activations,
    latents: Latents,
    network: Network | None = None,
) -> dict[str, Figure]:
    """Measures an autoencoder on activations that were held out.

    Arguments:
        model: In evaluation mode, for activations as they are.
        data: The bound's amplitudes are fitted to some of those to train on.
        latents: As :func:`look_at` has found them.
        network: Gives CE and KL scores besides, see :func:`network_scores`.

    Returns:
        FVU (fraction of variance unexplained), L0, shares of latents, ratios of norms, cosines, and
        bits per activation by a true bound.
    """
    x, y = data.pair(data.splits.test.values())
    target = x if y is None else y
    found = torch.cat([model(some) for some in x.split(AT_ONCE)])
    counts = torch.cat([model.active(some).support.counts for some in x.split(AT_ONCE)])
    error, spread = (target - found).square().sum(1), (target - target.mean(0)).square().sum(1)
    cosines, _ = nearest(model, torch.arange(model.width)[:COMPARED], 1)
    density = latents.density
    figures = {
        "fvu": ratio_figure(error, spread, "share of the variance"),
        "l0": mean_figure(counts.double(), "latents per activation"),
        "dead": Figure(float((density == 0).double().mean()), None, "share of latents"),
        "dense_1_percent": Figure(
            float((density > 0.01).double().mean()), None, "share of latents"
        ),
        "dense_10_percent": Figure(
            float((density > 0.1).double().mean()), None, "share of latents"
        ),
        "norm_ratio": ratio_figure(found.norm(dim=1), target.norm(dim=1), "ratio"),
        "relative_bias": ratio_figure(
            found.square().sum(1),
            (found * target).sum(1),
            "ratio",
            "E‖x̂‖² / E[x·x̂]: below 1 where reconstructions are too short",
        ),
        "largest_cosine": mean_figure(cosines[:, 0], "cosine", "of a latent and its nearest"),
        **_bits(model, data),
    }
    return figures | (network_scores(model, network) if network is not None else {})


def _bits(model: SparseAutoencoder, data: Activations) -> dict[str, Figure]:
    fitted = data.splits.train.values(slice(0, max(FITTED, OF_DIM * (data.dim_out or data.dim))))
    x, y = data.pair(data.splits.test.values(slice(0, REPORTED)))
    prior = fit_prior_of(model, *data.pair(fitted))
    bits = -prior.log_bound(model, x, y) / math.log(2)
    about = "at most; a density's, in the units of x" if y is None else "of y given x"
    figures = {"bits": mean_figure(bits, BITS, about)}
    if y is None:
        by_gaussian = -gaussian_log_density(x, fitted) / math.log(2)
        figures["bits_of_gaussian"] = mean_figure(by_gaussian, BITS, "one Gaussian instead")
        saved = mean_figure(by_gaussian - bits, BITS, "less than by the Gaussian")
        figures["bits_saved"] = saved
    return figures


@torch.no_grad()
def network_scores(model: Replace, network: Network) -> dict[str, Figure]:
    r"""Measures how much of what a network does is left with reconstructions for activations.

    .. math:: \frac{\mathrm{CE}_0 - \mathrm{CE}_{\hat x}}{\mathrm{CE}_0 - \mathrm{CE}_x}, \qquad
        \frac{\mathrm{KL}_0 - \mathrm{KL}_{\hat x}}{\mathrm{KL}_0}

    where 0 stands for activations that are zero, and KL is that of the network as it is and as it
    is changed. Both are 1 where nothing is lost.

    Example:
        >>> from discretevae.sparse import TopKAutoencoder
        >>> x, y = torch.randn(50, 4), torch.randint(3, (50,))
        >>> readout = torch.randn(4, 3)
        >>> model = TopKAutoencoder(dim=4, width=8, k=8).eval()
        >>> sorted(network_scores(model, lambda replace: [(replace(x) @ readout, y)]))
        ['ce_clean', 'ce_score', 'kl_score']
    """
    ce: list[list[Tensor]] = [[], [], []]
    kl: list[list[Tensor]] = [[], []]
    kinds: tuple[Replace, ...] = (lambda x: x, model, torch.zeros_like)
    for batches in zip(*(network(replace) for replace in kinds), strict=True):
        log_p = [logits.double().log_softmax(-1) for logits, _ in batches]
        targets = batches[0][1]
        for kept, p in zip(ce, log_p, strict=True):
            kept.append(-p.gather(1, targets[:, None])[:, 0])
        clean = log_p[0]
        for kept, p in zip(kl, log_p[1:], strict=True):
            kept.append((clean.exp() * (clean - p)).sum(1))
    as_is, replaced, ablated = (torch.cat(part) for part in ce)
    kl_replaced, kl_ablated = (torch.cat(part) for part in kl)
    return {
        "ce_clean": mean_figure(as_is, "nats per token"),
        "ce_score": ratio_figure(ablated - replaced, ablated - as_is, "share kept"),
        "kl_score": ratio_figure(kl_ablated - kl_replaced, kl_ablated, "share kept"),
    }
