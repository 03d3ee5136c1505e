"""The contract of the estimators of the multi-sample bound."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.estimators.gradient_estimator import GradientEstimator
from discretevae.latents import require_sizes

__all__ = ["MultiSampleEstimator", "log_weights_at"]


class MultiSampleEstimator(GradientEstimator):
    r"""Estimates the S-sample bound on log p(x), q a product of D categoricals.

    .. math:: \mathcal{L}_S = \mathbb{E}_{z_1, \dots, z_S \sim q}
        \Big[ \log \frac{1}{S} \sum_s w_s \Big], \qquad w_s = p(x, z_s) / q(z_s | x)

    This is no :math:`\mathbb{E}_q[f(z)]`: the samples share one logarithm, and the KL is inside
    it. Hence a family of its own, apart from :class:`~discretevae.estimators.Estimator`.

    Called as `estimator(log_weight, logits, generator=None)`, where `logits` has shape (*B, D, K)
    and `log_weight` maps one-hot codes `z` of shape (S, *B, D, K) to log w of shape (S, *B), each
    row by itself, **with the graph of log q(z|x) to `logits`**: that path is part of the gradient.
    `log_weight` need not be differentiable in `z`; log w must be finite. What is said of sizes and
    of logits of −inf there holds here too.

    Returns a tensor of shape (*B,): its **value** is :math:`\log \frac{1}{S} \sum_s w_s`, whose
    mean is the bound; its **gradient**, by autograd, for `logits` and for whatever `log_weight`
    closes over has as its mean the gradient of the bound; the `battery` of this folder checks both.
    Neither is unbiased for the ELBO (S = 1 apart) or for log p(x).

    Attributes:
        samples: S, part of the objective, not only of its variance.
    """

    samples: int
    multi_sample: ClassVar[bool] = True

    @abstractmethod
    def __call__(
        self,
        log_weight: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        """Estimates the bound with a gradient."""

    def bound(
        self, log_w: Float[Tensor, "S *B"], log_q: Float[Tensor, "S *B"]
    ) -> Float[Tensor, "*B"]:
        """Gives the same of log-weights and log q(z|x) of S draws, of whatever q they are drawn.

        Both have the graph of log q to its parameters; q may infer one variable after the other.

        Raises:
            ValueError: If the estimator is for a product of categoricals alone.
        """
        raise ValueError(
            "`estimator` must be one for variables that are inferred one after the other, as VIMCO "
            f"is, got {type(self).__name__}."
        )


def log_weights_at(
    log_weight: Callable[[Tensor], Tensor], z: Float[Tensor, "S *B D K"]
) -> Float[Tensor, "S *B"]:
    """Calls `log_weight` and refuses a result that would broadcast into a wrong answer.

    Raises:
        ValueError: If `z` has no latent or fewer than two classes, or `log_weight(z)` has not
            shape (S, *B).
    """
    require_sizes(*z.shape[-2:])
    log_w = log_weight(z)
    if log_w.shape != z.shape[:-2]:
        raise ValueError(
            f"`log_weight` must return {tuple(z.shape[:-2])}, got {tuple(log_w.shape)}."
        )
    return log_w
