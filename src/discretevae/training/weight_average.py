"""A running mean of a model's weights, which is measured and kept in their place."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from discretevae.models import VAE

__all__ = ["averaged"]


def averaged(model: VAE, share: float) -> AveragedModel:
    r"""Begins a mean of the weights of a model, in a model of its own.

    .. math:: \bar\theta_1 = \theta_1, \qquad
        \bar\theta_t = a_t \, \bar\theta_{t-1} + (1 - a_t) \, \theta_t, \qquad
        a_t = \min\Big(a, \frac{t}{t + 9}\Big)

    The mean looks back over a tenth of the steps so far, and at most over 1/(1 − a): with a alone
    the weights that training began with would be in it for some 5/(1 − a) steps.

    What is no weight (the state of a prior's chains, the vectors of a codebook) is as the model
    has it.

    Arguments:
        model: Of which; it is copied.
        share: a in [0, 1).

    Reference: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992; with
    a constant share, Tarvainen & Valpola, Mean teachers are better role models, 2017.

    Example:
        >>> import torch
        >>> from discretevae.models import DiscreteVAE
        >>> model = DiscreteVAE((3,), 2, 4)
        >>> mean = averaged(model, 0.9)
        >>> mean.update_parameters(model)
        >>> torch.equal(mean.module.decoder[-2].bias, model.decoder[-2].bias)
        True
    """

    def move(means: Sequence[Tensor], weights: Sequence[Tensor], moved: Tensor | int) -> None:
        step = torch.as_tensor(moved) + 1
        new = 1 - (step / (step + 9)).clamp(max=share)  # on the device, as no one asks it
        for average, weight in zip(means, weights, strict=True):
            average.lerp_(weight, new.to(average))

    mean = AveragedModel(model, multi_avg_fn=move)
    return mean.requires_grad_(False)
