"""The semi-supervised model: a label beside the code, given for some examples, else inferred."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from discretevae.estimators import Estimator
from discretevae.estimators.multisample import MultiSampleEstimator
from discretevae.latents import (
    DEFAULT_BUDGET,
    EnumerationError,
    categorical,
    code_chunks,
    is_enumerable,
    to_one_hot,
)
from discretevae.likelihoods import Likelihood
from discretevae.models.base import ROWS, VAE, at_least_float32, float32_island
from discretevae.models.discrete import ConditionalLogLikelihood, DiscreteVAE, LogJoint
from discretevae.names import require_count, resolve
from discretevae.networks import NETWORKS, Network, network_from_config
from discretevae.networks.conditioned import ConditionedEncoder, with_context
from discretevae.objectives import ELBO
from discretevae.priors import ConditionalPrior, Prior, prior_from_config

__all__ = ["GivenLabel", "SemiSupervisedVAE"]


class SemiSupervisedVAE(VAE):
    r"""A VAE of observations x, of which some have a label y of C classes, and a code z beside it.

    .. math:: p(x, y, z) = \tfrac1C \, p(z) \, p(x | y, z), \qquad
        q(y, z | x) = q(y | x) \, q(z | x, y)

    .. math:: \log p(x, y) \ge b(x, y) = \mathbb{E}_{q(z|x,y)}[\log p(x | y, z)]
        - \mathrm{KL}(q(z | x, y) \| p(z)) - \log C, \qquad
        \log p(x) \ge \sum_y q(y|x) \, [b(x, y) - \log q(y|x)]

    The label comes as the `context`: numbers (\*B, 1), the index of the class, or −1 where it is
    not known; without a context none is. An example with a label takes part with the bound on
    log p(x, y), one without it with that on log p(x), in which y is summed over. This holds of
    `objective`, `elbo`, `log_weights` and `log_likelihood` alike, all in nats per example.

    Its codes are (y, z), D + 1 indices, of which the first lies in [0, C) and the others in
    [0, K). z is to hold what the label leaves open, such as the style of a digit.

    What sees the model through `logits` or `embedding` sees q(y|x): terms of training that want
    clusters want the classes.

    Arguments:
        shape: The shape of one observation, such as (784,) or (1, 28, 28).
        num_classes: C ≥ 2.
        num_latents: D ≥ 1.
        num_categories: K ≥ 2.
        network: Of p(x|y,z) and q(z|x,y): a name in `NETWORKS` or a
            :class:`~discretevae.networks.Network`.
        classifier: Of q(y|x), likewise; the same as `network` unless given.
        likelihood: A name in `LIKELIHOODS` or a :class:`~discretevae.likelihoods.Likelihood`.
        estimator: Of the gradient for z, as in :class:`~discretevae.models.DiscreteVAE`; the sum
            over y is exact under each.
        prior: p(z): a name in `PRIORS` or a :class:`~discretevae.priors.Prior`, which takes no
            notice of y.
        beta: The weight of the KL, of y and of z, in `objective`; never in `elbo`.
        alpha: The weight of log q(y|x) of each example with a label in `objective`, without which
            labels teach the classifier nothing directly; never in `elbo`. The reference has
            0.1 N / n where n of N examples have a label: 50 for 100 of 50,000. Where training
            repeats those examples, each repetition counts.

    Raises:
        ValueError: If a size is out of range, a name unknown, the prior does not fit D × K or
            depends on the label, or a weight is negative.

    Reference: Kingma, Mohamed, Rezende & Welling, Semi-Supervised Learning with Deep Generative
    Models, 2014, eqs. 2 and 6–9 (M2), there with a Gaussian z.

    Example:
        >>> model = SemiSupervisedVAE((784,), num_classes=10, num_latents=2, num_categories=8)
        >>> x = torch.bernoulli(torch.full((3, 784), 0.2))
        >>> some_labels = torch.tensor([[7.0], [-1.0], [-1.0]])
        >>> (-model.objective(x, context=some_labels)).mean().backward()
        >>> model.elbo(x).shape, model.predict(x).shape, model.encode(x).shape
        (torch.Size([3]), torch.Size([3, 10]), torch.Size([3, 3]))
    """

    kind: ClassVar[str] = "SemiSupervisedVAE"

    def __init__(
        self,
        shape: Sequence[int],
        num_classes: int = 10,
        num_latents: int = 4,
        num_categories: int = 8,
        network: str | Network = "mlp",
        classifier: str | Network | None = None,
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | Estimator | MultiSampleEstimator = "auto",
        prior: str | Prior = "uniform",
        beta: float = 1.0,
        alpha: float = 50.0,
    ) -> None:
        nn.Module.__init__(self)  # all networks but the classifier are those of p(x|y)
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}.")
        if not (math.isfinite(alpha) and alpha >= 0):
            raise ValueError(f"`alpha` must be a finite number of at least 0, got {alpha}.")
        self.conditional = GivenLabel(
            shape,
            num_latents,
            num_categories,
            network,
            likelihood,
            estimator,
            prior,
            beta,
            context_shape=(num_classes,),
        )
        if isinstance(self.conditional.prior, ConditionalPrior):
            raise ValueError("`prior` must be a p(z) without the label, got a conditional one.")
        self.shape, self.network = self.conditional.shape, self.conditional.network
        self.classifier: Network = resolve("classifier", classifier or self.network, NETWORKS)
        self.encoder = self.classifier.encoder(self.shape, num_classes)
        self.num_classes, self.alpha = num_classes, alpha
        self.num_latents, self.num_categories = num_latents, num_categories
        self.context_shape, self.context_features = (1,), 0
        self._encoded = None

    @property
    def likelihood(self) -> Likelihood:  # type: ignore[override]
        """That of p(x|y,z)."""
        return self.conditional.likelihood

    @property
    def beta(self) -> float:
        """The weight of the KL in `objective`."""
        return self.conditional.beta

    @beta.setter
    def beta(self, beta: float) -> None:
        self.conditional.beta = beta

    @property
    def estimator(self) -> Estimator | MultiSampleEstimator:
        """That of the gradient for z."""
        return self.conditional.estimator

    @estimator.setter
    def estimator(self, estimator: Estimator | MultiSampleEstimator) -> None:
        self.conditional.estimator = estimator

    def describe_context(self, context: Tensor | None, batch: tuple[int, ...]) -> None:
        """Refuses labels that do not suit the model; no network sees them but those of p(x|y).

        Raises:
            ValueError: If their shape is not (*batch, 1), or one is neither a whole number of
                [0, C) nor −1.
        """
        self._observed(context, batch)

    def logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B 1 C"]:
        """Gives the unnormalised log q(y|x), whether the label is known or not."""
        return self._features(x, context).unsqueeze(-2)

    def posterior(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B 1 C"]:
        """Gives the parameters of q(y|x): its logits."""
        return self.logits(x, context)

    def embedding(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B C"]:
        """Gives q(y|x), whether the label is known or not."""
        return self.logits(x, context).squeeze(-2).softmax(-1)

    def predict(self, x: Float[Tensor, "*B_and_shape"]) -> Float[Tensor, "*B C"]:
        """Gives the probabilities of the classes, q(y|x)."""
        return self.embedding(x)

    def objective(
        self,
        x: Float[Tensor, "*B_and_shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Gives what is maximised: each example's bound, and α log q(y|x) where y is known.

        The bound on log p(x, y) where y is known, else that on log p(x), with y summed over and
        the estimator's gradient for z.
        """
        logits = self.logits(x, context)
        observed = self._observed(context, tuple(logits.shape[:-2]))
        log_q = (observed * logits.squeeze(-2).log_softmax(-1)).sum(-1)  # 0 where y is unknown
        logits = _certain(logits, observed)
        evidence = _expectation(logits, self.conditional.objective(x, generator))
        return evidence - self.beta * self._kl(logits) + self.alpha * log_q

    def elbo_terms(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> ELBO:
        logits = self._label_logits(x, context)
        given = self.conditional.elbo_terms(x, samples, generator)
        reconstruction, kl = (_expectation(logits, term) for term in given)
        return ELBO(reconstruction, kl + self._kl(logits))

    def log_weights(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "S *B"]:
        """Draws log w = log p(x, y, z) − log q(y, z|x); y is drawn only where it is not known."""
        logits = self._label_logits(x, context)
        y = categorical.sample(logits, samples, generator)
        log_ratio = -math.log(self.num_classes) - categorical.log_prob(y, logits)
        return self.conditional.log_weights_given(x, y.squeeze(-2), generator) + log_ratio

    def log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        samples: int | None = None,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        """Bounds log p(x), or log p(x, y) where y is known, by S importance weights.

        Without `samples` it is exact where C·K^D ≤ 65,536; where there are more, S is 1000.
        """
        if samples is None and self.enumerable:
            return self.exact_log_likelihood(x, context=context)
        return super().log_likelihood(x, samples, generator, context)

    @property
    def enumerable(self) -> bool:
        """Whether all C·K^D codes fit the default budget of an enumeration."""
        return self._is_enumerable(DEFAULT_BUDGET)

    def exact_log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        budget: int = DEFAULT_BUDGET,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        r"""Gives log p(x) itself, or log p(x, y) where y is known, by summing over all codes.

        .. math:: \log p(x, y) = \log \sum_z \tfrac1C \, p(z) \, p(x | y, z), \qquad
            \log p(x) = \log \sum_y p(x, y)

        Raises:
            EnumerationError: If C·K^D exceeds `budget`.
            ValueError: If `x` lies outside the support of the likelihood.
        """
        if not self._is_enumerable(budget):
            raise EnumerationError(
                f"`budget` must be at least C·K^D = {self.num_classes}·{self.num_categories}^"
                f"{self.num_latents} codes to enumerate them, got {budget}."
            )
        self._require_shape(x)
        self.likelihood.check(x)
        log_p = self.conditional.exact_log_likelihood(x, budget) - math.log(self.num_classes)
        impossible = _ruled_out(self._observed(context, tuple(log_p.shape[1:])))
        return log_p.masked_fill(impossible.movedim(-1, 0), -math.inf).logsumexp(0)

    def encode(
        self,
        x: Float[Tensor, "*B_and_shape"],
        sample: bool = False,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "*B D_and_1"]:
        """Gives label and code: the label where it is known, else the most probable, then z.

        With `sample`, what is not known is drawn from q(y|x) q(z|x,y).
        """
        logits = self._label_logits(x, context)
        y = categorical.sample(logits, 1, generator)[0].argmax(-1) if sample else logits.argmax(-1)
        z = self.conditional.encode(x, sample, generator, self._as_context(y))
        return torch.cat([y, z], -1)

    def decode(
        self, codes: Int[Tensor, "*B D_and_1"], context: Tensor | None = None
    ) -> Distribution:
        """Gives p(x | y, z), the label being that of the codes; its `log_prob` is per example.

        Raises:
            ValueError: If `codes` does not end in an index of [0, C) and D of [0, K).
        """
        if codes.ndim < 1 or codes.shape[-1] != 1 + self.num_latents:
            raise ValueError(
                f"`codes` must end in 1 + D = {1 + self.num_latents}, got {tuple(codes.shape)}."
            )
        self.describe_context(context, tuple(codes.shape[:-1]))
        y, z = codes[..., :1], codes[..., 1:]
        return self.conditional.decode(z, self._as_context(y))

    def sample_codes(
        self,
        count: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Int[Tensor, "count D_and_1"]:
        """Draws z from its prior, and the labels that are not given uniformly."""
        require_count("count", count, 0)
        observed = self._observed(context, (count,))
        logits = torch.zeros(count, 1, self.num_classes, dtype=self.dtype, device=self.device)
        y = categorical.sample(_certain(logits, observed), 1, generator)[0].argmax(-1)
        z = self.conditional.sample_codes(count, generator, self._as_context(y))
        return torch.cat([y, z], -1)

    def architecture(self) -> dict[str, Any]:
        found = self.conditional.architecture()
        del found["context_shape"]
        return {**found, "num_classes": self.num_classes, "classifier": self.classifier.config()}

    @classmethod
    def from_architecture(cls, config: dict[str, Any], **options: Any) -> "SemiSupervisedVAE":
        sizes = config["num_latents"], config["num_categories"]
        classifier = network_from_config(config["classifier"])
        prior = prior_from_config(config["prior"], *sizes)
        built = {**config, "classifier": classifier, "prior": prior}
        return super().from_architecture(built, **options)

    def _label_logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None
    ) -> Float[Tensor, "*B 1 C"]:
        """Gives the logits of q(y|x), or of certainty where the label is known."""
        logits = self.logits(x, context)
        return _certain(logits, self._observed(context, tuple(logits.shape[:-2])))

    def _kl(self, logits: Float[Tensor, "*B 1 C"]) -> Float[Tensor, "*B"]:
        """KL to the uniform p(y): log C − entropy, and −log p(y) where the label is known."""
        return math.log(self.num_classes) - categorical.entropy(logits).squeeze(-1)

    def _observed(self, context: Tensor | None, batch: tuple[int, ...]) -> Bool[Tensor, "*B C"]:
        """Marks the label of each example that has one."""
        if context is None:
            return torch.zeros(*batch, self.num_classes, dtype=torch.bool, device=self.device)
        if tuple(context.shape) != (*batch, 1):
            raise ValueError(
                f"`context` must have shape {(*batch, 1)}, got {tuple(context.shape)}."
            )
        label = context.to(self.dtype)
        wrong = ~((label == label.round()) & (label >= -1) & (label < self.num_classes))
        if wrong.any():
            raise ValueError(
                f"`context` must hold whole labels in [0, {self.num_classes}), or −1 for none, "
                f"got {float(label[wrong][0]):g}."
            )
        return label == torch.arange(self.num_classes, device=label.device)

    def _as_context(self, y: Int[Tensor, "*B 1"]) -> Float[Tensor, "*B C"]:
        return to_one_hot(y, self.num_classes, self.dtype).squeeze(-2)

    def _is_enumerable(self, budget: int) -> bool:
        return is_enumerable(self.num_latents, self.num_categories, budget // self.num_classes)


def _ruled_out(observed: Bool[Tensor, "*B C"]) -> Bool[Tensor, "*B C"]:
    """Marks the other labels of each example that has one."""
    return observed.any(-1, keepdim=True) & ~observed


def _certain(
    logits: Float[Tensor, "*B 1 C"], observed: Bool[Tensor, "*B C"]
) -> Float[Tensor, "*B 1 C"]:
    """Leaves each label that is known no alternative."""
    return logits.masked_fill(_ruled_out(observed).unsqueeze(-2), -math.inf)


def _expectation(
    logits: Float[Tensor, "*B 1 C"], value: Float[Tensor, "C *B"]
) -> Float[Tensor, "*B"]:
    """Averages over the label."""
    return (logits.squeeze(-2).softmax(-1).movedim(-1, 0) * value).sum(0)


class GivenLabel(DiscreteVAE):
    """p(x|y), with the posterior q(z|x,y): a conditional model whose context is one-hot.

    Without a context its figures are those of all C labels, (C, *B). The encoder's trunk then
    sees each example once, and a code is decoded once with each label for all examples.

    Example:
        >>> model = GivenLabel((5,), num_latents=2, num_categories=3, context_shape=(10,))
        >>> model.objective(torch.ones(7, 5)).shape
        torch.Size([10, 7])
    """

    def logits(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None = None
    ) -> Float[Tensor, "*B D K"]:
        if context is not None:
            return super().logits(x, context)
        assert isinstance(self.encoder, ConditionedEncoder)
        self._require_shape(x)
        h = self.encoder.trunk(x)
        labels = self.all_labels(tuple(h.shape[:-1]))
        features = self.encoder.head(with_context(h.expand(*labels.shape[:-1], -1), labels))
        return at_least_float32(features).unflatten(-1, (self.num_latents, self.num_categories))

    def all_labels(self, batch: tuple[int, ...]) -> Float[Tensor, "C *B C"]:
        """Gives every label to every example."""
        labels = torch.eye(self.context_features, dtype=self.dtype, device=self.device)
        ones = (1,) * len(batch)
        return labels.view(-1, *ones, self.context_features).expand(-1, *batch, -1)

    def exact_log_likelihood(
        self,
        x: Float[Tensor, "*B_and_shape"],
        budget: int = DEFAULT_BUDGET,
        context: Tensor | None = None,
    ) -> Float[Tensor, "*B"]:
        if context is not None:
            return super().exact_log_likelihood(x, budget, context)
        f = LogJoint(self._log_likelihood_of(x, None))
        sizes = self.num_latents, self.num_categories
        chunks = code_chunks(*sizes, max(1, ROWS // self.context_features), budget, x.device)
        codes = (to_one_hot(chunk, self.num_categories, self.dtype) for chunk in chunks)
        return torch.stack([f.at_codes(z).logsumexp(0) for z in codes]).logsumexp(0)

    def log_weights_given(
        self,
        x: Float[Tensor, "*B_and_shape"],
        y: Float[Tensor, "S *B C"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "S *B"]:
        """Draws log w = log p(x, z | y) − log q(z|x, y), z ~ q, for one label or another."""
        with float32_island(x.device):
            logits = torch.einsum("s...c,c...dk->s...dk", y, self.logits(x))
        z = categorical.sample(logits, 1, generator)
        return self._log_weight(z, ConditionalLogLikelihood(self, x, y), logits)[0]

    def _log_likelihood_of(
        self, x: Float[Tensor, "*B_and_shape"], context: Tensor | None
    ) -> ConditionalLogLikelihood:
        if context is not None:
            return super()._log_likelihood_of(x, context)
        batch = tuple(x.shape[: x.ndim - len(self.shape)])
        return _LogLikelihoods(self, x, self.all_labels(batch))


class _LogLikelihoods(ConditionalLogLikelihood):
    """f(z) = log p(x | y, z) of a batch and all labels y: (S, C, *B)."""

    @property
    def context(self) -> Float[Tensor, "C *B F"]:
        """The data, flat, for every label."""
        x = super().context
        return x.expand(self.model.context_features, *x.shape)

    def at_codes(self, z: Float[Tensor, "S D K"]) -> Float[Tensor, "S C *B"]:
        """Decodes each code once with each label and pairs them with every example."""
        assert isinstance(self.model, GivenLabel)
        labels = self.model.all_labels(())
        code = self.model.code(z).unsqueeze(1).expand(-1, len(labels), -1)
        h = self.model._decoded(code, labels)
        with float32_island(h.device):
            pairs = self.model.likelihood.log_prob_pairs(h.flatten(0, 1), self.x)
        return pairs.unflatten(0, (-1, len(labels)))
