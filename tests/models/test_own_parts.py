"""Parts of one's own: each added from outside by one class and one name, saved, loaded, trained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Laplace

from discretevae import (
    DiscreteVAE,
    Estimator,
    GaussianVAE,
    HierarchicalVAE,
    JointVAE,
    SemiSupervisedVAE,
    from_pretrained,
    register,
    train,
)
from discretevae.data import load
from discretevae.estimators.estimator import evaluate
from discretevae.latents import categorical
from discretevae.latents.variables import Categorical, Known
from discretevae.likelihoods import Likelihood
from discretevae.models import VAE, ModelError
from discretevae.models.registration import TABLES
from discretevae.networks import MLP, Network
from discretevae.priors import LearnedPrior
from discretevae.training import TrainingOptions

PIXELS = 5


@pytest.fixture(autouse=True)
def _tables_as_they_were() -> Iterator[None]:
    before = {part: dict(table) for part, table in TABLES.items()}
    yield
    for part, table in TABLES.items():
        table.clear()
        table.update(before[part])


class TwoSamples(Estimator):
    """REINFORCE with the mean of two samples."""

    unbiased: ClassVar[bool] = True

    def __call__(
        self,
        f: Callable[[Tensor], Tensor],
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = categorical.sample(logits, 2, generator)
        value, log_q = evaluate(f, z), categorical.log_prob(z, logits)
        score = value.detach() * log_q
        return (value + (score - score.detach())).mean(0)

    def evaluations(self, num_latents: int, num_categories: int) -> int:
        return 2


class Sharp(LearnedPrior):
    """Learned, with logits that count twice."""

    kind: ClassVar[str] = "sharp"

    def logits_given(self, context: Tensor | None) -> Tensor:
        return 2 * self.logits


class LaplaceLikelihood(Likelihood):
    """Observes h through noise with heavy tails."""

    name: ClassVar[str] = "laplace"

    def forward(self, h: Tensor) -> Distribution:
        return Independent(Laplace(h, 1.0, validate_args=False), self.event_dims)

    def log_prob_pairs(self, h: Tensor, x: Tensor) -> Tensor:
        h, x, batch = self._flatten(h, x)
        return self(h[:, None]).log_prob(x).reshape(-1, *batch)

    def check(self, x: Tensor) -> None:
        if not x.isfinite().all():
            raise ValueError("`x` must be finite.")


@dataclass(frozen=True)
class OneLayer(Network):
    """No hidden layer at all."""

    kind: ClassVar[str] = "one-layer"

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        return nn.Linear(shape[0], features)

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Linear(features, shape[0])


@dataclass(frozen=True)
class Mixed(Categorical):
    """A posterior with one per cent of the uniform distribution mixed in."""

    def q(self, known: Known) -> Tensor:
        p = super().q(known).softmax(-1)
        return (0.99 * p + 0.01 / p.shape[-1]).log()


class Wide(DiscreteVAE):
    """Another kind of model."""

    kind: ClassVar[str] = "Wide"


PARTS: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("estimator", "two-samples", TwoSamples, {"estimator": "two-samples"}),
    ("prior", "sharp", Sharp, {"prior": "sharp"}),
    ("likelihood", "laplace", LaplaceLikelihood, {"likelihood": "laplace"}),
    ("network", "one-layer", OneLayer, {"network": OneLayer()}),
    ("variable", "mixed", Mixed, {"variable": "mixed"}),
    ("model", "Wide", Wide, {}),
]


@pytest.mark.parametrize(("part", "name", "make", "options"), PARTS)
def test_a_part_from_outside_is_trained_saved_and_loaded(
    part: str, name: str, make: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    register(part, name, make)
    cls: type[VAE] = make if part == "model" else DiscreteVAE
    model = cls((PIXELS,), num_latents=2, num_categories=3, **options)
    x = torch.bernoulli(torch.full((7, *model.shape), 0.3))
    before = model.elbo(x, 50).mean()
    optimizer = torch.optim.Adam(model.parameters(), 0.002)
    for _ in range(30):
        optimizer.zero_grad()
        (-model.objective(x)).mean().backward()
        optimizer.step()
    assert model.elbo(x, 50).mean() > before
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert type(again) is cls
    assert torch.equal(again.posterior(x), model.eval().posterior(x))
    torch.testing.assert_close(again.log_likelihood(x), model.log_likelihood(x))
    exact = model.exact_log_likelihood(x)
    assert (model.elbo(x, 500) < exact + 0.5).all()


def test_a_variable_from_outside_is_what_every_figure_sees() -> None:
    register("variable", "mixed", Mixed)
    model = DiscreteVAE((PIXELS,), 2, 3, MLP((4,)), variable="mixed").double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)
    x = torch.bernoulli(torch.full((50, PIXELS), 0.5)).double()
    q = model.logits(x).softmax(-1)
    assert float(q.min()) >= 0.01 / 3 - 1e-12
    torch.testing.assert_close(model.posterior(x).softmax(-1), q)
    torch.testing.assert_close(model.embedding(x), q.flatten(-2))


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="`name` must not be that of another prior, got 'learned'"):
        register("prior", "learned", Sharp)
    with pytest.raises(ValueError, match="`part` must be one of"):
        register("decoder", "mine", Sharp)


OWN = {
    DiscreteVAE: ({"num_latents": 2, "num_categories": 3}, 6, 6),
    GaussianVAE: ({"num_latents": 2}, 4, 2),
    JointVAE: ({"num_latents": 2, "num_categories": 3, "num_continuous": 2}, 10, 8),
    HierarchicalVAE: ({"num_latents": (2, 1), "num_categories": 2}, 10, 6),
    SemiSupervisedVAE: ({"num_classes": 3, "num_latents": 2, "num_categories": 2}, 10, 7),
}


@pytest.mark.parametrize("cls", OWN)
def test_modules_of_ones_own_are_trained_saved_and_given_again(
    cls: type[VAE], tmp_path: Path
) -> None:
    sizes, said, seen = OWN[cls]

    def modules() -> dict[str, nn.Module]:
        return {"encoder": nn.Linear(PIXELS, said), "decoder": nn.Linear(seen, PIXELS)}

    model, x = cls((PIXELS,), **sizes, **modules()), torch.rand(4, PIXELS).round()
    (-model.objective(x)).mean().backward()
    model.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="`encoder` must be given: the model has one that is"):
        from_pretrained(tmp_path)
    again = from_pretrained(tmp_path, **modules())
    assert torch.equal(again.encode(x), model.eval().encode(x))


def test_a_module_that_does_not_fit_is_refused_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"`encoder` must map \(2, 5\) to \(2, 6\), got \(2, 7\)"):
        DiscreteVAE((PIXELS,), 2, 3, encoder=nn.Linear(PIXELS, 7))
    with pytest.raises(ValueError, match=r"`decoder` must map \(2, 6\) to \(2, 5\), got: mat1"):
        DiscreteVAE((PIXELS,), 2, 3, decoder=nn.Linear(9, PIXELS))


class Nameless(Network):
    """Says nothing of itself."""

    kind: ClassVar[str] = "nameless"

    def encoder(self, shape: tuple[int, ...], features: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, features))

    def decoder(self, features: int, shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(features, 64), nn.Unflatten(-1, shape))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: DiscreteVAE((1, 8, 8), 2, 3, Nameless()), "`network` must be a dataclass or"),
        (lambda: DiscreteVAE((1, 8, 8), 2, 3, prior=Sharp(2, 3)), "`prior` must be one of"),
        (lambda: Wide((1, 8, 8), 2, 3), "`model` must be one of"),
    ],
)
def test_what_could_not_be_saved_is_refused_before_it_is_trained(
    model: Callable[[], VAE], message: str, tmp_path: Path
) -> None:
    data = load("digits", binarize="fresh", limit=40)
    options = TrainingOptions(epochs=1, accelerator="cpu", progress_bar=False)
    with pytest.raises(ValueError, match=message):
        train(model(), data, options, tmp_path / "run")
    assert not list(tmp_path.iterdir())
