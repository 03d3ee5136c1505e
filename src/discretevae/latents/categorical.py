"""The product of D independent categoricals with K classes: sample, log-probability, KL."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.latents.draws import draw

__all__ = [
    "entropy",
    "gumbel",
    "kl_divergence",
    "log_prob",
    "log_prob_of_codes",
    "log_probabilities",
    "one_hot_argmax",
    "sample",
]


def gumbel(
    shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draws standard Gumbel noise as −log E with E ~ Exp(1).

    The exponential is kept above the smallest normal number: −log(−log u) of a uniform u that
    rounds to 0 or 1 would be infinite.
    """
    exponential = draw(lambda x: x.exponential_(generator=generator), shape, -3, like, generator)
    return -exponential.clamp_min_(torch.finfo(like.dtype).tiny).log_()


def sample(
    logits: Float[Tensor, "*B D K"], samples: int = 1, generator: torch.Generator | None = None
) -> Float[Tensor, "S *B D K"]:
    """Draws exact one-hot codes by the Gumbel-max rule; nothing is differentiated.

    Reference: Gumbel, Statistical theory of extreme values, 1954.

    Example:
        >>> sample(torch.zeros(5, 4, 8), samples=2).shape
        torch.Size([2, 5, 4, 8])
    """
    logits = logits.detach()
    return one_hot_argmax(logits + gumbel((samples, *logits.shape), logits, generator))


def one_hot_argmax(scores: Float[Tensor, "*B K"]) -> Float[Tensor, "*B K"]:
    """Marks the largest entry of each row with 1, all others with 0.

    Example:
        >>> one_hot_argmax(torch.tensor([0.3, 0.9, -1.0]))
        tensor([0., 1., 0.])
    """
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)


def log_probabilities(logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D K"]:
    """Gives log p of each class in nats, finite also for one that a logit of −inf rules out.

    That one has a huge negative number in place of −inf, whose products with 0 and differences
    would be NaN, and a gradient of 0. Sums over a thousand latents stay finite.

    Example:
        >>> log_probabilities(torch.tensor([[0.0, 0.0, -torch.inf]])).exp()
        tensor([[0.5000, 0.5000, 0.0000]])
    """
    return logits.log_softmax(-1).clamp_min(torch.finfo(logits.dtype).min / 2**10)


def log_prob(
    z: Float[Tensor, "*SB D K"], logits: Float[Tensor, "*#SB D K"]
) -> Float[Tensor, "*SB"]:
    """Gives log q(z) in nats, summed over the D independent latents.

    Example:
        >>> logits = torch.zeros(4, 8)
        >>> log_prob(sample(logits), logits)  # 4 log 1/8
        tensor([-8.3178])
    """
    return (z * log_probabilities(logits)).sum((-2, -1))


def log_prob_of_codes(
    codes: Int[Tensor, "S D"], logits: Float[Tensor, "*B D K"]
) -> Float[Tensor, "S *B"]:
    """Gives log q of every one of S codes under each element of the batch, in nats.

    Example:
        >>> codes = torch.tensor([[0, 0], [1, 2]])
        >>> log_prob_of_codes(codes, torch.zeros(5, 2, 3)).shape
        torch.Size([2, 5])
    """
    log_p = logits.log_softmax(-1)
    per_latent = [log_p[..., d, :].index_select(-1, codes[:, d]) for d in range(codes.shape[1])]
    return torch.stack(per_latent).sum(0).movedim(-1, 0)


def entropy(logits: Float[Tensor, "*B D K"]) -> Float[Tensor, "*B D"]:
    r"""Gives the entropy of each latent, :math:`-\sum_k p_k \log p_k`, in nats.

    Example:
        >>> entropy(torch.zeros(1, 8))
        tensor([2.0794])
    """
    log_p = log_probabilities(logits)
    return -(log_p.exp() * log_p).sum(-1)


def kl_divergence(
    logits: Float[Tensor, "*B D K"], prior_logits: Float[Tensor, "*#B D K"]
) -> Float[Tensor, "*B D"]:
    r"""Gives :math:`\mathrm{KL}(q \| p)` of each latent in closed form, in nats.

    .. math:: \sum_k q_k (\log q_k - \log p_k)

    Under the uniform prior this is log K − entropy: 0 for a uniform q, log K for a one-hot q. A
    class that q rules out by a logit of −inf counts 0; one that p alone rules out makes it ∞, with
    the gradient of the other classes.

    Example:
        >>> kl_divergence(torch.tensor([[9e9, 0.0]]), torch.zeros(1, 2))  # log 2
        tensor([0.6931])
    """
    log_q, log_p = log_probabilities(logits), log_probabilities(prior_logits)
    beyond = prior_logits.isneginf() & ~logits.isneginf()
    terms = (log_q.exp() * (log_q - log_p)).masked_fill(beyond, torch.inf)
    return terms.sum(-1)
