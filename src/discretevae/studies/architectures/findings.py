"""What a study has found, as plain figures."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Bound", "Study"]


@dataclass(frozen=True)
class Bound:
    """The true bounds of one model, in nats per example, on hard samples.

    Attributes:
        name: Its folder within the study.
        title: What it is called in tables.
        pixels: What the data were taken for, such as "grey".
        epochs: How many there were.
        seconds_per_epoch: Of training, without the curves' evaluations.
        train_elbo: On the first 10,000 training examples.
        elbo: On the test set.
        elbo_se: Its standard error.
        kl: The part of it that says the code.
        surrogate: What training maximised, on the test set: no bound where its samples are
            relaxed.
        log_likelihood: The importance-weighted bound, as `metrics.json` has figures.
    """

    name: str
    title: str
    pixels: str
    epochs: int
    seconds_per_epoch: float
    train_elbo: float
    elbo: float
    elbo_se: float
    kl: float
    surrogate: float
    log_likelihood: dict[str, Any] | None = None


@dataclass(frozen=True)
class Study:
    """All that the page shows.

    Attributes:
        data: The data set.
        num_latents: D of the architectures.
        num_categories: K.
        samples: S of the importance-weighted bound.
        sweep: D → validation ELBO after a few epochs; empty where D was given.
        models: The architectures.
        one_code: The models of a single latent.
        codes: Model → what its codes know of the classes, as the analyst has it.
        clusters: One a seed: the objective, the true ELBO, and the scores of the code itself.
        skipped: What was left out, and why.
        options: What all experiments share.
    """

    data: str
    num_latents: int
    num_categories: int
    samples: int
    sweep: dict[int, float]
    models: list[Bound]
    one_code: list[Bound]
    codes: dict[str, dict[str, Any]]
    clusters: list[dict[str, float]]
    skipped: list[str]
    options: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Gives plain types, as `study.json` has them."""
        return asdict(self)
