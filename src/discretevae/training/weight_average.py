"""A running mean of a model's weights, which is measured and kept in their place."""

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from discretevae.models import VAE

__all__ = ["averaged"]


def averaged(model: VAE, share: float) -> AveragedModel:
    r"""Begins a mean of the weights of a model, in a model of its own.

    .. math:: \bar\theta_1 = \theta_1, \qquad
        \bar\theta_t = a \, \bar\theta_{t-1} + (1 - a) \, \theta_t

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
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(share))
    return mean.requires_grad_(False)
