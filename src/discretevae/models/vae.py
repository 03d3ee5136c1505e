"""The interface of all models: a chain of latent variables, its networks and its figures."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents import DEFAULT_BUDGET
from discretevae.latents.variables import Known, Variable, beside
from discretevae.likelihoods import Likelihood, likelihood_from_config
from discretevae.models.chain import ROWS, Chain
from discretevae.names import require_count
from discretevae.networks import NETWORKS, Network, OwnNetwork, network_from_config
from discretevae.networks.conditioned import ConditionedEncoder, context_network
from discretevae.networks.suited import suited
from discretevae.objectives import ELBO, importance_weighted_bound
from discretevae.priors import Prior
from discretevae.priors.log_partition import LogPartition

__all__ = [
    "VAE",
    "Context",
    "Data",
    "Draws",
    "at_least_float32",
    "described_network",
    "require_floor",
]

Data = Float[Tensor, "*B_and_shape"]
"""A batch of observations."""
Draws = torch.Generator | None
"""The source of random draws; PyTorch's own where there is none."""
Context = Tensor | None
"""What a conditional model is given with each observation."""

AnyVAE = TypeVar("AnyVAE", bound="VAE")


class VAE(nn.Module, ABC):
    """A latent-variable model p(x|z) p(z) with an amortised posterior q(z|x).

    `objective` is what training maximises: a surrogate, perhaps relaxed, perhaps β-weighted.
    `elbo` and `log_likelihood` are what is reported: true bounds on log p(x), hard samples, in
    nats per example. The two never share a name.

    Data `x` has shape (*B, *shape); every figure has shape (*B,). A conditional model, of
    p(x|c), has a `context_shape`, and takes (*B, *context_shape) as `context` everywhere: the
    posterior is q(z|x, c) and the decoder p(x|z, c).

    A model is its `chain` of latent variables and its networks; all figures are the chain's.
    """

    kind: ClassVar[str]
    sized_by: ClassVar[str] = "num_latents"
    """What its description says of the size of the code."""
    likelihood: Likelihood
    network: Network
    prior: Prior
    """p(z) of a model with one."""
    free_bits: float = 0.0

    def __init__(
        self,
        shape: Sequence[int],
        network: str | Network | None,
        likelihood: str | Mapping[str, Any] | Likelihood,
        beta: float,
        encoder_features: int,
        decoder_features: int,
        context_shape: Sequence[int] | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        require_positive_sizes("shape", shape)
        if not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f"`beta` must be a finite number of at least 0, got {beta}.")
        self.shape = tuple(int(size) for size in shape)
        self.beta = beta
        self.context_shape = None if context_shape is None else tuple(map(int, context_shape))
        self.context_features = 0
        self._encoded: tuple[Tensor, Tensor | None, Known] | None = None
        if network is None:  # a model that is made of others has no networks of its own
            return
        if not isinstance(likelihood, Likelihood):
            likelihood = likelihood_from_config(likelihood, len(self.shape))
        self.likelihood = likelihood.of_shape(self.shape)
        self.network = suited(network, self.likelihood.config(), NETWORKS)
        if encoder is not None or decoder is not None:
            self.network = OwnNetwork(self.network.of_contexts, encoder, decoder)
        if self.context_shape is None:
            self.encoder = self.network.encoder(self.shape, encoder_features)
        else:
            require_positive_sizes("context_shape", self.context_shape)
            found = context_network(self.network.of_contexts, self.context_shape)
            self.context_network, self.context_features = found
            sizes = self.context_features, encoder_features
            self.encoder = ConditionedEncoder(self.network, self.shape, *sizes)
        self.decoder = self.network.decoder(
            decoder_features + self.context_features, self.likelihood.output_shape(self.shape)
        )

    @property
    def chain(self) -> Chain:
        """The latent variables, as they are now; from them follows all that is not overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no chain of variables.")

    @property
    def variables(self) -> Sequence[Variable]:
        """The variables of its chain; none of a model that does without."""
        return self.chain.variables if type(self).chain is not VAE.chain else ()

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the grid at whose positions its latents stand, if they do."""
        return self.network.grid(self.shape)

    @property
    def grids(self) -> Sequence[tuple[int, int]]:
        """Rows and columns of the grids whose positions a code names in turn; none without."""
        grid, width = self.grid, self.chain.width if self.variables else 0
        return [grid] if grid is not None and grid[0] * grid[1] == width else []

    def on_grids(self, codes: Tensor) -> list[Tensor]:
        """Gives codes (*B, D) in the places that they describe, (*B, h, w) of each of its grids.

        Example:
            >>> from discretevae.models import DiscreteVAE
            >>> model = DiscreteVAE((1, 8, 12), num_latents=6, num_categories=5, network="residual")
            >>> model.on_grids(torch.arange(6))
            [tensor([[0, 1, 2],
                    [3, 4, 5]])]
        """
        areas = [rows * columns for rows, columns in self.grids]
        parts = zip(codes.split(areas, -1), self.grids, strict=True)
        return [part.unflatten(-1, grid) for part, grid in parts]

    def with_prior(self, prior: Prior) -> None:
        """Takes another prior of the same sizes.

        Raises:
            ValueError: If it does not suit the model.
        """
        raise ValueError(f"`model` must have one prior over its codes, got a {self.kind}.")

    def with_estimator(self, estimator: str | GradientEstimator) -> None:
        """Takes another estimator of its gradient, by name or as it is.

        Raises:
            ValueError: If it does not suit the model.
        """
        raise ValueError(
            f"`model` must have a code whose gradient is estimated, got a {self.kind}."
        )

    def with_free_bits(self, free_bits: float) -> None:
        """Takes another number of nats that each latent may cost in `objective` before they count.

        Raises:
            ValueError: If it is out of range, or the model has no such floor.
        """
        require_floor(free_bits)
        before, self.free_bits = self.free_bits, free_bits
        if not self.variables or self.chain.free_bits != free_bits:
            self.free_bits = before
            raise ValueError(f"`free_bits` must go with a model that has them, got a {self.kind}.")

    @property
    def fitted_afterwards(self) -> Prior | None:
        """The prior that is fitted to the codes of a trained model, for it is not trained along."""
        return None

    @property
    def estimators(self) -> tuple[GradientEstimator, ...]:
        """What the gradient of each discrete variable is estimated by."""
        return ()

    @property
    def exposed(self) -> Variable:
        """The variable that `posterior`, `embedding` and terms of training look at."""
        return self.chain.variables[0]

    @property
    def categorical(self) -> Variable | None:
        """Its discrete variable, where it has just one, with a probability for every class."""
        found = [v for v in self.variables if v.classes is not None and not v.point]
        return found[0] if len(found) == 1 else None

    @property
    def codes_are_classes(self) -> bool:
        """Whether its codes are the classes of one variable and nothing else."""
        return self.categorical is not None and len(self.variables) == 1

    @property
    def codes_say_all(self) -> bool:
        """Whether all that the decoder sees is class indices, D of the same K."""
        return self.codes_are_classes

    def describe(self) -> str:
        """Says in words what the code is."""
        return f"a {self.kind}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.shape}: {self.describe()}>"

    def predict(self, x: Data) -> Float[Tensor, "*B C"] | None:
        """Gives the probabilities of labels; none where the model has none."""
        return None

    def log_partition(self) -> LogPartition | None:
        """Gives both ends of the log Z that all of its bounds share; none where it is exact."""
        found = (variable.log_partition() for variable in self.variables)
        return next((estimate for estimate in found if estimate is not None), None)

    def set_temperature(self, temperature: float) -> None:
        """Gives every estimator that has a temperature this one."""

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """Describes in plain types all that rebuilds the model around its weights."""

    @torch.no_grad()
    def start_at(self, x: Data) -> None:
        """Starts a new model where data are without a code, if its likelihood asks for it.

        Of a Gaussian likelihood: σ at their spread about the means of the dimensions, the last
        bias of the decoder at these means. Nothing happens to a model that is trained or loaded,
        or whose σ was given.

        Arguments:
            x: Some training examples.

        Example:
            >>> from discretevae.models import DiscreteVAE
            >>> model = DiscreteVAE((3,), 2, 4, likelihood="gaussian")
            >>> model.start_at(torch.tensor([[5.0, 7.0, 9.0], [6.0, 8.0, 10.0]]))
            >>> float(model.likelihood.log_scale.exp()), model.decoder[-2].bias.tolist()
            (0.5, [5.5, 7.5, 9.5])
        """
        if not self.likelihood.untouched:
            return
        h, decoder = self.likelihood.start(x), getattr(self, "decoder", None)
        bias = None if decoder is None else self.network.last_bias(decoder)
        if h is not None and bias is not None:
            bias.copy_(h.reshape(len(bias), -1).mean(1))

    def weights(self) -> dict[str, Tensor]:
        """Gives the state that makes the model, without that of the estimators that train it."""
        state = self.state_dict()
        return {name: v for name, v in state.items() if "estimator" not in name.split(".")}

    @contextmanager
    def encoded_once(self, x: Data, context: Context = None) -> Iterator[None]:
        """Runs the encoder on this very tensor once, however often its posterior is asked for.

        Example:
            >>> from discretevae.models import DiscreteVAE
            >>> model, x = DiscreteVAE((3,), 2, 4), torch.zeros(5, 3)
            >>> with model.encoded_once(x):
            ...     model.logits(x) is not model.logits(x.clone()), model.logits(x).shape
            (True, torch.Size([5, 2, 4]))
        """
        before = self._encoded
        self._encoded = (x, context, self.known(x, context))
        try:
            yield
        finally:
            self._encoded = before

    def known(self, x: Data, context: Context = None) -> Known:
        """Gives what the encoder says of the data, beside the features of their context."""
        if self._encoded is not None:
            of, given, known = self._encoded
            if of is x and given is context:
                return known
        self._require_shape(x)
        return self._known(x, self.given(context, self._batch(x)))

    def _known(self, x: Tensor, given: Known) -> Known:
        """What the encoder says, in float32 at least."""
        c = given.context
        return replace(
            given, features=at_least_float32(self.encoder(x) if c is None else self.encoder(x, c))
        )

    def given(self, context: Context, batch: tuple[int, ...]) -> Known:
        """Gives what a context alone says, with nothing of the data.

        Raises:
            ValueError: As `describe_context` has it.
        """
        return Known(context=self.describe_context(context, batch))

    def describe_context(
        self, context: Context, batch: tuple[int, ...]
    ) -> Float[Tensor, "*B C"] | None:
        """Gives the features of a context, which must suit the model.

        Raises:
            ValueError: If there is one and the model has no condition, there is none and the
                model has one, or it has another shape.
        """
        if self.context_shape is None:
            if context is not None:
                raise ValueError(
                    f"`context` must be left out: the model has no condition, got "
                    f"{tuple(context.shape)}."
                )
            return None
        expected = (*batch, *self.context_shape)
        if context is None or tuple(context.shape) != expected:
            found = "none" if context is None else tuple(context.shape)
            raise ValueError(f"`context` must have shape {expected}, got {found}.")
        return at_least_float32(self.context_network(context.to(self.dtype)))

    def _decoded(self, seen: Float[Tensor, "*SB F"], context: Context = None) -> Tensor:
        """What the decoder says of what it sees, beside the features of the context."""
        if context is not None:
            seen = beside(seen, context.to(seen.dtype))
        return at_least_float32(self.decoder(seen))

    def posterior(self, x: Data, context: Context = None) -> Tensor:
        """Gives the parameters of q of the variable that is inferred first."""
        return self.exposed.q(self.known(x, context))

    def embedding(self, x: Data, context: Context = None) -> Float[Tensor, "*B E"]:
        """Gives q(z|x) as a vector that can be compared: for contrastive losses."""
        chain = self.chain
        _, q = chain.most_probable(self.known(x, context), self._batch(x))
        return torch.cat([chain.named(name).summary(q[name]) for name in chain.order], -1)

    def objective(
        self, x: Data, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "*B"]:
        """Gives the trained surrogate, to be maximised; no bound unless its estimator says so.

        E_q[log p(x|z)] − β KL with the estimator's gradient, or the S-sample bound where the
        estimator is one of that. Where the KL has no closed form the estimator is given
        log p(x|z) + β log p(z), and β times the entropy of q is added in closed form.

        Raises:
            ValueError: If `beta` is not 1 or `free_bits` not 0 with a multi-sample estimator.
        """
        self.require_trainable()
        self._require_some(x)
        return self.chain.objective(x, self.known(x, context), generator)

    def elbo_terms(
        self, x: Data, samples: int = 1, generator: Draws = None, context: Context = None
    ) -> ELBO:
        """Estimates reconstruction and KL of the true bound from hard samples."""
        return self.chain.elbo_terms(x, self.known(x, context), samples, generator)

    def log_weights(
        self, x: Data, samples: int, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "S *B"]:
        """Draws log w = log p(x, z) − log q(z|x), z ~ q, in nats."""
        return self.chain.log_weights(x, self.known(x, context), samples, generator)

    def weighted(
        self,
        x: Data,
        samples: int | None = None,
        chunk: int = ROWS,
        generator: Draws = None,
        context: Context = None,
    ) -> Iterator[tuple[Distribution, Float[Tensor, "S *B"]]]:
        """Yields p(x|z) of codes, and log-weights whose exponentials sum to p(x) or estimate it.

        All codes where `samples` is None and the model is enumerable, else S draws from q(z|x).

        Arguments:
            x: The data.
            samples: S, 1000 by default where the codes are too many.
            chunk: Codes at a time.
            generator: Of the draws.
            context: Of a conditional model.
        """
        known = self.known(x, context)
        if samples is None and self.enumerable:
            yield from self.chain.all_weighted(x, known, chunk)
            return
        samples = int(samples or 1000)
        for start in range(0, samples, chunk):
            p, log_w = self.chain.weighted(x, known, min(chunk, samples - start), generator)
            yield p, log_w - math.log(samples)

    def encode(
        self, x: Data, sample: bool = False, generator: Draws = None, context: Context = None
    ) -> Tensor:
        """Gives the most probable code of each example, or one drawn from the posterior.

        Of several variables, the most probable of each in turn, given those inferred before.
        """
        chain, known, batch = self.chain, self.known(x, context), self._batch(x)
        if sample:
            return chain.codes(chain.draw(known, batch, 1, generator)[0])[0]
        return chain.codes(chain.most_probable(known, batch)[0])

    def decode(self, codes: Tensor, context: Context = None) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example.

        Raises:
            ValueError: If `codes` has another length than the code, or a number that stands for
                nothing.
        """
        given = self.given(context, tuple(codes.shape[:-1]))
        return self.chain.observe(self.chain.values(codes, given, self.dtype))

    def sample_codes(self, count: int, generator: Draws = None, context: Context = None) -> Tensor:
        """Draws codes from the prior."""
        require_count("count", count, 0)
        return self.chain.sample(count, self.given(context, (count,)), self.dtype, generator)

    def elbo(
        self, x: Data, samples: int = 1, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "*B"]:
        """Estimates the true ELBO without bias, in nats: β = 1, hard samples, closed-form KL.

        Raises:
            ValueError: If `x` lies outside the support of the likelihood.
        """
        require_count("samples", samples)
        self._require_some(x)
        self.likelihood.check(x)
        return self.elbo_terms(x, samples, generator, context).elbo

    def log_likelihood(
        self, x: Data, samples: int | None = None, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "*B"]:
        r"""Bounds log p(x) by S importance weights, in nats; by default exact where it can be.

        .. math:: \log p(x) \ge \mathbb{E} \log \frac1S \sum_s \frac{p(x, z_s)}{q(z_s | x)}

        The estimate lies below log p(x) on average, by less the larger S. Without `samples`, up to
        65,536 codes are summed over, of sentences 64; where there are more, S is 1000.

        Raises:
            ValueError: If `x` lies outside the support of the likelihood, or `samples` < 1.

        Reference: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.
        """
        if samples is None and self.enumerable:
            return self.exact_log_likelihood(x, context=context)
        samples = 1000 if samples is None else int(samples)
        require_count("samples", samples)
        self._require_some(x)
        self.likelihood.check(x)
        if not self.variables:  # a model that does without a chain
            return importance_weighted_bound(self.log_weights(x, samples, generator, context))
        known = self.known(x, context)
        return self.chain.importance_weighted(x, known, samples, generator)

    @property
    def enumerable(self) -> bool:
        """Whether all codes are as few as the likelihood is cheaply evaluated at."""
        return bool(self.variables) and self.chain.is_enumerable(self.likelihood.cheap_codes)

    def exact_log_likelihood(
        self, x: Data, budget: int = DEFAULT_BUDGET, context: Context = None
    ) -> Float[Tensor, "*B"]:
        r"""Gives log p(x) itself, in nats, by summing over all codes.

        .. math:: \log p(x) = \log \sum_z p(z) p(x | z)

        Raises:
            EnumerationError: If there are more than `budget`, or a latent is continuous.
            ValueError: If `x` lies outside the support of the likelihood.
        """
        self._require_shape(x)
        self.likelihood.check(x)
        given = self.given(context, self._batch(x))
        return self.chain.exact_log_likelihood(x, given, budget)

    def reconstruct(self, x: Data, context: Context = None) -> Data:
        """Gives what stands for p(x | z) at the most probable code: its mean, or such like."""
        return self.likelihood.point(self.decode(self.encode(x, context=context), context))

    def sample(
        self,
        count: int,
        generator: Draws = None,
        context: Context = None,
        *,
        mean: bool = False,
    ) -> Float[Tensor, "count *shape"]:
        """Draws observations from p(x): a code from the prior, then x from p(x | z).

        Arguments:
            count: How many.
            generator: Of the draws.
            context: Of a conditional model: one for all, (*context_shape), or one each.
            mean: Give what stands for p(x | z) of each code, its mean or such like, not a draw.
        """
        require_count("count", count, 0)
        if context is not None and tuple(context.shape) == self.context_shape:
            context = context.expand(count, *context.shape)
        codes = self.sample_codes(count, generator, context)
        p = self.decode(codes, context)
        return self.likelihood.point(p) if mean else self.likelihood.draw(p, generator)

    def explore(self, data: Any = None) -> Any:
        """Shows the codes in a notebook, to be changed by hand, as `discretevae.explore` does."""
        return import_module("discretevae").explore(self, data)  # from above, as a user has it

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes `config.json` and `model.safetensors`; a folder there before stays whole."""
        from discretevae.models.pretrained import save_pretrained

        save_pretrained(self, folder)

    @classmethod
    def from_pretrained(cls: type[AnyVAE], folder: str | Path, **options: Any) -> AnyVAE:
        """Loads a model of this class; `estimator` and `beta` may be given for training on.

        Raises:
            ModelError: If a file is missing or damaged, or holds a model of another class.
        """
        from discretevae.models.pretrained import ModelError, from_pretrained

        model = from_pretrained(folder, **options)
        if not isinstance(model, cls):
            raise ModelError(f"`folder` must hold a {cls.__name__}, got a {model.kind}.")
        return model

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    @classmethod
    def from_architecture(cls: type[AnyVAE], config: dict[str, Any], **options: Any) -> AnyVAE:
        """Builds a model with new weights from what `architecture` gave.

        Raises:
            ValueError: If something is missing or does not fit.
        """
        return cls(**{**config, "network": described_network(config, options)}, **options)

    def _architecture(self) -> dict[str, Any]:
        """What all models have in common, in plain types."""
        common = {
            "shape": list(self.shape),
            "network": self.network.config(),
            "likelihood": self.likelihood.config(),
        }
        if self.context_shape is not None:
            common["context_shape"] = list(self.context_shape)
        return common

    def require_trainable(self) -> None:
        """Refuses weights of the KL that the objective does not have.

        Raises:
            ValueError: If `beta` is not 1 with a multi-sample estimator, or `free_bits` not 0
                where a KL is not in closed form.
        """
        weighing = next((e for e in self.estimators if e.multi_sample), None)
        if weighing is not None and self.beta != 1:
            raise ValueError(
                "`beta` must be 1 with a multi-sample estimator, whose bound has no KL to weigh, "
                f"got {self.beta} and {type(weighing).__name__}."
            )
        if self.free_bits and any(v.joins for v in self.variables):
            names = ", ".join(v.name for v in self.variables if v.joins)
            raise ValueError(
                "`free_bits` must be 0 where the objective has no KL of each latent, "
                f"got {self.free_bits} and one of {names} that is estimated."
            )

    def _batch(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[: x.ndim - len(self.shape)])

    def _require_shape(self, x: Tensor) -> None:
        if not isinstance(x, Tensor):
            raise ValueError(
                f"`x` must be a tensor, got {type(x).__name__}; `discretevae.encode`, `train` and "
                "`evaluate` take arrays and data frames too."
            )
        if not self.likelihood.suits(tuple(x.shape[x.ndim - len(self.shape) :]), self.shape):
            raise ValueError(f"`x` must end in shape {self.shape}, got {tuple(x.shape)}.")
        if x.dtype != self.dtype:
            raise ValueError(f"`x` must be {self.dtype}, as the model is, got {x.dtype}.")

    def _require_some(self, x: Tensor) -> None:
        self._require_shape(x)
        if not x.numel():
            raise ValueError(f"`x` must hold an observation, got none: shape {tuple(x.shape)}.")


def require_floor(free_bits: float) -> float:
    """Refuses nats that are no floor.

    Raises:
        ValueError: If `free_bits` is not a finite number of at least 0.
    """
    if not (math.isfinite(free_bits) and free_bits >= 0):
        raise ValueError(f"`free_bits` must be a finite number of at least 0, got {free_bits}.")
    return free_bits


def require_positive_sizes(name: str, shape: Sequence[int]) -> None:
    if not shape or any(size < 1 for size in shape):
        raise ValueError(f"`{name}` must hold positive sizes, got {tuple(shape)}.")


def at_least_float32(x: Tensor) -> Tensor:
    """Widens what a network computed in half precision; float64 stays what it is.

    Example:
        >>> at_least_float32(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def described_network(config: Mapping[str, Any], options: Mapping[str, Any]) -> Network:
    """Rebuilds the network of a saved model, but for modules that are given again.

    Raises:
        ValueError: If one is not given.
    """
    described = dict(config["network"])
    if described.get("kind") != OwnNetwork.kind:
        return network_from_config(described)
    for name in described["modules"]:
        if options.get(name) is None:
            raise ValueError(f"`{name}` must be given: the model has one that is the user's own.")
    return network_from_config(described["base"])
