"""What training may add to the ELBO, and evaluation never does."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from discretevae.data import Augmentation
from discretevae.models import VAE
from discretevae.objectives import SIMILARITIES, batch_mutual_information, info_nce
from discretevae.objectives.contrastive import Similarity, cosine
from discretevae.training.options import TrainingOptions
from discretevae.training.schedules import parse_schedule, require_range

__all__ = [
    "TERMS",
    "Balance",
    "Contrast",
    "Term",
    "WeightedTerm",
    "augmentation_for",
    "weighted_terms",
]

USUAL_SIDE = 28
"""Pixels of the images for which the augmentation's defaults are; others are scaled alike."""


class Term(ABC):
    """A number of the batch, in nats per example, whose weighted sum with the ELBO is maximised.

    Attributes:
        name: Of its mean over an epoch, which the history has as `train_NAME`.
        whole_batch: Whether it looks at the rows of a batch together, so that several processes,
            which have some rows each, cannot train with it. A mean over rows declares False.

    Example:
        >>> class Brightness(Term):
        ...     name, whole_batch = "brightness", False
        ...     def __call__(self, model, x, generator=None, context=None):
        ...         return model.reconstruct(x, context).mean()
    """

    name: ClassVar[str]
    whole_batch: ClassVar[bool] = True

    @abstractmethod
    def __call__(
        self,
        model: VAE,
        x: Float[Tensor, "B *shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, ""]:
        """Gives the mean over the batch."""


WeightedTerm = tuple[Term, str | float]
"""A term and its weight: a number, "START:END" or "START:END:STEPS"."""


@dataclass(frozen=True)
class Contrast(Term):
    r"""Draws an example and its augmentation together, and apart from the rest of the batch.

    .. math:: -\frac1B \sum_b \ell_b, \qquad u = e(x), \quad v = e(\mathrm{augment}(x))

    with :math:`\ell` the InfoNCE loss and e(x) the model's embedding of the posterior. A batch of
    one has nothing to be told from: 0.

    Arguments:
        augment: Makes the second view.
        temperature: τ > 0 of the loss.
        similarity: Of two embeddings.
        symmetric: Whether each view is asked to recognise the other.

    Reference: van den Oord, Li & Vinyals, Representation Learning with Contrastive Predictive
    Coding, 2018, eq. 4.
    """

    augment: Augmentation
    temperature: float = 0.1
    similarity: Similarity = cosine
    symmetric: bool = True

    name: ClassVar[str] = "contrast"

    def __call__(
        self,
        model: VAE,
        x: Float[Tensor, "B *shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, ""]:
        if len(x) < 2:
            return x.new_zeros(())
        u = model.embedding(x, context)
        v = model.embedding(self.augment(x, generator), context)
        return -info_nce(u, v, self.temperature, self.similarity, self.symmetric).mean()


@dataclass(frozen=True)
class Balance(Term):
    """Spreads the batch over the classes of every latent, and makes each example sure of its own.

    The information between example and class, summed over latents; 0 for a batch of one. The sum
    is at least what the whole code tells of the example, and more where latents repeat each other:
    it asks nothing of how they go together.

    Raises:
        ValueError: If the model has no categorical posterior.

    Reference: Krause, Perona & Gomes, Discriminative Clustering by Regularized Information
    Maximization, 2010; Hu et al., Information Maximizing Self-Augmented Training, 2017.
    """

    name: ClassVar[str] = "mutual_information"

    def __call__(
        self,
        model: VAE,
        x: Float[Tensor, "B *shape"],
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
    ) -> Float[Tensor, ""]:
        if not model.variables or model.exposed.classes is None:
            raise ValueError(f"`balance` must go with a discrete model, got a {model.kind}.")
        return batch_mutual_information(model.posterior(x, context)).sum()


def augmentation_for(shape: tuple[int, ...]) -> Augmentation:
    """Scales the usual augmentation to the size of the images.

    Raises:
        ValueError: If the shape is not (H, W) or (C, H, W).

    Example:
        >>> augmentation_for((1, 14, 14)).shift
        1.0
    """
    if len(shape) not in (2, 3):
        raise ValueError(
            f"`contrastive` must go with images, (H, W) or (C, H, W), got data of shape {shape}."
        )
    usual, share = Augmentation(), min(shape[-2:]) / USUAL_SIDE
    return Augmentation(
        shift=usual.shift * share,
        elastic=usual.elastic * share,
        elastic_width=usual.elastic_width * share,
    )


def _contrast(options: TrainingOptions, model: VAE) -> Term:
    return Contrast(
        augmentation_for(model.shape),
        options.contrastive_temperature,
        SIMILARITIES[options.similarity],
        symmetric=not options.one_sided,
    )


TERMS: dict[str, Callable[[TrainingOptions, VAE], Term]] = {
    "contrastive": _contrast,
    "balance": lambda options, model: Balance(),
}
"""Option of the weight → the term."""
OF_THE_RUN = ("learning_rate", "beta", "temperature", "epoch", "step", "seconds", *TERMS)
"""Columns of the history that no term of the user's may take."""
MEASURED = ("objective", "elbo")
"""What the history has of every run."""


def weighted_terms(
    model: VAE, options: TrainingOptions, given: Mapping[str, WeightedTerm]
) -> dict[str, WeightedTerm]:
    """The terms that the options ask for, and those that the user gives.

    Raises:
        ValueError: If a name is taken, or a weight is out of range.
    """
    asked = {name: getattr(options, name) for name in TERMS}
    terms = {n: (TERMS[n](options, model), w) for n, w in asked.items() if _is_used(n, w)}
    _require_own_names(given, [term.name for term, _ in terms.values()])
    for name, (_, weight) in given.items():
        require_range(name, weight, positive=False)
    return {**terms, **given}


def _is_used(name: str, weight: str | float) -> bool:
    schedule = parse_schedule(name, weight, steps=1)
    return schedule(0) > 0 or schedule(sys.maxsize) > 0


def _require_own_names(given: Mapping[str, WeightedTerm], asked: Sequence[str]) -> None:
    measured = [*MEASURED, *asked, *(term.name for term, _ in given.values())]
    for name, (term, _) in given.items():
        if name in OF_THE_RUN:
            raise ValueError(f"`terms` must have names that the history has not, got {name!r}.")
        if measured.count(term.name) > 1:
            raise ValueError(
                f"`terms` must each measure something of its own, got {term.name!r} twice."
            )
