"""What is left to do once a model is trained, for models that the library does not know."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

from discretevae.data import Splits, load
from discretevae.experiments.folder import Run
from discretevae.experiments.recipe import Recipe
from discretevae.models import VAE, DiscreteVAE
from discretevae.networks import MLP
from discretevae.objectives import ELBO
from discretevae.pages.publish import describe, publish


class Plain(VAE):
    """A model of a user's own: a Gaussian of scale 1 around a point, under a standard normal."""

    kind: ClassVar[str] = "Plain"

    def __init__(self) -> None:
        super().__init__((1, 8, 8), MLP((8,)), "bernoulli", 1.0, 2, 2)

    def posterior(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.encoder(x)

    embedding = posterior

    def elbo_terms(
        self, x: Tensor, samples: int = 1, generator: Any = None, context: Any = None
    ) -> ELBO:
        mean = self.posterior(x)
        z = mean + torch.randn((samples, *mean.shape), generator=generator)
        return ELBO(self.decode(z).log_prob(x).mean(0), mean.square().sum(-1) / 2)

    def objective(self, x: Tensor, generator: Any = None, context: Any = None) -> Tensor:
        return self.elbo_terms(x, 1, generator).elbo

    def log_weights(
        self, x: Tensor, samples: int, generator: Any = None, context: Any = None
    ) -> Tensor:
        mean = self.posterior(x)
        noise = torch.randn((samples, *mean.shape), generator=generator)
        z = mean + noise
        log_ratio = (noise.square() - z.square()).sum(-1) / 2
        return self.decode(z).log_prob(x) + log_ratio

    def encode(
        self, x: Tensor, sample: bool = False, generator: Any = None, context: Any = None
    ) -> Tensor:
        return self.posterior(x)

    def decode(self, codes: Tensor, context: Tensor | None = None) -> Distribution:
        return self.likelihood(self._decoded(codes, None))

    def sample_codes(self, count: int, generator: Any = None, context: Any = None) -> Tensor:
        return torch.randn(count, 2, generator=generator)

    def architecture(self) -> dict[str, Any]:
        return self._architecture()


class Renamed(DiscreteVAE):
    """A discrete model with a kind of its own."""

    kind: ClassVar[str] = "Renamed"


@pytest.fixture(scope="module")
def digits() -> Splits:
    return load("digits", binarize="fresh", limit=30)


def test_a_model_of_ones_own_is_named_by_its_kind(digits: Splits) -> None:
    assert describe(Plain(), digits).startswith("a Plain, MLP 8, bernoulli likelihood, on digits")


def test_a_model_that_is_nearly_one_of_ours_is_described_as_that(digits: Splits) -> None:
    model = Renamed((1, 8, 8), 2, 3, MLP((8,)))
    assert describe(model, digits).startswith("2 latents of 3 categories, uniform prior")


@pytest.mark.parametrize("model", [Plain(), Renamed((1, 8, 8), 2, 3, MLP((8,)))])
def test_a_model_of_ones_own_gets_its_page(model: VAE, digits: Splits, tmp_path: Path) -> None:
    run = Run(tmp_path)
    publish(run, model, digits, Recipe("digits", importance_samples=3, seed=0))
    page = run.report.read_text(encoding="utf-8")
    assert describe(model, digits).partition(",")[0] in page
    assert page.count("data:image/png;base64,") >= 2
