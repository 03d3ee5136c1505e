"""Fitting a prior to codes, after or without the model that made them."""

import copy
import math
from collections.abc import Callable
from itertools import islice

import torch
from jaxtyping import Int
from torch import Tensor

from discretevae.data import Batches, Examples, Splits, Stream, as_batch
from discretevae.data.binarize import Binarizer
from discretevae.data.seeding import generator
from discretevae.models import VAE, DiscreteVAE
from discretevae.names import resolve
from discretevae.priors import AutoregressivePrior, PixelCNNPrior, Prior, UniformPrior
from discretevae.training.schedules import DECAYS

__all__ = [
    "draw_codes",
    "fit_afterwards",
    "fit_over_grids",
    "fit_prior",
    "improve_prior",
    "validation_bound",
]

ROWS = 2**12
"""Codes in one chunk of an evaluation."""
DRAWS = 10
"""Codes of each example that a prior is fitted to after training."""
CODES, MOST_CODES = 60_000, 400_000
"""About how many codes it sees in all; over grids, up to as many as the model saw examples."""
LEAST_PASSES, MOST_PASSES, BATCH, RATE = 5, 100, 100, 3e-3
"""Of the fit of a prior over grids."""
NUMBERS = 2**27
"""Of the codes of one pass, at most: of a data set that has more, another part each time."""
SAMPLES = 16
"""Draws by which the bound is compared on validation examples."""


