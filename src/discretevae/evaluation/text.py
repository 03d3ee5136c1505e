"""What bounds on sentences mean for each token, and what lies between two sentences."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from discretevae.latents import codes_between
from discretevae.models import VAE

__all__ = ["bits_per_token", "interpolate", "perplexity"]


def bits_per_token(bound: Float[Tensor, " N"], tokens: Int[Tensor, " _"]) -> float:
    r"""Spreads bounds on log p(x) over the tokens, ends included, in bits.

    .. math:: -\frac{\sum_n L_n}{\ln 2 \sum_n T_n}

    With the ELBO as the bound, the KL is included.

    Arguments:
        bound: L, nats per sentence.
        tokens: T, as `token_counts` gives them.

    Raises:
        ValueError: If there is no token, or the two differ in length.

    Example:
        >>> bound = torch.tensor([-2.0, -4.0]) * math.log(2)
        >>> round(bits_per_token(bound, torch.tensor([1, 2])), 6)
        2.0
    """
    return _nats_per_token(bound, tokens) / math.log(2)


def perplexity(bound: Float[Tensor, " N"], tokens: Int[Tensor, " _"]) -> float:
    r"""Gives the size of a uniform choice that would be as hard as each token.

    .. math:: \exp\Big( -\sum_n L_n \Big/ \sum_n T_n \Big)

    From a lower bound on log p(x) it is an upper bound.

    Arguments:
        bound: L, nats per sentence.
        tokens: T, as `token_counts` gives them.

    Raises:
        ValueError: If there is no token, or the two differ in length.

    Example:
        >>> bound = torch.tensor([-2.0, -4.0]) * math.log(2)
        >>> round(perplexity(bound, torch.tensor([1, 2])), 5)
        4.0
    """
    return math.exp(_nats_per_token(bound, tokens))


def _nats_per_token(bound: Tensor, tokens: Tensor) -> float:
    if bound.shape != tokens.shape or not int(tokens.sum()) > 0:
        raise ValueError(
            f"`tokens` must count at least one for {tuple(bound.shape)} sentences, "
            f"got {int(tokens.sum())} for {tuple(tokens.shape)}."
        )
    return -float(bound.double().sum()) / int(tokens.sum())


@torch.no_grad()
def interpolate(
    model: VAE, x: Float[Tensor, " T"], y: Float[Tensor, " T"], context: Tensor | None = None
) -> list[str]:
    """Writes the sentences between two, changing one latent of the code after the other.

    The first is the reconstruction of `x`, the last that of `y`; each between differs from the
    one before in one latent, the latents on which the codes agree left out.

    Arguments:
        model: Of sentences.
        x: The first sentence.
        y: The last one.
        context: Of a conditional model, the same for both, (*context_shape).

    Raises:
        ValueError: If the model's likelihood does not write sentences.
    """
    if not model.likelihood.sequential:
        raise ValueError(f"`model` must write sentences (tokens), got {model.likelihood.label}.")

    def repeated(count: int) -> Tensor | None:
        return None if context is None else context.expand(count, *context.shape)

    code, target = model.encode(torch.stack([x, y]), context=repeated(2))
    steps = codes_between(code, target)
    sentences = model.likelihood.point(model.decode(steps, repeated(len(steps))))
    return [str(sentence) for (sentence,) in model.likelihood.written(sentences)]
