"""VAEs whose code is a grid of codes of a codebook: VQ-VAE and kin, residual and grouped ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from discretevae.latents.quantisers import (
    Quantiser,
    Whitening,
    quantiser_for,
    quantiser_from_config,
)
from discretevae.latents.variables import (
    Known,
    PriorAlone,
    PriorGiven,
    PriorOfLevel,
    Quantised,
    beside,
)
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.vae import VAE
from discretevae.names import require_count, resolve
from discretevae.networks import NETWORKS, Network, ResidualNetwork
from discretevae.priors import PRIORS, Prior, is_over_grids, prior_from_config

__all__ = ["QuantisedVAE"]


WHOLE = (1, 1)
"""The grid of a network without one, which says one vector of an observation."""
SMALL: dict[str, dict[str, Any]] = {"pixelcnn": {"width": 32, "layers": 6}}
"""Sizes of a prior that is asked for by its name alone."""


class QuantisedVAE(VAE):
    r"""A VAE whose code is a grid of vectors, each the nearest in a codebook: a VQ-VAE.

    .. math:: \log p(x) \ge \log p(x | z(x)) + \log p(z(x)), \qquad
        v = \sum_{l=1}^{L} e^{(l)}_{z_l}, \quad
        z_l = \mathrm{Q}_l\Big(h(x) - \sum_{m < l} e^{(m)}_{z_m}\Big)

    The posterior is a point, whose entropy is 0, so what is reported is a true bound once there is
    a likelihood and a prior: **distortion**, −log p(x|z), and **rate**, −log p(z), add up to
    −ELBO. With L > 1 quantisers each takes what those before it have left (residual quantisation);
    the bound's gap at best is −log p(z(x)|x).

    With G > 1 groups the E numbers of h(x) are split into G parts of E/G, each with L quantisers of
    its own, and v has what these make of them side by side (product quantisation).

    Codes have G·L·h·w numbers in [0, K): group after group, in each level after level, row by row;
    `on_grids` gives each of these G·L grids as (*B, h, w). The gradient for the encoder is the
    quantiser's, **biased**: that of a point is 0 almost everywhere.

    Vectors of quantisers that round or take signs are whitened first, by moving averages that stand
    after training (:class:`~discretevae.latents.quantisers.Whitening`), for these use all of their
    codes only then. Where the quantiser is named, what the entropy of their soft codes weighs
    follows the nats that data can say of each code, H·W·C log V / D.

    The prior is uniform until it is fitted, after training, to codes of the training examples,
    :func:`~discretevae.training.fit_prior`; with `rate` it is trained along.

    Arguments:
        shape: (C, H, W) of an image.
        num_codes: K of each codebook; the nearest that the quantiser can have.
        dim: E, the numbers of a vector, where the quantiser leaves it open.
        quantiser: A name in `QUANTISERS`, what :meth:`Quantiser.config` describes, or a
            :class:`~discretevae.latents.quantisers.Quantiser`, of which every level of every
            group gets a copy. What is no name is of E/G numbers.
        num_quantisers: L ≥ 1.
        network: "residual" or "auto", or another: one without a grid says one vector of an
            observation, whose codes are then its **semantic id**.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        prior: p(z) over the grids: a name in `PRIORS` or a :class:`~discretevae.priors.Prior`;
            with G·L > 1 one that is over grids.
        rate: Whether log p(z) is part of `objective`, weighed by `beta`, and the prior trained.
        beta: The weight of the quantiser's cost, and of the rate, in `objective`.
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.
        whitened: Whether vectors are whitened, before they are split; by default as the quantiser
            asks.
        groups: G ≥ 1, a divisor of E.

    Raises:
        ValueError: If a size is out of range, a name unknown, or the prior does not fit the code.

    Reference: van den Oord, Vinyals & Kavukcuoglu, Neural discrete representation learning, 2017;
    Lee et al., Autoregressive image generation using residual quantization, 2022, §3.1; groups:
    Jégou, Douze & Schmid, Product quantization for nearest neighbor search, 2011, §2; ids: Rajput
    et al., Recommender systems with generative retrieval, 2023, §3.1.

    Example:
        >>> import torch
        >>> model = QuantisedVAE((1, 28, 28), num_codes=64, dim=8, num_quantisers=2)
        >>> x = torch.bernoulli(torch.full((5, 1, 28, 28), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> model.elbo(x).shape, [codes.shape for codes in model.on_grids(model.encode(x))]
        (torch.Size([5]), [torch.Size([5, 7, 7]), torch.Size([5, 7, 7])])
    """

    kind: ClassVar[str] = "QuantisedVAE"
    sized_by: ClassVar[str] = "quantiser"
    vectors_seen: ClassVar[int] = 1
    """Vectors that the decoder sees at each position."""
    said: ClassVar[int] = 1
    """Grids whose vectors are the networks', and no remainder."""

    def __init__(
        self,
        shape: Sequence[int],
        num_codes: int = 512,
        dim: int = 64,
        quantiser: str | Mapping[str, Any] | Quantiser = "vq",
        num_quantisers: int = 1,
        network: str | Network = "residual",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        prior: str | Mapping[str, Any] | Prior = "pixelcnn",
        rate: bool = False,
        beta: float = 1.0,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        whitened: bool | None = None,
        groups: int = 1,
    ) -> None:
        require_count("num_quantisers", num_quantisers)
        require_count("groups", groups)
        network = ResidualNetwork() if network == "auto" else network
        network = resolve("network", network, NETWORKS)
        grid = network.grid(tuple(shape)) or WHOLE
        made = _quantiser(quantiser, num_codes, dim, groups)
        numbers = grid[0] * grid[1] * groups * made.dim
        sizes = numbers, self.vectors_seen * numbers, None
        super().__init__(shape, network, likelihood, beta, *sizes, encoder, decoder)
        self.num_codes, self.dim = made.num_codes, groups * made.dim
        self.num_quantisers, self.groups = num_quantisers, groups
        grids = self.grids_of(grid)
        if isinstance(quantiser, str):
            codes = sum(math.prod(one) for one in grids)
            made.weigh(math.prod(self.shape) * math.log(self.likelihood.symbols) / codes)
        self.quantisers: Any = nn.ModuleList([made, *(_another(made) for _ in grids[1:])])
        self.whitened = made.whitened if whitened is None else whitened
        if self.whitened:
            self.whitening: Any = nn.ModuleList(Whitening(self.dim) for _ in range(self.said))
        self.prior = _prior(prior, grids, made.num_codes)
        self.rate = rate

    def grids_of(self, grid: tuple[int, int]) -> list[tuple[int, int]]:
        """Gives rows and columns of the codes of each level."""
        return [grid] * (self.groups * self.num_quantisers)

    @property
    def grid(self) -> tuple[int, int]:
        return self.network.grid(self.shape) or WHOLE

    @property
    def grids(self) -> list[tuple[int, int]]:
        return self.grids_of(self.grid)

    @property
    def chain(self) -> Chain:
        variables: list[Quantised] = []
        for level in range(len(self.grids)):
            variables.append(self._variable(level, tuple(variables)))
        names = [variable.name for variable in variables]
        return Chain(variables, names, names, self._decode, self.likelihood, self.beta)

    @property
    def codes_say_all(self) -> bool:
        return True

    @property
    def fitted_afterwards(self) -> Prior | None:
        learns = any(parameter.requires_grad for parameter in self.prior.parameters())
        return self.prior if learns and not self.rate else None

    def weights(self) -> dict[str, Tensor]:
        unused = {
            f"quantisers.{level}.{name}"
            for level, quantiser in enumerate(self.quantisers)
            for name in quantiser.of_training
        }
        return {name: value for name, value in super().weights().items() if name not in unused}

    def with_prior(self, prior: Prior) -> None:
        self.prior = _prior(prior, self.grids, self.num_codes)

    def _variable(self, level: int, before: tuple[Quantised, ...]) -> Quantised:
        prior: PriorGiven = PriorAlone(self.prior)
        if len(self.grids) > 1:
            prior = PriorOfLevel(self.prior, level, before)
        quantiser: Any = self.quantisers[level]
        size = math.prod(self.grids[level])
        return Quantised(
            f"z{level + 1}", size, self._vectors_of(level), quantiser, prior, self.rate
        )

    def _vectors_of(self, level: int) -> Callable[[Known], Tensor]:
        """What the encoder says of a level, given the levels before."""
        return partial(self._vectors_left, level // self.num_quantisers)

    def _vectors_left(self, group: int, known: Known) -> Float[Tensor, "*SB D E"]:
        """What the levels before have left of the vectors of a group."""
        vectors: Tensor = known.features.unflatten(-1, (-1, self.dim))
        if self.whitened:
            vectors = self.whitening[0](vectors, learns=not known.values)
        vectors = vectors.chunk(self.groups, -1)[group]
        for z in islice(known.values.values(), group * self.num_quantisers, None):
            vectors = vectors - z[..., :-1]
        return vectors

    def _decode(self, known: Known) -> Tensor:
        parts = [z[..., :-1] for z in known.values.values()]
        starts = range(0, len(parts), self.num_quantisers)
        sums = [sum(parts[i + 1 : i + self.num_quantisers], parts[i]) for i in starts]
        return self._decoded(beside(*sums).flatten(-2))

    def describe(self) -> str:
        rows, columns = self.grids[-1]
        groups = f"{self.groups} groups of " if self.groups > 1 else ""
        levels = f"{self.num_quantisers} levels of " if self.num_quantisers > 1 else ""
        name = str(self.quantisers[0].config()["kind"])
        return (
            f"{groups}{levels}{rows} × {columns} codes of {self.num_codes} ({name}), "
            f"{self.prior.kind} prior"
        )

    def architecture(self) -> dict[str, Any]:
        return {
            **self._architecture(),
            "quantiser": self.quantisers[0].config(),
            "num_quantisers": self.num_quantisers,
            "groups": self.groups,
            "prior": self.prior.config(),
            "whitened": self.whitened,
        }

    @classmethod
    def from_architecture(cls, config: dict[str, Any], **options: Any) -> "QuantisedVAE":
        return super().from_architecture({"whitened": False, **config}, **options)


def _quantiser(
    given: str | Mapping[str, Any] | Quantiser, num_codes: int, dim: int, groups: int
) -> Quantiser:
    if isinstance(given, str):
        return quantiser_for(given, num_codes, dim, groups)
    return quantiser_from_config(dict(given)) if isinstance(given, Mapping) else given


def _another(quantiser: Quantiser) -> Quantiser:
    """One of the same kind and sizes, with vectors of its own."""
    return quantiser_from_config(quantiser.config())


def _prior(
    given: str | Mapping[str, Any] | Prior, grids: Sequence[tuple[int, int]], num_codes: int
) -> Prior:
    """Makes a prior over grids; one that is given must fit them."""
    positions = sum(rows * columns for rows, columns in grids)
    if isinstance(given, str):
        over = {"grids": grids} if is_over_grids(given) else {}
        given = {"kind": given, **over, **SMALL.get(given, {})}
    if not isinstance(given, Prior):
        given = prior_from_config(dict(given), positions, num_codes)
    if given.shape != (positions, num_codes):
        raise ValueError(
            f"`prior` must fit D × K = {positions} × {num_codes}, got "
            f"{' × '.join(map(str, given.shape))}."
        )
    if len(grids) > 1 and not given.over_grids:
        known = ", ".join(filter(is_over_grids, PRIORS))
        raise ValueError(
            f"`prior` must be over grids ({known}) with several grids, got {given.kind}."
        )
    return given
