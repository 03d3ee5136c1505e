"""What quantisers with a codebook share: its start, its use, the revival of codes without any."""

from abc import ABC
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from discretevae.latents.quantisers.assignment import nearest, totals
from discretevae.latents.quantisers.k_means import far_vectors, k_means
from discretevae.latents.quantisers.quantiser import Quantiser, require_codes, widened
from discretevae.names import require_count

__all__ = ["CodebookQuantiser"]

SMOOTHING = 1e-5
"""Added to every count before a sum is divided by it."""


class CodebookQuantiser(Quantiser, ABC):
    r"""K vectors that start at the centres of the first batch and follow the encoder's.

    The counts N and sums m of the vectors of each code are moving averages,

    .. math:: N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \qquad
        m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_{i : k_i = k} z_i,

    and where the codebook learns from them, not by its gradient, :math:`e_k = m_k / \hat N_k`:
    :math:`\hat N_k = (N_k + ε) \sum_j N_j / \sum_j (N_j + ε)`. They begin with no more
    than the first batch, so that the codebook follows an encoder that is new.

    A code is dead if none of the last K / ρ vectors was its, of which it would have 1 / ρ were all
    used alike: a vector of the batch far from its own code replaces it, :func:`far_vectors`, its
    count becomes a batch's part of the mean, and its sum what belongs to both, else the average
    would take it back.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        by_gradient: Whether the codebook learns by its gradient.
        decay: γ in [0, 1): N looks back over some 1/(1 − γ) batches.
        revive_below: ρ in [0, 1), the share of the mean count below which a code is dead; 0 for
            never.

    Raises:
        ValueError: If a number is out of range.
    """

    whole_batch: ClassVar[bool] = True
    codebook: Tensor
    counts: Tensor
    sums: Tensor
    idle: Tensor
    started: Tensor

    def __init__(
        self, num_codes: int, dim: int, by_gradient: bool, decay: float, revive_below: float
    ) -> None:
        super().__init__()
        require_count("num_codes", num_codes, 2)
        require_count("dim", dim)
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        if not 0 <= revive_below < 1:
            raise ValueError(f"`revive_below` must lie in [0, 1), got {revive_below}.")
        self.num_codes, self.dim, self.by_gradient = num_codes, dim, by_gradient
        self.decay, self.revive_below = decay, revive_below
        vectors = torch.randn(num_codes, dim) / dim**0.5
        if by_gradient:
            self.codebook = nn.Parameter(vectors)
        else:
            self.register_buffer("codebook", vectors)
            self.register_buffer("sums", vectors.clone())
        self.register_buffer("counts", torch.ones(num_codes))
        self.register_buffer("idle", torch.zeros(num_codes))  # vectors since its last
        self.register_buffer("started", torch.tensor(False))
        self.waits = True  # what `started` says, without asking a device
        self.register_load_state_dict_pre_hook(_as_it_was_once_saved)
        self.register_load_state_dict_post_hook(_look_whether_started)

    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        return nearest(widened(z), widened(self.codebook))

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        return widened(self.codebook)[codes.long()]

    @torch.no_grad()
    def start_from(self, vectors: Float[Tensor, "K E"], count: float = 1.0) -> None:
        """Has the codebook start from vectors of one's own, in the place of k-means.

        Arguments:
            vectors: e.
            count: N of each of them.
        """
        self.codebook.copy_(vectors)
        self.counts.fill_(count)
        self.idle.zero_()
        if not self.by_gradient:
            self.sums.copy_(count * vectors)
        self.started.fill_(True)
        self.waits = False

    def prepare(self, z: Float[Tensor, "*B E"]) -> None:
        """Starts the codebook from the first batch that it is trained on."""
        if self.training and self.waits:
            vectors = z.detach().reshape(-1, self.dim)
            count = (1 - self.decay) * len(vectors) / self.num_codes
            self.start_from(k_means(vectors, self.num_codes), count)

    @torch.no_grad()
    def follow(self, z: Float[Tensor, "*B E"], codes: Int64[Tensor, "*B"]) -> None:
        """Learns from a batch in training: averages move, and dead codes are replaced."""
        if not self.training:
            return
        vectors = z.detach().reshape(-1, self.dim)
        counts, sums = totals(vectors, codes.reshape(-1), self.num_codes)
        self.counts.lerp_(counts, 1 - self.decay)
        if not self.by_gradient:
            self.sums.lerp_(sums, 1 - self.decay)
            self.codebook.copy_(self.sums / self._smoothed_counts()[:, None])
        self.idle.add_(len(vectors)).masked_fill_(counts > 0, 0)
        if self.revive_below:
            self._revive(vectors, codes.reshape(-1))

    def _smoothed_counts(self) -> Float[Tensor, " K"]:
        smoothed = self.counts + SMOOTHING
        return smoothed / smoothed.sum() * self.counts.sum()

    def _revive(self, vectors: Float[Tensor, "N E"], codes: Int64[Tensor, " N"]) -> None:
        dead = self.idle >= self.num_codes / self.revive_below
        squared = (vectors - self.codebook[codes]).square().sum(-1)
        new = far_vectors(vectors, squared, dead)
        count = (1 - self.decay) * self.counts.mean()
        self.codebook.copy_(torch.where(dead[:, None], new, self.codebook))
        self.counts.copy_(torch.where(dead, count, self.counts))
        self.idle.masked_fill_(dead, 0)
        if not self.by_gradient:
            self.sums.copy_(torch.where(dead[:, None], count * new, self.sums))


def _as_it_was_once_saved(
    module: CodebookQuantiser, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    if prefix + "counts" in state:
        state.setdefault(prefix + "idle", torch.zeros_like(module.idle))


def _look_whether_started(module: CodebookQuantiser, _: object) -> None:
    module.waits = not bool(module.started)
