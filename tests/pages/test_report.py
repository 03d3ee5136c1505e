import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from discretevae.pages.figures import new_axes, save
from discretevae.pages.report import ReportFigure, format_value, write_report

NATS = "nats per example"


def entry(value: object, se: object = None, unit: str = NATS) -> dict[str, Any]:
    return {"value": value, "se": se, "unit": unit}


METRICS = {
    "train": {"elbo": entry(-97.0, 0.1), "kl": entry(7.0, 0.02)},
    "test": {
        "elbo": entry(-98.234, 0.41),
        "log_likelihood": entry(-95.0, 0.39),
        "kl": entry(7.01, 0.0213),
        "surrogate_gap": entry(math.nan),
        "kl_per_latent": entry([0.5, 1.25, math.nan], None, "nats"),
        "mutual_information": entry([0.5, 1.2], [0.01, 0.2], "nats"),
        "usage": entry([[0.5, 0.5], [1.0, 0.0]], None, "share"),
    },
}


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        """Every value of the attribute `name`."""
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(new_axes(), tmp_path_factory.mktemp("figures") / "elbo_curves.png")


def write(path: Path, **changes: Any) -> Path:
    arguments = {"title": "A run", "summary": ["One sentence."], "metrics": METRICS}
    arguments |= {"config": {"seed": 0}, "figures": []}
    return write_report(path / "report.html", **(arguments | changes))


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (-98.2345, 0.4, "−98.2 ± 0.4"),
        (-98.2345, 0.0412, "−98.23 ± 0.04"),
        (-98.2345, 0.0963, "−98.2 ± 0.1"),
        (-98.2345, 0.95, "−98.2 ± 0.9"),
        (-98.2345, 0.97, "−98 ± 1"),
        (-1234.5, 38.0, "−1230 ± 40"),
        (-1234.5, 3.8, "−1234 ± 4"),
        (12, 0.5, "12.0 ± 0.5"),
        (-0.001, 0.1, "0.0 ± 0.1"),
        (-98.2, 0.0, "−98.20 ± 0"),
        (-98.2, math.nan, "−98.20 ± –"),
        (-98.2, None, "−98.20"),
        (0.00123456, None, "0.001235"),
        (1.5e-9, None, "1.500e−09"),
        (12345.678, None, "12346"),
        (0.5, 2e-8, "0.50000000 ± 2e−08"),
        (4, None, "4"),
        (7.0, None, "7"),
        (0.0, None, "0"),
        (None, None, "–"),
        (None, 0.1, "–"),
        (math.nan, 0.1, "–"),
        (-math.inf, None, "−∞"),
        (math.inf, 0.1, "∞"),
    ],
)
def test_format_value(value: float | None, se: float | None, text: str) -> None:
    assert format_value(value, se) == text


def test_format_value_refuses_negative_errors() -> None:
    with pytest.raises(ValueError, match=r"`se` must be non-negative, got -1"):
        format_value(1.0, -1.0)


def test_the_page_tells_what_it_was_given(tmp_path: Path, png: Path) -> None:
    config = {"model": {"num_latents": 4, "path": None}, "command": "discretevae train digits"}
    config |= {"versions": {"torch": "2.13.0"}}
    figures = [ReportFigure("Curves", "How it went.", png)]
    page = Page(
        write(
            tmp_path, config=config, figures=figures, warnings=["Look out."], notes=["By the way."]
        )
    )
    for text in ("A run", "One sentence.", "Look out.", "By the way.", "Curves", "How it went."):
        assert text in page.text
    for text in ("model.num_latents", "discretevae train digits", "2.13.0", "On the test examples"):
        assert text in page.text
    for text in ("−98.2", "± 0.4", "7.01 ± 0.02", "−97.0 ± 0.1", "KL per latent", "1.2 ± 0.2"):
        assert text in page.text
    assert "nan" not in page.text.lower().split()
    assert page.text.count("–") >= 4


def test_latents_that_tell_most_come_first_and_weak_ones_are_folded(tmp_path: Path) -> None:
    told = [0.2, 0.001, 1.5, 0.0, 0.7]
    test = {
        "elbo": entry(-98.2, 0.4),
        "perplexity_per_latent": entry([1.0, 2.0, 3.0, 4.0, 5.0], None, "categories"),
        "mutual_information_per_latent": entry(told),
    }
    source = Page(write(tmp_path, metrics={"test": test})).source
    before, _, folded = source.partition('id="per-latent"')[2].partition('<details class="weak">')
    rows = r'<tr><th scope="row">(\d+)</th>'
    assert re.findall(rows, before) == ["2", "4", "0"]
    assert re.findall(rows, folded.partition("</section>")[0]) == ["1", "3"]
    assert "2 that tell next to nothing" in folded
    assert before.count("<details open>") == 1


def test_options_are_in_words(tmp_path: Path) -> None:
    config = {"rate": False, "stream": True, "widths": [256, 128], "seed": 0, "none": [], "x": None}
    text = Page(write(tmp_path, config=config)).text.partition("as resolved")[2]
    for word in ("no", "yes", "256, 128", "0"):
        assert word in text
    assert not {"False", "True", "None", "[256,"} & set(text.split())


