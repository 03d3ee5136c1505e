"""The interface of all models, and what they share: networks, likelihood, bounds, decoding."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.likelihoods import Likelihood, likelihood_from_config
from discretevae.names import require_count, resolve
from discretevae.networks import NETWORKS, Network, network_from_config
from discretevae.networks.conditioned import ConditionedEncoder, context_network, with_context
from discretevae.objectives import ELBO, importance_weighted_bound

__all__ = ["VAE", "at_least_float32", "float32_island"]

AnyVAE = TypeVar("AnyVAE", bound="VAE")

ROWS = 2**13
"""Rows of the decoder in one chunk of an evaluation."""


class VAE(nn.Module, ABC):
    """A latent-variable model p(x|z) p(z) with an amortised posterior q(z|x).

    `objective` is what training maximises: a surrogate, perhaps relaxed, perhaps β-weighted.
    `elbo` and `log_likelihood` are what is reported: true bounds on log p(x), hard samples, in
    nats per example. The two never share a name.

    Data `x` has shape (*B, *shape); every figure has shape (*B,). A conditional model, of
    p(x|c), has a `context_shape`, and takes (*B, *context_shape) as `context` everywhere: the
    posterior is q(z|x, c) and the decoder p(x|z, c).
    """

    kind: ClassVar[str]

    def __init__(
        self,
        shape: Sequence[int],
        network: str | Network,
        likelihood: str | Mapping[str, Any] | Likelihood,
        beta: float,
        encoder_features: int,
        decoder_features: int,
        context_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        _require_positive("shape", shape)
        if not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f"`beta` must be a finite number of at least 0, got {beta}.")
        self.shape = tuple(int(size) for size in shape)
        self.network: Network = resolve("network", network, NETWORKS)
        self.beta = beta
        if not isinstance(likelihood, Likelihood):
            likelihood = likelihood_from_config(likelihood, len(self.shape))
        self.likelihood = likelihood
        self._encoded: tuple[Tensor, Tensor | None, Tensor] | None = None
        self.context_shape = None if context_shape is None else tuple(map(int, context_shape))
        self.context_features = 0
        if self.context_shape is None:
            self.encoder = self.network.encoder(self.shape, encoder_features)
        else:
            _require_positive("context_shape", self.context_shape)
            found = context_network(self.network, self.context_shape)
            self.context_network, self.context_features = found
            sizes = self.context_features, encoder_features
            self.encoder = ConditionedEncoder(self.network, self.shape, *sizes)
        self.decoder = self.network.decoder(
            decoder_features + self.context_features, self.likelihood.output_shape(self.shape)
        )

    @contextmanager
    def encoded_once(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Iterator[None]:
        """Runs the encoder on this very tensor once, however often its posterior is asked for.

        Example:
            >>> from discretevae.models import DiscreteVAE
            >>> model, x = DiscreteVAE((3,), 2, 4), torch.zeros(5, 3)
            >>> with model.encoded_once(x):
            ...     model.logits(x) is not model.logits(x.clone()), model.logits(x).shape
            (True, torch.Size([5, 2, 4]))
        """
        before = self._encoded
        self._encoded = (x, context, self._features(x, context))
        try:
            yield
        finally:
            self._encoded = before

    def _features(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B features"]:
        """What the encoder says, in float32 at least."""
        if self._encoded is not None:
            of, given, features = self._encoded
            if of is x and given is context:
                return features
        self._require_shape(x)
        c = self.describe_context(context, tuple(x.shape[: x.ndim - len(self.shape)]))
        return at_least_float32(self.encoder(x) if c is None else self.encoder(x, c))

    def describe_context(
        self, context: Tensor | None, batch: tuple[int, ...]
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

    def _decoded(self, z: Float[Tensor, "*SB F"], context: Float[Tensor, "*B C"] | None) -> Tensor:
        """What the decoder says of a code, beside the features of the context."""
        return at_least_float32(self.decoder(with_context(z, context)))

    @abstractmethod
    def posterior(self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None) -> Tensor:
        """Gives the parameters of q(z|x)."""

    @abstractmethod
    def embedding(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B E"]:
        """Gives q(z|x) as a vector that can be compared: for contrastive losses."""

    @abstractmethod
    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Gives the trained surrogate, to be maximised; no bound unless its estimator says so."""

    @abstractmethod
    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        """Estimates reconstruction and KL of the true bound from hard samples."""

    @abstractmethod
    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        """Draws log w = log p(x, z) − log q(z|x), z ~ q, in nats."""

    @abstractmethod
    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Gives the most probable code of each example, or one drawn from the posterior."""

    @abstractmethod
    def decode(self, codes: Tensor, context: Tensor | None = None) -> Distribution:
        """Gives p(x | codes); its `log_prob` is per example."""

    @abstractmethod
    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Tensor:
        """Draws codes from the prior."""

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """Describes in plain types all that rebuilds the model around its weights."""

    def elbo(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
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
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        r"""Bounds log p(x) by S importance weights, in nats.

        .. math:: \log p(x) \ge \mathbb{E} \log \frac1S \sum_s \frac{p(x, z_s)}{q(z_s | x)}

        The estimate lies below log p(x) on average, by less the larger S (default: 1000).

        Raises:
            ValueError: If `x` lies outside the support of the likelihood, or `samples` < 1.

        Reference: Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, 2016, eq. 8.
        """
        samples = 1000 if samples is None else int(samples)
        require_count("samples", samples)
        self._require_some(x)
        self.likelihood.check(x)
        rows = max(1, x.numel() // math.prod(self.shape))
        chunk = max(1, ROWS // rows)
        sizes = [chunk] * (samples // chunk) + [samples % chunk] * (samples % chunk > 0)
        return importance_weighted_bound(
            torch.cat([self.log_weights(x, size, generator, context) for size in sizes])
        )

    def reconstruct(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B_and_shape"]:
        """Gives what stands for p(x | z) at the most probable code: its mean, or such like."""
        return self.likelihood.point(self.decode(self.encode(x, context=context), context))

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "count *shape"]:
        """Draws codes from the prior and gives what stands for p(x | z) of each.

        Arguments:
            count: How many.
            generator: Of the draws.
            context: Of a conditional model: one for all, (*context_shape), or one each.
        """
        require_count("count", count, 0)
        if context is not None and tuple(context.shape) == self.context_shape:
            context = context.expand(count, *context.shape)
        codes = self.sample_codes(count, generator, context)
        return self.likelihood.point(self.decode(codes, context))

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
        network = network_from_config(config["network"])
        return cls(**{**config, "network": network}, **options)

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

    def _require_shape(self, x: Tensor) -> None:
        if tuple(x.shape[x.ndim - len(self.shape) :]) != self.shape:
            raise ValueError(f"`x` must end in shape {self.shape}, got {tuple(x.shape)}.")
        if x.dtype != self.dtype:
            raise ValueError(f"`x` must be {self.dtype}, as the model is, got {x.dtype}.")

    def _require_some(self, x: Tensor) -> None:
        self._require_shape(x)
        if not x.numel():
            raise ValueError(f"`x` must hold an observation, got none: shape {tuple(x.shape)}.")


def _require_positive(name: str, shape: Sequence[int]) -> None:
    if not shape or any(size < 1 for size in shape):
        raise ValueError(f"`{name}` must hold positive sizes, got {tuple(shape)}.")


def at_least_float32(x: Tensor) -> Tensor:
    """Widens what a network computed in half precision; float64 stays what it is.

    Example:
        >>> at_least_float32(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def float32_island(device: torch.device) -> torch.autocast:
    """Switches mixed precision off: sampling, softmax, KL and likelihood stay in float32."""
    return torch.autocast(device.type, enabled=False)
