"""The record of a model: every figure with its unit and standard error, for each split."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from discretevae.data import Batch, Batches, Examples, Splits, as_batch
from discretevae.evaluation.bounds import evaluate_bounds, evaluate_log_likelihood
from discretevae.evaluation.code_health import CodeHealth, code_health
from discretevae.evaluation.figure import NATS, Figure, mean_figure
from discretevae.likelihoods import TokenLikelihood
from discretevae.models import VAE, DiscreteVAE, SemiSupervisedVAE
from discretevae.priors import BoltzmannPrior
from discretevae.schema.vocabulary import token_counts

__all__ = ["evaluate", "labelled"]

MOST = 10_000
"""The most training examples that are evaluated; the other splits are taken whole."""
BATCH = 250

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def evaluate(
    model: VAE,
    data: Splits,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress = lambda batches, what: batches,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Evaluates a model on the train, validation and test examples.

    Arguments:
        model: Any VAE; its mode and weights are left as they are.
        data: The splits; validation and test as they are, at most 10,000 training examples.
        samples: S of the importance-weighted bound on the test examples; 0 leaves it out.
        seed: Of the samples and of the draws of training examples.
        progress: Wraps the batches of each step, for a progress bar.

    Returns:
        split → name → {"value", "se", "unit"}: `elbo`, `reconstruction`, `kl`, `objective_gap`
        (trained surrogate − ELBO), `bits_per_dimension`, `log_likelihood` (importance-weighted,
        test only), `exact_log_likelihood` (where K^D allows), and the health of the code.

    Raises:
        ValueError: If the data lie outside the support of the likelihood.
    """
    was_training = model.training
    model.eval()
    try:
        record = {}
        for name in ("train", "validation", "test"):
            examples: Examples = getattr(data, name)
            if len(examples):
                batches = _Labelled(data, examples, name, seed, model, progress)
                record[name] = {
                    key: figure.as_dict()
                    for key, figure in _figures(model, batches, name, samples, seed).items()
                }
        return record
    finally:
        model.train(was_training)


class _Labelled:
    """Batches of one split, drawn the same way each time, shown with a progress bar."""

    def __init__(
        self,
        data: Splits,
        examples: Examples,
        name: str,
        seed: int,
        model: VAE,
        progress: Progress,
    ) -> None:
        kept = examples.take(slice(0, MOST)) if name == "train" else examples
        self.batches = Batches(
            kept, BATCH, data.binarizer, seed=seed, epoch=0, shuffle=False, device=model.device
        )
        self.name, self.progress, self.labels = name, progress, kept.labels
        self.log_volume = data.log_volume

    def __call__(self, what: str) -> Iterator[Tensor | Batch]:
        return iter(self.progress(self.batches, f"{what} ({self.name})"))


def _figures(
    model: VAE, batches: _Labelled, split: str, samples: int, seed: int
) -> dict[str, Figure]:
    generator = torch.Generator(model.device).manual_seed(int(seed))
    figures = _bound_figures(model, batches, generator)
    if split == "test" and samples:
        values = evaluate_log_likelihood(
            model, batches("importance-weighted log-likelihood"), samples, generator
        )
        note = f"importance-weighted bound, {samples} samples"
        figures["log_likelihood"] = mean_figure(values + batches.log_volume, note=note)
    if getattr(model, "enumerable", False):
        values = evaluate_log_likelihood(model, batches("exact log-likelihood"), None)
        note = "sum over all codes"
        figures["exact_log_likelihood"] = mean_figure(values + batches.log_volume, note=note)
    prior = getattr(model, "prior", None)
    if isinstance(prior, BoltzmannPrior) and not prior.exact:
        note = "standard error of log Z, which all bounds share"
        figures["log_partition_error"] = Figure(float(prior.log_partition_se), None, NATS, note)
    if isinstance(model, SemiSupervisedVAE) and batches.labels is not None:
        figures["accuracy"] = _accuracy(model, batches)
    if isinstance(model, DiscreteVAE):
        figures |= _health_figures(code_health(model, batches("usage of the code")))
    if isinstance(model.likelihood, TokenLikelihood):
        elbo = figures["elbo"].value
        assert isinstance(elbo, float)
        figures |= _token_figures(elbo, batches)
    return {name: labelled(figure, model) for name, figure in figures.items()}


def _bound_figures(model: VAE, batches: _Labelled, generator: torch.Generator) -> dict[str, Figure]:
    bounds = evaluate_bounds(model, batches("ELBO"), generator)
    dimensions = torch.Size(model.shape).numel()
    elbo = bounds.elbo + batches.log_volume  # in the units of the source
    return {
        "elbo": mean_figure(elbo),
        "reconstruction": mean_figure(bounds.reconstruction + batches.log_volume),
        "kl": mean_figure(bounds.kl),
        "objective_gap": mean_figure(
            bounds.objective - bounds.elbo, note="trained surrogate − ELBO"
        ),
        "bits_per_dimension": mean_figure(
            -elbo / dimensions / torch.tensor(2.0).log(), "bits per dimension", "from −ELBO"
        ),
    }


def _token_figures(elbo: float, batches: _Labelled) -> dict[str, Figure]:
    """What the ELBO means for each token, its end counted, with the KL included."""
    counts = [token_counts(as_batch(batch).x) for batch in batches("tokens")]
    tokens = float(torch.cat(counts).double().mean())
    note = "from the ELBO: the KL is included, the end of a sentence is a token"
    return {
        "bits_per_token": Figure(-elbo / tokens / math.log(2), None, "bits per token", note),
        "perplexity_per_token": Figure(math.exp(-elbo / tokens), None, "tokens", note),
    }


def _accuracy(model: SemiSupervisedVAE, batches: _Labelled) -> Figure:
    """How often the most probable class is the label."""
    assert batches.labels is not None
    found = [model.predict(as_batch(batch).x).argmax(-1).cpu() for batch in batches("accuracy")]
    right = (torch.cat(found) == batches.labels.cpu()).double()
    return mean_figure(right, "share of examples", "most probable class against label")


def _health_figures(health: CodeHealth) -> dict[str, Figure]:
    latents, categories = health.usage.shape
    kl = {} if health.kl is None else {"kl_per_latent": Figure(health.kl.tolist(), None, NATS)}
    return {
        "active_latents": Figure(health.active_latents, None, f"of {latents} latents"),
        "dead_categories": Figure(
            health.dead_categories, None, f"of {latents * categories} categories"
        ),
        "distinct_codes": Figure(
            health.distinct_codes, None, f"most probable codes of {health.examples} examples"
        ),
        "mutual_information": Figure(
            float(health.mutual_information.sum()), None, NATS, "sum over latents"
        ),
        "perplexity": Figure(
            float(health.perplexity.mean()),
            None,
            f"categories of {categories}",
            "mean over latents",
        ),
        **kl,
        "mutual_information_per_latent": Figure(health.mutual_information.tolist(), None, NATS),
        "perplexity_per_latent": Figure(
            health.perplexity.tolist(), None, f"categories of {categories}"
        ),
    }


def labelled(figure: Figure, model: VAE) -> Figure:
    """Notes beside nats that come from a cross-entropy that they are of no likelihood."""
    if model.likelihood.normalised or figure.unit != NATS:
        return figure
    warning = "binary cross-entropy on grey values: not a likelihood"
    return replace(figure, note=f"{figure.note}; {warning}" if figure.note else warning)
