"""REINFORCE with a learned baseline."""

from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from discretevae.estimators.estimator import evaluate, require_samples
from discretevae.estimators.functions import CodeFunction, as_code_function
from discretevae.estimators.learned import LearnedEstimator, MovingMoments, bounded
from discretevae.latents import categorical

__all__ = ["NVIL"]

HIDDEN = 100


class NVIL(LearnedEstimator):
    r"""Takes from f(z) what a small network predicts of it without seeing z: unbiased.

    .. math:: \frac{1}{S} \sum_s (f(z_s) - m - \sigma C_\psi(c)) \nabla \log q(z_s),
        \qquad \psi \leftarrow \arg\min \mathbb{E} \big[ ((f(z) - m) / \sigma - C_\psi(c))^2 \big]

    m and σ are moving averages of the mean and the spread of f over *earlier* batches, c is the
    example's context: its detached logits, or what `f` offers as `f.context` of shape (*B, C),
    such as the data themselves. Nothing here sees this z, so the mean is as it was. f is a black
    box. The paper also divides the signal by max(1, σ), which rescales the gradient; not here.

    Arguments:
        samples: S ≥ 1.
        context_features: C, where `f.context` is the input; the default takes the logits.
        learning_rate: Of the baseline's own Adam.
        decay: Of the moving averages, in [0, 1).

    Raises:
        ValueError: If `samples` or `context_features` is below 1, `learning_rate` is not positive,
            `decay` lies outside [0, 1), or f offers no context of the width asked for.

    Reference: Mnih & Gregor, Neural variational inference and learning in belief networks, 2014,
    section 2.3.

    Example:
        >>> logits = torch.zeros(5, 4, 8, requires_grad=True)
        >>> NVIL()(lambda z: z[..., 0].sum(-1), logits).shape
        torch.Size([5])
    """

    unbiased: ClassVar[bool] = True

    def __init__(
        self,
        samples: int = 1,
        context_features: int | None = None,
        learning_rate: float = 1e-3,
        decay: float = 0.95,
    ) -> None:
        super().__init__(learning_rate)
        require_samples(samples, 1)
        if context_features is not None and context_features < 1:
            raise ValueError(f"`context_features` must be at least 1, got {context_features}.")
        self.samples = samples
        self.context_features = context_features
        self.moments_of_f = MovingMoments(decay)

    def build(self, num_latents: int, num_categories: int) -> None:
        features = self.context_features or num_latents * num_categories
        self.network = nn.Sequential(nn.Linear(features, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))

    def forward(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Float[Tensor, "*B D K"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*B"]:
        self.prepare_for(logits)
        z = categorical.sample(logits, self.samples, generator)
        value, log_q = evaluate(f, z), categorical.log_prob(z, logits)
        with self.recording():
            predicted = self.network(self._context(as_code_function(f), logits)).squeeze(-1)
            mean, spread = self.moments_of_f()
            target = (value.detach() - mean) / spread
            self.descend((target - predicted).square().mean())
        if self.learns:
            self.moments_of_f.remember(value)
        baseline = mean + spread * predicted
        score = (value - baseline).detach() * log_q
        return (value + (score - score.detach())).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return self.samples

    def _context(self, f: CodeFunction, logits: Tensor) -> Float[Tensor, "*B C"]:
        dtype = self.moments.dtype
        if self.context_features is None:
            return bounded(logits.detach().flatten(-2)).to(dtype)
        context = f.context
        expected = (*logits.shape[:-2], self.context_features)
        if context is None or context.shape != expected:
            found = "none" if context is None else tuple(context.shape)
            raise ValueError(f"`f.context` must have shape {expected}, got {found}.")
        return context.detach().to(dtype)
