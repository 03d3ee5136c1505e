"""Models that are not trained, but whose categories all mean something; and a real browser."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas
import pytest
import torch
from torch import Tensor

from discretevae.data import Splits, load
from discretevae.data.activations import load_activations
from discretevae.data.mixed_tables import load_table
from discretevae.data.text import load_text
from discretevae.experiments.sparse_run import Shown
from discretevae.likelihoods import ColumnsLikelihood, TokenLikelihood
from discretevae.models import VAE, DiscreteVAE, QuantisedVAE
from discretevae.networks import MLP, ResidualNetwork
from discretevae.networks.columns import ColumnsNetwork
from discretevae.networks.text import TextNetwork
from discretevae.pages.explorer.latents import LatentSubject
from discretevae.sparse import TopKAutoencoder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Case = tuple[VAE, Splits]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
MARKUP = ("<b>to</b> be", "${1 + 1} or", "{{ not }} to", "</script> be")
"""Sentences that are markup or programs for a page that takes them so."""


def spread(model: VAE) -> VAE:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def _images(num_latents: int = 3, num_categories: int = 4, **options: object) -> Case:
    condition = "labels" if "context_shape" in options else "none"
    data = load("digits", binarize="threshold", limit=60, condition=condition)
    torch.manual_seed(0)
    model = DiscreteVAE(data.shape, num_latents, num_categories, MLP((16,)), **options)
    return spread(model), data


def _grids(**stack: int) -> Case:
    data = load("digits", binarize="threshold", limit=60)
    torch.manual_seed(0)
    network = ResidualNetwork(channels=8, down=4, blocks=1)
    model = QuantisedVAE(data.shape, 5, 4, network=network, **(stack or {"num_quantisers": 2}))
    model.start_at(data.train.values())
    with torch.no_grad():
        model.train().objective(data.train.values())  # starts the codebooks
    return model.eval(), data


def _sentences(folder: Path) -> Case:
    words = ["to be or not", "not to be", "be not", *MARKUP]
    (folder / "lines.txt").write_text("\n".join(words * 8), encoding="utf-8")
    text = load_text(folder / "lines.txt")
    (length,) = text.splits.shape
    likelihood = TokenLikelihood(text.vocabulary, length, "gru", features=5, width=8)
    network = TextNetwork(text.vocabulary.size, "gru", width=8, widths=(7,))
    torch.manual_seed(0)
    return spread(DiscreteVAE((length,), 3, 4, network, likelihood)), text.splits


def _rows(folder: Path) -> Case:
    jobs = ["cook", "smith", None, "baker"]
    frame = pandas.DataFrame({"age": [float(i) for i in range(40)], "job": jobs * 10})
    table = load_table(frame)
    likelihood = ColumnsLikelihood(table.columns)
    torch.manual_seed(0)
    network = ColumnsNetwork(table.columns, widths=(8,))
    return spread(DiscreteVAE(table.splits.shape, 3, 4, network, likelihood)), table.splits


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """Makes a model and its data: images, of classes or as grids, sentences, rows of a table."""
    folder = tmp_path_factory.mktemp("explored")

    def case(kind: str, **options: object) -> Case:
        if kind == "conditional":
            return _images(context_shape=(10,), **options)
        if kind == "images":
            return _images(**options)
        if kind == "grids":
            return _grids(**options)
        return _sentences(folder) if kind == "sentences" else _rows(folder)

    return case


class Readout:
    """A network that is one matrix: what it foretells can be computed by hand."""

    signs: Sequence[str] = ("a", "<b>", " ", "${1 + 1}")

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(5))

    def foretold(self, rows: Tensor, replace: Callable[[Tensor], Tensor]) -> Tensor:
        return (replace(self.x[rows]) @ self.matrix).log_softmax(-1)

    def scored(self, replace: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        yield replace(self.x[:100]) @ self.matrix, torch.arange(100) % 4


@pytest.fixture(scope="session")
def look() -> Callable[..., LatentSubject]:
    """A subject whose rows are tokens, pictures or nothing; the first latents are never active."""

    def looked(kind: str = "tokens", network: bool = True) -> LatentSubject:
        torch.manual_seed(3)
        model = TopKAutoencoder(6, 260, 3).eval()
        model.b_enc.data[:4] = -50.0
        x = torch.randn(400, 6)
        tokens = [("<i>", " ", "\n", "w")[i % 4] for i in range(400)]
        images = np.random.default_rng(0).random((400, 4, 4))
        shown = {"tokens": Shown(tokens=tokens), "images": Shown(images=images), "rows": Shown()}
        reader = Readout(x) if network else None
        return LatentSubject.look(model, load_activations(x), shown[kind], reader)

    return looked


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    with api.sync_playwright() as playwright:
        # As root, Chromium has no sandbox of its own.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        options.append("--host-resolver-rules=MAP rebound.example 127.0.0.1")  # as rebinding does
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """Fails where a script fails, or where anything but this machine is asked for."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.extend(_foreign(request.url)))
    yield page
    page.close()
    assert not errors


def _foreign(url: str) -> list[str]:
    ours = ("http://127.0.0.1:", "file://", "data:", "blob:http://127.0.0.1:")
    return [] if url.startswith(ours) else [f"the page asked for {url}"]