def fit_prior(
    prior: Prior,
    codes: Int[Tensor, "N D"] | Callable[[int], Int[Tensor, "N D"]],
    epochs: int = 50,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    seed: int = 0,
    validation: Int[Tensor, "M D"] | None = None,
    decay: str = "constant",
) -> list[float]:
    r"""Fits p(z) to codes by maximum likelihood, and keeps the best weights it passed.

    .. math:: \max_p \frac1N \sum_n \log p(z_n)

    With :math:`z_n \sim q(z | x_n)`, as `model.encode(x, sample=True)` draws them, this raises
    the ELBO of a trained model and leaves its encoder and decoder alone: under codes so drawn, the
    ELBO rises by as many nats as the mean of log p(z).

    The optimiser is Adam. Order and draws follow from `seed`, the device, and the prior itself.

    Arguments:
        prior: What is fitted, in place; a :class:`~discretevae.priors.AutoregressivePrior`, say.
        codes: Class indices, or what gives those of a pass: drawn anew, or of other examples.
        epochs: Passes over the codes.
        batch_size: Codes a step.
        learning_rate: Of Adam.
        seed: Of the order.
        validation: Other codes, by which the best weights are chosen; without them, `codes`, of
            the first pass.
        decay: Of the learning rate, a name in `DECAYS`.

    Returns:
        The mean of log p(z) over `validation`, in nats a code: before the first epoch and after
        each. Where log Z is estimated it is what `log_prob` reports, by the upper end.

    Raises:
        ValueError: If the prior has nothing to fit, codes do not fit it, there are none, or a
            number is out of range.

    Example:
        >>> from discretevae.priors import AutoregressivePrior
        >>> codes = torch.randint(3, (1000, 1)).repeat(1, 2)  # the second repeats the first
        >>> prior = AutoregressivePrior(2, 3, widths=(16,))
        >>> history = fit_prior(prior, codes, epochs=20, learning_rate=1e-2)
        >>> round(history[0], 2), round(history[-1], 1)  # −log 9, then about −log 3
        (-2.2, -1.1)
    """
    if not any(parameter.requires_grad for parameter in prior.parameters()):
        raise ValueError(f"`prior` must have weights to fit, got {type(prior).__name__}.")
    for name, number in (("epochs", epochs), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1, got {number}.")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"`learning_rate` must be positive and finite, got {learning_rate}.")
    falling = resolve("decay", decay, DECAYS)
    device = next(prior.parameters()).device
    of_pass = codes if callable(codes) else lambda epoch: codes
    first = _require_codes("codes", of_pass(0), prior).to(device)
    validation = first if validation is None else _require_codes("validation", validation, prior)
    validation = validation.to(device)
    optimizer = torch.optim.Adam(prior.parameters(), learning_rate)
    rate, step = falling(learning_rate, epochs * -(-len(first) // int(batch_size))), 0
    was_training = prior.training
    history = [_mean_log_prob(prior, validation)]
    best = copy.deepcopy(prior.state_dict())
    for epoch in range(epochs):
        prior.train()
        seen = first if epoch == 0 else _require_codes("codes", of_pass(epoch), prior).to(device)
        orders = generator("prior", seed, epoch, device=device)
        order = torch.randperm(len(seen), generator=orders, device=device)
        for index in order.split(int(batch_size)):
            optimizer.param_groups[0]["lr"] = rate(step)
            optimizer.zero_grad()
            (-prior.trained_log_prob_of_codes(seen[index]).mean()).backward()
            optimizer.step()
            step += 1
        history.append(_mean_log_prob(prior, validation))
        if history[-1] >= max(history):
            best = copy.deepcopy(prior.state_dict())
    optimizer.zero_grad()
    prior.load_state_dict(best)
    prior.train(was_training)
    return history


def improve_prior(model: VAE, data: Splits, seed: int = 0, seen: int = 0) -> bool:
    """Gives a trained model whose prior is uniform an autoregressive one, where that helps.

    Encoder and decoder stay as they are. What is drawn from the model then has codes as they
    occur, not all alike often.

    Arguments:
        model: That has been trained; one of another kind, or with another prior, stays as it is.
        data: On what; the prior stays if the ELBO of the validation examples rises, and without
            any it is not fitted.
        seed: Of the draws.
        seen: Examples that the model saw in training, each time that it did: a prior over a grid
            is fitted to about as many, from 60,000 to 400,000.

    Returns:
        Whether it stayed.
    """
    if not isinstance(model, DiscreteVAE) or model.context_shape is not None:
        return False
    if model.prior.kind != UniformPrior.kind or not model.codes_are_classes:
        return False
    if not len(data.validation):
        return False
    before, uniform = validation_bound(model, data, seed), model.prior
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior = _coupled(model)
    if model.grid is None:
        codes = draw_codes(model, data.train, data.binarizer, DRAWS, seed)
        validation = draw_codes(model, data.validation, data.binarizer, DRAWS, seed + 1)
        epochs = min(30, max(3, CODES // len(codes)))
        fit_prior(prior, codes, epochs, 250, 3e-3, seed, validation)
    else:
        fit_over_grids(prior, model, data, seed, seen)
    model.prior = prior.eval().to(model.dtype)
    if validation_bound(model, data, seed) > before:
        return True
    model.prior = uniform
    return False


def _coupled(model: DiscreteVAE) -> Prior:
    """A prior in which the latents follow each other, over the grid where they stand in one."""
    grid = model.grid
    if grid is None or math.prod(grid) != model.num_latents:
        return AutoregressivePrior(*model.prior.shape)
    return PixelCNNPrior(*model.prior.shape, grids=[grid], width=32, layers=6)


def fit_afterwards(model: VAE, data: Splits, seed: int = 0, seen: int = 0) -> list[float]:
    """Fits the prior that a trained model leaves open to its codes of the training examples.

    Arguments are those of :func:`improve_prior`.

    Returns:
        The history of :func:`fit_prior`; none where the model leaves no prior open.
    """
    prior = model.fitted_afterwards
    return [] if prior is None else fit_over_grids(prior, model, data, seed, seen)


def fit_over_grids(prior: Prior, model: VAE, data: Splits, seed: int, seen: int) -> list[float]:
    """Fits a prior to grids that are drawn anew for each pass, of a bounded part of the data.

    Arguments are those of :func:`improve_prior`, and the prior.

    Returns:
        The history of :func:`fit_prior`.
    """
    validation = None
    if len(data.validation):
        validation = draw_codes(model, data.validation, data.binarizer, 1, seed + 1)
    most = max(1, min(len(data.train), NUMBERS // model.chain.width))
    wanted = min(MOST_CODES, max(CODES, seen))
    passes = min(MOST_PASSES, max(LEAST_PASSES, -(-wanted // most)))

    def codes(epoch: int) -> Int[Tensor, "N D"]:
        return _codes_of_pass(model, data.train, data.binarizer, seed, epoch, most)

    return fit_prior(prior, codes, passes, BATCH, RATE, seed, validation, "cosine")


@torch.no_grad()
def validation_bound(model: VAE, data: Splits, seed: int) -> float:
    """Gives the mean ELBO of validation examples, by the same draws each time; 0 of none."""
    some = data.validation.take(slice(ROWS))
    if not len(some):
        return 0.0
    draws = generator("bound", seed, device=model.device)
    x = data.binarizer.draw(some.values().to(model.device, model.dtype), draws)
    return float(model.eval().elbo(x, SAMPLES, draws, some.context).mean())


@torch.no_grad()
def draw_codes(
    model: VAE,
    examples: Examples | Stream,
    binarizer: Binarizer,
    draws: int = 1,
    seed: int = 0,
) -> Int[Tensor, "N D"]:
    """Draws codes from the posterior of every example, as many times as `draws`.

    Each time the examples become binary anew, where that is how they are trained on.

    Example:
        >>> from discretevae.data import load
        >>> data = load("digits", binarize="fresh")
        >>> model = DiscreteVAE(data.shape, 2, 3)
        >>> draw_codes(model, data.train, data.binarizer, draws=2).shape
        torch.Size([2874, 2])
    """
    stream = generator("codes", seed, device=model.device)
    parts = []
    for epoch in range(draws):
        batches = Batches(examples, ROWS, binarizer, seed, epoch, False, model.device)
        pairs = map(as_batch, batches)
        parts += [model.encode(x, True, stream, context) for x, context in pairs]
    return torch.cat(parts)


@torch.no_grad()
def _codes_of_pass(
    model: VAE, examples: Examples | Stream, binarizer: Binarizer, seed: int, epoch: int, most: int
) -> Int[Tensor, "N D"]:
    """Draws codes of at most so many examples, others each time, in the order of the pass."""
    stream = generator("codes", seed, epoch, device=model.device)
    size = min(ROWS, most)
    batches = Batches(examples, size, binarizer, seed, epoch, True, model.device)
    pairs = map(as_batch, islice(batches, -(-most // size)))
    return torch.cat([model.encode(x, True, stream, context) for x, context in pairs])


@torch.no_grad()
def _mean_log_prob(prior: Prior, codes: Int[Tensor, "N D"]) -> float:
    prior.eval()
    parts = [prior.log_prob_of_codes(part).double() for part in codes.split(ROWS)]
    return float(torch.cat(parts).mean())


def _require_codes(name: str, codes: Int[Tensor, "*any"], prior: Prior) -> Int[Tensor, "N D"]:
    num_latents, num_categories = prior.shape
    if codes.ndim != 2 or codes.shape[1] != num_latents or not len(codes):
        raise ValueError(
            f"`{name}` must have shape (N, {num_latents}), N ≥ 1, got {tuple(codes.shape)}."
        )
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= num_categories:
        raise ValueError(
            f"`{name}` must lie in [0, {num_categories}), got values from {low} to {high}."
        )
    return codes
