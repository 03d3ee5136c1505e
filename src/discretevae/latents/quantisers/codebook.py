"""What quantisers with a codebook share: its start, its use, the revival of codes without any."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from discretevae.latents.quantisers.assignment import nearest, totals
from discretevae.latents.quantisers.gathering import gathered, of_the_first
from discretevae.latents.quantisers.k_means import far_vectors, k_means
from discretevae.latents.quantisers.quantiser import Quantiser, require_codes, widened
from discretevae.names import require_count

__all__ = ["CodebookQuantiser", "StoredCodebook"]

SMOOTHING = 1e-5
"""Added to every count before a sum is divided by it."""


class CodebookQuantiser(Quantiser, ABC):
    r"""K vectors that start at the centres of the first batch; a dead one goes where vectors are.

    A code is dead if none of the last K / ρ vectors was its, of which it would have 1 / ρ were all
    used alike: a vector of the batch that is far from its own code takes its place,
    :func:`far_vectors`. Where several processes share a batch, each sees all of its vectors.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        revive_below: ρ in [0, 1), the share of the mean use below which a code is dead; 0 for
            never.

    Raises:
        ValueError: If a number is out of range.
    """

    of_training: ClassVar[tuple[str, ...]] = ("idle",)
    codebook: Tensor
    idle: Tensor
    started: Tensor
    batch_weight: float = 1.0
    """Of one batch among those that are averaged over."""

    def __init__(self, num_codes: int, dim: int, revive_below: float) -> None:
        super().__init__()
        require_count("num_codes", num_codes, 2)
        require_count("dim", dim)
        if not 0 <= revive_below < 1:
            raise ValueError(f"`revive_below` must lie in [0, 1), got {revive_below}.")
        self.num_codes, self.dim, self.revive_below = num_codes, dim, revive_below
        self.register_buffer("idle", torch.zeros(num_codes))  # vectors since its last
        self.register_buffer("started", torch.tensor(False))
        self.waits = True  # what `started` says, without asking a device
        self.register_load_state_dict_pre_hook(_as_once_saved)
        self.register_load_state_dict_post_hook(_look_whether_started)

    def nearest(self, z: Float[Tensor, "*B E"]) -> Int64[Tensor, "*B"]:
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            return nearest(widened(z), widened(self.codebook))

    def lookup(self, codes: Int[Tensor, "*B"]) -> Float[Tensor, "*B E"]:
        require_codes(codes, self.num_codes)
        return widened(self.codebook)[codes.long()]

    @abstractmethod
    def begin_at(self, vectors: Float[Tensor, "K E"], count: float) -> None:
        """Has all codes begin at these vectors, each with this count."""

    @abstractmethod
    def put(self, places: Bool[Tensor, " K"], vectors: Float[Tensor, "K E"]) -> None:
        """Has the codes of some places stand where the vectors in these places are."""

    def learn(self, counts: Float[Tensor, " K"], sums: Float[Tensor, "K E"]) -> None:
        """Learns from how many vectors fell to each code, and from their sums."""
        return

    @torch.no_grad()
    def start_from(self, vectors: Float[Tensor, "K E"], count: float = 1.0) -> None:
        """Has the codebook start from vectors of one's own, in the place of k-means.

        Arguments:
            vectors: e.
            count: N of each of them, where averages are kept.
        """
        self.begin_at(vectors, count)
        self.idle.zero_()
        self.started.fill_(True)
        self.waits = False

    def prepare(self, z: Float[Tensor, "*B E"]) -> None:
        """Starts the codebook from the first batch that it is trained on."""
        if self.training and self.waits:
            vectors = gathered(z.detach().reshape(-1, self.dim))
            centres = of_the_first(k_means(vectors, self.num_codes))
            self.start_from(centres, self.batch_weight * len(vectors) / self.num_codes)

    @torch.no_grad()
    def follow(self, z: Float[Tensor, "*B E"], codes: Int64[Tensor, "*B"]) -> None:
        """Learns from a batch in training, and replaces dead codes."""
        if not self.training:
            return
        vectors, codes = gathered(z.detach().reshape(-1, self.dim)), gathered(codes.reshape(-1))
        counts, sums = totals(vectors, codes, self.num_codes)
        self.learn(counts, sums)
        self.idle.add_(len(vectors)).masked_fill_(counts > 0, 0)
        if self.revive_below:
            self.revive(vectors, codes)

    def revive(self, vectors: Float[Tensor, "N E"], codes: Int64[Tensor, " N"]) -> None:
        """Puts dead codes where vectors are far from their own."""
        dead = self.idle >= self.num_codes / self.revive_below
        squared = (vectors - widened(self.codebook)[codes]).square().sum(-1)
        self.put(dead, of_the_first(far_vectors(vectors, squared, dead)))
        self.idle.masked_fill_(dead, 0)


class StoredCodebook(CodebookQuantiser):
    r"""A codebook that learns by its gradient, or as moving averages of the vectors of its codes.

    .. math:: N_k \leftarrow \gamma N_k + (1 - \gamma) n_k, \qquad
        m_k \leftarrow \gamma m_k + (1 - \gamma) \sum_{i : k_i = k} z_i, \qquad
        e_k = m_k / \hat N_k

    with :math:`\hat N_k = (N_k + ε) \sum_j N_j / \sum_j (N_j + ε)`. The averages begin with no
    more than the first batch, so that the codebook follows an encoder that is new. The count of a
    code that is revived becomes a batch's part of the mean, and its sum what belongs to both, else
    the average would take it back.

    Arguments:
        num_codes: K ≥ 2.
        dim: E ≥ 1.
        by_gradient: Whether the codebook learns by its gradient.
        decay: γ in [0, 1): averages look back over some 1/(1 − γ) batches.
        revive_below: ρ in [0, 1); 0 for never.

    Raises:
        ValueError: If a number is out of range.
    """

    counts: Tensor
    sums: Tensor

    def __init__(
        self, num_codes: int, dim: int, by_gradient: bool, decay: float, revive_below: float
    ) -> None:
        super().__init__(num_codes, dim, revive_below)
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must lie in [0, 1), got {decay}.")
        self.by_gradient, self.decay, self.batch_weight = by_gradient, decay, 1 - decay
        vectors = torch.randn(num_codes, dim) / dim**0.5
        if by_gradient:
            self.codebook = nn.Parameter(vectors)
        else:
            self.register_buffer("codebook", vectors)
            self.register_buffer("sums", vectors.clone())
        self.register_buffer("counts", torch.ones(num_codes))

    def begin_at(self, vectors: Float[Tensor, "K E"], count: float) -> None:
        self.codebook.copy_(vectors)
        self.counts.fill_(count)
        if not self.by_gradient:
            self.sums.copy_(count * vectors)

    def put(self, places: Bool[Tensor, " K"], vectors: Float[Tensor, "K E"]) -> None:
        self.codebook.copy_(torch.where(places[:, None], vectors, self.codebook))
        count = self.batch_weight * self.counts.mean()
        self.counts.copy_(torch.where(places, count, self.counts))
        if not self.by_gradient:
            self.sums.copy_(torch.where(places[:, None], count * vectors, self.sums))

    def learn(self, counts: Float[Tensor, " K"], sums: Float[Tensor, "K E"]) -> None:
        self.counts.lerp_(counts, self.batch_weight)
        if not self.by_gradient:
            self.sums.lerp_(sums, self.batch_weight)
            smoothed = self.counts + SMOOTHING
            smoothed = smoothed / smoothed.sum() * self.counts.sum()
            self.codebook.copy_(self.sums / smoothed[:, None])


def _as_once_saved(
    module: CodebookQuantiser, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Takes what was saved when no use was watched, or no data started it."""
    if not any(name.startswith(prefix) for name in state):
        return
    state.setdefault(prefix + "idle", torch.zeros_like(module.idle))
    state.setdefault(prefix + "started", torch.ones_like(module.started))


def _look_whether_started(module: CodebookQuantiser, _: object) -> None:
    module.waits = not bool(module.started)