def test_what_is_drawn_follows_dark_mode_and_pictures_do_not(tmp_path: Path, png: Path) -> None:
    figures = [ReportFigure("Curves", "", png, drawn=True), ReportFigure("Samples", "", png)]
    page = Page(write(tmp_path, figures=figures))
    classes = [attrs.get("class") for tag, attrs in page.tags if tag == "figure"]
    assert classes == ["drawn", None]
    assert "figure.drawn img { filter: invert" in page.source


def test_the_words_of_the_page_are_defined(tmp_path: Path) -> None:
    glossary = Page(write(tmp_path)).text.partition("How to read this page")[2]
    for word in ("Latent, category", "Code", "Prior", "ELBO", "KL"):
        assert f"\n{word}\n" in glossary


def test_sections_have_ids_and_links_lead_to_them(tmp_path: Path, png: Path) -> None:
    figures = [ReportFigure("Curves", "", png)] * 2
    page = Page(write(tmp_path, figures=figures, warnings=["!"], notes=["."]))
    ids = page.all("id")
    assert len(set(ids)) == len(ids)
    assert {"summary", "warnings", "headline", "numbers", "per-latent"} < set(ids)
    assert {"figure-elbo-curves", "how-to-read", "configuration", "notes"} < set(ids)
    anchors = [href[1:] for href in page.all("href") if href.startswith("#")]
    assert set(anchors) <= set(ids)
    assert all(attrs.get("id") for tag, attrs in page.tags if tag == "section")


def test_the_page_loads_nothing(tmp_path: Path, png: Path) -> None:
    page = Page(write(tmp_path, figures=[ReportFigure("Curves", "", png)]))
    assert all(source.startswith("data:image/png;base64,") for source in page.all("src"))
    assert all(href.startswith(("#", "data:")) for href in page.all("href"))
    assert "http://" not in page.source
    assert "https://" not in page.source
    assert "@import" not in page.source
    assert "url(" not in page.source
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed"}


def test_everything_is_escaped(tmp_path: Path, png: Path) -> None:
    evil = "<script>alert('x')</script>\"><img src=http://evil onerror=x>"
    metrics = {"test": {evil: entry(1.0, unit=evil)}, evil: {"elbo": entry(evil)}}
    page = Page(
        write(
            tmp_path,
            title=evil,
            summary=[evil],
            metrics=metrics,
            config={evil: evil, "command": evil, "versions": {evil: evil}},
            figures=[ReportFigure(evil, evil, png)],
            warnings=[evil],
            notes=[evil],
        )
    )
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert page.text.count(evil) >= 12


def test_headline_falls_back_and_prefers_exact_figures(tmp_path: Path) -> None:
    train = {"train": METRICS["train"]}
    assert "On the train examples" in Page(write(tmp_path, metrics=train)).text
    exact = METRICS["test"] | {"exact_log_likelihood": entry(-94.5, 0.3)}
    cards = Page(write(tmp_path, metrics={"test": exact})).source.split('id="numbers"')[0]
    assert "exact log-likelihood" in cards
    assert "−95.0" not in cards
    unknown = METRICS["test"] | {"exact_log_likelihood": entry(None)}
    cards = Page(write(tmp_path, metrics={"test": unknown})).source.split('id="numbers"')[0]
    assert "−95.0" in cards


def test_notes_of_figures_and_one_error_for_all_latents(tmp_path: Path) -> None:
    test = {"elbo": entry(-98.2, 0.4) | {"note": "grey pixels: no bound"}}
    test |= {"kl_per_latent": entry((1.0, 2.0), 0.1) | {"note": "summed <over> pixels"}}
    text = Page(write(tmp_path, metrics={"test": test})).text
    for part in ("grey pixels: no bound", "summed <over> pixels", "1.0 ± 0.1", "2.0 ± 0.1"):
        assert part in text


def test_nothing_to_tell_is_a_page_too(tmp_path: Path) -> None:
    page = Page(write(tmp_path, summary=[], metrics={}, config={}))
    assert "How to read this page" in page.text
    assert "numbers" not in page.all("id")


def test_a_missing_figure_leaves_the_old_page(tmp_path: Path, png: Path) -> None:
    old = write(tmp_path).read_bytes()
    missing = [ReportFigure("Curves", "", png), ReportFigure("Gone", "", tmp_path / "gone.png")]
    with pytest.raises(ValueError, match=r"`figures` must be .*gone\.png' does not exist"):
        write(tmp_path, figures=missing)
    assert (tmp_path / "report.html").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_only_png_is_embedded(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png' is no PNG"):
        write(tmp_path, figures=[ReportFigure("Text", "", tmp_path / "text.png")])


def test_a_write_that_fails_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(tmp_path).read_bytes()

    def full(self: Path, text: str, **_: object) -> None:
        self.write_bytes(text.encode()[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path, title="Another")
    assert (tmp_path / "report.html").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_figures_without_a_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`metrics\['test'\]\['elbo'\]` must be a mapping"):
        write(tmp_path, metrics={"test": {"elbo": {"se": 1.0}}})
