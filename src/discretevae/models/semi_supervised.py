"""The semi-supervised model: a label beside the code, given for some examples, else inferred."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from discretevae.estimators import Exact
from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents import categorical
from discretevae.latents.variables import Categorical, Known, PriorAlone, PriorGiven, beside
from discretevae.likelihoods import Likelihood
from discretevae.models.chain import Chain
from discretevae.models.discrete import DiscreteVAE
from discretevae.models.vae import VAE, Context, Data, Draws, at_least_float32
from discretevae.names import resolve
from discretevae.networks import NETWORKS, Network, network_from_config
from discretevae.networks.conditioned import ConditionedEncoder
from discretevae.priors import Prior, prior_from_config

__all__ = ["SemiSupervisedVAE"]


@dataclass(frozen=True)
class Seen:
    """What the networks say of x, and which labels are possible.

    Attributes:
        possible: Of each example, one where its label is known and all where it is not.
        label: The logits of q(y|x).
        trunk: What q(z|x, y) rests on beside y.
    """

    possible: Bool[Tensor, "*B 1 C"]
    label: Float[Tensor, "*B 1 C"] | None = None
    trunk: Float[Tensor, "*B F"] | None = None


class LabelPrior(PriorGiven):
    """The uniform p(y), and p(y) of a label that is known."""

    closed = True

    def kl(self, q: Float[Tensor, "*SB 1 C"], known: Known) -> Float[Tensor, "*SB 1"]:
        return math.log(q.shape[-1]) - categorical.entropy(q)

    def log_p(self, z: Float[Tensor, "*SB 1 C"], known: Known) -> Float[Tensor, "..."]:
        possible = ((z > 0) <= known.features.possible).all(-1).all(-1)
        return z.new_full((), -math.log(z.shape[-1])).where(possible, -math.inf)

    def sample(self, count: int, known: Known, generator: Draws) -> Int[Tensor, "count 1"]:
        return categorical.sample(_certain(known.features.possible), 1, generator)[0].argmax(-1)


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
        encoder: A module of one's own in the place of the network's encoder; see
            :class:`~discretevae.networks.OwnNetwork`.
        decoder: The same of the decoder.

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
        network: str | Network = "auto",
        classifier: str | Network | None = None,
        likelihood: str | Mapping[str, Any] | Likelihood = "bernoulli",
        estimator: str | GradientEstimator = "auto",
        prior: str | Prior = "uniform",
        beta: float = 1.0,
        alpha: float = 50.0,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(shape, None, likelihood, beta, 0, 0, context_shape=(1,))
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}.")
        if not (math.isfinite(alpha) and alpha >= 0):
            raise ValueError(f"`alpha` must be a finite number of at least 0, got {alpha}.")
        self.conditional = DiscreteVAE(
            shape,
            num_latents,
            num_categories,
            network,
            likelihood,
            estimator,
            prior,
            beta,
            context_shape=(num_classes,),
            encoder=encoder,
            decoder=decoder,
        )
        if self.conditional.prior.conditional:
            raise ValueError("`prior` must be a p(z) without the label, got a conditional one.")
        self.network = self.conditional.network
        self.classifier: Network = resolve(
            "classifier", classifier or self.network.of_contexts, NETWORKS
        )
        self.encoder = self.classifier.encoder(self.shape, num_classes)
        self.num_classes, self.alpha = num_classes, alpha
        self.num_latents, self.num_categories = num_latents, num_categories

    @property
    def likelihood(self) -> Likelihood:  # type: ignore[override]
        """That of p(x|y,z)."""
        return self.conditional.likelihood

    @property
    def prior(self) -> Prior:  # type: ignore[override]
        """p(z)."""
        return self.conditional.prior

    @property
    def estimator(self) -> GradientEstimator:
        """That of the gradient for z."""
        return self.conditional.estimator

    @estimator.setter
    def estimator(self, estimator: GradientEstimator) -> None:
        self.conditional.estimator = estimator

    def with_estimator(self, estimator: str | GradientEstimator) -> None:
        self.conditional.with_estimator(estimator)

    @property
    def estimators(self) -> tuple[GradientEstimator, ...]:
        return (self.estimator,)

    def set_temperature(self, temperature: float) -> None:
        if self.estimator.tempered:
            self.estimator = self.estimator.at_temperature(temperature)

    @property
    def _conditioned(self) -> ConditionedEncoder:
        encoder = self.conditional.encoder
        assert isinstance(encoder, ConditionedEncoder)
        return encoder

    @property
    def chain(self) -> Chain:
        label = Categorical(
            name="y",
            sizes=(1, self.num_classes),
            posterior=lambda known: _certain(known.features.possible, known.features.label),
            prior=LabelPrior(),
            estimator=Exact(),
            enumerated=True,
        )
        code = Categorical(
            name="z",
            sizes=(self.num_latents, self.num_categories),
            posterior=self._code_logits,
            prior=PriorAlone(self.prior),
            estimator=self.estimator,
        )
        order = ("y", "z")
        return Chain((label, code), order, order, self._decode, self.likelihood, self.beta)

    def _code_logits(self, known: Known) -> Float[Tensor, "*SB D K"]:
        seen = beside(known.features.trunk, known.values["y"].flatten(-2))
        logits = at_least_float32(self._conditioned.head(seen))
        return logits.unflatten(-1, (self.num_latents, self.num_categories))

    def _decode(self, known: Known) -> Tensor:
        z, y = (known.values[name].flatten(-2) for name in ("z", "y"))
        return at_least_float32(self.conditional.decoder(beside(z, y)))

    def _known(self, x: Data, given: Known) -> Known:
        label = at_least_float32(self.encoder(x)).unsqueeze(-2)
        trunk = self._conditioned.trunk(x)
        return Known(Seen(given.features.possible, label, trunk))

    def given(self, context: Context, batch: tuple[int, ...]) -> Known:
        return Known(Seen(self._possible(context, batch)))

    def describe(self) -> str:
        return f"a class of {self.num_classes} and {self.conditional.describe()}"

    def describe_context(self, context: Context, batch: tuple[int, ...]) -> None:
        """Refuses labels that do not suit the model; no network sees them but those of p(x|y).

        Raises:
            ValueError: If their shape is not (*batch, 1), or one is neither a whole number of
                [0, C) nor −1.
        """
        self._possible(context, batch)

    def logits(self, x: Data, context: Context = None) -> Float[Tensor, "*B 1 C"]:
        """Gives the unnormalised log q(y|x), whether the label is known or not."""
        return self.known(x, context).features.label

    def posterior(self, x: Data, context: Context = None) -> Float[Tensor, "*B 1 C"]:
        """Gives the parameters of q(y|x), its logits, whether the label is known or not."""
        return self.logits(x, context)

    def embedding(self, x: Data, context: Context = None) -> Float[Tensor, "*B C"]:
        """Gives q(y|x), whether the label is known or not."""
        return self.logits(x, context).squeeze(-2).softmax(-1)

    def predict(self, x: Data) -> Float[Tensor, "*B C"]:
        """Gives the probabilities of the classes, q(y|x)."""
        return self.embedding(x)

    def objective(
        self, x: Data, generator: Draws = None, context: Context = None
    ) -> Float[Tensor, "*B"]:
        """Gives what is maximised: each example's bound, and α log q(y|x) where y is known.

        The bound on log p(x, y) where y is known, else that on log p(x), with y summed over and
        the estimator's gradient for z.
        """
        with self.encoded_once(x, context):
            seen = self.known(x, context).features
            known = seen.possible.sum(-1, keepdim=True) == 1
            log_q = seen.label.log_softmax(-1).where(seen.possible & known, 0).sum((-2, -1))
            return super().objective(x, generator, context) + self.alpha * log_q

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

    def _possible(self, context: Context, batch: tuple[int, ...]) -> Bool[Tensor, "*B 1 C"]:
        """Marks the label of each example that has one, else all."""
        if context is None:
            shape = (*batch, 1, self.num_classes)
            return torch.ones(shape, dtype=torch.bool, device=self.device)
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
        label = label.unsqueeze(-1)
        return (label == torch.arange(self.num_classes, device=label.device)) | (label == -1)


def _certain(
    possible: Bool[Tensor, "*B 1 C"], logits: Float[Tensor, "*B 1 C"] | None = None
) -> Float[Tensor, "*B 1 C"]:
    """Leaves each label that is known no alternative."""
    if logits is None:
        logits = torch.zeros(possible.shape, device=possible.device)
    return logits.masked_fill(~possible, -math.inf)
