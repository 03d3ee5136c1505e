"""The VAE whose code is inferred block after block, each given those before."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import accumulate
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents.variables import Categorical, Known, PriorOfBlock, beside, joined
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.coded import CodedVAE, estimator_kind, estimator_name
from discretevae.models.hierarchical import LayerEstimators
from discretevae.models.vae import Context, Data, Draws, at_least_float32
from discretevae.names import require_count
from discretevae.networks import Network
from discretevae.networks.conditioned import TRUNK_FEATURES
from discretevae.networks.mlp import perceptron
from discretevae.priors import Prior

__all__ = ["BlockwiseVAE"]

HIDDEN = 256
"""The most units of the perceptrons between blocks."""
USUAL_ESTIMATOR = "reinmax"
"""One evaluation, whatever the blocks: those of estimators with several multiply."""


class BlockwiseVAE(CodedVAE):
    r"""A VAE with D categorical latents of K classes that are inferred in B blocks, one by one.

    .. math:: q(z|x) = q(z_1|x) \, q(z_2 | x, z_1) \cdots q(z_B | x, z_1, …, z_{B-1})

    Blocks are of ⌈D/B⌉ or ⌊D/B⌋ latents, in their order, independent of each other given the blocks
    before; the decoder and the prior see one code of D latents, as in
    :class:`~discretevae.models.DiscreteVAE`. A posterior that couples its latents can follow the
    true one where one that does not must choose. What a block makes of those before it starts at
    nothing: a new model infers as a flat one does.

    The objective nests one estimator in another, block by block; each block sees the hard draws of
    those before it. Unbiased estimators stay unbiased, and with `exact` in every block all is. The
    KL is in closed form, given the blocks before, under a factorised prior; under another, the
    entropies alone are, and log p(z) is estimated with the likelihood. A multi-sample estimator has
    all blocks drawn together, S times, and trains their bound.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        blocks: B, from 1 to D.
        network: As :class:`~discretevae.models.DiscreteVAE` has it, as all that follow.
        likelihood: p(x | h).
        estimator: Of which every block gets its own copy; one with N evaluations has all blocks
            inferred later evaluated N times. "auto" is ReinMax.
        prior: p(z), or p(z|c).
        beta: The weight of the KL in `objective`; never in `elbo`.
        free_bits: Nats that each latent may cost in `objective` before they count.
        context_shape: Of what p(x|c) depends on.
        embedding_size: Numbers by which each category reaches the decoder.
        encoder: A module of one's own in the place of the network's encoder.
        decoder: The same of the decoder.

    Raises:
        ValueError: If a size is out of range, a name unknown, the prior does not fit D × K,
            `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator, or `free_bits` not
            0 with a prior whose KL is estimated.

    Reference: Rolfe, Discrete Variational Autoencoders, 2017, section 3; the bound of S draws,
    Mnih & Rezende, Variational inference for Monte Carlo objectives, 2016.

    Example:
        >>> model = BlockwiseVAE((784,), num_latents=6, num_categories=8, blocks=3)
        >>> x = torch.bernoulli(torch.full((5, 784), 0.2))
        >>> (-model.objective(x)).mean().backward()
        >>> model.elbo(x).shape, model.encode(x).shape
        (torch.Size([5]), torch.Size([5, 6]))
    """

    kind: ClassVar[str] = "BlockwiseVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: int = 16,
        num_categories: int = 8,
        blocks: int = 4,
        network: str | Network = "auto",
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | GradientEstimator = "auto",
        prior: str | Mapping[str, Any] | Prior = "uniform",
        beta: float = 1.0,
        free_bits: float = 0.0,
        context_shape: Sequence[int] | None = None,
        embedding_size: int | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        require_count("blocks", blocks)
        if blocks > num_latents:
            raise ValueError(f"`blocks` must be at most the {num_latents} latents, got {blocks}.")
        self.blocks = blocks  # by which the estimators are made
        super().__init__(
            shape,
            num_latents,
            num_categories,
            network,
            likelihood,
            estimator,
            prior,
            beta,
            free_bits,
            context_shape,
            embedding_size,
            encoder,
            decoder,
            variable="categorical",
            beside=(TRUNK_FEATURES, 0),
        )
        self.posterior_networks = nn.ModuleList(
            _correction(TRUNK_FEATURES + place.start * num_categories, size, num_categories)
            for place, size in zip(self.places[1:], self.sizes[1:], strict=True)
        )
        self.require_trainable()

    @property
    def sizes(self) -> list[int]:
        """Latents of each block."""
        whole, left = divmod(self.num_latents, self.blocks)
        return [whole + (block < left) for block in range(self.blocks)]

    @property
    def places(self) -> list[slice]:
        """Where each block stands in a code."""
        ends = accumulate(self.sizes)
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    @property
    def names(self) -> list[str]:
        """What the variables are called."""
        return [f"z{block + 1}" for block in range(self.blocks)]

    def with_estimator(self, estimator: str | GradientEstimator) -> None:
        if isinstance(estimator, str):
            name = USUAL_ESTIMATOR if estimator == "auto" else estimator
            estimator = estimator_kind(name, self.num_latents, self.num_categories)()
        self._modules.pop("estimator", None)
        if estimator.multi_sample:
            self.estimator = estimator
            return
        own: list[Any] = [deepcopy(estimator) for _ in range(self.blocks)]
        for one, size in zip(own, self.sizes, strict=True):
            one.prepare(size, self.num_categories)
        self._nest(own)

    def _nest(self, estimators: list[Any]) -> None:
        """Gives each block its own, which together stand in the place of one."""
        nested: Any = LayerEstimators(estimators)
        self.estimator = nested

    @property
    def estimators(self) -> tuple[GradientEstimator, ...]:
        estimator: Any = self.estimator
        return (estimator,) if estimator.multi_sample else tuple(estimator)

    def set_temperature(self, temperature: float) -> None:
        if not self.estimator.multi_sample:
            self._nest([one.at_temperature(temperature) for one in self.estimators])

    @property
    def chain(self) -> Chain:
        estimator: Any = self.estimator
        return Chain(
            variables=[self._variable(block) for block in range(self.blocks)],
            order=self.names,
            generative=self.names,
            decode=self._decode,
            likelihood=self.likelihood,
            beta=self.beta,
            free_bits=self.free_bits,
            together=estimator if estimator.multi_sample else None,
        )

    def _variable(self, block: int) -> Categorical:
        estimators, names = self.estimators, self.names
        return Categorical(
            name=names[block],
            sizes=(self.sizes[block], self.num_categories),
            posterior=lambda known: self.block_logits(block, known),
            prior=PriorOfBlock(
                self.prior,
                self.places[block].start,
                names[:block],
                last=block + 1 == self.blocks,
            ),
            estimator=estimators[min(block, len(estimators) - 1)],
        )

    def block_logits(self, block: int, known: Known) -> Float[Tensor, "*SB D K"]:
        """Gives the unnormalised log q of a block, given x and the blocks before."""
        size = self.num_latents, self.num_categories
        own = known.features[..., : size[0] * size[1]].unflatten(-1, size)
        own = own[..., self.places[block], :]
        if block == 0:
            return own
        trunk = nn.functional.leaky_relu(known.features[..., size[0] * size[1] :])
        before = [known.values[name].flatten(-2) for name in self.names[:block]]
        return own + at_least_float32(self.posterior_networks[block - 1](beside(trunk, *before)))

    def _decode(self, known: Known) -> Tensor:
        z = joined([known.values[name] for name in self.names])
        return self._decoded(self._embedded(z), known.context)

    def logits(self, x: Data, context: Context = None) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q of every latent, given the most probable blocks before."""
        _, q = self.chain.most_probable(self.known(x, context), self._batch(x))
        return torch.cat([q[name] for name in self.names], -2)

    def posterior(self, x: Data, context: Context = None) -> Float[Tensor, "*B D K"]:
        """Gives the same: of all latents, not of the first block alone."""
        return self.logits(x, context)

    @property
    def exposed(self) -> Categorical:
        return self._variable(0)

    @property
    def codes_say_all(self) -> bool:
        return True

    def sample_codes(
        self, count: int, generator: Draws = None, context: Context = None
    ) -> Int[Tensor, "count D"]:
        require_count("count", count, 0)
        return self.prior.sample(count, generator, self.given(context, (count,)).context)

    def describe(self) -> str:
        size = f"{self.num_latents} categorical latents of {self.num_categories} classes"
        return (
            f"{size}, inferred in {self.blocks} blocks, {self.prior.kind} prior, "
            f"trained by {estimator_name(self.estimators[0])}"
        )

    def architecture(self) -> dict[str, Any]:
        return {**super().architecture(), "blocks": self.blocks}


def _correction(inputs: int, size: int, num_categories: int) -> nn.Sequential:
    """What the blocks before add to the logits of one: nothing at first."""
    outputs = size * num_categories
    width = min(HIDDEN, 2 * max(inputs, outputs))
    layers = perceptron([inputs, width, outputs], nn.LeakyReLU)
    last: Any = layers[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, nn.Unflatten(-1, (size, num_categories)))
