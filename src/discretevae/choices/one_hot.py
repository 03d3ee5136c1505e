"""One of K classes, D times, as a layer."""

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.choices.balanced_kl import balanced_kl
from discretevae.choices.choice import Choice, Temperature
from discretevae.choices.uniform_mix import mix_uniform, require_share
from discretevae.estimators import Estimator, PointLayer
from discretevae.estimators.point import point_of
from discretevae.latents import categorical, require_sizes

__all__ = ["OneHotChoice"]


class OneHotChoice(Choice):
    r"""Draws D codes of K classes from logits, with the gradient of an estimator.

    .. math:: z_d \sim (1 - u) \, \mathrm{softmax}(l_d) + u / K

    (*B, D, K) or (*B, D · K) → (*B, D, K), in training and in evaluation alike: exact one-hot
    codes, or points of the simplex where the estimator is `relaxed`; the estimator says for which f
    its gradient is exact and for which biased. The uniform part is mixed into the logits, so that
    samples, gradient and KL are all of the same distribution. A row of logits with a NaN gives a
    NaN, never a code that looks sound. In float32 at least, also under autocast.

    It is captured by `torch.compile(fullgraph=True)`, whatever the temperature does, and takes
    `torch.func.vmap` with `randomness="different"`, but for `gumbel-rao`, `reinmax-rao` and
    `reinmax-cv`, which draw in the backward pass. PyTorch captures no call with a `generator`.

    Arguments:
        num_latents: D ≥ 1. Of one latent, logits are (*B, K).
        num_categories: K ≥ 2.
        estimator: A name in `POINTS`, or an estimator of that kind; its `samples` play no part.
        temperature: τ > 0 or a function of the step, see :class:`~discretevae.choices.Choice`; by
            default the estimator's own.
        uniform: u in [0, 1), see :func:`~discretevae.choices.mix_uniform`.

    Raises:
        ValueError: If D, K, `temperature` or `uniform` is out of range, or the estimator no
            :class:`~discretevae.estimators.Point`; when called, if the logits have other sizes.

    Example:
        An agent's latent of 32 × 32, as world models have it.

        >>> latent = OneHotChoice(32, 32, "straight-through", uniform=0.01)
        >>> posterior, prior = torch.randn(2, 16, 32 * 32, requires_grad=True)
        >>> z = latent(posterior)
        >>> loss = latent.balanced_kl(posterior, prior, dyn=1.0, rep=0.1).mean()  # trained
        >>> z.shape, bool((z.sum(-1) == 1).all()), latent.kl(posterior, prior).shape  # reported
        (torch.Size([16, 32, 32]), True, torch.Size([16]))

        Hard attention: each of 5 queries reads one of 9 values.

        >>> query, key, value = torch.randn(5, 4), torch.randn(9, 4), torch.randn(9, 3)
        >>> attend = OneHotChoice(1, 9, "reinmax")
        >>> (attend(query @ key.T) @ value).shape
        torch.Size([5, 1, 3])
    """

    def __init__(
        self,
        num_latents: int,
        num_categories: int,
        estimator: str | Estimator = "reinmax",
        temperature: Temperature = None,
        uniform: float = 0.0,
    ) -> None:
        require_sizes(num_latents, num_categories)
        require_share(uniform)
        super().__init__(PointLayer(estimator).estimator, temperature)
        self.num_latents, self.num_categories = num_latents, num_categories
        self.uniform = uniform

    def forward(
        self, logits: Float[Tensor, "..."], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*B D K"]:
        mixed = self.mixed(logits)
        z = point_of(self.estimator, mixed, generator)
        return torch.where(mixed.isnan(), mixed, z).to(logits.dtype)

    def mixed(self, logits: Float[Tensor, "..."]) -> Float[Tensor, "*B D K"]:
        """Gives the logits of the distribution that is drawn from, the uniform part in them.

        Raises:
            ValueError: If `logits` ends neither in D × K nor in D · K.
        """
        D, K = self.num_latents, self.num_categories
        if logits.shape[-1:] == (D * K,):
            logits = logits.unflatten(-1, (D, K))
        elif logits.shape[-2:] != (D, K):
            raise ValueError(
                f"`logits` must end in D × K = {D} × {K} or in {D * K}, got {tuple(logits.shape)}."
            )
        return mix_uniform(logits, self.uniform)

    def mode(self, logits: Float[Tensor, "..."]) -> Float[Tensor, "*B D K"]:
        """Gives the most probable code, without a gradient."""
        return categorical.one_hot_argmax(self.mixed(logits.detach()))

    def kl(
        self, posterior: Float[Tensor, "..."], prior: Float[Tensor, "..."]
    ) -> Float[Tensor, "*B"]:
        """Gives the true KL(q ‖ p) of the code in nats, uniform part included: what is reported.

        :meth:`balanced_kl` is what world models train.

        Example:
            >>> OneHotChoice(2, 4).kl(torch.zeros(2, 4), torch.zeros(8))
            tensor(0.)
        """
        with torch.autocast(posterior.device.type, enabled=False):
            q, p = self._wide(posterior), self._wide(prior)
            return categorical.kl_divergence(q, p).sum(-1)

    def balanced_kl(
        self,
        posterior: Float[Tensor, "..."],
        prior: Float[Tensor, "..."],
        dyn: float = 0.8,
        rep: float = 0.2,
        free_nats: float = 1.0,
    ) -> Float[Tensor, "*B"]:
        """Gives a trained surrogate of the KL: :func:`~discretevae.choices.balanced_kl`.

        Raises:
            ValueError: If `dyn`, `rep` or `free_nats` is negative or not finite.
        """
        return balanced_kl(self.mixed(posterior), self.mixed(prior), dyn, rep, free_nats)

    def extra_repr(self) -> str:
        sizes = f"{self.num_latents}, {self.num_categories}"
        return f"{sizes}, {super().extra_repr()}, uniform={self.uniform}"

    def _wide(self, logits: Tensor) -> Tensor:
        mixed = self.mixed(logits)
        return mixed.to(torch.promote_types(mixed.dtype, torch.float32))
