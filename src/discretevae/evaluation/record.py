"""The record of a model: every figure with its unit and standard error, for each split."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from discretevae.data import (
    Batch,
    Batches,
    Examples,
    Splits,
    as_batch,
    given_whole,
)
from discretevae.evaluation.bounds import evaluate_bounds, evaluate_log_likelihood
from discretevae.evaluation.code_health import CodeHealth, code_health
from discretevae.evaluation.code_usage import code_usage, collisions
from discretevae.evaluation.evaluation import Evaluation
from discretevae.evaluation.figure import NATS, Figure, mean_figure, ratio_figure
from discretevae.evaluation.gzipped import GZIP, gzip_figure
from discretevae.evaluation.no_code import NO_CODE, log_prob_without_code
from discretevae.evaluation.reference import reference_figures
from discretevae.likelihoods import Likelihood
from discretevae.models import VAE
from discretevae.models.chain import rows_at_once

__all__ = ["evaluate", "labelled"]

MOST = 10_000
"""The most training examples that are evaluated; the other splits are taken whole."""
BATCH = 250
SUMMED = (
    "Σ_d I(z_d; x), the information of each latent: the code's own, I(z; x), is less by the total "
    "correlation of the latents"
)

Progress = Callable[[Iterable[Any], str], Iterable[Any]]


def evaluate(
    model: VAE,
    data: Any,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress = lambda batches, what: batches,
    reference: VAE | None = None,
) -> Evaluation:
    """Evaluates a model on the train, validation and test examples.

    Arguments:
        model: Any VAE; its mode and weights are left as they are.
        data: The splits; validation and test as they are, at most 10,000 training examples. Or
            what `train` takes, of which every row is a test example.
        samples: S of the importance-weighted bound on the test examples; 0 leaves it out.
        seed: Of the samples and of the draws of training examples.
        progress: Wraps the batches of each step, for a progress bar.
        reference: Another model of the same data to compare with.

    Returns:
        split → name → {"value", "se", "unit"}: `elbo`, `reconstruction`, `kl`, `objective_gap`
        (trained surrogate − ELBO), `bits_per_dimension`, `log_likelihood` (importance-weighted,
        test only), `exact_log_likelihood` (where K^D allows), the health of the code, and
        `no_code`, log p(x) of a model without one; on test examples of bits or bytes `gzip`,
        minus the length of their file; `reference`, the ELBO of the other model, and
        `over_reference`, how far the model is above it. It is a dictionary, shown as a table.

    Bits per dimension are −Σ ELBO / ln 2 over all examples, divided by all dimensions that were
    observed in them: the tokens of sentences with their ends, the cells of a table that are there.
    `mutual_information` is Σ_d I(z_d; x), at least I(z; x); the latter is `code_information`,
    where at most 4,096 codes can be summed over.

    Raises:
        ValueError: If the data lie outside the support of the likelihood.
    """
    data = given_whole(data, model.likelihood.config(), seed)
    was_training = model.training
    model.eval()
    try:
        record = Evaluation()
        for name in ("train", "validation", "test"):
            examples: Examples = getattr(data, name)
            if len(examples):
                batches = _Labelled(data, examples, name, seed, model, progress)
                found = _figures(model, batches, name, samples, seed)
                if len(data.train):
                    found |= _without_code(model, data, batches)
                if name == "test":
                    found |= _under_gzip(model, batches)
                if reference is not None:
                    found |= _beside(model, reference, batches, seed)
                record[name] = {key: figure.as_dict() for key, figure in found.items()}
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
        size = rows_at_once(model.likelihood.evaluated(kept.shape), BATCH)
        self.batches = Batches(
            kept, size, data.binarizer, seed=seed, epoch=0,
            shuffle=False, device=model.device,
        )  # fmt: skip
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
    if model.enumerable:
        values = evaluate_log_likelihood(model, batches("exact log-likelihood"), None)
        note = "sum over all codes"
        figures["exact_log_likelihood"] = mean_figure(values + batches.log_volume, note=note)
    figures |= _partition_figures(model)
    if batches.labels is not None:
        figures |= _accuracy(model, batches)
    if model.categorical is not None:
        figures |= _health_figures(code_health(model, batches("usage of the code")))
    elif all(variable.point for variable in model.variables) and model.variables:
        figures |= _usage_figures(model, batches("usage of the code"))
    return {name: labelled(figure, model) for name, figure in figures.items()}


def _without_code(model: VAE, data: Splits, batches: _Labelled) -> dict[str, Figure]:
    """The same examples by a model that tells none from others, fitted to those to train on."""
    seen = data.train.take(slice(0, MOST)).values()
    seen = data.binarizer.draw(seen, torch.Generator(seen.device).manual_seed(0))
    log_p = log_prob_without_code(
        model.likelihood, seen.to(model.device, model.dtype), batches("without a code")
    )
    if log_p is None:
        return {}
    apart = model.likelihood.apart
    note = f"without a code: independent {apart}, fitted to the training examples"
    return {NO_CODE: labelled(mean_figure(log_p + batches.log_volume, note=note), model)}


def _under_gzip(model: VAE, batches: _Labelled) -> dict[str, Figure]:
    """The same examples by what everybody has, where it gives them back and no more."""
    p = model.likelihood
    if not p.lossless or p.sequential or model.context_shape is not None:
        return {}
    figure = gzip_figure(batches(GZIP), p.symbols)
    return {} if figure is None else {GZIP: figure}


def _beside(model: VAE, reference: VAE, batches: _Labelled, seed: int) -> dict[str, Figure]:
    """The same examples by another model."""
    found = reference_figures(
        model, reference, lambda: batches("against the reference"), seed, batches.log_volume
    )
    return {name: labelled(figure, model) for name, figure in found.items()}


def _partition_figures(model: VAE) -> dict[str, Figure]:
    """How sure an estimated log Z is, which all bounds share."""
    estimate = model.log_partition()
    if estimate is None:
        return {}
    error = "standard error of the upper end of log Z, which all bounds take"
    gap = "between both ends of log Z: the bounds may be better by so much"
    if estimate.disagree:
        gap += "; the two sides disagree, so that neither is to be trusted"
    return {
        "log_partition_error": Figure(estimate.upper_se, None, NATS, error),
        "log_partition_gap": Figure(estimate.gap, None, NATS, gap),
    }


def _bound_figures(model: VAE, batches: _Labelled, generator: torch.Generator) -> dict[str, Figure]:
    bounds = evaluate_bounds(model, batches("ELBO"), generator)
    elbo = bounds.elbo + batches.log_volume  # in the units of the source
    return {
        "elbo": mean_figure(elbo),
        "reconstruction": mean_figure(bounds.reconstruction + batches.log_volume),
        "kl": mean_figure(bounds.kl),
        "objective_gap": mean_figure(
            bounds.objective - bounds.elbo, note="trained surrogate − ELBO"
        ),
        **_figures_of_dimensions(elbo, bounds.dimensions, model.likelihood),
    }


def _figures_of_dimensions(
    elbo: Tensor, dimensions: Tensor, likelihood: Likelihood
) -> dict[str, Figure]:
    """What the ELBO, with its KL, means for each dimension that was observed."""
    if not bool(dimensions.any()):
        return {}
    unit, bits = likelihood.unit, -elbo.double() / math.log(2)
    note = f"from −ELBO, its KL included, over all {unit}s that were observed"
    per_dimension = ratio_figure(bits, dimensions, f"bits per {unit}", note)
    figures = {"bits_per_dimension": per_dimension}
    if likelihood.sequential:
        figures[f"bits_per_{unit}"] = per_dimension
        figures[f"perplexity_per_{unit}"] = _perplexity(per_dimension, f"{unit}s")
    return figures


def _perplexity(bits: Figure, unit: str) -> Figure:
    """2^b, and its standard error by the delta method."""
    assert isinstance(bits.value, float)
    value = 2**bits.value
    se = None if bits.se is None else value * math.log(2) * bits.se
    return Figure(value, se, unit, bits.note)


def _accuracy(model: VAE, batches: _Labelled) -> dict[str, Figure]:
    """How often the most probable class is the label, of a model that predicts one."""
    assert batches.labels is not None
    found = [model.predict(as_batch(batch).x) for batch in batches("accuracy")]
    classes = [p.argmax(-1).cpu() for p in found if p is not None]
    if not classes:
        return {}
    right = (torch.cat(classes) == batches.labels.cpu()).double()
    note = "most probable class against label"
    return {"accuracy": mean_figure(right, "share of examples", note)}


def _health_figures(health: CodeHealth) -> dict[str, Figure]:
    latents, categories = health.usage.shape
    kl = {} if health.kl is None else {"kl_per_latent": Figure(health.kl.tolist(), None, NATS)}
    whole = {}
    if health.code_information is not None:
        note = "I(z; x) of the whole code over these examples"
        whole["code_information"] = Figure(health.code_information, None, NATS, note)
    return {
        "active_latents": Figure(health.active_latents, None, f"of {latents} latents"),
        "dead_categories": Figure(
            health.dead_categories, None, f"of {latents * categories} categories"
        ),
        "distinct_codes": Figure(
            health.distinct_codes, None, f"most probable codes of {health.examples} examples"
        ),
        "mutual_information": Figure(float(health.mutual_information.sum()), None, NATS, SUMMED),
        **whole,
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


def _usage_figures(model: VAE, batches: Iterable[Tensor | Batch]) -> dict[str, Figure]:
    """What is used of each codebook, over all positions of all these examples."""
    codes = torch.cat([model.encode(as_batch(batch).x).cpu() for batch in batches])
    found = []
    for variable in model.variables:
        own = codes[:, model.chain.place(variable.name)]
        found.append(code_usage(own, (variable.classes or (1,))[0]))
    size = (model.variables[0].classes or (1,))[0]
    mean, share = (
        sum(getattr(usage, name) for usage in found) / len(found)
        for name in ("perplexity", "share")
    )
    note = f"over {codes.numel():,} codes" + ", mean over codebooks" * (len(found) > 1)
    several = {}
    if len(found) > 1:
        several = {
            "perplexity_per_codebook": Figure([u.perplexity for u in found], None, "codes"),
            "used_codes_per_codebook": Figure([u.share for u in found], None, "share of codes"),
        }
    collide = collisions(codes)
    return {
        "distinct_codes": Figure(
            len(codes.unique(dim=0)), None, f"codes of {len(codes)} examples, whole grids"
        ),
        "collisions": Figure(collide, None, "share of examples whose whole code another has"),
        "used_codes": Figure(share, None, f"share of {size} codes", note),
        "perplexity": Figure(mean, None, f"codes of {size}", note),
        **several,
    }


def labelled(figure: Figure, model: VAE) -> Figure:
    """Notes beside nats and bits that come from a cross-entropy that they are of no likelihood."""
    if model.likelihood.normalised or not figure.unit.startswith((NATS, "bits per")):
        return figure
    warning = "binary cross-entropy on grey values: not a likelihood"
    return replace(figure, note=f"{figure.note}; {warning}" if figure.note else warning)
