"""The page from made-up findings: what it says, and what it leaves out."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from discretevae.pages.report import ReportFigure
from discretevae.studies.architectures.drawings import Drawings
from discretevae.studies.architectures.findings import Bound, Study
from discretevae.studies.architectures.page import sections_of, write_page
from discretevae.studies.architectures.sections import Section

ROOT = Path(__file__).parents[3]


def benchmark() -> Any:
    """The script that writes results/study.md."""
    spec = spec_from_file_location("study_benchmark", ROOT / "benchmarks" / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NoDrawings(Drawings):
    """In place of the figures."""

    def __init__(self) -> None:
        pass

    def curves(self) -> Iterator[ReportFigure]:
        return iter(())

    reconstructions = embeddings = clusters = curves


def bound(title: str, pixels: str = "grey", elbo: float = -100.0, **other: Any) -> Bound:
    likelihood = {"value": elbo + 5, "se": 0.2}
    figures = {"train_elbo": elbo + 1, "elbo": elbo, "elbo_se": 0.4, "kl": 20.0, "surrogate": elbo}
    slug = title.replace(", ", "-").replace(" ", "-").lower()
    return Bound(
        f"{pixels}/{slug}", title, pixels, epochs=200, seconds_per_epoch=1.25,
        **{**figures, "log_likelihood": likelihood, **other},
    )  # fmt: skip


@pytest.fixture
def found() -> Study:
    models = [bound("MLP, categorical", p, e) for p, e in (("grey", -102.5), ("binarised", -104.0))]
    scores = {"nmi": [0.4, 0.6], "ari": [0.2, 0.4], "accuracy": [0.5, 0.5], "purity": [0.5, 0.6]}
    probe = {"value": 0.9, "se": 0.01}
    codes = {
        "clustering": {"probabilities": scores},
        "label_silhouette": {"probabilities": 0.04},
        "probes": {"probabilities": {"linear": probe, "k-NN": probe}},
    }
    return Study(
        data="mnist",
        num_latents=30,
        num_categories=10,
        samples=1000,
        sweep={10: -110.0, 30: -105.0},
        models=models,
        one_code=[
            bound("MLP, exact", elbo=-168.0, kl=2.29),
            bound("MLP, relaxed", elbo=-190.0, surrogate=-101.0),
        ],
        codes={models[0].name: codes},
        clusters=[
            {"seed": s, "objective": -5.0, "contrast": -4.1, "mutual_information": 2.2,
             "elbo": -180.0, "nmi": 0.9 + s / 10, "ari": 0.9, "accuracy": 0.95, "purity": 0.95}
            for s in (0, 1)
        ],
        skipped=["UMAP: it needs umap-learn."],
        options={"epochs": 200, "seed": 0},
    )  # fmt: skip


def section(found: Study, title: str) -> Section:
    (one,) = (s for s in sections_of(found, NoDrawings()) if s.title == title)
    return one


def test_a_relaxed_value_is_never_called_a_bound(found: Study) -> None:
    one_code = section(found, "One latent, honestly")
    (table,) = one_code.tables
    assert table.columns[1:3] == ("surrogate (no bound where relaxed)", "true test ELBO")
    assert table.rows[1] == ("MLP, relaxed", "−101", "−190.0 ± 0.4", "20")
    assert "2.30 nats" in one_code.paragraphs[0]
    assert "MLP: −101 relaxed, −190 true, −168 with the exact gradient" in one_code.paragraphs[1]


def test_the_reported_figures_stand_beside_ours_on_the_page_of_results(found: Study) -> None:
    (table,) = benchmark().beside_the_report(found).tables
    assert table.rows == [
        ("MLP", "−100.9", "−102.5 ± 0.4", "−104.0 ± 0.4", "0.3890", "0.500", "0.2420", "0.300")
    ]


def test_the_package_knows_of_no_figures_but_its_own(found: Study) -> None:
    titles = [s.title for s in sections_of(found, NoDrawings())]
    assert titles == [
        "Bounds",
        "One latent, honestly",
        "How many latents",
        "What the codes know",
        "A code whose categories are classes",
    ]
    published = {str(v) for of in benchmark().REPORTED.values() for v in of.values()}
    for path in (ROOT / "src").rglob("*.py"):
        assert not any(figure in path.read_text(encoding="utf-8") for figure in published), path


def test_the_best_of_each_kind_of_pixels_is_named(found: Study) -> None:
    better = replace(found, models=[*found.models, bound("CNN, Gaussian", elbo=-96.5)])
    (sentence,) = section(better, "Bounds").paragraphs
    assert sentence == (
        "The best test ELBO: CNN, Gaussian (grey, −96.5 ± 0.4); "
        "MLP, categorical (binarised, −104.0 ± 0.4)."
    )


def test_clusters_have_their_mean_last(found: Study) -> None:
    (table,) = section(found, "A code whose categories are classes").tables
    assert table.rows[-1] == ("mean", "", "", "", "", "0.950", "0.900", "0.950", "0.950")


def test_the_sweep_is_shown_where_there_was_one(found: Study) -> None:
    (table,) = section(found, "How many latents").tables
    assert table.rows == [("10", "−110"), ("30", "−105")]
    titles = [s.title for s in sections_of(replace(found, sweep={}), NoDrawings())]
    assert "How many latents" not in titles


def test_the_page_needs_nothing_else_and_escapes_what_it_is_given(
    found: Study, tmp_path: Path
) -> None:
    sections = list(sections_of(replace(found, data="<script>"), NoDrawings()))
    page = write_page(tmp_path / "study.html", replace(found, data="<script>"), sections)
    text = page.read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "UMAP: it needs umap-learn." in text
    for link in ("src=", "href="):
        assert f'{link}"http' not in text
