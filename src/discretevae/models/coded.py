"""What the models with one code of D categorical variables have in common."""

import math
from abc import ABC
from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators import ESTIMATORS, recommended
from discretevae.estimators.functions import CodeFunction
from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.estimators.multisample import MULTISAMPLE_ESTIMATORS
from discretevae.latents import require_sizes
from discretevae.latents.quantisers import DistanceLogits
from discretevae.latents.variables import VARIABLES, Known, PriorAlone, Variable
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.vae import VAE, Context, Data, described_network, require_floor
from discretevae.names import require_count, resolve
from discretevae.networks import Network
from discretevae.networks.conditioned import LatentEmbedding, context_network
from discretevae.priors import Prior, prior_from_config

__all__ = [
    "KINDS",
    "CodedVAE",
    "LogLikelihood",
    "estimator_kind",
    "estimator_name",
]

KINDS: Mapping[str, type[GradientEstimator]] = ChainMap({}, MULTISAMPLE_ESTIMATORS, ESTIMATORS)  # type: ignore[arg-type]
"""Both families by name: what trains a model."""


USUAL_VARIABLE = "categorical"


class CodedVAE(VAE, ABC):
    """A VAE with one code z of D categorical variables of K classes, perhaps beside others.

    Arguments:
        beside: Numbers that the encoder says, and numbers that the decoder sees, besides z.

    The others are as :class:`~discretevae.models.DiscreteVAE` has them.
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_latents: int,
        num_categories: int,
        network: str | Network,
        likelihood: str | Mapping[str, Any] | Likelihood,
        estimator: str | GradientEstimator,
        prior: str | Mapping[str, Any] | Prior,
        beta: float,
        free_bits: float,
        context_shape: Sequence[int] | None,
        embedding_size: int | None,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        variable: str,
        beside: tuple[int, int] = (0, 0),
        codebook_size: int | None = None,
    ) -> None:
        require_sizes(num_latents, num_categories)
        for name, size in (("embedding_size", embedding_size), ("codebook_size", codebook_size)):
            if size is not None:
                require_count(name, size)
        if embedding_size is not None and codebook_size is not None:
            raise ValueError(
                f"`embedding_size` must be left out with `codebook_size`, got {embedding_size}."
            )
        resolve("variable", variable, VARIABLES)
        said = num_latents * (codebook_size or num_categories) + beside[0]
        seen = num_latents * (codebook_size or embedding_size or num_categories) + beside[1]
        sizes = said, seen, context_shape
        super().__init__(shape, network, likelihood, beta, *sizes, encoder, decoder)
        self.num_latents, self.num_categories = num_latents, num_categories
        self.embedding_size, self.variable = embedding_size, variable
        self.codebook_size, self.codebook = codebook_size, None
        if codebook_size is not None:
            self.codebook = DistanceLogits(num_categories, codebook_size)
        self.code = (
            nn.Flatten(-2)
            if embedding_size is None
            else LatentEmbedding(num_latents, num_categories, embedding_size)
        )
        self.free_bits = require_floor(free_bits)
        if isinstance(prior, str):
            prior = {"kind": prior}
        if isinstance(prior, Mapping):
            prior = prior_from_config(
                dict(prior), num_latents, num_categories, self.context_features
            )
        self.prior = prior
        if self.prior.shape != (num_latents, num_categories):
            raise ValueError(
                f"`prior` must fit D × K = {num_latents} × {num_categories}, "
                f"got {' × '.join(map(str, self.prior.shape))}."
            )
        self.with_estimator(estimator)

    def with_prior(self, prior: Prior) -> None:
        self.prior = prior

    def with_estimator(self, estimator: str | GradientEstimator) -> None:
        sizes = self.num_latents, self.num_categories
        if isinstance(estimator, str):
            estimator = estimator_kind(estimator, *sizes)()
        estimator.prepare(*sizes)
        self._modules.pop("estimator", None)  # one that learns, whose place no other kind may take
        self.estimator: GradientEstimator = estimator

    @property
    def estimators(self) -> tuple[GradientEstimator, ...]:
        return (self.estimator,)

    def set_temperature(self, temperature: float) -> None:
        if self.estimator.tempered:
            self.estimator = self.estimator.at_temperature(temperature)

    @property
    def z(self) -> Variable:
        """The code."""
        return VARIABLES[self.variable](
            name="z",
            sizes=(self.num_latents, self.num_categories),
            posterior=self._logits_of,
            prior=PriorAlone(self.prior),
            estimator=self.estimator,
            embed=self._embedded,
        )

    def _embedded(self, z: Float[Tensor, "*SB D K"]) -> Float[Tensor, "*SB F"]:
        """Gives what the decoder sees of one-hot codes."""
        return self.code(z) if self.codebook is None else self.codebook.embed(z)

    @property
    def exposed(self) -> Variable:
        return self.z

    def describe(self) -> str:
        size = f"{self.num_latents} latents of {self.num_categories} categories"
        return f"{size}, {self.prior.kind} prior, trained by {estimator_name(self.estimator)}"

    @property
    def chain(self) -> Chain:
        return Chain(
            (self.z,), ("z",), ("z",), self._decode, self.likelihood, self.beta, self.free_bits
        )

    def _logits_of(self, known: Known) -> Float[Tensor, "*B D K"]:
        sizes = self.num_latents, self.codebook_size or self.num_categories
        said = known.features[..., : math.prod(sizes)].unflatten(-1, sizes)
        return said if self.codebook is None else self.codebook(said)

    def _decode(self, known: Known) -> Tensor:
        return self._decoded(self._embedded(known.values["z"]), known.context)

    def logits(self, x: Data, context: Context = None) -> Float[Tensor, "*B D K"]:
        """Gives the unnormalised log q(z|x)."""
        return self.z.q(self.known(x, context))

    def embedding(self, x: Data, context: Context = None) -> Float[Tensor, "*B DK"]:
        """Gives the probabilities of all classes of all latents."""
        return self.logits(x, context).softmax(-1).flatten(-2)

    def architecture(self) -> dict[str, Any]:
        found = {
            **self._architecture(),
            "num_latents": self.num_latents,
            "num_categories": self.num_categories,
            "prior": self.prior.config(),
        }
        if self.embedding_size is not None:
            found["embedding_size"] = self.embedding_size
        if self.codebook_size is not None:
            found["codebook_size"] = self.codebook_size
        if self.variable != USUAL_VARIABLE:
            found["variable"] = self.variable
        return found

    @classmethod
    def from_architecture(cls, config: dict[str, Any], **options: Any) -> "CodedVAE":
        config = dict(config)
        sizes = config["num_latents"], config.get("num_categories", 0)
        network, shape = described_network(config, options), config.get("context_shape")
        features = 0 if shape is None else context_network(network, tuple(shape))[1]
        prior = config.pop("prior")
        prior = {"kind": prior} if isinstance(prior, str) else prior  # as once written
        return super().from_architecture(
            config, prior=prior_from_config(prior, *sizes, features), **options
        )


class LogLikelihood(CodeFunction):
    """f(z) = log p(x | z) of a batch: a code is decoded once for all its examples.

    Arguments:
        model: With one code.
        x: The batch.
    """

    shared = True

    def __init__(self, model: CodedVAE, x: Data) -> None:
        self.chain, self.x = model.chain, x

    def __call__(self, z: Float[Tensor, "S *B D K"]) -> Float[Tensor, "S *B"]:
        return self.chain.log_likelihood(self.x, Known().plus("z", z))

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S *B"]:
        z = z.view(len(z), *[1] * len(self.chain.batch(self.x)), *z.shape[1:])
        return self.chain.log_likelihood(self.x, Known().plus("z", z), shared=True)

    @property
    def context(self) -> Float[Tensor, "*B F"]:
        """The data, flat: what a learned baseline may see; 0 where a cell is missing."""
        return self.x.flatten(len(self.chain.batch(self.x))).nan_to_num()


def estimator_kind(name: str, num_latents: int, num_categories: int) -> type[GradientEstimator]:
    """Looks a name up in both families; "auto" is what these sizes ask for.

    Raises:
        UnknownNameError: Naming the nearest known name and all of them.

    Example:
        >>> estimator_kind("vimco", 4, 8).__name__, estimator_kind("auto", 4, 8).__name__
        ('VIMCO', 'UnorderedSet')
    """
    auto = type(recommended(num_latents, num_categories))
    return resolve("estimator", name, {"auto": auto, **KINDS})


def estimator_name(estimator: GradientEstimator) -> str:
    """Gives the name of an estimator in its table; one that is in none has that of its class.

    Example:
        >>> estimator_name(KINDS["rloo"]())
        'rloo'
    """
    kind = type(estimator)
    return next((name for name, known in KINDS.items() if known is kind), kind.__name__)
